"""Damaged copies of every format's files: no run breaks off, no record is lost, and what is wrong is found.

The good files come first; a row that a damaged copy brings to silver then differs from what is known: it is wrong.
Two rounds of each kind of damage by default; DIETZ_FUZZ_ROUNDS=20 tries more.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import load_mappings
from jobs.platform.schemas import tables
from jobs.sample.trust import TRUST
from jobs.sample.write import FORMATS, write_sample
from tests.nights import Workspace, taken

ROUNDS = int(os.environ.get("DIETZ_FUZZ_ROUNDS", "2"))
PRINTABLE = b"0123456789ABCDEFabc,;|.-\"' <>"
# What later files refer to is not damaged: every other row would only wait for its account.
REFERENCES = {"canonical_accounts", "canonical_account_xref"}


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def cut_lines(data: bytes, rng: random.Random) -> bytes:
    lines = _lines(data)
    return b"".join(lines[: rng.randrange(1, len(lines))]) if len(lines) > 1 else data[:-1]


def line_doubled(data: bytes, rng: random.Random) -> bytes:
    lines = _lines(data)
    place = rng.randrange(len(lines))
    return b"".join([*lines[: place + 1], *lines[place:]])


def line_lost(data: bytes, rng: random.Random) -> bytes:
    lines = _lines(data)
    place = rng.randrange(len(lines))
    return b"".join(lines[:place] + lines[place + 1 :]) or b"x"


def lines_swapped(data: bytes, rng: random.Random) -> bytes:
    lines = _lines(data)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def bytes_swapped(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) - 1)
    return data[:place] + data[place + 1 : place + 2] + data[place : place + 1] + data[place + 2 :]


def byte_changed(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([rng.choice(PRINTABLE)]) + data[place + 1 :]


def byte_of_noise(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([rng.randrange(256)]) + data[place:]


def bytes_doubled(data: bytes, rng: random.Random) -> bytes:
    place, length = rng.randrange(len(data)), rng.randrange(1, 40)
    return data[: place + length] + data[place:]


def reencoded(data: bytes, rng: random.Random) -> bytes:
    return data.decode("latin-1").encode(rng.choice(["utf-16", "utf-16-le", "utf-8", "cp037"]))


DAMAGE: list[Callable[[bytes, random.Random], bytes]] = [
    cut, cut_lines, line_doubled, line_lost, lines_swapped, bytes_swapped, byte_changed, byte_of_noise, bytes_doubled,
    reencoded,
]  # fmt: skip
# What adds, takes or moves whole records, which counts and sums see.
STRUCTURAL = {"cut", "cut_lines", "line_doubled", "line_lost"}


@dataclass
class Trial:
    """A damaged copy: what was done to which feed's file."""

    name: str
    feed: str
    kind: str


@dataclass
class Fuzzed:
    workspace: Workspace
    trials: list[Trial]
    files: dict[str, list[FileRecord]]
    wrong: Counter[str]


@pytest.fixture(scope="module")
def fuzzed(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Fuzzed:
    sample = tmp_path_factory.mktemp("sample")
    write_sample(2, date(2026, 3, 30), date(2026, 4, 2), 5, sample, formats=FORMATS)
    files = {p.relative_to(sample / TRUST).as_posix(): p for p in sorted((sample / TRUST).rglob("*")) if p.is_file()}
    good: dict[str, str | bytes] = {name: path.read_bytes() for name, path in files.items()}
    workspace = taken(good, spark, database_url, tmp_path_factory.mktemp("fuzz"), on=date(2026, 4, 3))
    largest: dict[str, Path] = {}
    for one in sorted(workspace.ledger.files(status=["normalised"]), key=lambda one: one.size_bytes):
        if one.feed not in REFERENCES:
            largest[str(one.feed)] = workspace.settings.landing / one.path
    rng, trials = random.Random(20260403), []
    damaged: dict[str, str | bytes] = {}
    for feed, path in sorted(largest.items()):
        data = path.read_bytes()
        for kind in DAMAGE * ROUNDS:
            trial = Trial(f"{len(trials):04d}", feed, kind.__name__)
            spoiled = kind(data, rng)
            if spoiled != data:
                damaged[f"damaged/{trial.name}/{path.name}"] = spoiled
                trials.append(trial)
    workspace.put(damaged)
    for marker in (path for path in files.values() if path.name == "_SUCCESS"):
        workspace.put({f"damaged/{trial.name}/{marker.name}": b"" for trial in trials})
    workspace.take(date(2026, 4, 4))
    by_trial: dict[str, list[FileRecord]] = {trial.name: [] for trial in trials}
    trial_of = {}
    for one in workspace.ledger.files():
        if "/damaged/" in one.path:
            trial_of[one.file_id] = one.path.split("/")[2]
            by_trial[trial_of[one.file_id]].append(one)
    wrong: Counter[str] = Counter()
    for table in tables("silver"):
        if table.table == "quarantine" or not workspace.lake.exists(table.table):
            continue
        rows = workspace.lake.read(table.table).where(F.col("file_id").isin(list(trial_of)))
        for row in rows.groupBy("file_id").count().collect():
            wrong[trial_of[row["file_id"]]] += row["count"]
    return Fuzzed(workspace, trials, by_trial, wrong)


def test_every_damaged_file_is_entered_and_its_books_balance(fuzzed: Fuzzed) -> None:
    for trial in fuzzed.trials:
        entered = fuzzed.files[trial.name]
        assert entered, f"{trial.kind} of {trial.feed} was not seen"
        for file in entered:
            if file.status == "normalised":
                assert file.records == file.silver + file.quarantined + file.skipped, (trial, file.path)
            else:
                assert file.message, (trial, file.status)


def test_counts_and_sums_see_records_that_are_missing_or_come_twice(fuzzed: Fuzzed) -> None:
    controlled = {feed for feed, mapping in load_mappings().items() if mapping.controls}
    through = [
        f"{trial.kind} of {trial.feed}: {fuzzed.wrong[trial.name]} rows"
        for trial in fuzzed.trials
        if trial.feed in controlled and trial.kind in STRUCTURAL and fuzzed.wrong[trial.name]
    ]
    assert through == []


def test_the_share_that_goes_undetected_is_known(fuzzed: Fuzzed) -> None:
    """A changed digit can be a valid number: without a control nobody can tell. It must stay rare all the same."""
    controlled = {feed for feed, mapping in load_mappings().items() if mapping.controls}
    for name, chosen in (("controlled", True), ("uncontrolled", False)):
        trials = [trial for trial in fuzzed.trials if (trial.feed in controlled) == chosen]
        through = [trial for trial in trials if fuzzed.wrong[trial.name]]
        by_kind = Counter(trial.kind for trial in through)
        print(f"\n{name}: {len(through)} of {len(trials)} damaged files brought a wrong row: {dict(by_kind)}")
        assert len(through) <= len(trials) * (0.05 if chosen else 0.25)
