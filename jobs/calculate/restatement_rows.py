"""gold.restatement, of accounts: each restatement of a run with its effect, its cause and its class, and whether it
goes out or waits.

A restatement that waits leaves gold as it is: no epoch is opened, none of the account's rows of this run are written,
so its groups and the next night see what is published. Whatever makes the account due again takes it back to the day
from which it waits, and it is judged anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from jobs.calculate.causes import causes
from jobs.calculate.effects import effects
from jobs.calculate.gold import Proposal, clear
from jobs.calculate.inputs import ACCOUNT, Silver
from jobs.calculate.night import Night
from jobs.calculate.restatement_table import CAUSE, NO_INPUT, RESTATEMENT, class_sql, complete, in_words, names_sql
from jobs.platform.ledger import Run
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import table
from jobs.platform.settings import Settings

APPROVAL = T.StructType(
    [
        T.StructField("restatement_id", T.StringType()),
        T.StructField("approved_as", T.StringType()),
        T.StructField("approved_run", T.LongType()),
    ]
)
RESTATEMENT_ID = "concat_ws('/', tenant_id, 'account', account_id, epoch)"


@dataclass
class Restatements:
    """The restatements of one run's accounts. `waiting`: those of earlier runs that wait, as gold.restatement has them,
    with approved_as (the class that was approved, NULL without an approval); None where none waits. `proposal`: the
    rows of the accounts that wait by what this run has found, None where none does."""

    silver: Silver
    settings: Settings
    run: Run
    waiting: DataFrame | None
    proposal: Proposal | None = None

    @classmethod
    def of(cls, night: Night) -> Restatements:
        """For a run; where nothing waits that costs a look into the ledger and no Spark job."""
        none = cls(night.silver, night.settings, night.run, None)
        approvals = night.run.ledger.restatement_approvals(night.silver.tenants)
        return none if approvals is None else replace(none, waiting=none._waiting(approvals))

    def _waiting(self, approvals: list[tuple[str, str, int]]) -> DataFrame:
        # As plain files: what is cached of a Delta table is planned anew when this run writes to it.
        lake = self.silver.lake
        rows = lake.spark.read.schema(table(RESTATEMENT).struct).parquet(*lake.files(RESTATEMENT))
        rows = rows.where(F.col("tenant_id").isin(self.silver.tenants) & (F.col("run_no") != self.run.run_no))
        rows = rows.where("account_id IS NOT NULL")
        one = Window.partitionBy("tenant_id", "restatement_id")
        last = rows.withColumns(
            {
                "_place": F.row_number().over(one.orderBy(F.desc("run_no"))),
                "_withdrawn": F.max(F.expr("IF(state = 'withdrawn', run_no, 0)")).over(one),
            }
        ).where("_place = 1 AND state = 'waiting'")
        approved = F.broadcast(local_rows(lake.spark, approvals, APPROVAL))
        # An approval of what was withdrawn since is none of what waits under the same name now.
        holds = F.expr("IF(approved_run > _withdrawn, approved_as, NULL) AS approved_as")
        return last.join(approved, "restatement_id", "left").select(*table(RESTATEMENT).names, holds)

    def judge(self, calculated: DataFrame, existing: DataFrame, opened: DataFrame, *, restated: int) -> int:
        """Judge the accounts of `opened` (tenant_id, account_id, from_date, epoch), as many as `restated` says, and
        write them down, with those of `waiting` whose account was calculated again and comes out as published.
        Returns how many wait."""
        if not restated and self.waiting is None:
            self.clear()
            return 0
        changes = effects(calculated, existing, opened, ACCOUNT, table("account_performance_daily")).localCheckpoint()
        progress = {tenant: self.run.ledger.progress(tenant) for tenant in self.silver.tenants}
        found = causes(self.silver, changes, progress).localCheckpoint()
        rows = self._judged(changes.join(opened.select(*ACCOUNT, "epoch"), ACCOUNT), found)
        if self.waiting is not None:
            due = calculated.select(*ACCOUNT).distinct()
            back = self.waiting.join(due, ACCOUNT, "left_semi").join(opened, ACCOUNT, "left_anti")
            rows = rows.unionByName(complete(back.withColumn("state", F.lit("withdrawn")), self.run))
        self.silver.lake.write_run(rows, RESTATEMENT, self.run.run_no, self.run.run_id)
        waits = self.held().count()
        if waits:
            since = opened.join(self.held(), ACCOUNT, "left_semi").select(*ACCOUNT, "epoch", "from_date")
            proposed = calculated.join(since, ACCOUNT).where("as_of_date >= from_date").drop("from_date")
            self.proposal = Proposal(proposed.localCheckpoint(), since.localCheckpoint())
        return waits

    def without_held(self, rows: DataFrame) -> DataFrame:
        """`rows` (tenant_id, account_id, ...) without those of the accounts that wait by what this run has found."""
        lake, run_no = self.silver.lake, self.run.run_no
        wrote = lake.exists(RESTATEMENT) and lake.last_run(RESTATEMENT) >= run_no
        return rows.join(self.held(), ACCOUNT, "left_anti") if wrote else rows

    def clear(self) -> None:
        """Nothing is restated: what an earlier attempt of the run has written goes."""
        clear(self.silver.lake, RESTATEMENT, self.run)

    def held(self) -> DataFrame:
        """tenant_id, account_id of the accounts that wait by what this run has found."""
        rows = self.silver.lake.written_by(RESTATEMENT, [self.run.run_no])
        return rows.where("state = 'waiting'").select(*ACCOUNT)

    def still_waiting(self) -> DataFrame:
        """tenant_id, account_id of the accounts that wait after this run: by what it has found, or as before."""
        settled = self.silver.lake.written_by(RESTATEMENT, [self.run.run_no]).where("group_id IS NULL").select(*ACCOUNT)
        before = local_rows(self.silver.lake.spark, [], settled.schema) if self.waiting is None else self.waiting
        return before.select(*ACCOUNT).join(settled, ACCOUNT, "left_anti").unionByName(self.held())

    def _judged(self, changes: DataFrame, found: DataFrame) -> DataFrame:
        rows = changes.withColumns(
            {
                "restatement_id": F.expr(RESTATEMENT_ID),
                "_class": F.expr(class_sql(self.settings, self.silver.tenants)),
                "_names": F.expr(names_sql(self.settings, self.silver.tenants)),
            }
        ).join(in_words(found, self.run), ACCOUNT, "left")
        if self.waiting is not None:
            rows = _with_earlier(rows, self.waiting)
        else:
            rows = rows.withColumn("approved_as", F.lit(None).cast("string"))
        is_approved = "coalesce(_class.place < array_position(_names, approved_as), false)"
        judged = rows.withColumns(
            {
                "materiality": F.col("_class.name"),
                "state": F.expr(f"IF(coalesce(_class.publish, true) OR {is_approved}, 'published', 'waiting')"),
                "cause_kind": F.coalesce("cause_kind", F.lit("none")),
                "cause": F.coalesce("cause", F.lit(NO_INPUT)),
            }
        )
        return complete(judged, self.run)


def _with_earlier(rows: DataFrame, waiting: DataFrame) -> DataFrame:
    """`rows` with approved_as. What waited keeps its cause where it begins on the same day, as its input is not new."""
    names = [name for name in rows.columns if name not in CAUSE]
    known = waiting.select(
        *ACCOUNT, "approved_as", F.col("from_date").alias("_since"), F.struct(*CAUSE).alias("_earlier")
    )
    keeps = "_earlier IS NOT NULL AND (_since = from_date OR cause IS NULL)"
    kept = [F.expr(f"IF({keeps}, _earlier.{name}, {name}) AS {name}") for name in CAUSE]
    return rows.join(known, ACCOUNT, "left").select(*names, "approved_as", *kept)


def with_waiting(affected: DataFrame, waiting: DataFrame) -> DataFrame:
    """`affected` accounts (as `due.affected_accounts` gives them) go back to where a restatement of theirs waits from;
    one that is approved is due without any new input."""
    since = waiting.groupBy(*ACCOUNT).agg(
        F.min("from_date").alias("_since"), F.bool_or(F.col("approved_as").isNotNull()).alias("_approved")
    )
    return (
        affected.join(since, ACCOUNT, "full")
        .where("from_date IS NOT NULL OR _approved")
        .selectExpr(
            *ACCOUNT,
            "least(from_date, _since) AS from_date",
            "coalesce(has_input, false) OR _since IS NOT NULL AS has_input",
            "booked_from",
        )
    )
