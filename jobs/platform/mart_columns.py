"""Columns of the published tables, from `schemas/*.yaml`: what is new or wider there is so in Postgres too."""

from __future__ import annotations

from contextlib import nullcontext

import psycopg
from psycopg import sql

from jobs.platform.dependent_views import out_of_the_way
from jobs.platform.errors import DietzError
from jobs.platform.schemas import POSTGRES_TYPES, tables

WIDER = {"integer": ("bigint", "double precision")}


def apply(connection: psycopg.Connection) -> list[str]:
    """Add and widen columns where a published table lacks what its schema publishes; returns what was changed.

    Raises DietzError where a type would have to be narrowed.
    """
    changed = []
    for described in tables():
        for name in described.published_as:
            present = _types(connection, name)
            if not present:  # a table that no migration has made yet
                continue
            for column in described.all_columns:
                wanted = POSTGRES_TYPES[column.type]
                before = present.get(column.name)
                if before == wanted or (before is None and not column.published):
                    continue
                target, called = sql.Identifier(*name.split(".")), sql.Identifier(column.name)
                if before is None:
                    statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(target, called, sql.SQL(wanted))
                elif wanted in WIDER.get(before, ()):
                    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}").format(
                        target, called, sql.SQL(wanted)
                    )
                else:
                    raise DietzError(
                        f"schemas/{described.table}.yaml: column {column.name} is {column.type}, but {name} has it as"
                        f" {before}; put the type back and add a column of another name"
                    )
                with out_of_the_way(connection, name) if before else nullcontext():
                    connection.execute(statement)
                changed.append(f"{name}.{column.name}")
    for owner in ("account", "group"):
        # The functions list the columns, since the history has them in another order.
        if {f"marts.{owner}_performance_daily", f"history.{owner}_performance_daily"} & {
            one.rsplit(".", 1)[0] for one in changed
        }:
            connection.execute(
                "SELECT history.define_as_known(%s::regclass, %s::regclass, %s)",
                [
                    f"marts.{owner}_performance_daily",
                    f"history.{owner}_performance_daily",
                    f"{owner}_performance_as_known",
                ],
            )
    return changed


def _types(connection: psycopg.Connection, table: str) -> dict[str, str]:
    found = connection.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        [table],
    )
    return dict(found.fetchall())
