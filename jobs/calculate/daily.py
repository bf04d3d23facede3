"""The daily chain in one call: a night, a backfill and a restatement differ in the opening rows and the dates only."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.calculate.chain import linked
from jobs.calculate.currency import in_base_currency
from jobs.calculate.events import account_events
from jobs.calculate.policies import Policies
from jobs.calculate.sub_periods import sub_periods


def daily_performance(
    opening: DataFrame | None,
    valuations: DataFrame,
    transactions: DataFrame,
    accounts: DataFrame,
    *,
    calendar: DataFrame | None = None,
    rates: DataFrame | None = None,
    policies: Policies | None = None,
) -> DataFrame:
    """Rows of gold.account_performance_daily, but quality_flags, epoch, run_id and run_no, for every given valuation
    after its account's opening row (specification, sections 1 to 4 and 8).

    `opening`: the row to go on from, in the columns of gold.account_state, at most one per account; an account
    without one begins with its first valuation. The others are current rows of silver, as `lake.current` gives them:
    all valuations and transactions after the opening row up to the last date wanted (earlier ones are ignored), all
    versions of the accounts. `calendar` is what `business_calendar.calendar_days` gave, `rates` what
    `currency.usable_rates` gave (None where there are none), `policies` the tenants' configuration.
    """
    chosen = policies or {}
    events = account_events(opening, valuations, transactions, accounts, chosen)
    return linked(sub_periods(in_base_currency(events, rates, chosen), calendar), chosen)
