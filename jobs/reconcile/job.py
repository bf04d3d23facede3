"""The step `reconcile`: other people's figures beside ours, and what becomes of each difference from night to night."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from time import monotonic

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.unpublished import Unpublished
from jobs.check.classes import tolerances_of
from jobs.platform.business_calendar import calendars_of
from jobs.platform.lake import Lake
from jobs.platform.ledger import Run
from jobs.platform.logs import Workers, get_log
from jobs.platform.settings import Settings
from jobs.reconcile import account_rows, books, coverage, held, holdings, holdings_rows, reported
from jobs.reconcile.acts import Acts, oldest_lasting
from jobs.reconcile.breaks import BREAKS, as_differences, remembered
from jobs.reconcile.desk import Desk, load_breaks

# What is compared: each gives differences (breaks.DIFFERENCE) for what the run touched and what else no publication has
# shown; None where nothing came.
Comparer = Callable[[Lake, Settings, Unpublished], DataFrame | None]
COMPARERS: dict[str, Comparer] = {
    "reported_performance": reported.differences,
    "holdings": holdings.differences,
    "rolls": holdings_rows.differences,
    "account_master": account_rows.differences,
}
SIDE_BY_SIDE = 3
COUNTED = ["breaks", "explained", "accepted", "resolved", "not_comparable"]


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Compare, then hold and flag accounts for what came out."""
    unpublished = Unpublished.of(run)
    return _compare(spark, settings, unpublished) | held.write(spark, settings, unpublished)


def _compare(spark: SparkSession, settings: Settings, unpublished: Unpublished) -> dict[str, int | str]:
    """Compare and write gold.reconciliation_break; counts what is open (`breaks`), explained, accepted, resolved and
    not comparable."""
    lake, run = Lake(spark, settings.lake_root), unpublished.run
    found = _differences(lake, settings, unpublished)
    coverage.tell(lake, unpublished, found)
    acts = Acts.since_last_run(run)
    if found is None and not acts.rows:
        _clear(lake, run)
        return dict.fromkeys(COUNTED, 0)
    rows = _remembered(spark, settings, run, lake, found, acts)
    lake.write_run(rows, BREAKS, run.run_no, run.run_id)
    acts.carried(run)
    return _counted(lake, run)


def _differences(lake: Lake, settings: Settings, unpublished: Unpublished) -> DataFrame | None:
    """Of all comparers, each worked out once, since they are looked at more than once; None where nothing came.

    Side by side, as planning is most of what a small night's costs.
    """

    def worked_out(name: str) -> DataFrame | None:
        began = monotonic()
        rows = COMPARERS[name](lake, settings, unpublished)
        rows = None if rows is None else as_differences(rows).localCheckpoint()
        get_log().info("compared", comparer=name, anything=rows is not None, seconds=round(monotonic() - began, 1))
        return rows

    with Workers(SIDE_BY_SIDE) as pool:
        frames = [rows for rows in pool.map(worked_out, COMPARERS) if rows is not None]
    return reduce(DataFrame.unionByName, frames) if frames else None


def _remembered(  # noqa: PLR0917
    spark: SparkSession, settings: Settings, run: Run, lake: Lake, found: DataFrame | None, acts: Acts
) -> DataFrame:
    if found is None:
        found = as_differences(spark.range(0).toDF("none"))
    days = F.min("as_of_date"), F.max("as_of_date")
    first, last, counted = found.agg(*days, books.Suspects.counted()).collect()[0]
    tolerances = tolerances_of(lake, settings)
    suspects = books.Suspects.of(counted)
    if suspects is not None:
        found = books.explained(found, suspects, lake, run, tolerances)
        first, last = min(first, suspects.first - books.NEIGHBOURS), max(last, suspects.last + books.NEIGHBOURS)
    # A level of an earlier date may go on tonight, or be corrected in part; what is of one date is looked for on that.
    dates = [day for day in (first, oldest_lasting(run, first), acts.first_date) if day is not None]
    earliest = min(dates, default=None)
    before = lake.read(BREAKS).where(F.col("run_no") < run.run_no)
    if earliest is not None:
        before = before.where(F.col("as_of_date") >= earliest)
    if last is not None and not acts.rows:
        before = before.where(F.col("as_of_date") <= last)
    tenants = [run.tenant] if run.tenant else sorted(p.name for p in settings.landing.iterdir() if p.is_dir())
    return remembered(
        found,
        before,
        tolerances,
        Desk(load_breaks(settings)),
        calendars_of(settings, tenants),
        business_date=run.business_date,
        run_no=run.run_no,
        run_id=run.run_id,
        said=acts.frame(spark),
    )


def _clear(lake: Lake, run: Run) -> None:
    """Nothing came: what an earlier attempt of the run has written goes."""
    if lake.exists(BREAKS) and lake.last_run(BREAKS) >= run.run_no:
        lake.write_run(lake.read(BREAKS).limit(0), BREAKS, run.run_no, run.run_id)


def _counted(lake: Lake, run: Run) -> dict[str, int | str]:
    """What the run saw or brought into another state; a level that only ended is no news."""
    log = get_log()
    written = lake.written_by(BREAKS, [run.run_no])
    tonight = (F.col("last_seen_on") == run.business_date) | (F.col("changed_on") == run.business_date)
    counts = dict.fromkeys(COUNTED, 0)
    for row in written.where(tonight).groupBy("type", "state", "severity").count().orderBy("type", "state").collect():
        counts["breaks" if row["state"] == "open" else row["state"]] += row["count"]
        log.info("reconciled", type=row["type"], state=row["state"], severity=row["severity"], count=row["count"])
    return dict(counts)


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("reconcile")
