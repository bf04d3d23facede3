"""Text to typed values: one declared format a column; what does not fit is named, never guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.normalise.records import rule_struct
from jobs.platform.mapping import NumberStyle
from jobs.platform.schemas import MONEY, Column

# The whole cell must look like this; then these characters go, a decimal comma becomes a point.
NUMBER_SHAPES: dict[NumberStyle, str] = {
    "plain": r"^[+-]?(\d+(\.\d+)?|\.\d+)$",
    "us": r"^([+-]?\$?[+-]?((\d{1,3}(,\d{3})+|\d+)(\.\d+)?|\.\d+)|\(\$?((\d{1,3}(,\d{3})+|\d+)(\.\d+)?|\.\d+)\))$",
    "european": r"^[+-]?((\d{1,3}(\.\d{3})+|\d+)(,\d*)?|,\d+)$",
    "swiss": r"^[+-]?((\d{1,3}('\d{3})+|\d+)(\.\d+)?|\.\d+)$",
    "spaced": r"^[+-]?((\d{1,3}([ \u00a0\u202f]\d{3})+|\d+)(,\d*)?|,\d+)$",
    "trailing_sign": r"^(\d+(\.\d+)?|\.\d+)[+-]?$",
}
NUMBER_EXAMPLES: dict[NumberStyle, str] = {
    "plain": "1234.56",
    "us": "$1,234.56",
    "european": "1.234,56",
    "swiss": "1'234.56",
    "spaced": "1 234,56",
    "trailing_sign": "1234.56-",
}
DECIMAL_COMMA = {"european", "spaced"}
FLOAT_SHAPE = r"^[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?$"
DATE_TOKENS = {
    "yyyy": r"\d{4}",
    "yy": r"\d{2}",
    "MMMM": "[A-Za-z]+",
    "MMM": "[A-Za-z]{3}",
    "MM": r"\d{2}",
    "dd": r"\d{2}",
}


@dataclass(frozen=True)
class Reading:
    """A typed value and, where the text does not give one, the failed rule (else NULL; None: nothing can fail)."""

    value: SparkColumn
    problem: SparkColumn | None


def read(text: SparkColumn, column: Column, number: NumberStyle, date_format: str) -> Reading:
    """Read `text` (NULL: nothing there) as the canonical `column`: type, default, nullability, domain, sign."""
    if column.type == "decimal":
        typed = _money(text, column, number)
    elif column.type == "date":
        typed = _date(text, column, date_format)
    elif column.type == "double":
        value = F.when(text.rlike(FLOAT_SHAPE), text).try_cast("double")
        typed = Reading(value, _unless(value, text, "number", column, "a number such as 0.0125"))
    elif column.type == "boolean":
        value = F.when(F.lower(text).isin("true", "false"), F.lower(text)).try_cast("boolean")
        typed = Reading(value, _unless(value, text, "boolean", column, "true or false"))
    elif column.type in {"integer", "long"}:
        value = text.try_cast("long" if column.type == "long" else "int")
        typed = Reading(value, _unless(value, text, "number", column, "a whole number"))
    else:
        typed = Reading(text, None)
    return _conforming(typed, text, column)


def _money(text: SparkColumn, column: Column, style: NumberStyle) -> Reading:
    shaped = F.when(text.rlike(NUMBER_SHAPES[style]), text)
    if style in DECIMAL_COMMA:
        digits = F.regexp_replace(F.regexp_replace(shaped, r"[+\-. \u00a0\u202f]", ""), ",", ".")
    else:
        digits = F.regexp_replace(shaped, r"[$+()\-,']", "")
    negative = shaped.rlike(r"[-(]")
    size = digits.try_cast(MONEY)
    value = F.when(negative, -size).otherwise(size).cast(MONEY)
    too_fine = digits.rlike(r"\.\d{9,}$")
    expected = f"a number such as {NUMBER_EXAMPLES[style]}"
    problem = (
        F.when(text.isNotNull() & shaped.isNull(), rule_struct("number", column.name, text, expected))
        .when(too_fine, rule_struct("decimals", column.name, text, "at most 8 decimals"))
        .when(shaped.isNotNull() & size.isNull(), rule_struct("range", column.name, text, "at most 20 digits"))
    )
    return Reading(F.when(too_fine, F.lit(None)).otherwise(value).cast(MONEY), problem)


def date_shape(date_format: str) -> str:
    """The pattern that a whole cell in this date format matches."""
    tokens = "|".join(DATE_TOKENS)
    return "^" + re.sub(tokens, lambda hit: DATE_TOKENS[hit.group()], re.escape(date_format).replace("\\ ", " ")) + "$"


def _date(text: SparkColumn, column: Column, date_format: str) -> Reading:
    shaped = F.when(text.rlike(date_shape(date_format)), text)
    value = F.try_to_timestamp(shaped, F.lit(date_format)).cast("date")
    return Reading(value, _unless(value, text, "date", column, f"a date as {date_format}"))


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
