"""Files in landing: which are complete, what they contain, and a first look at their lines. Nothing is moved."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from jobs.detect.containers import begins, is_workbook, open_members
from jobs.detect.formats import parquet, workbook

MARKERS = (".done", ".ok", ".trg", ".ctl")
UNFINISHED = (".part", ".tmp", ".partial", ".filepart")
FIRST_LOOK_BYTES = 256 * 1024
FIRST_LOOK_LINES = 50
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Delivery:
    """A file as it lies in landing."""

    tenant_id: str
    path: Path
    relative: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class Content:
    """What a file (an archive's member, a workbook's sheet) holds: identity, lines, and its first lines' bytes."""

    member: str
    sha256: str
    size_bytes: int
    lines: int
    head: bytes
    encoding: str | None = None  # where the bytes themselves say it, whatever the mapping does


def tenants(landing: Path) -> list[str]:
    """A folder in landing is a tenant; names that start with `_` or `.` are not."""
    return sorted(p.name for p in landing.iterdir() if p.is_dir() and not p.name.startswith(("_", ".")))


def deliveries(landing: Path, tenant_id: str) -> list[Delivery]:
    """All files of a tenant that are no markers and not hidden, oldest first (modification time, then path)."""
    found = []
    for path in (landing / tenant_id).rglob("*"):
        relative = path.relative_to(landing)
        if any(part.startswith((".", "_")) for part in relative.parts) or path.name.lower().endswith(MARKERS):
            continue
        if path.is_file():
            stat = path.stat()
            found.append(Delivery(tenant_id, path, relative.as_posix(), stat.st_size, modified(stat)))
    return sorted(found, key=lambda one: (one.modified_at, one.relative))


def modified(stat: os.stat_result) -> datetime:
    return datetime.fromtimestamp(stat.st_mtime, tz=UTC)


def why_incomplete(delivery: Delivery) -> str | None:
    """Why a file must wait, judged by its name and size alone; None where nothing speaks against it."""
    if delivery.path.name.lower().endswith(UNFINISHED):
        return "still under a temporary name"
    if delivery.size_bytes == 0:
        return "empty: 0 bytes"
    return None


def growing(candidates: list[Delivery], seconds: float) -> set[str]:
    """Relative paths whose size or time changed between two looks `seconds` apart; a marker file settles it at once."""
    unmarked = [one for one in candidates if not has_marker(one.path)]
    if unmarked and seconds:
        time.sleep(seconds)
    changed = set()
    for one in unmarked:
        stat = one.path.stat()
        if (stat.st_size, modified(stat)) != (one.size_bytes, one.modified_at):
            changed.add(one.relative)
    return changed


def has_marker(path: Path, markers: tuple[str, ...] = MARKERS) -> bool:
    """Whether one of the vendor's markers lies beside the file: `name.csv.done` or `name.done`; or, where the marker is
    a name of its own such as `_SUCCESS`, that file, beside it or above its partitions."""
    folders = [path.parent]
    while "=" in folders[-1].name:
        folders.append(folders[-1].parent)
    return any(
        path.with_name(path.name + marker).exists() or path.with_suffix(marker).exists()
        if marker.startswith(".")
        else any((folder / marker).exists() for folder in folders)
        for marker in markers
    )


def contents(path: Path) -> Iterator[Content]:
    """Each thing the file contains, decompressed: the file itself, the members of a zip or gzip, a workbook's sheets.

    Raises zipfile.BadZipFile, EOFError, OSError (zlib.error is wrapped by them) for damaged archives, FormatError for
    a damaged workbook.
    """
    if is_workbook(path):
        with path.open("rb") as stream:
            names = workbook.sheets(stream)
        for sheet in names:
            with path.open("rb") as stream:
                lines = "".join(f"{line}\n" for line in workbook.lines(stream, sheet))
            yield _look(sheet, io.BytesIO(lines.encode()))
        return
    if begins(path, parquet.MAGIC):
        rows, head = parquet.first_look(path, FIRST_LOOK_LINES)
        with path.open("rb") as stream:
            yield replace(_look("", stream), lines=rows, head=head)
        return
    for member, opened in open_members(path):
        with opened:
            yield _look(member, opened)


def _look(member: str, stream: IO[bytes]) -> Content:
    digest, size, lines, head, last = hashlib.sha256(), 0, 0, b"", b""
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        # A lone CR ends a line too (as Spark's reader has it); a CRLF split over two chunks is one end.
        lines += chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n")
        if last == b"\r" and chunk.startswith(b"\n"):
            lines -= 1
        if len(head) < FIRST_LOOK_BYTES:
            head += chunk[: FIRST_LOOK_BYTES - len(head)]
        last = chunk[-1:]
    if size and last not in (b"\n", b"\r"):
        lines += 1
    said = "utf-8" if isinstance(stream, codecs.StreamRecoder) else None
    return Content(member, digest.hexdigest(), size, lines, head, said)
