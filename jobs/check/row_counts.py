"""How many rows of a date a feed usually brings into a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from statistics import median


def usual(runs: Iterable[tuple[date, int, float]], over_dates: int) -> tuple[float, int] | None:
    """(rows of a date, dates) over the latest `over_dates` dates that were delivered; None where there are none.

    runs: what earlier runs found of one feed and table: (business date, rows in all, rows of the date with the most). A
    run of several dates counts as so many. Of a night's runs the one with the most rows of a date counts: the others
    bring corrections. The median, which a partial, doubled or withheld delivery does not move; one that lasts becomes
    what is usual.
    """
    nights: dict[date, tuple[float, int]] = {}
    for night, rows, largest in runs:
        dates = round(rows / largest) if largest else 1
        nights[night] = max(nights.get(night, (0.0, 1)), (largest, dates))
    latest_first = [known for _, known in sorted(nights.items(), reverse=True)]
    counts = [largest for largest, dates in latest_first for _ in range(dates)][:over_dates]
    return (median(counts), len(counts)) if counts else None
