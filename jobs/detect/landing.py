"""Files in landing: which are complete, what they contain, and a first look at their lines. Nothing is moved."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from jobs.detect.formats import workbook

MARKERS = (".done", ".ok")
UNFINISHED = (".part", ".tmp", ".partial", ".filepart")
ENCRYPTED = (".pgp", ".gpg", ".asc")
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
            found.append(Delivery(tenant_id, path, relative.as_posix(), stat.st_size, _modified(stat)))
    return sorted(found, key=lambda one: (one.modified_at, one.relative))


def _modified(stat: os.stat_result) -> datetime:
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
        if (stat.st_size, _modified(stat)) != (one.size_bytes, one.modified_at):
            changed.add(one.relative)
    return changed


def has_marker(path: Path) -> bool:
    """Whether the vendor's marker lies beside the file: `name.csv.done` or `name.done`."""
    return any(path.with_name(path.name + suffix).exists() or path.with_suffix(suffix).exists() for suffix in MARKERS)


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
    for member, opened in open_members(path):
        with opened:
            yield _look(member, opened)


def is_workbook(path: Path) -> bool:
    """Whether the file is a workbook, whatever its name: a zip that holds `xl/workbook.xml`."""
    with path.open("rb") as raw:
        if raw.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def open_member(path: Path, member: str) -> IO[bytes]:
    """The decompressed bytes of one member as `open_members` names it; of a workbook's sheet the whole workbook."""
    if is_workbook(path):
        return path.open("rb")
    for name, stream in open_members(path):
        if name == member:
            return stream
        stream.close()
    raise FileNotFoundError(f"{path} has no member {member}")


def open_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """(member name, decompressed byte stream) for each member; the member's name is '' for a plain file."""
    with path.open("rb") as raw:
        magic = raw.read(4)
    if magic[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, archive.open(info)
    elif magic[:2] == b"\x1f\x8b":
        yield path.stem, io.BufferedReader(gzip.open(path))  # noqa: SIM115 the caller closes it
    else:
        yield "", path.open("rb")


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
    return Content(member, digest.hexdigest(), size, lines, head)
