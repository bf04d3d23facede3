"""Parquet (field guide S8): a data warehouse's share of daily values, a folder a day, with a late correction."""

from __future__ import annotations

import io
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.sample.columns import dates, decimals
from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle
from jobs.sample.feeds.numbers import NUMBERS

MARKER = "_SUCCESS"


def write(told: Chronicle, to: Deliveries) -> None:
    """A partition a day. One value of the third day is 2 % too low and not final; it is mended the day after."""
    for day, on in enumerate(told.days):
        folder = f"warehouse/valuations/business_date={on}"
        rows = list(told.closes[day])
        wrong = rows[:1] if day == 2 < len(told.days) - 1 else []
        to.write(f"{folder}/part-000.parquet", day, _part(told, day, rows, wrong), len(rows))
        to.write(f"{folder}/{MARKER}", day, "", 0)
        if wrong:
            to.write(f"{folder}/part-001.parquet", day + 1, _part(told, day, wrong, []), 1)


def _part(told: Chronicle, day: int, rows: list[int], wrong: list[int]) -> bytes:
    on, closes = told.days[day], [told.closes[day][row] for row in rows]
    value = [close.value * 98 // 100 if row in wrong else close.value for row, close in zip(rows, closes, strict=True)]
    flow = [sum(e.amount for e in told.of(row, range(day, day + 1)) if e.is_flow) for row in rows]
    loaded = datetime.combine(on + timedelta(days=2 if len(rows) == 1 else 1), time(1, 30), UTC)
    table = {
        "account_id": pa.array([NUMBERS["warehouse"](int(told.people.number[row])) for row in rows]),
        "valuation_date": dates(on, len(rows)),
        "market_value": decimals(np.array(value, dtype=np.int64)),
        "cash": decimals(np.array([close.cash for close in closes], dtype=np.int64)),
        "accrued": decimals(np.zeros(len(rows), dtype=np.int64)),
        "net_flow": decimals(np.array(flow, dtype=np.int64)),
        "currency": pa.array([told.currency(row) for row in rows]),
        "is_final": pa.array([row not in wrong for row in rows]),
        "load_ts": pa.array([loaded] * len(rows), pa.timestamp("us", "UTC")),
    }
    content = io.BytesIO()
    pq.write_table(pa.table(table), content)
    return content.getvalue()
