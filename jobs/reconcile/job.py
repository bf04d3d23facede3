"""The step `reconcile`: the vendors' own figures beside ours, for the accounts and days that this run touched."""

from __future__ import annotations

from datetime import date
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.epochs import current_rows
from jobs.check.tolerances import load_tolerances
from jobs.platform import schemas
from jobs.platform.lake import Lake, latest
from jobs.platform.ledger import Progress, Run
from jobs.platform.logs import get_log
from jobs.platform.settings import Settings
from jobs.reconcile.breaks import compared, remembered

OURS, THEIRS, BREAKS = "account_performance_daily", "reported_performance", "reconciliation_break"


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Compare and write gold.reconciliation_break; counts what is open, resolved and not comparable."""
    nothing: dict[str, int | str] = {"breaks": 0, "resolved": 0, "not_comparable": 0}
    lake = Lake(spark, settings.lake_root)
    if not lake.exists(THEIRS) or _nothing_came(lake, settings, run):
        return nothing
    theirs = _reported(lake, settings, run)
    ours = lake.read(OURS).where(F.col("as_of_date") <= run.business_date)
    dates = _dates_touched(theirs, ours, run)
    if dates is None:
        return nothing
    between = F.col("as_of_date").between(*dates)
    beside = latest(theirs.where(between), schemas.table(THEIRS))
    current = current_rows(ours.where(between), lake.read("account_epoch")).withColumn(
        "_touched", F.col("run_no") == run.run_no
    )
    touched = current.where("_touched").select("tenant_id", "account_id", "as_of_date", "_touched")
    concerned = beside.join(touched, ["tenant_id", "account_id", "as_of_date"], "left").where("_fresh OR _touched")
    found = compared(concerned, current, load_tolerances(settings))
    before = lake.read(BREAKS).where((F.col("run_no") < run.run_no) & between)
    rows = remembered(found, before, business_date=run.business_date, run_no=run.run_no, run_id=run.run_id)
    lake.write_run(rows, BREAKS, run.run_no, run.run_id)
    return _counted(lake, run)


def _nothing_came(lake: Lake, settings: Settings, run: Run) -> bool:
    """Whether it is plain from the tables' last commits that neither side has rows which were not compared yet."""
    compared_through = min([run.run_no - 1, *(progress.run_no for progress in _progress(settings, run).values())])
    return lake.last_run(THEIRS) <= compared_through and lake.last_run(OURS) < run.run_no


def _progress(settings: Settings, run: Run) -> dict[str, Progress]:
    """How far each tenant of the run is published."""
    tenants = [run.tenant] if run.tenant else sorted(p.name for p in settings.landing.iterdir() if p.is_dir())
    return {tenant: run.ledger.progress(tenant) for tenant in tenants}


def _reported(lake: Lake, settings: Settings, run: Run) -> DataFrame:
    """Reported rows up to the business date, of files that were not withheld, with _fresh: not yet reconciled."""
    rows = lake.read(THEIRS).where(F.col("as_of_date") <= run.business_date)
    for column, wanted in (("tenant_id", run.tenant), ("vendor", run.vendor)):
        if wanted is not None:
            rows = rows.where(F.col(column) == wanted)
    withheld = [file.file_id for file in run.ledger.files(status=["withheld"], run=run)]
    if withheld:
        rows = rows.where(~F.col("file_id").isin(withheld))
    return rows.withColumn("_fresh", _fresh(settings, run))


def _fresh(settings: Settings, run: Run) -> Column:
    """Loaded since what the tenant last published, or by this run itself (which may be run again after publishing)."""
    tests = [F.col("run_no") == run.run_no]
    for tenant, progress in _progress(settings, run).items():
        tests.append((F.col("tenant_id") == tenant) & (F.col("run_no") > progress.run_no))
    return reduce(or_, tests)


def _dates_touched(theirs: DataFrame, ours: DataFrame, run: Run) -> tuple[date, date] | None:
    """First and last date that the run touched on either side: bounds what is read of the history."""
    touched = (
        theirs.where("_fresh")
        .select("as_of_date")
        .unionByName(ours.where(F.col("run_no") == run.run_no).select("as_of_date"))
    )
    row = touched.agg(F.min("as_of_date").alias("first"), F.max("as_of_date").alias("last")).first()
    return None if row is None or row["first"] is None else (row["first"], row["last"])


def _counted(lake: Lake, run: Run) -> dict[str, int | str]:
    written = lake.read(BREAKS).where(F.col("run_no") == run.run_no)
    log = get_log()
    counts = {"breaks": 0, "resolved": 0, "not_comparable": 0}
    for row in written.groupBy("type", "state", "severity").count().orderBy("type", "state").collect():
        kind = row["state"] if row["state"] in counts else "breaks"
        counts[kind] += row["count"]
        log.info("reconciled", type=row["type"], state=row["state"], severity=row["severity"], count=row["count"])
    return dict(counts)


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("reconcile")
