"""Members in the currency of their groups, the tenant's reporting currency (specification, sections 6 and 8)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.chain import linked
from jobs.calculate.currency import in_base_currency
from jobs.calculate.events import FLOW, account_events
from jobs.calculate.membership import ACCOUNT, OPEN, first_day, versions
from jobs.calculate.policies import Policies, per_tenant
from jobs.calculate.sub_periods import sub_periods


def foreign_accounts(accounts: DataFrame, policies: Policies) -> DataFrame:
    """tenant_id and account_id of the accounts that were ever measured in another currency than the reporting one.

    `accounts`: current rows of silver.account, all dated versions.
    """
    is_foreign = f"base_currency <> {per_tenant(policies, 'reporting_currency')}"
    return versions(accounts, policies).where(is_foreign).select(*ACCOUNT).distinct()


def in_group_currency(
    opening: DataFrame | None,
    valuations: DataFrame,
    transactions: DataFrame,
    accounts: DataFrame,
    *,
    calendar: DataFrame | None = None,
    rates: DataFrame | None = None,
    policies: Policies | None = None,
) -> DataFrame:
    """`daily.daily_performance` of the foreign accounts with the reporting currency in place of their own.

    The inputs are its inputs; `opening` are earlier rows of this function. Each amount is converted at the rate of its
    own date, from the currency it came in.
    """
    chosen = policies or {}
    foreign = foreign_accounts(accounts, chosen)
    valued, booked, known = (one.join(foreign, ACCOUNT, "left_semi") for one in (valuations, transactions, accounts))
    events = _in_reporting_currency(account_events(opening, valued, booked, known, chosen), chosen)
    return linked(sub_periods(in_base_currency(events, rates, chosen), calendar), chosen)


def revaluations(
    own: DataFrame,
    base_rows: DataFrame,
    dates: DataFrame,
    closed: DataFrame | None = None,
    *,
    rates: DataFrame | None,
    policies: Policies | None = None,
) -> DataFrame:
    """The values of foreign accounts on the dates on which they have no row and are carried.

    `own`: rows of `in_group_currency`, with the last one of each account before the `dates`; `base_rows`: the rows of
    gold.account_performance_daily of the same accounts and dates, in their own currencies; `dates`: tenant_id and
    as_of_date of the dates on which accounts of the tenant have rows; `closed` as `membership.closed_times` gives it;
    `rates` as `currency.usable_rates` gives them. Columns: tenant_id, account_id, as_of_date, end_market_value (in the
    reporting currency; a date without a usable rate has no row), status (`carried`).
    """
    chosen = policies or {}
    carried = _held(own, base_rows, dates, closed).selectExpr(
        *ACCOUNT, "amount", "currency", f"{per_tenant(chosen, 'reporting_currency')} AS base_currency",
        "explode(sequence(date_add(as_of_date, 1), until)) AS event_date",
    )  # fmt: skip
    valued_on = dates.selectExpr("tenant_id", "as_of_date AS event_date").distinct()
    on_dates = carried.where("currency <> base_currency").join(F.broadcast(valued_on), ["tenant_id", "event_date"])
    return (
        in_base_currency(on_dates, rates, chosen)
        .where("amount IS NOT NULL")
        .selectExpr(*ACCOUNT, "event_date AS as_of_date", "amount AS end_market_value", "'carried' AS status")
    )


def transfers_between_accounts(
    transactions: DataFrame,
    accounts: DataFrame,
    *,
    rates: DataFrame | None = None,
    policies: Policies | None = None,
) -> DataFrame:
    """The journals and transfers that name the other account, as flows of their own account in the reporting currency.

    `transactions` are current rows of silver.transaction of the vendor that counts for each account, `accounts` as for
    `daily.daily_performance`. Columns: tenant_id, account_id, counterparty_account_id, event_date, amount, weight_extra
    (see `flows.weight_extra`).
    """
    chosen = policies or {}
    between = transactions.where("counterparty_account_id IS NOT NULL")
    known = accounts.join(between.select(*ACCOUNT).distinct(), ACCOUNT, "left_semi")
    flows = account_events(None, None, between, known, chosen).where(
        f"kind = {FLOW} AND counterparty_account_id IS NOT NULL"
    )
    return (
        in_base_currency(_in_reporting_currency(flows, chosen), rates, chosen)
        .where("amount IS NOT NULL")
        .select(*ACCOUNT, "counterparty_account_id", "event_date", "amount", "weight_extra")
    )


def _in_reporting_currency(events: DataFrame, policies: Policies) -> DataFrame:
    """Events to be converted to the reporting currency; amounts without a currency were in the account's own."""
    return events.withColumn("base_currency", F.expr(per_tenant(policies, "reporting_currency")))


def _held(own: DataFrame, base_rows: DataFrame, dates: DataFrame, closed: DataFrame | None) -> DataFrame:
    """What each account held after its row, `amount` in its own `currency`, and the last date it is carried to."""
    local = base_rows.selectExpr(*ACCOUNT, "as_of_date", "end_market_value AS amount", "currency")
    last_dates = dates.groupBy("tenant_id").agg(F.max("as_of_date").alias("last_date"))
    next_row = "lead(as_of_date) OVER (PARTITION BY tenant_id, account_id ORDER BY as_of_date)"
    held = (
        own.where("status <> 'no_fx'")
        .selectExpr(*ACCOUNT, "as_of_date", "status", f"coalesce({next_row}, {OPEN}) AS next_date")
        .join(local, [*ACCOUNT, "as_of_date"])
        .join(F.broadcast(last_dates), "tenant_id")
        .where("status <> 'excluded' AND amount <> 0")
    )
    until = "least(date_sub(next_date, 1), last_date)"
    if closed is not None:
        times = closed.groupBy(*ACCOUNT).agg(
            F.expr(f"collect_list(struct(from_date, coalesce(to_date, {OPEN}) AS to_date)) AS shut")
        )
        held = held.join(times, ACCOUNT, "left")
        until = f"least({until}, date_sub({first_day('shut', 'as_of_date')}, 1))"
    return held.selectExpr("*", f"{until} AS until").where("until > as_of_date")
