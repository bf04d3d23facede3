"""Marts that keep an account's latest row and its month-ends: a later row of a month takes the earlier one's place."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql

from jobs.publish import restate
from jobs.publish.partitions import named
from jobs.publish.small import Small

PERIOD = Small(
    "account_performance_period",
    "marts.account_performance_period",
    ["tenant_id", "account_id", "as_of_date", "period"],
)
MONTHLY = [PERIOD]
OF_MONTH = "a.tenant_id = b.tenant_id AND a.account_id = b.account_id AND a.as_of_date < b.as_of_date"
SAME_MONTH = "date_trunc('month', a.as_of_date) = date_trunc('month', b.as_of_date)"


def settle(connection: psycopg.Connection, staging: str, epochs: str, holds: str) -> None:
    """Leave of the staged rows those that count: not held, of no superseded epoch, of each month the last."""
    restate.drop_held(connection, staging, holds)
    restate.drop_superseded(connection, staging, epochs)
    connection.execute(
        sql.SQL("DELETE FROM {staging} a USING (SELECT DISTINCT {} FROM {staging}) b WHERE {}").format(
            sql.SQL("tenant_id, account_id, as_of_date"),
            sql.SQL(f"{OF_MONTH} AND {SAME_MONTH}"),
            staging=named(staging),
        )
    )


def bring_in(connection: psycopg.Connection, one: Small, staging: str, epochs: str, published_at: datetime) -> int:
    """The staged rows into the mart; what they or a staged epoch supersede goes. Returns the rows new or changed."""
    connection.execute(
        sql.SQL(
            "DELETE FROM {} a USING {} e WHERE a.tenant_id = e.tenant_id AND a.account_id = e.account_id"
            " AND a.as_of_date >= e.from_date AND a.epoch < e.epoch"
        ).format(named(one.table), named(epochs))
    )
    connection.execute(
        sql.SQL("DELETE FROM {} a USING (SELECT DISTINCT {} FROM {}) b WHERE {}").format(
            named(one.table),
            sql.SQL("tenant_id, account_id, as_of_date"),
            named(staging),
            sql.SQL(f"{OF_MONTH} AND {SAME_MONTH}"),
        )
    )
    return restate.upsert(connection, one, staging, published_at)
