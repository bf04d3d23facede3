"""How far published figures can be relied on, in a real Postgres: shares with known totals, one word, who sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from jobs.check.tolerances import Tolerances
from jobs.publish import assurance
from jobs.publish.status import STEPS, write_night_status

pytestmark = pytest.mark.system

FRIDAY, MONDAY, TUESDAY = (date(2026, 1, day) for day in (2, 5, 6))
EVENING = datetime(2026, 1, 5, 22, tzinfo=UTC)
ROW: dict[str, Any] = {
    "tenant_id": "acme", "as_of_date": MONDAY, "currency": "USD", "days": 1, "method": "daily", "status": "ok",
    "quality_flags": "", "epoch": 1, "begin_date": date(2026, 1, 2), "run_id": "n1", "published_at": EVENING,
}  # fmt: skip
GROUP = {**ROW, "group_type": "household", "track_no": 1, "inception_date": MONDAY, "carried_members": 0, "members": 1}
BREAK = {
    "tenant_id": "acme", "as_of_date": MONDAY, "source_vendor": "custodian", "type": "end_value", "state": "open",
    "first_seen_on": MONDAY, "last_seen_on": MONDAY, "reason": "differs", "run_id": "n1", "published_at": EVENING,
}  # fmt: skip
FLAG = {
    "tenant_id": "acme", "as_of_date": MONDAY, "severity": "warn", "state": "flagged", "reason": "found",
    "run_id": "n1", "published_at": EVENING,
}  # fmt: skip
MISSED = {
    "tenant_id": "acme", "vendor": "v", "feed": "v_prices", "table_name": "price", "rule": "row_count",
    "column_name": "", "severity": "warn", "success": False, "expected_value": "500", "rows_checked": 9,
    "rows_failed": 0, "run_no": 1, "run_id": "n1", "business_date": MONDAY, "published_at": EVENING,
}  # fmt: skip
OF_RUN = {"epoch": 1, "run_id": "n2", "published_at": EVENING}
WORTH = {"OK": 500, "BRK": 300, "CASH": 100, "STALE": 200, "REL": 300, "ACC": 20, "FLAG": 10, "UNC": 5}
MEMBERS = {
    "clean": ["OK"], "mixed": ["OK", "BRK", "STALE"], "cash": ["CASH"], "released": ["REL", "AWAY"],
    "accepted": ["ACC"], "flagged": ["FLAG"], "uncompared": ["UNC", "OK"], "euro": ["EUR", "OK"],
    "carried": ["OK", "AWAY"], "left": ["BRK"],
}  # fmt: skip
VALUES = {
    "clean": 500, "mixed": 1000, "cash": 100, "released": 400, "accepted": 20, "flagged": 10, "uncompared": 505,
    "euro": 610, "carried": 1000, "left": 0,
}  # fmt: skip
CARRIED = {"released": 100, "carried": 500}
ACCOUNTS = """
SELECT account_id, assurance, round((stale_share + break_share + overridden_share + uncompared_share)::numeric, 4)
FROM marts.account_assurance WHERE tenant_id = 'acme' ORDER BY 1"""


@dataclass
class Desk:
    """The marts of two tenants, in a transaction that is rolled back."""

    admin: psycopg.Connection

    def put(self, table: str, *rows: dict[str, Any]) -> None:
        for row in rows:
            names = sql.SQL(", ").join(map(sql.Identifier, row))
            into = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
            values = sql.SQL(", ").join(sql.Placeholder() * len(row))
            self.admin.execute(into.format(sql.Identifier(*table.split(".")), names, values), list(row.values()))

    def steps(self, run_id: str, day: date, *steps: str) -> None:
        self.put("ops.run", {"run_id": run_id, "business_date": day, "code_version": "test"})
        for step in steps:
            self.put("ops.step_run", {"run_id": run_id, "step": step, "attempt": 1, "status": "done"})

    def publish(
        self,
        run_id: str,
        at: datetime,
        *days: date,
        tenants: tuple[str, ...] = ("acme", "other"),
        rules: Tolerances | None = None,
    ) -> int:
        publishing = assurance.Publishing(run_id, at.date(), at, list(tenants))
        assurance.note_controls(self.admin, publishing, rules or Tolerances(rules=[]))
        told = assurance.tell_groups(self.admin, publishing, days)
        self.put(
            "ops.publication",
            {"table_name": f"{run_id} at {at}", "lake_version": 1, "run_id": run_id, "rows": 1, "published_at": at},
        )
        return told

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.admin.execute(query, list(values)).fetchall()

    def groups(self, columns: str = "assurance") -> dict[str, Any]:
        rows = self.ask(f"SELECT group_id, {columns} FROM marts.group_assurance WHERE tenant_id = 'acme' ORDER BY 1")
        return {row[0]: row[1] if len(row) == 2 else row[1:] for row in rows}

    def accounts(self) -> dict[str, tuple[str, float]]:
        return {account: (word, float(share)) for account, word, share in self.ask(ACCOUNTS)}


@pytest.fixture(scope="module")
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in ("account_performance_daily", "account_performance_reporting", "group_performance_daily"):
            connection.execute(
                f"CREATE TABLE marts.january_of_{table} PARTITION OF marts.{table}"
                " FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
            )
        connection.execute("CREATE TABLE stage.group_epoch (LIKE ops.group_epoch)")
        connection.execute("CREATE ROLE eve_of_acme LOGIN IN ROLE dietz_analyst")
        connection.execute("INSERT INTO security.tenant_member VALUES ('eve_of_acme', 'acme')")
        yield connection
        connection.execute("DROP OWNED BY eve_of_acme")
        connection.execute("DROP ROLE eve_of_acme")


@pytest.fixture
def desk(admin: psycopg.Connection) -> Iterator[Desk]:
    """Monday evening: every control ran, and something stands against most accounts."""
    admin.autocommit = False
    desk = Desk(admin)
    desk.steps("n1", MONDAY, *STEPS)
    for tenant in ("acme", "other"):
        desk.put("ops.run_comparison", {"tenant_id": tenant, "run_id": "n1", "compared": 9})
    daily = "marts.account_performance_daily"
    desk.put(daily, *[{**ROW, "account_id": name, "end_market_value": worth} for name, worth in WORTH.items()])
    desk.put(daily, {**ROW, "account_id": "EUR", "end_market_value": 100, "currency": "EUR"})
    desk.put(daily, {**ROW, "tenant_id": "other", "account_id": "OK", "end_market_value": 7})
    dollars = {**ROW, "account_id": "EUR", "end_market_value": 110}
    desk.put("marts.account_performance_reporting", dollars)
    for group, members in MEMBERS.items():
        carried = {"carried_members": 1, "carried_value": CARRIED[group]} if group in CARRIED else {}
        row = {**GROUP, "group_id": group, "end_market_value": VALUES[group], "members": len(members), **carried}
        desk.put("marts.group_performance_daily", row)
        for account in members:
            until = date(2026, 1, 2) if group == "left" else None
            member = {"tenant_id": "acme", "group_type": "household", "group_id": group, "account_id": account}
            desk.put("marts.group_member", {**member, "from_date": date(1900, 1, 1), "to_date": until})
    cash = {"type": "cash_roll", "item": "USD", "ours": 25, "theirs": 20}
    breaks = {"BRK": {}, "CASH": cash, "ACC": {"state": "accepted"}, "EUR": {}, "OK": {"state": "resolved"}}
    for account, columns in breaks.items():
        desk.put("marts.reconciliation_break", {**BREAK, "break_id": account, "account_id": account, **columns})
    flags = {
        "STALE": {"rule": "old_price"}, "FLAG": {"rule": "value_jump"},
        "REL": {"rule": "value_jump", "state": "released", "reason": "released by ann: known"},
        "OK": {"rule": "value_jump", "state": "released", "reason": "a later file corrects or explains it"},
    }  # fmt: skip
    for account, columns in flags.items():
        desk.put("marts.held_account", {**FLAG, "account_id": account, **columns})
    uncompared = {"tenant_id": "acme", "account_id": "UNC", "as_of_date": MONDAY, "is_uncompared": True}
    desk.put("marts.uncompared_day", {**uncompared, "run_id": "n1", "published_at": EVENING})
    desk.put("marts.assurance_rule", {"rule": "old_price", "kind": "stale"})
    yield desk
    admin.rollback()
    admin.autocommit = True


def test_every_account_has_its_shares_and_the_worst_word(desk: Desk) -> None:
    desk.publish("n1", EVENING, MONDAY)
    assert desk.accounts() == {
        "OK": ("unwatched", 0),  # nothing is known against it, but no rule looks for what stands still
        "BRK": ("unreconciled", 1),
        "CASH": ("unreconciled", 0.25),  # 25 of 100
        "EUR": ("unreconciled", 1),
        "UNC": ("unreconciled", 1),
        "STALE": ("stale", 1),
        "REL": ("overridden", 1),
        "ACC": ("overridden", 1),
        "FLAG": ("flagged", 0),
    }
    desk.admin.execute("UPDATE marts.run_control SET state = 'ran', reason = '' WHERE control = 'staleness'")
    assert desk.ask("SELECT tenant_id, assurance, reasons FROM marts.account_assurance WHERE account_id = 'OK'") == [
        ("acme", "verified", ""), ("other", "verified", ""),
    ]  # fmt: skip


def test_members_weigh_by_what_they_are_worth(desk: Desk) -> None:
    assert desk.publish("n1", EVENING, MONDAY) == len(MEMBERS)
    shares = "stale_share, break_share, carried_share, overridden_share, uncompared_share, assurance"
    assert desk.groups(shares) == {
        "accepted": (0, 0, 0, 1, 0, "overridden"),
        "carried": (0, 0, 0.5, 0, 0, "carried"),
        "cash": (0, 0.25, 0, 0, 0, "unreconciled"),
        "clean": (0, 0, 0, 0, 0, "unwatched"),
        "euro": (0, pytest.approx(110 / 610), 0, 0, 0, "unreconciled"),  # in the currency of the group
        "flagged": (0, 0, 0, 0, 0, "flagged"),
        "left": (0, 0, 0, 0, 0, "unwatched"),  # the member in break has left before
        "mixed": (0.2, 0.3, 0, 0, 0, "unreconciled"),
        "released": (0, 0, 0.25, 0.75, 0, "overridden"),
        "uncompared": (0, 0, 0, 0, pytest.approx(5 / 505), "unreconciled"),
    }
    assert desk.groups("reasons")["mixed"].endswith("1 member in break; 1 member stale")
    later = EVENING + timedelta(minutes=1)
    assert desk.publish("n1", later) == 0  # nothing has changed, and nothing is written


def test_an_acceptance_counts_for_the_account_at_once_and_for_its_groups_at_the_next_publication(desk: Desk) -> None:
    desk.publish("n1", EVENING, MONDAY)
    morning = EVENING + timedelta(hours=10)
    desk.admin.execute(
        "UPDATE marts.reconciliation_break SET state = 'accepted', published_at = %s WHERE break_id = 'BRK'", [morning]
    )
    assert desk.accounts()["BRK"] == ("overridden", 1)
    assert desk.groups()["mixed"] == "unreconciled"
    desk.steps("n2", TUESDAY, *STEPS)
    assert desk.publish("n2", morning + timedelta(hours=12)) == 1
    assert desk.groups("break_share, overridden_share, assurance")["mixed"] == (0, 0.3, "stale")
    assert desk.ask("SELECT DISTINCT published_at FROM marts.group_performance_daily") == [(EVENING,)]


def test_a_break_that_is_right_on_its_last_date_now_counts_for_groups_on_the_others_only(desk: Desk) -> None:
    desk.admin.execute(
        "UPDATE marts.reconciliation_break SET type = 'position_quantity', as_of_date = %s, through_date = %s"
        " WHERE break_id = 'BRK'",
        [FRIDAY, MONDAY],
    )
    desk.publish("n1", EVENING, MONDAY)
    assert desk.groups()["mixed"] == "unreconciled"
    tuesday = EVENING + timedelta(days=1)
    desk.steps("n2", TUESDAY, *STEPS)
    desk.admin.execute(
        "UPDATE marts.reconciliation_break SET through_date = %s, published_at = %s WHERE break_id = 'BRK'",
        [FRIDAY, tuesday],
    )
    desk.publish("n2", tuesday)
    assert desk.groups()["mixed"] == "stale"


def test_what_a_run_of_another_tenant_has_published_is_told_with_the_next_run_of_the_own(desk: Desk) -> None:
    """At 10:00 a break is accepted; at 11:00 a run of `other` publishes, also what a run that died has left of acme."""
    desk.publish("n1", EVENING, MONDAY)
    at_ten, at_eleven = EVENING + timedelta(hours=12), EVENING + timedelta(hours=13)
    desk.admin.execute(
        "UPDATE marts.reconciliation_break SET state = 'accepted', published_at = %s WHERE break_id = 'BRK'", [at_ten]
    )
    desk.steps("dead", TUESDAY, "detect", "ingest", "normalise", "check", "calculate")
    left = {**GROUP, "group_id": "clean", "as_of_date": TUESDAY, "end_market_value": 500, "run_id": "dead"}
    desk.put("marts.group_performance_daily", {**left, "published_at": at_eleven})
    desk.steps("n2", MONDAY, *STEPS)
    desk.admin.execute("UPDATE ops.run SET tenant = 'other' WHERE run_id = 'n2'")
    desk.publish("n2", at_eleven, TUESDAY, tenants=("other",))
    desk.steps("n3", TUESDAY, *STEPS)
    desk.put("ops.run_comparison", {"tenant_id": "acme", "run_id": "n3", "compared": 9})
    desk.publish("n3", EVENING + timedelta(hours=24))
    assert desk.groups("assurance")["mixed"] == "stale"
    tuesdays = "SELECT group_id, assurance FROM marts.group_assurance WHERE as_of_date = %s"
    assert desk.ask(tuesdays, TUESDAY) == [("clean", "unwatched")]


def test_no_warning_hides_a_control_that_did_not_run(desk: Desk) -> None:
    desk.admin.execute("DELETE FROM ops.step_run WHERE step = 'reconcile'")
    desk.publish("n1", EVENING, MONDAY)
    assert {word for word, _ in desk.accounts().values()} == {"unknown"}
    assert set(desk.groups().values()) == {"unknown"}
    [(reasons,)] = desk.ask(
        "SELECT reasons FROM marts.assured_performance_daily WHERE tenant_id = 'acme' AND account_id = 'FLAG'"
    )
    assert reasons.startswith("the reconciliation did not run; no rule looks for values")
    assert reasons.endswith("flagged value_jump")


def test_a_row_of_another_run_that_was_not_controlled_makes_its_group_unknown(desk: Desk) -> None:
    desk.admin.execute("UPDATE marts.account_performance_daily SET run_id = 'n0' WHERE account_id = 'FLAG'")
    desk.publish("n1", EVENING, MONDAY)
    assert desk.accounts()["FLAG"][0] == "unknown"
    assert {group for group, word in desk.groups().items() if word == "unknown"} == {"flagged"}


def test_nor_does_it_help_that_another_group_s_row_is_of_that_run(desk: Desk) -> None:
    for table, name in (("account", "FLAG"), ("group", "clean")):
        desk.admin.execute(f"UPDATE marts.{table}_performance_daily SET run_id = 'n0' WHERE {table}_id = '{name}'")
    desk.publish("n1", EVENING, MONDAY)
    assert {group for group, word in desk.groups().items() if word == "unknown"} == {"flagged", "clean"}


def test_a_warning_about_the_night_s_data_is_said_of_what_the_night_brought(desk: Desk) -> None:
    desk.put("marts.data_quality_result", MISSED, {**MISSED, "tenant_id": "other", "success": True})
    desk.publish("n1", EVENING, MONDAY)
    words = desk.ask("SELECT tenant_id, assurance, reasons FROM marts.account_assurance WHERE account_id = 'OK'")
    unwatched = "no rule looks for values of every account that stand still"
    assert words == [
        ("acme", "flagged", f"warned by the gate: row_count of v_prices; {unwatched}"),
        ("other", "unwatched", unwatched),
    ]
    assert desk.groups()["clean"] == "flagged"
    assert desk.groups()["cash"] == "unreconciled"


def restated(desk: Desk, account: str, group: str, at: datetime) -> None:
    """Run n2 looks at everything, warns of nothing, and brings one account and one of its groups anew."""
    watches = {
        "name": "stale", "measure": "stale_value", "limits": [{"unit": "days", "max": 5}], "severity": "warn",
        "reason": "stands still",
    }  # fmt: skip
    desk.steps("n2", TUESDAY, *STEPS)
    desk.put("ops.run_comparison", {"tenant_id": "acme", "run_id": "n2", "compared": 9})
    of_account = "UPDATE marts.account_performance_daily SET run_id = 'n2' WHERE account_id = %s"
    of_group = "UPDATE marts.group_performance_daily SET (run_id, published_at) = ('n2', %s) WHERE group_id = %s"
    desk.admin.execute(of_account, [account])
    desk.admin.execute(of_group, [at, group])
    desk.publish("n2", at, MONDAY, rules=Tolerances.model_validate({"rules": [watches]}))


def test_a_group_that_a_later_run_brings_keeps_the_warning_about_its_other_members(desk: Desk) -> None:
    """The member OK is restated; EUR is as it came on the night whose prices were too few."""
    desk.admin.execute("DELETE FROM marts.reconciliation_break")
    desk.put("marts.data_quality_result", MISSED)
    desk.publish("n1", EVENING, MONDAY)
    restated(desk, "OK", "euro", EVENING + timedelta(hours=12))
    assert desk.accounts()["OK"] == ("verified", 0)
    assert desk.groups("assurance, reasons")["euro"] == ("flagged", "1 member flagged")
    flag = {**FLAG, "account_id": "EUR", "rule": "value_jump", "published_at": EVENING + timedelta(hours=13)}
    desk.put("marts.held_account", flag)
    desk.publish("n2", EVENING + timedelta(hours=13))
    assert desk.groups("reasons")["euro"].endswith("1 member flagged")  # by both, and one member


def test_a_group_is_not_watched_where_another_member_is_not(desk: Desk) -> None:
    desk.admin.execute("DELETE FROM marts.reconciliation_break")
    desk.publish("n1", EVENING, MONDAY)
    restated(desk, "OK", "euro", EVENING + timedelta(hours=12))
    assert desk.groups("assurance, reasons")["euro"] == ("unwatched", "1 member unwatched")


def test_a_row_whose_restatement_waits_is_in_break_from_its_date_on(desk: Desk) -> None:
    desk.publish("n1", EVENING, MONDAY)
    morning = EVENING + timedelta(hours=10)
    waiting = {
        "tenant_id": "acme", "restatement_id": "r", "account_id": "OK", "epoch": 2, "from_date": MONDAY,
        "rows_changed": 3, "state": "waiting", "cause_kind": "correction", "cause": "a value", "run_id": "n2",
        "published_at": morning,
    }  # fmt: skip
    desk.put("marts.restatement", waiting)
    assert desk.accounts()["OK"] == ("unreconciled", 1)
    desk.steps("n2", TUESDAY, *STEPS)
    desk.publish("n2", morning)
    assert desk.groups("break_share, assurance")["clean"] == (1, "unreconciled")
    desk.admin.execute("UPDATE marts.restatement SET state = 'published'")
    assert desk.accounts()["OK"] == ("unwatched", 0)


def test_what_a_run_that_died_has_left_is_as_good_as_the_run_that_publishes_it(desk: Desk) -> None:
    desk.publish("n1", EVENING, MONDAY)
    desk.steps("dead", TUESDAY, "detect", "ingest", "normalise", "check", "calculate")
    row = {**ROW, "account_id": "OK", "end_market_value": 500, "as_of_date": TUESDAY, "run_id": "dead"}
    desk.put("marts.account_performance_daily", row)
    desk.steps("n2", TUESDAY, *STEPS)
    desk.put("ops.run_comparison", {"tenant_id": "acme", "run_id": "n2", "compared": 9})
    word = "SELECT assurance FROM marts.account_assurance WHERE account_id = 'OK' AND as_of_date = %s"
    assert desk.ask(word, TUESDAY) == [("unknown",)]
    desk.publish("n2", EVENING + timedelta(hours=24), TUESDAY)
    assert desk.ask(word, TUESDAY) == [("unwatched",)]
    controls = "SELECT count(*) FROM marts.run_control WHERE tenant_id = 'acme' AND run_id = %s"
    assert [desk.ask(controls, run_id) for run_id in ("n1", "dead", "n2")] == [[(4,)]] * 3


def test_figures_that_nobody_s_were_beside_are_not_verified(desk: Desk) -> None:
    desk.admin.execute("DELETE FROM ops.run_comparison WHERE tenant_id = 'acme'")
    desk.publish("n1", EVENING, MONDAY)
    assert desk.accounts()["OK"] == ("unreconciled", 1)
    assert desk.groups("uncompared_share, assurance")["clean"] == (1, "unreconciled")


def test_figures_that_come_later_are_beside_the_rows_that_had_none(desk: Desk) -> None:
    """Monday's run had no figures. On Tuesday those of OK and UNC come; OK's row then comes again without any."""
    desk.admin.execute("DELETE FROM ops.run_comparison WHERE tenant_id = 'acme'")
    desk.admin.execute("DELETE FROM marts.uncompared_day")
    desk.publish("n1", EVENING, MONDAY)
    assert desk.groups("uncompared_share, assurance")["clean"] == (1, "unreconciled")
    tuesday = EVENING + timedelta(days=1)
    compared = {"tenant_id": "acme", "as_of_date": MONDAY, "is_uncompared": False, "run_id": "n2"}
    for account in ("OK", "UNC"):
        desk.put("marts.uncompared_day", {**compared, "account_id": account, "published_at": tuesday})
    desk.steps("n2", TUESDAY, *STEPS)
    desk.publish("n2", tuesday)

    accounts = desk.accounts()
    assert (accounts["OK"], accounts["UNC"], accounts["FLAG"]) == (
        ("unwatched", 0), ("unwatched", 0), ("unreconciled", 1),
    )  # fmt: skip
    groups = desk.groups("uncompared_share, assurance, reasons")
    unwatched = (0, "unwatched", "no rule looks for values of every account that stand still")
    assert (groups["clean"], groups["uncompared"]) == (unwatched, unwatched)
    assert groups["mixed"][:2] == (0.5, "unreconciled")  # BRK's 300 and STALE's 200 of 1,000
    assert groups["mixed"][2].endswith("2 members compared with nobody")

    desk.admin.execute(
        "UPDATE marts.account_performance_daily SET published_at = %s WHERE account_id = 'OK' AND tenant_id = 'acme'",
        [tuesday + timedelta(days=1)],
    )
    assert desk.accounts()["OK"] == ("unreconciled", 1)


def test_a_period_is_as_good_as_the_worst_of_its_days(desk: Desk) -> None:
    """Against BRK something stands on Monday, nothing on Tuesday."""
    daily = "marts.account_performance_daily"
    desk.steps("n2", TUESDAY, *STEPS)
    desk.put("ops.run_comparison", {"tenant_id": "acme", "run_id": "n2", "compared": 9})
    later = EVENING + timedelta(hours=24)
    group = {**GROUP, "group_id": "mixed", "end_market_value": 1000, "as_of_date": TUESDAY, "run_id": "n2"}
    group["published_at"] = later
    desk.put("marts.group_performance_daily", group)
    for name in ("BRK", "OK"):
        desk.put(daily, {**ROW, "account_id": name, "end_market_value": 300, "as_of_date": TUESDAY, "run_id": "n2"})
    of_period = {"tenant_id": "acme", "as_of_date": TUESDAY, "status": "ok", **OF_RUN}
    for name, start in (("MTD", date(2026, 1, 2)), ("1Y", MONDAY), ("ITD", None)):
        period = {**of_period, "period": name, "start_date": start}
        desk.put("marts.account_performance_period", {**period, "account_id": "BRK"})
        desk.put("marts.group_performance_period", {**period, "group_type": "household", "group_id": "mixed"})
    risk = {**of_period, "account_id": "BRK", "window_name": "1Y", "frequency": "daily"}
    desk.put("marts.account_risk", risk)
    desk.publish("n1", EVENING, MONDAY)
    desk.publish("n2", later, TUESDAY)
    columns = "assurance, unverified_days, break_share"
    periods = desk.ask(f"SELECT period, {columns} FROM marts.assured_performance_period ORDER BY period")
    assert periods == [
        ("1Y", "unwatched", 1, 0),
        ("ITD", "unknown", None, None),
        ("MTD", "unreconciled", 2, 1),
    ]
    assert desk.ask(f"SELECT {columns} FROM marts.assured_risk") == [("unreconciled", 2, 1)]
    groups = desk.ask(f"SELECT period, {columns} FROM marts.assured_group_performance_period ORDER BY period")
    assert groups[1:] == [("ITD", "unknown", None, None), ("MTD", "unreconciled", 2, 0.3)]


def test_a_rule_of_one_tenant_watches_no_other_and_one_that_has_ended_nobody(desk: Desk) -> None:
    rule = {
        "name": "stale", "measure": "stale_value", "limits": [{"unit": "days", "max": 5}], "severity": "warn",
        "reason": "stands still", "tenant": "acme",
    }  # fmt: skip

    def watched(**more: Any) -> list[tuple[Any, ...]]:
        rules = Tolerances.model_validate({"rules": [{**rule, **more}]})
        publishing = assurance.Publishing("n1", MONDAY, EVENING + timedelta(days=90), ["acme", "other"])
        assurance.note_controls(desk.admin, publishing, rules)
        return desk.ask("SELECT tenant_id, state FROM marts.run_control WHERE control = 'staleness' ORDER BY 1")

    assert watched() == [("acme", "ran"), ("other", "not_asked")]
    nobody = [("acme", "not_asked"), ("other", "not_asked")]
    assert watched(valid_to="2025-12-31") == nobody
    # It was in force on the night, though the night is published later; and it leaves accounts of others out.
    assert watched(valid_to="2026-01-05") == [("acme", "ran"), ("other", "not_asked")]
    assert watched(vendor="canonical") == watched(measure="stale_price") == nobody


def test_what_was_published_before_is_unknown_and_what_is_gone_is_told_no_more(desk: Desk) -> None:
    rows = "SELECT DISTINCT assurance FROM marts.assured_group_performance_daily WHERE tenant_id = 'acme'"
    assert desk.ask(rows) == [("unknown",)]
    desk.publish("n1", EVENING, MONDAY)
    desk.admin.execute("DELETE FROM marts.group_performance_daily WHERE group_id = 'clean'")
    epoch = {"tenant_id": "acme", "group_type": "household", "group_id": "clean", "epoch": 2, "from_date": MONDAY}
    desk.put("stage.group_epoch", epoch)
    desk.publish("n1", EVENING + timedelta(minutes=1))
    assert "clean" not in desk.groups()


def test_an_analyst_sees_the_assurance_of_own_tenants_only(desk: Desk) -> None:
    desk.publish("n1", EVENING, MONDAY)
    desk.put("marts.group_assurance", {
        "tenant_id": "other", "group_type": "household", "group_id": "x", "as_of_date": MONDAY, "stale_share": 0,
        "break_share": 0, "carried_share": 0, "overridden_share": 0, "uncompared_share": 0, "assurance": "verified",
        "reasons": "", "run_id": "n1", "published_at": EVENING,
    })  # fmt: skip
    desk.put("marts.group_member", {
        "tenant_id": "other", "group_type": "household", "group_id": "x", "account_id": "OK",
        "from_date": MONDAY, "to_date": None,
    })  # fmt: skip
    for tenant in ("acme", "other"):
        of = {"tenant_id": tenant, "as_of_date": MONDAY, "status": "ok", **OF_RUN}
        desk.put("marts.account_performance_period", {**of, "account_id": "OK", "period": "MTD"})
        desk.put("marts.group_performance_period", {**of, "group_type": "household", "group_id": "x", "period": "MTD"})
        desk.put("marts.account_risk", {**of, "account_id": "OK", "window_name": "1Y", "frequency": "daily"})
    desk.admin.execute("SET SESSION AUTHORIZATION eve_of_acme")
    views = ["account_assurance", "account_exception", "assured_performance_daily", "assured_group_performance_daily",
             "assured_performance_period", "assured_group_performance_period", "assured_risk"]  # fmt: skip
    for name in ["run_control", "group_member", "group_assurance", "uncompared_day", *views]:
        assert desk.ask(f"SELECT DISTINCT tenant_id FROM marts.{name}") == [("acme",)], name
    with pytest.raises(psycopg.errors.InsufficientPrivilege), desk.admin.transaction():
        desk.admin.execute("DELETE FROM marts.group_assurance")
    desk.admin.execute("RESET SESSION AUTHORIZATION")


# May the night be read?


def came(
    desk: Desk, name: str, feed: str, night: date, status: str = "accepted", *, run: str = "night", **dates: date
) -> int:
    """A file of a vendor that a run of that night took; returns the run's number."""
    run_id = f"{run}-{night}"
    if not desk.ask("SELECT FROM ops.run WHERE run_id = %s", run_id):
        desk.steps(run_id, night, *STEPS)
    [(run_no,)] = desk.ask("SELECT run_no FROM ops.run WHERE run_id = %s", run_id)
    [(arrival_no,)] = desk.ask("SELECT coalesce(max(arrival_no), 0) + 1 FROM ops.file")
    desk.put("ops.file", {
        "file_id": f"{name}-{run_no}", "tenant_id": "acme", "path": f"acme/{name}-{run_no}", "size_bytes": 1,
        "modified_at": EVENING, "status": status, "vendor": "custodian", "feed": feed, "run_no": run_no,
        "arrival_no": arrival_no, **dates,
    })  # fmt: skip
    return run_no


def counted(desk: Desk, feed: str, run_no: int, rows: int, *, success: bool, rule: str = "row_count") -> None:
    """What the gate found of the number of rows of a feed."""
    desk.put("marts.data_quality_result", {
        "tenant_id": "acme", "vendor": "custodian", "feed": feed, "table_name": "valuation", "rule": rule,
        "column_name": "", "severity": "warn", "success": success, "observed": rows, "expected_value": "as usual",
        "rows_checked": rows, "rows_failed": 0, "run_no": run_no, "run_id": "n", "business_date": MONDAY,
        "published_at": EVENING,
    })  # fmt: skip


def readable(desk: Desk, run_id: str = f"night-{MONDAY}") -> tuple[bool, str]:
    write_night_status(desk.admin, ["acme"], MONDAY, run_id, EVENING, row_counts=["row_count"])
    [row] = desk.ask("SELECT may_read, reason FROM marts.night_status WHERE business_date = %s", MONDAY)
    return row


def test_a_night_may_be_read_where_nothing_is_known_against_it(desk: Desk) -> None:
    for night in (date(2025, 12, 30), date(2025, 12, 31), date(2026, 1, 2), MONDAY):
        came(desk, "values", "valuations", night)
    came(desk, "accounts", "accounts", date(2025, 12, 30))  # once: not missed tonight
    assert readable(desk) == (True, "")
    desk.steps("again", MONDAY, "publish")
    assert readable(desk, "again") == (True, "")  # publishing again changes nothing
    desk.steps("half", MONDAY, "calculate", "publish")
    assert readable(desk, "half") == (False, "did not run: detect, ingest, normalise, check, reconcile")


def test_what_a_night_lacks_is_said(desk: Desk) -> None:
    for night in (date(2025, 12, 31), date(2026, 1, 2)):
        for feed in ("valuations", "positions", "trades", "prices"):
            came(desk, feed, feed, night)
    came(desk, "values", "valuations", MONDAY)
    came(desk, "trades", "trades", MONDAY, "withheld")
    came(desk, "prices", "prices", MONDAY, "refused")
    desk.put("marts.held_account", {**FLAG, "account_id": "OK", "rule": "jump", "state": "held", "severity": "hold"})
    assert readable(desk) == (
        False, "not received: positions; withheld by the gate: trades; refused: prices; 1 account withheld"
    )  # fmt: skip
    desk.admin.execute("DELETE FROM marts.account_performance_daily")
    assert "no account has a row of the date" in readable(desk)[1]


def test_an_empty_or_cut_delivery_is_no_night_to_read(desk: Desk) -> None:
    """A file of a header alone is accepted and has no date, so only the number of its rows tells."""
    night = came(desk, "values", "valuations", MONDAY)
    came(desk, "trades", "trades", MONDAY)
    counted(desk, "trades", night, 12, success=True)
    counted(desk, "valuations", night, 0, success=False, rule="of_another_measure")
    assert readable(desk) == (True, "")
    counted(desk, "valuations", night, 0, success=False)
    assert readable(desk) == (False, "unusual number of rows: valuations")
    again = came(desk, "values", "valuations", MONDAY, run="again")
    counted(desk, "valuations", again, 1000, success=True)
    assert readable(desk) == (True, "")
    corrections = came(desk, "values", "valuations", MONDAY, run="corrections")
    counted(desk, "valuations", corrections, 5, success=False)
    assert readable(desk) == (True, "")


def test_what_came_on_its_own_evening_counts_for_its_night(desk: Desk) -> None:
    desk.steps(f"night-{MONDAY}", MONDAY, *STEPS)  # it found nothing new
    evening = came(desk, "values", "valuations", date(2026, 1, 2), first_date=MONDAY, last_date=MONDAY)
    assert readable(desk) == (True, "")
    counted(desk, "valuations", evening, 300, success=False)
    assert readable(desk) == (False, "unusual number of rows: valuations")


def test_a_warning_about_what_came_on_its_own_evening_is_said_of_its_night(desk: Desk) -> None:
    """On Tuesday evening a run of Monday takes Tuesday's valuations; the run of Tuesday has no file left to look at."""
    desk.publish("n1", EVENING, MONDAY)
    evening = came(desk, "values", "valuations", MONDAY, run="evening", first_date=TUESDAY, last_date=TUESDAY)
    older = came(desk, "trades", "trades", MONDAY, run="evening", first_date=MONDAY, last_date=MONDAY)
    counted(desk, "valuations", evening, 300, success=False)
    counted(desk, "trades", older, 3, success=False)
    desk.publish(f"evening-{MONDAY}", EVENING + timedelta(hours=20))
    tuesday = {**ROW, "end_market_value": 500, "as_of_date": TUESDAY}
    for place, (run_id, account) in enumerate([("night", "OK"), ("correction", "FLAG")]):
        desk.steps(run_id, TUESDAY, *STEPS)
        desk.put("ops.run_comparison", {"tenant_id": "acme", "run_id": run_id, "compared": 9})
        desk.put("marts.account_performance_daily", {**tuesday, "account_id": account, "run_id": run_id})
        desk.publish(run_id, EVENING + timedelta(hours=24 + place), TUESDAY)
    word = (
        "SELECT account_id, assurance, split_part(reasons, ';', 1) FROM marts.account_assurance"
        " WHERE as_of_date = %s ORDER BY 1"
    )
    assert desk.ask(word, TUESDAY) == [
        ("FLAG", "unwatched", "no rule looks for values of every account that stand still"),
        ("OK", "flagged", "warned by the gate: row_count of valuations"),
    ]
