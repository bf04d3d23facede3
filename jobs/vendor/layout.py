"""How a file is laid out: what its records are and what stands around them. Every format comes out as one `Layout`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from jobs.vendor.choice import Choice

_OF_WHAT = "account|accounts|grand|transactions?|portfolio|report|client|positions|holdings|overall"
# The whole cell: a company may be called Total, so what only begins like this is left to a person.
TOTAL = re.compile(
    rf"(({_OF_WHAT}) )?totals?( ({_OF_WHAT}|value|amount))?:?|(gesamt)?summe:?|gesamt:?|totaal:?|suma:?", re.IGNORECASE
)
LIKE_TOTAL = re.compile(r"^totals?\b|\btotals?:?$|^sum\b|^summe\b", re.IGNORECASE)
SUBTOTAL = re.compile(r"^(sub-?total|zwischensumme|subtotaal|sous-total)", re.IGNORECASE)


@dataclass
class Records:
    """The records of one kind: a row has a cell for every title ('' where the file has none)."""

    kind: str
    titles: list[str]
    rows: list[list[str]]

    def column(self, title: str) -> list[str]:
        place = self.titles.index(title)
        return [row[place] for row in self.rows]


@dataclass
class Layout:
    """A file as the draft sees it.

    reader, rules: as they will stand in the mapping, each with its reason. preamble, sections: lines outside the
    records, as text. totals: cells of the lines that may state totals, by their titles.
    """

    format: str
    records: list[Records]
    reader: dict[str, Choice] = field(default_factory=dict)
    rules: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    preamble: list[str] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    totals: list[dict[str, str]] = field(default_factory=list)
    total_titles: list[str] = field(default_factory=list)
    has_header: bool = True
    first_line: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def has_kinds(self) -> bool:
        """Whether there are several kinds of records with columns of their own (an account's cash has the same)."""
        return len([one for one in self.records if one.kind != "cash"]) > 1

    @property
    def is_named(self) -> bool:
        return self.format in {"json", "xml", "parquet"}


def literal(text: str, longest: int = 40) -> str:
    """A pattern for the beginning of a text: letters as they are, runs of digits and of blanks as such."""
    escaped = re.escape(text[:longest]).replace("\\ ", " ").replace("\\-", "-").replace('\\"', '"').replace("\\&", "&")
    return re.sub(r" +", lambda _: r"\s+", re.sub(r"\d+", lambda _: r"\d+", escaped))
