"""Reconciliation on literal frames: what differs, what may not be compared, and what a break remembers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.check.tolerances import Limit, Rule, Tolerances
from jobs.platform import schemas
from jobs.platform.business_calendar import Calendar
from jobs.reconcile.breaks import DIFFERENCE, SAID, as_differences, remembered
from jobs.reconcile.desk import BreaksConf, Desk
from jobs.reconcile.reported import compared

TUESDAY = date(2026, 3, 10)
WEDNESDAY = date(2026, 3, 11)

TOLERANCES = Tolerances(
    rules=[
        Rule(
            name="begin_value",
            measure="begin_value_difference",
            limits=[Limit(unit="money", max=Decimal("0.05")), Limit(unit="bps", max=Decimal("0.01"))],
            severity="warn",
            reason="closing value of yesterday",
        ),
        Rule(
            name="end_value",
            measure="end_value_difference",
            limits=[Limit(unit="money", max=Decimal("0.05")), Limit(unit="bps", max=Decimal("0.01"))],
            severity="warn",
            reason="what the account is worth tonight",
        ),
        Rule(
            name="roll_forward",
            measure="roll_forward_difference",
            limits=[Limit(unit="money", max=Decimal("1")), Limit(unit="bps", max=Decimal("1.5"))],
            severity="warn",
            reason="figures that add up",
        ),
        Rule(
            name="net_flow",
            measure="net_flow_difference",
            limits=[Limit(unit="money", max=Decimal("0.05"))],
            severity="warn",
            reason="a flow that one side has not seen",
        ),
        Rule(
            name="return_daily",
            measure="daily_return_difference",
            limits=[Limit(unit="bps", max=Decimal(1))],
            severity="warn",
            reason="rounding of the vendor",
        ),
        Rule(
            name="return_daily",
            measure="daily_return_difference",
            vendor="brokerage",
            limits=[Limit(unit="bps", max=Decimal(25))],
            severity="hold",
            reason="this vendor rounds coarsely",
        ),
        Rule(
            name="return_mtd",
            measure="mtd_return_difference",
            limits=[Limit(unit="bps", max=Decimal(2))],
            severity="warn",
            reason="rounding of the vendor",
        ),
        Rule(
            name="position_quantity",
            measure="position_quantity_difference",
            limits=[Limit(unit="quantity", max=Decimal(0))],
            severity="warn",
            reason="units are counted",
        ),
    ]
)

OURS: dict[str, Any] = {
    "tenant_id": "acme",
    "account_id": "A1",
    "as_of_date": TUESDAY,
    "begin_market_value": Decimal("1000000"),
    "net_flow": Decimal("0"),
    "end_market_value": Decimal("1010000"),
    "days": 1,
    "method": "daily",
    "twrr_daily": 0.01,
    "twrr_mtd": 0.03,
    "status": "ok",
    "begin_date": date(2026, 3, 9),
    "inception_date": date(2026, 1, 2),
    "run_no": 7,
}
THEIRS: dict[str, Any] = {
    "tenant_id": "acme",
    "vendor": "canonical",
    "feed": "canonical_reported_performance",
    "account_id": "A1",
    "as_of_date": TUESDAY,
}


def frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a table of schemas/; columns that a row leaves out are NULL."""
    struct = schemas.table(table).struct
    loose = T.StructType([T.StructField(field.name, field.dataType) for field in struct.fields])
    return spark.createDataFrame([tuple(row.get(name) for name in struct.names) for row in rows], loose)


Case = tuple[dict[str, Any], dict[str, Any] | None]


def figures(spark: SparkSession, cases: list[Case]) -> list[dict[str, Any]]:
    """Each case is an account: the vendor's row (over THEIRS) and ours (over OURS; None: we have no row)."""
    named = [(f"A{number}", theirs, ours) for number, (theirs, ours) in enumerate(cases)]
    reported = [{**THEIRS, "account_id": name, **theirs} for name, theirs, _ in named]
    mine = [{**OURS, "account_id": name, **ours} for name, _, ours in named if ours is not None]
    rows = compared(
        frame(spark, "reported_performance", reported), frame(spark, "account_performance_daily", mine), TOLERANCES
    )
    return [row.asDict(recursive=True) for row in rows.orderBy("account_id", "type").collect()]


def rule_of(figure: dict[str, Any]) -> str | None:
    return figure["verdict"]["rule"] if figure["verdict"] else None


def test_a_begin_value_breaks_when_it_is_beyond_money_and_basis_points(spark: SparkSession) -> None:
    found = figures(
        spark,
        [
            ({"begin_market_value": Decimal("999990")}, {}),  # 10 is 0.1 bps of 1,000,000: beyond 0.05 and 0.01 bps
            ({"begin_market_value": Decimal("999999.5")}, {}),  # 0.5 is beyond 0.05, but 0.005 bps: in tolerance
            ({"begin_market_value": Decimal("1000000")}, {}),
            ({"begin_market_value": Decimal("0")}, {"begin_market_value": Decimal("12")}),  # nothing has no bps
            ({"begin_market_value": Decimal("0")}, {"begin_market_value": Decimal("0")}),
        ],
    )
    assert [(rule_of(f), f["difference"]) for f in found] == [
        ("begin_value", Decimal("10")),
        (None, Decimal("0.5")),
        (None, Decimal("0")),
        ("begin_value", Decimal("12")),
        (None, Decimal("0")),
    ]
    bps = [f["difference_bps"] for f in found]
    assert bps[:3] == pytest.approx([0.1000010000100001, 0.005000002500001, 0.0], rel=1e-9)
    assert bps[3:] == [None, None]


def test_a_return_breaks_beyond_the_limit_of_its_vendor(spark: SparkSession) -> None:
    """One basis point for all, twenty-five for the brokerage, whose breaks hold the account."""
    found = figures(
        spark,
        [
            ({"twrr_daily": 0.01 - 0.000101}, {}),
            ({"twrr_daily": 0.01 - 0.000099}, {}),
            ({"vendor": "brokerage", "twrr_daily": 0.0124}, {}),
            ({"vendor": "brokerage", "twrr_daily": 0.0126}, {}),
        ],
    )
    assert [f["verdict"] and (f["verdict"]["rule"], f["verdict"]["severity"]) for f in found] == [
        ("return_daily", "warn"),
        None,
        None,
        ("return_daily", "hold"),
    ]
    assert [f["difference_bps"] for f in found] == pytest.approx([1.01, 0.99, -24, -26])
    assert [f["difference"] for f in found] == [None] * 4


def test_every_figure_is_no_break_at_its_limit_and_one_just_beyond(spark: SparkSession) -> None:
    """A basis point of 1,010,000 is 101: a hundredth of it is 1.01."""
    limits: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"begin_market_value": Decimal("1000001")}, {"begin_market_value": Decimal("1000001.03")}, "begin_value"),
        ({"net_flow": Decimal("0.05")}, {"net_flow": Decimal("-0.06")}, "net_flow"),
        ({"end_market_value": Decimal("1010001.01")}, {"end_market_value": Decimal("1010001.02")}, "end_value"),
        ({"twrr_daily": 0.0100999}, {"twrr_daily": 0.0101001}, "return_daily"),
        ({"twrr_mtd": 0.0298001}, {"twrr_mtd": 0.0297999}, "return_mtd"),
    ]
    found = figures(spark, [(theirs, {}) for at, beyond, _ in limits for theirs in (at, beyond)])
    assert [rule_of(one) for one in found] == [name for *_, rule in limits for name in (None, rule)]
    assert all(one["difference"] or one["difference_bps"] for one in found)


def test_what_cannot_be_compared_says_why_and_is_no_break(spark: SparkSession) -> None:
    five = Decimal("5")
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"twrr_daily": 0.5}, {"days": 3, "method": "modified_dietz"}, "our row covers 3 business days, theirs one"),
        ({"twrr_daily": 0.5}, {"status": "undefined", "twrr_daily": None}, "our row is undefined"),
        (
            {"begin_market_value": five},
            {"status": "opening", "begin_market_value": None},
            "we have no figure: our row is opening",
        ),
        ({"net_flow": five}, {"days": 2}, "our row covers 2 business days, theirs one"),
        ({"twrr_mtd": 0.5}, {"inception_date": date(2026, 3, 2)}, "our track began on 2026-03-02, within the month"),
        ({"twrr_mtd": 0.5}, {"days": 7, "begin_date": date(2026, 2, 27)}, "our row begins before the month"),
    ]
    found = figures(spark, [(theirs, ours) for theirs, ours, _ in cases])
    assert [f["obstacle"] for f in found] == [obstacle for _, _, obstacle in cases]
    assert {(f["verdict"], f["difference"], f["difference_bps"]) for f in found} == {(None, None, None)}


def test_only_figures_that_are_given_are_compared_and_a_missing_day_is_said_once(spark: SparkSession) -> None:
    found = figures(
        spark,
        [
            ({}, {}),
            ({"begin_market_value": Decimal("1"), "twrr_daily": 0.1, "twrr_mtd": 0.1}, None),
            ({"twrr_mtd": 0.0305}, {"inception_date": date(2026, 2, 27)}),  # we cover the month from before its start
        ],
    )
    assert [(f["account_id"], f["type"], f["obstacle"], rule_of(f)) for f in found] == [
        ("A1", "begin_value", "we have no row on that day", None),
        ("A2", "twrr_mtd", None, "return_mtd"),
    ]


# What becomes of a break from night to night


def lives(found: DataFrame, before: DataFrame, on: date, run_no: int, **further: Any) -> DataFrame:
    desk = Desk(further.pop("conf", BreaksConf()))
    calendars = further.pop("calendars", {})
    return remembered(
        found, before, TOLERANCES, desk, calendars, business_date=on, run_no=run_no, run_id=f"run-{run_no}", **further
    )


def night(spark: SparkSession, begin: str, before: DataFrame, on: date, run_no: int) -> list[dict[str, Any]]:
    """The vendor says `begin` for the account's value of Tuesday morning; ours is 1,000,000."""
    reported = frame(spark, "reported_performance", [{**THEIRS, "begin_market_value": Decimal(begin)}])
    found = as_differences(compared(reported, frame(spark, "account_performance_daily", [OURS]), TOLERANCES))
    rows = lives(found.localCheckpoint(), before, on, run_no)  # worked out first, as in the step
    return [row.asDict() for row in rows.collect()]


def test_a_new_break_says_what_differs_and_what_was_expected(spark: SparkSession) -> None:
    [row] = night(spark, "999900", frame(spark, "reconciliation_break", []), TUESDAY, 1)
    assert (row["state"], row["severity"], row["first_seen_on"], row["last_seen_on"]) == (
        "open",
        "warn",
        TUESDAY,
        TUESDAY,
    )
    assert (row["ours"], row["theirs"], row["difference"]) == (1_000_000.0, 999_900.0, Decimal("100"))
    assert row["reason"] == (
        "ours less theirs is 100.00 (1.00 bps), expected at most 0.05 money and at most 0.01 bps (rule begin_value)"
    )


def test_a_break_keeps_its_identity_ages_is_resolved_and_reopens(spark: SparkSession) -> None:
    nothing = frame(spark, "reconciliation_break", [])
    [first] = night(spark, "999900", nothing, TUESDAY, 1)
    history = [first]
    [again] = night(spark, "999800", frame(spark, "reconciliation_break", history), WEDNESDAY, 2)
    assert again["break_id"] == first["break_id"]
    assert (again["state"], again["first_seen_on"], again["last_seen_on"]) == ("open", TUESDAY, WEDNESDAY)

    history.append(again)
    [cleared] = night(spark, "1000000", frame(spark, "reconciliation_break", history), date(2026, 3, 12), 3)
    assert (cleared["break_id"], cleared["state"]) == (first["break_id"], "resolved")
    assert (cleared["first_seen_on"], cleared["last_seen_on"]) == (TUESDAY, WEDNESDAY)

    history.append(cleared)
    assert night(spark, "1000000", frame(spark, "reconciliation_break", history), date(2026, 3, 13), 4) == []
    [reopened] = night(spark, "999900", frame(spark, "reconciliation_break", history), date(2026, 3, 13), 5)
    assert (reopened["state"], reopened["first_seen_on"]) == ("open", TUESDAY)


def test_a_break_that_a_person_accepted_stays_accepted(spark: SparkSession) -> None:
    [first] = night(spark, "999900", frame(spark, "reconciliation_break", []), TUESDAY, 1)
    accepted = {**first, "state": "accepted", "reason": "fee basis, agreed with the vendor", "run_no": 2}
    [row] = night(spark, "999900", frame(spark, "reconciliation_break", [first, accepted]), WEDNESDAY, 3)
    assert (row["state"], row["reason"]) == ("accepted", "fee basis, agreed with the vendor")


def test_figures_that_agree_and_never_differed_leave_no_row(spark: SparkSession) -> None:
    assert night(spark, "1000000", frame(spark, "reconciliation_break", []), TUESDAY, 1) == []


# A week of a desk: each case is an account

MON, THU, FRI, NEXT = date(2026, 3, 9), date(2026, 3, 12), date(2026, 3, 13), date(2026, 3, 16)
WARN = {"rank": 0, "rule": "begin_value", "severity": "warn", "expected": "at most 0.05 money"}
BECAUSE = {"explanation": {"cause": "rounding", "words": "ours rounded is 90"}}
MISSING: dict[str, Any] = {"type": "account_missing", "difference": None, "difference_bps": None}
CHANGED: dict[str, Any] = {"type": "account_changed", "item": "flow_timing", "difference": None, "difference_bps": None}
BY_BPS: dict[str, Any] = {"type": "twrr_daily", "difference": None}
LOST: dict[str, Any] = {
    "obstacle": "our row covers 2 business days, theirs one", "difference": None, "difference_bps": None,
    "verdict": None,
}  # fmt: skip
ACCEPTED: dict[str, Any] = {
    "state": "accepted",
    "reason": "accepted by ann until 2026-03-12: their rounding",
    "accepted_by": "ann",
    "accepted_until": THU,
    "accepted_difference": Decimal("10"),
    "accepted_bps": 10.0,
    "event_no": 1,
}
CONF = BreaksConf.model_validate(
    {
        "bands": [
            {
                "age": [{"name": "new", "below": 2}, {"name": "old"}],
                "materiality": [{"name": "small", "below": {"money": 100, "bps": 5}}, {"name": "large"}],
                "reason": "for all of them",
            }
        ],
        "desks": [
            {"desk": "custody", "vendor": "canonical", "over": {"money": 1000}, "reason": "large amounts first"},
            {"desk": "returns", "types": ["twrr_daily"], "reason": "whatever the size"},
        ],
    }
)


def seen(account: str, on: date, apart: str, **further: Any) -> dict[str, Any]:
    """A comparer's row; a difference of nothing agrees."""
    size = Decimal(apart)
    return {
        **THEIRS,
        "account_id": account,
        "as_of_date": on,
        "type": "begin_value",
        "ours": 100.0,
        "theirs": 90.0,
        "difference": size,
        "difference_bps": float(size),
        "verdict": WARN if size else None,
        **further,
    }


X, Y = {"type": "position_quantity", "item": "X"}, {"type": "position_quantity", "item": "Y"}
FLOW, MTD = {"type": "net_flow"}, {"type": "twrr_mtd", "difference": None}
FEBRUARY, MARCH = date(2026, 2, 27), date(2026, 3, 2)
STRETCH = [(date(2026, 3, day), size) for day, size in ((2, "10"), (3, "10"), (4, "0"), (5, "10"), (6, "40"))]
NIGHTS: dict[date, list[dict[str, Any]]] = {
    MON: [
        seen("small", MON, "99.99"),
        seen("custody", MON, "1000"),
        seen("returns", MON, "6", **BY_BPS),
        seen("large", MON, "100"),
    ],
    TUESDAY: [
        seen("level", TUESDAY, "10"),
        seen("ends", MON, "10"),
        seen("ends", TUESDAY, "10"),
        seen("items", TUESDAY, "5", **X),
        seen("items", TUESDAY, "5", **Y),
        seen("flow", TUESDAY, "10", **FLOW),
        seen("missing", TUESDAY, "1", **MISSING),
        seen("until", TUESDAY, "10"),
        seen("amount", TUESDAY, "10"),
        seen("again", TUESDAY, "10", **BECAUSE),
        seen("gone", TUESDAY, "10", **BECAUSE),
        seen("lost", MON, "10"),
        seen("lost", TUESDAY, "10"),
        seen("never", TUESDAY, "0", **LOST),
        seen("moves", TUESDAY, "10"),
        seen("back", TUESDAY, "10"),
        seen("sign", TUESDAY, "10"),
        seen("rolled", TUESDAY, "5", **X),
        seen("cause", TUESDAY, "10"),
        seen("by_night", TUESDAY, "3", **MTD),
        seen("changed", TUESDAY, "1", **CHANGED),
        seen("reopened", TUESDAY, "1", **CHANGED | {"type": "account_reopened"}),
    ],
    WEDNESDAY: [
        seen("ends", WEDNESDAY, "0"),
        seen("items", WEDNESDAY, "5", **X),
        seen("items", WEDNESDAY, "0", **Y),
        seen("flow", WEDNESDAY, "10", **FLOW),
        seen("missing", WEDNESDAY, "1", **MISSING),
        seen("gone", TUESDAY, "11"),
        seen("lost", TUESDAY, "0", **LOST),
        seen("sign", WEDNESDAY, "-10"),
        seen("rolled", WEDNESDAY, "7", **X),
        seen("cause", WEDNESDAY, "30", **BECAUSE),
        seen("by_night", WEDNESDAY, "9", **MTD),
    ],
    THU: [
        seen("level", THU, "10"),  # Wednesday was not compared
        seen("ends", MON, "0"),
        seen("missing", THU, "0", **MISSING),
        seen("until", THU, "10"),
        seen("amount", TUESDAY, "10.04"),  # within 0.05 of what was accepted
        seen("again", TUESDAY, "10", **BECAUSE),
        seen("custody", THU, "1000"),
        seen("lost", MON, "0"),
        seen("moves", THU, "25"),
        seen("back", THU, "25"),
        seen("by_night", THU, "6", **MTD),
        seen("changed", TUESDAY, "1", **CHANGED),  # Tuesday's version once more
        *[seen("at_once", day, size, **MTD) for day, size in ((TUESDAY, "3"), (WEDNESDAY, "9"), (THU, "6"))],
        seen("lost", TUESDAY, "0", **LOST),
    ],
    FRI: [
        seen("level", FRI, "25"),
        seen("ends", TUESDAY, "0"),
        seen("until", FRI, "10"),
        seen("amount", TUESDAY, "10.06"),
        seen("again", TUESDAY, "0"),
        seen("back", THU, "0"),
        seen("changed", FRI, "1", **CHANGED),
        seen("reopened", FRI, "1", **CHANGED | {"type": "account_reopened"}),
        *[seen("stretch", day, size) for day, size in STRETCH],
        *[seen("month", day, "10", **MTD) for day in (FEBRUARY, MARCH)],
    ],
    NEXT: [seen("ends", TUESDAY, "0"), seen("again", TUESDAY, "10", **BECAUSE), seen("lost", TUESDAY, "0")],
}
# Before the night: account -> what a person has said of its break.
SAYS: dict[date, dict[str, dict[str, Any]]] = {
    WEDNESDAY: {
        "until": {**ACCEPTED, "comment": "asked them", "owner": "custody", "assigned_by": "ann"},
        "amount": ACCEPTED,
        "moves": {**ACCEPTED, "comment": "asked them", "owner": "custody", "assigned_by": "ann"},
        "again": {"state": "open", "reopened_by": "ann", "reopened_on": TUESDAY, "event_no": 2},
        "custody": {"owner": "ann", "assigned_by": "ann", "event_no": 3},
        "changed": {**ACCEPTED, "accepted_until": NEXT},
        "reopened": {**ACCEPTED, "accepted_until": NEXT},
    }
}

Week = dict[tuple[str, date], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def week(spark: SparkSession) -> Week:
    """(account, night) -> the rows that the night writes, by first date and item. Wednesday is a holiday."""
    calendar = Calendar(name="one holiday", holidays=[WEDNESDAY])
    schema = ", ".join(f"{name} {kind}" for name, kind in DIFFERENCE.items())
    struct = schemas.table("reconciliation_break").struct
    names = ["tenant_id", "break_id", *SAID]
    loose = T.StructType([T.StructField(name, struct[name].dataType) for name in names])
    history: list[dict[str, Any]] = []
    found: Week = {}
    for run_no, (on, rows) in enumerate(NIGHTS.items(), start=1):
        given = spark.createDataFrame([tuple(row.get(name) for name in DIFFERENCE) for row in rows], schema)
        acts = [{**row, **SAYS[on][row["account_id"]]} for row in history if row["account_id"] in SAYS.get(on, {})]
        said = spark.createDataFrame([tuple(row.get(name) for name in names) for row in acts], loose) if acts else None
        before = frame(spark, "reconciliation_break", history)
        written = lives(given, before, on, run_no, conf=CONF, calendars={"acme": calendar}, said=said).collect()
        for row in sorted(written, key=lambda row: (row["account_id"], row["as_of_date"], row["item"] or "")):
            found.setdefault((row["account_id"], on), []).append(row.asDict())
            history.append(row.asDict())
    return found


def told(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["as_of_date"].day, row["through_date"] and row["through_date"].day, row["state"]) for row in rows]


def test_the_same_amount_on_the_next_compared_date_is_the_same_break(week: Week) -> None:
    [first], [again] = week["level", TUESDAY], week["level", THU]
    assert again["break_id"] == first["break_id"]
    assert (again["first_seen_on"], again["last_seen_on"], again["age_days"]) == (TUESDAY, THU, 1)
    assert told([again]) == [(10, 12, "open")]


def test_a_level_whose_amount_moves_is_the_same_break_at_its_newest_amount(week: Week) -> None:
    [first], [again], [moved] = (week["level", night] for night in (TUESDAY, THU, FRI))
    assert (moved["break_id"], moved["ended_on"], moved["first_seen_on"]) == (first["break_id"], None, TUESDAY)
    assert (told([moved]), moved["dates"]) == ([(10, 13, "open")], "2026-03-10,2026-03-12,2026-03-13")
    # The amount of each night stands in the row that the night wrote.
    assert [row["difference"] for row in (first, again, moved)] == [Decimal("10"), Decimal("10"), Decimal("25")]


def test_where_its_last_date_is_corrected_a_level_is_what_it_was_before(week: Week) -> None:
    [first], [back] = week["back", TUESDAY], week["back", FRI]
    assert (back["break_id"], told([back]), back["dates"]) == (first["break_id"], [(10, 10, "open")], "2026-03-10")
    assert (back["difference"], back["reason"]) == (Decimal("10"), first["reason"])


def test_an_acceptance_ends_with_the_date_on_which_the_level_has_moved(week: Week) -> None:
    [taken], [moved] = week["moves", WEDNESDAY], week["moves", THU]
    assert (taken["state"], moved["break_id"]) == ("accepted", taken["break_id"])
    assert (told([moved]), moved["reopened_on"], moved["accepted_by"]) == ([(10, 12, "open")], THU, None)
    assert moved["reason"].startswith("accepted by ann until 2026-03-12, but the difference has moved; ours less")
    assert (moved["comment"], moved["owner"], moved["difference"]) == ("asked them", "custody", Decimal("25"))


def test_a_level_ends_where_it_turns_round_and_where_one_has_a_cause(week: Week) -> None:
    ended, turned = week["sign", WEDNESDAY]
    assert (told([ended, turned]), ended["ended_on"]) == ([(10, 10, "open"), (11, 11, "open")], WEDNESDAY)
    unexplained, explained = week["cause", WEDNESDAY]
    assert told([unexplained, explained]) == [(10, 10, "open"), (11, 11, "explained")]


def test_units_that_were_not_booked_on_two_days_are_two_breaks(week: Week) -> None:
    """Holdings are rolled from the delivery before: Wednesday's amount has nothing of Tuesday's in it."""
    ended, other = week["rolled", WEDNESDAY]
    assert told([ended, other]) == [(10, 10, "open"), (11, 11, "open")]
    assert [row["difference"] for row in (ended, other)] == [Decimal("5"), Decimal("7")]


def test_a_level_is_the_same_row_night_by_night_and_at_once(week: Week) -> None:
    rows = [week["by_night", THU], week["at_once", THU]]
    facts = ["as_of_date", "through_date", "dates", "state", "ended_on", "difference_bps"]
    by_night, at_once = ([[row[name] for name in facts] for row in one] for one in rows)
    assert by_night == at_once == [[TUESDAY, THU, "2026-03-10,2026-03-11,2026-03-12", "open", None, 6.0]]


def test_a_level_ends_where_the_figures_agree_and_stays_open_until_its_dates_are_corrected(week: Week) -> None:
    [ended] = week["ends", WEDNESDAY]
    assert (told([ended]), ended["ended_on"], ended["last_seen_on"]) == ([(9, 10, "open")], WEDNESDAY, TUESDAY)
    [half] = week["ends", THU]
    assert (told([half]), half["dates"], half["difference"]) == ([(9, 10, "open")], "2026-03-10", Decimal("10"))
    assert told(week["ends", FRI]) == [(9, 10, "resolved")]
    assert ("ends", NEXT) not in week


def test_a_break_that_can_be_compared_no_more_stays_open_until_its_dates_are_corrected(week: Week) -> None:
    """Nobody has corrected Tuesday where our row of Tuesday is lost. What never differed is no break."""
    [first], [lost], [half], [right] = (week["lost", night] for night in (TUESDAY, WEDNESDAY, THU, NEXT))
    assert (told([lost]), lost["difference"], lost["severity"]) == ([(9, 10, "open")], Decimal("10"), "warn")
    assert (lost["break_id"], lost["last_seen_on"]) == (first["break_id"], TUESDAY)
    assert lost["reason"] == f"not comparable any more: {LOST['obstacle']}; before: {first['reason']}"
    assert (half["dates"], half["reason"]) == ("2026-03-10", lost["reason"])
    assert (right["state"], right["reason"]) == ("resolved", "the figures agree now")
    assert told(week["never", TUESDAY]) == [(10, None, "not_comparable")]


def test_of_several_dates_in_one_run_each_stretch_is_a_break(week: Week) -> None:
    rows = week["stretch", FRI]
    assert told(rows) == [(2, 3, "open"), (5, 6, "open")]
    assert [row["ended_on"] and row["ended_on"].day for row in rows] == [4, None]


def test_items_are_breaks_of_their_own_and_flows_are_of_one_day(week: Week) -> None:
    one, two = week["items", TUESDAY], week["items", WEDNESDAY]
    assert len({row["break_id"] for row in one + two}) == 2
    assert {row["item"]: row["through_date"] for row in two} == {"X": WEDNESDAY, "Y": TUESDAY}
    [flow], [next_flow] = week["flow", TUESDAY], week["flow", WEDNESDAY]
    assert flow["break_id"] != next_flow["break_id"]


def test_a_month_s_return_starts_anew_with_the_month_and_an_account_s_state_just_ends(week: Week) -> None:
    assert told(week["month", FRI]) == [(27, 27, "open"), (2, 2, "open")]
    [new], [still], [there] = (week["missing", night] for night in (TUESDAY, WEDNESDAY, THU))
    assert (still["break_id"], told([still])) == (new["break_id"], [(10, 11, "open")])
    assert (there["state"], there["reason"]) == ("resolved", "the figures agree now")


def test_what_a_person_said_is_taken_over_and_ends_with_its_date(week: Week) -> None:
    [taken], [stands], [over] = (week["until", night] for night in (WEDNESDAY, THU, FRI))
    assert (taken["state"], taken["comment"], taken["owner"]) == ("accepted", "asked them", "custody")
    assert taken["last_seen_on"] == TUESDAY
    assert (stands["state"], stands["reason"], stands["through_date"]) == ("accepted", ACCEPTED["reason"], THU)
    assert (over["state"], over["reopened_on"], over["accepted_until"]) == ("open", FRI, None)
    assert {row["comment"] for row in (taken, stands, over)} == {"asked them"}
    assert over["reason"] == (
        "accepted by ann until 2026-03-12, which has passed; "
        "ours less theirs is 10.00 (10.00 bps), expected at most 0.05 money (rule begin_value)"
    )


def test_an_acceptance_is_of_an_amount_and_ends_when_that_moves_beyond_tolerance(week: Week) -> None:
    [near], [moved] = week["amount", THU], week["amount", FRI]
    assert (near["state"], near["difference"]) == ("accepted", Decimal("10.04"))
    assert (moved["state"], moved["accepted_by"]) == ("open", None)
    # The date has passed as well on Friday; what has moved is said.
    assert moved["reason"].startswith("accepted by ann until 2026-03-12, but the difference has moved; ours less")


def test_an_acceptance_of_a_change_ends_with_the_next_change(week: Week) -> None:
    [first], [accepted], [once_more] = (week["changed", night] for night in (TUESDAY, WEDNESDAY, THU))
    assert (accepted["state"], once_more["state"]) == ("accepted", "accepted")
    for account in ("changed", "reopened"):
        [again] = week[account, FRI]
        assert told([again]) == [(10, 13, "open")]
        assert (again["accepted_by"], again["reopened_on"]) == (None, FRI)
        assert again["reason"].startswith("accepted by ann until 2026-03-16, but it has changed again; the two differ")
    assert week["changed", FRI][0]["break_id"] == first["break_id"]


def test_a_cause_explains_until_a_person_opens_it_again(week: Week) -> None:
    [found], [again], [gone], [back] = (week["again", night] for night in (TUESDAY, THU, FRI, NEXT))
    assert (found["state"], found["cause"], found["reason"]) == ("explained", "rounding", "ours rounded is 90")
    assert (again["state"], again["reason"][:16]) == ("open", "reopened by ann;")
    assert (gone["state"], back["state"], back["reopened_on"]) == ("resolved", "explained", NEXT)


def test_a_cause_that_is_gone_explains_no_more(week: Week) -> None:
    [row] = week["gone", WEDNESDAY]
    assert (row["state"], row["cause"]) == ("open", None)


def test_bands_and_desks_follow_from_age_amount_vendor_and_type(week: Week) -> None:
    rows = {account: week[account, MON][0] for account in ("small", "custody", "returns", "large")}
    assert {
        name: (row["materiality"], row["owner"], row["assigned_by"], row["age_band"]) for name, row in rows.items()
    } == {
        "small": ("small", None, None, "new"),
        "custody": ("large", "custody", "rule", "new"),
        "returns": ("large", "returns", "rule", "new"),
        "large": ("large", None, None, "new"),
    }
    [aged] = week["custody", THU]  # Tuesday and Thursday are business days; a person's word stands before the rule's
    assert (aged["age_days"], aged["age_band"], aged["owner"]) == (2, "old", "ann")
