"""The rule about values that move without a flow: where it fires, where it nearly does, and where it holds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from jobs.check.accounts import value_jumps
from jobs.check.tolerances import Rule, Tolerances

FRIDAY, MONDAY, TUESDAY = date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 6)
VALUATION = (
    "tenant_id string, vendor string, feed string, account_id string, as_of_date date, market_value decimal(28,8)"
)
STATE = "tenant_id string, account_id string, as_of_date date, end_market_value decimal(28,8)"
TRANSACTION = (
    "tenant_id string, account_id string, performance_date date, type string, status string, amount decimal(28,8)"
)
FOUND = (
    "tenant_id string, account_id string, as_of_date date, rule string, reason string, severity string, state string"
)


def rule(severity: str, **scope: str) -> Rule:
    limits = [{"unit": "fraction", "max": 0.5}, {"unit": "money", "max": 1000}]
    values: dict[str, Any] = {"name": "value_jump", "measure": "value_jump", "applies_to": "valuation"}
    return Rule.model_validate(
        {**values, "limits": limits, "severity": severity, "reason": "wrong file, not a market", **scope}
    )


def test_a_move_beyond_half_and_beyond_1000_without_a_flow_is_found(spark: SparkSession) -> None:
    tolerances = Tolerances(rules=[rule("warn"), rule("hold", vendor="brokerage")])
    own = ("acme", "canonical", "canonical_valuations")
    valuations = [
        (*own, "nearly", MONDAY, Decimal(15000)),  # + 50 %, not more
        (*own, "jumps", MONDAY, Decimal(15001)),
        (*own, "small", MONDAY, Decimal(900)),  # + 800 %, but 800 of money
        (*own, "funded", MONDAY, Decimal(20000)),  # the deposit explains it
        (*own, "cancelled", MONDAY, Decimal(20000)),  # a cancelled deposit explains nothing
        (*own, "new", MONDAY, Decimal(20000)),  # nothing to compare with
        (*own, "later", MONDAY, Decimal(10000)),
        (*own, "later", TUESDAY, Decimal(2000)),  # the second date of one file
        ("acme", "brokerage", "brokerage_positions", "held", MONDAY, Decimal(1)),
    ]
    before = [("acme", name, FRIDAY, Decimal(10000)) for name in ("nearly", "jumps", "funded", "cancelled", "held")]
    before += [("acme", "small", FRIDAY, Decimal(100))]
    flows = [
        ("acme", "funded", MONDAY, "DEPOSIT", "new", Decimal(9500)),
        ("acme", "cancelled", MONDAY, "DEPOSIT", "cancel", Decimal(10000)),
        ("acme", "jumps", TUESDAY, "DEPOSIT", "new", Decimal(5000)),  # after the move
        ("acme", "jumps", MONDAY, "DIVIDEND", "new", Decimal(5000)),  # no flow
    ]
    found = value_jumps(
        spark.createDataFrame(valuations, VALUATION),
        spark.createDataFrame(before, STATE),
        spark.createDataFrame(flows, TRANSACTION),
        tolerances,
    )
    expected = "expected at most 0.5 fraction and at most 1000 money"
    rows = [
        ("cancelled", MONDAY, f"value moved by 100.0 % since 2026-01-02 without a flow, {expected}", "warn", "flagged"),
        ("held", MONDAY, f"value moved by -100.0 % since 2026-01-02 without a flow, {expected}", "hold", "held"),
        ("jumps", MONDAY, f"value moved by 50.0 % since 2026-01-02 without a flow, {expected}", "warn", "flagged"),
        ("later", TUESDAY, f"value moved by -80.0 % since 2026-01-05 without a flow, {expected}", "warn", "flagged"),
    ]
    wanted = [("acme", name, day, "value_jump", reason, *fate) for name, day, reason, *fate in rows]
    assert_df_equality(found, spark.createDataFrame(wanted, FOUND), ignore_row_order=True, ignore_nullable=True)
