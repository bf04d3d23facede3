"""COMMENT ON of the published tables, from `schemas/*.yaml` (`published_as`); all other comments stand in the SQL."""

from __future__ import annotations

import psycopg
from psycopg import sql

from jobs.platform.schemas import Column, tables


def apply(connection: psycopg.Connection) -> int:
    """Give every column that `schemas/` describes the comment it has there. Returns how many had another one."""
    changed = 0
    for described in tables():
        for name in [table for listed in described.published_as for table in _with_partitions(connection, listed)]:
            schema, table = name.split(".")
            found = _comments(connection, name)
            wanted = {column.name: text(column) for column in described.all_columns if column.name in found}
            if name == described.published_as[0]:  # history and partitions say themselves what they are
                wanted[""] = described.meaning
            for column, comment in wanted.items():
                if found[column] == comment:
                    continue
                target = sql.Identifier(schema, table, column) if column else sql.Identifier(schema, table)
                kind = sql.SQL("COLUMN" if column else "TABLE")
                connection.execute(sql.SQL("COMMENT ON {} {} IS {}").format(kind, target, sql.Literal(comment)))
                changed += 1
    return changed


def text(column: Column) -> str:
    """What a reader of the catalogue is told about a column."""
    return f"{column.meaning} (Personal data.)" if column.pii else column.meaning


def _with_partitions(connection: psycopg.Connection, table: str) -> list[str]:
    found = connection.execute(
        "SELECT n.nspname || '.' || c.relname FROM pg_partition_tree(%s) JOIN pg_class c ON c.oid = relid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY level, 1",
        [table],
    ).fetchall()
    return [name for (name,) in found] or [table]  # of a plain table there is no tree


def _comments(connection: psycopg.Connection, table: str) -> dict[str, str | None]:
    """Column name -> comment as it stands; '' is the table's own."""
    found = connection.execute(
        "SELECT coalesce(a.attname, ''), col_description(c.oid, coalesce(a.attnum, 0)) FROM pg_class c"
        " LEFT JOIN LATERAL (SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0"
        " AND NOT attisdropped UNION ALL SELECT NULL, NULL) a ON true WHERE c.oid = %s::regclass",
        [table],
    )
    return dict(found.fetchall())
