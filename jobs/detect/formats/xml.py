"""XML to records, element by element: a statement of any size is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

from jobs.detect.formats import FormatError, tree
from jobs.platform.mapping import Mapping


def lines(stream: IO[bytes], mapping: Mapping) -> Iterator[str]:
    """Record lines (`tree.records`). Raises FormatError where the text is not well-formed, as a cut file never is."""
    yield from tree.records(_events(stream), set(mapping.reader.records), mapping.known_names, mapping.asks_for)


def _events(stream: IO[bytes]) -> Iterator[tree.Start | tree.End]:
    around: list[ElementTree.Element] = []
    try:
        for event, element in ElementTree.iterparse(stream, events=("start", "end")):
            if event == "start":
                around.append(element)
                yield tree.Start(_local(element.tag), {_local(name): text for name, text in element.attrib.items()})
            else:
                yield tree.End((element.text or "").strip())
                around.pop()
                element.clear()
                if around:  # nor may what is read stay on as an empty part of what is around it
                    around[-1].remove(element)
    except ElementTree.ParseError as error:
        line, column = error.position
        why = error.msg.split(":")[0]
        raise FormatError(f"line {line}, column {column + 1}: not well-formed XML: {why}") from error


def _local(name: str) -> str:
    """The name without its namespace."""
    return name.rsplit("}", 1)[-1]
