"""The rows of silver that one published row was calculated from, each with its file and line; read without Spark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc

from jobs.explain.rates import Amount, Rates, in_money
from jobs.platform.lake_files import Read
from jobs.platform.ledger import Ledger
from jobs.platform.schemas import table
from jobs.platform.settings import Tenant

Row = dict[str, Any]
FLOWS = ("DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL")


@dataclass(frozen=True)
class Attributes:
    """What holds for the account on a day; `row` is the silver row of the account file, None where none has begun."""

    base_currency: str
    flow_timing: str | None
    in_performance: bool
    row: Row | None


@dataclass(frozen=True)
class Booking:
    """A flow or fee of the sub-period, in base currency (`amount.value`); `timing_by` says who decided the timing."""

    date: date
    type: str
    amount: Amount
    timing: str
    timing_by: str
    row: Row

    @property
    def is_fee(self) -> bool:
        return self.type == "FEE"


@dataclass(frozen=True)
class Inputs:
    """All that the sub-period's figures come from, beside the row before it."""

    attributes: Attributes
    valuation: Amount
    valuation_row: Row
    bookings: list[Booking]

    @property
    def rows(self) -> list[Row]:
        """The silver rows, rates included."""
        own = [self.valuation_row, *(booking.row for booking in self.bookings)]
        own += [self.attributes.row] if self.attributes.row else []
        amounts = [self.valuation, *(booking.amount for booking in self.bookings)]
        return own + [leg.row for amount in amounts for leg in amount.legs]


class Silver:
    """An account's rows that count: not withheld, loaded by runs up to `run_no`, per key the latest, not retired."""

    def __init__(self, read: Read, tenant_id: str, account_id: str, run_no: int, withheld: list[str]) -> None:
        self.read, self.account_id = read, account_id
        self.every = (pc.field("tenant_id") == tenant_id) & (pc.field("run_no") <= run_no)
        if withheld:
            self.every &= ~pc.field("file_id").isin(withheld)
        self.of_account = pc.field("account_id") == account_id

    def valuations(self, day: date) -> list[Row]:
        return self._latest("valuation", self.of_account & (pc.field("as_of_date") == day))

    def accounts(self) -> list[Row]:
        return self._latest("account", self.of_account)

    def rates(self, through: date) -> list[Row]:
        return self._latest("fx_rate", pc.field("as_of_date") <= through)

    def transactions(self, priority: list[str]) -> list[Row]:
        """Of the vendor that the tenant puts first among those that ever delivered a transaction of the account."""
        ours = self._all("transaction", self.of_account)
        best = min((source_rank(row["vendor"], priority) for row in ours), default="")
        ids = sorted({row["transaction_id"] for row in ours if source_rank(row["vendor"], priority) == best})
        # A later version may have moved the transaction to another account.
        current = self._latest("transaction", pc.field("transaction_id").isin(ids)) if ids else []
        return [
            row
            for row in current
            if row["account_id"] == self.account_id and source_rank(row["vendor"], priority) == best
        ]

    def _all(self, name: str, where: pc.Expression) -> list[Row]:
        found = self.read(name, table(name).names, self.every & where)
        return [] if found is None else [row | {"silver": name} for row in found.to_pylist()]

    def _latest(self, name: str, where: pc.Expression) -> list[Row]:
        newest: dict[tuple[Any, ...], Row] = {}
        for row in sorted(self._all(name, where), key=lambda r: (r["arrival_no"], r["line_no"], r["record_no"])):
            newest[tuple(row[column] for column in table(name).key)] = row
        return [row for row in newest.values() if not row["retired"]]


def source_rank(vendor: str, priority: list[str]) -> str:
    """Text that sorts vendors: the tenant's source_priority first, the others after them by name."""
    return f"{priority.index(vendor):05d}" if vendor in priority else f"99999 {vendor}"


def inputs(silver: Silver, tenant: Tenant, rates: Rates, after: date | None, through: date) -> Inputs | None:
    """What a row dated `through` is made of whose sub-period follows the row of `after` (None: the first row).

    None where silver has no value of the account for that day.
    """
    values = sorted(silver.valuations(through), key=lambda row: source_rank(row["vendor"], tenant.source_priority))
    if not values:
        return None
    versions = _versions(silver.accounts(), tenant)
    attributes = _attributes(versions, through, tenant)
    valuation = rates.converted(values[0]["market_value"], values[0]["currency"], attributes.base_currency, through)
    bookings = []
    for row in silver.transactions(tenant.source_priority):
        day = row["performance_date"]
        counts = row["type"] in (*FLOWS, "FEE") and row["status"] != "cancel"
        worth = _worth(row)
        if counts and worth != 0 and (after is None or day > after) and day <= through:
            bookings.append(_booking(row, worth, _attributes(versions, day, tenant), tenant, rates))
    order = sorted(bookings, key=lambda booking: (booking.is_fee, booking.date, booking.row["transaction_id"]))
    return Inputs(attributes, valuation, values[0], order)


def _booking(row: Row, worth: Decimal | None, on: Attributes, tenant: Tenant, rates: Rates) -> Booking:
    amount = rates.converted(worth, row["currency"], on.base_currency, row["performance_date"])
    own, feed = row["flow_timing"], row["feed_flow_timing"]
    policy, decided_by = (
        (on.flow_timing, "the account")
        if on.flow_timing
        else (feed, "the mapping")
        if feed
        else (tenant.flow_timing, "the tenant")
    )
    inward = amount.value is not None and amount.value > 0
    of_policy = {
        "start_of_day": "start",
        "mid_day": "mid",
        "end_of_day": "end",
        "inflow_start_outflow_end": "start" if inward else "end",
    }
    timing = own or of_policy[policy]
    return Booking(
        row["performance_date"], row["type"], amount, timing,
        "the transaction" if own else f"{policy} of {decided_by}", row,
    )  # fmt: skip


def _worth(row: Row) -> Decimal | None:
    """The amount; of a transfer in kind without one quantity x price, None where nobody has priced it."""
    amount: Decimal = row["amount"]
    if row["type"] not in ("TRANSFER_IN", "TRANSFER_OUT") or amount != 0 or not row["quantity"]:
        return amount
    if row["price"] is None:
        return None
    size = abs(in_money(row["quantity"], row["price"]))
    return size if row["type"] == "TRANSFER_IN" else -size


def _versions(accounts: list[Row], tenant: Tenant) -> list[Row]:
    """The dated versions of the account, of the vendor that the tenant puts first, in order."""
    best = min((source_rank(row["vendor"], tenant.source_priority) for row in accounts), default="")
    mine = [row for row in accounts if source_rank(row["vendor"], tenant.source_priority) == best]
    return sorted(mine, key=lambda row: row["effective_from"])


def _attributes(versions: list[Row], day: date, tenant: Tenant) -> Attributes:
    """The first version holds before its effective_from too, except that the account counts as in performance then."""
    begun = [row for row in versions if row["effective_from"] <= day]
    now, first = (begun or [{}])[-1], (versions or [{}])[0]
    return Attributes(
        now.get("base_currency") or first.get("base_currency") or tenant.reporting_currency,
        now.get("flow_timing") or first.get("flow_timing"),
        now.get("in_performance", True),
        now or first or None,
    )


def with_lineage(rows: Iterable[Row], read: Read, ledger: Ledger) -> None:
    """Give each silver row where it came from: `file` (path below landing, member), `run_id` and `raw`, the text."""
    listed = list(rows)
    file_ids = sorted({row["file_id"] for row in listed})
    files = {file.file_id: file for file in ledger.files_by_id(file_ids)}
    runs = ledger.connection.execute(
        "SELECT run_no, run_id FROM ops.run WHERE run_no = ANY (%s)", [[row["run_no"] for row in listed]]
    )
    names: dict[int, str] = dict(runs.fetchall())
    where = pc.field("file_id").isin(file_ids) & pc.field("line_no").isin(sorted({row["line_no"] for row in listed}))
    found = read("line", ["file_id", "line_no", "raw"], where)
    raw = {} if found is None else {(one["file_id"], one["line_no"]): one["raw"] for one in found.to_pylist()}
    for row in listed:
        file = files.get(row["file_id"])
        member = f" / {file.member}" if file and file.member else ""
        row["file"] = f"{file.path}{member}" if file else row["file_id"]
        row["run_id"] = names.get(row["run_no"])
        row["raw"] = raw.get((row["file_id"], row["line_no"]))
