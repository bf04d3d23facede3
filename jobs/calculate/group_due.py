"""Which groups are due, and from which date on: what members' rows, memberships, closings and rates change in them."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.member_changes import GROUP
from jobs.calculate.membership import ACCOUNT


def due_groups(touched: DataFrame, memberships: DataFrame, changed: DataFrame | None) -> DataFrame:
    """tenant_id, group_type, group_id, from_date: the earliest date whose row may change or is new; has_input (true).

    `touched`: tenant_id, account_id, from_date from which on something of the account is another (its rows, its
    closing, a rate that revalues it); `memberships` as `membership.memberships` gives them, as they are now;
    `changed`: tenant_id, group_type, group_id, account_id, from_date of memberships that are others than before. What
    happens to an account after it has left a group is not the group's.
    """
    by_member = (
        touched.join(memberships.withColumnRenamed("from_date", "since"), ACCOUNT)
        .where("to_date IS NULL OR to_date >= from_date")
        .selectExpr(*GROUP, "greatest(from_date, since) AS from_date")
    )
    every = by_member if changed is None else by_member.unionByName(changed.select(*GROUP, "from_date"))
    earliest = every.groupBy(*GROUP).agg(F.min("from_date").alias("from_date"))
    return earliest.withColumn("has_input", F.lit(True))


def first_changes(now: DataFrame, before: DataFrame, key: Sequence[str]) -> DataFrame:
    """The key and from_date: the first day on which the intervals of a key are not those of before.

    Both frames: the key, from_date, to_date (inclusive; NULL: open). As long as the same intervals begin and end, the
    same days are covered.
    """

    def bounds(times: DataFrame, step: int) -> DataFrame:
        first, after = (
            f"struct(from_date AS day, {step} AS step)",
            f"struct(date_add(to_date, 1) AS day, {-step} AS step)",
        )
        return times.selectExpr(*key, f"inline(array({first}, {after}))").where("day IS NOT NULL")

    return (
        bounds(now, 1)
        .unionByName(bounds(before, -1))
        .groupBy(*key, "day")
        .agg(F.sum("step").alias("step"))
        .where("step <> 0")
        .groupBy(*key)
        .agg(F.min("day").alias("from_date"))
    )


def changed_holds(now: DataFrame, before: DataFrame) -> DataFrame:
    """tenant_id, account_id, from_date of accounts that are held from another date than before, or no more.

    Both frames as `holds.holds` gives them.
    """
    old = before.select(*ACCOUNT, F.col("held_from").alias("was_held_from"))
    return (
        now.join(old, ACCOUNT, "full")
        .where("NOT held_from <=> was_held_from")
        .selectExpr(*ACCOUNT, "least(held_from, was_held_from) AS from_date")
    )


def renamed_counterparties(transactions: DataFrame, late: DataFrame, key: Sequence[str]) -> DataFrame:
    """tenant_id, account_id, from_date of the transfers between accounts of which a version came late.

    Whom a transfer names changes no row of its account, but what is internal to a group. `transactions`: every version
    of rows of silver.transaction, whose `key` is given; `late`: those that are dated up to what is published and came
    after it.
    """
    versions = transactions.join(F.broadcast(late.select(*key).distinct()), list(key), "left_semi")
    of_transfers = versions.where("counterparty_account_id IS NOT NULL").select(*key).distinct()
    return versions.join(of_transfers, list(key), "left_semi").selectExpr(*ACCOUNT, "performance_date AS from_date")
