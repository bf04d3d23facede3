"""Statistics of a return series by itself and above the risk-free rate (specification, section 7), many at once.

Libraries define some of them differently. Here, by the specification: deviations are of the sample (n - 1); the
downside deviation divides by all n and is not centred; a quantile is interpolated linearly, and VaR and expected
shortfall are positive for a loss; skewness and kurtosis are population moments, kurtosis in excess of the normal's 3; a
compound return is annualised by the number of returns, product^(k / n), not by calendar days. The Sharpe ratio
subtracts the risk-free return of each day from the return of that day, not a yearly rate at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.calculate.matrix import Floats, Ints, Mask, annualised, centred, count, deviation, divided, longest_run, mean

QUANTILES = {"95": (0.05, 1.6448536269514722), "99": (0.01, 2.3263478740408408)}  # level: share, z of the normal
LEVEL_TOLERANCE = 1e-12  # an index this near to its former peak has recovered: the rest is rounding


@dataclass(frozen=True)
class Drawdown:
    """The deepest fall per row. peak, trough and recovery are columns of the returns' matrix; peak START is the day
    before the first return, NONE is no such date."""

    START = -1
    NONE = -2

    deepest: Floats
    current: Floats
    peak: Ints
    trough: Ints
    recovery: Ints


def own_statistics(returns: Floats, there: Mask, per_year: int, acceptable: float = 0.0) -> dict[str, Floats]:
    """One number per row and statistic; every row needs at least 2 returns. Cells beyond a row's last return are 0
    and come after it; `acceptable` is the minimum acceptable return per period (of Sortino and downside deviation)."""
    root = np.sqrt(per_year)
    n = count(there).astype(np.float64)
    apart = centred(returns, there)
    square = apart * apart
    centre, spread = mean(returns, there), np.sqrt(np.sum(square, axis=1) / (n - 1.0))
    ordered = np.sort(np.where(there, returns, np.inf), axis=1)
    short = np.minimum(returns - acceptable, 0.0)
    downside = np.sqrt(np.sum(np.where(there, short * short, 0.0), axis=1) / n) * root
    found = {
        "volatility": spread * root,
        "downside_deviation": downside,
        "sortino": divided((centre - acceptable) * per_year, downside),
        "win_rate": count(there & (returns > 0.0)) / n,
        "best": np.max(np.where(there, returns, -np.inf), axis=1),
        "worst": ordered[:, 0],
        "longest_gain_streak": longest_run(there & (returns > 0.0)).astype(np.float64),
        "longest_loss_streak": longest_run(there & (returns < 0.0)).astype(np.float64),
    }
    for level, (share, z) in QUANTILES.items():
        quantile = _quantile(ordered, n, share)
        tail = there & (returns <= quantile[:, None])
        found[f"var_{level}"] = -quantile
        found[f"var_{level}_parametric"] = -(centre - z * spread)
        found[f"expected_shortfall_{level}"] = -mean(returns, tail)
    second = np.sum(square, axis=1) / n
    found["skewness"] = divided(np.sum(square * apart, axis=1) / n, second**1.5)
    found["kurtosis"] = divided(np.sum(square * square, axis=1) / n, second**2) - 3.0
    return found


def sharpe(returns: Floats, risk_free: Floats, both: Mask, per_year: int) -> Floats:
    """mean(r - f) / stdev(r - f) * sqrt(per_year) on the pairs."""
    above = np.where(both, returns - risk_free, 0.0)
    return divided(mean(above, both), deviation(above, both)) * np.sqrt(per_year)


def calmar(returns: Floats, there: Mask, per_year: int, deepest: Floats) -> Floats:
    """Annualised return / -max drawdown."""
    return divided(annualised(returns, there, per_year), -deepest)


def drawdown(returns: Floats, there: Mask) -> Drawdown:
    """The deepest fall of the index that starts at 1, its dates and the fall at the end.

    peak: the last return's day at the running maximum before the trough, START where the index was never above 1.
    trough: the first day of the minimum. recovery: the first later day at or above the peak. Cells beyond a row's
    last return are 0, so that the index stays.
    """
    index = np.cumprod(np.maximum(1.0 + returns, 0.0), axis=1)
    highest = np.maximum(np.maximum.accumulate(index, axis=1), 1.0)
    fall = index / highest - 1.0
    rows, place = np.arange(len(index)), np.arange(index.shape[1])
    trough = np.argmin(fall, axis=1)
    deepest = np.minimum(fall[rows, trough], 0.0)
    lost = deepest < 0.0
    summit = highest[rows, trough]
    reached = there & (index >= summit[:, None] * (1.0 - LEVEL_TOLERANCE))
    before = np.max(np.where(reached & (place < trough[:, None]), place, Drawdown.START), axis=1)
    after = reached & (place > trough[:, None])
    return Drawdown(
        deepest=deepest,
        current=fall[:, -1],
        peak=np.where(~lost, Drawdown.NONE, np.where(summit > 1.0, before, Drawdown.START)),
        trough=np.where(lost, trough, Drawdown.NONE),
        recovery=np.where(lost & after.any(axis=1), np.argmax(after, axis=1), Drawdown.NONE),
    )


def _quantile(ordered: Floats, n: Floats, share: float) -> Floats:
    """Quantile of rows sorted upwards, of n values each, with linear interpolation."""
    place = share * (n - 1.0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, n.astype(np.int64) - 1)
    rows = np.arange(len(ordered))
    below, above = ordered[rows, low], ordered[rows, high]
    return below + (above - below) * (place - low)
