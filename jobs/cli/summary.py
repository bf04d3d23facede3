"""The tables at the end of a run: what each night did, and where its time went."""

from __future__ import annotations

from datetime import date
from typing import Any

from rich.console import Group
from rich.table import Table

from jobs.pipeline import STEPS

Steps = dict[str, dict[str, Any]]

# Column title, step, counter.
FIGURES = [
    ("files", "detect", "detected"),
    ("rows read", "ingest", "lines"),
    ("silver", "normalise", "silver"),
    ("quarantined", "normalise", "quarantined"),
    ("held", "check", "accounts_held"),
    ("accounts", "calculate", "accounts"),
    ("breaks", "reconcile", "breaks"),
]


def night_table(nights: list[tuple[date, Steps]]) -> Group:
    """Two tables, a line a night each: the figures, and the seconds of each step."""
    figures = _table("night", [title for title, _, _ in FIGURES])
    seconds = _table("seconds", [*STEPS, "all"])
    for night, steps in nights:
        figures.add_row(str(night), *[_count(steps, step, name) for _, step, name in FIGURES])
        took = [steps[step]["seconds"] if step in steps else None for step in STEPS]
        every = sum(one for one in took if one is not None)
        seconds.add_row(str(night), *["-" if one is None else f"{one:.1f}" for one in took], f"{every:.1f}")
    return Group(figures, "", seconds)


def _table(first: str, titles: list[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right")
    return table


def _count(steps: Steps, step: str, name: str) -> str:
    return f"{int(steps[step].get(name, 0)):,}" if step in steps else "-"
