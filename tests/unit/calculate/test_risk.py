"""Statistics of a series by itself: small ones worked by hand, random ones against independent implementations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from jobs.calculate.matrix import Floats, Mask
from jobs.calculate.risk_statistics import Drawdown, calmar, drawdown, own_statistics, sharpe
from tests import risk_reference

YEAR = 252
TOLERANCE = 1e-9  # the specification's, for risk statistics


def matrix(series: Sequence[Sequence[float]]) -> tuple[Floats, Mask]:
    """The series as rows, filled up with 0 on the right."""
    there = np.arange(max(map(len, series))) < np.array([len(one) for one in series])[:, None]
    values = np.zeros(there.shape)
    values[there] = np.concatenate([np.asarray(one) for one in series])
    return values, there


def own(series: Sequence[float], per_year: int = YEAR, acceptable: float = 0.0) -> dict[str, float]:
    values, there = matrix([series])
    return {name: found[0] for name, found in own_statistics(values, there, per_year, acceptable).items()}


def fall(series: Sequence[float]) -> tuple[float, float, int, int, int]:
    """deepest, current, peak, trough, recovery."""
    found = drawdown(*matrix([series]))
    return (
        float(found.deepest[0]), float(found.current[0]), int(found.peak[0]), int(found.trough[0]),
        int(found.recovery[0]),
    )  # fmt: skip


def random_series(seed: int, number: int = 60) -> list[list[float]]:
    """Of all lengths from 20 on; calm and wild, with days without a move, some with a total loss."""
    random = np.random.default_rng(seed)
    found = []
    for length in random.integers(20, 900, number):
        one = random.standard_t(4, length) * random.choice([0.0005, 0.01, 0.1]) + 0.0003
        one[random.random(length) < 0.05] = 0.0
        if random.random() < 0.1:
            one[random.integers(length)] = -1.0
        found.append([float(x) for x in np.maximum(one, -1.0)])
    return found


def test_moments_by_hand() -> None:
    # mean 0.01; deviations 0.01, -0.03, 0.01, 0.01; squares sum to 0.0012
    found = own([0.02, -0.02, 0.02, 0.02], per_year=12)
    assert found["volatility"] == pytest.approx(math.sqrt(0.0012 / 3 * 12), abs=1e-15)
    assert found["downside_deviation"] == pytest.approx(math.sqrt(0.0004 / 4 * 12), abs=1e-15)
    assert found["sortino"] == pytest.approx(0.01 * 12 / math.sqrt(0.0012), abs=1e-12)
    assert found["skewness"] == pytest.approx((3 * 1e-6 - 27e-6) / 4 / (0.0003**1.5), abs=1e-10)
    assert found["kurtosis"] == pytest.approx((3 * 1e-8 + 81e-8) / 4 / 0.0003**2 - 3, abs=1e-10)
    assert (found["win_rate"], found["best"], found["worst"]) == (0.75, 0.02, -0.02)


def test_the_minimum_acceptable_return() -> None:
    found = own([0.02, -0.02, 0.02, 0.02], per_year=12, acceptable=0.02)
    assert found["downside_deviation"] == pytest.approx(math.sqrt(0.0016 / 4 * 12), abs=1e-15)
    assert found["sortino"] == pytest.approx((0.01 - 0.02) * 12 / math.sqrt(0.0016 / 4 * 12), abs=1e-12)


def test_quantile_and_tail_by_hand() -> None:
    # 21 returns -10 % .. +10 %: the 5 % quantile is the second, the 1 % one a fifth of the way from first to second
    found = own([place / 100 for place in range(-10, 11)])
    assert found["var_95"] == pytest.approx(0.09, abs=1e-15)
    assert found["expected_shortfall_95"] == pytest.approx(0.095, abs=1e-15)
    assert found["var_99"] == pytest.approx(0.098, abs=1e-15)
    assert found["expected_shortfall_99"] == pytest.approx(0.10, abs=1e-15)
    assert found["var_95_parametric"] == pytest.approx(1.6448536269514722 * math.sqrt(0.077 / 20), abs=1e-15)


def test_streaks_end_at_a_day_without_a_move() -> None:
    found = own([0.01, 0.01, 0.0, 0.01, -0.01, -0.02, -0.01, 0.01])
    assert (found["longest_gain_streak"], found["longest_loss_streak"]) == (2, 3)


def test_drawdown_dates() -> None:
    # index 1.1, 1.1, 0.88, 1.1, 0.99: the peak is the last day at 1.1 before the fall
    deepest, current, *days = fall([0.10, 0.0, -0.20, 0.25, -0.10])
    assert (deepest, current) == (pytest.approx(-0.2, abs=1e-15), pytest.approx(-0.1, abs=1e-15))
    assert days == [1, 2, 3]


def test_a_drawdown_from_the_start_that_is_not_recovered() -> None:
    deepest, current, *days = fall([0.0, -0.5, 0.5])
    assert (deepest, current) == (-0.5, -0.25)
    assert days == [Drawdown.START, 1, Drawdown.NONE]


def test_no_loss_no_drawdown() -> None:
    assert fall([0.01, 0.0, 0.01]) == (0.0, 0.0, Drawdown.NONE, Drawdown.NONE, Drawdown.NONE)


def test_the_first_of_two_equal_falls_counts() -> None:
    assert fall([-0.5, 1.0, -0.5, 1.0])[2:] == (Drawdown.START, 0, 1)


def test_a_recovery_to_the_last_digit_but_rounding() -> None:
    """(1 - loss) (1 + loss / (1 - loss)) is 1, but not in binary digits."""
    loss = 0.002
    assert (1 - loss) * (1 + loss / (1 - loss)) < 1
    assert fall([-loss, loss / (1 - loss)])[2:] == (Drawdown.START, 0, 1)


def test_a_total_loss_is_never_recovered() -> None:
    deepest, current, *days = fall([0.1, -1.0, 0.0, 0.5])
    assert (deepest, current, days) == (-1.0, -1.0, [0, 1, Drawdown.NONE])


def test_a_series_ends_where_it_ends() -> None:
    """A longer neighbour in the matrix leaves a shorter one alone."""
    values, there = matrix([[0.1, -0.2], [0.01] * 6])
    alone = matrix([[0.1, -0.2]])
    for name, found in own_statistics(values, there, YEAR).items():
        assert found[0] == pytest.approx(own_statistics(*alone, YEAR)[name][0], abs=1e-15), name
    assert drawdown(values, there).recovery[0] == Drawdown.NONE


@pytest.mark.parametrize("name", ["skewness", "kurtosis"])
def test_a_constant_series_has_no_shape(name: str) -> None:
    """0.1 + 0.1 + ... does not divide back to 0.1 exactly: rounding is no deviation."""
    assert math.isnan(own([0.001] * 30)[name])
    assert own([0.001] * 30)["volatility"] == 0.0


def test_divisions_by_zero_are_not_defined() -> None:
    values, there = matrix([[0.001] * 30])
    assert math.isnan(own_statistics(values, there, YEAR)["sortino"][0])
    assert math.isnan(calmar(values, there, YEAR, drawdown(values, there).deepest)[0])
    assert math.isnan(sharpe(values, np.zeros_like(values), there, YEAR)[0])


def test_random_series_against_plain_python() -> None:
    series = random_series(1)
    values, there = matrix(series)
    found = dict(own_statistics(values, there, YEAR))
    falls = drawdown(values, there)
    found |= {"max_drawdown": falls.deepest, "current_drawdown": falls.current, "peak": falls.peak}
    found |= {"trough": falls.trough, "recovery": falls.recovery}
    found["calmar"] = calmar(values, there, YEAR, falls.deepest)
    wanted = [risk_reference.own(one, YEAR) for one in series]
    assert worst(found, wanted) == {}


def test_random_series_against_pandas() -> None:
    """Skewness and kurtosis of pandas are of the sample: turned into those of the population."""
    for one in random_series(2, 10):
        found, n, pandas = own(one), len(one), pd.Series(one)
        assert found["volatility"] == pytest.approx(pandas.std() * math.sqrt(YEAR), abs=TOLERANCE)
        assert found["var_95"] == pytest.approx(-pandas.quantile(0.05), abs=TOLERANCE)
        assert found["var_99"] == pytest.approx(-pandas.quantile(0.01), abs=TOLERANCE)
        skewness = pandas.skew() * (n - 2) / math.sqrt(n * (n - 1))
        kurtosis = (pandas.kurt() * (n - 2) * (n - 3) / (n - 1) - 6) / (n + 1)
        assert found["skewness"] == pytest.approx(skewness, abs=TOLERANCE)
        assert found["kurtosis"] == pytest.approx(kurtosis, abs=1e-8)
        index = (1 + pandas).cumprod()
        deepest = (index / index.cummax().clip(lower=1) - 1).min()
        assert fall(one)[0] == pytest.approx(min(deepest, 0.0), abs=TOLERANCE)


def test_random_series_against_empyrical() -> None:
    """Where its definitions are these. Its compound return, expected shortfall (by rank) and stability are others."""
    empyrical = pytest.importorskip("empyrical")
    risk_free = 0.0001
    for one in random_series(3, 20):
        found, array = own(one), np.array(one)
        values, there = matrix([one])
        found["sharpe"] = sharpe(values, np.full_like(values, risk_free), there, YEAR)[0]
        deepest = drawdown(values, there).deepest
        found["max_drawdown"], found["calmar"] = deepest[0], calmar(values, there, YEAR, deepest)[0]
        theirs = {
            "volatility": empyrical.annual_volatility(array, annualization=YEAR),
            "downside_deviation": empyrical.downside_risk(array, annualization=YEAR),
            "sortino": empyrical.sortino_ratio(array, annualization=YEAR),
            "sharpe": empyrical.sharpe_ratio(array, risk_free=risk_free, annualization=YEAR),
            "max_drawdown": empyrical.max_drawdown(array),
            "calmar": empyrical.calmar_ratio(array, annualization=YEAR),
            "var_95": -empyrical.value_at_risk(array, 0.05),
            "var_99": -empyrical.value_at_risk(array, 0.01),
        }
        assert worst({name: np.array([found[name]]) for name in theirs}, [theirs]) == {}


def worst(found: dict[str, Floats], wanted: Sequence[dict[str, float]]) -> dict[str, float]:
    """The greatest difference of each statistic that is too far off, relative where it is above 1."""
    far: dict[str, float] = {}
    for row, expected in enumerate(wanted):
        for name, value in expected.items():
            both = math.isnan(found[name][row]) and math.isnan(value)
            off = 0.0 if both else abs(found[name][row] - value) / max(1.0, abs(value))
            if not off <= TOLERANCE:
                far[name] = max(off, far.get(name, 0.0))
    return far
