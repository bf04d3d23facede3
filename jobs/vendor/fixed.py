"""The layout of fixed-width text as far as it can be seen: kinds of lines, fields whose values prove what they are."""

from __future__ import annotations

import re
from collections import Counter

from jobs.vendor import readings
from jobs.vendor.choice import Choice, todo
from jobs.vendor.layout import Layout, Records
from jobs.vendor.profile import currencies
from jobs.vendor.text import Sample

CODE = 3  # characters at the start of a line that say what it is


def fixed(sample: Sample) -> Layout:
    """Lines of one length. A field is drafted only where a check digit or a list of codes proves it."""
    lines = [line for line in sample.lines if line.strip()]
    width = len(lines[0])
    codes = Counter(line[:CODE] for line in lines)
    main = codes.most_common(1)[0][0]
    layout = Layout("fixed", [], {"encoding": sample.encoding}, has_header=False, first_line=lines[0])
    layout.reader["width"] = Choice(width, 0.99, "every line has this length")
    for code, count in codes.items():
        first, last = lines[0][:CODE] == code, lines[-1][:CODE] == code
        if code == main or not code.strip():
            continue
        only = count == 1
        kind = "header" if first and only else "total" if last and only else todo("what are these lines")
        layout.rules.append(
            ({"kind": kind, "match": f"^{re.escape(code)}"}, f"lines: {count}, beginning with '{code}'")
        )
    if lines[0][:CODE] != main:
        layout.preamble = [lines[0]]
    details = [line for line in lines if line[:CODE] == main]
    fields = _fields(details, width)
    layout.reader["fields"] = Choice(
        {"record": {name: list(place) for name, place in fields.items()}}, 0.7,
        "fields that prove themselves by their values; add the others from the vendor's description",
    )  # fmt: skip
    rows = [[line[first - 1 : first - 1 + length].strip() for first, length in fields.values()] for line in details]
    layout.records = [Records("record", list(fields), rows)]
    return layout


def _fields(lines: list[str], width: int) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    taken: set[int] = set()
    for name, length, is_one in (
        ("isin", 12, readings.is_isin),
        ("cusip", 9, readings.is_cusip),
        ("currency", 3, currencies().__contains__),
    ):
        places = [
            at
            for at in range(width - length + 1)
            if not taken & set(range(at, at + length)) and _all(lines, at, length, is_one)
        ]
        if len(places) == 1 and _stands_alone(lines, places[0], length, name):
            found[name] = (places[0] + 1, length)
            taken |= set(range(places[0], places[0] + length))
    return found


def _all(lines: list[str], at: int, length: int, is_one: object) -> bool:
    return all(is_one(line[at : at + length]) for line in lines)  # type: ignore[operator]


def _stands_alone(lines: list[str], at: int, length: int, name: str) -> bool:
    """A code by chance stands within a longer word, a check digit by chance on a few lines."""
    around = any(line[max(at - 1, 0) : at].isalpha() or line[at + length : at + length + 1].isalpha() for line in lines)
    enough = {"isin": 3, "cusip": 5, "currency": 1}[name]
    return not around and len({line[at : at + length] for line in lines}) >= enough
