"""Roots of cash-flow equations, for many accounts at once in NumPy (specification, section 5).

An equation is f(x) = sum( c_j e^(tau_j x) ) = 0 with x = ln g: the capital c_j that came in grows for the share tau_j
of the period by the factor g, and is gone at the end. Equations are ragged arrays; nothing loops over accounts.

Where the signs allow one root only, it is bracketed at once: beyond g = 1 there are at most as many roots as sign
changes in the sums of the c_j from the earliest on, below it as many as in those from the latest back (Laguerre). That
holds for nearly every account. The others are scanned on a grid, extrema included, so that a pair of roots between
two points is found too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LOWEST, HIGHEST = -700.0, float(np.log(1e6))  # of x: g from 1e-304 to 1e6
_STEPS = np.sinh(np.linspace(0.0, 10.0, 101)) / np.sinh(10.0)  # from 0 to 1, denser near 0
GRID = np.unique(np.concatenate([LOWEST * _STEPS, HIGHEST * _STEPS, np.linspace(-1.0, 1.0, 101)]))
PRECISION = 1e-14  # of x, relative beyond 1
TOUCHES = 1e-14  # an extremum within this share of the sum of |terms| is a double root
MOST_ITERATIONS = 200
SCANNED_AT_ONCE = 2_000


@dataclass(frozen=True)
class Equations:
    """Terms of all equations: those of equation k are coefficients[starts[k] : starts[k + 1]], tau falling in each.

    tau is the share of the period that is left, from 1 at its start to 0 at its end. Each has at least one term.
    """

    coefficients: Floats
    taus: Floats
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> Ints:
        """The equation of each term."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def take(self, chosen: Ints) -> Equations:
        """The chosen equations, in that order; one may be chosen more than once."""
        lengths = np.diff(self.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        terms = np.arange(starts[-1]) + np.repeat(self.starts[chosen] - starts[:-1], lengths)
        return Equations(self.coefficients[terms], self.taus[terms], starts)

    def derivatives(self) -> Equations:
        return Equations(self.coefficients * self.taus, self.taus, self.starts)

    def values(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """f, its derivative and the sum of its terms' sizes, each at the equation's own x."""
        terms = self.coefficients * np.exp(self.taus * np.repeat(x, np.diff(self.starts)))
        first = self.starts[:-1]
        total, slope, size = (np.add.reduceat(part, first) for part in (terms, terms * self.taus, np.abs(terms)))
        return total, slope, size


def growth_logs(equations: Equations, near: Floats) -> Floats:
    """x = ln g of each equation: of several roots in (0, 1e6) the g nearest to `near`; NaN where there is none."""
    found = np.full(len(equations), np.nan)
    if not len(equations):
        return found
    above, below, at_one = _possible_roots(equations)
    most = above + below + at_one
    found[(most == 1) & at_one] = 0.0
    single = np.flatnonzero((most == 1) & ~at_one)
    lower = np.where(above[single] == 1, 0.0, LOWEST)
    upper = np.where(above[single] == 1, HIGHEST, 0.0)
    guess = np.log(np.where(near[single] > 0, near[single], 1.0))
    found[single] = _bracketed(equations.take(single), lower, upper, guess)
    several = np.flatnonzero(most > 1)
    for begin in range(0, len(several), SCANNED_AT_ONCE):
        chosen = several[begin : begin + SCANNED_AT_ONCE]
        found[chosen] = _nearest_of_all(equations.take(chosen), near[chosen])
    return found


def _possible_roots(equations: Equations) -> tuple[Ints, Ints, Bools]:
    """The most roots that each can have with g > 1 and with g < 1, and whether g = 1 is one.

    Where all coefficients are 0 every g is a root, which is as good as none.
    """
    coefficients, owners, first = equations.coefficients, equations.owners, equations.starts[:-1]
    totals = np.add.reduceat(coefficients, first)
    from_earliest = _running_sums(coefficients, np.arange(len(owners)) - first[owners])
    from_latest = totals[owners] - from_earliest + coefficients
    # Rounding must not make the one sum that both have positive in the one and negative in the other.
    from_earliest[equations.starts[1:] - 1], from_latest[first] = totals, totals
    above, below = (_sign_changes(sums, owners, len(first)) for sums in (from_earliest, from_latest))
    return above, below, (totals == 0) & (np.add.reduceat(np.abs(coefficients), first) > 0)


def _running_sums(values: Floats, position: Ints) -> Floats:
    """Sums so far within each equation; never across, where one account's billions would blur the next one's cents."""
    sums, step, longest = values.copy(), 1, int(position.max())
    while step <= longest:
        later = np.flatnonzero(position >= step)
        sums[later] += sums[later - step]
        step *= 2
    return sums


def _sign_changes(values: Floats, owners: Ints, count: int) -> Ints:
    """Changes of sign within each equation; zeros have none."""
    kept = values != 0
    signs, of = np.sign(values[kept]), owners[kept]
    changes = (signs[1:] != signs[:-1]) & (of[1:] == of[:-1])
    return np.bincount(of[1:][changes], minlength=count)


def _bracketed(equations: Equations, lower: Floats, upper: Floats, guess: Floats) -> Floats:
    """The root between `lower` and `upper`, NaN where f has the same sign at both: Newton's steps as long as they stay
    inside and at least halve, else bisection."""
    found = np.full(len(equations), np.nan)
    at_lower, at_upper = (np.sign(equations.values(x)[0]) for x in (lower, upper))
    live = np.flatnonzero(at_lower * at_upper < 0)
    equations, at_lower, lower, upper = equations.take(live), at_lower[live], lower[live], upper[live]
    x = np.where((guess[live] > lower) & (guess[live] < upper), guess[live], (lower + upper) / 2)
    last_step = upper - lower
    for _ in range(MOST_ITERATIONS):
        if not len(live):
            return found
        value, slope, _ = equations.values(x)
        is_low = np.sign(value) == at_lower
        lower, upper = np.where(is_low, x, lower), np.where(is_low, upper, x)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = x - value / slope
        taken = (newton >= lower) & (newton <= upper) & (np.abs(newton - x) <= last_step / 2)
        following = np.where(value == 0, x, np.where(taken, newton, (lower + upper) / 2))
        last_step = np.abs(following - x)
        done = last_step <= PRECISION * np.maximum(1.0, np.abs(x))
        found[live[done]] = following[done]
        on = np.flatnonzero(~done)
        live, equations, at_lower = live[on], equations.take(on), at_lower[on]
        x, lower, upper, last_step = following[on], lower[on], upper[on], last_step[on]
    found[live] = x
    return found


def _nearest_of_all(equations: Equations, near: Floats) -> Floats:
    """Of all roots that the grid shows, the one whose g is nearest to `near`; NaN where there is none."""
    on_grid = [equations.values(np.full(len(equations), x)) for x in GRID]
    value, slope = (np.stack([point[part] for point in on_grid], axis=1) for part in (0, 1))
    left, right = np.sign(value[:, :-1]), np.sign(value[:, 1:])
    crossed_in, cell = np.nonzero(left * right < 0)
    brackets = [(crossed_in, GRID[cell], GRID[cell + 1])]
    hit_in, point = np.nonzero(value[:, :-1] == 0)
    roots = [(hit_in, GRID[point])]
    # |f| falls, then rises: between the two points it may reach 0, or cross it twice.
    dips = (left * right > 0) & (left * slope[:, :-1] < 0) & (right * slope[:, 1:] > 0)
    dipped_in, cell = np.nonzero(dips)
    if len(dipped_in):
        low, high, own = GRID[cell], GRID[cell + 1], equations.take(dipped_in)
        turn = _bracketed(own.derivatives(), low, high, (low + high) / 2)
        bottom, _, size = own.values(turn)
        touches = np.abs(bottom) <= TOUCHES * size
        roots.append((dipped_in[touches], turn[touches]))
        through = ~touches & (np.sign(bottom) != left[dipped_in, cell])
        brackets += [
            (dipped_in[through], low[through], turn[through]),
            (dipped_in[through], turn[through], high[through]),
        ]
    of, low, high = (np.concatenate(parts) for parts in zip(*brackets, strict=True))
    roots.append((of, _bracketed(equations.take(of), low, high, (low + high) / 2)))
    of, x = (np.concatenate(parts) for parts in zip(*roots, strict=True))
    nearest_first = np.lexsort((np.abs(np.exp(x) - near[of]), of))
    of, x = of[nearest_first], x[nearest_first]
    chosen, first = np.unique(of, return_index=True)
    found = np.full(len(equations), np.nan)
    found[chosen] = x[first]
    return found
