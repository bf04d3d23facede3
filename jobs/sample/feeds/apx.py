"""JSON Lines (field guide S6): a portfolio system's dump in pages that overlap, listed in a manifest; a tombstone."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle, Entry, cusip_of, money, security, units
from jobs.sample.feeds.numbers import NUMBERS

PAGE = 7  # records; the last one of a page is the first of the next
KINDS = {"FEE": "management_fee", "TAX": "withholding_tax"}
Record = dict[str, Any]


def write(told: Chronicle, to: Deliveries) -> None:
    """The day's bookings and account values in pages, plain or gzipped; a deposit that never was is deleted later."""
    mistaken_on = len(told.days) // 3
    for day, on in enumerate(told.days):
        records = [_booking(told, entry, on) for entry in told.entries[day]]
        if 0 < mistaken_on < len(told.days) - 1 and 0 <= day - mistaken_on <= 1:
            status = "verified" if day == mistaken_on else "deleted"
            records.append(_never_was(told.days[mistaken_on], modified_on=on, status=status))
        records += _views(told, day)
        pages: list[tuple[str, bytes, int]] = []
        starts = [*range(0, max(len(records) - 1, 1), PAGE - 1), len(records) - 1]
        for page, (start, end) in enumerate(pairwise(starts), start=1):
            rows = records[start : end + 1]
            text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
            name = f"apx/apx_transactions_{on}_p{page:04d}.jsonl"
            content = text.encode()
            if page % 2 == 0:
                name, content = f"{name}.gz", gzip.compress(content, mtime=0)
            to.write(name, day, content, len(rows))
            pages.append((name, content, len(rows)))
        to.write(f"apx/apx_{on}.manifest.json", day, manifest(pages), 0)


def manifest(pages: list[tuple[str, bytes, int]]) -> str:
    """The list of a delivery's pages, each (path, content, records)."""
    listed = [
        {"name": name.rsplit("/", 1)[-1], "sha256": hashlib.sha256(content).hexdigest(), "records": records}
        for name, content, records in pages
    ]
    return json.dumps({"pages": listed}, indent=1) + "\n"


def _booking(told: Chronicle, entry: Entry, on: date) -> Record:
    attributes: Record = {
        "posted_date": str(on),
        "trade_date": str(on),
        "owner_id": NUMBERS["apx"](int(told.people.number[entry.row])),
        "type": KINDS.get(entry.kind, entry.kind.lower()),
    }
    if entry.is_trade:
        attributes["settle_date"] = str(told.settles(entry.day))
    if entry.security >= 0:
        attributes |= {"owned_name": security(entry.security).name, "cusip": cusip_of(entry.security)}
    if entry.quantity:
        attributes |= {"units": float(units(entry.quantity)), "price": money(entry.price)}
    # What moves in kind has no amount; some amounts are texts, some numbers, as they came.
    value = None if entry.is_in_kind else money(entry.amount) if entry.row % 2 else entry.amount / 100
    attributes["amount"] = {"value": value, "currency": told.currency(entry.row)}
    attributes |= {"status": "verified", "modified_at": f"{on + timedelta(days=1)}T03:14:15Z"}
    return {"id": f"tx_{entry.id}", "type": "transactions", "attributes": attributes}


def _never_was(on: date, *, modified_on: date, status: str) -> Record:
    attributes = {
        "posted_date": str(on), "trade_date": str(on), "owner_id": NUMBERS["apx"](2), "type": "deposit",
        "amount": {"value": "77000.00", "currency": "USD"}, "status": status,
        "modified_at": f"{modified_on + timedelta(days=1)}T04:00:00Z",
    }  # fmt: skip
    return {"id": f"tx_{on:%Y%m%d}990", "type": "transactions", "attributes": attributes}


def _views(told: Chronicle, day: int) -> Iterator[Record]:
    on = told.days[day]
    for row, close in told.closes[day].items():
        owner = NUMBERS["apx"](int(told.people.number[row]))
        flow = sum(entry.amount for entry in told.of(row, range(day, day + 1)) if entry.is_flow)
        attributes = {
            "as_of": str(on),
            "owner_id": owner,
            "value": money(close.value),
            "currency": told.currency(row),
            "adjusted_capital_flow": money(flow),
            "fees": "net",
        }
        yield {"id": f"pf_{owner}_{on}", "type": "portfolio_views", "attributes": attributes}
