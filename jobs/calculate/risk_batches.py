"""Arrow batches of accounts with their windows and returns, into Arrow batches of statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.calculate.matrix import Floats, Ints, Mask, count
from jobs.calculate.relative import beta_and_alpha, relative_statistics
from jobs.calculate.risk_statistics import Drawdown, calmar, drawdown, own_statistics, sharpe

OWN = [
    "volatility", "downside_deviation", "sharpe", "sortino", "calmar", "max_drawdown", "current_drawdown", "var_95",
    "var_99", "var_95_parametric", "var_99_parametric", "expected_shortfall_95", "expected_shortfall_99", "skewness",
    "kurtosis", "win_rate", "best", "worst",
]  # fmt: skip
STREAKS = ["longest_gain_streak", "longest_loss_streak"]
DATES = ["drawdown_peak_date", "drawdown_trough_date", "drawdown_recovery_date", "first_return_date"]
RELATIVE = [
    "beta", "alpha", "correlation", "r_squared", "tracking_error", "information_ratio", "up_capture", "down_capture",
    "batting_average",
]  # fmt: skip
STATISTICS = [*OWN, *STREAKS, *DATES, *RELATIVE]
CELLS = 1 << 16  # of one matrix: small enough to stay near the processor
DAYS = 1 << 22  # more than a date's number since 1970 can be: account number * DAYS + date sorts as both do
NO_DATE = np.iinfo(np.int32).min


class Frequency(NamedTuple):
    """How often returns are taken, how many there are in a year, and how many are needed."""

    name: str
    per_year: int
    at_least: int


class Returns(NamedTuple):
    """The returns of a batch's accounts, one after the other in order of account and date."""

    key: Ints
    day: Ints
    own: Floats
    benchmark: Floats
    risk_free: Floats


class Windows(NamedTuple):
    """The windows of a batch: n returns from `first` on, dated after `since`."""

    first: Ints
    n: Ints
    since: Ints
    has_benchmark: Mask

    def at(self, places: Ints) -> Windows:
        return Windows(self.first[places], self.n[places], self.since[places], self.has_benchmark[places])


def statistics_of_batch(batch: pa.RecordBatch, frequency: Frequency, acceptable: float) -> pa.RecordBatch:
    """One result row for each window of each account.

    `batch`: tenant_id, account_id, windows (list of as_of_date, window_name, since, until, benchmark_id, status,
    epoch) and series (list of as_of_date, own_return, benchmark_return, risk_free_return; in any order, NULL for none).
    """
    flat = pc.list_flatten(batch.column("windows"))
    account = pc.list_parent_indices(batch.column("windows")).to_numpy(zero_copy_only=False).astype(np.int64)
    returns = _returns(batch)
    status = np.asarray(flat.field("status").to_numpy(zero_copy_only=False), dtype=object)
    windows = _windows(flat, account, np.isin(status, ["ok", "insufficient_history"]), returns)
    enough = (status == "ok") & (windows.n >= frequency.at_least)
    result = _Result(len(status))
    result.date_first_returns(windows, returns)
    # Windows of one length at a time: a sum's rounding is then the window's own, whatever stands beside it.
    order = np.flatnonzero(enough)
    order = order[np.argsort(windows.n[order], kind="stable")]
    while len(order):
        width = int(windows.n[order[-1]])
        size = min(int(np.count_nonzero(windows.n[order] == width)), max(1, CELLS // width))
        chosen, order = order[-size:], order[:-size]
        result.fill(chosen, windows.at(chosen), returns, frequency, acceptable)
    status[(status == "ok") & ~enough] = "insufficient_returns"
    status[enough] = result.status[enough]
    rows = {
        "tenant_id": batch.column("tenant_id").take(pa.array(account)),
        "account_id": batch.column("account_id").take(pa.array(account)),
        "as_of_date": flat.field("as_of_date"),
        "window_name": flat.field("window_name"),
        "frequency": pa.array([frequency.name] * len(status), pa.string()),
        "since_date": flat.field("since"),
        "observations": pa.array(windows.n.astype(np.int32)),
        **result.arrays(),
        "benchmark_id": flat.field("benchmark_id"),
        "status": pa.array(status, pa.string()),
        "epoch": flat.field("epoch"),
    }
    return pa.RecordBatch.from_pydict(rows)


class _Result:
    """The statistics of all windows of a batch, filled matrix by matrix."""

    def __init__(self, size: int) -> None:
        self.numbers = {name: np.full(size, np.nan) for name in [*OWN, *STREAKS, *RELATIVE]}
        self.dates = {name: np.full(size, NO_DATE, dtype=np.int64) for name in DATES}
        self.status = np.full(size, "", dtype=object)

    def date_first_returns(self, windows: Windows, returns: Returns) -> None:
        some = windows.n > 0
        self.dates["first_return_date"][some] = returns.day[windows.first[some]]

    def fill(self, at: Ints, windows: Windows, returns: Returns, frequency: Frequency, acceptable: float) -> None:
        """Compute `windows`, all of one length, which stand at the places `at` of the batch."""
        cells = windows.first[:, None] + np.arange(windows.n[0])
        own = returns.own[cells]
        there = np.ones_like(own, dtype=np.bool_)
        fall = drawdown(own, there)
        found = own_statistics(own, there, frequency.per_year, acceptable) | {
            "max_drawdown": fall.deepest,
            "current_drawdown": fall.current,
            "calmar": calmar(own, there, frequency.per_year, fall.deepest),
        }
        undefined = np.any([np.isnan(values) for values in found.values()], axis=0)
        too_few = np.zeros(len(at), dtype=np.bool_)
        market = [returns.benchmark[cells], returns.risk_free[cells]]
        for beside, needed, pairs in _beside(own, there, market, windows.has_benchmark, frequency):
            enough = count(pairs) >= frequency.at_least
            too_few |= needed & ~enough
            for name, values in beside.items():
                found[name] = np.where(enough, values, np.nan)
                undefined |= enough & np.isnan(values)
        for name, values in found.items():
            self.numbers[name][at] = values
        self.status[at] = np.where(too_few, "insufficient_pairs", np.where(undefined, "division_by_zero", "ok"))
        for name, column in (("peak", fall.peak), ("trough", fall.trough), ("recovery", fall.recovery)):
            day = returns.day[windows.first + np.maximum(column, 0)]
            day = np.where(column == Drawdown.START, windows.since, np.where(column == Drawdown.NONE, NO_DATE, day))
            self.dates[f"drawdown_{name}_date"][at] = day

    def arrays(self) -> dict[str, pa.Array]:
        """NaN and NO_DATE as NULL, in the types of the table."""
        arrays: dict[str, pa.Array] = {}
        for name in STATISTICS:
            if name in self.dates:
                days = self.dates[name]
                arrays[name] = pa.array(days.astype(np.int32), mask=days == NO_DATE).cast(pa.date32())
            elif name in STREAKS:
                numbers = self.numbers[name]
                arrays[name] = pa.array(np.nan_to_num(numbers).astype(np.int32), mask=np.isnan(numbers))
            else:
                arrays[name] = pa.array(self.numbers[name], mask=np.isnan(self.numbers[name]))
        return arrays


def _beside(
    own: Floats, there: Mask, market: list[Floats], has_benchmark: Mask, frequency: Frequency
) -> Iterator[tuple[dict[str, Floats], Mask, Mask]]:
    """Statistics beside the market: their values, the windows that should have them, the pairs that they are from."""
    benchmark, risk_free = market
    with_free = there & ~np.isnan(risk_free)
    per_year = frequency.per_year
    yield {"sharpe": sharpe(own, risk_free, with_free, per_year)}, np.ones(len(own), dtype=np.bool_), with_free
    if has_benchmark.any():
        pairs = there & ~np.isnan(benchmark) & has_benchmark[:, None]
        yield relative_statistics(own, benchmark, pairs, per_year), has_benchmark, pairs
        triples = pairs & with_free
        yield beta_and_alpha(own, benchmark, risk_free, triples, per_year), has_benchmark, triples


def _windows(flat: Any, account: Ints, has_track: Mask, returns: Returns) -> Windows:
    since, until = (_days(flat.field(name)) for name in ("since", "until"))
    first = np.searchsorted(returns.key, account * DAYS + since, side="right")
    last = np.searchsorted(returns.key, account * DAYS + until, side="right")
    return Windows(
        first=first,
        n=np.where(has_track, np.maximum(last - first, 0), 0),
        since=since,
        has_benchmark=flat.field("benchmark_id").is_valid().to_numpy(zero_copy_only=False),
    )


def _returns(batch: pa.RecordBatch) -> Returns:
    """The batch's series end to end; NULL returns of the market as NaN."""
    account = pc.list_parent_indices(batch.column("series")).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(batch.column("series"))
    day = _days(flat.field("as_of_date"))
    key = account * DAYS + day
    values = [_floats(flat.field(name)) for name in ("own_return", "benchmark_return", "risk_free_return")]
    if np.any(key[1:] < key[:-1]):
        order = np.argsort(key, kind="stable")
        key, day, values = key[order], day[order], [column[order] for column in values]
    return Returns(key, day, *values)


def _days(dates: pa.Array) -> Ints:
    return dates.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)


def _floats(values: pa.Array) -> Floats:
    return values.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
