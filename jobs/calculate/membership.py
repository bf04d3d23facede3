"""Who belongs to which group from when to when, and when an account is closed (specification, sections 1 and 6)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.policies import Policies, source_rank_sql

ACCOUNT = ["tenant_id", "account_id"]
MEMBERSHIP = ["tenant_id", "group_type", "group_id", "account_id"]
ALWAYS = "DATE '1900-01-01'"
OPEN = "DATE '9999-12-31'"  # stands for a to_date that is not known


def memberships(members: DataFrame | None, accounts: DataFrame, policies: Policies) -> DataFrame:
    """The time during which each account is a member of each group.

    `members`: current rows of silver.account_group_member, of all vendors (None: there are none); `accounts`: current
    rows of silver.account, all dated versions. Of the vendors that deliver an account's attributes the one that the
    tenant's source_priority puts first counts. A version's household, advisor and model hold from its effective_from
    until the next version; the group `tenant`, whose group_id is the tenant_id, has every account always. While
    in_performance is false the account is a member of nothing.

    Columns: tenant_id, group_type, group_id, account_id, from_date, to_date (inclusive; NULL: open). Intervals of one
    account in one group neither overlap nor touch.
    """
    known = versions(accounts, policies)
    stated = _of_attributes(known)
    if members is not None:
        stated = stated.unionByName(
            members.selectExpr(*MEMBERSHIP, "from_date", f"coalesce(to_date, {OPEN}) AS to_date")
        )
    return _joined(_in_performance(stated.where("from_date <= to_date"), known)).selectExpr(
        *MEMBERSHIP, "from_date", f"nullif(to_date, {OPEN}) AS to_date"
    )


def first_day(times: str, after: str) -> str:
    """SQL for the first day after the date `after` in the array `times` of intervals; NULL where there is none."""
    return (
        f"IF({times} IS NULL, NULL, array_min(transform(filter({times}, x -> x.to_date > {after}),"
        f" x -> greatest(x.from_date, date_add({after}, 1)))))"
    )


def closed_times(accounts: DataFrame, policies: Policies) -> DataFrame:
    """When accounts are closed: tenant_id, account_id, from_date (the day after closed_on, also where a later version
    says so), to_date (inclusive: the last day of that version, since the next one may have no closed_on; NULL: open).
    """
    closed = versions(accounts, policies).where("closed_on IS NOT NULL")
    return closed.selectExpr(
        *ACCOUNT, "date_add(closed_on, 1) AS from_date", f"nullif(to_date, {OPEN}) AS to_date"
    ).where(f"from_date <= coalesce(to_date, {OPEN})")


def versions(accounts: DataFrame, policies: Policies) -> DataFrame:
    """The versions of the vendor that counts, with from_date, to_date and is_first."""
    of_account = "PARTITION BY tenant_id, account_id"
    in_order = f"{of_account} ORDER BY effective_from"
    return (
        accounts.selectExpr("*", f"{source_rank_sql(policies)} AS source_rank")
        .selectExpr("*", f"min(source_rank) OVER ({of_account}) AS best_rank")
        .where("source_rank = best_rank")
        .selectExpr(
            *ACCOUNT,
            *["household_id", "advisor_id", "model_id", "base_currency", "closed_on", "in_performance"],
            "effective_from AS from_date",
            f"coalesce(date_sub(lead(effective_from) OVER ({in_order}), 1), {OPEN}) AS to_date",
            f"row_number() OVER ({in_order}) = 1 AS is_first",
        )
    )


def _of_attributes(known: DataFrame) -> DataFrame:
    tenant = "'tenant' AS group_type, IF(is_first, tenant_id, NULL) AS group_id"
    groups = [f"struct({tenant}, {ALWAYS} AS from_date, {OPEN} AS to_date)"]
    groups += [
        f"struct('{name}' AS group_type, {name}_id AS group_id, from_date, to_date)"
        for name in ("household", "advisor", "model")
    ]
    every = known.selectExpr(*ACCOUNT, f"inline(array({', '.join(groups)}))").where("group_id IS NOT NULL")
    return every.select(*MEMBERSHIP, "from_date", "to_date")


def _in_performance(stated: DataFrame, known: DataFrame) -> DataFrame:
    """The intervals less the times out of performance: the pieces before, between and after these."""
    times = (
        known.where("NOT in_performance")
        .groupBy(*ACCOUNT)
        .agg(F.array_sort(F.collect_list(F.struct("from_date", "to_date"))).alias("out"))
    )
    piece = """inline(IF(out IS NULL, array(struct(from_date, to_date)), transform(sequence(0, size(out)), i -> struct(
        IF(i = 0, from_date, greatest(from_date, date_add(out[i - 1].to_date, 1))) AS from_date,
        IF(i = size(out), to_date, least(to_date, date_sub(out[i].from_date, 1))) AS to_date))))"""
    return stated.join(times, ACCOUNT, "left").selectExpr(*MEMBERSHIP, piece).where("from_date <= to_date")


def _joined(intervals: DataFrame) -> DataFrame:
    """Overlapping and adjacent intervals of one account in one group as one: a member must not count twice."""
    of_member = f"PARTITION BY {', '.join(MEMBERSHIP)} ORDER BY from_date"
    known_until = f"max(to_date) OVER ({of_member}, to_date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    return (
        intervals.selectExpr("*", f"{known_until} AS known_until")
        .selectExpr("*", "known_until IS NULL OR from_date > date_add(known_until, 1) AS begins")
        .selectExpr("*", f"sum(CAST(begins AS INT)) OVER ({of_member}, to_date ROWS UNBOUNDED PRECEDING) AS no")
        .groupBy(*MEMBERSHIP, "no")
        .agg(F.min("from_date").alias("from_date"), F.max("to_date").alias("to_date"))
        .drop("no")
    )
