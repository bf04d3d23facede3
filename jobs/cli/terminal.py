"""The console that verbs print on: as wide as the terminal, and wide enough for a line a file in a pipe or a log."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

from rich.console import Console

WITHOUT_TERMINAL = 220


def console(*, stderr: bool = False) -> Console:
    """A console without highlighting; lines in a file are not folded at 80 characters."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WITHOUT_TERMINAL)


def as_json(facts: Any) -> str:
    """Facts as JSON: money as text with all its decimals (never 0E-8), dates as ISO text."""
    return json.dumps(facts, default=lambda value: f"{value:f}" if isinstance(value, Decimal) else str(value), indent=1)
