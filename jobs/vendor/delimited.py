"""The layout of delimited text and of a workbook's sheet: delimiter, header row, what stands around the records."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

from jobs.detect.recognise import told_apart
from jobs.platform.errors import DietzError
from jobs.vendor import readings
from jobs.vendor.choice import Choice, has_todo, todo
from jobs.vendor.layout import LIKE_TOTAL, SUBTOTAL, TOTAL, Layout, Records, literal
from jobs.vendor.profile import NOTHING
from jobs.vendor.synonyms import every_term, forms
from jobs.vendor.text import Sample

HEADER_LINES = 50
MAX_FOOTERS = 12
CASH = re.compile(r"^cash\b", re.IGNORECASE)
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
    header = rows[place]
    again = [n for n, row in enumerate(rows) if n > place and _same(row, header)]
    layout = Layout(form, [], preamble=[line for line in sample.lines[:place] if line.strip(' \t,;|"')])
    layout.reader["header"] = Choice(
        "repeated" if again else "once",
        0.95,
        f"titles on line {place + 1}" + (f", again {len(again)} times" if again else ""),
    )
    layout.first_line = sample.lines[place] if not layout.preamble else layout.preamble[0]
    _Below(sample, rows, place, layout, delimiter, repeated=bool(again)).sort()
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


def _same(row: list[str], header: list[str]) -> bool:
    return len(row) > 1 and row[:4] == header[:4]


class _Below:
    """What stands below the header, line by line: records, totals, sections, footers."""

    def __init__(
        self, sample: Sample, rows: list[list[str]], place: int, layout: Layout, delimiter: str, *, repeated: bool
    ) -> None:
        self.sample, self.rows, self.place, self.layout = sample, rows, place, layout
        self.sign, self.repeated = re.escape(delimiter), repeated
        self.titles = told_apart(rows[place])
        self.json = layout.format == "workbook"
        self.rules: dict[str, tuple[dict[str, str], str]] = {}

    def sort(self) -> None:
        width = len(self.titles)
        records: list[tuple[int, list[str]]] = []
        cash: list[list[str]] = []
        records_end = max((n for n, row in enumerate(self.rows) if n > self.place and self._is_full(row)), default=0)
        if self.repeated:
            self._before_repeated()
        for number, row in enumerate(self.rows[self.place + 1 :], start=self.place + 1):
            filled = [cell for cell in row if cell]
            if not filled and row and self.sample.lines[number].strip():
                self._rule("blank", f'^[\\s{self.sign}"]*$', "delimiters and nothing else")
            if not filled or _same(row, self.rows[self.place]):
                continue
            if SUBTOTAL.match(row[0]):
                self._rule("subtotal", self._beginning(row), "a sum of some of the lines")
            elif TOTAL.fullmatch(filled[0]) and len(filled) > 1:
                self._rule("total", self._beginning(row), f"'{filled[0]}': a sum of the lines above")
                self.layout.totals.append(dict(zip(self.titles, row, strict=False)))
            elif LIKE_TOTAL.search(filled[0]) and self._is_sparse(row):
                self._rule("total", todo(f"is a line that begins with '{filled[0]}' a total"), "or is it a record?")
            elif len(filled) == 1 and self.repeated:
                self.layout.sections.append(self.sample.lines[number])
            elif number > records_end and not self._is_full(row):
                self._footer(number, row)
            elif CASH.match(row[0]) and self._is_sparse(row):
                self._rule("cash", self._beginning(row), "an account's cash: no security, units or price")
                cash.append(_padded(row, width))
            else:
                records.append((number, row))
        if self.layout.sections:
            self._rule("section", f'^"?[^"{self.sign}]+"?[\\s{self.sign}"]*$', "one filled cell: the title of a block")
        self.layout.total_titles = self.titles
        self._spare_records([self.sample.lines[number] for number, _ in records])
        self._widths(records, width)
        self.layout.records = [Records("record", self.titles, [_padded(row, width) for _, row in records])]
        if cash:
            self.layout.records.append(Records("cash", self.titles, cash))
        self.layout.rules += self.rules.values()

    def _spare_records(self, records: list[str]) -> None:
        """A rule that would take records away is no rule: what those lines are is for a person to say."""
        for match, (rule, reason) in self.rules.items():
            taken = not has_todo(match) and sum(bool(re.search(match, line)) for line in records)
            if taken:
                question = todo(f"{rule['match']} also matches {taken} records")
                self.rules[match] = ({"kind": rule["kind"], "match": question}, reason)

    def _is_sparse(self, row: list[str]) -> bool:
        return sum(cell in NOTHING for cell in row) + max(len(self.titles) - len(row), 0) >= len(self.titles) / 2

    def _is_full(self, row: list[str]) -> bool:
        """Whether a line is wide and filled enough to be a record."""
        filled = sum(cell not in NOTHING for cell in row)
        return (
            len(row) >= min(len(self.titles), 3)
            and filled > 1
            and not TOTAL.fullmatch(row[0])
            and filled * 4 >= len(row)
        )

    def _before_repeated(self) -> None:
        """The line above the first titles heads its block, as others do further down; what precedes is preamble."""
        before = [n for n, row in enumerate(self.rows[: self.place]) if any(row)]
        if before and sum(bool(cell) for cell in self.rows[before[-1]]) == 1:
            self.layout.sections.append(self.sample.lines[before.pop()])
        self.layout.preamble = [self.sample.lines[n] for n in before]
        for line in self.layout.preamble:
            words = re.match(r"\D+", line.lstrip('"'))
            start = words.group().rstrip() if words else line
            self._rule("preamble", '^"?' + literal(start), "before the first titles")
        first = [f'"?{re.escape(title)}"?'.replace("\\ ", " ") for title in self.rows[self.place][:2]]
        self._rule("header", f"^{self.sign.join(first)}{self.sign}", "the titles of a block")

    def _beginning(self, row: list[str]) -> str:
        """A pattern for lines whose first filled cell is this one, to its end."""
        first = next(place for place, cell in enumerate(row) if cell)
        cell = literal(row[first], len(row[first]))
        if self.json:
            return r"^\[" + '"",\\s*' * first + f'"{cell}"'
        before = f'(?:"?"?{self.sign}){{{first}}}' if first else ""
        return f'^{before}"?{cell}"?\\s*(?:{self.sign}|$)'

    def _footer(self, number: int, row: list[str]) -> None:
        filled = [cell for cell in row if cell]
        if self.json and len(filled) == 1:
            return self._rule("footer", '^\\["[^"]*"\\]$', "one filled cell below the records")
        text = self.sample.lines[number].lstrip('"')
        return self._rule(
            "footer", ("^\\[" if self.json else "^") + '"?' + literal(text.lstrip('["'), 30), "below the records"
        )

    def _rule(self, kind: str, match: str, reason: str) -> None:
        if kind == "footer" and sum(rule["kind"] == "footer" for rule, _ in self.rules.values()) >= MAX_FOOTERS:
            note = f"more than {MAX_FOOTERS} kinds of lines below the records: the others are left as records"
            self.layout.notes = list(dict.fromkeys([*self.layout.notes, note]))
            return
        self.rules.setdefault(match, ({"kind": kind, "match": match}, reason))

    def _widths(self, records: list[tuple[int, list[str]]], width: int) -> None:
        named = max((place for place, title in enumerate(self.titles, start=1) if title), default=0)
        longer = [row for _, row in records if len(row) > width]
        if longer and not any(any(row[width:]) for row in longer):
            self.layout.reader["long_rows"] = Choice(True, 0.9, f"{len(longer)} rows have more cells, all empty")
        elif longer:
            self.layout.notes.append(
                f"{len(longer)} of {len(records)} rows have more filled cells than there are titles"
            )
        shorter = [row for _, row in records if len(row) < width]
        if shorter and all(len(row) >= named for row in shorter):
            self.layout.reader["short_rows"] = Choice(True, 0.9, "rows end before the nameless last columns")
        elif shorter and not self.json:
            self.layout.notes.append(f"{len(shorter)} of {len(records)} rows have fewer cells than there are titles")


def _padded(row: list[str], width: int) -> list[str]:
    return [*row[:width], *[""] * (width - len(row))]


def _without_header(sample: Sample, rows: list[list[str]], delimiter: str) -> Layout:
    """Lines without titles; where their first cells are a few codes, the rarest may be header and trailer."""
    codes = Counter(row[0] for row in rows if row and row[0])
    layout = Layout("delimited", [], has_header=False, first_line=sample.lines[0])
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
                layout.preamble = [sample.lines[0]]
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
