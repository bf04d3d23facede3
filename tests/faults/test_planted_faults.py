"""Every fault that `dietz sample --faults` plants is found by its reason at its place, and nothing else is touched."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.detect import landing
from jobs.platform.ledger import FileRecord
from jobs.sample.faults import FAULTED
from jobs.sample.trust import TRUST
from jobs.sample.write import FORMATS, write_sample
from tests.nights import TENANT, Workspace, taken

KINDS = {
    "truncated file", "wrong control sum", "wrong count", "wrong hash total", "impossible date",
    "duplicate key with other content", "unknown account", "unknown code", "wrong number style", "too many decimals",
    "unclosed quote", "swapped columns", "extra column", "missing required column", "bad encoding bytes",
    "renamed column", "missing footer", "cut XML", "unknown word in XML", "cut JSON line", "cut line",
    "wrong closing balance", "formula that was never calculated", "cut OFX", "empty", "temporary name", "binary",
    "encrypted", "damaged zip", "unknown vendor", "tied mappings", "same content under another name", "restated file",
}  # fmt: skip


@dataclass
class Night:
    """A faulted sample after one run, and the planted faults by kind."""

    workspace: Workspace
    sample: Path
    faults: dict[str, dict[str, str]]
    files: dict[str, list[FileRecord]]
    waiting: dict[str, list[Any]]

    def of(self, kind: str) -> tuple[dict[str, str], FileRecord]:
        """The fault and the ledger's word on its file."""
        fault = self.faults[kind]
        [file] = self.files[fault["path"]]
        return fault, file


@pytest.fixture(scope="module")
def night(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Night:
    sample = tmp_path_factory.mktemp("sample")
    write_sample(2, date(2026, 3, 30), date(2026, 4, 3), 3, sample, formats=FORMATS, with_faults=True)
    paths = sorted((path for path in (sample / TRUST).rglob("*") if path.is_file()), key=lambda p: p.stat().st_mtime)
    files = {path.relative_to(sample / TRUST).as_posix(): path.read_bytes() for path in paths}
    workspace = taken(files, spark, database_url, tmp_path_factory.mktemp("night"))
    with (sample / "_expected" / "planted_faults.csv").open(encoding="utf-8", newline="") as lines:
        faults = {row["kind"]: row for row in csv.DictReader(lines)}
    by_path = defaultdict(list)
    for file in workspace.ledger.files():
        by_path[file.path.removeprefix(f"{TENANT}/")].append(file)
    waiting = defaultdict(list)
    for row in workspace.lake.read("quarantine").collect():
        waiting[row["file_id"]].append(row)
    return Night(workspace, sample, faults, dict(by_path), waiting)


def test_one_fault_of_each_kind_is_listed(night: Night) -> None:
    assert set(night.faults) == KINDS


@pytest.mark.parametrize(
    "kind",
    ["missing required column", "bad encoding bytes", "renamed column", "cut XML", "cut OFX", "binary", "encrypted",
     "damaged zip", "unknown vendor", "tied mappings"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_not_taken_in_and_says_why(night: Night, kind: str) -> None:
    fault, file = night.of(kind)
    assert fault["where"] == "file"
    assert file.status in {"unrecognised", "refused"}
    assert re.search(fault["reason"], file.message)
    assert not file.silver


@pytest.mark.parametrize(
    "kind",
    ["truncated file", "wrong control sum", "wrong count", "wrong hash total", "missing footer",
     "wrong closing balance"],
)  # fmt: skip
def test_a_file_that_contradicts_itself_is_refused_whole(night: Night, kind: str) -> None:
    fault, file = night.of(kind)
    assert fault["where"] == "control"
    assert file.status == "refused"
    assert re.search(fault["reason"], file.message)
    assert (file.silver, file.quarantined) == (0, int(fault["rows"]))


@pytest.mark.parametrize(
    "kind",
    ["impossible date", "duplicate key with other content", "unknown account", "unknown code", "wrong number style",
     "too many decimals", "unclosed quote", "swapped columns", "unknown word in XML", "cut JSON line", "cut line",
     "formula that was never calculated"],
)  # fmt: skip
def test_a_row_that_does_not_fit_waits_with_its_reason_and_the_others_go_on(night: Night, kind: str) -> None:
    fault, file = night.of(kind)
    assert fault["where"] == "quarantine"
    assert file.status == "normalised"
    rows = night.waiting[file.file_id]
    assert len(rows) == int(fault["rows"]) == file.quarantined
    assert file.silver == file.records - file.quarantined > 0
    [row] = [row for row in rows if row["line_no"] == int(fault["line_no"])]
    failed = {(one["rule"], one["column"]): one["expected"] for one in json.loads(row["failed_rules"])}
    assert re.search(fault["reason"], failed[fault["rule"], fault["column"]])


def test_the_same_content_under_another_name_is_a_duplicate(night: Night) -> None:
    fault, file = night.of("same content under another name")
    assert (file.status, fault["where"]) == ("duplicate", "duplicate")
    assert re.search(fault["reason"], file.message)


def test_a_title_more_is_reported_and_costs_no_row(night: Night) -> None:
    fault, file = night.of("extra column")
    assert (file.detection or {})["drift"] == [fault["column"]]
    assert (file.status, file.silver, file.quarantined) == ("normalised", 3, 0)


@pytest.mark.parametrize("kind", ["empty", "temporary name"])
def test_a_file_that_is_not_complete_waits(night: Night, kind: str) -> None:
    fault = night.faults[kind]
    assert fault["path"] not in night.files
    [there] = [
        one
        for one in landing.deliveries(night.workspace.settings.landing, TENANT)
        if one.relative == f"{TENANT}/{fault['path']}"
    ]
    assert re.search(fault["reason"], landing.why_incomplete(there) or "nothing")


def test_nothing_else_is_touched(night: Night) -> None:
    planted = {fault["path"] for fault in night.faults.values() if fault["where"] != "restated"}
    good = [file for path, files in night.files.items() if path not in planted for file in files]
    assert len(good) > 60
    assert {(file.path, file.status, file.message) for file in good if file.status != "normalised"} == set()
    assert {file.path: (file.records, file.silver) for file in good if file.records != file.silver + file.skipped} == {}
    for files in night.files.values():
        for file in files:
            if file.status == "normalised":
                assert file.records == file.silver + file.quarantined + file.skipped, file.path
    valued = night.workspace.lake.read("valuation").select("account_id").distinct().collect()
    assert FAULTED not in {row["account_id"] for row in valued}


def test_a_restated_file_gives_a_second_version_of_the_row_that_differs(night: Night) -> None:
    """Last of this module: it runs a second night."""
    fault = night.faults["restated file"]
    content = (night.sample / "_expected" / "restated" / TRUST / fault["path"]).read_bytes()
    night.workspace.put({fault["path"]: content})
    night.workspace.take(date(2026, 4, 6))
    first, second = sorted(
        (file for file in night.workspace.ledger.files() if file.path == f"{TENANT}/{fault['path']}"),
        key=lambda file: file.arrival_no,
    )
    assert (first.silver, second.silver, second.skipped) == (3, int(fault["rows"]), 2)
    row = F.col("transaction_id").endswith("-F41-2")
    versions = night.workspace.lake.read("transaction").where(row).orderBy("arrival_no").collect()
    assert [one["amount"] for one in versions] == [Decimal("-12.5"), Decimal("-13.5")]
    assert [one["amount"] for one in night.workspace.lake.current("transaction").where(row).collect()] == [
        Decimal("-13.5")
    ]
