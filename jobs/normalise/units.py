"""A number as the vendor's unit means it: implied decimals, minor currency units, percent; a month as its last day."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from jobs.normalise.codes import given_by
from jobs.normalise.records import rule_struct
from jobs.normalise.values import Reading
from jobs.platform.mapping import Mapping
from jobs.platform.mapping_columns import ColumnSource
from jobs.platform.schemas import SPARK_TYPES, Column

SMALLER = {"percent": 2, "basis_points": 4}  # by how many powers of ten the vendor's figures are to be divided
LARGER = {"thousands": 3, "millions": 6}


def in_unit(reading: Reading, text: SparkColumn, column: Column, source: ColumnSource, mapping: Mapping) -> Reading:
    """The reading in the canonical unit. A quotient with more decimals, or a product with more digits, than the type
    keeps is a failed rule."""
    if source.month_end:
        return Reading(F.last_day(reading.value), reading.problem)
    if source.unit in LARGER:
        return _times(reading, text, column, 10 ** LARGER[source.unit])
    always = (source.decimals or 0) + SMALLER.get(source.unit or "", 0)
    by_word = [_places(reference, mapping) for reference in source.divide_by]
    most = always + sum(largest for _, largest in by_word)
    if not most:
        return reading
    places = sum((given for given, _ in by_word), F.lit(always))
    if column.type == "double":
        value = reading.value
        for power in range(1, most + 1):
            value = F.when(places == power, reading.value / 10**power).otherwise(value)
        return Reading(value, reading.problem)
    value = reading.value
    for place in range(most):
        # One place at a time: a quotient by 10 keeps every decimal of the type, one by 10^n would not.
        value = F.when(places > place, (value / 10).cast(SPARK_TYPES[column.type])).otherwise(value)
    restored = value
    for power in range(1, most + 1):
        restored = F.when(places == power, value * F.lit(Decimal(10**power))).otherwise(restored)
    failed = rule_struct("decimals", column.name, text, "at most 8 decimals in the canonical unit")
    problem = F.when(restored != reading.value, failed)
    return Reading(value, problem if reading.problem is None else F.coalesce(reading.problem, problem))


def _times(reading: Reading, text: SparkColumn, column: Column, factor: int) -> Reading:
    value = (reading.value * F.lit(Decimal(factor))).try_cast(SPARK_TYPES[column.type])
    too_large = F.when(
        reading.value.isNotNull() & value.isNull(), rule_struct("range", column.name, text, "at most 20 digits")
    )
    return Reading(value, too_large if reading.problem is None else F.coalesce(reading.problem, too_large))


def _places(reference: str, mapping: Mapping) -> tuple[SparkColumn, int]:
    """(by how many powers of ten the line's word says to divide, the most that any word says)."""
    name, _, given = reference.partition(".")
    powers = {
        rule.gives[given]: len(rule.gives[given]) - 1 for rule in mapping.codes[name].rules if given in rule.gives
    }
    answer = given_by(F.col(f"_code_{name}"), reference, mapping)
    places = F.lit(0)
    for text, power in powers.items():
        places = F.when(answer == text, power).otherwise(places)
    return places, max(powers.values(), default=0)
