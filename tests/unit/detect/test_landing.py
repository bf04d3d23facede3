"""What lies in landing: complete or not, plain or packed, how many lines; and nothing is changed by looking."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from jobs.detect import landing


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    folder = tmp_path / "acme"
    folder.mkdir()
    return folder


def test_hidden_marked_and_underscored_things_are_no_deliveries(acme: Path) -> None:
    for name in (".hidden.csv", "a.csv", "a.csv.done", "_expected/b.csv", "sub/c.csv"):
        (acme / name).parent.mkdir(exist_ok=True)
        (acme / name).write_text("x")
    (acme.parent / "_expected").mkdir()
    assert landing.tenants(acme.parent) == ["acme"]
    found = {one.relative for one in landing.deliveries(acme.parent, "acme")}
    assert found == {"acme/a.csv", "acme/sub/c.csv"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv.part", "x", "still under a temporary name"),
        ("a.tmp", "x", "still under a temporary name"),
        ("a.csv", "", "empty: 0 bytes"),
        ("a.csv", "x", None),
    ],
)
def test_an_unfinished_or_empty_file_waits(acme: Path, name: str, text: str, why: str | None) -> None:
    (acme / name).write_text(text)
    assert landing.why_incomplete(landing.deliveries(acme.parent, "acme")[0]) == why


def test_a_file_that_grows_between_two_looks_waits_unless_its_marker_is_there(acme: Path) -> None:
    for name in ("grows.csv", "marked.csv", "still.csv"):
        (acme / name).write_text("1")
    (acme / "marked.csv.done").write_text("")
    seen = landing.deliveries(acme.parent, "acme")
    (acme / "grows.csv").write_text("12")
    (acme / "marked.csv").write_text("12")
    assert landing.growing(seen, 0.01) == {"acme/grows.csv"}


@pytest.mark.parametrize(
    ("data", "lines"),
    [(b"a\nb\n", 2), (b"a\nb", 2), (b"a\r\nb\r\n", 2), (b"a\rb", 2), (b"\n", 1), (b"a\n\nb\n", 3)],
)
def test_lines_are_counted_as_spark_splits_them(acme: Path, data: bytes, lines: int) -> None:
    path = acme / "a.csv"
    path.write_bytes(data)
    assert [one.lines for one in landing.contents(path)] == [lines]


def test_a_line_end_split_over_two_reads_is_one(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "_CHUNK", 2)
    path = acme / "a.csv"
    path.write_bytes(b"a\r\nb\r\n")
    assert [one.lines for one in landing.contents(path)] == [2]


def test_packed_and_plain_content_is_the_same_content(acme: Path) -> None:
    (acme / "a.csv").write_bytes(b"x\ny\n")
    (acme / "a.csv.gz").write_bytes(gzip.compress(b"x\ny\n"))
    with zipfile.ZipFile(acme / "a.zip", "w") as archive:
        archive.writestr("one.csv", b"x\ny\n")
        archive.writestr("two.csv", b"z\n")
    plain = next(landing.contents(acme / "a.csv"))
    packed = next(landing.contents(acme / "a.csv.gz"))
    members = list(landing.contents(acme / "a.zip"))
    assert plain.sha256 == packed.sha256 == members[0].sha256
    assert [(one.member, one.lines) for one in members] == [("one.csv", 2), ("two.csv", 1)]
