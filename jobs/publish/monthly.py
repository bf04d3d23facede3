"""Marts that keep an owner's latest row and its month-ends: a later row of a month takes the earlier one's place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from jobs.publish import restate
from jobs.publish.chains import ACCOUNTS, GROUPS, Chain
from jobs.publish.partitions import named
from jobs.publish.small import Small


@dataclass(frozen=True)
class Monthly(Small):
    """Such a mart, and the chain whose rows its own are made from."""

    chain: Chain = ACCOUNTS

    @property
    def of_month(self) -> str:
        """SQL: the row of alias `a` is an earlier one of the owner and month of the row of alias `b`."""
        same_month = "date_trunc('month', a.as_of_date) = date_trunc('month', b.as_of_date)"
        return f"{self.chain.same_owner('a', 'b')} AND a.as_of_date < b.as_of_date AND {same_month}"


MONTHLY = [
    Monthly("account_performance_period", "marts.account_performance_period", [*ACCOUNTS.key, "period"]),
    Monthly("account_benchmark_return", "marts.account_benchmark_return", [*ACCOUNTS.key, "period"]),
    Monthly("account_risk", "marts.account_risk", [*ACCOUNTS.key, "window_name", "frequency"]),
    Monthly("group_performance_period", "marts.group_performance_period", [*GROUPS.key, "period"], chain=GROUPS),
    Monthly("composite_statistics", "marts.composite_statistics", [*GROUPS.key, "period"], chain=GROUPS),
]


def settle(connection: psycopg.Connection, one: Monthly, staging: str, holds: str) -> None:
    """Leave of the staged rows those that count: not held, of no superseded epoch, of each month the last."""
    if one.chain.of_accounts:
        restate.drop_held(connection, staging, holds)
    restate.drop_superseded(connection, one.chain, staging)
    _drop_earlier(connection, one, staging, staging)


def bring_in(connection: psycopg.Connection, one: Monthly, staging: str, published_at: datetime) -> int:
    """The staged rows into the mart; what they or a staged epoch supersede goes. Returns the rows new or changed."""
    connection.execute(
        sql.SQL(
            "DELETE FROM {} a USING {} e WHERE {same} AND a.as_of_date >= e.from_date AND a.epoch < e.epoch"
        ).format(named(one.table), named(one.chain.staged_epochs), same=sql.SQL(one.chain.same_owner("a", "e")))
    )
    _drop_earlier(connection, one, one.table, staging)
    return restate.upsert(connection, one, staging, published_at)


def _drop_earlier(connection: psycopg.Connection, one: Monthly, rows: str, staging: str) -> None:
    dates = sql.SQL(", ").join(map(sql.Identifier, one.chain.key))
    connection.execute(
        sql.SQL("DELETE FROM {} a USING (SELECT DISTINCT {} FROM {}) b WHERE {}").format(
            named(rows), dates, named(staging), sql.SQL(one.of_month)
        )
    )
