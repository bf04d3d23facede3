"""OFX statements to records: version 1 (SGML, values without closing tags) and version 2 (XML) alike."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element

from jobs.detect.formats import FormatError, read_whole, tree
from jobs.platform.mapping import Mapping


def lines(stream: IO[bytes], mapping: Mapping) -> Iterator[str]:
    """Record lines (`tree.records`). Raises FormatError where header or body cannot be read."""
    from ofxtools.header import OFXHeaderError
    from ofxtools.Parser import OFXTree, ParseError

    parser, data = OFXTree(), read_whole(stream)
    if not data.rstrip(b"\x00\x1a \t\r\n").upper().endswith(b"</OFX>"):
        raise FormatError("cut: an OFX statement ends with </OFX>")  # the parser would close what is open
    try:
        root = parser.parse(io.BytesIO(data))
    except (ParseError, OFXHeaderError, UnicodeDecodeError, ValueError) as error:
        raise FormatError(f"not readable as OFX: {' '.join(str(error).split())[:200]}") from error
    yield from tree.records(_events(root), set(mapping.reader.records), mapping.known_names, mapping.asks_for)


def _events(element: Element) -> Iterator[tree.Start | tree.End]:
    yield tree.Start(element.tag, dict(element.attrib))
    for child in element:
        yield from _events(child)
    yield tree.End((element.text or "").strip())
