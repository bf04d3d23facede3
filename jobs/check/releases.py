"""Releases of held accounts by a person: recorded in Postgres, taken up by the next run's check."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

BY_PERSON = "released by "  # how the reason of a finding begins that somebody has let through


@dataclass(frozen=True)
class Release:
    """One account that somebody let through: by which login of the database, why, and which run was the last that was
    published then (None: not known)."""

    tenant_id: str
    account_id: str
    released_by: str
    why: str
    seen_run_no: int | None = None

    @property
    def in_words(self) -> str:
        return f"{BY_PERSON}{self.released_by}: {self.why}"


def record(connection: psycopg.Connection, tenant_id: str, account_id: str, why: str) -> None:
    """Enter a release under the connection's login."""
    connection.execute(
        "INSERT INTO ops.hold_release (tenant_id, account_id, why, seen_run_no) SELECT %s, %s, %s, max(r.run_no)"
        " FROM ops.publication JOIN ops.run r USING (run_id)",
        [tenant_id, account_id, why],
    )


def due(connection: psycopg.Connection, run_no: int, tenant: str | None) -> list[Release]:
    """The releases that this run lets through: those that none has taken up, and those that an earlier attempt of it
    has; of several for one account the last."""
    found = connection.execute(
        "SELECT DISTINCT ON (tenant_id, account_id) tenant_id, account_id, released_by, why, seen_run_no"
        " FROM ops.hold_release"
        " WHERE (run_no IS NULL OR run_no = %(run_no)s) AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s)"
        " ORDER BY tenant_id, account_id, released_at DESC",
        {"run_no": run_no, "tenant": tenant},
    )
    return [Release(*row) for row in found]


def taken_up(connection: psycopg.Connection, releases: list[Release], run_no: int) -> None:
    """Remember that the run has let these accounts through."""
    for one in releases:
        connection.execute(
            "UPDATE ops.hold_release SET run_no = %s WHERE (tenant_id, account_id) = (%s, %s) AND run_no IS NULL",
            [run_no, one.tenant_id, one.account_id],
        )
