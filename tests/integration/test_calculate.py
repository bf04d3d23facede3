"""The step `calculate` over four nights of one firm: what is due, what is written, and what is left alone.

Each account is a case of its own; the nights are shared because each costs seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.calculate import job
from tests.firm import Firm

MON, TUE, WED, THU = (date(2026, 3, day) for day in range(2, 6))


@dataclass
class Story:
    """Four nights, the fourth run a second time, and a fifth run without anything new."""

    counters: list[dict[str, int | str]]
    gold: dict[str, list[dict[str, Any]]]
    again: dict[str, list[dict[str, Any]]]
    nothing_new: dict[str, int | str]
    restated: dict[str, dict[str, Any]]

    def of(self, account: str, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row[column] for column in columns) for row in self.gold[account]]


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(tmp_path_factory.mktemp("calculate")))
        firm = Firm(spark)
    counters = []
    accounts = [
        "plain", "corrected", "equal", "moved_from", "moved_to", "ahead", "cancelled", "unvalued", "withheld",
        "delivered_ahead", "late_rate", "leaves", "retired",
    ]  # fmt: skip
    for account in accounts:
        firm.deliver("account", account_id=account)
    firm.values(MON, plain="1000", corrected="1000", equal="1000", moved_from="1000", moved_to="1000", ahead="1000")
    firm.values(MON, cancelled="1000", withheld="1000", delivered_ahead="1000", leaves="1000", retired="1000")
    firm.deliver("valuation", account_id="late_rate", as_of_date=MON, market_value=Decimal(100), currency="EUR")
    firm.values(TUE, delivered_ahead="1010")
    firm.flow("ahead", WED, "100", known_as="a1")
    firm.flow("unvalued", MON, "1000")
    counters.append(firm.night(MON))

    firm.values(TUE, plain="1010", corrected="1010", equal="1010", moved_from="1100", moved_to="1000", ahead="1100")
    firm.values(TUE, cancelled="1100", leaves="1010", retired="1")
    firm.flow("moved_from", TUE, "100", known_as="m1")
    firm.flow("ahead", TUE, "100", known_as="a1", status="correct")
    firm.flow("cancelled", TUE, "100", known_as="c1")
    firm.deliver("valuation", account_id="withheld", as_of_date=TUE, market_value=Decimal(1), file_id="bad")
    firm.books.withheld = ["bad"]
    firm.deliver("fx_rate", as_of_date=MON, from_currency="EUR", to_currency="USD", rate=Decimal("1.1"))
    counters.append(firm.night(TUE))

    firm.values(WED, plain="1020.1", corrected="1020", moved_from="1100", moved_to="1100", ahead="1100", leaves="1020")
    firm.values(WED, unvalued="1010", withheld="1020", retired="1020")
    firm.values(MON, equal="1000.00")
    firm.flow("moved_to", WED, "100", known_as="m1", status="correct")
    firm.flow("cancelled", TUE, "100", known_as="c1", status="cancel")
    counters.append(firm.night(WED))

    firm.values(THU, plain="1020.1", corrected="1122", leaves="1030")
    firm.values(TUE, corrected="1100")
    firm.deliver("valuation", account_id="retired", as_of_date=TUE, market_value=Decimal(1), retired=True)
    firm.deliver("account", account_id="leaves", effective_from=WED, in_performance=False)
    counters.append(firm.night(THU))
    gold = firm.gold()
    firm.again(THU)
    again = firm.gold()
    nothing_new = firm.night(THU)
    restated = {
        row["account_id"]: row.asDict() for row in firm.lake.read("restatement").where("group_id IS NULL").collect()
    }
    return Story(counters, gold, again, nothing_new, restated)


def test_a_night_goes_on_from_the_night_before(story: Story) -> None:
    assert story.of("plain", "as_of_date", "begin_market_value", "twrr_daily", "epoch", "run_no") == [
        (MON, None, None, 1, 1),
        (TUE, Decimal(1000), 0.01, 1, 2),
        (WED, Decimal(1010), 0.01, 1, 3),
        (THU, Decimal("1020.1"), 0.0, 1, 4),
    ]


def test_the_same_run_again_ends_in_the_same_tables(story: Story) -> None:
    assert story.again == story.gold


def test_a_run_with_nothing_new_writes_nothing(story: Story) -> None:
    assert story.nothing_new == {"accounts": 0, "rows": 0, "restated": 0}


def test_equal_results_are_not_written_again(story: Story) -> None:
    """Monday's value came once more on Wednesday: due, calculated, found equal."""
    assert story.of("equal", "as_of_date", "epoch", "run_no") == [(MON, 1, 1), (TUE, 1, 2)]


def test_a_corrected_value_opens_an_epoch_from_its_date_on(story: Story) -> None:
    assert story.of("corrected", "as_of_date", "begin_market_value", "end_market_value", "epoch", "run_no") == [
        (MON, None, Decimal(1000), 1, 1),
        (TUE, Decimal(1000), Decimal(1100), 2, 4),
        (WED, Decimal(1100), Decimal(1020), 2, 4),
        (THU, Decimal(1020), Decimal(1122), 2, 4),
    ]


def test_a_flow_that_moves_to_another_account_and_date_changes_both(story: Story) -> None:
    assert story.of("moved_from", "as_of_date", "net_flow", "epoch") == [
        (MON, Decimal(0), 1), (TUE, Decimal(0), 2), (WED, Decimal(0), 2),
    ]  # fmt: skip
    assert story.of("moved_to", "as_of_date", "net_flow", "epoch") == [
        (MON, Decimal(0), 1), (TUE, Decimal(0), 1), (WED, Decimal(100), 1),
    ]  # fmt: skip


def test_a_flow_dated_ahead_and_then_moved_back_counts_once(story: Story) -> None:
    assert story.of("ahead", "as_of_date", "net_flow") == [(MON, Decimal(0)), (TUE, Decimal(100)), (WED, Decimal(0))]


def test_a_cancelled_flow_counts_for_nothing(story: Story) -> None:
    assert story.of("cancelled", "as_of_date", "net_flow", "twrr_daily", "epoch") == [
        (MON, Decimal(0), None, 1), (TUE, Decimal(0), 0.1, 2),
    ]  # fmt: skip


def test_a_flow_before_the_first_valuation_waits_for_it(story: Story) -> None:
    assert story.of("unvalued", "as_of_date", "net_flow", "days", "inception_date") == [(WED, Decimal(1000), 3, MON)]


def test_rows_of_a_withheld_file_do_not_count(story: Story) -> None:
    assert story.of("withheld", "as_of_date", "begin_market_value") == [(MON, None), (WED, Decimal(1000))]


def test_a_value_dated_ahead_waits_for_its_night(story: Story) -> None:
    assert story.of("delivered_ahead", "as_of_date", "run_no") == [(MON, 1), (TUE, 2)]


def test_a_late_rate_restates_the_row_that_had_none(story: Story) -> None:
    assert story.of("late_rate", "as_of_date", "status", "end_market_value", "epoch") == [
        (MON, "opening", Decimal(110), 2)
    ]


def test_a_retired_value_takes_its_row_out_and_restates_what_follows(story: Story) -> None:
    """Wednesday's return is then over both days."""
    assert story.of("retired", "as_of_date", "begin_market_value", "twrr_daily", "epoch", "run_no") == [
        (MON, None, None, 1, 1),
        (WED, Decimal(1000), pytest.approx(0.02, abs=1e-15), 2, 4),
    ]


def test_attributes_that_change_restate_from_their_day_on(story: Story) -> None:
    assert story.of("leaves", "as_of_date", "status", "epoch") == [
        (MON, "opening", 1), (TUE, "ok", 1), (WED, "excluded", 2), (THU, "excluded", 2),
    ]  # fmt: skip


def test_each_restatement_says_what_it_changed(story: Story) -> None:
    """Money exactly; of the returns the one that moved most, since the largest is what materiality goes by."""

    def change(account: str, *columns: str) -> tuple[Any, ...]:
        return tuple(story.restated[account][column] for column in columns)

    days = ("epoch", "from_date", "last_date", "rows_changed")
    assert change("corrected", *days) == (2, TUE, WED, 2)  # Thursday is new
    assert change("retired", *days) == (2, TUE, WED, 2)
    assert change("leaves", *days) == (2, WED, WED, 1)
    assert change("corrected", "value_change", "value_change_on", "return_change_of", "return_change_on") == (
        Decimal(90), TUE, "twrr_daily", TUE,
    )  # fmt: skip
    assert story.restated["corrected"]["return_change_bp"] == pytest.approx(900, abs=1e-9)
    assert change("retired", "value_change", "value_change_on") == (Decimal(-1), TUE)  # the value that is no more
    assert {row["state"] for row in story.restated.values()} == {"published"}
    assert {name: row["materiality"] for name, row in story.restated.items()} == {
        "late_rate": "material", "moved_from": "critical", "cancelled": "critical", "corrected": "critical",
        "retired": "critical", "leaves": "critical",
    }  # fmt: skip


def test_each_restatement_names_the_input_that_caused_it(story: Story) -> None:
    causes = {
        name: (row["cause_kind"], row["file_id"], row["line_no"], row["cause"]) for name, row in story.restated.items()
    }
    assert causes == {
        "late_rate": ("fx_rate", "f2", 1, f"exchange rate EUR/USD of {MON}: f2 line 1 (canonical)"),
        "moved_from": ("transaction", "f3", 1, "deposit m1 corrected: f3 line 1 (canonical)"),
        "cancelled": ("transaction", "f3", 2, "deposit c1 cancelled: f3 line 2 (canonical)"),
        "corrected": ("valuation", "f4", 4, f"valuation of {TUE}: f4 line 4 (canonical)"),
        "retired": ("valuation", "f4", 5, f"valuation of {TUE} taken back: f4 line 5 (canonical)"),
        "leaves": (
            "account", "f4", 1,
            "account attributes, in_performance false: f4 line 1 (canonical)",
        ),
    }  # fmt: skip


def test_the_night_counts_what_it_did(story: Story) -> None:
    # Thursday: plain goes on; corrected, leaves and retired go back and are restated.
    assert story.counters[3] == {
        "accounts": 4, "new_accounts": 0, "accounts_going_back": 3, "rows": 7, "restated": 3,
        "restatements_waiting": 0,
        "periods": 4 * 8, "benchmarks": 0, "risk": 4 * 4,  # no benchmark; one month, so monthly risk only
        "groups": 1, "group_rows": 3, "groups_restated": 1, "group_periods": 8, "composites": 0,
    }  # fmt: skip


def test_from_writes_no_row_before_it(spark: SparkSession, workspace: object) -> None:
    firm = Firm(spark)
    firm.deliver("account", account_id="A")
    for day, value in ((MON, "1000"), (TUE, "1010"), (WED, "1020.1")):
        firm.values(day, A=value)
    assert firm.night(WED, since=TUE)["rows"] == 2
    assert [(row["as_of_date"], row["twrr_itd"]) for row in firm.gold()["A"]] == [
        (TUE, pytest.approx(0.01)),
        (WED, pytest.approx(0.0201)),
    ]


@pytest.mark.system
def test_periods_of_a_run_that_died_before_them_are_written_by_the_next(
    spark: SparkSession, workspace: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm = Firm(spark)
    firm.deliver("account", account_id="A")
    firm.values(MON, A="1000")
    firm.night(MON)
    firm.values(TUE, A="1010")
    with monkeypatch.context() as patch:
        patch.setattr(job, "_write_periods_and_risk", dies)
        with pytest.raises(RuntimeError, match="killed"):
            firm.night(TUE)
    firm.run_no += 1
    counters = firm.again(TUE)
    assert (counters["rows"], counters["periods"]) == (0, 8)
    rows = firm.lake.read("account_performance_period").where(F.col("run_no") == firm.run_no).collect()
    assert {row["as_of_date"] for row in rows} == {TUE}
    assert {row["period"]: row["twrr"] for row in rows}["MTD"] == pytest.approx(0.01, abs=1e-12)


def dies(*arguments: object, **named: object) -> dict[str, int | str]:
    raise RuntimeError("killed")
