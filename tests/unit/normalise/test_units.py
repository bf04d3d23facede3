"""What a vendor's unit makes of a number: implied decimals, percent, pence, quotes per hundred, months."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.normalise.cells import Cells
from jobs.normalise.codes import code_index, given
from jobs.normalise.units import in_unit
from jobs.normalise.values import read
from jobs.platform.mapping import Mapping
from jobs.platform.mapping_columns import ColumnSource
from jobs.platform.schemas import Column

PRICE = Column(name="price", type="decimal", meaning="")
MAPPING = Mapping.model_validate(
    {
        "vendor": "v", "feed": "f", "meaning": "", "delivery": "upsert", "fingerprint": {"required": ["Close"]},
        "codes": {
            "money": {"title": "Ccy", "rules": [
                {"matches": "GBX|GBp", "gives": {"currency": "GBP", "divisor": "100"}},
                {"matches": "[A-Z]{3}", "gives": {"currency": "{word}"}},
            ]},
            "quote": {"title": "Unit", "rules": [
                {"is": "PCT", "gives": {"divisor": "100"}}, {"is": "UNIT", "gives": {}},
            ]},
        },
        "targets": [{"table": "price", "columns": {
            "security_id": {"title": "ISIN"}, "as_of_date": {"title": "Date"}, "currency": {"code": "money.currency"},
            "price": {"title": "Close", "divide_by": ["money.divisor", "quote.divisor"]},
        }}],
    }
)  # fmt: skip


def in_units(spark: SparkSession, source: dict[str, Any], rows: list[tuple[str, str, str]]) -> list[str]:
    """Value or !rule of each (Close, Ccy, Unit)."""
    cells = Cells(MAPPING, "record", ["Close", "Ccy", "Unit"])
    frame = spark.createDataFrame([(list(row),) for row in rows], "cells array<string>")
    frame = frame.withColumns({f"_code_{name}": code_index(code, cells) for name, code in MAPPING.codes.items()})
    text = F.get("cells", F.lit(0))
    one = ColumnSource.model_validate({"title": "Close", **source})
    reading = in_unit(read(text, PRICE, "plain", ""), text, PRICE, one, MAPPING)
    assert reading.problem is not None
    found = frame.select(reading.value.cast("string").alias("value"), reading.problem["rule"].alias("rule")).collect()
    return [f"!{row['rule']}" if row["rule"] else row["value"] for row in found]


def test_pence_and_quotes_per_hundred_add_up(spark: SparkSession) -> None:
    rows = [("250.5", "GBX", "UNIT"), ("250.5", "GBP", "UNIT"), ("98.75", "USD", "PCT"), ("12345", "GBp", "PCT")]
    divided = in_units(spark, {"divide_by": ["money.divisor", "quote.divisor"]}, rows)
    assert divided == ["2.50500000", "250.50000000", "0.98750000", "1.23450000"]


def test_thousands_and_basis_points(spark: SparkSession) -> None:
    large = "12345678901234567890"
    assert in_units(spark, {"unit": "thousands"}, [("1.5", "USD", "UNIT"), (large, "USD", "UNIT")]) == [
        "1500.00000000",
        "!range",
    ]
    assert in_units(spark, {"unit": "basis_points"}, [("-12.5", "USD", "UNIT")]) == ["-0.00125000"]


def test_a_quotient_is_exact_or_refused(spark: SparkSession) -> None:
    rows = [("0.1234567", "GBX", "UNIT"), ("0.123456", "GBX", "UNIT"), ("x", "GBX", "UNIT")]
    assert in_units(spark, {"divide_by": ["money.divisor"]}, rows) == ["!decimals", "0.00123456", "!number"]


def test_implied_decimals(spark: SparkSession) -> None:
    assert in_units(spark, {"decimals": 5}, [("123456789", "USD", "UNIT")]) == ["1234.56789000"]


def test_the_word_itself_can_be_the_answer(spark: SparkSession) -> None:
    cells = Cells(MAPPING, "record", ["Close", "Ccy", "Unit"])

    frame = spark.createDataFrame(
        [(["1", "GBX", ""],), (["1", "CHF", ""],), (["1", "francs", ""],)], "cells array<string>"
    )
    assert [row[0] for row in frame.select(given("money.currency", cells)).collect()] == ["GBP", "CHF", None]


def test_a_month_stands_for_its_last_day(spark: SparkSession) -> None:
    day = Column(name="day", type="date", meaning="")
    source = ColumnSource.model_validate({"title": "Date", "month_end": True})
    reading = in_unit(read(F.col("t"), day, "plain", "yyyyMM"), F.col("t"), day, source, MAPPING)
    row = spark.createDataFrame([("202402",)], "t string").select(reading.value.cast("string")).first()
    assert row is not None
    assert row[0] == "2024-02-29"
