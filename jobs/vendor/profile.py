"""What a column holds, by its values: the number styles and date formats that fit all of them, identifiers, words."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache

import yaml

from jobs.platform.mapping_columns import NumberStyle
from jobs.platform.settings import PROJECT_ROOT
from jobs.vendor import readings

NOTHING = ("", "--", "-", "n/a", "N/A", "NA", "Not available", "not available", "null", "NULL", "None", ".")
# A date with a time behind it, or with the day that a booking is effective on.
WITH_TIME = re.compile(r"^(\d{4}-\d{2}-\d{2}|\d{8}|\d{2}[/.-]\d{2}[/.-]\d{4})(?:[T ;,]\s?\d{2}:?\d{2}.*|\d{6}.*)$")
AS_OF = re.compile(r"^(\S+) as of (\S+)$")
MINOR_UNITS = {"GBX", "GBp", "ZAc", "ZAC", "ILA"}  # hundredths of GBP, ZAR, ILS
GROUPED = re.compile(r"^[^\d]*(\d{1,3})([.,])(\d{3})[^\d]*$")
FEW = 40  # distinct words that a code map may begin with


@dataclass(frozen=True)
class Profile:
    """One column of a file's first lines. `values` are its cells that say something, in the file's order."""

    title: str
    cells: list[str]
    values: list[str]
    styles: dict[NumberStyle, list[Decimal]] = field(default_factory=dict)
    dates: dict[str, list[date]] = field(default_factory=dict)
    part: str | None = None  # pattern of the date within the cell
    percent: bool = False
    mixed: list[NumberStyle] = field(default_factory=list)  # where no style fits all numbers: those that do together

    @property
    def words(self) -> Counter[str]:
        return Counter(self.values)

    @property
    def is_empty(self) -> bool:
        return not self.values

    @property
    def is_number(self) -> bool:
        return bool(self.styles)

    @property
    def is_date(self) -> bool:
        return bool(self.dates)

    @property
    def is_currency(self) -> bool:
        return bool(self.values) and all(value in currencies() for value in self.values)

    @property
    def minor_units(self) -> list[str]:
        """Codes of minor units (pence) in a column that otherwise holds currencies."""
        others = sorted(set(self.values) - currencies())
        return others if set(others) <= MINOR_UNITS else []

    @property
    def is_isin(self) -> bool:
        return bool(self.values) and all(readings.is_isin(value) for value in set(self.values))

    @property
    def is_cusip(self) -> bool:
        return bool(self.values) and all(readings.is_cusip(value) for value in set(self.values))

    @property
    def is_boolean(self) -> bool:
        return bool(self.values) and {value.lower() for value in self.values} <= {"true", "false"}

    @property
    def is_words(self) -> bool:
        """A few words that come again: codes, names of types."""
        return bool(self.values) and not self.is_date and len(self.words) <= FEW

    @property
    def numbers(self) -> list[Decimal | None]:
        """The cells as numbers in the first style that fits all, None where a cell says nothing (or two things)."""
        if not self.styles:
            return [self._in_mixed(cell) for cell in self.cells]
        found = iter(next(iter(self.styles.values())))
        return [None if cell in NOTHING else next(found) for cell in self.cells]

    def _in_mixed(self, cell: str) -> Decimal | None:
        found = {value for style, value in readings.numbers(cell).items() if style in self.mixed}
        return found.pop() if len(found) == 1 else None

    @property
    def agreed_style(self) -> bool:
        """Whether all styles that fit read the same values."""
        return len({tuple(values) for values in self.styles.values()}) == 1

    @property
    def agreed_date(self) -> bool:
        """Whether all date formats that fit read the same days."""
        return len({tuple(days) for days in self.dates.values()}) == 1


@cache
def currencies() -> frozenset[str]:
    """The ISO 4217 codes of `conf/currencies.yaml`."""
    return frozenset(yaml.safe_load((PROJECT_ROOT / "conf" / "currencies.yaml").read_text(encoding="utf-8"))["codes"])


def profile(title: str, cells: list[str]) -> Profile:
    """The profile of a column's cells (blanks at their ends are no part of them)."""
    cells = [cell.strip() for cell in cells]
    values = [cell for cell in cells if cell not in NOTHING]
    if not values:
        return Profile(title, cells, values)
    bare, part = _dates_alone(values)
    days: dict[str, list[date]] = {}
    for one in readings.DATE_FORMATS:
        if readings.SHAPES[one].match(bare[0]):
            read = [readings.day_of(value, one) if readings.SHAPES[one].match(value) else None for value in bare]
            if all(read):
                days[one] = [day for day in read if day]
    percent = all(value.endswith("%") or readings.numbers(value) for value in values) and any(
        value.endswith("%") for value in values
    )
    texts = [value.rstrip("% ") for value in values] if percent else values
    styles = _styles(texts)
    return Profile(title, cells, values, styles, days, part, percent, [] if styles or days else _mixed(texts))


def _dates_alone(values: list[str]) -> tuple[list[str], str | None]:
    """(the dates without what stands around them, the pattern that takes them out or None)."""
    if any(AS_OF.match(value) for value in values):
        shape = re.sub(r"\d", r"\\d", re.escape(AS_OF.sub(r"\2", values[0])).replace("\\-", "-"))
        shape = re.sub(r"(?:\\d)+", lambda run: f"\\d{{{len(run.group()) // 2}}}", shape)
        return [AS_OF.sub(r"\2", value) for value in values], f"^(?:.* as of )?({shape})$"
    timed = [WITH_TIME.match(value) for value in values]
    if all(timed):
        bare = [found.group(1) for found in timed if found]
        shape = re.sub(r"\d+", lambda run: f"\\d{{{len(run.group())}}}", bare[0].replace(".", r"\."))
        return bare, f"^({shape})"
    return values, None


def _styles(texts: list[str]) -> dict[NumberStyle, list[Decimal]]:
    """Number styles that fit every text, with their values; a style that the column itself disproves is left out."""
    fits: dict[NumberStyle, list[Decimal]] = {}
    for style, shape in readings.STYLES.items():
        if all(shape.match(text) for text in texts):
            fits[style] = [readings.numbers(text)[style] for text in texts]
    if len({tuple(values) for values in fits.values()}) <= 1:
        return fits
    # Who groups thousands groups all of them and never begins a group with 0: 0.868 and 19900 are no european numbers.
    mark = next((found.group(2) for text in texts if (found := GROUPED.match(text))), None)
    decimal_point = any((found := GROUPED.match(text)) and found.group(1) == "0" for text in texts)
    ungrouped = any(re.search(r"\d{4}", text) for text in texts)
    if mark and (decimal_point or ungrouped):
        groups = {".": ("european",), ",": ("us",)}[mark]
        fits = {style: values for style, values in fits.items() if style not in groups}
    return fits


def _mixed(texts: list[str]) -> list[NumberStyle]:
    """The fewest styles that together fit texts which no one style fits; none where some text is no number."""
    left, found = list(texts), []
    while left:
        style = max(readings.STYLES, key=lambda one: sum(bool(readings.STYLES[one].match(text)) for text in left))
        rest = [text for text in left if not readings.STYLES[style].match(text)]
        if len(rest) == len(left):
            return []
        found.append(style)
        left = rest
    return found
