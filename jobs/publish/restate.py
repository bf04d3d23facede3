"""Rows that go by key: under the epoch fence, the rows they replace kept in history; and small tables by upsert."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql

from jobs.calculate.epochs import RETURN_TOLERANCE
from jobs.publish.binary_copy import column_types
from jobs.publish.chains import Chain
from jobs.publish.partitions import named
from jobs.publish.small import Small

PROVENANCE = ["run_id", "run_no"]


def drop_superseded(connection: psycopg.Connection, chain: Chain, staging: str) -> int:
    """Delete staged rows that a later epoch of their owner supersedes, published (the fence) or staged.

    Returns their number. A row of an older epoch never comes back, also where the newer one has no row for its date.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, [*chain.owner, "epoch", "from_date"]))
    statement = sql.SQL(
        "DELETE FROM {} a USING (SELECT {columns} FROM {} UNION SELECT {columns} FROM {}) e"
        " WHERE {same} AND a.as_of_date >= e.from_date AND a.epoch < e.epoch"
    ).format(
        named(staging),
        named(chain.fence),
        named(chain.staged_epochs),
        columns=columns,
        same=sql.SQL(chain.same_owner("a", "e")),
    )
    # A row of two later epochs is deleted once, so the count is of rows.
    return connection.execute(statement).rowcount


def drop_held(connection: psycopg.Connection, staging: str, holds: str) -> list[tuple[str, str]]:
    """Delete staged rows of accounts from the day on from which they are held. Returns those accounts."""
    statement = sql.SQL(
        "WITH gone AS (DELETE FROM {} a USING {} e WHERE a.tenant_id = e.tenant_id AND a.account_id = e.account_id"
        " AND a.as_of_date >= e.held_from RETURNING a.tenant_id, a.account_id)"
        " SELECT DISTINCT tenant_id, account_id FROM gone"
    )
    return connection.execute(statement.format(named(staging), named(holds))).fetchall()


def add_flags(connection: psycopg.Connection, staging: str, flags: str) -> None:
    """Add the rules that flagged a row after it was written to its quality_flags, in order of the alphabet."""
    connection.execute(
        sql.SQL(
            "UPDATE {} a SET quality_flags = (SELECT string_agg(DISTINCT one, ',' ORDER BY one) FROM unnest("
            "string_to_array(a.quality_flags, ',') || f.rules) one WHERE one <> '') FROM (SELECT tenant_id, account_id,"
            " as_of_date, array_agg(rule) AS rules FROM {} GROUP BY tenant_id, account_id, as_of_date) f"
            " WHERE a.tenant_id = f.tenant_id AND a.account_id = f.account_id AND a.as_of_date = f.as_of_date"
        ).format(named(staging), named(flags))
    )


def open_epochs(connection: psycopg.Connection, chain: Chain) -> None:
    """Take the staged epochs into the fence."""
    owner = sql.SQL(", ").join(map(sql.Identifier, [*chain.owner, "epoch"]))
    connection.execute(
        sql.SQL(
            "INSERT INTO {} AS known ({owner}, from_date) SELECT {owner}, min(from_date) FROM {} GROUP BY {owner}"
            " ON CONFLICT ({owner}) DO UPDATE SET from_date = excluded.from_date"
            " WHERE excluded.from_date < known.from_date"
        ).format(named(chain.fence), named(chain.staged_epochs), owner=owner)
    )


def supersede(connection: psycopg.Connection, chain: Chain, rest: str, known_to: datetime) -> int:
    """Move published rows into history: those that a staged epoch supersedes, and those that a staged row of a later
    epoch replaces. Returns their number."""
    names = list(column_types(connection, chain.table))
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    moved = 0
    for superseding in (
        sql.SQL("{} e WHERE a.as_of_date >= e.from_date").format(named(chain.staged_epochs)),
        sql.SQL("{} e WHERE e.epoch > 1 AND a.as_of_date = e.as_of_date").format(named(rest)),
    ):
        moved += connection.execute(
            sql.SQL(
                "WITH gone AS ("
                "DELETE FROM {table} a USING {superseding} AND {same} AND a.epoch < e.epoch RETURNING a.*)"
                " INSERT INTO {history} ({columns}, known_from, known_to)"
                " SELECT {columns}, published_at, {known_to} FROM gone"
            ).format(
                table=named(chain.table),
                superseding=superseding,
                same=sql.SQL(chain.same_owner("a", "e")),
                history=named(chain.history),
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

    Which run wrote a row does not make it another, nor does the last digit of a return. Returns the rows that are new
    or changed.
    """
    types = column_types(connection, small.table)
    names = [name for name in types if name != "published_at"]
    others = [name for name in names if name not in small.key]
    keys = sql.SQL(", ").join(map(sql.Identifier, small.key))
    given = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in others)
    differ = sql.SQL(" OR ").join(_differs(name, types[name]) for name in others if name not in PROVENANCE)
    return connection.execute(
        sql.SQL(
            "INSERT INTO {table} AS known ({names}, published_at)"
            " SELECT DISTINCT ON ({keys}) {names}, {stamp} FROM {staging} ORDER BY {keys}, {newest}"
            " ON CONFLICT ({keys}) DO UPDATE SET ({others}, published_at) = ROW ({given}, excluded.published_at)"
            " WHERE {differ}"
        ).format(
            table=named(small.table),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            keys=keys,
            stamp=sql.Literal(published_at),
            staging=named(staging),
            newest=sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier(name)) for name in small.newest_by),
            others=sql.SQL(", ").join(map(sql.Identifier, others)),
            given=given,
            differ=differ,
        )
    ).rowcount


def _differs(name: str, kind: str) -> sql.Composed:
    of = {"known": sql.Identifier("known", name), "given": sql.Identifier("excluded", name)}
    if kind != "double precision":
        return sql.SQL("{known} IS DISTINCT FROM {given}").format(**of)
    close = "abs({known} - {given}) <= {tolerance} * greatest(abs({known}), 1)"
    return sql.SQL("({known} IS DISTINCT FROM {given} AND (" + close + ") IS NOT TRUE)").format(
        **of, tolerance=sql.Literal(RETURN_TOLERANCE)
    )
