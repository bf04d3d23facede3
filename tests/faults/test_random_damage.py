"""Damaged copies of every format's files: no run breaks off, no record is lost, and what is wrong is found.

The good files come first; a row that a damaged copy brings to silver then differs from what is known: it is wrong.
A figure that a total covers must not be among what is wrong in it. One round of each kind of damage by default;
DIETZ_FUZZ_ROUNDS=20 tries more.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import load_mappings
from jobs.platform.schemas import tables
from jobs.sample.trust import TRUST
from tests.faults.conftest import END, Night

pytestmark = pytest.mark.system

ROUNDS = int(os.environ.get("DIETZ_FUZZ_ROUNDS", "1"))
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
class Damaged:
    """All trials, what the ledger says of their files, how many rows of each differ from what is known, and the figures
    among them that are covered by a total of their file and are in no good file of the feed."""

    trials: list[Trial]
    files: dict[str, list[FileRecord]]
    wrong: Counter[str]
    wrong_totalled: list[tuple[str, str, object]]  # trial, column, figure


@pytest.fixture(scope="module")
def damaged(night: Night) -> Damaged:
    landing = night.settings.landing / TRUST
    largest: dict[str, Path] = {}
    for one in sorted(night.ledger.files(status=["accepted"]), key=lambda one: one.size_bytes):
        if one.feed not in REFERENCES:
            largest[str(one.feed)] = night.settings.landing / one.path
    rng, trials = random.Random(20260403), []
    for feed, path in sorted(largest.items()):
        data = path.read_bytes()
        for kind in DAMAGE * ROUNDS:
            trial = Trial(f"{len(trials):04d}", feed, kind.__name__)
            spoiled = kind(data, rng)
            if spoiled != data:
                folder = landing / "damaged" / trial.name
                folder.mkdir(parents=True)
                (folder / path.name).write_bytes(spoiled)
                (folder / "_SUCCESS").touch()
                trials.append(trial)
    night.take(END + timedelta(days=1))
    files: dict[str, list[FileRecord]] = {trial.name: [] for trial in trials}
    trial_of = {}
    for one in night.ledger.files():
        if "/damaged/" in one.path:
            trial_of[one.file_id] = one.path.split("/")[2]
            files[trial_of[one.file_id]].append(one)
    wrong: Counter[str] = Counter()
    for described in tables("silver"):
        if described.table == "quarantine" or not night.lake.exists(described.table):
            continue
        rows = night.lake.read(described.table).where(F.col("file_id").isin(list(trial_of)))
        for row in rows.groupBy("file_id").count().collect():
            wrong[trial_of[row["file_id"]]] += row["count"]
    return Damaged(trials, files, wrong, _wrong_totalled(night, trial_of))


def totalled() -> set[tuple[str, str, str]]:
    """(feed, table, column) of the figures that a file's own totals cover."""
    return {
        (feed, target.table, name)
        for feed, mapping in load_mappings().items()
        for control in mapping.controls
        for target in mapping.targets
        for name, source in target.columns.items()
        if control.check == "sum" and target.lines in control.add_lines and control.total_title in source.own_titles
    }


def _wrong_totalled(night: Night, trial_of: dict[str, str]) -> list[tuple[str, str, object]]:
    found = []
    for feed, table, column in sorted(totalled()):
        if not night.lake.exists(table):
            continue
        rows = night.lake.read(table).where(F.col("feed") == feed)
        of_trial = F.col("file_id").isin(list(trial_of))
        known = {row[0] for row in rows.where(~of_trial).select(column).distinct().collect()}
        for row in rows.where(of_trial).select("file_id", column).distinct().collect():
            if row[1] not in known:
                found.append((trial_of[row[0]], f"{feed}: {table}.{column}", row[1]))
    return found


def test_every_damaged_file_is_entered_and_its_books_balance(damaged: Damaged) -> None:
    for trial in damaged.trials:
        entered = damaged.files[trial.name]
        assert entered, f"{trial.kind} of {trial.feed} was not seen"
        for file in entered:
            if file.status == "normalised":
                assert file.records == file.silver + file.quarantined + file.skipped, (trial, file.path)
            else:
                assert file.message, (trial, file.status)


def test_counts_and_sums_see_records_that_are_missing_or_come_twice(damaged: Damaged) -> None:
    controlled = {feed for feed, mapping in load_mappings().items() if mapping.controls}
    through = [
        f"{trial.kind} of {trial.feed}: {damaged.wrong[trial.name]} rows"
        for trial in damaged.trials
        if trial.feed in controlled and trial.kind in STRUCTURAL and damaged.wrong[trial.name]
    ]
    assert through == []


def test_no_figure_that_a_total_covers_is_wrong(damaged: Damaged) -> None:
    feeds = {feed for feed, _, _ in totalled()}
    assert {"hst_transactions", "brokerage_transactions", "mt940_statement", "camt053_statement"} <= feeds
    assert damaged.wrong_totalled == []


def test_the_share_that_goes_undetected_is_known(damaged: Damaged, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed digit can be a valid number: without a control nobody can tell. It must stay rare all the same."""
    controlled = {feed for feed, mapping in load_mappings().items() if mapping.controls}
    for name, chosen in (("controlled", True), ("uncontrolled", False)):
        trials = [trial for trial in damaged.trials if (trial.feed in controlled) == chosen]
        through = [trial for trial in trials if damaged.wrong[trial.name]]
        by_kind = Counter(trial.kind for trial in through)
        with capsys.disabled():
            print(f"\n{name}: {len(through)} of {len(trials)} damaged files brought a wrong row: {dict(by_kind)}")
        assert len(through) <= len(trials) * (0.05 if chosen else 0.25)
