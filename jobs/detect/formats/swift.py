"""SWIFT statements (MT940 and its like) to records: one line a field, with the statement that it stands in.

A field is `:61:` and the lines that follow it until the next. A `:86:` belongs to the field before it; reference,
account and number of the statement (`:20:`, `:25:`, `:28C:`) are given to every field after them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import IO

from jobs.detect.formats import FormatError
from jobs.detect.formats.tree import ELEMENT

FIELD = re.compile(r"^(?:\{[^}]*\}\s*)*:(\d{2}[A-Z]?):(.*)$")
AROUND = ("20", "25", "28C", "28")
ENDS = re.compile(r"^(-\}?|\{.*\}|\x03|)$")  # between two messages


def lines(stream: IO[bytes], encoding: str) -> Iterator[str]:
    """JSON lines: `element` (the field's tag), its text under the tag, `86`, and the AROUND fields of its statement.

    Raises FormatError for text outside any field.
    """
    around: dict[str, str] = {}
    waiting: dict[str, str] | None = None
    for tag, text in _fields(io.TextIOWrapper(stream, encoding=encoding)):
        if tag == "86" and waiting is not None and "86" not in waiting:
            waiting["86"] = text
            continue
        if waiting is not None:
            yield json.dumps(waiting, ensure_ascii=False)
        if tag == "20":
            around = {}
        waiting = {ELEMENT: tag, **around, tag: text}
        if tag in AROUND:
            around[tag] = text
    if waiting is not None:
        yield json.dumps(waiting, ensure_ascii=False)


def _fields(text: IO[str]) -> Iterator[tuple[str, str]]:
    tag, parts = "", [""]
    for number, line in enumerate(text, start=1):
        content = line.rstrip("\r\n\x00\x1a").removeprefix("\ufeff")
        found = FIELD.match(content)
        if found or ENDS.match(content):
            if tag:
                yield tag, "\n".join(parts)
            tag, parts = (found.group(1), [found.group(2)]) if found else ("", [])
        elif tag:
            parts.append(content)
        else:
            raise FormatError(f"line {number}: text that belongs to no field; expected a field such as :61:")
    if tag:
        yield tag, "\n".join(parts)
