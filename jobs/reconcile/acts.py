"""What persons have said of breaks, in Postgres (ops.break_event): the next run takes it into the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.platform.ledger import Run
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import table
from jobs.reconcile.breaks import BREAKS, SAID
from jobs.reconcile.levels import LASTING, LIVING

KEY = ["tenant_id", "break_id", "as_of_date"]


@dataclass(frozen=True)
class Acts:
    """rows: the published rows of the breaks about which something was said since an earlier run took it, in the
    columns KEY and SAID; through: the last event among them."""

    rows: list[tuple[Any, ...]]
    through: int

    @classmethod
    def since_last_run(cls, run: Run) -> Acts:
        """For a run that is done again: since the run before it. A run of one tenant leaves the others' to theirs."""
        names = ", ".join(f"b.{name}" for name in [*KEY, *SAID])
        rows = run.ledger.connection.execute(
            f"SELECT {names} FROM marts.reconciliation_break b WHERE b.event_no IS NOT NULL AND b.event_no > coalesce(("  # noqa: S608
            "SELECT max(c.event_no) FROM ops.break_event_carried c WHERE c.run_no < %(run_no)s"
            " AND coalesce(c.tenant_id, b.tenant_id) = b.tenant_id), 0)"
            " AND (%(tenant)s::text IS NULL OR b.tenant_id = %(tenant)s)",
            {"run_no": run.run_no, "tenant": run.tenant},
        ).fetchall()
        place = [*KEY, *SAID].index("event_no")
        return cls(rows, max((row[place] for row in rows), default=0))

    def frame(self, spark: SparkSession) -> DataFrame | None:
        """As `breaks.remembered` takes it; None where nothing was said."""
        struct = table(BREAKS).struct
        wanted = T.StructType([T.StructField(name, struct[name].dataType) for name in [*KEY, *SAID]])
        return local_rows(spark, self.rows, wanted) if self.rows else None

    @property
    def first_date(self) -> date | None:
        return min((row[KEY.index("as_of_date")] for row in self.rows), default=None)

    def carried(self, run: Run) -> None:
        """Write down that the run has taken them."""
        if self.rows:
            run.ledger.connection.execute(
                "INSERT INTO ops.break_event_carried (run_no, event_no, tenant_id) VALUES (%s, %s, %s)"
                " ON CONFLICT (run_no) DO UPDATE SET event_no = excluded.event_no",
                [run.run_no, self.through, run.tenant],
            )


def oldest_lasting(run: Run, first: date | None) -> date | None:
    """First date of the oldest published break to which a difference of tonight may belong, the earliest of which is of
    the date `first`: one whose level had not ended when it was last looked at, or had dates since then. What was not
    seen for 70 days goes on no more: an account valued monthly does."""
    row = run.ledger.connection.execute(
        "SELECT min(as_of_date) FROM marts.reconciliation_break WHERE state = ANY (%s) AND type = ANY (%s)"
        " AND (ended_on IS NULL AND coalesce(through_date, as_of_date) >= %s::date - 70"
        " OR coalesce(through_date, as_of_date) >= %s)"
        " AND (%s::text IS NULL OR tenant_id = %s)",
        [LIVING, LASTING, run.business_date, first, run.tenant, run.tenant],
    ).fetchone()
    return row[0] if row else None
