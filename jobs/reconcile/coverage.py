"""What was compared at all: a row that nobody's figures were beside is not verified by silence."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.unpublished import Unpublished
from jobs.platform.lake import Lake
from jobs.platform.ledger import Run
from jobs.reconcile.levels import STATES_OF_ACCOUNT
from jobs.reconcile.reported import ROLL_FORWARD

ACCOUNT_DAY = ["tenant_id", "account_id", "as_of_date"]
# Both figures are the vendor's: that they agree with each other says nothing of ours.
OF_NO_FIGURE_OF_OURS = [ROLL_FORWARD, "position_value", "cash_balance", *STATES_OF_ACCOUNT]
UNCOMPARED, DAILY = "uncompared_day", "account_performance_daily"


def uncompared_days(rows: DataFrame, compared: DataFrame, known: DataFrame, before: DataFrame | None) -> DataFrame:
    """ACCOUNT_DAY, is_uncompared: the rows beside which there is no figure, and those beside which there is one now.

    rows: ACCOUNT_DAY of the rows that the run brings. compared: ACCOUNT_DAY of which a figure was compared; tenants of
    which there is none are left out, as what holds for a whole run is told of the run. known: rows of
    gold.uncompared_day of earlier runs. before: ACCOUNT_DAY of the rows of earlier runs that had nothing to compare
    with, None where none had.
    """
    newest = Window.partitionBy(*ACCOUNT_DAY).orderBy(F.desc("run_no"))
    latest = known.withColumn("_place", F.row_number().over(newest)).where("_place = 1 AND is_uncompared")
    bare_before = latest.select(*ACCOUNT_DAY)
    if before is not None:
        bare_before = bare_before.unionByName(before).distinct()
    mended = bare_before.join(compared, ACCOUNT_DAY, "left_semi")
    tenants = F.broadcast(compared.select("tenant_id").distinct())
    bare = rows.join(tenants, "tenant_id", "left_semi").join(compared, ACCOUNT_DAY, "left_anti")
    return bare.select(*ACCOUNT_DAY, F.lit(True).alias("is_uncompared")).unionByName(
        mended.withColumn("is_uncompared", F.lit(False))
    )


def tell(lake: Lake, unpublished: Unpublished, found: DataFrame | None) -> None:
    """Enter how much was compared, by tenant, in the ledger, and write gold.uncompared_day. `found`: all differences of
    the run, also of figures that agree."""
    run, tenants = unpublished.run, []
    if found is not None:
        compared = (
            found.where(F.col("obstacle").isNull() & ~F.col("type").isin(OF_NO_FIGURE_OF_OURS))
            .select(*ACCOUNT_DAY)
            .distinct()
            .localCheckpoint()
        )
        tenants = compared.groupBy("tenant_id").agg(F.count("*"), F.min("as_of_date"), F.max("as_of_date")).collect()
    _enter(run, {tenant_id: count for tenant_id, count, _, _ in tenants})
    if not tenants:
        _write(lake, run, lambda: lake.read(UNCOMPARED).limit(0))
        return
    rows = unpublished.of_table(lake, DAILY).select(*ACCOUNT_DAY).distinct()
    bounds = min(first for _, _, first, _ in tenants), max(last for _, _, _, last in tenants)
    earlier = (F.col("run_no") < run.run_no) & F.col("as_of_date").between(*bounds)
    bare = _runs_without_figures(run, [tenant_id for tenant_id, _, _, _ in tenants])
    before = lake.read(DAILY).where(earlier & F.col("run_no").isin(bare)).select(*ACCOUNT_DAY) if bare else None
    days = uncompared_days(rows, compared, lake.read(UNCOMPARED).where(earlier), before).localCheckpoint()
    stamped = days.withColumns({"run_no": F.lit(run.run_no).cast("long"), "run_id": F.lit(run.run_id)})
    _write(lake, run, lambda: stamped, is_empty=days.isEmpty())


def _runs_without_figures(run: Run, tenants: list[str]) -> list[int]:
    """The published runs that had nothing to compare one of the tenants with."""
    found = run.ledger.connection.execute(
        "SELECT DISTINCT o.run_no FROM marts.run_control k JOIN ops.run o USING (run_id)"
        " WHERE k.control = 'comparison' AND k.state = 'nothing_there' AND k.tenant_id = ANY (%s)",
        [tenants],
    )
    return [run_no for (run_no,) in found]


def _enter(run: Run, counts: dict[str, int]) -> None:
    connection = run.ledger.connection
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM ops.run_comparison WHERE run_id = %s", [run.run_id])
        cursor.executemany(
            "INSERT INTO ops.run_comparison VALUES (%s, %s, %s)",
            [(tenant_id, run.run_id, count) for tenant_id, count in sorted(counts.items())],
        )


def _write(lake: Lake, run: Run, rows: Callable[[], DataFrame], *, is_empty: bool = True) -> None:
    """Write the run's rows; where there are none, only in place of those of an earlier attempt."""
    if not is_empty or (lake.exists(UNCOMPARED) and lake.last_run(UNCOMPARED) >= run.run_no):
        lake.write_run(rows(), UNCOMPARED, run.run_no, run.run_id)
