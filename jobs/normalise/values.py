"""Text to typed values: one declared format a column; what does not fit is named, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.normalise.records import rule_struct
from jobs.platform.mapping_columns import DAY_COUNT, DAY_COUNTS, DateFormats, NumberStyle, NumberStyles
from jobs.platform.schemas import MONEY, Column

SPACE = "[ \u00a0\u2009\u202f]"


def _signed(size: str) -> str:
    """The pattern of a number with its sign in front, behind or as brackets (one of them), a currency's sign beside."""
    unit, gap, sign = "[$€£¥]", f"{SPACE}?", r"[+\-\u2212]"
    before, after = f"({unit}{gap})?", f"({gap}{unit})?"
    ways = (
        f"{sign}?{gap}{before}{size}{after}",
        f"{unit}{gap}{sign}{size}",
        f"{before}{size}{gap}{sign}{after}",
        f"{before}{size}{gap}{unit}{gap}{sign}",
        rf"\({gap}{before}{size}{after}{gap}\)",
    )
    return f"^({'|'.join(ways)})$"


def _grouped(mark: str, decimals: str, least: str) -> str:
    return rf"((\d{{1,3}}({mark}\d{{3}})+|\d+)({decimals}\d{least})?|{decimals}\d+)"


# The whole cell must look like this; then all but digits and the decimal sign goes.
NUMBER_SHAPES: dict[NumberStyle, str] = {
    "plain": r"^[+-]?(\d+(\.\d+)?|\.\d+)$",
    "us": _signed(_grouped(",", r"\.", "+")),
    "european": _signed(_grouped(r"\.", ",", "*")),
    "swiss": _signed(_grouped("['\u2019]", r"\.", "+")),
    "spaced": _signed(_grouped(SPACE, ",", "*")),
    "spaced_point": _signed(_grouped(SPACE, r"\.", "+")),
    "indian": _signed(r"((\d{1,2}(,\d{2})*,\d{3}|\d+)(\.\d+)?|\.\d+)"),
    "trailing_sign": r"^(\d+(\.\d+)?|\.\d+)[+-]?$",
    "overpunch": r"^(\d+(\.\d*)?)?[0-9{}A-R]$",
    "scientific": r"^[+-]?\d+(\.\d+)?[eE][+-]?\d{1,2}$",
}
NUMBER_EXAMPLES: dict[NumberStyle, str] = {
    "plain": "1234.56",
    "us": "$1,234.56",
    "european": "1.234,56",
    "swiss": "1'234.56",
    "spaced": "1 234,56",
    "spaced_point": "1 234.56",
    "indian": "1,23,456.78",
    "trailing_sign": "1234.56-",
    "overpunch": "12345F",
    "scientific": "1.23456E3",
}
DECIMAL_COMMA = {"european", "spaced"}
# The last digit of an overpunched number carries its sign: { A..I are 0 to 9, } J..R the same, negative.
PUNCHED, PUNCHED_DIGITS, PUNCHED_NEGATIVE = "{ABCDEFGHI}JKLMNOPQR", "01234567890123456789", "[}J-R]$"
FLOAT_SHAPE = r"^[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?$"
DATE_TOKENS = {
    "yyyy": r"\d{4}",
    "yy": r"\d{2}",
    "MMMM": "[A-Za-z]+",
    "MMM": "[A-Za-z]{3}",
    "MM": r"\d{2}",
    "M": r"\d{1,2}",
    "dd": r"\d{2}",
    "d": r"\d{1,2}",
    "HH": r"\d{2}",
    "mm": r"\d{2}",
    "ss": r"\d{2}",
    "'T'": "T",
}
LAST_DAY_COUNT = 2_958_465  # 9999-12-31 of a spreadsheet
LAST_TWO_DIGIT_YEAR = 2068  # 69 and later are of the century before, as strptime has it


@dataclass(frozen=True)
class Reading:
    """A typed value and, where the text does not give one, the failed rule (else NULL; None: nothing can fail)."""

    value: SparkColumn
    problem: SparkColumn | None


def read(text: SparkColumn, column: Column, number: NumberStyles, date_format: DateFormats) -> Reading:
    """Read `text` (NULL: nothing there) as the canonical `column`: type, default, nullability, domain, sign.

    Of several styles or formats the text must fit at least one, and mean the same in all that it fits.
    """
    styles = [number] if isinstance(number, str) else number
    if column.type == "decimal":
        typed = _money(text, column, styles)
    elif column.type == "date":
        typed = _date(text, column, [date_format] if isinstance(date_format, str) else date_format)
    elif column.type == "double":
        typed = _double(text, column, styles)
    elif column.type == "boolean":
        value = F.when(F.lower(text).isin("true", "false"), F.lower(text)).try_cast("boolean")
        typed = Reading(value, _unless(value, text, "boolean", column, "true or false"))
    elif column.type in {"integer", "long"}:
        value = text.try_cast("long" if column.type == "long" else "int")
        typed = Reading(value, _unless(value, text, "number", column, "a whole number"))
    else:
        typed = Reading(text, None)
    return _conforming(typed, text, column)


def _money(text: SparkColumn, column: Column, styles: list[NumberStyle]) -> Reading:
    readings = [_digits(text, style) for style in styles]
    digits, several = _agreed(readings, lambda one: one.try_cast("decimal(38,18)"))
    value = digits.try_cast(MONEY)
    too_fine = digits.rlike(r"\.\d{9,}$")
    expected = f"a number such as {' or '.join(NUMBER_EXAMPLES[style] for style in styles)}"
    misread = F.when(several, rule_struct("ambiguous", column.name, text, _one_of(styles)))
    problem = misread.when(text.isNotNull() & digits.isNull(), rule_struct("number", column.name, text, expected))
    problem = problem.when(too_fine, rule_struct("decimals", column.name, text, "at most 8 decimals")).when(
        digits.isNotNull() & value.isNull(), rule_struct("range", column.name, text, "at most 20 digits")
    )
    return Reading(F.when(~too_fine, value).cast(MONEY), problem)


def _double(text: SparkColumn, column: Column, styles: list[NumberStyle]) -> Reading:
    plain = F.when(text.rlike(FLOAT_SHAPE), text)
    readings = [plain if style in {"plain", "scientific"} else _digits(text, style) for style in styles]
    digits, several = _agreed(readings, lambda one: one.try_cast("double"))
    value = digits.try_cast("double")
    expected = f"a number such as {' or '.join(NUMBER_EXAMPLES[style] for style in styles)}"
    if styles == ["plain"]:
        expected = "a number such as 0.0125"
    problem = _unless(value, text, "number", column, expected)
    misread = F.when(several, rule_struct("ambiguous", column.name, text, _one_of(styles)))
    return Reading(value, misread.otherwise(problem))


def _digits(text: SparkColumn, style: NumberStyle) -> SparkColumn:
    """The number as `-1234.56`, NULL where the text is not written in this style."""
    shaped = F.when(text.rlike(NUMBER_SHAPES[style]), text)
    if style == "scientific":
        exact = shaped.try_cast("decimal(38,18)")
        # What has more places than can be kept is no reading, rather than a rounded one.
        kept = F.when(exact.cast("double") == shaped.try_cast("double"), exact.cast("string"))
        return F.regexp_replace(F.regexp_replace(kept, r"(\.\d*?)0+$", "$1"), r"\.$", "")
    if style == "overpunch":
        size = F.translate(shaped, PUNCHED, PUNCHED_DIGITS)
        return F.when(shaped.rlike(PUNCHED_NEGATIVE), F.concat(F.lit("-"), size)).otherwise(size)
    if style in DECIMAL_COMMA:
        size = F.replace(F.regexp_replace(shaped, r"[^\d,]", ""), F.lit(","), F.lit("."))
    else:
        size = F.regexp_replace(shaped, r"[^\d.]", "")
    return F.when(shaped.rlike(r"[-\u2212(]"), F.concat(F.lit("-"), size)).otherwise(size)


def _agreed(
    readings: list[SparkColumn], value: Callable[[SparkColumn], SparkColumn]
) -> tuple[SparkColumn, SparkColumn]:
    """(the reading, whether there are several that mean different things)."""
    if len(readings) == 1:
        return readings[0], F.lit(False)
    meanings = F.array_distinct(F.array_compact(F.array(*[value(one) for one in readings])))
    several = F.size(meanings) > 1
    return F.when(~several, F.coalesce(*readings)), several


def _one_of(ways: Sequence[str]) -> str:
    return f"one meaning, but {' and '.join(ways)} read it differently"


def date_shape(date_format: str) -> str:
    """The pattern that a whole cell in this date format matches."""
    if date_format in DAY_COUNTS:
        return f"^{DAY_COUNT}$"
    tokens = "|".join(DATE_TOKENS)
    return "^" + re.sub(tokens, lambda hit: DATE_TOKENS[hit.group()], re.escape(date_format).replace("\\ ", " ")) + "$"


def _date(text: SparkColumn, column: Column, formats: list[str]) -> Reading:
    readings = [_day(text, date_format) for date_format in formats]
    value, several = _agreed(readings, lambda one: one)
    misread = F.when(several, rule_struct("ambiguous", column.name, text, _one_of(formats)))
    return Reading(value, misread.otherwise(_unless(value, text, "date", column, f"a date as {' or '.join(formats)}")))


def _day(text: SparkColumn, date_format: str) -> SparkColumn:
    if date_format in DAY_COUNTS:
        return _counted_day(text, date_format)
    shaped = F.when(text.rlike(date_shape(date_format)), text)
    day = F.try_to_timestamp(shaped, F.lit(date_format)).cast("date")
    if "yy" not in date_format.replace("yyyy", ""):
        return day
    return F.when(F.year(day) > LAST_TWO_DIGIT_YEAR, F.add_months(day, -1200)).otherwise(day)


def _counted_day(text: SparkColumn, count: str) -> SparkColumn:
    """The day of a number of days (a spreadsheet's; a part of a day is its time) or of seconds or milliseconds."""
    origin, unit = DAY_COUNTS[count]
    days = F.floor(F.when(text.rlike(date_shape(count)), text).try_cast("decimal(38,10)") / F.lit(unit))
    return F.date_add(F.lit(origin), F.when(days <= LAST_DAY_COUNT, days).cast("int"))


def _unless(value: SparkColumn, text: SparkColumn, rule: str, column: Column, expected: str) -> SparkColumn:
    return F.when(text.isNotNull() & value.isNull(), rule_struct(rule, column.name, text, expected))


def _conforming(typed: Reading, text: SparkColumn, column: Column) -> Reading:
    """Default, nullability and domain of the canonical column on top of the type."""
    value = typed.value
    if column.default is not None:
        default = F.lit(column.default)
        if column.type != "string":
            default = default.cast(MONEY if column.type == "decimal" else column.type)
        value = F.when(text.isNull(), default).otherwise(value)
    rules: list[tuple[SparkColumn, SparkColumn]] = []
    if typed.problem is not None:
        rules.append((typed.problem.isNotNull(), typed.problem))
    if not column.nullable and column.default is None:
        rules.append((text.isNull(), rule_struct("required", column.name, text, "a value")))
    if column.values:
        expected = "one of " + ", ".join(column.values)
        rules.append((~value.isin(column.values), rule_struct("values", column.name, text, expected)))
    if column.pattern:
        expected = f"a value like {column.pattern}"
        rules.append((~value.rlike(f"^({column.pattern})$"), rule_struct("pattern", column.name, text, expected)))
    if column.sign == "positive":
        rules.append((value <= 0, rule_struct("sign", column.name, text, "more than 0")))
    if column.sign == "not_negative":
        rules.append((value < 0, rule_struct("sign", column.name, text, "0 or more")))
    if not rules:
        return Reading(value, None)
    chain = F.when(*rules[0])
    for test, failed in rules[1:]:
        chain = chain.when(test, failed)
    return Reading(value, chain)
