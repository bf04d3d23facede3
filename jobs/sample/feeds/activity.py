"""Sectioned CSV (field guide S2): a broker's quarterly statement of one account, many tables in one file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle, Entry, conid_of, isin_of, money, security, units
from jobs.sample.feeds.numbers import NUMBERS

Cells = list[str]
Rows = list[dict[str, Any]]
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
# Sections of money without a security's units: the kinds that they tell, their titles, and a booking's own cells.
MONEY = {
    "Deposits & Withdrawals": (("DEPOSIT", "WITHDRAWAL"), ("Currency", "Settle Date", "Description", "Amount")),
    "Dividends": (("DIVIDEND",), ("Currency", "Date", "Description", "Amount")),
    "Withholding Tax": (("TAX",), ("Currency", "Date", "Description", "Amount", "Code")),
    "Interest": (("INTEREST",), ("Currency", "Date", "Description", "Amount")),
    "Fees": (("FEE",), ("Subtitle", "Currency", "Date", "Description", "Amount")),
}


def write(told: Chronicle, to: Deliveries, expected: Rows) -> None:
    """A file an account and quarter, through the last day of it on which the account was there."""
    for days in told.quarters():
        for row in range(len(told.people)):
            there = [day for day in days if row in told.closes[day]]
            if not there:
                continue
            span = range(there[0], there[-1] + 1)
            account, first, last = _number(told, row), told.days[span[0]], told.days[span[-1]]
            own = [one for one in expected if one["account_id"] == told.people.account_id(row)]
            returned = next(one["twrr_qtd"] for one in own if one["as_of_date"] == last)
            lines = list(_statement(told, row, span, returned or 0.0))
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(lines)
            name = f"activity/{account}_{first:%Y%m%d}_{last:%Y%m%d}.csv"
            to.write(name, days[-1], "\ufeff" + text.getvalue(), len(lines))


def _statement(told: Chronicle, row: int, days: range, returned: float) -> Iterator[Cells]:
    entries = list(told.of(row, days))
    trades = [entry for entry in entries if entry.is_trade]
    yield from _about(told, row, days)
    yield from _net_asset_value(told, row, days, returned)
    yield from _change(told, row, days, entries)
    yield from _positions(told, row, days[-1])
    yield from _trades(told, row, trades)
    yield from _transfers(told, row, [entry for entry in entries if entry.is_in_kind])
    for section, (kinds, titles) in MONEY.items():
        booked = [entry for entry in entries if entry.kind in kinds]
        if booked:
            yield [section, "Header", *titles]
            yield from ([section, "Data", *_money_cells(told, entry, titles)] for entry in booked)
            blanks = [""] * (titles.index("Amount") - 1)
            yield [section, "Data", "Total", *blanks, money(sum(entry.amount for entry in booked))]
    yield from _instruments(told, row, days[-1], entries)


def _about(told: Chronicle, row: int, days: range) -> Iterator[Cells]:
    first, last = (f"{MONTHS[on.month - 1]} {on.day}, {on.year}" for on in (told.days[days[0]], told.days[days[-1]]))
    for section, facts in {
        "Statement": {
            "BrokerName": "Harbor Brokerage",
            "Title": "Activity Statement",
            "Period": last if first == last else f"{first} - {last}",
            "WhenGenerated": f"{told.days[days[-1]]}, 23:59:00 EST",
        },
        "Account Information": {
            "Name": told.people.name(row),
            "Account": _number(told, row),
            "Base Currency": told.currency(row),
        },
    }.items():
        yield [section, "Header", "Field Name", "Field Value"]
        yield from ([section, "Data", name, value] for name, value in facts.items())


def _net_asset_value(told: Chronicle, row: int, days: range, returned: float) -> Iterator[Cells]:
    """Cash and stock before and now; below a second header the return in percent."""
    close = told.closes[days[-1]][row]
    value, cash = told.value_before(row, days[0]), told.cash_before(row, days[0])
    parts = {"Cash ": (cash, close.cash), "Stock": (value - cash, close.value - close.cash)}
    parts["Total"] = (value, close.value)
    yield ["Net Asset Value", "Header", "Asset Class", "Prior Total", "Current Long", "Current Short", "Current Total",
           "Change"]  # fmt: skip
    for name, (prior, now) in parts.items():
        figures = prior, max(now, 0), min(now, 0), now, now - prior
        yield ["Net Asset Value", "Data", name, *(_thousands(figure) for figure in figures)]
    yield ["Net Asset Value", "Header", "Time Weighted Rate of Return"]
    yield ["Net Asset Value", "Data", f"{returned * 100:.9f}%"]


def _change(told: Chronicle, row: int, days: range, entries: list[Entry]) -> Iterator[Cells]:
    """The bridge: what stood there before and all that happened make what stands there now."""
    before = told.value_before(row, days[0])
    flows = {name: sum(e.amount for e in entries if e.kind in kinds) for name, (kinds, _) in MONEY.items()}
    flows["Position Transfers"] = sum(entry.amount for entry in entries if entry.is_in_kind)
    commissions = -sum(entry.commission for entry in entries)
    value = told.closes[days[-1]][row].value
    market = value - before - sum(flows.values()) - commissions
    yield ["Change in NAV", "Header", "Field Name", "Field Value"]
    for name, figure in {
        "Starting Value": before,
        "Mark-to-Market": market,
        **flows,
        "Commissions": commissions,
        "Ending Value": value,
    }.items():
        yield ["Change in NAV", "Data", name, _thousands(figure)]


def _positions(told: Chronicle, row: int, day: int) -> Iterator[Cells]:
    section, currency = "Open Positions", told.currency(row)
    holdings = told.closes[day][row].holdings
    if not holdings:
        return
    yield [section, "Header", "DataDiscriminator", "Asset Category", "Currency", "Symbol", "Quantity", "Mult",
           "Cost Basis", "Close Price", "Value"]  # fmt: skip
    for held in holdings:
        figures = money(held.cost), money(told.price(day, held.security)), money(held.worth)
        kind, symbol = "Stocks", security(held.security).ticker
        yield [section, "Data", "Summary", kind, currency, symbol, units(held.quantity), "1", *figures]
    cost, worth = (money(sum(getattr(held, name) for held in holdings)) for name in ("cost", "worth"))
    yield [section, "Total", "", "Stocks", currency, "", "", "", cost, "", worth]


def _trades(told: Chronicle, row: int, trades: list[Entry]) -> Iterator[Cells]:
    if not trades:
        return
    yield ["Trades", "Header", "DataDiscriminator", "Asset Category", "Currency", "Symbol", "Date/Time", "Quantity",
           "T. Price", "Proceeds", "Comm/Fee", "Code"]  # fmt: skip
    currency = told.currency(row)
    for entry in trades:
        cells = ["Stocks", currency, security(entry.security).ticker, f"{told.days[entry.day]}, 14:30:00"]
        figures = [units(entry.quantity), money(entry.price), money(entry.amount + entry.commission)]
        yield ["Trades", "Data", "Order", *cells, *figures, money(-entry.commission), "O"]
    proceeds = sum(entry.amount + entry.commission for entry in trades)
    yield ["Trades", "SubTotal", "", "Stocks", currency, "", "", "", "", money(proceeds), "", ""]
    yield ["Trades", "Total", "", "Stocks", currency, "", "", "", "", money(proceeds), "", ""]


def _transfers(told: Chronicle, row: int, moved: list[Entry]) -> Iterator[Cells]:
    if not moved:
        return
    yield ["Transfers", "Header", "Asset Category", "Currency", "Symbol", "Date", "Type", "Direction", "Xfer Company",
           "Qty", "Xfer Price", "Market Value", "Code"]  # fmt: skip
    currency = told.currency(row)
    for entry in moved:
        way = "In" if entry.quantity > 0 else "Out"
        cells = ["Stocks", currency, security(entry.security).ticker, str(told.days[entry.day]), "ACATS", way, "--"]
        yield ["Transfers", "Data", *cells, units(entry.quantity), money(entry.price), money(entry.amount), ""]
    yield ["Transfers", "Data", "Total", "", "", "", "", "", "", "", "", money(sum(e.amount for e in moved)), ""]


def _money_cells(told: Chronicle, entry: Entry, titles: tuple[str, ...]) -> Cells:
    about = security(entry.security).ticker if entry.security >= 0 else entry.kind.title()
    cells = {
        "Subtitle": "Other Fees",
        "Currency": told.currency(entry.row),
        "Amount": money(entry.amount),
        "Description": f"{about} {entry.subtype} {entry.id}".replace("  ", " "),
        "Code": "",
    }
    return [cells.get(title, str(told.days[entry.day])) for title in titles]


def _instruments(told: Chronicle, row: int, day: int, entries: list[Entry]) -> Iterator[Cells]:
    section = "Financial Instrument Information"
    yield [section, "Header", "Asset Category", "Symbol", "Description", "Conid", "Security ID", "Multiplier", "Type"]
    held = {held.security for held in told.closes[day][row].holdings}
    for number in sorted(held | {entry.security for entry in entries} - {-1}):
        one = security(number)
        kind = "COMMON" if one.asset_class == "equity" else "ETF"
        yield [section, "Data", "Stocks", one.ticker, one.name.upper(), conid_of(number), isin_of(number), "1", kind]


def _number(told: Chronicle, row: int) -> str:
    return NUMBERS["activity"](int(told.people.number[row]))


def _thousands(hundredths: int) -> str:
    """1,069.86 and -1,069.86."""
    return f"{Decimal(hundredths).scaleb(-2):,.2f}"
