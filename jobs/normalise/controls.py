"""A file's own totals against the sum of its records."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.normalise.records import cell
from jobs.normalise.values import read
from jobs.platform.mapping import Control, Mapping
from jobs.platform.schemas import Column


@dataclass(frozen=True)
class ControlResult:
    """One stated total that does not hold: the file's rows are refused, or (missing, if declared so) only warned of."""

    file_id: str
    control: str
    line_no: int
    message: str
    refuses: bool


def broken_controls(lines: DataFrame, mapping: Mapping, control: Control) -> list[ControlResult]:
    """Totals that are missing, unreadable or unequal to the sum, from lines with cells. At most a row per section.

    A cell that cannot be read leaves its sum unknown, so the total is not met: nothing is presumed of it.
    """
    amount = Column(name="amount", type="decimal", meaning="")
    text = cell([control.total_title])
    text = F.when(~text.isin(mapping.empty), text)
    value = read(text, amount, control.number, mapping.dates).value
    is_part, is_total = F.col("kind").isin(list(control.add_lines)), F.col("kind") == control.stated_on
    keys = ["file_id", "section_no"] if control.per == "section" else ["file_id"]
    sums = lines.groupBy(*keys).agg(
        F.coalesce(F.sum(F.when(is_part, value)), F.lit(0)).alias("total"),
        F.count(F.when(is_part, 1)).alias("parts"),
        F.min(F.when(is_part & text.isNotNull() & value.isNull(), F.col("line_no"))).alias("unreadable_line"),
        F.count(F.when(is_total, 1)).alias("totals"),
        F.max(F.when(is_total, value)).alias("stated"),
        F.max(F.when(is_total, F.col("line_no"))).alias("total_line"),
        F.max("line_no").alias("last_line"),
    )
    unmet = F.col("stated").isNull() | (F.col("stated") != F.col("total")) | F.col("unreadable_line").isNotNull()
    suspects = sums.where((F.col("parts") > 0) | (F.col("totals") > 0)).where(unmet).orderBy(*keys)
    return [_in_words(row.asDict(), control) for row in suspects.collect()]


def _in_words(found: dict[str, object], control: Control) -> ControlResult:
    line_no = int(str(found["total_line"] or found["last_line"]))
    if not found["totals"]:
        message = (
            f"no line states the total of '{control.total_title}'; the {found['parts']} records end at line {line_no}"
        )
        return ControlResult(str(found["file_id"]), control.name, line_no, message, control.when_missing == "refuse")
    if found["unreadable_line"] is not None:
        message = f"line {found['unreadable_line']} has no readable '{control.total_title}', so the total cannot be met"
    else:
        message = (
            f"'{control.total_title}' adds up to {_plain(found['total'])}, the file states {_plain(found['stated'])}"
        )
    return ControlResult(str(found["file_id"]), control.name, line_no, message, True)


def _plain(number: object) -> str:
    return "nothing" if number is None else f"{Decimal(str(number)):,.2f}"
