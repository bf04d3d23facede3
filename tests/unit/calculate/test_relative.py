"""Statistics beside a benchmark: small ones worked by hand, random ones against independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from jobs.calculate.matrix import Floats
from jobs.calculate.relative import beta_and_alpha, relative_statistics
from jobs.calculate.risk_statistics import sharpe
from tests import risk_reference
from tests.unit.calculate.test_risk import YEAR, matrix, worst

NAN = math.nan
CAPTURES = ["up_capture", "down_capture"]
Series = list[float]


def beside(own: Series, benchmark: Series, risk_free: Series, per_year: int = YEAR) -> dict[str, float]:
    """All statistics of one series; NaN in a series where it has no return."""
    values, there = matrix([own])
    both = there & ~np.isnan([benchmark])
    free = both & ~np.isnan([risk_free])
    found = relative_statistics(values, np.array([benchmark]), both, per_year)
    found |= beta_and_alpha(values, np.array([benchmark]), np.array([risk_free]), free, per_year)
    return {name: value[0] for name, value in found.items()}


def random_triples(seed: int, number: int = 60) -> list[tuple[Series, Series, Series]]:
    random = np.random.default_rng(seed)
    found = []
    for length in random.integers(20, 900, number):
        market = random.standard_t(4, length) * random.choice([0.0005, 0.01, 0.05])
        own = random.uniform(-1, 2) * market + random.standard_t(5, length) * 0.004
        rate = 0.00008 + 0.00001 * random.standard_normal(length)
        found.append(tuple([float(x) for x in np.maximum(one, -0.99)] for one in (own, market, rate)))
    return found  # type: ignore[return-value]


def test_slope_and_intercept_by_hand() -> None:
    # own above the rate: 2 x the benchmark's + 0.001; twelve periods a year
    market, rate = [0.01, -0.02, 0.03, 0.0], [0.001, 0.002, 0.001, 0.0]
    own = [2 * (b - f) + 0.001 + f for b, f in zip(market, rate, strict=True)]
    found = beside(own, market, rate, per_year=12)
    assert found["beta"] == pytest.approx(2.0, abs=1e-12)
    assert found["alpha"] == pytest.approx(0.012, abs=1e-12)


def test_beside_the_benchmark_by_hand() -> None:
    # active returns 0.01, 0.01, -0.02, 0.04: mean 0.01, deviations squared sum to 0.0018
    own, market = [0.02, -0.01, 0.00, 0.03], [0.01, -0.02, 0.02, -0.01]
    found = beside(own, market, [0.0] * 4, per_year=12)
    error = math.sqrt(0.0018 / 3 * 12)
    assert found["tracking_error"] == pytest.approx(error, abs=1e-14)
    year, market_year = (1.02 * 0.99 * 1.03) ** 3 - 1, (1.01 * 0.98 * 1.02 * 0.99) ** 3 - 1
    assert found["information_ratio"] == pytest.approx((year - market_year) / error, abs=1e-12)
    assert found["up_capture"] == pytest.approx((1.02**6 - 1) / ((1.01 * 1.02) ** 6 - 1), abs=1e-12)
    assert found["down_capture"] == pytest.approx(((0.99 * 1.03) ** 6 - 1) / ((0.98 * 0.99) ** 6 - 1), abs=1e-12)
    assert found["batting_average"] == 0.75
    # means 0.01 and 0: deviations (1, -2, -1, 2) and (1, -2, 2, -1) %; products sum to 1, squares to 10 and 10
    assert found["correlation"] == pytest.approx(0.1, abs=1e-12)
    assert found["r_squared"] == pytest.approx(0.01, abs=1e-12)


def test_a_day_on_which_the_benchmark_stood_still_is_in_no_capture() -> None:
    still = beside([0.02, 0.5, -0.01], [0.01, 0.0, -0.02], [0.0] * 3)
    without = beside([0.02, -0.01], [0.01, -0.02], [0.0] * 2)
    assert [still[name] for name in CAPTURES] == [without[name] for name in CAPTURES]


def test_a_day_without_benchmark_is_left_out_of_both_sides() -> None:
    with_gap = beside([0.02, 0.5, -0.01, 0.00], [0.01, NAN, -0.02, 0.02], [0.0] * 4)
    without = beside([0.02, -0.01, 0.00], [0.01, -0.02, 0.02], [0.0] * 3)
    assert with_gap == pytest.approx(without, abs=1e-12)


def test_a_day_without_risk_free_rate_costs_beta_only() -> None:
    own, market = [0.02, 0.5, -0.01, 0.00], [0.01, 0.4, -0.02, 0.02]
    gap, full = beside(own, market, [0.0, NAN, 0.0, 0.0]), beside(own, market, [0.0] * 4)
    assert gap["correlation"] == full["correlation"]
    assert gap["beta"] == pytest.approx(beside([0.02, -0.01, 0.00], [0.01, -0.02, 0.02], [0.0] * 3)["beta"], abs=1e-12)


def test_what_has_no_divisor_is_not_defined_and_takes_no_other_down() -> None:
    flat = beside([0.02, -0.01, 0.00], [0.01] * 3, [0.0] * 3)
    assert {name for name, value in flat.items() if math.isnan(value)} == {
        "beta", "alpha", "correlation", "r_squared", "down_capture",
    }  # fmt: skip
    same = beside([0.01, -0.02, 0.03], [0.01, -0.02, 0.03], [0.0] * 3)
    assert math.isnan(same["information_ratio"])
    assert (same["tracking_error"], same["up_capture"], same["beta"]) == (0.0, 1.0, pytest.approx(1.0, abs=1e-12))


def test_random_series_against_plain_python() -> None:
    triples = random_triples(1)
    own, there = matrix([own for own, _, _ in triples])
    market, rate = (matrix([one[column] for one in triples])[0] for column in (1, 2))
    found: dict[str, Floats] = relative_statistics(own, market, there, YEAR)
    found |= beta_and_alpha(own, market, rate, there, YEAR) | {"sharpe": sharpe(own, rate, there, YEAR)}
    assert worst(found, [risk_reference.beside(*triple, YEAR) for triple in triples]) == {}


def test_random_series_against_numpy() -> None:
    for own, market, rate in random_triples(2, 10):
        found = beside(own, market, rate)
        slope, intercept = np.polyfit(np.array(market) - rate, np.array(own) - rate, 1)
        assert found["beta"] == pytest.approx(slope, abs=1e-9)
        assert found["alpha"] == pytest.approx(intercept * YEAR, abs=1e-9)
        assert found["correlation"] == pytest.approx(np.corrcoef(own, market)[0, 1], abs=1e-9)


def test_random_series_against_empyrical() -> None:
    """Where its definitions are these: both series go in above the risk-free rate, alpha is compounded to a year (here
    multiplied: turned back); its tracking error and information ratio (`excess_sharpe`) are per period."""
    empyrical = pytest.importorskip("empyrical")
    for own, market, rate in random_triples(3, 20):
        found = beside(own, market, rate)
        days = pd.bdate_range("2020-01-01", periods=len(own))
        r, b, f = (pd.Series(one, index=days) for one in (own, market, rate))
        theirs = {
            "beta": empyrical.beta(r - f, b - f),
            "alpha": ((1 + empyrical.alpha(r - f, b - f)) ** (1 / YEAR) - 1) * YEAR,
            "up_capture": empyrical.up_capture(r, b),
            "down_capture": empyrical.down_capture(r, b),
        }
        assert worst({name: np.array([found[name]]) for name in theirs}, [theirs]) == {}


def test_the_table_of_differences(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tests.risk_differences` on a few series: every statistic is compared, none is far off."""
    from tests import risk_differences

    assert risk_differences.main(5) == 0
    told = capsys.readouterr().out
    statistics = set(risk_reference.own([0.01, -0.02, 0.03], YEAR)) - risk_differences.DATES | set(
        risk_reference.beside([0.01, -0.02, 0.03], [0.02, -0.01, 0.01], [0.0] * 3, YEAR)
    )
    assert {name for name in statistics if f"  {name} " not in told} == set()
