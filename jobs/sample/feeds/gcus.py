"""Fixed width (field guide S4): a clearing firm's holdings, a full file a day and once a delta that mends one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from jobs.sample.book import SHARE
from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle, cusip_of, security
from jobs.sample.feeds.numbers import NUMBERS

WIDTH = 750


@dataclass(frozen=True)
class Position:
    """A security of an account, or its cash (security -1, quantity 1 for a unit of money)."""

    account: str
    security: int
    currency: str
    quantity: int
    worth: int


def write(told: Chronicle, to: Deliveries) -> None:
    """A full file a day. The second day's has a stale holding; an update mends it the morning after."""
    for day, on in enumerate(told.days):
        positions = _positions(told, day)
        held = [position for position in positions if position.security >= 0]
        if day == 1 < len(told.days) - 1 and held:
            right = held[0]
            stale = replace(right, quantity=right.quantity - SHARE, worth=right.worth - right.worth // 100)
            positions[positions.index(right)] = stale
            to.write(f"gcus/GCUS{on:%y%m%d}U.TXT", day + 1, file_of(on, [right], "UPDATED"), 1)
        text = file_of(on, positions, "REFRESHED")
        to.write(f"gcus/GCUS{on:%y%m%d}.TXT", day, text, len(positions))


def file_of(on: date, positions: list[Position], kind: str) -> str:
    """Header, an A record for each position (for a bond a B record more), and the trailer that counts them."""
    about = {19: "GLOBAL CUST POS", 47: f"{on:%m/%d/%Y}", 68: "HTBR", 86: f"{on:%m/%d/%Y}", 97: "23:15:00", 119: kind}
    details = []
    for number, position in enumerate(positions, start=1):
        details.append(_record(position, number))
        if position.security >= 0 and security(position.security).asset_class == "bond":
            accrued = {1: "GCB", 4: f"{number:08d}", 12: position.account, 417: f"{0:018d}+"}
            details.append(line(accrued, "X"))
    trailer = {1: "EOF", 19: about[19], 47: about[47], 106: f"{len(details):010d}", 119: kind}
    return "".join(f"{one}\n" for one in [line({1: "BOF", **about}, "A"), *details, line(trailer, "Z")])


def line(parts: dict[int, str], end: str) -> str:
    """A line of WIDTH characters with texts at their places, counted from 1."""
    characters = [" "] * WIDTH
    for first, text in parts.items():
        characters[first - 1 : first - 1 + len(text)] = text
    characters[WIDTH - 1] = end
    return "".join(characters)


def _positions(told: Chronicle, day: int) -> list[Position]:
    found = []
    for row, close in told.closes[day].items():
        account, currency = NUMBERS["gcus"](int(told.people.number[row])), told.currency(row)
        found += [Position(account, h.security, currency, h.quantity, h.worth) for h in close.holdings]
        if close.cash:
            found.append(Position(account, -1, currency, close.cash * SHARE // 100, close.cash))
    return found


def _record(position: Position, number: int) -> str:
    is_cash = position.security < 0
    quantity, worth = _signed(position.quantity * 10), _signed(position.worth * 10)
    parts = {
        1: "GCA",
        4: f"{number:08d}",
        12: position.account,
        22: f"{position.currency}999997" if is_cash else cusip_of(position.security),
        48: "001",
        51: "HTB",
        54: ("C" if is_cash else "S") + position.currency,
        74: quantity,
        93: quantity,
        435: "" if is_cash else security(position.security).ticker,
        514: "CASH" if is_cash else security(position.security).name[:10].upper(),
        662: position.currency,
        665: worth,
        695: f"{10**10:018d}",
        714: worth,
    }
    return line(parts, "X")


def _signed(number: int) -> str:
    return f"{abs(number):018d}{'-' if number < 0 else '+'}"
