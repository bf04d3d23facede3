"""The book in a brokerage's CSV layouts: transactions per account, positions of all accounts per day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time

import numpy as np

from jobs.sample.book import POSTED_THE_DAY_AFTER, SHARE, SUBTYPES, TYPES, Bookings, Day
from jobs.sample.deliveries import Deliveries
from jobs.sample.market import SECURITIES, SLOTS, Market
from jobs.sample.people import People, brokerage_number

LABELS = ("General Investing", "Roth IRA", "Joint Tenant", "Community Property", "Living Trust")
TITLES = ("Date", "Action", "Symbol", "Description", "Quantity", "Price", "Fees & Comm", "Amount")
HOLDING_TITLES = (
    "Symbol", "Description", "Quantity", "Price", "Price Change %", "Price Change $", "Market Value", "Day Change %",
    "Day Change $", "Cost Basis", "Gain/Loss %", "Gain/Loss $", "Ratings", "Reinvest Dividends?", "Capital Gains?",
    "% Of Account", "Dividend Yield", "Last Dividend", "Ex-Dividend Date", "P/E Ratio", "52 Week Low", "52 Week High",
    "Security Type",
)  # fmt: skip
OPTION_TITLES = ("Volume", "Intrinsic Value", "In The Money")
# Several words of the brokerage for one canonical type; the booking's account decides which of them.
ACTIONS = {
    ("DEPOSIT", ""): ("MoneyLink Deposit", "Wire Funds Received", "Funds Received"),
    ("WITHDRAWAL", ""): ("MoneyLink Transfer", "Wire Funds", "MoneyLink Transfer"),
    ("JOURNAL", ""): ("Journal",) * 3,
    ("TRANSFER_IN", "in_kind"): ("Security Transfer",) * 3,
    ("TRANSFER_OUT", "in_kind"): ("Security Transfer",) * 3,
    ("BUY", ""): ("Buy",) * 3,
    ("BUY", "reinvestment"): ("Reinvest Shares",) * 3,
    ("SELL", ""): ("Sell",) * 3,
    ("DIVIDEND", ""): ("Cash Dividend", "Qualified Dividend", "Cash Dividend"),
    ("DIVIDEND", "reinvested"): ("Reinvest Dividend",) * 3,
    ("INTEREST", ""): ("Bank Interest",) * 3,
    ("FEE", "management"): ("Advisor Fee",) * 3,
}
CASH_WORDS = {
    "MoneyLink Deposit": "Tfr FIRST LAKES BANK", "MoneyLink Transfer": "Tfr FIRST LAKES BANK",
    "Wire Funds Received": "WIRED FUNDS RECEIVED", "Wire Funds": "WIRED FUNDS DISBURSED",
    "Funds Received": "CHECK DEPOSIT", "Journal": "JOURNAL BETWEEN ACCOUNTS", "Bank Interest": "BANK INT",
    "Advisor Fee": "MGMT FEE TO ADVISOR",
}  # fmt: skip


@dataclass
class BrokerageFiles:
    """Writes one tenant's brokerage files; its few accounts are the first ones of the book."""

    people: People
    market: Market
    to: Deliveries
    _booked: list[tuple[int, Bookings]] = field(default_factory=list)
    _previous: Day | None = None

    def __post_init__(self) -> None:
        self.rows = [int(row) for row in np.flatnonzero(self.people.is_brokerage)]

    def account_title(self, row: int) -> str:
        return f"{self.label(row)} ...{brokerage_number(self.people, row)}"

    def label(self, row: int) -> str:
        return LABELS[self.rows.index(row) % len(LABELS)]

    def day(self, day: Day) -> None:
        """Keep the day's bookings for the transaction files and write its positions."""
        own = day.bookings[self.people.is_brokerage[day.bookings["account"]]]
        if len(own):
            self._booked.append((day.index, own))
        if self.rows:
            self._positions(day)
        self._previous = day

    def finish(self) -> None:
        """Write the transaction files: one per account and delivery that has any."""
        lines: dict[tuple[int, int], list[tuple[int, list[str], int]]] = {}
        for day, bookings in self._booked:
            for booking in bookings:
                posted = min(day + int(booking["dating"] == POSTED_THE_DAY_AFTER), len(self.to.days) - 1)
                row = int(booking["account"])
                line = self._transaction(self.to.days[day], self.to.days[posted], booking)
                key = (row, self.to.night_of(posted))
                lines.setdefault(key, []).append((posted, line, int(booking["amount"]) if line[-1] else 0))
        for (row, night), entries in sorted(lines.items()):
            self._transactions(row, night, entries)

    def _transaction(self, effective: date, posted: date, booking: np.void) -> list[str]:
        row = int(booking["account"])
        kind = (TYPES[booking["type"]], SUBTYPES[booking["subtype"]])
        action = ACTIONS[kind][row % 3]
        when = f"{posted:%m/%d/%Y}" + (f" as of {effective:%m/%d/%Y}" if posted != effective else "")
        security = SECURITIES[booking["security"]] if booking["security"] >= 0 else None
        is_trade = booking["quantity"] != 0
        is_in_kind = SUBTYPES[booking["subtype"]] == "in_kind"
        # A trade's action says which way it goes, a transfer's quantity.
        quantity = int(booking["quantity"]) if is_in_kind else abs(int(booking["quantity"]))
        return [
            when,
            action,
            security.ticker if security else "",
            security.name.upper() if security else CASH_WORDS[action],
            units(quantity) if is_trade else "",
            dollars(int(booking["price"])) if is_trade else "",
            dollars(int(booking["commission"])) if booking["commission"] else "",
            "" if is_in_kind else dollars(int(booking["amount"])),
        ]

    def _transactions(self, row: int, night: int, entries: list[tuple[int, list[str], int]]) -> None:
        """Newest first; every other account in the older layout with an empty ninth title."""
        last_cell = [None] if row % 2 else []
        written = datetime.combine(self.to.days[night], time(18, row * 7 % 60, row * 13 % 60))
        title = f"Transactions  for account {self.account_title(row)} as of {written:%m/%d/%Y %I:%M:%S %p} ET"
        newest_first = sorted(entries, key=lambda entry: -entry[0])
        total = sum(amount for _, _, amount in entries)
        lines = [
            quoted([title]),
            quoted([*TITLES, *last_cell]),
            *(quoted([*line, *last_cell]) for _, line, _ in newest_first),
            quoted(["Transactions Total", *[""] * 6, dollars(total), None]),
        ]
        label, number = self.label(row).replace(" ", "_"), brokerage_number(self.people, row)
        name = f"{label}_XX{number}_Transactions_{written:%Y%m%d-%H%M%S}.csv"
        self.to.write(name, night, "\n".join(lines) + "\n", len(entries))

    def _positions(self, day: Day) -> None:
        lines = [quoted([f"Positions for All-Accounts as of 04:05 PM ET, {day.date:%m/%d/%Y}"]), ""]
        count = 0
        for order, row in enumerate(self.rows):
            if not day.is_valued[row]:
                continue
            holdings = self._holdings(day, row)
            width = (23, 23, 25, 26)[order % 4]
            titles = [*HOLDING_TITLES, *OPTION_TITLES] if width == 26 else list(HOLDING_TITLES)
            lines += [quoted([self.account_title(row)]), quoted(titles)]
            lines += [quoted(cells + [""] * (width - len(cells))) for cells in holdings]
            lines.append("")
            count += len(holdings)
        name = f"All-Accounts-Positions-{day.date:%Y-%m-%d}.CSV"
        self.to.write(name, day.index, "\r\n".join(lines), count)

    def _holdings(self, day: Day, row: int) -> list[list[str]]:
        """The holdings, the cash and the total of one account; the total is the sum of the rows above it."""
        value = int(day.value[row])
        cells = []
        change_of_all = 0
        for slot in range(SLOTS):
            quantity, worth, cost = (int(a[row, slot]) for a in (day.quantity, day.worth, day.cost))
            if quantity == 0:
                continue
            security = SECURITIES[self.market.slots[0, self.people.model[row], slot]]
            column = SECURITIES.index(security)
            price = int(self.market.prices[day.index, column])
            before = int(self.market.prices[day.index - 1, column]) if day.index else price
            change = (price - before) * quantity // SHARE
            change_of_all += change
            cells.append(
                [
                    security.ticker, security.name.upper(), units(quantity), dollars(price),
                    percent(price - before, before), dollars(price - before), dollars(worth),
                    percent(price - before, before), dollars(change), dollars(cost), percent(worth - cost, cost),
                    dollars(worth - cost), "--", "No", "--", percent(worth, value), "N/A", "--", "--", "N/A",
                    dollars(price * 8 // 10), dollars(price * 12 // 10),
                    "Equity" if security.asset_class == "equity" else "ETFs & Closed End Funds",
                ]
            )  # fmt: skip
        cash = int(day.cash[row])
        cost_of_all = int(day.cost[row].sum())
        gain = value - cash - cost_of_all
        cells.append(
            ["Cash & Cash Investments", *["--"] * 5, dollars(cash), "0%", "$0.00", *["--"] * 6, percent(cash, value),
             *["--"] * 6, "Cash and Money Market"]
        )  # fmt: skip
        cells.append(
            ["Account Total", *["--"] * 5, dollars(value), percent(change_of_all, value - change_of_all),
             dollars(change_of_all), dollars(cost_of_all), percent(gain, cost_of_all), dollars(gain), *["--"] * 11]
        )  # fmt: skip
        return cells


def quoted(cells: list[str | None] | list[str]) -> str:
    """A line with every cell in quotes; None is a cell without: it leaves a trailing comma."""
    return ",".join("" if cell is None else f'"{cell}"' for cell in cells)


def dollars(hundredths: int) -> str:
    """$1,234.50 and -$1,234.50."""
    return f"{'-' if hundredths < 0 else ''}${abs(hundredths) // 100:,}.{abs(hundredths) % 100:02d}"


def units(quantity: int) -> str:
    """Ten-thousandths as 1,200 or -12.3456."""
    whole, rest = divmod(abs(quantity), SHARE)
    return f"{'-' if quantity < 0 else ''}{whole:,}" + (f".{rest:04d}".rstrip("0") if rest else "")


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "N/A"
