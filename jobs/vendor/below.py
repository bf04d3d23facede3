"""What stands below a header, line by line: records, totals, sections, footers. What is no record has a rule."""

from __future__ import annotations

import re

from jobs.detect.recognise import told_apart
from jobs.vendor.choice import Choice, has_todo, todo
from jobs.vendor.layout import LIKE_TOTAL, SUBTOTAL, TOTAL, Layout, Records, literal
from jobs.vendor.profile import NOTHING
from jobs.vendor.text import Sample

MAX_FOOTERS = 12
CASH = re.compile(r"^cash\b", re.IGNORECASE)


class Below:
    """What stands below the header, line by line: records, totals, sections, footers."""

    def __init__(
        self, sample: Sample, rows: list[list[str]], place: int, layout: Layout, delimiter: str, *, repeated: bool
    ) -> None:
        self.sample, self.rows, self.place, self.layout = sample, rows, place, layout
        self.sign, self.repeated = re.escape(delimiter), repeated
        self.titles = told_apart(rows[place])
        self.json = layout.format == "workbook"
        self.records_end = 0
        self.rules: dict[str, tuple[dict[str, str], str]] = {}

    def sort(self) -> None:
        width = len(self.titles)
        records: list[tuple[int, list[str]]] = []
        cash: list[list[str]] = []
        self.records_end = max((n for n, row in enumerate(self.rows) if self._is_full(row)), default=0)
        if self.repeated:
            self._before_repeated()
        for number, row in enumerate(self.rows[self.place + 1 :], start=self.place + 1):
            kind = self._kind(number, row)
            if kind == "record":
                records.append((number, row))
            elif kind == "cash":
                cash.append(padded(row, width))
            elif kind == "total":
                self.layout.totals.append(dict(zip(self.titles, row, strict=False)))
            elif kind == "section":
                self.layout.sections.append(self.sample.lines[number])
        if self.layout.sections:
            self._rule("section", f'^"?[^"{self.sign}]+"?[\\s{self.sign}"]*$', "one filled cell: the title of a block")
        self.layout.total_titles = self.titles
        self._spare_records([self.sample.lines[number] for number, _ in records])
        self._widths(records, width)
        self.layout.records = [Records("record", self.titles, [padded(row, width) for _, row in records])]
        if cash:
            self.layout.records.append(Records("cash", self.titles, cash))
        self.layout.rules += self.rules.values()

    def _kind(self, number: int, row: list[str]) -> str:
        """What a line is; lines that are no records get their rule. '' for what needs none or is left to a person."""
        filled = [cell for cell in row if cell]
        if not filled and row and self.sample.lines[number].strip():
            self._rule("blank", f'^[\\s{self.sign}"]*$', "delimiters and nothing else")
        if not filled or same(row, self.rows[self.place]):
            return ""
        if SUBTOTAL.match(row[0]):
            self._rule("subtotal", self._beginning(row), "a sum of some of the lines")
            return ""
        if TOTAL.fullmatch(filled[0]) and len(filled) > 1:
            self._rule("total", self._beginning(row), f"'{filled[0]}': a sum of the lines above")
            return "total"
        if LIKE_TOTAL.search(filled[0]) and self._is_sparse(row):
            self._rule("total", todo(f"is a line that begins with '{filled[0]}' a total"), "or is it a record?")
            return ""
        return self._kind_by_shape(number, row, len(filled))

    def _kind_by_shape(self, number: int, row: list[str], filled: int) -> str:
        if filled == 1 and self.repeated:
            return "section"
        if CASH.match(row[0]) and self._is_sparse(row):
            self._rule("cash", self._beginning(row), "an account's cash: no security, units or price")
            return "cash"
        if number > self.records_end and (filled <= 2 or len(row) * 2 < len(self.titles)):
            self._footer(number, row)
            return ""
        return "record"

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


def padded(row: list[str], width: int) -> list[str]:
    return [*row[:width], *[""] * (width - len(row))]


def same(row: list[str], header: list[str]) -> bool:
    return len(row) > 1 and row[:4] == header[:4]
