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
from jobs.platform.settings import Settings

pytestmark = pytest.mark.system

FRIDAY, MONDAY, TUESDAY = date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 10)
RULES = """rules:
  - name: value_jump
    measure: value_jump
    applies_to: valuation
    limits: [{unit: fraction, max: 0.5}, {unit: money, max: 100}]
    severity: hold
    reason: Half as much again without a flow is a wrong file, not a market.
"""
VALUES = "account_id,as_of_date,market_value,currency\n"
NIGHTS = [
    (FRIDAY, {
        "canonical_accounts_1.csv": "account_id,base_currency\nA,USD\nB,USD\nC,USD\n",
        "canonical_valuations_1.csv": VALUES + "".join(f"{a},2026-03-06,1000,USD\n" for a in "ABC"),
    }),
    (MONDAY, {  # A and C jump; nobody says why
        "canonical_valuations_2.csv": VALUES + "A,2026-03-09,1800,USD\nB,2026-03-09,1010,USD\nC,2026-03-09,2500,USD\n",
    }),
    (TUESDAY, {  # the deposit of A comes a day late; C goes on as it was
        "canonical_valuations_3.csv": VALUES + "A,2026-03-10,1818,USD\nB,2026-03-10,1020,USD\nC,2026-03-10,2525,USD\n",
        "canonical_transactions_3.csv": "transaction_id,account_id,trade_date,type,amount,currency\n"
        "T1,A,2026-03-09,DEPOSIT,800,USD\n",
    }),
]  # fmt: skip


@pytest.fixture(scope="module")
def desk(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """What the marts hold after each night; then C is released and a run without files follows."""
    home = tmp_path_factory.mktemp("holds")
    (home / "conf").mkdir()
    (home / "conf" / "local.yaml").write_text("file_settle_seconds: 0\n")
    (home / "conf" / "tolerances.yaml").write_text(RULES)
    (home / "conf" / "currencies.yaml").write_text(Path("conf/currencies.yaml").read_text())
    landing = home / "landing" / "acme"
    landing.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        patch.setenv("DIETZ_CONF", str(home / "conf" / "local.yaml"))
        settings = Settings()
        ledger = Ledger(settings)
        marts, counters = [], []
        for night, files in NIGHTS:
            for name, text in files.items():
                (landing / name).write_text(text)
            counters.append(run_all(spark, settings, ledger.open_run(night)))
            marts.append(_published(database_url))
        listed = CliRunner().invoke(app, ["holds", "ls"]).output
        answers = [CliRunner().invoke(app, ["holds", "release", "C", "--why", "the client's bank confirms it"])]
        answers += [CliRunner().invoke(app, ["holds", "release", "C", "--why", "again"])]
        run_all(spark, settings, ledger.open_run(TUESDAY))
        marts.append(_published(database_url))
        yield SimpleNamespace(
            marts=marts, counters=counters, listed=listed, answers=answers, url=database_url,
            listed_after=CliRunner().invoke(app, ["holds", "ls"]).output,
        )  # fmt: skip


def _published(url: str) -> dict[tuple[str, date], tuple[Decimal, float | None]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT account_id, as_of_date, end_market_value, twrr_daily FROM marts.account_performance_daily"
        ).fetchall()
    return {(account, day): (value, twrr) for account, day, value, twrr in rows}


def test_a_held_account_keeps_its_watermark_while_the_others_go_on(desk: SimpleNamespace) -> None:
    assert desk.counters[1]["check"]["accounts_held"] == 2
    assert set(desk.marts[1]) == {("A", FRIDAY), ("B", FRIDAY), ("C", FRIDAY), ("B", MONDAY)}


def test_a_later_file_that_explains_the_value_lets_all_its_days_through(desk: SimpleNamespace) -> None:
    assert desk.counters[2]["check"]["accounts_released"] == 1
    assert {day: row for (account, day), row in desk.marts[2].items() if account == "A"} == {
        FRIDAY: (Decimal(1000), None),
        MONDAY: (Decimal(1800), 0.0),  # 1,800 - 1,000 - 800
        TUESDAY: (Decimal(1818), 0.01),
    }
    assert [day for account, day in desk.marts[2] if account == "C"] == [FRIDAY]


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
        reasons = dict(
            connection.execute("SELECT account_id, reason FROM marts.held_account WHERE state = 'released'").fetchall()
        )
        [who] = connection.execute("SELECT released_by FROM ops.hold_release WHERE run_no IS NOT NULL").fetchone()
    assert reasons == {
        "A": "a later file corrects or explains it",
        "C": f"released by {who}: the client's bank confirms it",
    }
