"""Closed periods in the database: what was reported stays, the bridge adds up, and who closed cannot open again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.platform.database import PUBLISH_LOCK
from jobs.publish.visible import ONE_PUBLISHER

FIRST = date(2026, 1, 1)
MONEY = ["end_market_value", "net_flow", "fees", "gain_loss"]
RETURNS = ["twrr_daily", "twrr_mtd", "twrr_qtd", "twrr_ytd", "twrr_itd"]
FIGURES = [*MONEY, *[f"{name}_bp" for name in RETURNS]]


class Books:
    """Publications of one tenant as SQL, each at a moment of its own: what `publish` does, without Spark."""

    def __init__(self, admin: psycopg.Connection, tenant: str = "acme") -> None:
        self.admin, self.tenant = admin, tenant
        self.epochs: dict[str, int] = {}

    def publish(self, account: str, rows: dict[int, float], *, since: int | None = None) -> None:
        """Rows by day of January; `since` restates the account from that day on, in its next epoch."""
        self.epochs[account] = self.epochs.get(account, 1) + (since is not None)
        epoch = self.epochs[account]
        (now,) = self.one("SELECT clock_timestamp()")
        if since is not None:
            (columns,) = self.one(
                "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attnum > 0"
                " AND attrelid = 'marts.account_performance_daily'::regclass"
            )
            self.admin.execute(
                "WITH gone AS (DELETE FROM marts.account_performance_daily WHERE (tenant_id, account_id) = (%s, %s)"
                " AND as_of_date >= %s RETURNING *) INSERT INTO history.account_performance_daily"
                f" ({columns}, known_from, known_to) SELECT {columns}, published_at, %s FROM gone",
                [self.tenant, account, day(since), now],
            )
            self.admin.execute(
                "INSERT INTO marts.restatement (tenant_id, restatement_id, account_id, epoch, from_date, last_date,"
                " rows_changed, state, cause_kind, file_id, line_no, cause, run_id, published_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, 1, 'published', 'valuation', %s, 7, %s, 'r', %s)",
                [
                    self.tenant,
                    f"{self.tenant}/account/{account}/{epoch}",
                    account,
                    epoch,
                    day(since),
                    day(31),
                    f"f{epoch}",
                    f"late file {epoch}",
                    now,
                ],
            )
        for number, value in rows.items():
            figures = [Decimal(value).quantize(Decimal("1e-8"))] * len(MONEY) + [value / 7] * len(RETURNS)
            self.admin.execute(
                f"INSERT INTO marts.account_performance_daily (tenant_id, account_id, as_of_date, currency,"
                f" {', '.join(MONEY + RETURNS)}, status, quality_flags, epoch, run_id, published_at)"
                f" VALUES (%s, %s, %s, 'USD', {', '.join(['%s'] * len(figures))}, 'ok', '', %s, 'r', %s)",
                [self.tenant, account, day(number), *figures, epoch, now],
            )

    def published_through(self, number: int) -> None:
        self.admin.execute("INSERT INTO ops.tenant_progress VALUES (%s, %s, 1)", [self.tenant, day(number)])

    def one(self, query: str, values: list[Any] | None = None) -> tuple[Any, ...]:
        row = self.admin.execute(query, values).fetchone()
        assert row is not None
        return row

    def current(self, through: int) -> list[tuple[Any, ...]]:
        return self.admin.execute(
            f"SELECT account_id, as_of_date, {', '.join(MONEY + RETURNS)} FROM marts.account_performance_daily"
            " WHERE as_of_date <= %s ORDER BY 1, 2",
            [day(through)],
        ).fetchall()

    def official(self) -> list[tuple[Any, ...]]:
        return self.admin.execute(
            f"SELECT account_id, as_of_date, {', '.join(MONEY + RETURNS)} FROM marts.official_performance_daily"
            " ORDER BY 1, 2"
        ).fetchall()

    def close(self, through: int, *, event: str = "close", why: str = "") -> None:
        self.admin.execute(
            "INSERT INTO marts.period_closing (tenant_id, event, through_date, why) VALUES (%s, %s, %s, %s)",
            [self.tenant, event, day(through), why],
        )


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


@pytest.fixture(scope="module")
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    """The superuser, in whose database January is one partition; two controllers may act as the loader."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE marts.january PARTITION OF marts.account_performance_daily"
            f" FOR VALUES FROM ('{day(1)}') TO ('{day(32)}')"
        )
        for login, role in (("ann", "dietz_loader"), ("bob", "dietz_loader"), ("eve", "dietz_analyst")):
            connection.execute(f"CREATE ROLE {login} LOGIN IN ROLE {role}")
        connection.execute("INSERT INTO security.tenant_member VALUES ('eve', 'acme')")
        yield connection
        for login in ("ann", "bob", "eve"):
            connection.execute(f"DROP OWNED BY {login}")
            connection.execute(f"DROP ROLE {login}")


@pytest.fixture
def books(admin: psycopg.Connection) -> Iterator[Books]:
    """An empty tenant; the test's transaction is rolled back, since a closing can never be deleted."""
    admin.autocommit = False
    yield Books(admin)
    admin.rollback()
    admin.autocommit = True


def acts_as(books: Books, login: str) -> None:
    """What connecting as `login` gives, without leaving the test's transaction."""
    books.admin.execute(f"SET SESSION AUTHORIZATION {login}")
    if login in ("ann", "bob"):
        books.admin.execute("SET ROLE dietz_loader")


def refused(books: Books, statement: str, *values: Any) -> str:
    with pytest.raises(psycopg.errors.RaiseException) as failure, books.admin.transaction():
        books.admin.execute(statement, list(values))
    return str(failure.value.diag.message_primary)


CLOSE = "INSERT INTO marts.period_closing (tenant_id, event, through_date, why) VALUES ('acme', %s, %s, %s)"


def test_a_late_correction_leaves_the_official_figures_and_the_bridge_names_it(books: Books) -> None:
    books.publish("A", {1: 10, 2: 20, 3: 30})
    books.publish("B", {1: 5})
    books.published_through(3)
    books.close(2)
    reported = books.official()
    assert reported == books.current(2)
    books.publish("A", {2: 21, 3: 31}, since=2)
    books.publish("B", {2: 6})  # a date that was late, and restates nothing
    assert books.official() == reported
    assert books.admin.execute(
        "SELECT account_id, as_of_date, item, cause, file_id, line_no, restatement_id, end_market_value, twrr_ytd_bp"
        " FROM marts.official_bridge WHERE (account_id, as_of_date) <> ('B', %s) AND as_of_date > %s"
        " OR item = 'correction' ORDER BY account_id, as_of_date, known_at, item",
        [day(1), day(1)],
    ).fetchall() == [
        ("A", day(2), "official", None, None, None, None, 20, 10000 * (20 / 7)),
        ("A", day(2), "correction", "late file 2", "f2", 7, "acme/account/A/2", 1, pytest.approx(1e4 / 7)),
        ("A", day(2), "current", None, None, None, None, 21, 10000 * (21 / 7)),
        ("B", day(2), "correction", "first published after the closing, by run r", None, None, None, 6,
         pytest.approx(6e4 / 7)),
        ("B", day(2), "current", None, None, None, None, 6, 10000 * (6 / 7)),
    ]  # fmt: skip


values = st.floats(-1e6, 1e6).map(lambda value: round(value, 4))
publications = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.integers(1, 5),
        st.dictionaries(st.integers(1, 5), values, max_size=5),
    ),
    max_size=4,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=publications, after=publications, through=st.integers(1, 5))
def test_official_and_corrections_are_the_current_figures(
    books: Books, before: list[Any], after: list[Any], through: int
) -> None:
    """Also where rows are withdrawn, come back, or are late; every correction but a late row has its restatement."""

    def restate(one: tuple[str, int, dict[int, float]]) -> None:
        account, since, rows = one
        books.publish(account, {number: value for number, value in rows.items() if number >= since}, since=since)

    with books.admin.transaction(force_rollback=True):
        books.epochs.clear()
        books.publish("A", {1: 1, 2: 2, 3: 3})
        for one in before:
            restate(one)
        books.published_through(5)
        books.close(through)
        reported = books.official()
        assert reported == books.current(through)
        for one in after:
            restate(one)
        assert books.official() == reported
        bridge = books.admin.execute(
            f"SELECT account_id, as_of_date, item, {', '.join(FIGURES)} FROM marts.official_bridge ORDER BY 1, 2"
        ).fetchall()
        for item, kept in (("official", reported), ("current", books.current(through))):
            assert [(row[0], row[1], row[3]) for row in bridge if row[2] == item] == [row[:3] for row in kept]
        for account, on in {(row[0], row[1]) for row in bridge}:
            items = [row for row in bridge if (row[0], row[1]) == (account, on)]
            for place, name in enumerate(FIGURES, start=3):
                current = sum(row[place] for row in items if row[2] == "current")
                bridged = sum(row[place] for row in items if row[2] != "current")
                # To 1e-12 of the largest of what is added up: corrections may be larger than what comes of them.
                largest = max(abs(float(row[place])) for row in items)
                close = pytest.approx(float(current), abs=1e-12 * max(1e4, largest), rel=0)
                assert bridged == (current if name in MONEY else close)
        assert {
            row[0]
            for row in books.admin.execute("SELECT cause_kind FROM marts.official_bridge WHERE item = 'correction'")
        } <= {"valuation"}


def test_later_periods_close_apart_and_the_last_is_reopened_first(books: Books) -> None:
    books.publish("A", {1: 10, 2: 20})
    books.published_through(2)
    acts_as(books, "ann")
    books.close(1, why="January report")
    books.close(2)
    books.admin.execute("RESET SESSION AUTHORIZATION")
    books.publish("A", {1: 11, 2: 22}, since=1)
    assert [row[2] for row in books.official()] == [10, 20]
    acts_as(books, "bob")
    assert refused(books, CLOSE, "reopen", day(1), "wrong") == (
        f"the period of tenant 'acme' closed last ends on {day(2)}: reopen that one first"
    )
    books.close(2, event="reopen", why="a fee was missing")
    books.admin.execute("RESET SESSION AUTHORIZATION")
    assert [row[2] for row in books.official()] == [10]
    books.close(2)
    assert [row[2] for row in books.official()] == [10, 22]
    assert books.admin.execute(
        "SELECT event, through_date, login, why FROM marts.period_closing ORDER BY closing_no"
    ).fetchall() == [
        ("close", day(1), "ann", "January report"),
        ("close", day(2), "ann", ""),
        ("reopen", day(2), "bob", "a fee was missing"),
        ("close", day(2), "postgres", ""),
    ]


def test_period_and_risk_figures_are_kept_when_their_period_is_closed(books: Books) -> None:
    books.publish("A", {1: 10, 2: 20})
    books.published_through(2)
    for tenant, number in (("acme", 1), ("acme", 2), ("zeta", 1)):
        books.admin.execute(
            "INSERT INTO marts.account_performance_period (tenant_id, account_id, as_of_date, period, mwr, status,"
            " epoch, run_id, published_at) VALUES (%s, 'A', %s, 'YTD', %s, 'ok', 1, 'r', now())",
            [tenant, day(number), number / 10],
        )
    acts_as(books, "ann")
    books.close(1)
    books.admin.execute("RESET SESSION AUTHORIZATION")
    books.admin.execute("UPDATE marts.account_performance_period SET mwr = 9")
    official = "SELECT tenant_id, as_of_date, mwr FROM marts.official_performance_period"
    assert books.admin.execute(official).fetchall() == [("acme", day(1), 0.1)]
    books.close(1, event="reopen", why="late fees")
    assert books.admin.execute(official).fetchall() == []
    books.close(2)
    assert books.admin.execute(f"{official} ORDER BY 2").fetchall() == [("acme", day(1), 9), ("acme", day(2), 9)]


def test_the_rules_of_closing(books: Books) -> None:
    assert (
        refused(books, CLOSE, "close", day(1), "") == "nothing of tenant 'acme' is published: there is nothing to close"
    )
    books.published_through(2)
    assert refused(books, CLOSE, "reopen", day(1), "why") == "no period of tenant 'acme' is closed"
    assert "published through 2026-01-02: it cannot be closed through" in refused(books, CLOSE, "close", day(3), "")
    acts_as(books, "ann")
    books.close(2)
    assert refused(books, CLOSE, "close", day(2), "") == f"tenant 'acme' is closed through {day(2)} already"
    assert refused(books, CLOSE, "reopen", day(2), " ") == "reopening a period needs a reason"
    same = "login 'ann' closed the period: another login must reopen it"
    assert refused(books, CLOSE, "reopen", day(2), "mine") == same
    record = "marts.period_closing is a record: rows are added, never changed or removed"
    for change in ("UPDATE marts.period_closing SET login = 'bob'", "DELETE FROM marts.period_closing",
                   "TRUNCATE marts.period_closing CASCADE"):  # fmt: skip
        assert refused(books, change) == record
    # A login and a time of one's own choice are not taken over.
    books.admin.execute("RESET SESSION AUTHORIZATION")
    acts_as(books, "bob")
    books.admin.execute(
        "INSERT INTO marts.period_closing (tenant_id, event, through_date, login, at, why)"
        " VALUES ('acme', 'reopen', %s, 'ann', '1999-01-01', 'x')",
        [day(2)],
    )
    entered = books.one("SELECT login, at > '2020-01-01' FROM marts.period_closing WHERE event = 'reopen'")
    assert entered == ("bob", True)


APPROVE = "INSERT INTO ops.restatement_approval (tenant_id, restatement_id, why) VALUES ('acme', %s, %s)"


def test_an_approval_is_recorded_and_refused_to_the_login_that_closed(books: Books) -> None:
    books.publish("A", {1: 10, 2: 20})
    books.published_through(2)
    books.publish("A", {2: 21}, since=2)
    name = "acme/account/A/2"
    assert refused(books, APPROVE, name, "fine") == f"restatement '{name}' does not wait: it is published"
    books.admin.execute("UPDATE marts.restatement SET state = 'waiting', materiality = 'critical'")
    acts_as(books, "ann")
    books.close(2)
    assert refused(books, APPROVE, "acme/account/X/2", "fine") == "there is no restatement 'acme/account/X/2'"
    assert refused(books, APPROVE, name, " ") == "an approval needs a reason"
    assert refused(books, APPROVE, name, "fine") == (
        f"login 'ann' closed the period through {day(2)}, which it reaches into: another login must approve it"
    )
    books.admin.execute("RESET SESSION AUTHORIZATION")
    acts_as(books, "bob")
    books.admin.execute(APPROVE, [name, "checked with the custodian"])
    assert books.one("SELECT approved_by, materiality, why FROM ops.restatement_approval") == (
        "bob", "critical", "checked with the custodian",
    )  # fmt: skip
    assert books.one("SELECT state FROM marts.restatement") == ("approved",)
    assert refused(books, "DELETE FROM ops.restatement_approval").startswith("ops.restatement_approval is a record")


def test_an_analyst_sees_the_own_tenant_s_only(books: Books) -> None:
    for tenant in ("acme", "zeta"):
        other = Books(books.admin, tenant)
        other.publish("A", {1: 10})
        other.published_through(1)
        books.admin.execute(
            "INSERT INTO marts.account_risk (tenant_id, account_id, as_of_date, window_name, frequency, status, epoch,"
            " run_id, published_at) VALUES (%s, 'A', %s, 'ITD', 'monthly', 'ok', 1, 'r', now())",
            [tenant, day(1)],
        )
        other.close(1)
        other.publish("A", {1: 11}, since=1)
    acts_as(books, "eve")
    for relation in (
        "marts.official_performance_daily", "marts.official_bridge", "marts.period_closing", "marts.closed_period",
        "marts.restatement", "marts.official_risk", "history.closed_account_risk",
        "marts.account_performance_as_known('infinity')",
    ):  # fmt: skip
        found = books.admin.execute(f"SELECT DISTINCT tenant_id FROM {relation}").fetchall()
        assert found == [("acme",)], relation
    for closed in (CLOSE.replace("%s", "NULL"), "SELECT FROM ops.restatement_approval"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), books.admin.transaction():
            books.admin.execute(closed)


def test_closing_waits_for_a_publication_under_way() -> None:
    """The triggers name the lock by its number."""
    assert ONE_PUBLISHER == PUBLISH_LOCK + 1 == 1886740993
