"""One JSON text (an export in one piece, however indented) to records: its objects by the names they stand under."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from jobs.detect.formats import FormatError, read_whole, tree
from jobs.platform.mapping import Mapping

OUTERMOST = "document"  # what the text as a whole is called; in a list, each of its members


def lines(stream: IO[bytes], mapping: Mapping) -> Iterator[str]:
    """Record lines (`tree.records`). Numbers keep their text. Raises FormatError where the text is no JSON."""
    try:
        text = read_whole(stream).rstrip(b"\x00\x1a \t\r\n").decode("utf-8-sig")
        found = json.loads(text, parse_float=str, parse_int=str)
    except json.JSONDecodeError as error:
        raise FormatError(f"line {error.lineno}, column {error.colno}: not well-formed JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"byte {error.start}: not UTF-8, which JSON is written in") from error
    except RecursionError as error:
        raise FormatError("not readable as JSON: nested too deeply") from error
    yield from tree.records(
        _events(OUTERMOST, found), set(mapping.reader.records), mapping.known_names, mapping.asks_for
    )


def _events(name: str, value: Any) -> Iterator[tree.Start | tree.End]:
    if isinstance(value, list):
        for one in value:
            yield from _events(name, one)
    elif isinstance(value, dict):
        # What an object says itself comes before what stands in it, so that its parts can be told of it.
        own = {
            key: _text(part) for key, part in value.items() if not isinstance(part, dict | list) and part is not None
        }
        yield tree.Start(name, own)
        for key, part in value.items():
            if isinstance(part, dict | list):
                yield from _events(key, part)
        yield tree.End("")
    elif value is not None:
        yield tree.Start(name, {})
        yield tree.End(_text(value))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
