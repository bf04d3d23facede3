"""The statistics of the specification, section 7, in plain Python, one series at a time: from its table alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import prod, sqrt
from statistics import correlation, covariance, fmean, pstdev, stdev, variance

Series = Sequence[float]


def own(r: Series, k: int, m: float = 0.0) -> dict[str, float]:
    """Statistics of one series; index positions of the drawdown's dates as peak, trough, recovery (-1: the start)."""
    short = sqrt(sum(min(x - m, 0.0) ** 2 for x in r) / len(r)) * sqrt(k)
    average, spread, population = fmean(r), stdev(r), pstdev(r)
    runs = [(sign, len(list(run))) for sign, run in groupby((x > 0) - (x < 0) for x in r)]
    found = {
        "volatility": spread * sqrt(k),
        "downside_deviation": short,
        "sortino": (average - m) * k / short,
        "win_rate": sum(x > 0 for x in r) / len(r),
        "best": max(r),
        "worst": min(r),
        "longest_gain_streak": max((n for sign, n in runs if sign == 1), default=0),
        "longest_loss_streak": max((n for sign, n in runs if sign == -1), default=0),
        "skewness": sum((x - average) ** 3 for x in r) / len(r) / population**3,
        "kurtosis": sum((x - average) ** 4 for x in r) / len(r) / population**4 - 3,
    }
    for name, share, z in (("95", 0.05, 1.6448536269514722), ("99", 0.01, 2.3263478740408408)):
        quantile = _quantile(r, share)
        tail = [x for x in r if x <= quantile]
        found[f"var_{name}"] = -quantile
        found[f"var_{name}_parametric"] = -(average - z * spread)
        found[f"expected_shortfall_{name}"] = -sum(tail) / len(tail)
    return found | _drawdown(r, k)


def beside(r: Series, b: Series, f: Series, k: int) -> dict[str, float]:
    """Statistics of a series beside a benchmark's and the risk-free rate's."""
    above = [x - y for x, y in zip(r, f, strict=True)]
    market = [x - y for x, y in zip(b, f, strict=True)]
    active = [x - y for x, y in zip(r, b, strict=True)]
    beta = covariance(above, market) / variance(market)
    error = stdev(active) * sqrt(k)
    up = [place for place, x in enumerate(b) if x > 0]
    down = [place for place, x in enumerate(b) if x < 0]
    return {
        "sharpe": fmean(above) / stdev(above) * sqrt(k),
        "beta": beta,
        "alpha": (fmean(above) - beta * fmean(market)) * k,
        "correlation": correlation(r, b),
        "r_squared": correlation(r, b) ** 2,
        "tracking_error": error,
        "information_ratio": (annualised(r, k) - annualised(b, k)) / error,
        "up_capture": annualised([r[i] for i in up], k) / annualised([b[i] for i in up], k),
        "down_capture": annualised([r[i] for i in down], k) / annualised([b[i] for i in down], k),
        "batting_average": sum(x > 0 for x in active) / len(r),
    }


def annualised(r: Series, k: int) -> float:
    return prod(1 + x for x in r) ** (k / len(r)) - 1


def _drawdown(r: Series, k: int) -> dict[str, float]:
    index, highest, summit = 1.0, 1.0, -1
    found: dict[str, float] = {"max_drawdown": 0.0, "peak": -2, "trough": -2, "recovery": -2}
    to_reach = 0.0
    for day, x in enumerate(r):
        index *= 1 + x
        if index >= highest > 1 or index > highest:
            highest, summit = max(index, highest), day
        if found["trough"] != -2 and found["recovery"] == -2 and index >= to_reach:
            found["recovery"] = day
        if index / highest - 1 < found["max_drawdown"]:
            found |= {"max_drawdown": index / highest - 1, "peak": summit, "trough": day, "recovery": -2}
            to_reach = highest
    found["current_drawdown"] = index / highest - 1
    found["calmar"] = annualised(r, k) / -found["max_drawdown"] if found["max_drawdown"] else float("nan")
    return found


def _quantile(r: Series, share: float) -> float:
    ordered, place = sorted(r), share * (len(r) - 1)
    low = int(place)
    return ordered[low] + (ordered[min(low + 1, len(r) - 1)] - ordered[low]) * (place - low)
