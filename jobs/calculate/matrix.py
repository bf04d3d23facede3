"""Many return series at once: a matrix with one series a row, and a mask of the same shape that says where one is.

Every function works on all rows in NumPy and gives one number per row, NaN where it is not defined. Cells outside the
mask may hold anything.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

NOISE = 1e-15  # returns that differ by less are equal: their deviation is rounding, and no divisor


def count(mask: Mask) -> Ints:
    return np.count_nonzero(mask, axis=1)


def divided(numerator: Floats, denominator: npt.NDArray[np.floating]) -> Floats:
    """numerator / denominator; NaN for a division by zero or a result that is not finite."""
    with np.errstate(all="ignore"):
        quotient = numerator / denominator
    return np.where((denominator != 0.0) & np.isfinite(quotient), quotient, np.nan)


def mean(values: Floats, mask: Mask) -> Floats:
    return divided(np.sum(np.where(mask, values, 0.0), axis=1), count(mask).astype(np.float64))


def centred(values: Floats, mask: Mask) -> Floats:
    """values - mean, and 0 outside the mask and in rows whose values are all equal."""
    apart = np.where(mask, values - mean(values, mask)[:, None], 0.0)
    apart[np.max(np.abs(apart), axis=1) <= NOISE] = 0.0
    return apart


def deviation(values: Floats, mask: Mask) -> Floats:
    """Sample standard deviation (n - 1)."""
    apart = centred(values, mask)
    spread: Floats = np.sqrt(divided(np.sum(apart * apart, axis=1), count(mask) - 1.0))
    return spread


def covariance(x: Floats, y: Floats, mask: Mask) -> Floats:
    """Sample covariance (n - 1)."""
    return divided(np.sum(centred(x, mask) * centred(y, mask), axis=1), count(mask) - 1.0)


def annualised(returns: Floats, mask: Mask, per_year: int) -> Floats:
    """product(1 + r)^(per_year / n) - 1."""
    n = count(mask).astype(np.float64)
    with np.errstate(all="ignore"):
        grown = np.prod(np.where(mask, np.maximum(1.0 + returns, 0.0), 1.0), axis=1) ** (per_year / n) - 1.0
    return np.where((n > 0) & np.isfinite(grown), grown, np.nan)


def longest_run(hits: Mask) -> Ints:
    """Length of the longest run of hits; a cell without one ends a run."""
    width = hits.shape[1]
    place = np.arange(1, width + 1)
    last_miss = np.maximum.accumulate(np.where(hits, 0, place), axis=1)
    return np.max(place - last_miss, axis=1, initial=0)
