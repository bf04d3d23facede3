"""How far each risk statistic is from independent implementations: python -m tests.risk_differences [NUMBER]

NUMBER random series (default 1,000) of 20 to 900 returns, calm and wild, with days without a move and total losses. The
others: the specification in plain Python (`risk_reference`), pandas and NumPy, and empyrical-reloaded where its
definition is the specification's. Prints the worst absolute difference of each; exit status 1 where one is above 1e-9
(above 1: relative).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence

import empyrical
import numpy as np
import pandas as pd

from jobs.calculate.matrix import Floats
from jobs.calculate.relative import beta_and_alpha, relative_statistics
from jobs.calculate.risk_statistics import calmar, drawdown, own_statistics, sharpe
from tests import risk_reference
from tests.unit.calculate.test_relative import random_triples
from tests.unit.calculate.test_risk import TOLERANCE, YEAR, matrix, random_series

Found = Mapping[str, float]
DATES = {"peak", "trough", "recovery"}


def main(number: int = 1000) -> int:
    worst: dict[tuple[str, str], tuple[float, float]] = {}
    for statistic, other, ours, theirs in [*_own(number), *_beside(number)]:
        if math.isnan(ours) and math.isnan(theirs):
            continue
        far = abs(ours - theirs)
        known = worst.get((statistic, other), (0.0, 0.0))
        worst[statistic, other] = (max(known[0], far), max(known[1], far / max(1.0, abs(theirs))))
    print(f"{number} series of each kind; worst absolute difference (relative where the value is above 1)")
    for (statistic, other), (absolute, relative) in sorted(worst.items()):
        print(f"  {statistic:<24} {other:<14} {absolute:9.1e} ({relative:.1e})")
    far_off = [key for key, (_, relative) in worst.items() if not relative <= TOLERANCE]
    print(f"above {TOLERANCE:g}: {', '.join(map(' against '.join, far_off)) or 'none'}")
    return 1 if far_off else 0


Compared = Iterator[tuple[str, str, float, float]]


def _own(number: int) -> Compared:
    series = random_series(101, number)
    values, there = matrix(series)
    fall = drawdown(values, there)
    found: dict[str, Floats] = own_statistics(values, there, YEAR) | {
        "max_drawdown": fall.deepest, "current_drawdown": fall.current, "peak": fall.peak, "trough": fall.trough,
        "recovery": fall.recovery, "calmar": calmar(values, there, YEAR, fall.deepest),
    }  # fmt: skip
    for place, one in enumerate(series):
        ours = {name: float(column[place]) for name, column in found.items()}
        yield from _each(ours, risk_reference.own(one, YEAR), "plain Python")
        yield from _each(ours, _pandas(one), "pandas")
        yield from _each(ours, _empyrical(one), "empyrical")


def _beside(number: int) -> Compared:
    triples = random_triples(102, number)
    own, there = matrix([own for own, _, _ in triples])
    market, rate = (matrix([one[column] for one in triples])[0] for column in (1, 2))
    found: dict[str, Floats] = relative_statistics(own, market, there, YEAR)
    found |= beta_and_alpha(own, market, rate, there, YEAR) | {"sharpe": sharpe(own, rate, there, YEAR)}
    for place, (r, b, f) in enumerate(triples):
        ours = {name: float(column[place]) for name, column in found.items()}
        yield from _each(ours, risk_reference.beside(r, b, f, YEAR), "plain Python")
        slope, intercept = np.polyfit(np.array(b) - f, np.array(r) - f, 1)
        active, related = np.array(r) - b, np.corrcoef(r, b)[0, 1]
        theirs = {
            "beta": slope, "alpha": intercept * YEAR, "correlation": related, "r_squared": related**2,
            "tracking_error": active.std(ddof=1) * math.sqrt(YEAR), "batting_average": float((active > 0).mean()),
        }  # fmt: skip
        yield from _each(ours, theirs, "NumPy")
        yield from _each(ours, _empyrical_beside(r, b, f), "empyrical")


def _each(ours: Found, theirs: Found, other: str) -> Compared:
    for name, value in theirs.items():
        yield "drawdown dates" if name in DATES else name, other, ours[name], float(value)


def _pandas(one: Sequence[float]) -> Found:
    """Its skewness and kurtosis are of the sample: turned into those of the population."""
    n, own = len(one), pd.Series(one)
    index = (1 + own).cumprod()
    below = index / index.cummax().clip(lower=1) - 1
    return {
        "volatility": own.std() * math.sqrt(YEAR),
        "var_95": -own.quantile(0.05),
        "var_99": -own.quantile(0.01),
        "expected_shortfall_95": -own[own <= own.quantile(0.05)].mean(),
        "expected_shortfall_99": -own[own <= own.quantile(0.01)].mean(),
        "skewness": own.skew() * (n - 2) / math.sqrt(n * (n - 1)),
        "kurtosis": (own.kurt() * (n - 2) * (n - 3) / (n - 1) - 6) / (n + 1),
        "max_drawdown": min(below.min(), 0.0),
        "current_drawdown": below.iloc[-1],
        "win_rate": float((own > 0).mean()),
        "best": own.max(),
        "worst": own.min(),
    }


def _empyrical(one: Sequence[float]) -> Found:
    array = np.array(one)
    return {
        "volatility": empyrical.annual_volatility(array, annualization=YEAR),
        "downside_deviation": empyrical.downside_risk(array, annualization=YEAR),
        "sortino": empyrical.sortino_ratio(array, annualization=YEAR),
        "max_drawdown": empyrical.max_drawdown(array),
        "calmar": empyrical.calmar_ratio(array, annualization=YEAR),
        "var_95": -empyrical.value_at_risk(array, 0.05),
        "var_99": -empyrical.value_at_risk(array, 0.01),
    }


def _empyrical_beside(own: Sequence[float], market: Sequence[float], rate: Sequence[float]) -> Found:
    """Both series go in above the risk-free rate; its alpha is compounded to a year, here multiplied: turned back."""
    days = pd.bdate_range("2020-01-01", periods=len(own))
    r, b, f = (pd.Series(one, index=days) for one in (own, market, rate))
    return {
        "beta": empyrical.beta(r - f, b - f),
        "alpha": ((1 + empyrical.alpha(r - f, b - f)) ** (1 / YEAR) - 1) * YEAR,
        "up_capture": empyrical.up_capture(r, b),
        "down_capture": empyrical.down_capture(r, b),
        "sharpe": empyrical.sharpe_ratio(r - f, annualization=YEAR),
    }


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
