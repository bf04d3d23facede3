"""Which transactions are flows or fees, and what they are worth."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from jobs.calculate.flows import END, MID, START, flows_and_fees
from tests import calculation

DAY = date(2026, 3, 2)


def test_flows_and_fees(spark: SparkSession) -> None:
    given = [
        {"account_id": "deposit", "type": "DEPOSIT", "amount": Decimal(100), "flow_timing": "mid"},
        {"account_id": "withdrawal", "type": "WITHDRAWAL", "amount": Decimal(-40), "flow_timing": "end"},
        {"account_id": "journal", "type": "JOURNAL", "amount": Decimal(7), "flow_timing": "start"},
        {"account_id": "fee", "type": "FEE", "amount": Decimal(-3), "currency": "EUR"},
        {"account_id": "cancelled", "type": "DEPOSIT", "amount": Decimal(9), "status": "cancel"},
        {"account_id": "nothing", "type": "DEPOSIT", "amount": Decimal(0)},
        *[
            {"account_id": kind, "type": kind, "amount": Decimal(5)}
            for kind in ("BUY", "SELL", "DIVIDEND", "INTEREST", "TAX", "CORPORATE_ACTION", "FX", "MISC_INCOME")
        ],
    ]
    rows = calculation.transactions(spark, [{"performance_date": DAY, **row} for row in given])
    expected = spark.createDataFrame(
        [
            ("deposit", False, Decimal(100), None, MID),
            ("withdrawal", False, Decimal(-40), None, END),
            ("journal", False, Decimal(7), None, START),
            ("fee", True, Decimal(-3), "EUR", None),
        ],
        "account_id string, is_fee boolean, amount decimal(28,8), currency string, timing int",
    )
    actual = flows_and_fees(rows, {}).select("account_id", "is_fee", "amount", "currency", "timing")
    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True)


def test_a_transfer_in_kind_is_worth_quantity_times_price_and_never_nothing(spark: SparkSession) -> None:
    given = [
        {"account_id": "in", "type": "TRANSFER_IN", "quantity": Decimal(10), "price": Decimal("1.5")},
        {"account_id": "out", "type": "TRANSFER_OUT", "quantity": Decimal(10), "price": Decimal("1.5")},
        {"account_id": "out_signed", "type": "TRANSFER_OUT", "quantity": Decimal(-10), "price": Decimal("1.5")},
        {"account_id": "valued", "type": "TRANSFER_IN", "quantity": Decimal(10), "amount": Decimal(14)},
        {"account_id": "unpriced", "type": "TRANSFER_IN", "quantity": Decimal(10)},
    ]
    rows = calculation.transactions(spark, [{"performance_date": DAY, **row} for row in given])
    expected = spark.createDataFrame(
        [
            ("in", Decimal(15)),
            ("out", Decimal(-15)),
            ("out_signed", Decimal(-15)),
            ("valued", Decimal(14)),
            ("unpriced", None),
        ],
        "account_id string, amount decimal(28,8)",
    )
    actual = flows_and_fees(rows, {}).select("account_id", "amount")
    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True)
