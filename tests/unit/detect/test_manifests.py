"""What is delivered together is taken together, as it was sent, or waits with the reason."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.detect import landing, manifests
from jobs.normalise.controls import other_than_sent
from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import CompleteWith, Mapping, load_mappings

PAGES = {"p1.jsonl": b"one\ntwo\n", "p2.jsonl": b"three\n"}


def stated(**changes: dict[str, Any]) -> bytes:
    """A manifest of PAGES, with changes by page name."""
    pages = []
    for name, content in PAGES.items():
        facts = {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "count": 1}
        pages.append(facts | changes.get(name.split(".")[0], {}))
    return json.dumps({"pages": pages, "made": "2026-03-31"}).encode()


def sent(tmp_path: Path, files: dict[str, bytes]) -> dict[str, str | None]:
    """Relative path -> why it waits, of the files that a manifest speaks of."""
    folder = tmp_path / "acme"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    deliveries = [one for one in landing.deliveries(tmp_path, "acme") if not manifests.is_manifest(one.path)]
    return {relative: one.waits for relative, one in manifests.sent_with(deliveries).items()}


def test_a_delivery_that_is_as_its_manifest_states_is_taken(tmp_path: Path) -> None:
    found = sent(tmp_path, {**PAGES, "a.manifest.json": stated(), "other.csv": b"x"})
    assert found == {"acme/p1.jsonl": None, "acme/p2.jsonl": None}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"p1.jsonl": b"one\ntwo\n"}, "a.manifest.json lists p2.jsonl, which is not there"),
        ({**PAGES, "p2.jsonl": b"thr"}, "p2.jsonl has 3 bytes, a.manifest.json states 6"),
        ({**PAGES, "p2.jsonl": b"thrEe\n"}, "p2.jsonl is not the file whose sha256 a.manifest.json states"),
    ],
)
def test_all_of_a_delivery_waits_for_its_last_file(tmp_path: Path, files: dict[str, bytes], why: str) -> None:
    found = sent(tmp_path, {**files, "a.manifest.json": stated()})
    assert set(found.values()) == {why}
    assert len(found) == len(files)


def test_what_came_with_half_a_manifest_waits(tmp_path: Path) -> None:
    found = sent(tmp_path, {**PAGES, "a.manifest.json": stated()[:40]})
    assert len(found) == 2
    assert all("a.manifest.json is no manifest yet" in str(why) for why in found.values())


def record(**values: Any) -> FileRecord:
    base = FileRecord(
        file_id="f", tenant_id="acme", path="acme/p1.jsonl", member="", size_bytes=1,
        modified_at=datetime(2026, 3, 31, tzinfo=UTC), sha256="", vendor="v", feed="apx_export", mapping_version="",
        status="detected",
        business_date=None, run_no=1, arrival_no=0, detection={}, message="", lines=2,
    )  # fmt: skip
    return replace(base, **values)


def as_sent(found: FileRecord, mapping: Mapping | None = None, **states: int) -> FileRecord:
    """The file as detect sees it beside a manifest that states these counts."""
    listed = manifests.Sent("a.manifest.json", manifests.Listed(name="p1.jsonl", **states), None)
    return manifests.as_sent(found, listed, {**load_mappings(), **({mapping.feed: mapping} if mapping else {})})


def test_another_number_of_records_than_stated_refuses_the_file() -> None:
    refused = as_sent(record(), records=3)
    assert (refused.status, refused.message) == ("refused", "the file has 2 lines, a.manifest.json states 3 records")
    assert as_sent(record(), records=2).status == "detected"
    refused = as_sent(record(), lines=1)
    assert (refused.status, refused.message) == ("refused", "the file has 2 lines, a.manifest.json states 1")
    assert as_sent(record(), lines=2).status == "detected"


def test_a_header_is_no_record() -> None:
    """Header and 99 records: whether 100 stated are met is decided when the lines are read."""
    found = as_sent(record(feed="canonical_valuations", lines=100), records=100)
    assert (found.status, found.detection) == ("detected", {"manifest": {"name": "a.manifest.json", "records": 100}})
    [short] = other_than_sent(found, {"header": 1, "record": 99})
    assert (short.message, short.refuses) == ("the file has 99 records, a.manifest.json states 100", True)
    assert other_than_sent(found, {"preamble": 2, "header": 1, "record": 100, "total": 1, "blank": 1}) == []
    [long] = other_than_sent(found, {"header": 1, "record": 101})
    assert long.message == "the file has 101 records, a.manifest.json states 100"


def test_a_vendor_may_count_its_header() -> None:
    counts_all = load_mappings()["canonical_valuations"].model_copy(update={"manifest_counts": "lines"})
    whole, short = (record(feed="canonical_valuations", lines=lines) for lines in (101, 100))
    assert as_sent(whole, counts_all, records=101).status == "detected"
    assert as_sent(short, counts_all, records=101).message == "the file has 100 lines, a.manifest.json states 101"


def test_a_set_waits_until_all_its_feeds_are_there() -> None:
    together = CompleteWith(feeds=["prices", "positions"], key=r"(\d{8})")
    base = load_mappings()["canonical_prices"]
    mappings: dict[str, Mapping] = {
        feed: base.model_copy(update={"feed": feed, "complete_with": together}) for feed in ("prices", "positions")
    }
    prices = record(path="acme/20260331.PRI", feed="prices")
    positions = record(path="acme/20260331.POS", feed="positions")
    other_day = record(path="acme/20260330.POS", feed="positions")
    alone = manifests.complete_sets([prices, other_day], [], mappings)
    assert [(one.status, one.message) for one in alone] == [
        ("waiting", "set 20260331: no positions yet"),
        ("waiting", "set 20260330: no prices yet"),
    ]
    whole = manifests.complete_sets([prices, positions], [], mappings)
    assert [one.status for one in whole] == ["detected", "detected"]
    corrected = manifests.complete_sets([prices], [positions], mappings)
    assert [one.status for one in corrected] == ["detected"]
