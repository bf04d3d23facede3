"""Accounts that come under another number: proposed with a confidence, accepted by a person, and the next night the old
account goes on as if its number had never changed. Beside them a number that is nobody's, and one that comes back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.pipeline import run_all
from jobs.platform.database import connect_to
from jobs.platform.mapping import mappings_folder
from jobs.platform.settings import PROJECT_ROOT
from tests.nights import Workspace, taken

pytestmark = pytest.mark.system
WED, THU, FRI, MON, TUE, NEXT = (date(2026, 3, day) for day in (4, 5, 6, 9, 10, 11))
BANK = """vendor: bank
feed: bank_{name}
meaning: "What a bank says of its accounts."
delivery: snapshot
replaces: {{within: [account_id, as_of_date]}}
fingerprint: {{required: [Konto, Tag, {title}]}}
targets:
  - table: {table}
    columns:
      account_id: {{account_title: Konto}}
      as_of_date: {{title: Tag}}
{columns}"""
FEEDS = {
    "bank_values.yaml": BANK.format(
        name="values", title="Wert", table="valuation", columns="      market_value: {title: Wert}\n"
    ),
    "bank_holdings.yaml": BANK.format(
        name="holdings",
        title="Papier",
        table="position",
        columns="      security_id: {title: Papier}\n      quantity: {title: Menge}\n",
    ),
}
# B1 and B2 are delivered by the bank, under numbers; C1 to C3 by the firm itself, under account_id.
NUMBERS = {"4711-0001": "B1", "4711-0002": "B2"}
ACCOUNTS = "account_id,account_name,base_currency\nB1,Bird,USD\nB2,Bell,USD\nC1,Cole,USD\nC2,Cook,USD\nC3,Carr,USD\n"


def values(day: date, **worth: int) -> str:
    return "account_id,as_of_date,market_value\n" + "".join(f"{a},{day},{value}\n" for a, value in worth.items())


def bank(day: date, worth: dict[str, int]) -> dict[str, str | bytes]:
    """Values and, of all but the last account, what they hold."""
    held = [f"{number},{day},{paper},{n}\n" for number in [*worth][:1] for n, paper in enumerate("XYZ", 1)]
    return {
        f"bank_values_{day}.csv": "Konto,Tag,Wert\n" + "".join(f"{n},{day},{value}\n" for n, value in worth.items()),
        f"bank_holdings_{day}.csv": "Konto,Tag,Papier,Menge\n" + "".join(held),
    }


FIRST: dict[str, str | bytes] = {
    "canonical_accounts_1.csv": ACCOUNTS,
    "canonical_account_xref_1.csv": "vendor,vendor_account_number,account_id\n"
    + "".join(f"bank,{number},{account}\n" for number, account in NUMBERS.items()),
    **{
        name: content
        for n, day in enumerate((WED, THU, FRI, MON))
        for name, content in {
            f"canonical_valuations_{day}.csv": values(day, C1=1000 + n, C2=2000 + n, C3=3000 + n),
            **bank(day, {"4711-0001": 50_000 + 100 * n, "4711-0002": 700}),
        }.items()
    },
}
# Tuesday: B1 comes as 4711-0091, C1 as C9 (whose record has its name), C3 is left out, 4711-0099 is nobody's.
SECOND = {
    "canonical_accounts_2.csv": "account_id,account_name,base_currency\nC9,COLE,USD\n",
    "canonical_valuations_2.csv": values(TUE, C9=1004, C2=2004),
    **bank(TUE, {"4711-0091": 50_400, "4711-0002": 700, "4711-0099": 12}),
}
# Wednesday: all under their new numbers; C3 comes back.
THIRD = {
    "canonical_valuations_3.csv": values(NEXT, C9=1005, C2=2005, C3=3005),
    **bank(NEXT, {"4711-0091": 50_500, "4711-0002": 700, "4711-0099": 13}),
}


@dataclass
class Story:
    workspace: Workspace
    url: str
    home: Path
    breaks: list[dict[tuple[str, str], str]] = field(default_factory=list)  # after each night
    proposals: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    withheld: list[Any] = field(default_factory=list)  # on Tuesday

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with connect_to(self.url) as connection:
            return connection.execute(query).fetchall()

    def say(self, *words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        return done.output or str(done.exception)


@pytest.fixture(scope="module")
def story(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Monday with the days before it; Tuesday with the new numbers; what a person says; Wednesday."""
    home = tmp_path_factory.mktemp("renumbered")
    shutil.copytree(mappings_folder(), home / "mappings")
    for name, text in FEEDS.items():
        (home / "mappings" / name).write_text(text, encoding="utf-8")
    (home / "conf").mkdir()
    for name in ("tolerances.yaml", "currencies.yaml", "breaks.yaml"):
        shutil.copy(PROJECT_ROOT / "conf" / name, home / "conf")
    # Tuesday's bank values are withheld: of three two are of numbers that nobody knows. Once one is known they are not.
    rules = home / "conf" / "tolerances.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("max: 0.10", "max: 0.40"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_MAPPINGS", str(home / "mappings"))
        workspace = taken(FIRST, spark, database_url, home, on=MON)
        story = Story(workspace, database_url, home)
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_CONF", str(workspace.settings.conf_file))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        _night(story, MON)
        workspace.put(SECOND)
        _night(story, TUE)
        story.withheld = story.ask("SELECT path FROM ops.file WHERE status = 'withheld' ORDER BY 1")
        story.told["review"] = story.say("accounts", "review")
        by_number = {one["account_number"]: one["proposal_id"] for one in story.proposals[-1].values()}
        story.told["no reason"] = story.say("accounts", "accept", by_number["C9"], "--why", " ")
        story.told["no account"] = story.say("accounts", "accept", by_number["4711-0099"], "--why", "whose?")
        for number in ("C9", "4711-0091"):
            story.told[number] = story.say("accounts", "accept", by_number[number], "--why", "letter of the bank")
        story.told["again"] = story.say("accounts", "reject", by_number["C9"], "--why", "oh no")
        story.told["4711-0099"] = story.say("accounts", "reject", by_number["4711-0099"], "--why", "not ours")
        workspace.put(THIRD)
        _night(story, NEXT)
        story.told["then"] = story.say("accounts", "review")
        story.told["history"] = story.say("accounts", "history", "C9")
    return story


def _night(story: Story, on: date) -> None:
    workspace = story.workspace
    run_all(workspace.spark, workspace.settings, workspace.ledger.open_run(on))
    found = story.ask(
        "SELECT type, coalesce(item, account_id), state FROM marts.reconciliation_break WHERE type LIKE 'account%'"
    )
    story.breaks.append({(kind, whose): state for kind, whose, state in found})
    with connect_to(story.url) as connection, connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute("SELECT * FROM marts.account_proposal").fetchall()
    story.proposals.append({row["account_number"]: row for row in rows})


def test_a_new_number_is_proposed_with_its_reasons_and_confidence(story: Story) -> None:
    assert story.breaks[0] == {}
    told = {number: (one["kind"], one["account_id"], one["state"]) for number, one in story.proposals[1].items()}
    assert told == {
        "4711-0091": ("renumbered", "B1", "open"),
        "C9": ("renumbered", "C1", "open"),
        "4711-0099": ("new", None, "open"),
    }
    by_number, by_name = story.proposals[1]["4711-0091"], story.proposals[1]["C9"]
    assert by_number["reasons"] == "same 3 positions; value 50,400.00 on 2026-03-10 after 50,300.00 on 2026-03-09"
    assert by_number["confidence"] == pytest.approx(0.9, abs=0.006)  # 1 - .15 * .7
    assert by_name["reasons"] == "same name; value 1,004.00 on 2026-03-10 after 1,003.00 on 2026-03-09"
    assert by_name["confidence"] == pytest.approx(0.72, abs=0.006)  # 1 - .4 * .7
    assert by_number["from_date"] == by_name["from_date"] == TUE
    assert story.breaks[1] == {
        ("account_renumbered", "4711-0091"): "open",
        ("account_renumbered", "C9"): "open",
        ("account_new", "4711-0099"): "open",
        ("account_missing", "C3"): "open",
    }


def test_the_review_has_the_largest_first_and_masks_numbers(story: Story) -> None:
    lines = [line for line in story.told["review"].splitlines() if "acme" in line]
    assert [next(word for word in ("renumbered", "missing", "new") if word in line) for line in lines] == [
        "renumbered", "missing", "renumbered", "new",
    ]  # fmt: skip
    assert "50,400.00" in lines[0]
    assert "90%" in lines[0]
    assert "******091" in lines[0]
    assert "4711" not in story.told["review"]


def test_decisions_follow_the_rules_of_the_record(story: Story) -> None:
    assert "a decision needs a reason" in story.told["no reason"]
    assert "say which account the number is" in story.told["no account"]
    assert "the next run reads the number as C1 from 2026-03-10 on" in story.told["C9"]
    assert "is not open: it is accepted" in story.told["again"]
    login = story.ask("SELECT DISTINCT decided_by::text FROM ops.account_decision")
    assert login == [("postgres",)]


def test_the_old_account_goes_on_unbroken(story: Story) -> None:
    rows = story.ask(
        "SELECT account_id, as_of_date, begin_market_value, end_market_value, days, track_no"
        " FROM marts.account_performance_daily WHERE account_id IN ('B1', 'C1', 'C9') AND as_of_date >= '2026-03-09'"
        " ORDER BY 1, 2"
    )
    assert rows == [
        ("B1", MON, Decimal(50_200), Decimal(50_300), 1, 1),
        ("B1", TUE, Decimal(50_300), Decimal(50_400), 1, 1),
        ("B1", NEXT, Decimal(50_400), Decimal(50_500), 1, 1),
        ("C1", MON, Decimal(1002), Decimal(1003), 1, 1),
        ("C1", TUE, Decimal(1003), Decimal(1004), 1, 1),
        ("C1", NEXT, Decimal(1004), Decimal(1005), 1, 1),
    ]
    whole = "SELECT twrr_itd FROM marts.account_performance_daily WHERE account_id = '{}' AND as_of_date = '2026-03-11'"
    assert story.ask(whole.format("B1"))[0][0] == pytest.approx(50_500 / 50_000 - 1, abs=1e-12)
    assert story.ask(whole.format("C1"))[0][0] == pytest.approx(1005 / 1000 - 1, abs=1e-12)
    assert story.ask("SELECT count(*) FROM history.account_performance_daily WHERE account_id = 'C9'") == [(1,)]


def test_a_delivery_that_was_withheld_for_its_unknown_numbers_is_decided_on_anew(story: Story) -> None:
    assert story.withheld == [("acme/bank_holdings_2026-03-10.csv",), ("acme/bank_values_2026-03-10.csv",)]
    assert story.ask("SELECT count(*) FROM ops.file WHERE status <> 'accepted'") == [(0,)]
    b2 = "SELECT end_market_value FROM marts.account_performance_daily WHERE account_id = 'B2' AND as_of_date = '{}'"
    assert story.ask(b2.format(TUE)) == story.ask(b2.format(NEXT)) == [(Decimal(700),)]


def test_what_is_decided_is_not_asked_again(story: Story) -> None:
    states = {number: (one["state"], one["decided_by"]) for number, one in story.proposals[2].items()}
    assert states == {
        "4711-0091": ("accepted", "postgres"),
        "C9": ("accepted", "postgres"),
        "4711-0099": ("rejected", "postgres"),
    }
    assert set(story.breaks[2].values()) == {"resolved"}
    assert set(story.breaks[2]) == set(story.breaks[1])
    assert story.told["then"] == "nothing about accounts needs a person\n"


def test_no_number_and_no_name_is_in_the_logs(story: Story) -> None:
    logs = "".join(path.read_text(encoding="utf-8") for path in (story.home / "logs").rglob("*.jsonl"))
    assert logs
    assert not [word for word in ("4711-00", "Cole", "COLE", "Bird") if word in logs]


def test_who_said_what_is_kept(story: Story) -> None:
    assert "base_currency" in story.told["history"]
    assert "canonical_accounts_2.csv line 2" in story.told["history"]
    assert "COLE" not in story.told["history"]
