"""OFX statements to records: version 1 (SGML, values without closing tags) and version 2 (XML) alike."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element

from jobs.detect.formats import FormatError, read_whole, tree
from jobs.platform.mapping import Mapping

HEADER = (
    b"OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\nSECURITY:NONE\r\nENCODING:USASCII\r\nCHARSET:1252\r\n"
    b"COMPRESSION:NONE\r\nOLDFILEUID:NONE\r\nNEWFILEUID:NONE\r\n\r\n"
)


def lines(stream: IO[bytes], mapping: Mapping) -> Iterator[str]:
    """Record lines (`tree.records`). Raises FormatError where header or body cannot be read."""
    from ofxtools.header import OFXHeaderError
    from ofxtools.Parser import OFXTree, ParseError

    data = read_whole(stream)
    if not data.rstrip(b"\x00\x1a \t\r\n").upper().endswith(b"</OFX>"):
        raise FormatError("cut: an OFX statement ends with </OFX>")  # the parser would close what is open
    try:
        try:
            root = OFXTree().parse(io.BytesIO(data))
        except OFXHeaderError:  # malformed, commented out or left out: what counts begins with <OFX>
            start = data.upper().find(b"<OFX>")
            if start < 0:
                raise
            root = OFXTree().parse(io.BytesIO(HEADER + data[start:]))
    except (ParseError, OFXHeaderError, UnicodeDecodeError, ValueError) as error:
        raise FormatError(f"not readable as OFX: {' '.join(str(error).split())[:200]}") from error
    yield from tree.records(_events(root), set(mapping.reader.records), mapping.known_names, mapping.asks_for)


def _events(element: Element) -> Iterator[tree.Start | tree.End]:
    yield tree.Start(element.tag, dict(element.attrib))
    for child in element:
        yield from _events(child)
    yield tree.End((element.text or "").strip())
