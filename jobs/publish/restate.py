"""Rows that go by key: under the epoch fence, the rows they replace kept in history; and small tables by upsert."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql

from jobs.publish.binary_copy import column_types
from jobs.publish.partitions import Target, named
from jobs.publish.small import Small

ACCOUNT = "a.tenant_id = e.tenant_id AND a.account_id = e.account_id"


def drop_superseded(connection: psycopg.Connection, staging: str, epochs: str) -> int:
    """Delete staged rows that a later epoch of their account supersedes, published (ops.account_epoch) or staged.

    Returns their number. A row of an older epoch never comes back, also where the newer one has no row for its date.
    """
    statement = sql.SQL(
        "DELETE FROM {} a USING (SELECT tenant_id, account_id, epoch, from_date FROM ops.account_epoch"
        " UNION SELECT tenant_id, account_id, epoch, from_date FROM {}) e"
        " WHERE a.tenant_id = e.tenant_id AND a.account_id = e.account_id AND a.as_of_date >= e.from_date"
        " AND a.epoch < e.epoch"
    )
    # A row of two later epochs is deleted once, so the count is of rows.
    return connection.execute(statement.format(named(staging), named(epochs))).rowcount


def drop_held(connection: psycopg.Connection, staging: str, holds: str) -> list[tuple[str, str]]:
    """Delete staged rows of accounts from the day on from which they are held. Returns those accounts."""
    statement = sql.SQL(
        "WITH gone AS (DELETE FROM {} a USING {} e WHERE a.tenant_id = e.tenant_id AND a.account_id = e.account_id"
        " AND a.as_of_date >= e.held_from RETURNING a.tenant_id, a.account_id)"
        " SELECT DISTINCT tenant_id, account_id FROM gone"
    )
    return connection.execute(statement.format(named(staging), named(holds))).fetchall()


def open_epochs(connection: psycopg.Connection, epochs: str) -> None:
    """Take the staged epochs into the fence."""
    connection.execute(
        sql.SQL(
            "INSERT INTO ops.account_epoch AS known (tenant_id, account_id, epoch, from_date)"
            " SELECT tenant_id, account_id, epoch, min(from_date) FROM {} GROUP BY 1, 2, 3"
            " ON CONFLICT (tenant_id, account_id, epoch)"
            " DO UPDATE SET from_date = excluded.from_date WHERE excluded.from_date < known.from_date"
        ).format(named(epochs))
    )


def supersede(connection: psycopg.Connection, target: Target, epochs: str, rest: str, known_to: datetime) -> int:
    """Move published rows into history: those that a staged epoch supersedes, and those that a staged row of a later
    epoch replaces. Returns their number."""
    names = list(column_types(connection, target.table))
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    moved = 0
    for superseding in (
        sql.SQL("{} e WHERE a.as_of_date >= e.from_date").format(named(epochs)),
        sql.SQL("{} e WHERE e.epoch > 1 AND a.as_of_date = e.as_of_date").format(named(rest)),
    ):
        moved += connection.execute(
            sql.SQL(
                "WITH gone AS (DELETE FROM {table} a USING {superseding} AND a.tenant_id = e.tenant_id"
                " AND a.account_id = e.account_id AND a.epoch < e.epoch RETURNING a.*)"
                " INSERT INTO {history} ({columns}, known_from, known_to)"
                " SELECT {columns}, published_at, {known_to} FROM gone"
            ).format(
                table=named(target.table),
                superseding=superseding,
                history=named(target.history),
                columns=columns,
                known_to=sql.Literal(known_to),
            )
        ).rowcount
    return moved


def insert_new(connection: psycopg.Connection, table: str, rest: str) -> int:
    """Insert staged rows whose key is free; a published row of the same or a later epoch stays. Returns how many."""
    columns = sql.SQL(", ").join(map(sql.Identifier, column_types(connection, table)))
    return connection.execute(
        sql.SQL("INSERT INTO {} ({columns}) SELECT {columns} FROM {} ON CONFLICT DO NOTHING").format(
            named(table), named(rest), columns=columns
        )
    ).rowcount


def upsert(connection: psycopg.Connection, small: Small, staging: str, published_at: datetime) -> int:
    """Bring a small table up to date by key; an equal row is left alone, with its published_at.

    Returns the rows that are new or changed.
    """
    names = [name for name in column_types(connection, small.table) if name != "published_at"]
    others = [name for name in names if name not in small.key]
    keys = sql.SQL(", ").join(map(sql.Identifier, small.key))
    known = sql.SQL(", ").join(sql.Identifier("known", name) for name in others)
    given = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in others)
    return connection.execute(
        sql.SQL(
            "INSERT INTO {table} AS known ({names}, published_at)"
            " SELECT DISTINCT ON ({keys}) {names}, {stamp} FROM {staging} ORDER BY {keys}, {newest} DESC"
            " ON CONFLICT ({keys}) DO UPDATE SET ({others}, published_at) = ROW ({given}, excluded.published_at)"
            " WHERE ROW ({known}) IS DISTINCT FROM ROW ({given})"
        ).format(
            table=named(small.table),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            keys=keys,
            stamp=sql.Literal(published_at),
            staging=named(staging),
            newest=sql.Identifier(small.newest_by),
            others=sql.SQL(", ").join(map(sql.Identifier, others)),
            given=given,
            known=known,
        )
    ).rowcount
