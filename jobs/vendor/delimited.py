"""The layout of delimited text and of a workbook's sheet: delimiter, header row, what stands around the records."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

from jobs.detect.recognise import joined
from jobs.platform.errors import DietzError
from jobs.vendor import readings
from jobs.vendor.below import Below, same
from jobs.vendor.choice import Choice, todo
from jobs.vendor.layout import SUBTOTAL, Layout, Records
from jobs.vendor.profile import NOTHING
from jobs.vendor.synonyms import every_term, forms
from jobs.vendor.text import Sample

HEADER_LINES = 50
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def delimited(sample: Sample) -> Layout:
    """Of text. Raises DietzError where no delimiter is seen."""
    delimiter, choice = _delimiter(sample)
    rows = [_split(line, delimiter) for line in sample.lines]
    layout = _layout(sample, rows, "delimited", delimiter)
    layout.reader = {"encoding": sample.encoding, "delimiter": choice} | layout.reader
    return layout


def sheet(sample: Sample) -> Layout:
    """Of a workbook's sheet: its lines hold the cells as JSON arrays."""
    rows = [[str(cell) for cell in json.loads(line)] if line else [] for line in sample.lines]
    layout = _layout(sample, rows, "workbook", ",")
    pattern = re.sub(r"(\\ )*\d+", ".*", re.escape(sample.member)).replace("\\ ", " ")
    layout.reader = {"sheet": Choice(pattern, 0.9, f"the sheet is called '{sample.member}'")} | layout.reader
    # A sheet's lines end with their last filled cell.
    layout.reader["short_rows"] = Choice(True, 0.99, "a row ends with its last filled cell")
    return layout


def _delimiter(sample: Sample) -> tuple[str, Choice]:
    filled = [line for line in sample.lines if line.strip()]
    best, found = (0.0, 0), ","
    for sign in NAMES:
        widths = Counter(len(_split(line, sign)) for line in filled)
        width, count = max(widths.items(), key=lambda one: (one[1] * (one[0] > 1), one[0]))
        if width > 1:
            best, found = max((best, found), ((round(count / len(filled), 1), width), sign), key=lambda one: one[0])
    if best[1] < 2:
        raise DietzError(f"{sample.name}: no delimiter, no structure that a draft could begin with")
    share = f"{best[0]:.0%} of the lines have {best[1]} cells"
    return found, Choice(found, min(0.99, 0.6 + best[0] / 2), f"{NAMES[found]}: {share}")


def _split(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]


def _layout(sample: Sample, rows: list[list[str]], form: str, delimiter: str) -> Layout:
    filled = Counter(len(row) for row in rows if sum(cell not in NOTHING for cell in row) > 1)
    if not filled:
        raise DietzError(f"{sample.name}{' / ' + sample.member if sample.member else ''}: no line has two filled cells")
    place = _header_place(rows)
    if place is None:
        if form == "workbook":
            raise DietzError(f"{sample.name} / {sample.member}: no header within the first {HEADER_LINES} rows")
        return _without_header(sample, rows, delimiter)
    first, place, rows = _one_header(rows, place)
    header = rows[place]
    again = [n for n, row in enumerate(rows) if n > place and same(row, header)]
    layout = Layout(form, [], preamble=[line for line in sample.lines[:first] if line.strip(' \t,;|"')])
    layout.reader["header"] = Choice(
        "repeated" if again else "once",
        0.95,
        f"titles on line {first + 1}" + (f", again {len(again)} times" if again else ""),
    )
    if place > first:
        layout.reader["header_rows"] = Choice(place - first + 1, 0.85, f"titles over two lines, such as '{header[-1]}'")
    layout.first_line = sample.lines[first] if not layout.preamble else layout.preamble[0]
    Below(sample, rows, place, layout, delimiter, repeated=bool(again)).sort()
    return layout


def _header_place(rows: list[list[str]]) -> int | None:
    """The row of the first lines that looks most like titles: all words, most of them terms of the field."""
    best, found = (0, 0), None
    for place, row in enumerate(rows[:HEADER_LINES]):
        titles = [cell for cell in row if cell]
        if len(titles) < 2 or not all(_is_title(cell) for cell in titles):
            continue
        hits = sum(any(form in every_term() for form in forms(title)) for title in titles)
        beneath = [cells for cells in rows[place + 1 :] if len(cells) > 1]
        if beneath and not hits and not _differs(row, beneath):
            continue
        if (hits, len(titles)) > best:
            best, found = (hits, len(titles)), place
    return found


def _one_header(rows: list[list[str]], place: int) -> tuple[int, int, list[list[str]]]:
    """(first line of the titles, last, the rows with titles over two lines as one row in the place of the second).

    The line above or below belongs to the titles if it is as wide, all its words are titles, at least half of its cells
    are filled, and the columns below hold something else: a record of words alone is none.
    """
    for first in (place, place - 1):
        if not 0 <= first < len(rows) - 1:
            continue
        pair = rows[first : first + 2]
        beneath = [cells for cells in rows[first + 2 :] if len(cells) > 1]
        other = pair[1 if first == place else 0]
        words = [cell for cell in other if cell]
        as_wide = len({len(row) for row in pair}) == 1 and len(words) * 2 >= len(other)
        if as_wide and all(_is_title(cell) for cell in words) and _differs(other, beneath):
            return first, first + 1, [*rows[:first], [], joined(pair), *rows[first + 2 :]]
    return place, place, rows


def _is_title(cell: str) -> bool:
    text = bool(re.search(r"[^\W\d_]", cell)) and len(cell) <= 60
    return text and not readings.numbers(cell) and not readings.dates(cell) and not SUBTOTAL.match(cell)


def _differs(row: list[str], beneath: list[list[str]]) -> bool:
    """Whether some column is all words on top and numbers or dates below."""
    for place, cell in enumerate(row):
        below = [cells[place] for cells in beneath if place < len(cells) and cells[place] not in NOTHING]
        if cell and below and all(not _is_title(one) for one in below):
            return True
    return False


def _without_header(sample: Sample, rows: list[list[str]], delimiter: str) -> Layout:
    """Lines without titles; where their first cells are a few codes, the rarest may be header and trailer."""
    rows = [row for row in rows if any(row)]
    codes = Counter(row[0] for row in rows if row and row[0])
    first_line = next(line for line in sample.lines if line.strip())
    layout = Layout("delimited", [], has_header=False, first_line=first_line)
    main = codes.most_common(1)[0][0] if codes else ""
    has_codes = 1 < len(codes) <= 12 and codes[main] >= len(rows) / 2 and all(len(code) <= 12 for code in codes)
    sign = re.escape(delimiter)
    if has_codes:
        for code, count in codes.items():
            first, last = rows[0][0] == code and count == 1, rows[-1][0] == code and count == 1
            if code == main:
                continue
            kind = "header" if first else "total" if last else todo("what are these lines")
            where = "the first line" if first else "the last line" if last else f"{count} lines"
            layout.rules.append(({"kind": kind, "match": f'^"?{re.escape(code)}"?{sign}'}, f"{where}, '{code}'"))
            if first:
                layout.preamble = [first_line]
            if last:
                layout.total_titles = [f"column_{n}" for n in range(1, len(rows[-1]) + 1)]
                layout.totals.append(dict(zip(layout.total_titles, rows[-1], strict=True)))
    records = [row for row in rows if row and any(row) and (not has_codes or row[0] == main)]
    width = Counter(len(row) for row in records).most_common(1)[0][0]
    titles = [f"column_{n}" for n in range(1, width + 1)]
    named = {"record": titles} | ({"total": layout.total_titles} if layout.totals else {})
    layout.reader["header"] = Choice("none", 0.9, "no line of the first 50 holds titles")
    layout.reader["titles"] = Choice(named, 0.9, "names by place; put the vendor's own")
    layout.records = [Records("record", titles, [row for row in records if len(row) == width])]
    return layout
