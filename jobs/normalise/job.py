"""normalise: lines of bronze to typed rows of silver, by mapping; what does not fit to the quarantine, with reasons."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.normalise import quarantine, references, replay
from jobs.normalise.accounting import FileAccount
from jobs.normalise.controls import ControlResult, broken_controls
from jobs.normalise.in_kind import valued_in_kind
from jobs.normalise.records import (
    FILE_FACTS,
    FILE_LAYOUT,
    classified,
    common_header,
    file_facts,
    file_layout,
    needs_layout,
    rule_struct,
    with_cells,
)
from jobs.normalise.targets import RULES_TYPE, canonical_rows, with_identity
from jobs.normalise.versions import with_outcome
from jobs.platform import schemas
from jobs.platform.errors import AccountingError
from jobs.platform.lake import Lake, latest
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.local_rows import local_rows
from jobs.platform.logs import mask
from jobs.platform.mapping import Mapping, load_mappings, mapping_version
from jobs.platform.settings import Settings

log = structlog.get_logger()

# Tables that others refer to, in this order; then the rest side by side.
FIRST = ["account", "account_xref"]
LAST = ["transaction"]  # a transfer in kind asks for the price
REASONS_SHOWN = 5


@dataclass
class Batch:
    """The files that one run took, on their way through normalise."""

    spark: SparkSession
    lake: Lake
    ledger: Ledger
    run_id: str
    run_no: int
    files: list[FileRecord]
    mappings: dict[str, Mapping] = field(default_factory=load_mappings)
    accounts: dict[str, FileAccount] = field(default_factory=dict)
    controls: list[ControlResult] = field(default_factory=list)
    quarantined: list[DataFrame] = field(default_factory=list)
    ready: DataFrame | None = None
    replayed_files: dict[str, list[FileRecord]] = field(default_factory=dict)
    replayed: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    persisted: list[DataFrame] = field(default_factory=list)

    @property
    def by_feed(self) -> dict[str, list[FileRecord]]:
        feeds: dict[str, list[FileRecord]] = defaultdict(list)
        for file in self.files:
            feeds[str(file.feed)].append(file)
        return feeds

    @property
    def refused(self) -> dict[str, ControlResult]:
        """The first broken control of each refused file."""
        return {result.file_id: result for result in reversed(self.controls) if result.refuses}


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Bring all ingested files into silver and quarantine; returns records, silver, quarantined, skipped and refused.

    Raises AccountingError where a file's records do not add up; the file then stays where it was.
    """
    lake = Lake(spark, settings.lake_root)
    taken_by: dict[int, list[FileRecord]] = defaultdict(list)
    for file in run.ledger.files(status=["ingested"]):
        taken_by[int(file.run_no or 0)].append(file)
    totals: Counter[str] = Counter()
    for run_no, files in sorted(taken_by.items()):
        batch = Batch(spark, lake, run.ledger, run.run_id, run_no, files)
        try:
            _normalise(batch)
        finally:
            for frame in batch.persisted:
                frame.unpersist()
        changes = {}
        for file in files:
            books = batch.accounts[file.file_id]
            refused = batch.refused.get(file.file_id)
            changes[file.file_id] = {
                "status": "refused" if refused else "normalised",
                "message": f"line {refused.line_no}: {refused.control}: {refused.message}" if refused else file.message,
                "records": books.records,
                "silver": books.silver,
                "quarantined": books.quarantined,
                "skipped": books.skipped,
            }
            for name in ("records", "silver", "quarantined", "skipped"):
                totals[name] += int(str(changes[file.file_id][name]))
            totals["refused"] += bool(refused)
        run.ledger.update_files({**changes, **_after_replay(batch)})
    return {name: totals[name] for name in ("records", "silver", "quarantined", "skipped", "refused")}


def _normalise(batch: Batch) -> None:
    bronze = _bronze(batch, batch.files, [batch.run_no]).persist()
    batch.persisted.append(bronze)
    _count_lines(batch, bronze)
    lines = {feed: _lines(batch, feed, files, bronze) for feed, files in batch.by_feed.items()}
    for feed, frame in lines.items():
        for control in batch.mappings[feed].controls:
            for result in broken_controls(frame, batch.mappings[feed], control):
                batch.controls.append(result)
                path = batch.accounts[result.file_id].file.path
                emit = log.error if result.refuses else log.warning
                emit("control_broken", file_id=result.file_id, file=path, line=result.line_no, reason=result.message)
    by_table: dict[str, list[DataFrame]] = defaultdict(list)
    for feed, frame in lines.items():
        for table, rows in _rows(frame, batch.mappings[feed], batch.by_feed[feed]):
            by_table[table].append(rows)
    accounts_came = False
    for name in FIRST:
        if name in by_table:
            _load(batch, name, by_table.pop(name))
            accounts_came |= name in {"account", "account_xref"}
    if accounts_came:
        for table, rows in _replayed_rows(batch):
            by_table[table].append(rows)
    last = {name: by_table.pop(name) for name in LAST if name in by_table}
    with ThreadPoolExecutor(max_workers=3) as pool:
        for done in [pool.submit(_load, batch, name, parts) for name, parts in sorted(by_table.items())]:
            done.result()
    for name, parts in last.items():
        _load(batch, name, parts)
    _write_quarantine(batch)
    for books in batch.accounts.values():
        books.check()
    _say_what_did_not_fit(batch)


def _rows(lines: DataFrame, mapping: Mapping, files: list[FileRecord]) -> Iterator[tuple[str, DataFrame]]:
    header = common_header(mapping, files)
    for number, target in enumerate(mapping.targets):
        first = 1 + sum(other.lines == target.lines for other in mapping.targets[:number])
        yield target.table, with_identity(canonical_rows(lines, mapping, target, header, first), target)


def _replayed_rows(batch: Batch) -> Iterator[tuple[str, DataFrame]]:
    """Rows that waited for an account that this batch brought, made anew from bronze."""
    tenants = sorted({file.tenant_id for file in batch.files})
    batch.ready = replay.ready_rows(batch.lake, tenants, batch.run_no)
    if batch.ready is None:
        return
    batch.ready = batch.ready.persist()
    batch.persisted.append(batch.ready)
    batch.replayed_files = replay.files_of(batch.ready, batch.ledger)
    for feed, files in batch.replayed_files.items():
        in_force = [replace(file, mapping_version=mapping_version(feed)) for file in files]
        run_nos = sorted({int(file.run_no or 0) for file in files})
        lines = _lines(batch, feed, in_force, _bronze(batch, in_force, run_nos))
        for table, rows in _rows(lines, batch.mappings[feed], in_force):
            yield table, replay.only_ready(rows, batch.ready, table, batch.run_no)


def _after_replay(batch: Batch) -> dict[str, dict[str, int]]:
    """New counts of files whose waiting rows went through."""
    changes = {}
    for file in [file for files in batch.replayed_files.values() for file in files]:
        went = batch.replayed[file.file_id]
        silver, skipped = went["silver"], sum(n for name, n in went.items() if name.startswith("skipped"))
        changes[file.file_id] = {
            "silver": (file.silver or 0) + silver,
            "skipped": (file.skipped or 0) + skipped,
            "quarantined": (file.quarantined or 0) - silver - skipped,
        }
        log.info("waiting_rows_taken", file_id=file.file_id, file=file.path, rows=silver + skipped)
    return changes


def _bronze(batch: Batch, files: list[FileRecord], run_nos: list[int]) -> DataFrame:
    """The files' lines with what detection learned of them and what kind of line each is."""
    facts = local_rows(batch.spark, file_facts(files), FILE_FACTS)
    feeds = {str(file.feed) for file in files}
    lines = batch.lake.read("line").where(F.col("run_no").isin(run_nos) & F.col("feed").isin(sorted(feeds)))
    mappings = {feed: batch.mappings[feed] for feed in sorted(feeds)}
    return classified(lines.join(F.broadcast(facts), "file_id"), mappings)


def _lines(batch: Batch, feed: str, files: list[FileRecord], bronze: DataFrame) -> DataFrame:
    mapping = batch.mappings[feed]
    header = common_header(mapping, files)
    of_feed = bronze.where(F.col("feed") == feed)
    if needs_layout(mapping, header):
        layout = local_rows(batch.spark, file_layout(files), FILE_LAYOUT)
        of_feed = of_feed.join(F.broadcast(layout), "file_id")
    lines = with_cells(of_feed, mapping, header)
    if mapping.controls or len(mapping.targets) > 1:  # read more than once
        lines = lines.persist()
        batch.persisted.append(lines)
    return lines


def _count_lines(batch: Batch, bronze: DataFrame) -> None:
    """Opens each file's books: its lines by kind, and how many records the mapping derives from them."""
    batch.accounts = {file.file_id: FileAccount(file) for file in batch.files}
    for file_id, kind, count in bronze.groupBy("file_id", "kind").count().collect():
        batch.accounts[file_id].kinds[kind] += count
    for books in batch.accounts.values():
        mapping = batch.mappings[str(books.file.feed)]
        for kind, count in books.kinds.items():
            derived = sum(_records_a_line(mapping, number, kind, books.file) for number in range(len(mapping.targets)))
            books.expected_records += count * derived
            if not derived:
                books.lines_without_record += count


def _records_a_line(mapping: Mapping, number: int, kind: str, file: FileRecord) -> int:
    target = mapping.targets[number]
    if target.lines != kind:
        return 0
    if target.unpivot is None:
        return 1
    return sum(bool(re.fullmatch(target.unpivot.titles, title)) for title in file.detection["header"])


def _load(batch: Batch, name: str, parts: list[DataFrame]) -> None:
    """Write one table's rows of the batch to silver, keep what did not fit, and enter both in the files' books."""
    described = schemas.table(name)
    rows = reduce(DataFrame.unionByName, parts)
    rows = _with_refusals(batch, _resolved(batch, name, rows))
    with _persisted(rows) as typed:
        date = F.col(described.date) if described.date else F.lit(None).cast("date")
        seen = typed.groupBy("file_id").agg(
            F.count("*").alias("rows"), F.min(date).alias("first"), F.max(date).alias("last")
        )
        per_file = seen.collect()
        if not per_file:
            return
        bounds = [row["first"] for row in per_file if row["first"]], [row["last"] for row in per_file if row["last"]]
        before = _before(batch, described, typed, *((min(bounds[0]), max(bounds[1])) if bounds[0] else (None, None)))
        judged = with_outcome(typed, described, before)
        written = batch.lake.write_run(judged.where("outcome = 'silver'"), name, batch.run_no, batch.run_id)
        if written == sum(row["rows"] for row in per_file):
            judged = typed
            counted = [(row["file_id"], "silver", row["rows"]) for row in per_file]
        else:
            judged = judged.persist()
            batch.persisted.append(judged)
            counted = [tuple(row) for row in judged.groupBy("file_id", "outcome").count().collect()]
            # A row that waited and still does not fit is in the quarantine already.
            misfits = judged.where((F.col("outcome") == "quarantined") & ~replay.is_replayed(batch.replayed_files))
            batch.quarantined.append(quarantine.quarantine_rows(misfits, name))
        if batch.ready is not None and any(file_id not in batch.accounts for file_id, _, _ in counted):
            through = judged if judged is typed else judged.where("outcome <> 'quarantined'")
            record = quarantine.RECORD[:-1]
            closed = batch.ready.where(F.col("target") == name).join(through.select(*record), record, "left_semi")
            batch.quarantined.append(quarantine.taken_rows(closed, batch.run_no))
        for file_id, outcome, count in counted:
            books = batch.accounts.get(file_id)
            (books.outcomes if books else batch.replayed[file_id])[outcome] += count
        in_silver = sum(count for _, outcome, count in counted if outcome == "silver")
        if in_silver != written:
            raise AccountingError(f"{name}: {in_silver} rows fit, but {written} were written to silver")


def _resolved(batch: Batch, name: str, rows: DataFrame) -> DataFrame:
    columns = {column.name for column in schemas.table(name).columns}
    if "account_id" in columns and name != "account":
        feeds = {feed for feed in batch.by_feed for t in batch.mappings[feed].targets if t.table == name}
        if any(s.account for feed in feeds for t in batch.mappings[feed].targets for s in t.columns.values()):
            on_date = next((d for d in ("as_of_date", "performance_date") if d in columns), None)
            rows = references.with_account_of_number(rows, batch.lake.current("account_xref"), on_date)
        rows = references.with_known_account(rows, batch.lake.read("account"))
    if name == "transaction":
        rows = valued_in_kind(rows, batch.lake.current("price"))
    return rows


def _with_refusals(batch: Batch, rows: DataFrame) -> DataFrame:
    for file_id, result in batch.refused.items():
        failed = rule_struct("control_total", result.control, F.lit(f"line {result.line_no}"), result.message)
        concerned = (F.col("file_id") == file_id) & F.col("skip").isNull()
        rules = F.when(concerned, F.array_append("failed_rules", failed)).otherwise(F.col("failed_rules"))
        rows = rows.withColumn("failed_rules", rules)
    return rows


def _before(batch: Batch, described: schemas.Table, typed: DataFrame, first: object, last: object) -> DataFrame | None:
    """The rows of earlier runs that these may repeat or replace: those of the same dates, or of the same keys."""
    if not batch.lake.exists(described.table):
        return None
    earlier = batch.lake.read(described.table).where(F.col("run_no") != batch.run_no)
    if described.date in described.key and first is not None:
        date = F.col(str(described.date))
        return latest(earlier.where(date.between(F.lit(first), F.lit(last))), described)
    keys = typed.select(*described.key).distinct()
    return latest(earlier.join(keys, described.key, "left_semi"), described)


@contextmanager
def _persisted(frame: DataFrame) -> Iterator[DataFrame]:
    kept = frame.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


def _write_quarantine(batch: Batch) -> None:
    refused = reduce(DataFrame.unionByName, batch.quarantined) if batch.quarantined else None
    if refused is not None:
        batch.lake.write_run(refused, "quarantine", batch.run_no, batch.run_id)
    elif batch.lake.exists("quarantine"):
        # An earlier attempt of this run may have written rows that fit now.
        earlier = batch.lake.read("quarantine").where(F.col("run_no") == batch.run_no)
        if not earlier.isEmpty():
            batch.lake.write_run(earlier.where("false"), "quarantine", batch.run_no, batch.run_id)


def _say_what_did_not_fit(batch: Batch) -> None:
    """One line for each of the first few misfits of a file; the rest is counted and stands in the quarantine."""
    if not batch.quarantined:
        return
    reasons = (
        batch.lake.read("quarantine")
        .where((F.col("run_no") == batch.run_no) & (F.col("state") == "open"))
        .select("file_id", "line_no", F.explode(F.from_json("failed_rules", RULES_TYPE)).alias("failed"))
        .select("file_id", "line_no", "failed.*")
    )
    each = reasons.groupBy("file_id", "rule", "column").agg(
        F.count("*").alias("rows"), F.min_by(F.struct("line_no", "value", "expected"), "line_no").alias("first")
    )
    for row in each.orderBy("file_id", "rule", "column").limit(200).collect():
        file, first = batch.accounts[row["file_id"]].file, row["first"]
        value = mask(first["value"] or "") if "account" in str(row["column"]) else first["value"]
        log.warning(
            "rows_quarantined",
            file_id=file.file_id,
            file=file.path,
            rule=row["rule"],
            column=row["column"],
            rows=row["rows"],
            first_line=first["line_no"],
            value=value,
            expected=first["expected"],
        )


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("normalise")
