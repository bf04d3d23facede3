"""A late correction through all steps: what it changes, the file and line that caused it, what waits, what stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.pipeline import run_all
from jobs.platform.database import connect_to
from tests.nights import Workspace, taken

MON, TUE, WED, THU = (date(2026, 3, day) for day in range(2, 6))
pytestmark = pytest.mark.system
TOLERANCES = """\
rules: []
materiality:
  - classes:
      - {name: minor, below: {money: 100}}
      - {name: critical, publish: false}
    reason: As the test has it.
"""
HEADER = "account_id,as_of_date,market_value\n"
FIRST = {
    "canonical_accounts_1.csv": "account_id,base_currency,household_id\nS,USD,H\nL,USD,H\nQ,USD,\n",
    "canonical_valuations_1.csv": HEADER
    + "".join(f"{account},{day},{1000 + 10 * n}\n" for account in "SLQ" for n, day in enumerate((MON, TUE, WED))),
}
# S changes by 5, L by 500; Q has nothing but Thursday.
LATE = HEADER + f"L,{TUE},1510\nS,{TUE},1015\n" + "".join(f"{account},{THU},1030\n" for account in "SLQ")


@dataclass
class Story:
    """What the marts said after each night."""

    workspace: Workspace
    url: str
    marts: list[dict[tuple[str, date], tuple[Decimal, int]]]
    official: list[list[Any]]
    restatements: list[dict[str, dict[str, Any]]]
    counters: list[dict[str, Any]]
    groups: list[dict[str, tuple[Any, ...]]]
    told: str

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with connect_to(self.url) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def story(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Wednesday; closed; Thursday with late corrections, of which L's waits; approved; Thursday once more."""
    home = tmp_path_factory.mktemp("restatements")
    (home / "conf").mkdir()
    (home / "conf" / "tolerances.yaml").write_text(TOLERANCES, encoding="utf-8")
    (home / "conf" / "currencies.yaml").write_text("codes: [USD]\n", encoding="utf-8")
    workspace = taken(FIRST, spark, database_url, home, on=WED)
    story = Story(workspace, database_url, [], [], [], [], [], "")
    _night(story, WED)
    with connect_to(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO marts.period_closing (tenant_id, event, through_date, why) VALUES ('acme', 'close', %s, '')",
            [WED],
        )
    workspace.put({"canonical_valuations_2.csv": LATE})
    _night(story, THU)
    name = "acme/account/L/2"
    admin = psycopg.connect(database_url, autocommit=True)
    admin.execute("CREATE ROLE second_login LOGIN IN ROLE dietz_loader")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_CONF", str(workspace.settings.conf_file))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        story.told = CliRunner().invoke(app, ["restatements"]).output
        refused = CliRunner().invoke(app, ["restatements", "approve", name, "--why", "mine"])
        assert "login 'postgres' closed the period" in str(refused.exception)
        patch.setenv("DIETZ_DATABASE_URL", database_url.replace("postgres@", "second_login@"))
        done = CliRunner().invoke(app, ["restatements", "approve", name, "--why", "asked the custodian"])
    assert done.output == f"{name} is approved by second_login; it goes out with the next run\n"
    _night(story, THU)
    admin.execute("DROP ROLE second_login")
    admin.close()
    return story


def _night(story: Story, on: date) -> None:
    workspace = story.workspace
    counters = run_all(workspace.spark, workspace.settings, workspace.ledger.open_run(on))
    story.counters.append(counters["calculate"])
    rows = story.ask("SELECT account_id, as_of_date, end_market_value, epoch FROM marts.account_performance_daily")
    story.marts.append({(account, day): (value, epoch) for account, day, value, epoch in rows})
    story.official.append(story.ask("SELECT * FROM marts.official_performance_daily ORDER BY account_id, as_of_date"))
    names = ("account_id", "state", "epoch", "from_date", "last_date", "rows_changed", "value_change", "materiality",
             "cause_kind", "path", "line_no", "vendor", "feed", "run_id")  # fmt: skip
    found = story.ask(f"SELECT {', '.join(names)} FROM marts.restatement WHERE group_id IS NULL")
    story.restatements.append({row[0]: dict(zip(names, row, strict=True)) for row in found})
    of_group = story.ask(
        "SELECT restatement_id, state, from_date, last_date, value_change, return_change_of, round(return_change_bp::"
        "numeric, 6), materiality, cause FROM marts.restatement WHERE group_id = 'H'"
    )
    story.groups.append({name: values for name, *values in of_group})


def test_each_restatement_names_file_line_and_largest_change(story: Story) -> None:
    run_id = story.ask("SELECT run_id FROM marts.account_performance_daily WHERE account_id = 'S' AND epoch = 2")[0][0]
    small = story.restatements[1]["S"]
    assert small == {
        "account_id": "S", "state": "published", "epoch": 2, "from_date": TUE, "last_date": WED, "rows_changed": 2,
        "value_change": Decimal(5), "materiality": "minor", "cause_kind": "valuation",
        "path": "acme/canonical_valuations_2.csv", "line_no": 3, "vendor": "canonical", "feed": "canonical_valuations",
        "run_id": run_id,
    }  # fmt: skip
    large = story.restatements[1]["L"]
    assert {**small, "account_id": "L", "state": "waiting", "value_change": Decimal(500), "materiality": "critical",
            "line_no": 2} == large  # fmt: skip
    assert "acme/account/S/2: out since" in story.told
    assert "2 dates from 2026-03-03 to 2026-03-04; value +5.00 USD on 2026-03-03" in story.told
    assert f"because of valuation of {TUE}: acme/canonical_valuations_2.csv line 2 (canonical)" in story.told
    assert "acme/account/L/2: waits for an approval, the old figures stay" in story.told


def test_what_waits_keeps_its_old_rows_and_gets_no_new_ones(story: Story) -> None:
    assert story.counters[1]["restatements_waiting"] == 1
    before, waits, after = story.marts
    assert {key: row for key, row in waits.items() if key[0] == "L"} == {
        key: row for key, row in before.items() if key[0] == "L"
    }
    assert (waits["S", TUE], waits["S", THU]) == ((Decimal(1015), 2), (Decimal(1030), 2))
    assert waits["Q", THU] == (Decimal(1030), 1)
    assert story.ask("SELECT held FROM marts.night_status WHERE business_date = '2026-03-05'") == [(0,)]
    assert [after["L", day] for day in (MON, TUE, WED, THU)] == [
        (Decimal(1000), 1), (Decimal(1510), 2), (Decimal(1020), 2), (Decimal(1030), 2),
    ]  # fmt: skip
    assert story.ask("SELECT begin_market_value FROM marts.account_performance_daily WHERE account_id = 'L'"
                     " AND as_of_date = '2026-03-04'") == [(Decimal(1510),)]  # fmt: skip


def test_once_approved_it_is_out_and_keeps_its_cause(story: Story) -> None:
    waited, out = story.restatements[1]["L"], story.restatements[2]["L"]
    assert out == {**waited, "state": "published", "run_id": out["run_id"]}
    assert out["run_id"] != waited["run_id"]
    assert {key: row for key, row in story.marts[2].items() if key[0] != "L"} == {
        key: row for key, row in story.marts[1].items() if key[0] != "L"
    }


def test_official_figures_stay_and_the_bridge_leads_to_the_current_ones(story: Story) -> None:
    assert story.official[0] == []
    assert len(story.official[1]) == 9
    assert story.official[1] == story.official[2]
    assert story.ask(
        "SELECT account_id, as_of_date, item, end_market_value, path, line_no FROM marts.official_bridge"
        " WHERE as_of_date = '2026-03-03' AND account_id <> 'Q' ORDER BY account_id, known_at, item"
    ) == [
        ("L", TUE, "official", Decimal(1010), None, None),
        ("L", TUE, "correction", Decimal(500), "acme/canonical_valuations_2.csv", 2),
        ("L", TUE, "current", Decimal(1510), None, None),
        ("S", TUE, "official", Decimal(1010), None, None),
        ("S", TUE, "correction", Decimal(5), "acme/canonical_valuations_2.csv", 3),
        ("S", TUE, "current", Decimal(1015), None, None),
    ]


def test_a_group_is_listed_with_the_member_that_caused_it_and_beforehand_with_what_waits(story: Story) -> None:
    """Of 2020 on Tuesday S brings 5 more; what L brings, 500 and its row of Thursday, waits."""
    late = f"valuation of {TUE}: acme/canonical_valuations_2.csv line"
    bp = Decimal("25")  # (2025 - 2020) / 2000
    small = ["published", TUE, WED, Decimal(5), "twrr_daily", bp, "minor", f"member S, {late} 3 (canonical)"]
    preview = ["preview", TUE, THU, Decimal(500), "twrr_daily", Decimal("2500"), "critical",
               f"member L, {late} 2 (canonical)"]  # fmt: skip
    assert story.groups[0] == {}
    assert story.groups[1] == {"acme/household/H/2": small, "acme/household/H/preview": preview}
    assert story.groups[2] == {
        "acme/household/H/2": small,
        "acme/household/H/preview": ["withdrawn", *preview[1:]],
        "acme/household/H/3": ["published", *preview[1:]],
    }
    assert "acme/household/H/preview: what it would change by if the accounts that wait went out" in story.told
