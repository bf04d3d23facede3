"""What `--faults` plants in a book: listed, one a account, on the last days, and nothing else is another."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from jobs.sample.anomalies.kinds import KINDS, OF_FEEDS, STATEMENT
from jobs.sample.write import write_sample

START, NIGHTLY_FROM, END = date(2026, 3, 2), date(2026, 3, 26), date(2026, 3, 30)
OF_EVERY_SAMPLE = {"late delivery", "figure off", "member before its account"}
NORTHWIND, ALPINE = "northwind_wealth", "alpine_family_office"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The smallest book that has one of each kind, also of the brokerage; and the same without any."""
    out = tmp_path_factory.mktemp("anomalies")
    for name in ("faulty", "plain"):
        write_sample(270, START, END, 5, out / name, daily_files_from=NIGHTLY_FROM, with_faults=name == "faulty")
    return out / "faulty", out / "plain"


def listed(sample: Path) -> list[dict[str, str]]:
    with (sample / "_expected" / "planted_anomalies.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(sample: Path, path: str) -> set[str]:
    found = sample / NORTHWIND / path
    return set(found.read_text(encoding="utf-8").splitlines()[1:]) if found.exists() else set()


def test_every_kind_is_planted_once_and_no_account_has_two(samples: tuple[Path, Path]) -> None:
    of_account = defaultdict(set)
    for row in listed(samples[0]):
        of_account[row["account_id"]].add(row["kind"])
    assert of_account.pop("") == set(OF_FEEDS)
    assert {account: kinds for account, kinds in of_account.items() if len(kinds) > 1} == {}
    assert {kind for kinds in of_account.values() for kind in kinds} == {*KINDS, STATEMENT, *OF_EVERY_SAMPLE}


def test_every_anomaly_is_dated_on_one_of_the_last_days(samples: tuple[Path, Path]) -> None:
    days = {row["as_of_date"] for row in listed(samples[0]) if row["kind"] not in OF_EVERY_SAMPLE}
    assert days <= {"2026-03-26", "2026-03-27", "2026-03-30"}


def test_innocents_have_the_same_lines_with_and_without_anomalies(samples: tuple[Path, Path]) -> None:
    faulty, plain = samples
    guilty = {row["account_id"] for row in listed(faulty)} - {""}
    names = {path.name for sample in samples for path in (sample / NORTHWIND).glob("canonical_*.csv")}
    for name in sorted(names):
        for line in lines(faulty, name) ^ lines(plain, name):
            is_beside = any(part in line for part in (",USD,CHF,", "STLL", "UNHELD", "NW-BANK-"))
            # A renumbered account's new number stands in files, and in the list only what it was called before.
            assert is_beside or any(account in line for account in guilty) or "NW-9000" in line, line
    others = [sorted((sample / ALPINE).rglob("*.*")) for sample in samples]
    assert [path.read_bytes() for path in others[0]] == [path.read_bytes() for path in others[1]]


def test_the_expected_results_are_those_of_the_truth(samples: tuple[Path, Path]) -> None:
    path = Path("_expected") / NORTHWIND / "expected_account_performance_daily.csv"
    assert (samples[0] / path).read_bytes() == (samples[1] / path).read_bytes()
