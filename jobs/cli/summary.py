"""The table at the end of a run: a line a night."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from jobs.pipeline import STEPS
from jobs.platform.ledger import Run

# Column title, step, counter.
FIGURES = [
    ("files", "detect", "detected"),
    ("rows read", "ingest", "lines"),
    ("silver", "normalise", "silver"),
    ("quarantined", "normalise", "quarantined"),
    ("held", "check", "held"),
    ("accounts published", "publish", "accounts"),
    ("breaks", "reconcile", "breaks"),
]


def night_table(nights: list[tuple[Run, dict[str, dict[str, Any]]]]) -> Table:
    """What each run did, and its seconds per step."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("date", no_wrap=True)
    for title, _, _ in FIGURES:
        table.add_column(title, justify="right", min_width=min(len(title), 9))
    for step in STEPS:
        table.add_column(f"{step} s", justify="right")
    for run, steps in nights:
        figures = [_count(steps, step, name) for _, step, name in FIGURES]
        seconds = [f"{steps[step]['seconds']:.1f}" if step in steps else "-" for step in STEPS]
        table.add_row(str(run.business_date), *figures, *seconds)
    return table


def _count(steps: dict[str, dict[str, Any]], step: str, name: str) -> str:
    if step not in steps:
        return "-"
    return f"{int(steps[step].get(name, 0)):,}"
