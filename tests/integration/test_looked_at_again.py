"""Files that no mapping could read are looked at again when the mappings have changed; all others are left alone."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from jobs.detect.job import run as detect
from jobs.platform.ledger import FileRecord, Ledger
from jobs.platform.settings import Settings

READABLE = """vendor: harbor
feed: harbor_values
meaning: "Values of accounts."
delivery: upsert
fingerprint: {signature: '^HARBOR'}
reader: {header: none, titles: {record: [account, day, amount]}}
lines: [{kind: preamble, match: '^HARBOR'}]
targets:
  - table: valuation
    columns:
      account_id: {title: account}
      as_of_date: {title: day}
      market_value: {title: amount}
"""
OTHER = (
    READABLE.replace("harbor_values", "pier_values")
    .replace("^HARBOR", "^PIER")
    .replace("vendor: harbor", "vendor: pier")
)
# Said to be SWIFT's, which text without fields is not.
WRONG = READABLE.replace("delivery: upsert", "delivery: upsert\nformat: swift").replace(
    "reader: {header: none, titles: {record: [account, day, amount]}}\n", ""
)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    found = Ledger(settings)
    yield found
    found.connection.execute("TRUNCATE ops.run, ops.file CASCADE")
    found.close()


def looked_at(
    settings: Settings, ledger: Ledger, mappings: Path, patch: pytest.MonkeyPatch, **files: str
) -> dict[str, FileRecord]:
    """The ledger's files by member or name, after a look by mappings of these texts."""
    mappings.mkdir()
    for feed, text in files.items():
        (mappings / f"{feed}.yaml").write_text(text, encoding="utf-8")
    patch.setenv("DIETZ_MAPPINGS", str(mappings))
    detect(None, settings, ledger.open_run(date(2026, 3, 10)))
    return {one.member or Path(one.path).name: one for one in ledger.files()}


def test_a_file_whose_format_was_declared_wrong_is_detected_with_its_lines(
    settings: Settings, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.landing / "acme").mkdir()
    (settings.landing / "acme" / "values.txt").write_text("HARBOR\nA1,2026-03-09,5\nA2,2026-03-09,6\n")
    before = looked_at(settings, ledger, tmp_path / "wrong", monkeypatch, harbor_values=WRONG)["values.txt"]
    assert (before.status, before.message) == (
        "refused",
        "line 1: text that belongs to no field; expected a field such as :61:",
    )
    again = looked_at(settings, ledger, tmp_path / "same", monkeypatch, harbor_values=WRONG)["values.txt"]
    assert (again.status, again.run_no) == ("refused", before.run_no)
    mended = looked_at(settings, ledger, tmp_path / "mended", monkeypatch, harbor_values=READABLE)["values.txt"]
    assert (mended.file_id, mended.status, mended.lines) == (before.file_id, "detected", 3)


def test_of_an_archive_only_the_member_that_waited_is_looked_at_again(
    settings: Settings, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.landing / "acme").mkdir()
    with zipfile.ZipFile(settings.landing / "acme" / "both.zip", "w") as archive:
        archive.writestr("known.txt", "HARBOR\nA1,2026-03-09,5\n")
        archive.writestr("strange.txt", "PIER\nA1,2026-03-09,5\n")
    before = looked_at(settings, ledger, tmp_path / "one", monkeypatch, harbor_values=READABLE)
    assert {name: file.status for name, file in before.items()} == {
        "known.txt": "detected",
        "strange.txt": "unrecognised",
    }
    ledger.update_files({before["known.txt"].file_id: {"status": "accepted", "records": 3}})
    after = looked_at(settings, ledger, tmp_path / "two", monkeypatch, harbor_values=READABLE, pier_values=OTHER)
    assert {name: file.status for name, file in after.items()} == {"known.txt": "accepted", "strange.txt": "detected"}
    assert after["strange.txt"].feed == "pier_values"
