"""The desk of breaks: what persons say stands in the database at once, and comes through re-runs and later nights."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from click.testing import Result
from psycopg import sql
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.platform.errors import DietzError
from jobs.platform.ledger import FileRecord, Ledger
from jobs.platform.settings import Settings
from jobs.publish.break_desk import bring_up_to_date
from jobs.reconcile.acts import Acts, oldest_lasting
from jobs.reconcile.job import run as reconcile
from tests.publishing import Bench

MON, TUE, WED, THU, FRI = (date(2026, 1, day) for day in (5, 6, 7, 8, 9))
SAY = "INSERT INTO ops.break_event (tenant_id, break_id, event, owner, until, said) VALUES (%s, %s, %s, %s, %s, %s)"
ROW: dict[str, Any] = {
    "tenant_id": "acme", "account_id": "A", "as_of_date": MON, "source_vendor": "canonical", "type": "end_value",
    "ours": 100.0, "theirs": 90.0, "difference": Decimal(10), "difference_bps": 1000.0, "severity": "warn",
    "state": "open", "first_seen_on": MON, "last_seen_on": MON, "reason": "differs", "run_id": "r",
    "published_at": datetime(2026, 1, 6, tzinfo=UTC),
}  # fmt: skip


class Marts:
    """The published breaks, written by hand, and what happens to them."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def broken(self, break_id: str, **columns: Any) -> None:
        row = {**ROW, "break_id": break_id, **columns}
        self.connection.execute(
            sql.SQL("INSERT INTO marts.reconciliation_break ({}) VALUES ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
            ),
            list(row.values()),
        )

    def published_through(self, night: date) -> None:
        self.connection.execute(
            "INSERT INTO ops.tenant_progress (tenant_id, calculated_through, run_no) VALUES ('acme', %s, 1)"
            " ON CONFLICT (tenant_id) DO UPDATE SET calculated_through = excluded.calculated_through",
            [night],
        )

    def say(
        self, break_id: str, event: str, said: str = "", owner: str | None = None, until: date | None = None
    ) -> None:
        self.connection.execute(SAY, ["acme", break_id, event, owner, until, said])

    def refused(self, *values: Any) -> str:
        with pytest.raises(psycopg.errors.RaiseException) as error, self.connection.transaction():
            self.say(*values)
        return str(error.value.diag.message_primary)

    def row(self, break_id: str, names: str) -> tuple[Any, ...] | None:
        return self.connection.execute(
            f"SELECT {names} FROM marts.reconciliation_break WHERE break_id = %s",
            [break_id],
        ).fetchone()


@pytest.fixture
def marts(database_url: str) -> Iterator[Marts]:
    with psycopg.connect(database_url) as connection:  # rolled back at the end: the record itself cannot be emptied
        connection.execute("SET ROLE dietz_loader")
        marts = Marts(connection)
        marts.published_through(TUE)
        yield marts
        connection.rollback()


def test_a_level_that_has_ended_is_looked_for_where_a_part_of_it_may_be_corrected(marts: Marts) -> None:
    marts.broken("ended", through_date=WED, ended_on=THU)
    run: Any = SimpleNamespace(ledger=SimpleNamespace(connection=marts.connection), business_date=FRI, tenant=None)
    assert [oldest_lasting(run, first) for first in (TUE, WED, FRI, None)] == [MON, MON, None, None]
    marts.broken("goes_on", through_date=WED)
    assert oldest_lasting(run, FRI) == MON


def test_a_run_of_one_tenant_leaves_what_was_said_of_others_to_theirs(marts: Marts) -> None:
    marts.broken("ours")
    marts.say("ours", "comment", "asked them")

    def taken(run_no: int, tenant: str | None) -> list[str]:
        ledger = SimpleNamespace(connection=marts.connection)
        run: Any = SimpleNamespace(ledger=ledger, run_no=run_no, tenant=tenant)
        acts = Acts.since_last_run(run)
        acts.carried(run)
        return [row[1] for row in acts.rows]

    assert taken(7, "beta") == []
    assert taken(8, "acme") == ["ours"]
    marts.say("ours", "comment", "they answered")
    marts.connection.execute("INSERT INTO ops.break_event_carried (run_no, event_no, tenant_id) VALUES (9, 99, 'beta')")
    assert [taken(10, None), taken(11, None)] == [["ours"], []]


def test_the_rules_of_the_desk(marts: Marts) -> None:
    for name, state in (("o", "open"), ("r", "resolved"), ("x", "explained")):
        marts.broken(name, state=state, cause="fee_basis" if state == "explained" else None)
    assert marts.refused("none", "comment", "words") == "there is no break 'none'"
    assert marts.refused("r", "accept", "why", None, FRI) == "break 'r' is resolved: there is nothing to accept"
    assert marts.refused("o", "accept", " ", None, FRI) == "to accept a break needs a reason"
    assert marts.refused("o", "accept", "why") == "an acceptance needs a date until which it holds"
    assert marts.refused("o", "accept", "why", None, MON) == (
        "tenant 'acme' is published through 2026-01-06: an acceptance until 2026-01-05 would be over"
    )
    assert marts.refused("o", "assign", "", " ") == "an assignment needs somebody to assign the break to"
    assert marts.refused("o", "comment", " ") == "a comment needs words"
    assert marts.refused("o", "reopen", "why") == "break 'o' is open"
    assert marts.refused("o", "expire") == "break 'o' has no acceptance that is over"
    marts.say("o", "accept", "their rounding", None, FRI)
    assert marts.refused("o", "accept", "why", None, FRI).startswith("break 'o' is accepted already, by ")
    marts.say("r", "comment", "it was their feed")
    assert marts.row("r", "state, comment") == ("resolved", "it was their feed")
    record = "ops.break_event is a record: rows are added, never changed or removed"
    with pytest.raises(psycopg.errors.RaiseException, match=record), marts.connection.transaction():
        marts.connection.execute("UPDATE ops.break_event SET login = 'bob'")


def test_what_is_said_stands_at_once_under_the_session_s_login(marts: Marts) -> None:
    marts.broken("o")
    marts.say("o", "assign", owner="custody")
    marts.say("o", "comment", "asked them")
    marts.say("o", "accept", "their rounding", None, FRI)
    [login] = marts.connection.execute("SELECT session_user").fetchone() or ("",)
    accepted = (
        "state, owner, assigned_by, comment, accepted_until, accepted_by, accepted_difference, changed_on, event_no"
    )
    assert marts.row("o", accepted) == (
        "accepted", "custody", login, "asked them", FRI, login, Decimal(10), TUE, 3,
    )  # fmt: skip
    marts.say("o", "reopen", "they changed their mind")
    assert marts.row("o", "state, reason, accepted_until, reopened_by, reopened_on, owner") == (
        "open", f"reopened by {login}: they changed their mind", None, login, TUE, "custody",
    )  # fmt: skip


def test_a_publication_lets_acceptances_end_and_breaks_grow_older(marts: Marts, settings: Settings) -> None:
    for name in ("o", "a", "b", "gone"):
        marts.broken(name, state="resolved" if name == "gone" else "open", age_days=0)
    marts.say("a", "accept", "their rounding: agreed", None, WED)
    marts.say("b", "accept", "their rounding", None, THU)
    marts.published_through(THU)
    bring_up_to_date(marts.connection, settings, ["acme"])
    names = "state, age_days, age_band, published_at"
    assert marts.row("o", names) == ("open", 3, "days", ROW["published_at"])  # older is no other version
    assert marts.row("gone", "age_days") == (0,)
    assert marts.row("b", "state") == ("accepted",)
    [login] = marts.connection.execute("SELECT session_user").fetchone() or ("",)
    assert marts.row("a", "state, reason, reopened_on, accepted_until, reopened_by") == (
        "open", f"accepted by {login} until 2026-01-07, which has passed", THU, None, None,
    )  # fmt: skip
    bring_up_to_date(marts.connection, settings, ["acme"])  # and again: nothing more happens
    assert marts.connection.execute("SELECT count(*) FROM ops.break_event WHERE event = 'expire'").fetchone() == (1,)


def test_what_was_said_while_the_night_was_calculated_is_said_of_its_rows(marts: Marts, settings: Settings) -> None:
    """The night brings its own rows in, which know of no event; of one the amount has moved in it."""
    for name in ("same", "moved"):
        marts.broken(name)
        marts.say(name, "comment", "mine")
        marts.say(name, "accept", "as it is", None, FRI)
    back = "UPDATE marts.reconciliation_break SET state = 'open', comment = NULL, event_no = NULL"
    marts.connection.execute(back)
    marts.connection.execute("UPDATE marts.reconciliation_break SET difference = 11 WHERE break_id = 'moved'")
    bring_up_to_date(marts.connection, settings, ["acme"])
    assert marts.row("same", "state, comment") == ("accepted", "mine")
    assert marts.row("moved", "state, comment") == ("open", "mine")


# Through the steps


GOLD: dict[str, Any] = {
    "begin_market_value": Decimal(1000), "net_flow": Decimal(0), "end_market_value": Decimal(1010), "twrr_daily": 0.01,
    "begin_date": date(2026, 1, 4), "inception_date": date(2025, 12, 31),
}  # fmt: skip


def reported(account: str, on: date, arrival_no: int, **figures: Any) -> dict[str, Any]:
    return {
        "account_id": account, "as_of_date": on, "tenant_id": "acme", "vendor": "canonical", "line_no": 2,
        "feed": "canonical_reported_performance", "file_id": "f", "mapping_version": "m", "arrival_no": arrival_no,
        "record_no": 1,
        **figures,
    }  # fmt: skip


@pytest.fixture
def bench(spark: SparkSession, settings: Settings, database_url: str) -> Iterator[Bench]:
    (settings.landing / "acme").mkdir(exist_ok=True)
    ledger = Ledger(settings)
    with psycopg.connect(database_url, autocommit=True) as admin:
        yield Bench(spark, settings, ledger, admin)
    ledger.close()


def dietz(*words: str) -> Result:
    return CliRunner().invoke(app, ["breaks", *words])


@pytest.mark.system
def test_through_four_nights(bench: Bench) -> None:
    """Monday: A and B are off by 100. Tuesday: A's level goes on, B is accepted until Wednesday before the night, which
    dies once, and is spoken of while it is published. Wednesday brings nothing. Thursday neither: B is open again."""
    accepted_file = {
        "file_id": "f", "tenant_id": "acme", "path": "acme/x", "size_bytes": 1, "status": "accepted",
        "modified_at": datetime(2026, 1, 5, tzinfo=UTC), "vendor": "canonical",
        "feed": "canonical_reported_performance",
    }  # fmt: skip
    monday = bench.run(MON)
    bench.ledger.register_files([FileRecord(**accepted_file, run_no=monday.run_no)])
    bench.daily(monday, *({**GOLD, "account_id": name, "as_of_date": MON} for name in "AB"))
    off = {"begin_market_value": Decimal(900)}
    bench.write("reported_performance", monday, [reported(name, MON, 1, **off) for name in "AB"])
    assert reconcile(bench.spark, bench.settings, monday)["breaks"] == 2
    bench.publish(monday)
    ids = dict(bench.marts("SELECT account_id, break_id FROM marts.reconciliation_break"))

    answer = dietz("accept", ids["B"], "--until", str(WED), "--why", "they round")
    assert (answer.exit_code, "B begin_value is accepted until 2026-01-07" in answer.output) == (0, True)
    tuesday = bench.run(TUE)
    bench.daily(tuesday, {**GOLD, "account_id": "A", "as_of_date": TUE, "begin_date": MON})
    bench.write("reported_performance", tuesday, [reported("A", TUE, 2, **off)])
    for _ in range(2):
        reconcile(bench.spark, bench.settings, tuesday)
    written = bench.lake.read("reconciliation_break").where(f"run_no = {tuesday.run_no}").collect()
    assert {row["account_id"]: (row["state"], row["through_date"]) for row in written} == {
        "A": ("open", TUE),
        "B": ("accepted", MON),
    }
    assert dietz("comment", ids["A"][:12], "--say", "asked the custodian").exit_code == 0
    bench.publish(tuesday)
    assert bench.marts(
        "SELECT account_id, break_id, state, through_date, comment, age_days FROM marts.reconciliation_break ORDER BY 1"
    ) == [("A", ids["A"], "open", TUE, "asked the custodian", 1), ("B", ids["B"], "accepted", MON, None, 1)]

    wednesday = bench.run(WED)
    assert reconcile(bench.spark, bench.settings, wednesday)["breaks"] == 0
    carried = bench.lake.read("reconciliation_break").where(f"run_no = {wednesday.run_no}").collect()
    assert [(row["account_id"], row["comment"]) for row in carried] == [("A", "asked the custodian")]
    bench.publish(wednesday)
    thursday = bench.run(THU)
    reconcile(bench.spark, bench.settings, thursday)
    bench.publish(thursday)
    assert bench.marts(
        "SELECT account_id, state, age_days, reopened_on FROM marts.reconciliation_break ORDER BY 1"
    ) == [
        ("A", "open", 3, None),
        ("B", "open", 3, THU),
    ]
    commands(ids)


def commands(ids: dict[str, str]) -> None:
    """What the command line says of these two."""
    assert dietz("assign", ids["A"], ids["B"], "--to", "custody").exit_code == 0
    listed = dietz("ls", "--owner", "custody").output
    assert [line.split()[2] for line in listed.splitlines()[1:] if line.startswith(ids["A"][:10])] == ["A"]
    assert "open again since 2026-01-08" in listed
    again = json.loads(dietz("ls", "--state", "reopened", "--json").output)
    assert [(row["account_id"], row["difference"]) for row in again] == [("B", "100.00000000")]
    for words in (("--type", "twrr_daily"), ("--vendor", "x"), ("--band", "weeks"), ("--state", "accepted")):
        assert dietz("ls", *words).output.startswith("no break")
    assert len(json.loads(dietz("ls", "--band", "days", "--json").output)) == 2
    wrong = dietz("ls", "--state", "opne")
    assert (wrong.exit_code, "no state 'opne'" in wrong.output) == (2, True)
    shown = dietz("show", ids["B"]).output
    assert "accept until 2026-01-07: they round" in shown
    assert "assign to custody" in shown
    unknown = dietz("reopen", "nothing", "--why", "x")
    assert isinstance(unknown.exception, DietzError)
    rows = list(csv.DictReader(io.StringIO(dietz("export").output)))
    assert [(row["account_id"], row["owner"], row["difference"]) for row in rows] == [
        ("A", "custody", "100.00000000"),
        ("B", "custody", "100.00000000"),
    ]
