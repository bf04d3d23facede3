"""A book taken through the calculation of accounts and groups, as the step does it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from jobs.calculate.daily import daily_performance
from jobs.calculate.group_currency import (
    foreign_accounts,
    in_group_currency,
    revaluations,
    transfers_between_accounts,
)
from jobs.calculate.groups import group_daily
from jobs.calculate.membership import closed_times, memberships
from jobs.calculate.policies import Policies

ACCOUNT = ["tenant_id", "account_id"]


@dataclass(frozen=True)
class Book:
    """Current rows of silver, and what calendars and rates come to."""

    valuations: DataFrame
    transactions: DataFrame
    accounts: DataFrame
    members: DataFrame | None = None
    rates: DataFrame | None = None
    calendar: DataFrame | None = None


def member_rows(book: Book, policies: Policies) -> DataFrame:
    """The accounts' rows in the reporting currency, with the revaluations of foreign ones."""
    inputs = (None, book.valuations, book.transactions, book.accounts)
    own = daily_performance(*inputs, calendar=book.calendar, rates=book.rates, policies=policies)
    own = own.localCheckpoint()  # read three times
    foreign = foreign_accounts(book.accounts, policies)
    dates = own.where("status NOT IN ('no_fx', 'excluded')").select("tenant_id", "as_of_date").distinct()
    converted = in_group_currency(*inputs, calendar=book.calendar, rates=book.rates, policies=policies)
    converted = converted.localCheckpoint()
    closed = closed_times(book.accounts, policies)
    revalued = revaluations(converted, own, dates, closed, rates=book.rates, policies=policies)
    domestic = own.join(foreign, ACCOUNT, "left_anti")
    return domestic.unionByName(converted).unionByName(revalued, allowMissingColumns=True)


@dataclass(frozen=True)
class Groups:
    """What the groups of a book are calculated from, each frame worked out once."""

    rows: DataFrame
    memberships: DataFrame
    transfers: DataFrame
    closed: DataFrame
    calendar: DataFrame | None
    policies: Policies

    def calculated(
        self, opening: DataFrame | None = None, rows: DataFrame | None = None, before: DataFrame | None = None
    ) -> DataFrame:
        """The groups' rows: the whole history, or what follows the opening rows."""
        return group_daily(
            opening,
            self.rows if rows is None else rows,
            before,
            self.memberships,
            transfers=self.transfers,
            closed=self.closed,
            calendar=self.calendar,
            policies=self.policies,
        )


def groups(book: Book, policies: Policies) -> Groups:
    """The frames that the step would pass."""
    if book.rates is not None:
        book = replace(book, rates=book.rates.localCheckpoint())  # looked up a dozen times
    transfers = transfers_between_accounts(book.transactions, book.accounts, rates=book.rates, policies=policies)
    return Groups(
        member_rows(book, policies).localCheckpoint(),
        memberships(book.members, book.accounts, policies).localCheckpoint(),
        transfers.localCheckpoint(),
        closed_times(book.accounts, policies).localCheckpoint(),
        book.calendar,
        policies,
    )
