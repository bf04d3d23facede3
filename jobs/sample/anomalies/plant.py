"""The anomalies of one tenant's book, beside the files of the book: rows of all other accounts stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.sample.anomalies import rows
from jobs.sample.anomalies.days import ToldDays
from jobs.sample.anomalies.kinds import BREAK, Anomaly
from jobs.sample.book import Day
from jobs.sample.canonical_files import CanonicalFiles
from jobs.sample.columns import dates, decimals
from jobs.sample.deliveries import Deliveries
from jobs.sample.market import SECURITIES, Floats
from jobs.sample.people import People

RATE_MOVES = 1.3  # what the rate of the last day is multiplied by
FURTHER_PRICES = 1.5  # for each of the day's, of securities that nobody holds: more than twice the usual number


class Planted:
    """What is planted among the accounts of `files`; nothing where there are no anomalies."""

    def __init__(self, files: CanonicalFiles, anomalies: Sequence[Anomaly]) -> None:
        self.anomalies = anomalies
        self._told = ToldDays(anomalies, files.market, files.slots)
        self._beside = rows.RowsBeside(files, anomalies)
        self._beside.market()

    def told(self, day: Day) -> Day:
        """The day as the vendors tell it."""
        return self._told.of(day)

    def day(self, day: Day) -> None:
        """Rows that stand beside those of the (true) day, after it was told."""
        self._beside.day(day, self._told.last)

    def master_data(self, accounts: pa.Table) -> None:
        self._beside.master_data(accounts)

    def listed(self, tenant: str, days: list[date]) -> list[dict[str, Any]]:
        """The rows of the list: which rule must find which account."""
        return [row for one in self.anomalies for row in one.found_as(tenant, days)]


def with_move(rates: Floats) -> Floats:
    """Rates by day, the last of which is out of line."""
    moved = rates.copy()
    moved[-1] *= RATE_MOVES
    return moved


def write_further_prices(to: Deliveries) -> None:
    """Prices of the last day of securities that nobody holds."""
    count = int(len(SECURITIES) * FURTHER_PRICES) + 1
    prices = {
        "security_id": pa.array([f"UNHELD{n:03}" for n in range(count)]),
        "as_of_date": dates(to.days[-1], count),
        "price": decimals(np.full(count, 10_000)),
        "currency": pa.array(["USD"] * count),
    }
    to.append("prices", len(to.days) - 1, pa.table(prices))


def write_misfits(to: Deliveries) -> None:
    """A delivery of securities of the last day, of which every other one has a currency that is none."""
    securities = {
        "security_id": pa.array([f"UNHELD{n:03}" for n in range(6)]),
        "currency": pa.array(["USD", "US dollar"] * 3),
    }
    to.append("securities", len(to.days) - 1, pa.table(securities), is_quoted=True)


def listed_breaks(planted_breaks: Sequence[dict[str, Any]], first: date) -> list[dict[str, Any]]:
    """The vendor's figures that are off in every sample, as rows of the list: their accounts are not innocent.

    But for returns of the month in which the sample begins: they cover less than the month and are not compared.
    """
    return [
        {
            "tenant": row["tenant_id"], "vendor": "canonical", "account_id": row["account_id"],
            "as_of_date": row["as_of_date"], "kind": "late delivery" if row["cleared_on"] else "figure off",
            "place": BREAK, "rule": row["type"],
        }
        for row in planted_breaks
        if row["type"] != "twrr_mtd" or (row["as_of_date"].year, row["as_of_date"].month) != (first.year, first.month)
    ]  # fmt: skip


def listed_members(people: People, to: Deliveries) -> list[dict[str, Any]]:
    """Accounts whose groups are told with the history and they themselves later, as in every sample: until then they
    are numbers that nobody knows."""
    later = np.flatnonzero(people.opened > max(to.last_of_history, 0))
    since = date(to.days[0].year, 1, 1)
    return [
        {
            "tenant": people.tenant, "vendor": "canonical", "account_id": people.account_id(int(row)),
            "as_of_date": since, "kind": "member before its account", "place": BREAK, "rule": "account_new",
        }
        for row in later
    ]  # fmt: skip
