"""Decisions of persons about vendors' account numbers: recorded in Postgres, carried into the lake by the next run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import psycopg
from psycopg.rows import class_row

DECISION = (
    "d.tenant_id, d.decision_no, d.proposal_id, d.decision, d.source_vendor AS vendor, d.account_number, d.account_id,"
    " d.from_date, d.decided_by::text, d.why"
)


@dataclass(frozen=True)
class Decision:
    """A row of ops.account_decision: `vendor` calls `account_id` by `account_number` from `from_date` on, or not."""

    tenant_id: str
    decision_no: int
    proposal_id: str
    decision: Literal["accept", "reject"]
    vendor: str
    account_number: str
    account_id: str | None
    from_date: date
    decided_by: str
    why: str


def accepted(connection: psycopg.Connection) -> list[Decision]:
    """Which account each number was accepted to be; of several decisions on a number the last."""
    return _asked(
        connection,
        f"SELECT DISTINCT ON (tenant_id, source_vendor, account_number) {DECISION}"  # noqa: S608
        " FROM ops.account_decision d WHERE decision = 'accept'"
        " ORDER BY tenant_id, source_vendor, account_number, decision_no DESC",
        {},
    )


def due(connection: psycopg.Connection, run_no: int, tenant: str | None) -> list[Decision]:
    """The decisions that no run has carried into the lake and this one can, in their order.

    A run that has normalised files, or taken waiting rows through, has written its slices of the tables: it carries
    nothing any more, since what it wrote would take their place. The next run does.
    """
    return _asked(
        connection,
        f"SELECT {DECISION} FROM ops.account_decision d LEFT JOIN ops.account_decision_taken t"  # noqa: S608
        " USING (tenant_id, decision_no) WHERE t.run_no IS NULL"
        " AND (%(tenant)s::text IS NULL OR d.tenant_id = %(tenant)s)"
        " AND NOT EXISTS (SELECT FROM ops.file f WHERE f.run_no = %(run_no)s AND f.records IS NOT NULL)"
        " AND NOT EXISTS (SELECT FROM ops.replay r WHERE r.run_no = %(run_no)s)"
        " AND NOT EXISTS (SELECT FROM ops.account_decision_taken o WHERE o.run_no = %(run_no)s)"
        " ORDER BY d.decision_no",
        {"run_no": run_no, "tenant": tenant},
    )


def taken_up(connection: psycopg.Connection, decisions: list[Decision], run_no: int) -> None:
    """Remember that the run has carried them into the lake."""
    for one in decisions:
        connection.execute(
            "INSERT INTO ops.account_decision_taken VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [one.tenant_id, one.decision_no, run_no],
        )


def taken_by(connection: psycopg.Connection, run_no: int, *, since: int | None = None) -> list[Decision]:
    """What the run has carried into the lake, with `since` also what runs before it from that one on have."""
    return _asked(
        connection,
        f"SELECT {DECISION} FROM ops.account_decision d JOIN ops.account_decision_taken t"  # noqa: S608
        " USING (tenant_id, decision_no) WHERE t.run_no BETWEEN %(since)s AND %(run_no)s ORDER BY d.decision_no",
        {"run_no": run_no, "since": run_no if since is None else since},
    )


def rejected(connection: psycopg.Connection) -> list[Decision]:
    """What is not to be proposed again: rejected, and not accepted since."""
    return _asked(
        connection,
        f"SELECT DISTINCT ON (tenant_id, proposal_id) {DECISION} FROM ops.account_decision d"  # noqa: S608
        " WHERE decision = 'reject' ORDER BY tenant_id, proposal_id, decision_no DESC",
        {},
    )


def _asked(connection: psycopg.Connection, query: str, values: dict[str, object]) -> list[Decision]:
    with connection.cursor(row_factory=class_row(Decision)) as cursor:
        return cursor.execute(query, values).fetchall()
