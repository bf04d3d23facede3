"""What a feed usually brings, from what earlier runs found: (business date, rows in all, rows of the largest date)."""

from __future__ import annotations

from datetime import date, timedelta

from jobs.check.row_counts import usual

FIRST = date(2026, 1, 5)


def nights(*found: tuple[int, int]) -> list[tuple[date, int, float]]:
    """One run a night."""
    return [(FIRST + timedelta(days=n), rows, float(largest)) for n, (rows, largest) in enumerate(found)]


def test_a_run_of_several_dates_counts_as_so_many() -> None:
    assert usual(nights((50, 10)), 20) == (10.0, 5)
    assert usual([], 20) is None


def test_corrections_are_no_date_of_their_own() -> None:
    """A thousand values each night; five corrections come with them, in a second run, or on a Saturday."""
    with_them = nights(*[(1005, 1000)] * 6)
    second_runs = [(night, 5, 5.0) for night, _, _ in with_them]
    saturday = [(FIRST + timedelta(days=30), 5, 5.0)]
    assert usual([*with_them, *second_runs, *saturday], 20) == (1000.0, 7)


def test_what_was_partial_or_empty_does_not_become_usual_at_once() -> None:
    whole, partial, empty = (1000, 1000), (300, 300), (0, 0)
    assert usual(nights(*[whole] * 8, partial, empty, partial), 20) == (1000.0, 11)
    # A firm that has sold most of its accounts is told so for half of the dates looked back on.
    assert usual(nights(*[whole] * 20, *[partial] * 11), 20) == (300.0, 20)


def test_a_feed_that_is_mostly_silent_is_usually_empty() -> None:
    assert usual(nights((0, 0), (30, 30), (0, 0), (0, 0), (12, 12)), 20) == (0.0, 5)
