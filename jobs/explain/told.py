"""An explanation told: as plain values for programs, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from jobs.explain.account_row import Explanation
from jobs.explain.inputs import Booking, Inputs
from jobs.explain.linking import Linked
from jobs.explain.rates import Amount

LINEAGE = ("silver", "vendor", "feed", "mapping_version", "run_id", "file", "line_no", "raw")
PREVIOUS = ("as_of_date", "end_market_value", "epoch", "run_id")


def as_dict(found: Explanation, period: str | None) -> dict[str, Any]:
    """The explanation as plain values: amounts as text with all decimals, returns as numbers, weights as k/2D."""
    inputs, again = found.inputs, found.recomputed
    return {
        "published": found.row,
        "previous": found.previous and {name: found.previous[name] for name in PREVIOUS},
        "recomputed": again and again.row,
        "valuation": inputs and _amount(inputs.valuation) | {"row": _lineage(inputs.valuation_row)},
        "account": inputs and {
            **{name: value for name, value in asdict(inputs.attributes).items() if name != "row"},
            "row": inputs.attributes.row and _lineage(inputs.attributes.row),
        },
        "bookings": [_booking(one, weight) for one, weight in _weights(found)],
        "periods": [
            {**asdict(one), "factors": asdict(one)["factors"] if one.period == period else len(one.factors)}
            for one in found.periods
        ],
        "differences": [asdict(one) for one in found.differences],
    }  # fmt: skip


def _weights(found: Explanation) -> Iterator[tuple[Booking, str | None]]:
    weights = {id(one.booking): one for one in found.recomputed.flows} if found.recomputed else {}
    for booking in found.inputs.bookings if found.inputs else []:
        one = weights.get(id(booking))
        yield booking, f"{one.numerator}/{one.denominator}" if one else None


def _booking(booking: Booking, weight: str | None) -> dict[str, Any]:
    return {
        "date": booking.date,
        "type": booking.type,
        **_amount(booking.amount),
        "timing": None if booking.is_fee else booking.timing,
        "timing_by": None if booking.is_fee else booking.timing_by,
        "weight": weight,
        "transaction_id": booking.row["transaction_id"],
        "row": _lineage(booking.row),
    }


def _amount(amount: Amount) -> dict[str, Any]:
    rates = [
        {
            "from": leg.target if leg.is_inverse else leg.source,
            "to": leg.source if leg.is_inverse else leg.target,
            "rate": leg.rate,
            "as_of_date": leg.as_of_date,
            "inverse": leg.is_inverse,
            "row": _lineage(leg.row),
        }
        for leg in amount.legs
    ]
    return {"amount": amount.given, "currency": amount.currency, "value": amount.value, "rates": rates}


def _lineage(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in LINEAGE}


def as_lines(found: Explanation, period: str | None) -> Iterator[str]:
    """The formula with its numbers, each input with its file and line; the factors of `period` one by one."""
    row = found.row
    flags = f", flags {row['quality_flags']}" if row["quality_flags"] else ""
    yield f"{row['account_id']} ({row['tenant_id']}) on {row['as_of_date']}: {row['status']}{flags}"
    published = f"{row['published_at']:%Y-%m-%d %H:%M %Z}"
    yield f"  epoch {row['epoch']}, calculated by run {row['run_id']}, published {published}"
    if found.inputs is None or found.recomputed is None:
        yield "  silver has no value of the account for that day"
        return
    yield from _of_account(found.inputs)
    yield from _of_values(found, found.inputs)
    for booking, weight in _weights(found):
        yield from _of_booking(booking, weight)
    yield from _of_formula(found, found.recomputed.row)
    for chain in found.periods:
        yield from _of_period(chain, listed=chain.period == period)
    if not found.differences:
        yield "agrees with the mart: money exactly, returns to 1e-10"


def _of_account(inputs: Inputs) -> Iterator[str]:
    on = inputs.attributes
    yield f"  in {on.base_currency}, {'in performance' if on.in_performance else 'out of performance'}"
    if on.row:
        yield from _origin(on.row)


def _of_values(found: Explanation, inputs: Inputs) -> Iterator[str]:
    begin, again = found.previous, found.recomputed
    if begin:
        of = f"{begin['as_of_date']} (epoch {begin['epoch']}, run {begin['run_id']})"
        yield f"B  {shown(begin['end_market_value'])}: end value of {of}"
    else:
        yield "B  0: the account's first row"
    yield f"E  {_money(inputs.valuation)}"
    yield from _origin(inputs.valuation_row, inputs.valuation)
    if again:
        days = again.row["days"]
        yield f"D  {days} business day{'s' if days > 1 else ''} after {again.row['begin_date']}: {again.row['method']}"


def _of_booking(booking: Booking, weight: str | None) -> Iterator[str]:
    if booking.is_fee:
        yield f"fee {booking.date} {_money(booking.amount)}"
    else:
        counted = f", weight {weight}: {booking.timing} of day by {booking.timing_by}" if weight else ""
        yield f"F  {booking.date} {booking.type} {_money(booking.amount)}{counted}"
    yield from _origin(booking.row, booking.amount)


def _of_formula(found: Explanation, row: dict[str, Any]) -> Iterator[str]:
    if row["status"] == "no_fx":
        yield "no_fx: the value, a flow or a fee has no exchange rate; the next row that has one covers the time"
        return
    begin = shown(found.previous["end_market_value"] if found.previous else Decimal(0))
    flows = found.recomputed.flows if found.recomputed else []
    parts = "".join(f" + {one.numerator}/{one.denominator} x {shown(one.booking.amount.value)}" for one in flows)
    end, net_flow, gain, capital = (
        shown(row[name]) for name in ("end_market_value", "net_flow", "gain_loss", "weighted_capital")
    )
    yield f"NF = {net_flow}: {shown(row['contributions'])} in, {shown(row['distributions'])} out"
    if row["status"] == "opening":
        yield f"opening: a value of {end} that no capital explains begins a track; G = 0, C = {capital}"
    else:
        yield f"G  = E - B - NF = {end} - {begin} - {net_flow} = {gain}"
        yield f"C  = B + sum of w F = {begin}{parts} = {capital}"
    if "twrr_daily" in row:
        yield f"r  = G / C = {gain} / {capital} = {row['twrr_daily']!r}"
        with_fees = shown(row["gain_loss"] + row["fees"])
        yield f"gross = (G + fees) / C = {with_fees} / {capital} = {row['twrr_daily_gross']!r}"
    else:
        yield f"r  = none: {row['status']}"
    if row.get("track_no"):
        yield f"track {row['track_no']} since {row['inception_date']}"


def _of_period(chain: Linked, *, listed: bool) -> Iterator[str]:
    if chain.status != "ok":
        yield f"{chain.period} none: {chain.status}"
        return
    yield (
        f"{chain.period} = product of {len(chain.factors)} factors 1 + r since {chain.start_date}, less 1 ="
        f" {chain.twrr!r}, gross {chain.twrr_gross!r}"
    )
    for factor in chain.factors if listed else []:
        yield f"    {factor.as_of_date}  {factor.net!r}  gross {factor.gross!r}  {factor.status}"


def _money(amount: Amount) -> str:
    value = "without a rate" if amount.value is None else shown(amount.value)
    if amount.given == amount.value and amount.currency == amount.base_currency:
        return value
    return f"{value} = {shown(amount.given)} {amount.currency} in {amount.base_currency}"


def _origin(row: dict[str, Any], amount: Amount | None = None) -> Iterator[str]:
    """Where a silver row came from, and the rates that its amount was converted by."""
    yield (f"     silver.{row['silver']}: {row['vendor']}, {row['feed']} {row['mapping_version']}, run {row['run_id']}")
    yield f"     {row['file']} line {row['line_no']}: {row['raw']}"
    for leg in amount.legs if amount else []:
        pair = (leg.target, leg.source) if leg.is_inverse else (leg.source, leg.target)
        way = "divided by" if leg.is_inverse else "times"
        yield f"   {way} {shown(leg.rate)}, {pair[1]} for a {pair[0]} of {leg.as_of_date}"
        yield from _origin(leg.row)


def shown(value: Any) -> str:
    """Money with all its digits that say something."""
    if isinstance(value, Decimal):
        return f"{value:f}".rstrip("0").rstrip(".") if value else "0"
    return str(value)
