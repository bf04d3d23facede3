"""What one cell can be: the number styles and date formats that it fits, and identifiers with a check digit."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from jobs.normalise.values import DECIMAL_COMMA, NUMBER_SHAPES, date_shape
from jobs.platform.mapping_columns import NumberStyle, day_as

# Formats that may hold the same text and mean different days stand beside each other: who fits two is undecided.
DATE_FORMATS = (
    "yyyy-MM-dd", "yyyy/MM/dd", "yyyy.MM.dd", "yyyyMMdd",
    "MM/dd/yyyy", "dd/MM/yyyy", "MM-dd-yyyy", "dd-MM-yyyy", "MM.dd.yyyy", "dd.MM.yyyy", "MMddyyyy", "ddMMyyyy",
    "MM/dd/yy", "dd/MM/yy", "yy/MM/dd", "MM-dd-yy", "dd-MM-yy", "yy-MM-dd", "MM.dd.yy", "dd.MM.yy",
    "yyMMdd", "ddMMyy", "MMddyy",
    "dd MMMM yyyy", "dd MMM yyyy", "dd-MMM-yyyy", "dd/MMM/yyyy", "MMM dd, yyyy", "MMMM dd, yyyy",
    # Last: what the formats above read they read alike.
    "M/d/yyyy", "d/M/yyyy", "M-d-yyyy", "d-M-yyyy", "M.d.yyyy", "d.M.yyyy", "d MMMM yyyy", "MMMM d, yyyy",
)  # fmt: skip
SHAPES = {one: re.compile(date_shape(one)) for one in DATE_FORMATS}
# An overpunched number looks like an identifier, and an Indian one like any other until it has six digits.
NOT_DRAFTED = {"overpunch", "indian"}
STYLES = {style: re.compile(shape) for style, shape in NUMBER_SHAPES.items() if style not in NOT_DRAFTED}
YEARS = range(1970, 2100)
CURRENCY = re.compile(r"[A-Z]{3}")
TWO_LETTERS = re.compile(r"[A-Z]{2}[A-Z0-9]{9}\d")
NINE = re.compile(r"(?=[0-9A-Z*@#]*\d)[0-9A-Z]{3}[0-9A-Z*@#]{5}\d")


def dates(text: str) -> dict[str, date]:
    """{format: day} for every format that the whole text fits."""
    return {one: day for one, shape in SHAPES.items() if shape.match(text) and (day := day_of(text, one))}


def day_of(text: str, date_format: str) -> date | None:
    """The day that the text is in this format; None where it is none, or of a year that no statement has."""
    found = day_as(text, date_format)
    return found if found and found.year in YEARS else None


def numbers(text: str) -> dict[NumberStyle, Decimal]:
    """{style: value} for every number style that the whole text fits."""
    return {style: _value(text, style) for style, shape in STYLES.items() if shape.match(text)}


def _value(text: str, style: NumberStyle) -> Decimal:
    if style == "scientific":
        return Decimal(text)
    negative = bool(re.search(r"[-\u2212(]", text))
    digits = re.sub(r"[^\d.,]", "", text)
    digits = digits.replace(".", "").replace(",", ".") if style in DECIMAL_COMMA else digits.replace(",", "")
    return -Decimal(digits) if negative else Decimal(digits)


def is_isin(text: str) -> bool:
    """An ISIN with the right check digit (Luhn over the letters as two digits)."""
    if not TWO_LETTERS.fullmatch(text):
        return False
    digits = "".join(str(int(one, 36)) for one in text)
    return _luhn(digits)


def _luhn(digits: str) -> bool:
    total = 0
    for place, one in enumerate(reversed(digits)):
        doubled = int(one) * (1 + place % 2)
        total += doubled // 10 + doubled % 10
    return total % 10 == 0


def is_cusip(text: str) -> bool:
    """A CUSIP with the right check digit."""
    if not NINE.fullmatch(text):
        return False
    total = 0
    for place, one in enumerate(text[:8]):
        value = int(one, 36) if one.isalnum() else 36 + "*@#".index(one)
        doubled = value * (1 + place % 2)
        total += doubled // 10 + doubled % 10
    return (10 - total % 10) % 10 == int(text[8])
