"""Bank statements of cash accounts beside the book; some begin elsewhere than the one before them ended."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from jobs.sample.anomalies.kinds import BANK, STATEMENT, Anomaly
from jobs.sample.canonical_files import CanonicalFiles
from jobs.sample.columns import dates
from jobs.sample.feeds.bank import camt_file, camt_statement
from jobs.sample.feeds.numbers import CASH_NUMBERS

ACCOUNTS_PER_ANOMALY = 3
DAYS_BEFORE = 3  # of the nights that come one by one
OPENING, PAID_IN, LOST = 1_000_000, 2_500, 5_000  # hundredths; so much is missing between two statements


def write_statements(files: CanonicalFiles, each: int) -> list[dict[str, Any]]:
    """A file of statements a day to the last, `each` of which are wrong; returns their rows of the list."""
    to, prefix = files.to, files.people.prefix
    first, last = max(to.last_of_history + 1 - DAYS_BEFORE, 0), len(to.days) - 1
    accounts = [f"{prefix}-BANK-{number:03}" for number in range(1, each * ACCOUNTS_PER_ANOMALY + 1)]
    numbers = [CASH_NUMBERS[BANK](number) for number in range(len(accounts))]
    _describe(files, accounts, numbers, first)
    wrong = [Anomaly(STATEMENT, BANK, row, accounts[row], last - row % 2, "") for row in range(each)]
    balances = [OPENING] * len(accounts)
    for day in range(first, last + 1):
        for one in wrong:
            balances[one.row] -= LOST if day == one.day else 0
        on = to.days[day]
        statements = [
            camt_statement(number, "USD", on, balances[row], [(PAID_IN, "BOOK")]) for row, number in enumerate(numbers)
        ]
        to.write(f"camt/{prefix}.camt053.{on:%Y%m%d}.xml", day, camt_file(on, statements), len(statements))
        balances = [balance + PAID_IN for balance in balances]
    return [row for one in wrong for row in one.found_as(to.tenant, to.days)]


def _describe(files: CanonicalFiles, accounts: list[str], numbers: list[str], first: int) -> None:
    """What the firm knows of the accounts, and the bank's numbers for them."""
    to, count = files.to, len(accounts)
    like = files.account_rows({}).schema
    known = {
        "account_id": pa.array(accounts), "account_name": pa.array([f"Cash {account}" for account in accounts]),
        "base_currency": pa.array(["USD"] * count), "opened_on": dates(to.days[first], count),
        "flow_timing": pa.array(["end_of_day"] * count), "in_performance": pa.array([False] * count),
    }  # fmt: skip
    columns = [known[name] if name in known else pa.nulls(count, like.field(name).type) for name in like.names]
    to.append("accounts", first, pa.table(columns, like.names), is_quoted=True)
    number_of = {
        "vendor": pa.array([BANK] * count), "vendor_account_number": pa.array(numbers),
        "account_id": pa.array(accounts), "from_date": pa.nulls(count, pa.date32()),
    }  # fmt: skip
    to.append("account_xref", 0, pa.table(number_of))
