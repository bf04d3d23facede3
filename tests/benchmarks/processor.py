"""Processor time of processes, by Linux's /proc: on a busy machine it says more than the clock."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(process: int) -> float:
    """User and system time of one process, in seconds; 0 where it has ended."""
    found = _stat(process)
    return 0.0 if found is None else sum(map(int, found[11:13])) / TICKS


def seconds_below(process: int) -> float:
    """The same of all its living descendants: the JVM that a session has started, and its Python workers."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        found = _stat(int(path.name))
        if found is not None:
            parents[int(path.name)] = int(found[1])
    return sum(seconds_of(one) for one in parents if _is_below(one, process, parents))


def _is_below(one: int, process: int, parents: dict[int, int]) -> bool:
    while one in parents:
        one = parents[one]
        if one == process:
            return True
    return False


def _stat(process: int) -> list[str] | None:
    """The fields after the command's name, from the state on."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
