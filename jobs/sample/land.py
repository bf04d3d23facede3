"""Deliver a written sample into a landing folder, a night at a time, as vendors would."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path

from jobs.platform.errors import DietzError
from jobs.sample.write import EXPECTED


def nights(sample: Path) -> list[date]:
    """The business dates with which the sample's files come, in order; the first one is the whole history."""
    return sorted({date.fromisoformat(row["night"]) for row in _deliveries(sample)})


def land(sample: Path, landing: Path, *, through: date) -> int:
    """Copy the files delivered up to and with the night `through`; what lies there unchanged stays.

    Returns how many files were copied. Raises DietzError where `sample` holds no sample.
    """
    copied = 0
    for row in _deliveries(sample):
        source, target = sample / row["path"], landing / row["path"]
        if date.fromisoformat(row["night"]) > through or _is_same(source, target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # Under a temporary name first: a file that is still being copied must not look complete.
        waiting = target.with_name(target.name + ".part")
        shutil.copy2(source, waiting)
        waiting.replace(target)
        copied += 1
    return copied


def _is_same(source: Path, target: Path) -> bool:
    if not target.exists():
        return False
    there, here = source.stat(), target.stat()
    return (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns)


def _deliveries(sample: Path) -> list[dict[str, str]]:
    path = sample / EXPECTED / "deliveries.csv"
    if not path.exists():
        raise DietzError(f"{sample} holds no sample: {path} is missing; write one with dietz sample")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
