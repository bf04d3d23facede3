"""Which run carries a person's decision about an account number: one that has written nothing yet, and once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from jobs.platform import account_decisions

pytestmark = pytest.mark.system

DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """With accounts OLD and X, and three proposals that wait; rolled back at the end."""
    with psycopg.connect(database_url) as opened:
        for account in ("OLD", "X"):
            opened.execute(
                "INSERT INTO marts.account (tenant_id, account_id, in_performance, effective_from, source_vendor,"
                " published_at) VALUES ('acme', %s, true, '1900-01-01', 'canonical', %s)",
                [account, NOON],
            )
        for name, kind, account in (("p1", "renumbered", "OLD"), ("p2", "new", None), ("p3", "new", None)):
            opened.execute(
                "INSERT INTO marts.account_proposal (tenant_id, proposal_id, kind, source_vendor, account_number,"
                " account_id, from_date, confidence, reasons, state, first_seen_on, last_seen_on, run_id, published_at)"
                " VALUES ('acme', %s, %s, 'bank', %s, %s, %s, 0.9, 'same name', 'open', %s, %s, 'r', %s)",
                [name, kind, f"number of {name}", account, DAY, DAY, DAY, NOON],
            )
        yield opened
        opened.rollback()


def decide(connection: psycopg.Connection, proposal: str, decision: str, **given: Any) -> None:
    row = {"tenant_id": "acme", "proposal_id": proposal, "decision": decision, "why": "a letter", **given}
    connection.execute(
        f"INSERT INTO ops.account_decision ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
        list(row.values()),
    )


def test_a_decision_is_the_logins_own_and_changes_the_proposal_at_once(connection: psycopg.Connection) -> None:
    decide(connection, "p1", "accept", decided_by="somebody else", account_number="another", confidence=1)
    [told] = account_decisions.accepted(connection)
    assert (told.vendor, told.account_number, told.account_id, told.from_date) == ("bank", "number of p1", "OLD", DAY)
    login = connection.execute("SELECT session_user::text").fetchone()
    assert login == (told.decided_by,)
    found = connection.execute("SELECT state, why FROM marts.account_proposal WHERE proposal_id = 'p1'").fetchone()
    assert found == ("accepted", "a letter")


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"proposal": "p9", "decision": "accept"}, "there is no proposal 'p9'"),
        ({"proposal": "p1", "decision": "accept", "why": "  "}, "a decision needs a reason"),
        ({"proposal": "p2", "decision": "accept"}, "names no account of ours"),
        ({"proposal": "p2", "decision": "accept", "account_id": "Y"}, "tenant 'acme' has no account 'Y'"),
    ],
)
def test_what_is_no_decision_is_refused(connection: psycopg.Connection, given: dict[str, Any], refusal: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match=refusal):
        decide(connection, **given)


def test_a_decision_is_final(connection: psycopg.Connection) -> None:
    decide(connection, "p1", "reject")
    with pytest.raises(psycopg.errors.RaiseException, match="is not open: it is rejected"):
        decide(connection, "p1", "accept")


def test_the_record_cannot_be_changed(connection: psycopg.Connection) -> None:
    decide(connection, "p1", "reject")
    with pytest.raises(psycopg.errors.RaiseException, match="is a record"):
        connection.execute("DELETE FROM ops.account_decision")


def test_what_is_rejected_and_what_is_named_otherwise(connection: psycopg.Connection) -> None:
    decide(connection, "p1", "reject")
    decide(connection, "p2", "accept", account_id="X", from_date=date(2026, 3, 1))
    [accepted] = account_decisions.accepted(connection)
    assert (accepted.account_id, accepted.from_date) == ("X", date(2026, 3, 1))
    [rejected] = account_decisions.rejected(connection)
    assert (rejected.account_number, rejected.account_id) == ("number of p1", "OLD")


def test_a_run_carries_decisions_once_and_only_before_it_has_written(connection: psycopg.Connection) -> None:
    def due(run_no: int, tenant: str | None = None) -> list[str]:
        return [one.proposal_id for one in account_decisions.due(connection, run_no, tenant)]

    decide(connection, "p1", "accept")
    decide(connection, "p3", "reject")
    assert due(7) == ["p1", "p3"]
    assert due(7, "another") == []
    account_decisions.taken_up(connection, account_decisions.due(connection, 7, None), 7)
    assert [one.proposal_id for one in account_decisions.taken_by(connection, 7)] == ["p1", "p3"]
    decide(connection, "p2", "accept", account_id="X")
    assert due(7) == []  # what it has written would be replaced
    assert due(8) == ["p2"]
    connection.execute(
        "INSERT INTO ops.file (file_id, tenant_id, path, size_bytes, modified_at, status, run_no, arrival_no, records)"
        " VALUES ('f', 'acme', 'acme/f.csv', 1, now(), 'normalised', 8, nextval('ops.arrival_no'), 3)"
    )
    assert due(8) == []
    assert due(9) == ["p2"]
