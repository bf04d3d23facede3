"""Levels of blended benchmarks, from those of their components. Benchmarks are few: plain Python, no Spark."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from jobs.calculate.benchmark_definitions import BenchmarkDefinition, Composition
from jobs.calculate.currency import MAX_AGE_BUSINESS_DAYS
from jobs.platform.business_calendar import Calendar

BASE_LEVEL = 100.0


class Level(NamedTuple):
    """An index level; two levels make a return where their link_no is the same."""

    day: date
    level: float
    link_no: int


@dataclass(frozen=True)
class Component:
    """The levels of a component, in order of date."""

    levels: Sequence[Level]

    def growth(self, since: date, until: date, calendar: Calendar) -> float | None:
        """level(until) / level(since) of the last known levels; None where one is too old or the chain is broken."""
        first, last = self.last_known(since, calendar), self.last_known(until, calendar)
        if first is None or last is None or first.link_no != last.link_no:
            return None
        return last.level / first.level

    def last_known(self, day: date, calendar: Calendar) -> Level | None:
        place = bisect_right(self.levels, day, key=lambda level: level.day)
        if place == 0:
            return None
        found = self.levels[place - 1]
        age = calendar.business_day_no(day) - calendar.business_day_no(found.day)
        return found if age <= MAX_AGE_BUSINESS_DAYS else None


def blended_levels(
    blend: BenchmarkDefinition, components: Mapping[str, Sequence[Level]], calendar: Calendar
) -> list[Level]:
    """The blend's levels, from 100, on each day on which a component has a level and all have one that is young enough.

    Between two rebalancings level(d) = level(base) * sum(weight * component(d) / component(base)), base being the last
    such day before the first one after the rebalancing: each day with daily rebalancing, else each month, and
    where the composition changes. Where a component has no level on the base, the chain is broken there.
    """
    series = {name: Component(levels) for name, levels in components.items()}
    found: list[Level] = []
    base, held = Level(date.min, BASE_LEVEL, 0), None
    for day in sorted({level.day for name in blend.components for level in components.get(name, ())}):
        composition = blend.composition(day)
        wanted = composition or blend.history[0]  # before the first composition: the base that it begins from
        if any(name not in series or series[name].last_known(day, calendar) is None for name in wanted.weights):
            continue
        term = (composition and composition.effective_from, day if blend.rebalancing == "daily" else day.replace(day=1))
        if term != held:
            base, held = (found[-1] if found else base), term
        growth = _growth(composition, series, base.day, day, calendar)
        if growth is None:
            base = Level(day, found[-1].level if found else BASE_LEVEL, found[-1].link_no + 1 if found else 0)
            found.append(base)
        else:
            found.append(Level(day, base.level * growth, base.link_no))
    return found


def _growth(
    composition: Composition | None, series: Mapping[str, Component], since: date, until: date, calendar: Calendar
) -> float | None:
    if composition is None or since == date.min:
        return None
    grown = {name: series[name].growth(since, until, calendar) for name in composition.weights}
    if any(growth is None for growth in grown.values()):
        return None
    return sum(float(weight) * (grown[name] or 0.0) for name, weight in composition.weights.items())
