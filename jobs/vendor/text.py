"""The first lines of a file (an archive's member, a workbook's sheet): encoding, text, and the format they are in."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

from jobs.detect import containers
from jobs.detect.formats import FormatError, parquet, workbook
from jobs.platform.errors import DietzError
from jobs.platform.mapping_reader import Reader
from jobs.vendor.choice import Choice, todo

LINES = 5_000  # a draft looks at no more of a file
BYTES = 16 * 1024 * 1024
# What opening an archive or a workbook's parts may raise.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ElementTree.ParseError, KeyError, NotImplementedError,
    UnicodeDecodeError,
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What a draft looks at. whole: whether that is all there is (only then a total can be met)."""

    name: str  # of the file or member, as detection sees it
    member: str
    data: bytes
    lines: list[str]
    encoding: Choice
    whole: bool
    is_workbook: bool = False
    is_parquet: bool = False


def samples(path: Path) -> Iterator[Sample]:
    """Each thing that the file contains. Raises DietzError for what is damaged, encrypted or binary."""
    try:
        yield from _opened(path)
    except FormatError as error:
        raise DietzError(f"{path}: {error}") from error
    except DAMAGED as error:
        raise DietzError(f"{path}: damaged archive: {error}") from error


def _opened(path: Path) -> Iterator[Sample]:
    if containers.is_encrypted(path):
        raise DietzError(f"{path}: encrypted (PGP): no decryption command is configured")
    if containers.is_workbook(path):
        data = path.read_bytes()
        for sheet in workbook.sheets(io.BytesIO(data)):
            found = list(islice(workbook.lines(io.BytesIO(data), sheet), LINES + 1))
            utf8 = Choice("utf-8", 1, "a workbook's cells")
            yield Sample(path.name, sheet, b"", found[:LINES], utf8, len(found) <= LINES, is_workbook=True)
        return
    if containers.begins(path, parquet.MAGIC):
        rows, head = parquet.first_look(path, LINES)
        lines = head.decode().removeprefix(parquet.PARQUET_HEAD.decode()).splitlines()
        utf8 = Choice("utf-8", 1, "as Parquet has it")
        yield Sample(path.name, "", b"", lines, utf8, rows <= LINES, is_parquet=True)
        return
    for member, stream in containers.open_members(path):
        with stream:
            data = stream.read(BYTES + 1)
        yield _sample(member.rsplit("/", 1)[-1] or path.name, member, data, path)


def _sample(name: str, member: str, data: bytes, path: Path) -> Sample:
    if data.lstrip().startswith(b"-----BEGIN PGP"):
        raise DietzError(f"{path}: encrypted (PGP): no decryption command is configured")
    whole, head = len(data) <= BYTES, data[:BYTES]
    if not whole:
        head = head[: head.rfind(b"\n") + 1]
    codec = _codec(head, path)
    encoding = _encoding(codec)
    # As Spark's reader has it, and not at every sign that Unicode calls a line's end.
    lines = re.split(r"\r\n|\n|\r", head.decode(codec).removeprefix("\ufeff").rstrip("\x00\x1a\r\n"))
    return Sample(name, member, head, lines[:LINES], encoding, whole and len(lines) <= LINES)


def _codec(data: bytes, path: Path) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\x00" in data.rstrip(b"\x00\x1a"):
        raise DietzError(f"{path}: binary content: not a text file of any mapping")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if re.search(rb"[\x01-\x08\x0e-\x19\x1b-\x1f]", data):
            raise DietzError(f"{path}: binary content: not a text file of any mapping") from None
        return "windows-1252" if not re.search(rb"[\x81\x8d\x8f\x90\x9d]", data) else "iso-8859-1"
    return "utf-8"


def _encoding(codec: str) -> Choice:
    known = get_args(Reader.model_fields["encoding"].annotation)
    if codec not in known:
        return Choice(todo(f"{codec} is not read", known), 0, "the file begins with the mark of this encoding")
    if codec == "utf-8":
        return Choice(codec, 0.99, "every byte is")
    return Choice(codec, 0.8, "some bytes are no utf-8; of the western one-byte encodings this holds the most signs")


def format_of(sample: Sample) -> str:
    """The format by structure alone: workbook, ofx, xml, json, swift, fixed or delimited."""
    if sample.is_workbook or sample.is_parquet:
        return "workbook" if sample.is_workbook else "parquet"
    filled = [line for line in sample.lines if line.strip()]
    if not filled:
        raise DietzError(f"{sample.name}: holds no text")
    head = "\n".join(filled[:20]).lstrip()
    widths = {len(line) for line in filled}
    tests = {
        "ofx": bool(re.search(r"OFXHEADER|<OFX>", head)),
        "xml": head.startswith("<"),
        "json": all(_is_object(line) for line in filled[:5]),
        "swift": bool(re.match(r"(\{1:.*)?:20:", head)),
        "fixed": len(widths) == 1 and len(filled) > 2 and widths.pop() >= 60 and not _is_delimited(filled),
    }
    return next((form for form, holds in tests.items() if holds), "delimited")


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _is_delimited(lines: list[str]) -> bool:
    """Whether a sign of the usual ones stands equally often in most lines."""
    return any(len({line.count(sign) for line in lines[:20]}) == 1 and lines[0].count(sign) > 1 for sign in ",;\t|")
