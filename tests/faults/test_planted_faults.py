"""Every fault that `dietz sample --faults` plants is found by its reason at its place, and nothing else is touched."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from jobs.detect import landing, manifests
from jobs.sample.faults.fault import FAULTED
from jobs.sample.trust import TRUST
from tests.faults.conftest import Night

pytestmark = pytest.mark.system

KINDS = {
    "truncated file", "wrong control sum", "wrong count", "wrong hash total", "impossible date",
    "duplicate key with other content", "unknown account", "unknown code", "wrong number style", "too many decimals",
    "unclosed quote", "swapped columns", "extra column", "missing required column", "bad encoding bytes",
    "renamed column", "missing footer", "cut XML", "unknown word in XML", "cut JSON line", "cut line",
    "wrong closing balance", "formula that was never calculated", "cut OFX", "empty", "temporary name", "binary",
    "encrypted", "damaged zip", "unknown vendor", "tied mappings", "same content under another name", "restated file",
    "missing page", "page cut on its way",
}  # fmt: skip


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
    assert file.status == "accepted"
    rows = night.quarantined[file.file_id]
    assert len(rows) == int(fault["rows"]) == file.quarantined
    assert file.silver == file.records - file.quarantined - file.skipped > 0
    [row] = [row for row in rows if row["line_no"] == int(fault["line_no"])]
    failed = {(one["rule"], one["column"]): one["expected"] for one in row["failed"]}
    assert re.search(fault["reason"], failed[fault["rule"], fault["column"]])


def test_the_same_content_under_another_name_is_a_duplicate(night: Night) -> None:
    fault, file = night.of("same content under another name")
    assert (file.status, fault["where"]) == ("duplicate", "duplicate")
    assert re.search(fault["reason"], file.message)


def test_a_title_more_is_reported_and_costs_no_row(night: Night) -> None:
    fault, file = night.of("extra column")
    assert (file.detection or {})["drift"] == [fault["column"]]
    assert (file.status, file.silver, file.quarantined) == ("accepted", 3, 0)


@pytest.mark.parametrize("kind", ["empty", "temporary name", "missing page", "page cut on its way"])
def test_a_file_that_is_not_complete_waits(night: Night, kind: str) -> None:
    fault = night.faults[kind]
    assert fault["path"] not in night.files
    [there] = [
        one for one in landing.deliveries(night.settings.landing, TRUST) if one.relative == f"{TRUST}/{fault['path']}"
    ]
    listed = manifests.sent_with(landing.deliveries(night.settings.landing, TRUST)).get(there.relative)
    assert re.search(fault["reason"], landing.why_incomplete(there) or (listed and listed.waits) or "nothing")


def test_no_row_of_a_faulted_file_is_lost_or_valued(night: Night) -> None:
    """That the good files and the marts are untouched is said in test_every_format."""
    for files in night.files.values():
        for file in files:
            if file.status == "accepted":
                assert file.records == file.silver + file.quarantined + file.skipped, file.path
    valued = night.lake.read("valuation").select("account_id").distinct().collect()
    assert FAULTED not in {row["account_id"] for row in valued}


def test_a_restated_file_gives_a_second_version_of_the_row_that_differs(night: Night) -> None:
    """Last of this module: it runs a second night."""
    fault = night.faults["restated file"]
    content = (night.sample / "_expected" / "restated" / TRUST / fault["path"]).read_bytes()
    (night.settings.landing / TRUST / fault["path"]).write_bytes(content)
    night.take(date(2026, 4, 6))
    first, second = sorted(
        (file for file in night.ledger.files() if file.path == f"{TRUST}/{fault['path']}"),
        key=lambda file: file.arrival_no,
    )
    assert (first.silver, second.silver) == (3, int(fault["rows"]))
    row = F.col("transaction_id").endswith("-F41-2")
    versions = night.lake.read("transaction").where(row).orderBy("arrival_no").collect()
    assert [one["amount"] for one in versions] == [Decimal("-12.5"), Decimal("-13.5")]
    assert [one["amount"] for one in night.lake.current("transaction").where(row).collect()] == [Decimal("-13.5")]
