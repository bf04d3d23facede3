"""`dietz risk` over a lake that the steps have filled: the account's current rows, its benchmark, its blend."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.cli.risk import daily_risk
from jobs.pipeline import run_step
from jobs.platform.errors import DietzError
from tests import risk_reference
from tests.nights import TENANT, Workspace, taken

pytestmark = pytest.mark.system

DAYS = [day for n in range(40) if (day := date(2026, 1, 30) + timedelta(days=n)).weekday() < 5]
VALUES = [1000 + 7 * (place % 4) - 3 * (place % 3) + place for place in range(len(DAYS))]
LEVELS = [100 + (place % 5) + 0.5 * place for place in range(len(DAYS))]
BLEND = """benchmark_id: MIX
name: Half of it
basis: total_return
currency: USD
kind: blended
history: [{effective_from: 2020-01-01, weights: {INDEX: 0.5, CASH: 0.5}}]
"""


@pytest.fixture(scope="module")
def lake(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Twenty-nine days of an account whose benchmark is half an index and half cash that never moves."""
    dated = list(zip(DAYS, VALUES, LEVELS, strict=True))
    levels = [f"INDEX,{day},{level}\nCASH,{day},100\n" for day, _, level in dated]
    workspace = taken(
        {
            "canonical_accounts_1.csv": "account_id,base_currency,benchmark_id\nA,USD,MIX\n",
            "canonical_valuations_1.csv": "account_id,as_of_date,market_value\n"
            + "".join(f"A,{day},{value}\n" for day, value, _ in dated),
            "canonical_benchmark_levels_1.csv": "benchmark_id,as_of_date,level\n" + "".join(levels),
        },
        spark,
        database_url,
        tmp_path_factory.mktemp("risk"),
        on=DAYS[-1],
    )
    folder = workspace.settings.conf_folder / "benchmarks"
    folder.mkdir()
    (folder / "MIX.yaml").write_text(BLEND)
    run = workspace.ledger.latest_run(DAYS[-1])
    assert run is not None
    run_step("calculate", spark, workspace.settings, run)
    return workspace


@pytest.fixture(scope="module")
def found(lake: Workspace) -> list[dict[str, Any]]:
    return daily_risk(lake.lake, lake.settings, "A", date(2026, 3, 5))


def test_the_statistics_up_to_the_day(found: list[dict[str, Any]]) -> None:
    place = DAYS.index(date(2026, 3, 5))
    own = [VALUES[n] / VALUES[n - 1] - 1 for n in range(1, place + 1)]
    index = [(LEVELS[n] / LEVELS[n - 1] - 1) / 2 for n in range(1, place + 1)]
    assert (found[0]["as_of_date"], found[0]["observations"]) == (date(2026, 3, 5), place)
    wanted = risk_reference.own(own, 252) | risk_reference.beside(own, index, [0.0] * place, 252)
    for name, value in wanted.items():
        if name not in {"peak", "trough", "recovery"}:
            assert found[0][name] == pytest.approx(value, abs=1e-9), name


def test_each_window_says_why_it_is_empty(found: list[dict[str, Any]]) -> None:
    assert [(row["window_name"], row["status"]) for row in found] == [
        ("ITD", "ok"), ("1Y", "insufficient_history"), ("3Y", "insufficient_history"), ("5Y", "insufficient_history"),
    ]  # fmt: skip


def test_an_account_without_rows(lake: Workspace) -> None:
    with pytest.raises(DietzError, match="account 'B' of tenant 'acme' has no daily row up to 2026-03-05"):
        daily_risk(lake.lake, lake.settings, "B", date(2026, 3, 5), tenant=TENANT)


def test_the_command(lake: Workspace, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIETZ_HOME", str(lake.settings.home))
    monkeypatch.setenv("DIETZ_DATABASE_URL", database_url)
    monkeypatch.setenv("DIETZ_CONF", str(lake.settings.conf_file))
    done = CliRunner().invoke(app, ["risk", "--account", "A", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    assert [row["as_of_date"] for row in rows] == [str(DAYS[-1])] * 4
    assert rows[0]["benchmark_id"] == "MIX"
    shown = CliRunner().invoke(app, ["risk", "--account", "A", "--date", "2026-03-05"])
    assert "A (acme), daily returns up to 2026-03-05" in shown.output
    assert "insufficient_history" in shown.output
