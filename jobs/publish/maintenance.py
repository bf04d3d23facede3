"""Maintenance of the marts: days into months, so that one account over years stays a quick read."""

from __future__ import annotations

from datetime import date
from itertools import groupby

import psycopg
from psycopg import sql

from jobs.platform import database
from jobs.platform.settings import Settings
from jobs.publish import partitions
from jobs.publish.chains import CHAINS, Chain
from jobs.publish.partitions import DAY, Range, named
from jobs.publish.visible import in_one_transaction, one_publisher


def fold_days_into_months(settings: Settings, through: date) -> int:
    """Put the partitions of each month that has ended by `through` into one. Returns how many months were folded.

    The rows are copied beside the published table, ordered by key; only the exchange at the end needs the table for
    itself, for a moment, and tries again where readers do not let go of it. Readers see the same rows throughout.
    """
    with database.connect(settings, autocommit=True) as connection, one_publisher(connection):
        partitions.clear_stage(connection)
        folded = 0
        for chain in CHAINS:
            for month in months_to_fold(partitions.existing_ranges(connection, chain.table), through):
                _fold(connection, chain, month)
                folded += 1
        return folded


def months_to_fold(existing: dict[Range, str], through: date) -> list[dict[Range, str]]:
    """The partitions of each month that lies whole before the day after `through` and has more than one."""
    within = sorted(one for one in existing if _month(one.first) == _month(one.end - DAY))
    months = [list(group) for _, group in groupby(within, lambda one: _month(one.first))]
    return [
        {one: existing[one] for one in month}
        for month in months
        if len(month) > 1 and _month(month[0].first) < _month(through + DAY)
    ]


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def _fold(connection: psycopg.Connection, chain: Chain, days: dict[Range, str]) -> None:
    month = Range(min(days).first, max(day.end for day in days))
    staging = f"stage.{chain.table.split('.')[1]}"
    part = named(f"{staging}_{month.suffix()}")
    connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING COMMENTS)").format(part, named(chain.table)))
    connection.execute(
        sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE {date} >= {} AND {date} < {} ORDER BY {}").format(
            part,
            named(chain.table),
            sql.Literal(month.first),
            sql.Literal(month.end),
            sql.SQL(", ").join(map(sql.Identifier, chain.key)),
            date=sql.Identifier(chain.date),
        )
    )
    partitions.finish(connection, chain, staging, month)

    def exchange() -> None:
        for name in days.values():
            connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(named(chain.table), named(name)))
            connection.execute(sql.SQL("DROP TABLE {}").format(named(name)))
        partitions.attach(connection, chain.table, staging, month)

    in_one_transaction(connection, exchange, lock_timeout="1s", pause=2)
