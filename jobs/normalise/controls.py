"""What a file says about itself against what it holds: totals, counts, lines that go on with a record."""

from __future__ import annotations

from collections.abc import Mapping as Counts
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.normalise.cells import Cells
from jobs.normalise.codes import given
from jobs.normalise.records import CONTINUED, STRAY
from jobs.normalise.values import read
from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import Control, Mapping
from jobs.platform.schemas import MONEY
from jobs.platform.schemas import Column as SchemaColumn

# Lines that stand around a file's records.
AROUND = {"blank", "preamble", "header", "section", "heading", "total", "footer", CONTINUED}


@dataclass(frozen=True)
class ControlResult:
    """One stated total that does not hold: the file's rows are refused, or (missing, if declared so) only warned of."""

    file_id: str
    control: str
    line_no: int
    message: str
    refuses: bool

    def in_words(self) -> str:
        """The file's message in the ledger."""
        return f"line {self.line_no}: {self.control}: {self.message}"


def broken_controls(
    lines: DataFrame, mapping: Mapping, control: Control, header: list[str] | None = None
) -> list[ControlResult]:
    """Totals that are missing, unreadable or unequal to what was found, from lines with cells. At most a row a section.

    A cell that cannot be read leaves its sum unknown, so the total is not met: nothing is presumed of it.
    """
    is_part, is_total = F.col("kind").isin(list(control.add_lines)), F.col("kind").isin(control.stated_kinds)
    text, value = _parts(mapping, control, header)
    stated = _stated(mapping, control, header)
    keys = ["file_id", "section_no"] if control.per == "section" else ["file_id"]
    sums = lines.groupBy(*keys).agg(
        F.coalesce(F.sum(F.when(is_part, value)), F.lit(0)).alias("total"),
        F.count(F.when(is_part, 1)).alias("parts"),
        F.min(F.when(is_part & text.isNotNull() & value.isNull(), F.col("line_no"))).alias("unreadable_line"),
        F.count(F.when(is_total, 1)).alias("totals"),
        F.max(F.when(is_total, stated)).alias("stated"),
        F.max(F.when(is_total, F.col("line_no"))).alias("total_line"),
        F.max("line_no").alias("last_line"),
    )
    unmet = F.col("stated").isNull() | (F.col("stated") != F.col("total")) | F.col("unreadable_line").isNotNull()
    if control.counts_besides:
        sums = sums.withColumn("total", F.col("total") + F.lit(control.counts_besides))
    suspects = sums.where((F.col("parts") > 0) | (F.col("totals") > 0)).where(unmet).orderBy(*keys)
    return [_in_words(row.asDict(), control) for row in suspects.collect()]


def stray_lines(lines: DataFrame, mapping: Mapping) -> list[ControlResult]:
    """Lines that go on with a record and have none to go on with: what they say would be lost, so the file is refused.

    lines: with cells, of a mapping whose reader has `continues`. At most a result a file, of its first such line.
    """
    first = lines.where(STRAY).groupBy("file_id").agg(F.min_by(F.struct("line_no", "kind"), "line_no").alias("first"))
    return [
        ControlResult(
            file_id, "lines in order", found["line_no"], f"a line of kind '{found['kind']}' follows no record", True
        )
        for file_id, found in first.orderBy("file_id").collect()
    ]


def other_than_sent(file: FileRecord, kinds: Counts[str, int]) -> list[ControlResult]:
    """A result where the file has another number of records than its manifest states. kinds: its lines by kind."""
    stated = file.detection.get("manifest")
    records = sum(count for kind, count in kinds.items() if kind not in AROUND)
    if stated is None or records == stated["records"]:
        return []
    message = f"the file has {records:,} records, {stated['name']} states {stated['records']:,}"
    return [ControlResult(file.file_id, "records of the manifest", sum(kinds.values()), message, True)]


def _parts(mapping: Mapping, control: Control, header: list[str] | None) -> tuple[Column, Column]:
    """(text, number) that a line adds, each kind of line having its own cells."""
    text = _by_kind(mapping, control.add_lines, control.total_title, header)
    if control.check == "count":
        return F.lit("1"), F.lit(1).cast(MONEY)
    if control.check == "hash":
        return text, F.regexp_replace(text, r"\D", "").try_cast(MONEY)
    return text, _signed(_amount(text, mapping, control), mapping, control, control.add_lines, header)


def _stated(mapping: Mapping, control: Control, header: list[str] | None) -> Column:
    text = _by_kind(mapping, control.stated_kinds, control.stated, header)
    return _signed(_amount(text, mapping, control), mapping, control, control.stated_kinds, header)


def _signed(value: Column, mapping: Mapping, control: Control, kinds: list[str], header: list[str] | None) -> Column:
    if control.negate_when is None:
        return value
    negative = F.lit(False)
    for kind in kinds:
        says_so = given(control.negate_when, Cells(mapping, kind, header)) == "yes"
        negative = F.when(F.col("kind") == kind, F.coalesce(says_so, F.lit(False))).otherwise(negative)
    return F.when(negative, -value).otherwise(value)


def _by_kind(mapping: Mapping, kinds: list[str], title: str, header: list[str] | None) -> Column:
    text: Column = F.lit(None).cast("string")
    for kind in kinds:
        text = F.when(F.col("kind") == kind, _text(mapping, kind, title, header)).otherwise(text)
    return text


def _text(mapping: Mapping, kind: str, title: str, header: list[str] | None) -> Column:
    text = Cells(mapping, kind, header).at([title]) if title else F.lit(None).cast("string")
    return F.when(~text.isin(mapping.empty), text)


def _amount(text: Column, mapping: Mapping, control: Control) -> Column:
    column = SchemaColumn(name="amount", type="decimal", meaning="")
    return read(text, column, control.number, mapping.dates).value


def _in_words(found: dict[str, object], control: Control) -> ControlResult:
    line_no = int(str(found["total_line"] or found["last_line"]))
    what = {
        "sum": f"total of '{control.total_title}'",
        "count": "number of records",
        "hash": f"hash total of '{control.total_title}'",
    }[control.check]
    if not found["totals"]:
        message = f"no line states the {what}; the {found['parts']} records end at line {line_no}"
        return ControlResult(str(found["file_id"]), control.name, line_no, message, control.when_missing == "refuse")
    if found["unreadable_line"] is not None:
        message = f"line {found['unreadable_line']} has no readable '{control.total_title}', so the total cannot be met"
    elif control.check == "sum":
        message = (
            f"'{control.total_title}' adds up to {_plain(found['total'])}, the file states {_plain(found['stated'])}"
        )
    else:
        total, stated = (_plain(found[name]).removesuffix(".00") for name in ("total", "stated"))
        message = f"the {what} is {total}, the file states {stated}"
    return ControlResult(str(found["file_id"]), control.name, line_no, message, True)


def _plain(number: object) -> str:
    return "nothing" if number is None else f"{Decimal(str(number)):,.2f}"
