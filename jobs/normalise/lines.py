"""A batch's lines out of bronze: what kind each is, how many there are, and the records that a feed's lines hold."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.normalise.accounting import FileAccount
from jobs.normalise.batch import Batch
from jobs.normalise.controls import broken_controls, other_than_sent, stray_lines
from jobs.normalise.records import (
    FILE_FACTS,
    FILE_LAYOUT,
    classified,
    common_header,
    file_facts,
    file_layout,
    needs_layout,
    with_cells,
)
from jobs.normalise.targets import canonical_rows, unknown_records, with_identity
from jobs.platform.ledger import FileRecord
from jobs.platform.local_rows import local_rows
from jobs.platform.mapping import Mapping

log = structlog.get_logger()

LINES_A_TASK = 100_000


def bronze_lines(batch: Batch, files: list[FileRecord], run_nos: list[int]) -> DataFrame:
    """The files' lines with FILE_FACTS and kind, all feeds in one plan."""
    facts = local_rows(batch.spark, file_facts(files), FILE_FACTS)
    feeds = sorted({str(file.feed) for file in files})
    lines = batch.lake.written_by("line", run_nos).where(F.col("feed").isin(feeds))
    return classified(lines.join(F.broadcast(facts), "file_id"), {feed: batch.mappings[feed] for feed in feeds})


def lines_of_feed(batch: Batch, feed: str, files: list[FileRecord], bronze: DataFrame) -> DataFrame:
    """One feed's lines with their cells, kept where they are read more than once."""
    mapping = batch.mappings[feed]
    header = common_header(mapping, files)
    of_feed = _shared_out(bronze.where(F.col("feed") == feed), files)
    if needs_layout(mapping, header):
        layout = local_rows(batch.spark, file_layout(files), FILE_LAYOUT)
        of_feed = of_feed.join(F.broadcast(layout), "file_id")
    lines = with_cells(of_feed, mapping, header)
    read_again = mapping.controls or mapping.reader.continues or len(mapping.targets) > 1
    return batch.keep(lines) if read_again else lines


def _shared_out(lines: DataFrame, files: list[FileRecord]) -> DataFrame:
    """Many lines in tasks of LINES_A_TASK: as they lie in bronze, one core would type the largest feed alone."""
    tasks = math.ceil(sum(file.lines or 0 for file in files) / LINES_A_TASK)
    return lines.repartition(tasks, "line_no") if tasks > 1 else lines


def rows_of_feed(lines: DataFrame, mapping: Mapping, files: list[FileRecord]) -> Iterator[tuple[str, DataFrame]]:
    """(table, canonical rows) for each target of the mapping."""
    header = common_header(mapping, files)
    for number, target in enumerate(mapping.targets):
        # Counted within the table: a target added for another table leaves the numbers of these records alone.
        before = mapping.targets[:number]
        first = 1 + sum((other.lines, other.table) == (target.lines, target.table) for other in before)
        yield target.table, with_identity(canonical_rows(lines, mapping, target, header, first), target)
    if mapping.knows_all_kinds:
        yield mapping.targets[0].table, unknown_records(lines, mapping, mapping.targets[0])


def look_at_controls(batch: Batch, lines: DataFrame, mapping: Mapping, files: list[FileRecord]) -> None:
    """Hold the files' control totals against their lines (with cells); what is broken is noted in the batch."""
    results = stray_lines(lines, mapping) if mapping.reader.continues else []
    header = common_header(mapping, files)
    for control in mapping.controls:
        results += broken_controls(lines, mapping, control, header)
    if listed := [file for file in files if "manifest" in file.detection]:
        kinds = _kinds(batch, lines, listed)
        results += [one for file in listed for one in other_than_sent(file, kinds[file.file_id])]
    for result in results:
        batch.controls.append(result)
        emit = log.error if result.refuses else log.warning
        path = batch.file(result.file_id).path
        emit("control_broken", file_id=result.file_id, file=path, line=result.line_no, reason=result.message)


def _kinds(batch: Batch, lines: DataFrame, files: list[FileRecord]) -> dict[str, Counter[str]]:
    """Each file's lines by kind: as its books have them, or counted where it is read again."""
    kinds = {file.file_id: batch.accounts[file.file_id].kinds for file in files if file.file_id in batch.accounts}
    again = [file.file_id for file in files if file.file_id not in kinds]
    if again:
        for row in lines.where(F.col("file_id").isin(again)).groupBy("file_id", "kind").count().collect():
            kinds.setdefault(row["file_id"], Counter())[row["kind"]] = row["count"]
    return kinds


def open_books(batch: Batch, bronze: DataFrame) -> None:
    """Count each file's lines by kind, and from that the records that the mapping derives from them."""
    batch.accounts = {file.file_id: FileAccount(file) for file in batch.files}
    for file_id, kind, count in bronze.groupBy("file_id", "kind").count().collect():
        batch.accounts[file_id].kinds[kind] += count
    for books in batch.accounts.values():
        mapping = batch.mappings[str(books.file.feed)]
        for kind, count in books.kinds.items():
            derived = sum(_records_a_line(mapping, number, kind, books.file) for number in range(len(mapping.targets)))
            derived += mapping.knows_all_kinds and kind == "record"
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
