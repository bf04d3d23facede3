"""normalise: lines of bronze to typed rows of silver, by mapping; what does not fit to the quarantine, with reasons."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import reduce

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.normalise import replay
from jobs.normalise.batch import Batch
from jobs.normalise.controls import broken_controls
from jobs.normalise.lines import bronze_lines, lines_of_feed, open_books, rows_of_feed
from jobs.normalise.load import load
from jobs.normalise.records import common_header
from jobs.normalise.targets import RULES_TYPE
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Run
from jobs.platform.logs import mask
from jobs.platform.mapping import mapping_version
from jobs.platform.settings import Settings

log = structlog.get_logger()

# Tables that others refer to, in this order; then the rest side by side.
FIRST = ["account", "account_xref"]
WAITS_FOR = {"transaction": "price"}  # a transfer in kind asks for the price
# A small night is Spark planning and compiling, one core a thread: while one table is planned, another is at work.
SIDE_BY_SIDE = 3

Rows = list[tuple[str, DataFrame]]


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
            normalise(batch)
        finally:
            batch.release()
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


def normalise(batch: Batch) -> None:
    """All tables and the quarantine from the batch's lines; its books are checked. Raises AccountingError."""
    bronze = batch.keep(bronze_lines(batch, batch.files, [batch.run_no]))
    open_books(batch, bronze)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        feeds = sorted(batch.by_feed.items(), key=lambda feed: not _fills_first(batch, feed[0]))
        prepared = {feed: pool.submit(_prepared, batch, feed, files, bronze) for feed, files in feeds}
        for name in FIRST:
            parts = _parts([made for feed, made in prepared.items() if _fills_first(batch, feed)])
            if name in parts:
                load(batch, name, parts[name])
        by_table = _parts(prepared.values())
        if [name for name in FIRST if by_table.pop(name, None)]:  # loaded above; others may have waited for them
            for table, rows in _replayed_rows(batch):
                by_table[table].append(rows)
        loading: dict[str, Future[None]] = {}
        for name in sorted(by_table, key=lambda name: name in WAITS_FOR):
            loading[name] = pool.submit(_load_after, loading.get(WAITS_FOR.get(name, "")), batch, name, by_table[name])
        for done in loading.values():
            done.result()
    _write_quarantine(batch)
    for books in batch.accounts.values():
        books.check()
    _say_what_did_not_fit(batch)


def _fills_first(batch: Batch, feed: str) -> bool:
    return any(target.table in FIRST for target in batch.mappings[feed].targets)


def _parts(prepared: Iterable[Future[Rows]]) -> dict[str, list[DataFrame]]:
    by_table: dict[str, list[DataFrame]] = defaultdict(list)
    for made in prepared:
        for table, rows in made.result():
            by_table[table].append(rows)
    return by_table


def _prepared(batch: Batch, feed: str, files: list[FileRecord], bronze: DataFrame) -> Rows:
    """One feed's canonical rows by table; its control totals are looked at on the way."""
    mapping = batch.mappings[feed]
    lines = lines_of_feed(batch, feed, files, bronze)
    for control in mapping.controls:
        for result in broken_controls(lines, mapping, control, common_header(mapping, files)):
            batch.controls.append(result)
            path = batch.accounts[result.file_id].file.path
            emit = log.error if result.refuses else log.warning
            emit("control_broken", file_id=result.file_id, file=path, line=result.line_no, reason=result.message)
    return list(rows_of_feed(lines, mapping, files))


def _load_after(other: Future[None] | None, batch: Batch, name: str, parts: list[DataFrame]) -> None:
    if other is not None:
        other.result()
    load(batch, name, parts)


def _replayed_rows(batch: Batch) -> Rows:
    """Rows that waited for an account that this batch brought, made anew from bronze."""
    tenants = sorted({file.tenant_id for file in batch.files})
    ready = replay.ready_rows(batch.lake, tenants, batch.run_no)
    if ready is None or batch.ledger is None:
        return []
    batch.ready = batch.keep(ready)
    batch.replayed_files = replay.files_of(batch.ready, batch.ledger)
    again = []
    for feed, files in batch.replayed_files.items():
        in_force = [replace(file, mapping_version=mapping_version(feed)) for file in files]
        run_nos = sorted({int(file.run_no or 0) for file in files})
        lines = lines_of_feed(batch, feed, in_force, bronze_lines(batch, in_force, run_nos))
        for table, rows in rows_of_feed(lines, batch.mappings[feed], in_force):
            again.append((table, replay.only_ready(rows, batch.ready, table, batch.run_no)))
    return again


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
