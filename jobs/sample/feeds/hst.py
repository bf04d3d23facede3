"""Control-record text (field guide S3): a custodian's bookings of a day, one of them wrong, cancelled and rebooked."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle, Entry, cusip_of, money, units
from jobs.sample.feeds.numbers import NUMBERS

CODES = {
    "BUY": "BUY", "SELL": "SEL", "DIVIDEND": "DIV", "INTEREST": "INT", "DEPOSIT": "DEP", "WITHDRAWAL": "WDL",
    "FEE": "FEE", "TAX": "TAX", "TRANSFER_IN": "RCV", "TRANSFER_OUT": "DLV",
}  # fmt: skip


def write(told: Chronicle, to: Deliveries) -> None:
    """A file a day, an empty one where nothing happened."""
    wrong = next((e for entries in told.entries[1:-1] for e in entries if e.kind == "DEPOSIT"), None)
    for day, on in enumerate(told.days):
        rows = []
        for entry in told.entries[day]:
            # A digit too many; the night after takes it back and books it rightly under another id.
            first = replace(entry, amount=entry.amount * 10) if entry is wrong else entry
            rows.append(_row(told, first, 1, f"T{entry.id}"))
        if wrong is not None and day == wrong.day + 1:
            first = replace(wrong, amount=wrong.amount * 10)
            rows.append(_row(told, first, -1, f"T{wrong.id}X", status="C", original=f"T{wrong.id}"))
            rows.append(_row(told, wrong, 1, f"T{wrong.id}R", status="R", original=f"T{wrong.id}"))
        numbered = [f"D|{n}|{row}" for n, row in enumerate(rows, start=1)]
        written = f"{on + timedelta(days=1):%Y%m%d}031500"
        head = f"H|HST|TXN|{on:%Y%m%d}|{written}|FULL|{len(rows)}"
        text = "".join(f"{line}\n" for line in [head, *numbered, trailer(numbered)])
        to.write(f"hst/HST_TXN_{on:%Y%m%d}.psv", day, text, len(rows))


def trailer(details: list[str]) -> str:
    """Detail count, sum of net cash, and the sum of the account numbers' digits read as numbers."""
    cells = [line.split("|") for line in details]
    net = sum(round(float(row[11]) * 100) for row in cells)
    return f"T|{len(cells)}|{money(net)}|{sum(int(re.sub(r'[^0-9]', '', row[2])) for row in cells)}"


def _row(told: Chronicle, entry: Entry, sign: int, name: str, *, status: str = "N", original: str = "") -> str:
    """A detail without its record type and sequence; sign -1 takes back what was booked."""
    on = told.days[entry.day]
    settles = told.settles(entry.day) if entry.quantity else on
    gross = entry.amount + entry.commission if entry.is_trade else entry.amount
    return "|".join(
        (
            NUMBERS["hst"](int(told.people.number[entry.row])),
            f"{on:%Y%m%d}",
            f"{settles:%Y%m%d}",
            CODES[entry.kind],
            cusip_of(entry.security) if entry.security >= 0 else "",
            units(sign * entry.quantity) if entry.quantity else "",
            money(entry.price) if entry.price else "",
            money(sign * abs(gross)),
            money(entry.commission),
            money(sign * entry.cash),
            told.currency(entry.row),
            name,
            status,
            original,
        )
    )
