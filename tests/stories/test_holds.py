"""Held accounts through the steps: kept back while the others go on, let through by a later file or by a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.pipeline import run_all
from jobs.platform.ledger import Ledger
from jobs.reconcile import held
from tests.nights import settings_for, write_rules

pytestmark = pytest.mark.system

FRIDAY, MONDAY, TUESDAY = date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 10)
RULES = """rules:
  - name: value_jump
    measure: value_jump
    applies_to: valuation
    limits: [{unit: fraction, max: 0.5}, {unit: money, max: 100}]
    severity: hold
    reason: Half as much again without a flow is a wrong file, not a market.
  - name: return_beyond
    measure: return_beyond
    limits: [{unit: fraction, max: 0.3}]
    severity: hold
    reason: A third of an account in a day is a mistake.
  - name: large_return
    measure: return_beyond
    limits: [{unit: fraction, max: 0.2}]
    severity: warn
    reason: A fifth of an account in a day is worth a look.
  - name: return_daily
    measure: daily_return_difference
    limits: [{unit: bps, max: 100}]
    severity: hold
    reason: One of the two is wrong.
  - name: rate_move
    applies_to: fx_rate
    measure: fx_move
    limits: [{unit: fraction, max: 0.2}]
    severity: fail
    reason: A misplaced point.
"""
REPORT = "account_id,as_of_date,twrr_daily\n"
RATES = "as_of_date,from_currency,to_currency,rate\n"
VALUES = "account_id,as_of_date,market_value,currency\n"
NIGHTS = [
    (FRIDAY, {
        "canonical_accounts_1.csv": "account_id,base_currency,household_id\nA,USD,\nB,USD,H\nC,USD,\nD,USD,H\nE,USD,\n",
        "canonical_valuations_1.csv": VALUES + "".join(f"{a},2026-03-06,1000,USD\n" for a in "ABCDE"),
        "canonical_fx_rates_1.csv": RATES + "2026-03-06,EUR,USD,1.1\n",
    }),
    # A and C jump and nobody says why. D gains 40 %: not enough for a jump, too much for a return. Of E the vendor
    # reports another return than ours.
    (MONDAY, {
        "canonical_valuations_2.csv": VALUES + "A,2026-03-09,1800,USD\nB,2026-03-09,1010,USD\nC,2026-03-09,2500,USD\n"
        "D,2026-03-09,1400,USD\nE,2026-03-09,1250,USD\n",
        "canonical_transactions_2.csv": "transaction_id,account_id,trade_date,type,amount,currency\n"
        "T0,E,2026-03-10,DEPOSIT,1000,USD\n",  # a day before the value that it explains
        "canonical_reported_performance_2.csv": REPORT + "B,2026-03-09,0.01\nE,2026-03-09,0.01\n",
    }),
    # The deposit of A comes a day late; C goes on as it was; D's value and E's report are corrected. The rates of the
    # night are no rates.
    (TUESDAY, {
        "canonical_valuations_3.csv": VALUES + "A,2026-03-10,1818,USD\nB,2026-03-10,1020,USD\nC,2026-03-10,2525,USD\n"
        "D,2026-03-09,1010,USD\nD,2026-03-10,1010,USD\nE,2026-03-10,2250,USD\n",
        "canonical_transactions_3.csv": "transaction_id,account_id,trade_date,type,amount,currency\n"
        "T1,A,2026-03-09,DEPOSIT,800,USD\n",
        "canonical_reported_performance_3.csv": REPORT + "E,2026-03-09,0.25\n",
        "canonical_fx_rates_3.csv": RATES + "2026-03-10,EUR,USD,11.0\n",
    }),
]  # fmt: skip

# Its night dies after its rows were calculated and compared, and before anybody was held for them.
OF_A_DEAD_RUN = {
    "canonical_accounts_9.csv": "account_id,base_currency\nX,USD\nY,USD\nZ,USD\n",
    "canonical_valuations_9.csv": VALUES + "".join(f"{a},2026-03-06,1000,USD\n" for a in "XYZ")
    + "X,2026-03-09,1400,USD\nY,2026-03-09,1250,USD\nZ,2026-03-09,1010,USD\n",
    "canonical_reported_performance_9.csv": REPORT + "Y,2026-03-09,0.01\nZ,2026-03-09,0.01\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """What the marts hold after each night; then C is released and a run without files follows."""
    home = tmp_path_factory.mktemp("holds")
    write_rules(home, RULES)
    landing = home / "landing" / "acme"
    landing.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        settings = settings_for(home, database_url, patch)
        ledger = Ledger(settings)
        marts, counters, groups, lists = [], [], [], []
        for night, files in NIGHTS:
            for name, text in files.items():
                (landing / name).write_text(text)
            counters.append(run_all(spark, settings, ledger.open_run(night)))
            marts.append(_published(database_url))
            groups.append(_household(database_url))
            lists.append(CliRunner().invoke(app, ["holds", "ls"]).output)
        listed = CliRunner().invoke(app, ["holds", "ls"]).output
        answers = [CliRunner().invoke(app, ["holds", "release", "C", "--why", "the client's bank confirms it"])]
        answers += [CliRunner().invoke(app, ["holds", "release", "C", "--why", "again"])]
        missed = _missed(database_url)
        (landing / "canonical_fx_rates_4.csv").write_text(RATES + "2026-03-11,EUR,USD,1.12\n")
        run_all(spark, settings, ledger.open_run(TUESDAY))
        marts.append(_published(database_url))
        withheld = sorted(Path(file.path).name for file in ledger.files(status=["withheld"]))
        listed_after = CliRunner().invoke(app, ["holds", "ls"]).output
        beta = home / "landing" / "beta"
        beta.mkdir()
        for name, text in OF_A_DEAD_RUN.items():
            (beta / name).write_text(text)
        with pytest.MonkeyPatch.context() as kill:
            kill.setattr(held, "write", _killed)
            with pytest.raises(KeyboardInterrupt):
                run_all(spark, settings, ledger.open_run(TUESDAY))
        run_all(spark, settings, ledger.open_run(TUESDAY))
        yield SimpleNamespace(
            marts=marts, counters=counters, groups=groups, lists=lists, listed=listed, answers=answers,
            url=database_url, missed=missed, withheld=withheld, listed_after=listed_after,
            after_the_dead_run=_published(database_url, "beta"),
        )  # fmt: skip


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def _published(url: str, tenant: str = "acme") -> dict[tuple[str, date], tuple[Decimal, float | None]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT account_id, as_of_date, end_market_value, twrr_daily FROM marts.account_performance_daily"
            " WHERE tenant_id = %s",
            [tenant],
        ).fetchall()
    return {(account, day): (value, twrr) for account, day, value, twrr in rows}


def _missed(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT table_name, column_name, missed_since, share_missed, nights FROM marts.data_quality_trend"
            " WHERE missed"
        ).fetchall()


def _household(url: str) -> dict[date, tuple[Decimal, int]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT as_of_date, end_market_value, carried_members FROM marts.group_performance_daily"
            " WHERE group_type = 'household'"
        ).fetchall()
    return {day: (value, carried) for day, value, carried in rows}


def test_a_held_account_keeps_its_watermark_while_the_others_go_on(desk: SimpleNamespace) -> None:
    assert desk.counters[1]["check"]["accounts_held"] == 2
    assert set(desk.marts[1]) == {*((account, FRIDAY) for account in "ABCDE"), ("B", MONDAY)}


def test_a_rate_is_compared_with_the_last_one_that_was_not_withheld(desk: SimpleNamespace) -> None:
    assert desk.withheld == ["canonical_fx_rates_3.csv"]


def test_what_a_dead_run_has_calculated_and_compared_is_held_by_the_next(desk: SimpleNamespace) -> None:
    assert set(desk.after_the_dead_run) == {*((account, FRIDAY) for account in "XYZ"), ("Z", MONDAY)}


def test_a_later_file_that_explains_the_value_lets_all_its_days_through(desk: SimpleNamespace) -> None:
    assert desk.counters[2]["check"]["accounts_released"] == 1
    assert {day: row for (account, day), row in desk.marts[2].items() if account == "A"} == {
        FRIDAY: (Decimal(1000), None),
        MONDAY: (Decimal(1800), 0.0),  # 1,800 - 1,000 - 800
        TUESDAY: (Decimal(1818), 0.01),
    }
    assert [day for account, day in desk.marts[2] if account == "C"] == [FRIDAY]


def test_a_result_that_cannot_be_right_holds_its_account_until_it_is_another(desk: SimpleNamespace) -> None:
    """Its household carries it meanwhile, and is restated with it."""
    assert desk.counters[1]["reconcile"]["accounts_held"] == 4  # A and C too, and E by its break
    [line] = [line for line in desk.lists[1].splitlines() if line.split()[:2] == ["acme", "D"]]
    assert "the return is 40.00 %, expected at most 0.3 fraction" in line
    assert desk.groups[1][MONDAY] == (Decimal(2010), 1)
    assert {day: row[0] for (account, day), row in desk.marts[2].items() if account == "D"} == {
        FRIDAY: Decimal(1000),
        MONDAY: Decimal(1010),
        TUESDAY: Decimal(1010),
    }
    assert desk.groups[2] == {
        FRIDAY: (Decimal(2000), 0),
        MONDAY: (Decimal(2020), 0),
        TUESDAY: (Decimal(2030), 0),
    }


def test_a_break_that_holds_lets_the_account_through_when_it_is_resolved(desk: SimpleNamespace) -> None:
    [line] = [line for line in desk.lists[1].splitlines() if line.split()[:2] == ["acme", "E"]]
    assert "bps" in line
    assert {day: row for (account, day), row in desk.marts[2].items() if account == "E"} == {
        FRIDAY: (Decimal(1000), None),
        MONDAY: (Decimal(1250), 0.25),
        TUESDAY: (Decimal(2250), 0.0),  # 1,000 of it a deposit that had come the night before
    }


def test_a_result_that_is_worth_a_look_is_published_with_its_flag(desk: SimpleNamespace) -> None:
    with psycopg.connect(desk.url) as connection:
        flags = connection.execute(
            "SELECT account_id, as_of_date, quality_flags FROM marts.account_performance_daily"
            " WHERE quality_flags <> '' AND account_id = 'E'"
        ).fetchall()
    assert flags == [("E", MONDAY, "large_return")]


def test_a_feed_that_fails_stops_nobody_else(desk: SimpleNamespace) -> None:
    assert (desk.counters[2]["check"]["withheld"], desk.counters[2]["check"]["accepted"]) == (1, 3)
    assert {account for account, day in desk.marts[2] if day == TUESDAY} == {"A", "B", "D", "E"}
    with psycopg.connect(desk.url) as connection:
        [status] = connection.execute("SELECT status FROM ops.file WHERE path LIKE '%fx_rates_3%'").fetchone()
    assert status == "withheld"
    assert desk.missed == [("fx_rate_moves", "rate", TUESDAY, 1.0, 1)]


def test_the_list_says_since_when_and_why(desk: SimpleNamespace) -> None:
    [line] = [line for line in desk.listed.splitlines() if line.startswith("acme")]
    assert line.split()[:4] == ["acme", "C", "2026-03-09", "2026-03-06"]
    assert "value moved by 150.0 % since 2026-03-06 without a flow" in line
    assert desk.listed_after == "no account is held\n"


def test_a_release_publishes_the_days_that_were_kept_back_without_a_file(desk: SimpleNamespace) -> None:
    first, second = desk.answers
    assert (first.exit_code, "the next run publishes it from 2026-03-09 on" in first.output) == (0, True)
    assert second.exit_code == 1
    released = {day: row for (account, day), row in desk.marts[3].items() if account == "C"}
    assert released == {FRIDAY: (Decimal(1000), None), MONDAY: (Decimal(2500), 1.5), TUESDAY: (Decimal(2525), 0.01)}
    with psycopg.connect(desk.url) as connection:
        found = connection.execute("SELECT account_id, rule, reason FROM marts.held_account WHERE state = 'released'")
        reasons = {(account, rule): reason for account, rule, reason in found}
        [who] = connection.execute("SELECT released_by FROM ops.hold_release WHERE run_no IS NOT NULL").fetchone()
    assert reasons == {
        ("A", "value_jump"): "a later file corrects or explains it",
        ("A", "return_beyond"): "the result is another now",
        ("C", "value_jump"): f"released by {who}: the client's bank confirms it",
        ("C", "return_beyond"): f"released by {who}: the client's bank confirms it",
        ("D", "return_beyond"): "the result is another now",
        ("E", "break_twrr_daily"): "the break is resolved",
    }
