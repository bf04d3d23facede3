"""The rows of gold.account_performance_period that a run's daily rows ask for: at the last row of each month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.currency import in_base_currency
from jobs.calculate.epochs import current_rows
from jobs.calculate.events import FLOW, account_events
from jobs.calculate.inputs import ACCOUNT, Silver, of_few
from jobs.calculate.money_weighted import with_money_weighted
from jobs.calculate.periods import GRACE_DAYS, period_returns, trailing_starts
from jobs.calculate.policies import Policies


def month_ends(rows: DataFrame, owner: Sequence[str] = ACCOUNT) -> DataFrame:
    """Of daily rows those that are the last of their account (or another `owner`) in a month; same columns."""
    last = f"max(as_of_date) OVER (PARTITION BY {', '.join(owner)}, trunc(as_of_date, 'MM'))"
    return rows.selectExpr("*", f"{last} AS last_of_month").where("as_of_date = last_of_month").drop("last_of_month")


def period_rows(
    ends: DataFrame,
    gold: DataFrame,
    epochs: DataFrame | None,
    flows: DataFrame,
    *,
    policies: Policies,
    calendar: DataFrame | None,
    owner: Sequence[str] = ACCOUNT,
) -> DataFrame:
    """Rows of gold.account_performance_period, but run_id and run_no, for each row of `ends`.

    `gold`: all of gold.account_performance_daily with the rows of `ends`, `epochs`: gold.account_epoch. Of gold only
    the weeks are read in which a trailing period can start: what a night costs does not grow with the history.
    `flows`: see `flows_in_base_currency`. With another `owner` the like of groups.
    """
    starts = [row["since"] for row in trailing_starts(ends, policies=policies, calendar=calendar).collect()]
    history = of_few(gold.where(_in_weeks_before(starts)), ends, owner[-1])
    if epochs is not None:
        history = current_rows(history, epochs, owner)
    history = history.join(ends.select(*owner).distinct(), list(owner), "left_semi")
    periods = period_returns(ends, history, key=owner, policies=policies, calendar=calendar)
    return with_money_weighted(periods, flows, by=owner)


def flows_in_base_currency(
    silver: Silver, accounts_of: DataFrame, through: date, rates: DataFrame | None, policies: Policies
) -> DataFrame:
    """tenant_id, account_id, event_date, amount (in the account's base currency) of all external flows up to `through`.

    `accounts_of`: tenant_id, account_id of the accounts that are asked for.
    """
    transactions = silver.bookings(accounts_of, through, policies)
    accounts = silver.accounts(accounts_of)
    events = account_events(None, _no_valuations(silver), transactions, accounts, policies)
    flows = in_base_currency(events.where(f"kind = {FLOW}"), rates, policies)
    return flows.select(*ACCOUNT, "event_date", "amount").where("amount IS NOT NULL")


def _no_valuations(silver: Silver) -> DataFrame:
    return silver.every("valuation").where("false")


def _in_weeks_before(starts: list[date]) -> Column:
    """Whether a row's date lies in the week up to one of the starts."""
    weeks: list[tuple[date, date]] = []
    for start in sorted(starts):
        first = start - timedelta(days=GRACE_DAYS)
        if weeks and first <= weeks[-1][1] + timedelta(days=1):
            weeks[-1] = (weeks[-1][0], start)
        else:
            weeks.append((first, start))
    day = F.col("as_of_date")
    return reduce(or_, [day.between(F.lit(first), F.lit(last)) for first, last in weeks], F.lit(False))
