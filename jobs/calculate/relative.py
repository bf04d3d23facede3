"""Statistics of returns beside a benchmark's (specification, section 7), many series at once.

Libraries define some of them differently. Here, by the specification: beta and alpha are of the returns above the
risk-free rate and alpha is annualised by multiplication, not compounded; correlation and R squared are of the returns
themselves; the information ratio divides the difference of the compound annual returns (not the mean difference) by the
tracking error; a capture is the ratio of the annualised geometric mean returns on the benchmark's up (down) periods.
"""

from __future__ import annotations

import numpy as np

from jobs.calculate.matrix import Floats, Mask, annualised, count, covariance, deviation, divided, mean


def relative_statistics(returns: Floats, benchmark: Floats, both: Mask, per_year: int) -> dict[str, Floats]:
    """One number per row and statistic, from the pairs where `both` returns are there; NaN where not defined."""
    active = np.where(both, returns - benchmark, 0.0)
    own_spread, their_spread = deviation(returns, both), deviation(benchmark, both)
    correlation = divided(covariance(returns, benchmark, both), own_spread * their_spread)
    error = deviation(active, both) * np.sqrt(per_year)
    ahead = annualised(returns, both, per_year) - annualised(benchmark, both, per_year)
    with np.errstate(invalid="ignore"):
        up, down = both & (benchmark > 0.0), both & (benchmark < 0.0)
        beaten = both & (returns > benchmark)
    return {
        "correlation": correlation,
        "r_squared": correlation**2,
        "tracking_error": error,
        "information_ratio": divided(ahead, error),
        "up_capture": _capture(returns, benchmark, up, per_year),
        "down_capture": _capture(returns, benchmark, down, per_year),
        "batting_average": divided(count(beaten).astype(np.float64), count(both).astype(np.float64)),
    }


def beta_and_alpha(
    returns: Floats, benchmark: Floats, risk_free: Floats, all_three: Mask, per_year: int
) -> dict[str, Floats]:
    """Slope and annualised intercept of the returns above the risk-free rate."""
    own = np.where(all_three, returns - risk_free, 0.0)
    market = np.where(all_three, benchmark - risk_free, 0.0)
    beta = divided(covariance(own, market, all_three), deviation(market, all_three) ** 2)
    alpha = (mean(own, all_three) - beta * mean(market, all_three)) * per_year
    return {"beta": beta, "alpha": alpha}


def _capture(returns: Floats, benchmark: Floats, chosen: Mask, per_year: int) -> Floats:
    return divided(annualised(returns, chosen, per_year), annualised(benchmark, chosen, per_year))
