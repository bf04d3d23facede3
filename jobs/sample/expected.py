"""The expected results beside a sample, by the reference calculation, and the vendor's own figures made from them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.sample.anomalies.kinds import Anomaly
from jobs.sample.anomalies.rows import misreport
from jobs.sample.book import CANCELLED_NEXT_NIGHT, FLOW_TYPES, TIMINGS, TYPES, Day
from jobs.sample.deliveries import Deliveries
from jobs.sample.market import CURRENCIES
from jobs.sample.people import POLICIES, People
from jobs.sample.reference import Booking, daily_rows

DEFAULT_POLICY = "inflow_start_outflow_end"
PLANTED_PER_FIELD = {"begin_market_value": 3, "twrr_daily": 3, "twrr_mtd": 2, "end_market_value": 1}
MISTAKEN_FOR_A_NIGHT = frozenset({"corrected", "cancelled", "late", "revalued"})
REPORTED = ("begin_market_value", "net_flow", "end_market_value", "twrr_daily", "twrr_mtd")


MONEY = (
    "begin_market_value", "contributions", "distributions", "net_flow", "cumulative_net_flow", "fees",
    "end_market_value", "gain_loss", "weighted_capital",
)  # fmt: skip
RETURNS = tuple(f"twrr_{name}{suffix}" for suffix in ("", "_gross") for name in ("mtd", "qtd", "ytd", "itd"))
# The order of marts.account_performance_daily, as far as the vendor's files decide it.
EXPECTED_COLUMNS = (
    "tenant_id", "account_id", "as_of_date", "currency", *MONEY, "days", "method", "twrr_daily", "twrr_daily_gross",
    *RETURNS, "track_no", "inception_date", "status",
)  # fmt: skip
PLANTED_COLUMNS = ("tenant_id", "account_id", "as_of_date", "type", "field", "ours", "theirs", "cleared_on")
DELIVERY_COLUMNS = ("path", "tenant", "night", "rows")


@dataclass
class Expected:
    """Collects valuations, flows and fees of a tenant's first accounts and works their daily rows out."""

    people: People
    limit: int
    values: dict[int, list[tuple[date, Decimal]]] = field(default_factory=dict)
    bookings: dict[int, list[Booking]] = field(default_factory=dict)

    def day(self, day: Day) -> None:
        """Take one day's close."""
        for row in np.flatnonzero(day.is_valued[: self.limit]):
            self.values.setdefault(int(row), []).append((day.date, Decimal(int(day.value[row])).scaleb(-2)))
        chosen = day.bookings[
            (day.bookings["account"] < self.limit) & (day.bookings["delivery"] != CANCELLED_NEXT_NIGHT)
        ]
        for booking in chosen:
            kind = TYPES[booking["type"]]
            if kind in FLOW_TYPES or kind == "FEE":
                amount = Decimal(int(booking["amount"])).scaleb(-2)
                timing = TIMINGS[booking["timing"]] or None
                entry = Booking(day.date, amount, is_fee=kind == "FEE", timing=timing)
                self.bookings.setdefault(int(booking["account"]), []).append(entry)

    def rows(self) -> list[dict[str, Any]]:
        """The daily rows of the collected accounts, account by account."""
        found = []
        for row in sorted(self.values):
            rows = daily_rows(
                self.values[row],
                self.bookings.get(row, []),
                flow_timing=POLICIES[self.people.policy[row]] or DEFAULT_POLICY,
                in_performance=[] if self.people.in_performance[row] else [(date(1900, 1, 1), False)],
            )
            identity = {
                "tenant_id": self.people.tenant,
                "account_id": self.people.account_id(row),
                "currency": CURRENCIES[self.people.currency[row]],
            }
            found += [identity | one for one in rows]
        return found


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """A CSV of these columns of the rows; an empty field is NULL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(row[name]) for name in columns] for row in rows)


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def reported_performance(
    people: People, rows: list[dict[str, Any]], to: Deliveries, seed: int, anomalies: Sequence[Anomaly] = ()
) -> list[dict[str, Any]]:
    """Write what the vendor says of its accounts: our figures, a handful deliberately off. Returns those.

    Accounts with an anomaly are not among them; of some anomalies a reported figure is what is wrong.
    """
    brokerage = {people.account_id(int(row)) for row in np.flatnonzero(people.is_brokerage)}
    own = [row for row in rows if row["account_id"] not in brokerage and row["status"] != "excluded"]
    told = [{name: row[name] for name in ("account_id", "as_of_date", *REPORTED)} for row in own]
    planted = _plant(people, own, told, to, seed, {one.account_id for one in anomalies})
    misreport(told, anomalies, to.days)
    day_of = {day: index for index, day in enumerate(to.days)}
    by_day: dict[int, list[dict[str, Any]]] = {}
    for row in told:
        by_day.setdefault(day_of[row["as_of_date"]], []).append(row)
    for day in sorted(by_day):
        columns: dict[str, Any] = {
            "account_id": pa.array([row["account_id"] for row in by_day[day]]),
            "as_of_date": pa.array([row["as_of_date"] for row in by_day[day]], pa.date32()),
        }
        for name in REPORTED:
            scale, type_ = (8, pa.float64()) if name.startswith("twrr") else (2, pa.decimal128(20, 2))
            values = [None if row[name] is None else round(row[name], scale) for row in by_day[day]]
            columns[name] = pa.array(values, type_)
        to.append("reported_performance", day, pa.table(columns))
    return planted


def _plant(  # noqa: PLR0917
    people: People, own: list[dict[str, Any]], told: list[dict[str, Any]], to: Deliveries, seed: int, others: set[str]
) -> list[dict[str, Any]]:
    """Set some of the vendor's figures off: values by 0.3 % to 2 %, returns by 8 to 60 basis points.

    Drawn as if there were no `others`, so that they change nothing for the rest; one that falls on them is left out.
    """
    rng = np.random.default_rng([seed, 5, *people.tenant.encode()])
    scripted = {people.account_id(int(row)) for row in np.flatnonzero(people.has_script)}
    first_night = to.days[to.nightly_from] if to.nightly_from is not None else to.days[len(to.days) // 2]
    plain = [i for i, row in enumerate(own) if row["status"] == "ok" and row["account_id"] not in scripted]
    late = [i for i in plain if own[i]["as_of_date"] >= first_night]
    early = [i for i in plain if own[i]["as_of_date"] < first_night]
    planted = []
    for name, count in PLANTED_PER_FIELD.items():
        for number in range(count):
            pool = late if number < (count + 1) // 2 else early  # most of them in the nights that are watched
            if not pool:
                continue
            chosen = pool[int(rng.integers(len(pool)))]
            ours = own[chosen][name]
            if name.startswith("twrr"):
                theirs: Any = round(ours + float(rng.uniform(0.0008, 0.006)), 8)
            else:
                theirs = (ours * Decimal(f"{rng.uniform(1.003, 1.02):.6f}")).quantize(Decimal("0.01"))
            if own[chosen]["account_id"] not in others:
                told[chosen][name] = theirs
                planted.append(_planted(people.tenant, own[chosen], name, theirs=theirs, cleared_on=None))
            # An account's later rows stay out: one planted figure per account keeps the list simple to check.
            late = [i for i in late if own[i]["account_id"] != own[chosen]["account_id"]]
            early = [i for i in early if own[i]["account_id"] != own[chosen]["account_id"]]
    planted += _cleared_by_the_next_night(people, own, to)
    return sorted(planted, key=lambda row: (row["as_of_date"], row["account_id"], row["field"]))


def _cleared_by_the_next_night(people: People, own: list[dict[str, Any]], to: Deliveries) -> list[dict[str, Any]]:
    """The returns that our files get wrong for one night: the vendor knew better, and we agree once they are mended."""
    if to.nightly_from is None or not to.nightly_from + 1 < len(to.days) - 1:
        return []
    night, mended = to.days[to.nightly_from + 1 : to.nightly_from + 3]
    mistaken = {people.account_id(row) for part, row in people.parts.items() if part in MISTAKEN_FOR_A_NIGHT}
    return [
        _planted(people.tenant, row, "twrr_daily", theirs=row["twrr_daily"], cleared_on=mended)
        for row in own
        if row["account_id"] in mistaken and row["as_of_date"] == night
    ]


def _planted(tenant: str, row: dict[str, Any], name: str, *, theirs: Any, cleared_on: date | None) -> dict[str, Any]:
    kind = name.replace("market_value", "value")  # as marts.reconciliation_break calls it
    values = (tenant, row["account_id"], row["as_of_date"], kind, name, row[name], theirs, cleared_on)
    return dict(zip(PLANTED_COLUMNS, values, strict=True))
