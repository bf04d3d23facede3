"""What clears a difference: each cause with its numbers, and the difference that it nearly clears."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.platform.mapping import load_mappings
from jobs.reconcile import books, reported
from jobs.reconcile.breaks import DIFFERENCE, as_differences
from tests.unit.test_breaks import OURS, THEIRS, THU, TOLERANCES, TUESDAY, WEDNESDAY, frame

MONDAY = date(2026, 3, 9)
# A day with a deposit: 1,000,000 before, 100,000 in, 1,111,000 after: 11,000 on 1,100,000 is 1 %. Fees of 550.
DAY: dict[str, Any] = {
    **OURS,
    "contributions": Decimal("100000"),
    "distributions": Decimal("0"),
    "net_flow": Decimal("100000"),
    "end_market_value": Decimal("1111000"),
    "gain_loss": Decimal("11000"),
    "weighted_capital": Decimal("1100000"),
    "fees": Decimal("550"),
    "twrr_daily": 0.01,
    "twrr_daily_gross": 0.0105,
    "twrr_mtd": 0.0302,  # 2 % before today
    "twrr_mtd_gross": 0.03273,
    "currency": "USD",
}


def causes(
    spark: SparkSession, *cases: dict[str, Any], ours: dict[str, Any] | None = None
) -> list[tuple[str, str | None, str | None]]:
    """Of each figure that differs: type, cause and words."""
    rows = [{**THEIRS, "account_id": f"A{number}", **case} for number, case in enumerate(cases)]
    mine = [{**DAY, **(ours or {}), "account_id": f"A{number}"} for number in range(len(cases))]
    found = reported.compared(
        frame(spark, "reported_performance", rows), frame(spark, "account_performance_daily", mine), TOLERANCES
    )
    shown = found.where("verdict IS NOT NULL OR obstacle IS NOT NULL").orderBy("account_id", "type")
    return [
        (
            row["type"],
            row["explanation"] and row["explanation"]["cause"],
            row["explanation"]["words"] if row["explanation"] else row["obstacle"],
        )
        for row in shown.collect()
    ]


def test_fees_explain_a_return_that_is_ours_before_them(spark: SparkSession) -> None:
    assert causes(spark, {"twrr_daily": 0.0105, "twrr_mtd": 0.03273}, {"twrr_daily": 0.01062}) == [
        (
            "twrr_daily",
            "fee_basis",
            "theirs is before fees: ours before fees is 1.0500 %, the fees of the day are 550.00",
        ),
        ("twrr_mtd", "fee_basis", "theirs is before fees: ours before fees is 3.2730 %"),
        ("twrr_daily", None, None),  # 1.2 bps from ours before fees: beyond 1 bps
    ]


def test_another_flow_timing_explains_a_return_and_the_month_that_holds_it(spark: SparkSession) -> None:
    """11,000 on 1,000,000 is 1.1 %; on 1,050,000 it is 1.0476 %; the month 1.02 x 1.011 is 3.122 %."""
    assert causes(
        spark,
        {"twrr_daily": 0.011, "twrr_mtd": 0.03122},
        {"twrr_daily": 0.010476},
        {"twrr_daily": 0.0108},
        ours={"twrr_daily_gross": 0.01, "twrr_mtd_gross": 0.0302, "fees": Decimal(0)},
    ) == [
        (
            "twrr_daily",
            "flow_convention",
            "with flows at the end of the day (in 100,000.00, out 0.00) ours is 1.1000 %",
        ),
        ("twrr_mtd", "flow_convention", "with flows at the end of the day (in 100,000.00, out 0.00) ours is 3.1220 %"),
        (
            "twrr_daily",
            "flow_convention",
            "with flows in the middle of the day (in 100,000.00, out 0.00) ours is 1.0476 %",
        ),
        ("twrr_daily", None, None),
    ]


def test_rounding_explains_only_where_both_figures_are_rounded(spark: SparkSession) -> None:
    ours = {"twrr_daily": 0.01234, "twrr_mtd": 0.03041, "contributions": Decimal(0), "twrr_daily_gross": 0.01234}
    assert causes(
        spark, {"twrr_daily": 0.012, "twrr_mtd": 0.03}, {"twrr_daily": 0.012, "twrr_mtd": 0.0306}, ours=ours
    ) == [
        ("twrr_daily", "rounding", "theirs are rounded to 0.1 %: ours so is 1.2000 %"),
        ("twrr_mtd", "rounding", "theirs are rounded to 0.1 %: ours so is 3.0000 %"),
        ("twrr_daily", None, None),
    ]
    ours = {"begin_market_value": Decimal("1000.49"), "end_market_value": Decimal("1010.51")}
    whole = {"begin_market_value": Decimal("1000"), "end_market_value": Decimal("1011")}
    assert causes(spark, whole, {**whole, "end_market_value": Decimal("1010")}, ours=ours) == [
        ("begin_value", "rounding", "theirs are rounded to whole units: ours so is 1,000.00"),
        ("end_value", "rounding", "theirs are rounded to whole units: ours so is 1,011.00"),
        ("begin_value", None, None),
        ("end_value", None, None),
    ]


def test_a_return_follows_from_values_that_are_breaks_of_their_own(spark: SparkSession) -> None:
    """Theirs: 1,000,000 before, nothing in, 1,020,000 after: 2 %, which is what they say."""
    values = {
        "begin_market_value": Decimal("1000000"),
        "net_flow": Decimal("0"),
        "end_market_value": Decimal("1020000"),
    }
    found = causes(spark, {**values, "twrr_daily": 0.02}, {**values, "twrr_daily": 0.0205})
    words = "follows from their values: 1,000,000.00 before, 1,020,000.00 after, a net flow of 0.00 give 2.0000 %"
    assert found == [
        ("end_value", None, None),
        ("net_flow", None, None),
        ("twrr_daily", "follows", words),
        ("end_value", None, None),
        ("net_flow", None, None),
        ("roll_forward", "follows", "follows from another break: a value or flow of theirs differs from ours"),
        ("twrr_daily", None, None),
    ]


def test_their_figures_roll_from_begin_to_end_or_contradict_each_other(spark: SparkSession) -> None:
    """1,000,000 and 100,000 in, at work all day, half of it or not at all: 1 % is 11,000, 10,500 or 10,000."""
    rolls = {"begin_market_value": Decimal("1000000"), "net_flow": Decimal("100000"), "twrr_daily": 0.01}
    ends = ["1111000", "1110500", "1110000", "1110833.40", "1110833.30", "1110750"]
    rows = [{**THEIRS, "account_id": f"A{n}", **rolls, "end_market_value": Decimal(end)} for n, end in enumerate(ends)]
    rows.append({**rows[0], "account_id": "A6", "twrr_daily": None})
    nobody = frame(spark, "account_performance_daily", [])
    found = reported.compared(frame(spark, "reported_performance", rows), nobody, TOLERANCES)
    rolled = found.where("type = 'roll_forward'").orderBy("account_id").collect()
    # 166.60 is 1.4998 basis points of the end value, 166.70 is 1.5007, 250 is 2.25: beyond 1.5.
    assert [(row["ours"], row["difference"], row["verdict"] and row["verdict"]["rule"]) for row in rolled] == [
        (pytest.approx(1_111_000), Decimal(0), None),
        (pytest.approx(1_110_500), Decimal(0), None),
        (pytest.approx(1_110_000), Decimal(0), None),
        (pytest.approx(1_111_000), Decimal("166.60"), None),
        (pytest.approx(1_111_000), Decimal("166.70"), "roll_forward"),
        (pytest.approx(1_110_500), Decimal("-250"), "roll_forward"),
    ]
    # Of an account valued monthly nobody says for how many of the days a flow was at work.
    ours = [{**OURS, "account_id": "A5", "days": 22}, {**OURS, "account_id": "A4", "days": 1}]
    frames = frame(spark, "reported_performance", rows[4:6]), frame(spark, "account_performance_daily", ours)
    rolled = reported.compared(*frames, TOLERANCES).where("type = 'roll_forward'").orderBy("account_id").collect()
    assert [(row["verdict"] is not None, row["obstacle"] is not None) for row in rolled] == [
        (True, False),
        (False, True),
    ]


def test_what_the_mapping_declares_decides_what_is_comparable(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vendor whose returns are before fees, or with flows at the end of the day; ours has one at its start."""
    feed = "canonical_reported_performance"
    mapping = load_mappings()[feed]

    def declare(**facts: str) -> None:
        changed = {**load_mappings(), feed: mapping.model_copy(update=facts)}
        monkeypatch.setattr(reported, "load_mappings", lambda: changed)

    declare(return_basis="gross")
    assert causes(spark, {"twrr_daily": 0.0105}, {"twrr_daily": 0.01}) == [
        ("twrr_daily", "fee_basis", "theirs is after fees: ours after fees is 1.0000 %, the fees of the day are 550.00")
    ]
    declare(flow_timing="end_of_day")
    because = "their returns are with flows at the end of the day, ours of this day are not"
    assert causes(spark, {"twrr_daily": 0.011}) == [("twrr_daily", None, because)]
    quiet = {"contributions": Decimal(0), "weighted_capital": Decimal("1000000")}
    assert causes(spark, {"twrr_daily": 0.02}, ours=quiet) == [("twrr_daily", None, None)]


# By other rows


def figures(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Differences with the account's currency, as `books` looks at them."""
    schema = ", ".join(f"{name} {kind}" for name, kind in DIFFERENCE.items())
    filled = [{**THEIRS, "difference_bps": 100.0, **row} for row in rows]
    frame_ = spark.createDataFrame([tuple(row.get(name) for name in DIFFERENCE) for row in filled], schema)
    return frame_.withColumn("currency", F.lit("USD"))


def told(found: DataFrame) -> list[tuple[Any, ...]]:
    rows = found.orderBy("account_id", "as_of_date", "type").collect()
    return [
        (r["account_id"], r["as_of_date"], r["type"], r["explanation"]["cause"], r["explanation"]["words"])
        for r in rows
    ]


def flow_days(
    spark: SparkSession, account: str, days: dict[date, tuple[int, int]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(ours, theirs) of an account from day -> the two net flows."""
    before = {TUESDAY: MONDAY, WEDNESDAY: TUESDAY, THU: WEDNESDAY}
    mine = [
        {**OURS, "account_id": account, "as_of_date": day, "begin_date": before[day], "net_flow": Decimal(own)}
        for day, (own, _) in days.items()
    ]
    other = [
        {
            **THEIRS,
            "account_id": account,
            "as_of_date": day,
            "net_flow": Decimal(their),
            "end_market_value": Decimal(9999),
        }
        for day, (_, their) in days.items()
    ]
    return mine, other


def test_a_flow_on_the_neighbouring_day_explains_both_days(spark: SparkSession) -> None:
    accounts = {
        "A": {TUESDAY: (0, 500), WEDNESDAY: (700, 200), THU: (0, 0)},
        "B": {TUESDAY: (0, 500), WEDNESDAY: (400, 0)},  # another amount
        "C": {TUESDAY: (0, 500), WEDNESDAY: (500, 0), THU: (0, 500)},  # which two belong together?
        "D": {TUESDAY: (0, 500), THU: (500, 0)},  # Wednesday is missing: no neighbours
    }
    both = [flow_days(spark, account, days) for account, days in accounts.items()]
    ours = frame(spark, "account_performance_daily", [row for mine, _ in both for row in mine])
    theirs = frame(spark, "reported_performance", [row for _, other in both for row in other])
    found = books.flow_timing(ours, theirs, TOLERANCES)
    assert told(found) == [
        (
            "A", TUESDAY, "net_flow", "flow_timing",
            "a flow of 500.00 is counted on the neighbouring day: ours is 0.00 and theirs 500.00,"
            " on 2026-03-11 ours 700.00 and theirs 200.00",
        ),
        (
            "A", WEDNESDAY, "net_flow", "flow_timing",
            "a flow of 500.00 is counted on the neighbouring day: ours is 700.00 and theirs 200.00,"
            " on 2026-03-10 ours 0.00 and theirs 500.00",
        ),
    ]  # fmt: skip
    complete = as_differences(found).where("type = 'net_flow' AND verdict IS NOT NULL AND feed IS NOT NULL")
    assert [row["difference"] for row in complete.orderBy("as_of_date").collect()] == [Decimal(-500), Decimal(500)]


def test_what_settles_later_explains_a_value_and_a_flow(spark: SparkSession) -> None:
    """A deposit of 5,000 and a purchase of 2,000, both made on Tuesday and settled on Thursday."""
    booking = {
        "tenant_id": "acme", "vendor": "canonical", "trade_date": TUESDAY, "settle_date": THU,
        "performance_date": TUESDAY, "status": "new", "currency": None,
    }  # fmt: skip
    transactions = []
    for account in "ABCD":
        deposit = {**booking, "account_id": account, "type": "DEPOSIT", "amount": Decimal(5000)}
        transactions += [deposit, {**deposit, "type": "BUY", "amount": Decimal(-2000)}]
    suspects = figures(
        spark,
        {"account_id": "A", "type": "end_value", "difference": Decimal("5000.03")},
        {"account_id": "B", "type": "end_value", "difference": Decimal(-2000), "as_of_date": WEDNESDAY},
        {"account_id": "C", "type": "net_flow", "difference": Decimal(5000)},
        {"account_id": "C", "type": "net_flow", "difference": Decimal(-5000), "as_of_date": THU},
        {"account_id": "D", "type": "end_value", "difference": Decimal(5001)},
        {"account_id": "D", "type": "end_value", "difference": Decimal(5000), "as_of_date": THU},  # settled by then
    )
    found = told(books.pending_trade(suspects, frame(spark, "transaction", transactions), TOLERANCES))
    assert [row[:4] for row in found] == [
        ("A", TUESDAY, "end_value", "pending_trade"),
        ("B", WEDNESDAY, "end_value", "pending_trade"),
        ("C", TUESDAY, "net_flow", "pending_trade"),
        ("C", THU, "net_flow", "pending_trade"),
    ]
    assert found[0][4] == ("traded and not settled by then: 5,000.00, the last of it settles on 2026-03-12")


def test_the_rate_of_another_day_explains_a_value(spark: SparkSession) -> None:
    """1,000 EUR are 1,100 USD at Tuesday's 1.10; they say 1,090, Monday's rate. 1,095 is nobody's."""
    suspects = figures(
        spark,
        {"account_id": "A", "type": "end_value", "difference": Decimal(10), "ours": 1100.0, "theirs": 1090.0},
        {"account_id": "B", "type": "end_value", "difference": Decimal(5), "ours": 1100.0, "theirs": 1095.0},
    )
    value = {
        "tenant_id": "acme",
        "vendor": "v",
        "as_of_date": TUESDAY,
        "market_value": Decimal(1000),
        "currency": "EUR",
    }
    valuations = frame(spark, "valuation", [{**value, "account_id": account} for account in "AB"])
    rate = {"tenant_id": "acme", "vendor": "v", "from_currency": "EUR", "to_currency": "USD"}
    rates = frame(
        spark,
        "fx_rate",
        [
            {**rate, "as_of_date": MONDAY, "rate": Decimal("1.09")},
            {**rate, "as_of_date": TUESDAY, "rate": Decimal("1.10")},
        ],
    )
    assert told(books.fx_rate(suspects, valuations, rates, TOLERANCES)) == [
        (
            "A", TUESDAY, "end_value", "fx_rate",
            "at the rate of 2026-03-09 (1.090000 USD for one EUR; ours is 1.100000) ours is 1,090.00",
        )
    ]  # fmt: skip
