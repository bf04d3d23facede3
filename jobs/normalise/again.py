"""Files of earlier runs read again by the mappings in force, as far as rows of them wait in the quarantine."""

from __future__ import annotations

from dataclasses import replace as changed

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.normalise import replay
from jobs.normalise.batch import Batch, Reading
from jobs.normalise.lines import bronze_lines, lines_of_feed, look_at_controls, rows_of_feed
from jobs.platform.errors import AccountingError
from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import mapping_version

log = structlog.get_logger()

# Up to so many waiting rows every task gets them all; a refused file may hold millions.
FEW_ROWS = 1_000_000


def rows_that_waited(batch: Batch, prices: list[DataFrame] | None) -> replay.Rows:
    """(table, rows) that waited for an account which is known by now, or for one of the `prices` that come, made anew
    from bronze; of the batch's tenants."""
    opened = None if batch.ledger is None else replay.open_rows(batch.lake, batch.run_no)
    if opened is None:
        return []
    mended = [file.file_id for file in batch.mended]
    opened = opened.where(F.col("tenant_id").isin(batch.tenants) & ~F.col("file_id").isin(mended))
    waiting = replay.waits_for_known_account(opened, batch.lake)
    if prices:
        waiting = waiting.unionByName(replay.waits_for_price(opened, prices))
    waiting = batch.keep(waiting)
    again: replay.Rows = []
    for feed, files, lines in _lines_again(batch, waiting):
        for table, rows in rows_of_feed(lines, batch.mappings[feed], files):
            again.append((table, replay.only_waiting(rows, F.broadcast(waiting), table, batch.run_no)))
    return again


def rows_of_mended_files(batch: Batch) -> replay.Rows:
    """(table, rows) of the waiting lines of `batch.mended`, as the mappings in force read them.

    Control totals are looked at again, over the whole file.
    """
    opened = replay.open_rows(batch.lake, batch.run_no)
    if opened is None:
        return []
    waiting = opened.where(F.col("file_id").isin([file.file_id for file in batch.mended])).localCheckpoint()
    parts: replay.Rows = []
    for feed, files, lines in _lines_again(batch, waiting):
        look_at_controls(batch, lines, batch.mappings[feed], files)
        parts += rows_of_feed(lines, batch.mappings[feed], files)
    if not parts:
        return []
    waiting = waiting.where(F.col("file_id").isin(batch.replayed_ids))  # but those whose feed has no mapping any more
    few = sum(read.waited for read in batch.readings.values()) <= FEW_ROWS
    read = replay.reread(parts, waiting, batch, few=few)
    batch.quarantined.append(read.closed(batch.run_no))
    for name, file_id, count in read.books():
        setattr(batch.readings[file_id], name, count)
    return [(table, read.chosen(rows, waiting, table, batch.run_no)) for table, rows in parts]


def books_after(batch: Batch) -> dict[str, dict[str, object]]:
    """New counts, status and message of the files whose waiting rows went through: file_id -> columns of ops.file.

    Raises AccountingError where a waiting row of a mended file came to no end.
    """
    changes: dict[str, dict[str, object]] = {}
    mended = {file.file_id for file in batch.mended}
    for file in [file for files in batch.replayed_files.values() for file in files]:
        went, read = batch.replayed[file.file_id], batch.readings[file.file_id]
        silver, misfits = went["silver"], went["quarantined"]
        skipped = sum(n for name, n in went.items() if name.startswith("skipped")) + read.no_record
        waited = sum(went.values()) - read.further + read.gone
        if file.file_id in mended and waited != read.waited:
            raise AccountingError(
                f"{file.path} ({file.file_id}): {read.waited} rows waited, {waited} were taken through"
            )
        changes[file.file_id] = {
            "records": (file.records or 0) - read.gone + read.further + read.no_record,
            "silver": (file.silver or 0) + silver,
            "skipped": (file.skipped or 0) + skipped,
            "quarantined": (file.quarantined or 0) - waited + misfits,
        }
        went_through = bool(silver + skipped + read.gone)
        if file.file_id in mended or (batch.decided and file.status == "withheld"):
            changes[file.file_id] |= _verdict(batch, file, went=went_through)
        log.info("waiting_rows_taken", file_id=file.file_id, file=file.path, rows=silver + skipped, waiting=misfits)
    return changes


def _verdict(batch: Batch, file: FileRecord, *, went: bool) -> dict[str, object]:
    """Whether the gate is to decide (anew) on a file: not on one that it has accepted, whose rows are published."""
    refused = batch.refused.get(file.file_id)
    if refused:
        return {"message": refused.in_words()} if file.status in {"accepted", "refused"} else {}
    if file.status == "refused" or (file.status == "withheld" and went):
        return {"status": "normalised", "message": None}
    return {}


def _lines_again(batch: Batch, waiting: DataFrame) -> list[tuple[str, list[FileRecord], DataFrame]]:
    """(feed, files, lines with cells) of the files that waiting rows stand in; all of it is noted in the batch."""
    batch.waiting = waiting if batch.waiting is None else batch.waiting.unionByName(waiting)
    counts = replay.per_file(waiting)
    by_feed: dict[str, list[FileRecord]] = {}
    for file in batch.entered_in.files_by_id(list(counts)):
        if file.feed in batch.mappings:
            by_feed.setdefault(str(file.feed), []).append(file)
            batch.readings[file.file_id] = Reading(counts[file.file_id])
    found = []
    for feed, files in by_feed.items():
        batch.replayed_files[feed] += files
        in_force = [changed(file, mapping_version=mapping_version(feed)) for file in files]
        run_nos = sorted({int(file.run_no or 0) for file in files})
        lines = lines_of_feed(batch, feed, in_force, bronze_lines(batch, in_force, run_nos))
        found.append((feed, in_force, lines))
    return found
