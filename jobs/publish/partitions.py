"""Date ranges as partitions: staged without a key, keyed, then attached to the published table in one stroke.

Nothing that is published is ever detached, dropped or truncated here, since that waits for readers and makes new
readers queue. Rows whose date falls into a range that exists already stay in the staging table's default partition
and go by key (`restate.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

import psycopg
from psycopg import sql

from jobs.platform.errors import DietzError
from jobs.publish.chains import Chain

MOST_PARTITIONS = 240  # a longer history goes into years: one transaction cannot hold the locks of thousands
DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Range:
    """Dates from `first` up to, not including, `end`."""

    first: date
    end: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day < self.end

    def suffix(self) -> str:
        last = self.end - DAY
        return f"{self.first:%Y%m%d}" + ("" if last == self.first else f"_{last:%Y%m%d}")


def new_ranges(dates: Iterable[date], existing: Iterable[Range]) -> list[Range]:
    """Ranges to be made for dates that no existing one holds: one per month, from its first to its last such date,
    split where an existing range lies between. A single new night is a range of one day."""
    taken = sorted(existing)
    new = sorted(day for day in set(dates) if not any(day in one for one in taken))
    months = _runs(new, taken, lambda day: (day.year, day.month))
    return months if len(months) <= MOST_PARTITIONS else _runs(new, taken, lambda day: (day.year, 0))


def _runs(new: list[date], taken: list[Range], period) -> list[Range]:  # type: ignore[no-untyped-def]
    # Dates with the same number of existing ranges before them have none between them.
    grouped = groupby(new, lambda day: (period(day), sum(one.first < day for one in taken)))
    return [Range(days[0], days[-1] + DAY) for days in (list(group) for _, group in grouped)]


def existing_ranges(connection: psycopg.Connection, table: str) -> dict[Range, str]:
    """The table's partitions: range -> schema.name."""
    found = connection.execute(
        "SELECT pg_get_expr(c.relpartbound, c.oid), n.nspname || '.' || c.relname FROM pg_inherits i"
        " JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE i.inhparent = %s::regclass",
        [table],
    )
    ranges = {}
    for bound, name in found:
        dates = re.fullmatch(r"FOR VALUES FROM \('([\d-]+)'\) TO \('([\d-]+)'\)", bound)
        if not dates:
            raise DietzError(f"{name}: partition bound not understood: {bound}")
        ranges[Range(*map(date.fromisoformat, dates.groups()))] = name
    return ranges


def stage(connection: psycopg.Connection, target: Chain, ranges: list[Range], published_at: datetime) -> str:
    """Make an empty staging table for the target's rows, with a partition for each new range and one for the rest.

    New ranges are logged, since they become partitions as they are; the rest is unlogged. Returns its name.
    """
    staging = f"stage.{target.table.split('.')[1]}"
    connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS) PARTITION BY RANGE ({})").format(
            named(staging), named(target.table), sql.Identifier(target.date)
        )
    )
    for one in ranges:
        part = _part(staging, one)
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING COMMENTS)").format(
                named(part), named(target.table)
            )
        )
        connection.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                named(staging), named(part), sql.Literal(one.first), sql.Literal(one.end)
            )
        )
    connection.execute(
        sql.SQL("CREATE UNLOGGED TABLE {} PARTITION OF {} DEFAULT").format(named(rest_of(staging)), named(staging))
    )
    connection.execute(
        sql.SQL("ALTER TABLE {} ALTER published_at SET DEFAULT {}").format(named(staging), sql.Literal(published_at))
    )
    return staging


def rest_of(staging: str) -> str:
    """The partition of a staging table that holds the rows of dates that are published already."""
    return f"{staging}_rest"


def entry(staging: str, ranges: list[Range], dates: set[date]) -> str:
    """Table to copy into: where all dates are in one new range its own partition, which spares the server a fifth of
    the work by not looking for each row's partition; else the staging table."""
    whole = [one for one in ranges if all(day in one for day in dates)]
    return _part(staging, whole[0]) if whole else staging


def finish(connection: psycopg.Connection, target: Chain, staging: str, one: Range) -> int:
    """Make a filled staging partition ready to be attached: key, bounds, statistics. May run in parallel.

    Returns its rows. Raises DietzError naming the key where two rows have it.
    """
    part = named(_part(staging, one))
    columns = sql.SQL(", ").join(map(sql.Identifier, target.key))
    try:
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(part, columns))
    except psycopg.errors.UniqueViolation as error:
        raise DietzError(f"{target.table}: the lake has two rows for one key: {error.diag.message_detail}") from error
    # Equal to the bounds, so that ATTACH need not read the rows.
    connection.execute(
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT bounds CHECK ({column} >= {} AND {column} < {})").format(
            part, sql.Literal(one.first), sql.Literal(one.end), column=sql.Identifier(target.date)
        )
    )
    connection.execute(sql.SQL("ALTER TABLE {} ALTER published_at DROP DEFAULT").format(part))
    connection.execute("SELECT security.protect(%s)", [_part(staging, one)])
    connection.execute(sql.SQL("ANALYZE {}").format(part))
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(part)).fetchone()
    assert row is not None
    return int(row[0])


def detach(connection: psycopg.Connection, staging: str, ranges: list[Range]) -> None:
    """Take the ready partitions out of the staging table, which nobody reads."""
    for one in ranges:
        connection.execute(
            sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(named(staging), named(_part(staging, one)))
        )


def attach(connection: psycopg.Connection, table: str, staging: str, one: Range) -> None:
    """Make a finished partition part of the published table, visible at the commit of the caller's transaction."""
    schema, name = table.split(".")
    part, final = _part(staging, one), f"{name}_{one.suffix()}"
    steps = [
        sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(named(part), sql.Identifier(schema)),
        sql.SQL("COMMENT ON TABLE {} IS {}").format(
            named(f"{schema}.{final}"), sql.Literal(f"Rows of {table} from {one.first} to {one.end - DAY}.")
        ),
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            named(table), named(f"{schema}.{final}"), sql.Literal(one.first), sql.Literal(one.end)
        ),
        sql.SQL("ALTER TABLE {} DROP CONSTRAINT bounds").format(named(f"{schema}.{final}")),
    ]
    for step in steps:
        connection.execute(step)


def clear_stage(connection: psycopg.Connection) -> None:
    """Drop what a killed publication left in `stage`."""
    left = connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'stage' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    ).fetchall()
    for (name,) in left:
        connection.execute(sql.SQL("DROP TABLE {}").format(named(name)))


def named(table: str) -> sql.Identifier:
    """schema.table, quoted."""
    return sql.Identifier(*table.split("."))


def _part(staging: str, one: Range) -> str:
    return f"{staging}_{one.suffix()}"
