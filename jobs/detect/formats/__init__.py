"""Formats that are no lines: each becomes lines, one JSON object (or, of a workbook, one JSON array) per record.

From there on such a file is read like any other: its lines are counted, kept in bronze, and taken to silver by mapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:  # the look-out over landing reads names and sizes only, and starts no Spark
    from jobs.platform.mapping import Mapping

# Of a file that must be in memory as a whole: a workbook, an OFX statement, a JSON text.
MAX_WHOLE_BYTES = 256 * 1024 * 1024


class FormatError(Exception):
    """The file is not what its format says; the message says where and why, for the operator."""


def as_lines(stream: IO[bytes], member: str, mapping: Mapping) -> Iterator[str]:
    """The lines of a file in one of the formats CONVERTED. Raises FormatError where it is damaged or too large."""
    from jobs.detect.formats import document, ofx, swift, workbook, xml

    if mapping.format == "xml":
        return xml.lines(stream, mapping)
    if mapping.format == "ofx":
        return ofx.lines(stream, mapping)
    if mapping.format == "json_document":
        return document.lines(stream, mapping)
    if mapping.format == "workbook":
        return workbook.lines(stream, member)
    return swift.lines(stream, mapping.reader.encoding)


def read_whole(stream: IO[bytes]) -> bytes:
    """All bytes of a stream. Raises FormatError above MAX_WHOLE_BYTES."""
    data = stream.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise FormatError(f"larger than {MAX_WHOLE_BYTES // 1024 // 1024} MB, which this format cannot be read above")
    return data
