"""Money-weighted and Modified Dietz returns: worked periods in one Spark run, the roots against other solvers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from jobs.calculate.cash_flow_roots import Equations, growth_logs
from jobs.calculate.money_weighted import with_money_weighted

PERIOD = (
    "tenant_id string, account_id string, as_of_date date, period string, start_date date,"
    " begin_market_value decimal(28,8), net_flow decimal(28,8), end_market_value decimal(28,8),"
    " twrr_annualised double, status string"
)
FLOW = "tenant_id string, account_id string, event_date date, amount decimal(28,8)"
FIRST, ELEVENTH, MIDDLE, TWENTY_FIRST, LAST = (date(2025, 1, day) for day in (1, 11, 16, 21, 31))

# name: begin, end, flows in (s, v] and others, mwr, mwr_status, modified_dietz; from 1 to 31 January
JANUARY: dict[str, tuple[str, str, list[tuple[date, str]], float | None, str, float | None]] = {
    # 100 h^2 + 100 h = 231 with h = 1.1 for a half of the month
    "one deposit": ("100", "231", [(MIDDLE, "100")], 0.21, "ok", 31 / 150),
    "same day, unsorted": (
        "1000", "1716", [(TWENTY_FIRST, "4000"), (ELEVENTH, "-3600"), (TWENTY_FIRST, "310")], 0.331,
        "ok", 6 / (110 / 3),
    ),
    "no flow": ("100", "105", [], 0.05, "ok", 0.05),
    "no gain": ("100", "150", [(MIDDLE, "50")], 0.0, "ok", 0.0),
    # what comes on the first day belongs to the period before; what comes on the last has earned nothing
    "boundary days": ("100", "120", [(FIRST, "50"), (LAST, "10"), (date(2025, 2, 1), "7")], 0.1, "ok", 0.1),
    "begins with its first flow": ("0", "110", [(ELEVENTH, "100")], 0.1, "ok", 0.15),
    "nearly lost": ("1000", "0.00000001", [], -1 + 1e-11, "ok", -1 + 1e-11),
    # h = (sqrt(500^2 + 40) - 500) / 2000
    "nearly lost, with a deposit": (
        "1000", "0.01", [(MIDDLE, "500")], -1 + ((250040**0.5 - 500) / 2000) ** 2, "ok", -1499.99 / 1250,
    ),
    "lost": ("100", "0", [], None, "no_solution", -1.0),
    "lost, with a deposit": ("100", "0", [(MIDDLE, "50")], None, "no_solution", -150 / 125),
    "below zero": ("100", "-50", [], None, "no_solution", -1.5),
    # 100 h^2 - 100 h + 100 has no real root
    "no rate explains it": ("100", "-100", [(MIDDLE, "-100")], None, "no_solution", -2.0),
    "beyond the bracket": ("0.00000001", "1000", [], None, "no_solution", 1e11 - 1),
    # 1000 (h - 0.92)(h - 1.08)(h - 1.2) = 0, the weighted capital below 0: nearest to no return at all
    "three rates": ("1000", "1192.32", [(ELEVENTH, "-3200"), (TWENTY_FIRST, "3393.6")], 0.92**3 - 1, "ok", None),
    # 1000 (h + 5)(h - 0.89)(h - 1.1) = 0: 0.89 is nearer to none, 1.1 to the Modified Dietz return of 404 %
    "two rates": ("1000", "-4895", [(ELEVENTH, "3010"), (TWENTY_FIRST, "-8971")], 0.331, "ok", 66 / (49 / 3)),
    # 100 (h - 1.1)^2 = 0: the two rates are one
    "a double rate": ("100", "-121", [(MIDDLE, "-220")], 0.21, "ok", None),
    "nothing in it": ("0", "0", [], None, "no_solution", None),
    "emptied and filled the same day": ("0", "0", [(MIDDLE, "100"), (MIDDLE, "-100")], None, "no_solution", None),
    # -100 h^2 + 110 h = 20 from the 11th on; the other h is 0.23
    "out before in": (
        "0", "20", [(ELEVENTH, "-100"), (TWENTY_FIRST, "110")], ((110 + 4100**0.5) / 200) ** 2 - 1, "ok", None,
    ),
    "in and out": ("0", "0", [(ELEVENTH, "100"), (TWENTY_FIRST, "-110")], 0.21, "ok", 10 / 30),
    "funded at the end": ("0", "105", [(LAST, "100")], None, "no_period", None),
}  # fmt: skip
# name: start, end date, begin, end, flows, mwr, modified_dietz
LONG: dict[str, tuple[date, date, str, str, list[tuple[date, str]], float, float]] = {
    "two years": (date(2022, 12, 31), date(2024, 12, 30), "100", "121", [], 0.1, 0.21),
    # 730 days from the first flow on, 912 of the period
    "two years of its own": (
        date(2024, 1, 1), date(2026, 7, 1), "0", "121", [(date(2024, 7, 1), "100")], 0.1, 21 / (100 * 730 / 912),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def solved(spark: SparkSession) -> dict[str, dict[str, object]]:
    """Rows by name: the worked periods, an opening row's, one without history, a neighbour's of the same name."""
    rows = [(name, FIRST, LAST, begin, end, flows, None) for name, (begin, end, flows, *_) in JANUARY.items()]
    rows += [(name, start, v, begin, end, flows, 0.1) for name, (start, v, begin, end, flows, *_) in LONG.items()]
    rows += [("an opening row", LAST, LAST, "100", "100", [(LAST, "40")], None)]
    periods, bookings = [], []
    for name, start, v, begin, end, flows, annual in rows:
        own = sum((Decimal(amount) for day, amount in flows if start < day <= v), Decimal(0))
        periods.append(("acme", name, v, "ITD", start, Decimal(begin), own, Decimal(end), annual, "ok"))
        bookings += [("acme", name, day, Decimal(amount)) for day, amount in flows]
    periods.append(("acme", "no history", LAST, "1Y", None, None, None, None, None, "insufficient_history"))
    periods.append(("zeta", "one deposit", LAST, "ITD", FIRST, Decimal(100), Decimal(10), Decimal(100), None, "ok"))
    bookings.append(("zeta", "one deposit", LAST, Decimal(10)))
    result = with_money_weighted(spark.createDataFrame(periods, PERIOD), spark.createDataFrame(bookings, FLOW))
    names = {"acme": "", "zeta": "zeta's "}
    return {names[row["tenant_id"]] + row["account_id"]: row.asDict() for row in result.collect()}


def figures(row: dict[str, object]) -> tuple[object, ...]:
    return row["mwr"], row["mwr_status"], row["modified_dietz"]


@pytest.mark.parametrize("name", JANUARY)
def test_one_month(name: str, solved: dict[str, dict[str, object]]) -> None:
    *_, mwr, status, dietz = JANUARY[name]
    assert solved[name]["mwr_status"] == status
    assert solved[name]["mwr"] == (None if mwr is None else pytest.approx(mwr, rel=0, abs=1e-12))
    assert solved[name]["modified_dietz"] == (None if dietz is None else pytest.approx(dietz, rel=1e-15))


@pytest.mark.parametrize("name", LONG)
def test_annual_beyond_a_year(name: str, solved: dict[str, dict[str, object]]) -> None:
    *_, mwr, dietz = LONG[name]
    assert figures(solved[name]) == (pytest.approx(mwr, rel=1e-13), "ok", pytest.approx(dietz, rel=1e-15))


def test_no_day_has_passed(solved: dict[str, dict[str, object]]) -> None:
    """An opening row's own period: no flow of it counts, nothing has been earned."""
    assert figures(solved["an opening row"]) == (None, "no_period", 0.0)


def test_without_figures(solved: dict[str, dict[str, object]]) -> None:
    assert figures(solved["no history"]) == (None, None, None)


def test_tenants_are_apart(solved: dict[str, dict[str, object]]) -> None:
    assert figures(solved["zeta's one deposit"]) == (pytest.approx(-0.1), "ok", pytest.approx(-0.1))


def test_of_groups(spark: SparkSession) -> None:
    period = ("acme", "household", "home", LAST, "MTD", FIRST, Decimal(100), Decimal(100), Decimal(231), None, "ok")
    other = ("acme", "model", "home", LAST, "MTD", FIRST, Decimal(100), Decimal(0), Decimal(231), None, "ok")
    group = "tenant_id string, group_type string, group_id string"
    rest = PERIOD.split("account_id string")[1]
    flows = [("acme", "household", "home", MIDDLE, Decimal(100))]
    rows = with_money_weighted(
        spark.createDataFrame([period, other], group + rest),
        spark.createDataFrame(flows, f"{group}, event_date date, amount decimal(28,8)"),
        by=("tenant_id", "group_type", "group_id"),
    ).collect()
    found = {row["group_type"]: figures(row.asDict()) for row in rows}
    assert found["household"] == (pytest.approx(0.21), "ok", pytest.approx(31 / 150))
    assert found["model"] == (pytest.approx(1.31), "ok", pytest.approx(1.31))


Terms = list[tuple[float, float]]  # coefficient and share of the period left, that falling


def equations(terms: list[Terms]) -> Equations:
    """Several at once: what is wrong with one must not leak into its neighbour."""
    flat = np.array([term for of_one in terms for term in of_one], dtype=np.float64)
    return Equations(flat[:, 0], flat[:, 1], np.concatenate([[0], np.cumsum([len(of_one) for of_one in terms])]))


def growth(terms: list[Terms], near: list[float]) -> list[float | None]:
    found = np.exp(growth_logs(equations(terms), np.array(near)))
    return [None if np.isnan(g) else float(g) for g in found]


amounts = st.integers(-2000, 2000).map(float)


@given(st.lists(st.tuples(st.lists(amounts, min_size=2, max_size=6), st.floats(0.2, 3)), min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_all_roots_of_polynomials(books: list[tuple[list[float], float]]) -> None:
    """Flows at even steps are a polynomial: numpy finds all its roots, ours must be the nearest of them or none."""
    wanted: list[float | None] = []
    for coefficients, near in books:
        assume(coefficients[0] != 0 and coefficients[-1] != 0)
        roots = np.roots(coefficients)
        real = [root.real for root in roots if root.real > 0 and abs(root.imag) < 1e-9 * abs(root)]
        # Roots that all but meet, or nearly leave the real line, are no test of which one is nearest.
        assume(all(abs(a - b) > 1e-3 * abs(a) for i, a in enumerate(roots) for b in roots[i + 1 :]))
        found = [root ** (len(coefficients) - 1) for root in real]
        assume(all(not 0.999e6 < g < 1.001e6 for g in found))
        inside = sorted((g for g in found if g < 1e6), key=lambda g: abs(g - near))
        assume(len(inside) < 2 or abs(inside[1] - near) - abs(inside[0] - near) > 1e-6)
        wanted.append(inside[0] if inside else None)
    terms = [
        [(amount, 1 - k / (len(coefficients) - 1)) for k, amount in enumerate(coefficients)]
        for coefficients, _ in books
    ]
    got = growth(terms, [near for _, near in books])
    assert got == [None if g is None else pytest.approx(g, rel=1e-9) for g in wanted]


@pytest.mark.parametrize(
    ("coefficients", "near", "wanted"),
    [
        ([1, -6, 11, -6], 1.2, 1.0),  # (h - 1)(h - 2)(h - 3): one root exactly on a point of the grid
        ([10000, -30010, 22515], 2.2, 2.25),  # (h - 1.5)(h - 1.501): both between two points
        ([10000, -30010, 22515], 2.3, 1.501**2),
        ([4, -12, 9], 1.0, 2.25),  # (2 h - 3)^2: touches 0 without a change of sign
        ([1, -3, 2.2501], 1.0, None),  # just misses it
    ],
)
def test_roots_between_points(coefficients: list[float], near: float, wanted: float | None) -> None:
    n = len(coefficients) - 1
    (got,) = growth([[(amount, 1 - k / n) for k, amount in enumerate(coefficients)]], [near])
    assert got == (None if wanted is None else pytest.approx(wanted, rel=1e-11))


days = st.integers(0, 400)


@given(st.integers(1, 10**9), st.lists(st.tuples(days, st.integers(1, 10**9)), max_size=30), st.integers(1, 10**11))
@settings(max_examples=300, deadline=None)
def test_against_bisection(begin: int, deposits: list[tuple[int, int]], end: int) -> None:
    """Only money that came in: one rate, which halving an interval of g finds as well."""
    later = sorted(deposits, reverse=True)
    terms = [(begin, 1.0), *[(amount, day / 400) for day, amount in later], (-end, 0.0)]

    def missing(g: float) -> float:
        return sum(amount * g**share for amount, share in terms)

    low, high = 0.0, 1e6
    assume(missing(1e-300) < 0 < missing(high))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if missing(middle) < 0 else (low, middle)
    assume(low > 1e-9)  # below it halving [0, 1e6] has no digits left
    assert growth([terms], [1.0]) == [pytest.approx(low, rel=1e-10)]


@given(st.lists(st.tuples(st.floats(-1e12, 1e12), st.floats(0, 1)), min_size=1, max_size=20), st.floats(-5, 1e6))
@settings(max_examples=300, deadline=None)
def test_never_a_wrong_root(flows: Terms, near: float) -> None:
    """Whatever the flows: a factor between 0 and 10^6 that solves the equation, or none."""
    terms = sorted(flows, key=lambda term: -term[1])
    (found,) = growth([terms], [near])
    if found is not None:
        assert 0 < found < 1e6
        size = sum(abs(amount) * found**share for amount, share in terms)
        assert abs(sum(amount * found**share for amount, share in terms)) <= 1e-11 * size
