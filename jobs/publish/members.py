"""marts.group_member: who belongs to which group from when to when, as the groups' figures count them."""

from __future__ import annotations

import psycopg
from psycopg import sql
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.membership import memberships
from jobs.calculate.policies import Policies
from jobs.platform.lake import Lake, latest
from jobs.platform.schemas import table
from jobs.publish.partitions import named

MEMBERS, SOURCE = "marts.group_member", "account_group_member"
STAGING = "stage.group_member"


def members(lake: Lake, withheld: list[str], policies: Policies) -> DataFrame:
    """Rows of marts.group_member by the accounts and memberships that count; not those of withheld files."""
    listed = current(lake, SOURCE, withheld) if lake.exists(SOURCE) else None
    return memberships(listed, current(lake, "account", withheld), policies)


def current(lake: Lake, name: str, withheld: list[str]) -> DataFrame:
    """The rows of a table that count, as if the withheld files had not come."""
    return latest(lake.read(name).where(~F.col("file_id").isin(withheld)), table(name))


def is_empty(connection: psycopg.Connection) -> bool:
    """Whether no membership was ever published."""
    return connection.execute(f"SELECT FROM {MEMBERS} LIMIT 1").fetchone() is None


def replace(connection: psycopg.Connection) -> int:
    """Put the staged memberships in place of the published ones; equal ones stay. Returns those gone and those new."""
    columns = ["tenant_id", "group_type", "group_id", "account_id", "from_date", "to_date"]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    missing = sql.SQL("SELECT {names} FROM {} EXCEPT SELECT {names} FROM {}")
    gone = connection.execute(
        sql.SQL(
            "DELETE FROM {} m USING ({}) g WHERE (m.tenant_id, m.group_type, m.group_id, m.account_id, m.from_date)"
            " = (g.tenant_id, g.group_type, g.group_id, g.account_id, g.from_date)"
        ).format(named(MEMBERS), missing.format(named(MEMBERS), named(STAGING), names=names))
    ).rowcount
    new = connection.execute(
        sql.SQL("INSERT INTO {} ({}) {}").format(
            named(MEMBERS), names, missing.format(named(STAGING), named(MEMBERS), names=names)
        )
    ).rowcount
    return gone + new
