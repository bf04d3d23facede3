"""One declared format a column: what fits becomes a value, what does not is named and never guessed."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.normalise.values import Reading, date_shape, read
from jobs.platform.schemas import Column

MONEY = Column(name="amount", type="decimal", meaning="")
DAY = Column(name="day", type="date", meaning="")


def readings(spark: SparkSession, column: Column, texts: list[str], number: str, day: str) -> dict[str, str]:
    """text -> value, or '!rule' where it does not fit."""
    return outcomes(spark, read(F.col("text"), column, number, day), texts)  # type: ignore[arg-type]


def outcomes(spark: SparkSession, reading: Reading, texts: list[str]) -> dict[str, str]:
    problem = reading.problem if reading.problem is not None else F.lit(None)
    rows = spark.createDataFrame([(text,) for text in texts], "text string").select(
        "text", reading.value.cast("string").alias("value"), problem["rule"].alias("rule")
    )
    return {row["text"]: f"!{row['rule']}" if row["rule"] else row["value"] for row in rows.collect()}


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (
            "plain",
            {
                "1234.5": "1234.50000000", "-0.00000001": "-0.00000001", "+7": "7.00000000", ".5": "0.50000000",
                "1,234.50": "!number", "1.234,56": "!number", "1E5": "!number", "$5": "!number", "(5)": "!number",
                "0.123456789": "!decimals", "123456789012345678901": "!range",
                "12345678901234567890": "12345678901234567890.00000000",
            },
        ),
        (
            "us",
            {
                "$1,234.50": "1234.50000000", "-$60,518.32": "-60518.32000000", "$-5.00": "-5.00000000",
                "(6.97)": "-6.97000000", "($1,000)": "-1000.00000000", "1234": "1234.00000000",
                "525,00": "!number", "1,23": "!number", "12.": "!number", "(5": "!number",
            },
        ),
        (
            "european",
            {
                "1.234,56": "1234.56000000", "-7,5": "-7.50000000", "1234": "1234.00000000",
                "12.345.678,9": "12345678.90000000",
                "1,234.56": "!number", "1.23": "!number", "1.234,56-": "-1234.56000000", "(7,5)": "-7.50000000",
                "12,50 €": "12.50000000", "€ -12,50": "-12.50000000", "-7,5-": "!number", "EUR 5": "!number",
            },
        ),
        (
            "swiss",
            {
                "1'234.50": "1234.50000000", "-1\u2019234.50": "-1234.50000000", "1234.5-": "-1234.50000000",
                "\u22127": "-7.00000000", "1'23.5": "!number", "1,234.5": "!number",
            },
        ),
        (
            "spaced_point",
            {"1 234.50": "1234.50000000", "-1\u2009234": "-1234.00000000", "1 234,50": "!number", "12 34": "!number"},
        ),
        ("indian", {"12,34,567.89": "1234567.89000000", "(1,234)": "-1234.00000000", "123,4,567": "!number"}),
        (
            "overpunch",
            {
                "12C": "123.00000000", "12L": "-123.00000000", "0000{": "0.00000000", "100}": "-1000.00000000",
                "42": "42.00000000", "1.2C": "1.23000000", "C": "3.00000000", "12S": "!number", "C2": "!number",
            },
        ),
    ],
)  # fmt: skip
def test_money_in_each_style(spark: SparkSession, style: str, expected: dict[str, str]) -> None:
    assert readings(spark, MONEY, list(expected), style, "yyyy-MM-dd") == expected


def test_of_several_styles_a_number_must_mean_the_same_in_all_that_it_fits(spark: SparkSession) -> None:
    both = read(F.col("text"), MONEY, ["european", "plain"], "")
    texts = ["1.234,56", "1234.56", "7", "1.234", "12.5", "1,234.5"]
    assert outcomes(spark, both, texts) == {
        "1.234,56": "1234.56000000", "1234.56": "1234.56000000", "7": "7.00000000",
        "1.234": "!ambiguous",  # a thousand, or a little more than one
        "12.5": "12.50000000", "1,234.5": "!number",
    }  # fmt: skip


def test_scientific_numbers_are_exact_or_refused(spark: SparkSession) -> None:
    reading = read(F.col("text"), MONEY, ["plain", "scientific"], "")
    assert outcomes(spark, reading, ["1.0E7", "-1.5E-05", "1E-20", "1.23456789E-3", "3"]) == {
        "1.0E7": "10000000.00000000", "-1.5E-05": "-0.00001500", "1E-20": "!number",
        "1.23456789E-3": "!decimals", "3": "3.00000000",
    }  # fmt: skip


def test_dates_of_several_formats(spark: SparkSession) -> None:
    reading = read(F.col("text"), DAY, "", ["M/d/yyyy", "d/M/yyyy"])
    assert outcomes(spark, reading, ["3/31/2026", "31/3/2026", "3/3/2026", "3/4/2026", "2026-03-03"]) == {
        "3/31/2026": "2026-03-31", "31/3/2026": "2026-03-31", "3/3/2026": "2026-03-03", "3/4/2026": "!ambiguous",
        "2026-03-03": "!date",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (
            "yyyy-MM-dd",
            {
                "2026-02-28": "2026-02-28", "2026-02-29": "!date", "2024-02-29": "2024-02-29", "2026-2-3": "!date",
                "02/03/2026": "!date", "2026-02-28T00:00": "!date",
            },
        ),
        ("MM/dd/yyyy", {"03/31/2026": "2026-03-31", "31/03/2026": "!date", "3/31/2026": "!date"}),
        ("dd-MMM-yy", {"31-Mar-26": "2026-03-31", "31-MAR-26": "2026-03-31", "01-Jul-98": "1998-07-01"}),
        ("serial", {"46112": "2026-03-31", "46112.75": "2026-03-31", "2026-03-31": "!date", "99999999": "!date"}),
        ("epoch_millis", {"1774915200000": "2026-03-31", "-5": "!date"}),
        ("yyyy-MM-dd'T'HH:mm:ss", {"2026-03-31T23:59:00": "2026-03-31", "2026-03-31": "!date"}),
        ("dd MMMM yyyy", {"06 February 2026": "2026-02-06", "30 February 2026": "!date", "06 Feb 2026": "!date"}),
    ],
)  # fmt: skip
def test_dates_in_each_format(spark: SparkSession, day: str, expected: dict[str, str]) -> None:
    assert readings(spark, DAY, list(expected), "plain", day) == expected


def test_the_shape_of_a_date_format_is_a_pattern_of_the_whole_cell() -> None:
    assert date_shape("dd MMMM yyyy") == r"^\d{2} [A-Za-z]+ \d{4}$"


def test_domain_default_sign_and_pattern_come_from_the_schema(spark: SparkSession) -> None:
    status = Column(name="status", type="string", meaning="", nullable=False, values=["new", "cancel"], default="new")
    currency = Column(name="currency", type="string", meaning="", pattern="[A-Z]{3}")
    rate = Column(name="rate", type="decimal", meaning="", nullable=False, sign="positive")
    assert readings(spark, status, ["new", "old"], "plain", "") == {"new": "new", "old": "!values"}
    assert readings(spark, currency, ["USD", "usd", "US"], "plain", "") == {
        "USD": "USD",
        "usd": "!pattern",
        "US": "!pattern",
    }
    assert readings(spark, rate, ["1.5", "0", "-1"], "plain", "") == {"1.5": "1.50000000", "0": "!sign", "-1": "!sign"}


def test_nothing_becomes_the_default_or_is_missed_where_a_value_is_required(spark: SparkSession) -> None:
    nothing = spark.createDataFrame([(None,)], "text string")
    amount = read(F.col("text"), MONEY.model_copy(update={"nullable": False, "default": "0"}), "plain", "")
    required = read(F.col("text"), MONEY.model_copy(update={"nullable": False}), "plain", "")
    row = nothing.select(
        amount.value.cast("string").alias("value"),
        required.problem["rule"].alias("rule"),  # type: ignore[index]
    ).first()
    assert row is not None
    assert (row["value"], row["rule"]) == ("0.00000000", "required")
