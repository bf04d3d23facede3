"""The step `check`: per feed of the night, may its files be used?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.unpublished import Unpublished
from jobs.check import accounts, expectations, releases
from jobs.check.classes import tolerances_of
from jobs.check.data_docs import write_pages
from jobs.check.expectations import Outcome, Slice
from jobs.check.night_rows import Night
from jobs.check.profiles import GROUP, Profile, collect_profiles, facts_of, measured
from jobs.check.rates import LONGEST_PAUSE, Moves, moves
from jobs.check.row_counts import usual
from jobs.check.tolerances import Tolerances, load_currencies
from jobs.platform import schemas
from jobs.platform.lake import Lake, latest
from jobs.platform.ledger import FileRecord, Run
from jobs.platform.local_rows import local_rows
from jobs.platform.logs import get_log
from jobs.platform.mapping import load_mappings
from jobs.platform.settings import Settings

Feed = tuple[str, str, str]  # tenant, vendor, feed
Series = tuple[str, str, str, str]  # the same and a table

RATES = "fx_rate"
LOOK_BACK_DAYS = 400  # bounds what is read for the trailing average


@dataclass(frozen=True)
class Delivery:
    """The files that are to be decided on, by feed: those of the run, and earlier ones (of a dead run, or whose waiting
    rows a replay has taken through), with all the runs that wrote rows of them."""

    files: dict[Feed, list[FileRecord]]
    run_no: int
    replays: dict[str, list[int]]

    @property
    def run_nos(self) -> list[int]:
        taken = {record.run_no for files in self.files.values() for record in files if record.run_no is not None}
        return sorted(taken.union(*self.replays.values()))

    @property
    def earlier(self) -> list[str]:
        """file_id of the files that other runs have taken."""
        return [one.file_id for files in self.files.values() for one in files if one.run_no != self.run_no]

    @property
    def rows(self) -> int:
        return sum(record.silver or 0 for files in self.files.values() for record in files)

    def tables(self) -> list[str]:
        """Tables that the feeds fill, from their mappings."""
        feeds = {feed for _, _, feed in self.files}
        return sorted({target.table for feed in feeds for target in load_mappings()[feed].targets})


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Decide on every normalised file of the run's scope: accepted, or withheld with its feed.

    Writes gold.data_quality_result, gold.held_account and the Data Docs, then the files' new status. Without files to
    decide on nothing is written, so that a step run again leaves the results of the first time; a release of a held
    account needs no files, nor does a replay, whose rows may be those of files that were accepted without them, nor do
    rows that came before their date.
    """
    delivery = _delivery(run)
    lake = Lake(spark, settings.lake_root)
    tolerances = tolerances_of(lake, settings)
    waiting = releases.due(run.ledger.connection, run.run_no, run.tenant)
    replayed = run.ledger.unpublished_replays(run)
    unpublished = Unpublished.of(run)
    if not delivery.files:
        nothing: dict[str, int | str] = {"files": 0, "accepted": 0, "withheld": 0, "rules": 0, "findings": 0}
        if not (waiting or replayed or unpublished.ahead):
            return nothing
        # An attempt before may have decided on files of a run that died: their rows are looked at again.
        run_nos = list(range(unpublished.first, run.run_no + 1))
        return nothing | accounts.write(lake, settings, tolerances, Night(unpublished, run_nos, replayed, waiting))
    expectations.preload()
    slices = _slices(lake, settings, run, delivery, tolerances)
    night = settings.folder("data_docs") / run.business_date.isoformat() / f"run-{run.run_no}"
    outcomes = expectations.validate(slices, f"{run.business_date} run {run.run_no}", night)
    if outcomes:
        write_pages(settings.folder("data_docs"), night, outcomes)
    lake.write_run(_result_rows(spark, outcomes, run), "data_quality_result", run.run_no, run.run_id)
    withheld = sorted({(o.slice.tenant_id, o.slice.vendor, o.slice.feed) for o in outcomes if _fails(o)})
    looked_at = Night(unpublished, sorted({run.run_no, *delivery.run_nos}), replayed, waiting, withheld)
    caught = accounts.write(lake, settings, tolerances, looked_at)
    return _decide(run, delivery, outcomes) | caught | {"data_docs": str(night / "index.html")}


def _delivery(run: Run) -> Delivery:
    feeds: dict[Feed, list[FileRecord]] = defaultdict(list)
    for record in run.ledger.files(status=["normalised"], run=run):
        if record.vendor is not None and record.feed is not None:
            feeds[record.tenant_id, record.vendor, record.feed].append(record)
    earlier = [one.file_id for files in feeds.values() for one in files if one.run_no != run.run_no]
    return Delivery(dict(sorted(feeds.items())), run.run_no, run.ledger.replays_of(earlier) if earlier else {})


def _slices(lake: Lake, settings: Settings, run: Run, delivery: Delivery, tolerances: Tolerances) -> list[Slice]:
    tables = delivery.tables()
    facts = {name: facts_of(schemas.table(name), tolerances) for name in tables}
    currencies = load_currencies(settings)
    logs = [feed for feed, mapping in load_mappings().items() if mapping.delivery == "log"]
    parts = [
        measured(_written(lake, name, delivery), schemas.table(name), facts[name], currencies, logs) for name in tables
    ]
    profiles = collect_profiles(parts, facts, delivery.rows)
    profiles += _of_no_rows(delivery, {_series(p) for p in profiles})
    counts = _usual_counts(lake, profiles, tolerances, run.business_date)
    on = run.business_date
    withheld = run.ledger.withheld_files(run)
    rates = _rate_moves(lake, delivery, tolerances, on, withheld)
    slices = [_delivery_slice(feed, files, tolerances, on) for feed, files in delivery.files.items()]
    slices += [expectations.table_slice(p, tolerances, counts.get(_series(p)), on) for p in profiles]
    return slices + [expectations.rate_slice(feed, found, tolerances, on) for feed, found in rates.items()]


def _of_no_rows(delivery: Delivery, brought: set[Series]) -> list[Profile]:
    """Profiles of the tables that the night's feeds fill and brought no row into: an empty file is a delivery too."""
    return [
        Profile(*feed, table, 0, 0, {})
        for feed in delivery.files
        for table in sorted({target.table for target in load_mappings()[feed[2]].targets})
        if (*feed, table) not in brought
    ]


def _written(lake: Lake, table: str, delivery: Delivery) -> DataFrame:
    """The slice of a silver table that the night's feeds wrote, and the rows of earlier files that are to be decided
    on."""
    feeds = [
        (F.col("tenant_id") == tenant) & (F.col("vendor") == vendor) & (F.col("feed") == feed)
        for tenant, vendor, feed in delivery.files
    ]
    of_files = (F.col("run_no") == delivery.run_no) | F.col("file_id").isin(delivery.earlier)
    rows = lake.written_by(table, delivery.run_nos).where("NOT coalesce(retired, false)")
    return rows.where(reduce(or_, feeds) & of_files)


def _rate_moves(
    lake: Lake, delivery: Delivery, tolerances: Tolerances, on: date, withheld: list[str]
) -> dict[Feed, Moves]:
    """How far the night's exchange rates moved from those of files that are not `withheld`, where some came and a rule
    asks."""
    asked = tolerances.of("fx_move")
    if not asked or RATES not in delivery.tables() or lake.last_run(RATES) < min(delivery.run_nos):
        return {}
    limits = sorted({limit.max for rule in asked for limit in rule.limits if limit.max is not None})
    days = F.col("as_of_date").between(on - timedelta(days=LONGEST_PAUSE), on)
    before = lake.read(RATES).where(days & ~F.col("run_no").isin(delivery.run_nos))
    if withheld:
        before = before.where(~F.col("file_id").isin(withheld))
    return moves(_written(lake, RATES, delivery), latest(before, schemas.table(RATES)), limits)


def _delivery_slice(feed: Feed, files: list[FileRecord], tolerances: Tolerances, on: date) -> Slice:
    records = sum(record.records or 0 for record in files)
    quarantined = sum(record.quarantined or 0 for record in files)
    return expectations.delivery_slice(feed, records=records, quarantined=quarantined, tolerances=tolerances, on=on)


def _series(p: Profile) -> Series:
    return p.tenant_id, p.vendor, p.feed, p.table


def _usual_counts(
    lake: Lake, profiles: list[Profile], tolerances: Tolerances, on: date
) -> dict[Series, tuple[float, int]]:
    """Per feed and table that has a row-count rule what is usual (`row_counts.usual`), of deliveries before `on`."""
    wanted = {}
    for p in profiles:
        rules = tolerances.in_force("row_count", table=p.table, tenant=p.tenant_id, vendor=p.vendor, feed=p.feed, on=on)
        if rules:
            wanted[_series(p)] = rules[0]
    if not wanted or not lake.exists("data_quality_result"):
        return {}
    past = lake.read("data_quality_result").where(
        F.col("rule").isin(sorted({rule.name for rule in wanted.values()}))
        & F.col("business_date").between(on - timedelta(days=LOOK_BACK_DAYS), on - timedelta(days=1))
    )
    # A line per feed and run: put together here, which costs less than a shuffle.
    runs: dict[Series, list[tuple[date, int, float]]] = defaultdict(list)
    for run in past.select(*GROUP, "table_name", "business_date", "rows_checked", "observed").collect():
        tenant_id, vendor, feed, table, *counts = run
        runs[tenant_id, vendor, feed, table].append(tuple(counts))
    found = {series: usual(runs[series], rule.over_dates) for series, rule in wanted.items()}
    return {series: known for series, known in found.items() if known}


def _result_rows(spark: SparkSession, outcomes: list[Outcome], run: Run) -> DataFrame:
    rows = [
        (
            o.slice.tenant_id,
            o.slice.vendor,
            o.slice.feed,
            o.slice.table,
            o.expected.rule.name,
            o.expected.column,
            o.expected.rule.severity,
            o.success,
            o.expected.observed,
            o.expected.expected_value,
            o.expected.rows_checked,
            o.expected.rows_failed,
            run.run_no,
            run.run_id,
            run.business_date,
        )
        for o in outcomes
    ]
    return local_rows(spark, rows, schemas.table("data_quality_result").struct).coalesce(1)


def _fails(outcome: Outcome) -> bool:
    """Whether the miss withholds the feed."""
    return not outcome.success and outcome.expected.rule.severity == "fail"


def _decide(run: Run, delivery: Delivery, outcomes: list[Outcome]) -> dict[str, int | str]:
    """Set the files' status: a miss of severity fail withholds all of the night's files of that feed."""
    log = get_log()
    changes: dict[str, dict[str, object]] = {}
    withheld = 0
    missed = [o for o in outcomes if not o.success]
    for feed, files in delivery.files.items():
        found = [o for o in missed if (o.slice.tenant_id, o.slice.vendor, o.slice.feed) == feed]
        fails = [o for o in found if _fails(o)]
        for outcome in found:
            log.warning("rule missed", finding=outcome.in_words(), severity=outcome.expected.rule.severity)
        words = "; ".join(outcome.in_words() for outcome in fails or found)
        status = "withheld" if fails else "accepted"
        for record in files:
            message = "; ".join(part for part in (record.message, words) if part)
            changes[record.file_id] = {"status": status, "message": message or None}
            withheld += bool(fails)
    run.ledger.update_files(changes)
    return {
        "files": len(changes),
        "accepted": len(changes) - withheld,
        "withheld": withheld,
        "rules": len(outcomes),
        "findings": len(missed),
    }


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("check")
