"""Values outside the records: the account and the date that a file states in its preamble, block titles or name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from jobs.vendor import readings
from jobs.vendor.choice import Choice
from jobs.vendor.layout import Layout, literal

DATE = re.compile(
    r"(?<![\d.,])(\d{4}[-/.]\d{2}[-/.]\d{2}|\d{2}[-/.]\d{2}[-/.]\d{4}|\d{8}"
    r"|\d{2} [A-Z][a-z]{2,8} \d{4}|\d{2}-[A-Z][a-z]{2}-\d{4}|[A-Z][a-z]{2,8} \d{2}, \d{4})(?!\d)"
)
ACCOUNT_WORD = r"(?:account|acct|konto|depot|rekening|compte|cuenta|portfolio|portefeuille)"
# A number after the word, behind the dots of a shortened one or a label of its own; no other digit between.
ACCOUNT = re.compile(
    rf"(?i)\b{ACCOUNT_WORD}(?:\s?(?:number|no\.?|nr\.?|nummer|id|#))?\b([^\d\n]*?)"
    r"(?<![A-Za-z0-9])([A-Z]{0,4}\d[\w/-]*\w)(?![/.-]?\d)"
)


@dataclass(frozen=True)
class Stated:
    """A value that the file states outside its records, and the capture that finds it."""

    name: str
    source: str
    match: str
    text: str
    choice: Choice  # of the column that it is for; undecided where it may be something else
    date_format: str | None = None


def stated_date(layout: Layout, name: str) -> Stated | None:
    """The one date of the preamble, else the one of the file's name; its format where only one can be meant."""
    in_name = [day for _, formats in _dates_in(name) for day in formats.values()]
    found = [(line, text, formats) for line in layout.preamble for text, formats in _dates_in(line)]
    if layout.preamble and found:
        agreeing = [one for one in found if set(one[2].values()) & set(in_name)]
        line, text, formats = (agreeing or found)[0]
        days = {day for _, _, others in found for day in others.values()}
        meant = {one: day for one, day in formats.items() if day in in_name} or formats
        match = _capture(line, text)
        if agreeing and len(set(meant.values())) == 1:
            why = "the preamble's date is the one in the file's name"
            return Stated("as_of_date", "preamble", match, text, Choice("as_of_date", 0.95, why), next(iter(meant)))
        if len(set(formats.values())) == 1 and len(days) == 1:
            why = "the only date of the preamble"
            return Stated("as_of_date", "preamble", match, text, Choice("as_of_date", 0.85, why), next(iter(formats)))
        why = "several dates or readings of a date stand in the preamble"
        return Stated("as_of_date", "preamble", match, text, Choice("as_of_date", 0, why), None)
    for text, formats in _dates_in(name):
        match = r"(?<!\d)(" + _shape(text) + r")(?!\d)"
        only = next(iter(formats)) if len(set(formats.values())) == 1 else None
        return Stated("name_date", "file_name", match, text, Choice("name_date", 0, "a date in the file's name"), only)
    return None


def _dates_in(text: str) -> Iterator[tuple[str, dict[str, date]]]:
    for hit in DATE.finditer(text.replace("_", " ")):
        formats = readings.dates(hit.group(1))
        if formats:
            yield hit.group(1), formats


def _shape(text: str) -> str:
    shape = re.sub(r"[A-Za-z]+", "W", re.escape(text).replace("\\ ", " ").replace("\\-", "-"))
    shape = re.sub(r"\d+", lambda run: f"\\d{{{len(run.group())}}}", shape)
    return shape.replace("W", "[A-Za-z]+")


def beginning(line: str) -> str:
    """A pattern for how such a line begins: its first words, up to a number or to where an account is named."""
    words = re.match(r'"?([^\d"]*)', line)
    start = words.group(1) if words else ""
    named = re.search(rf"(?i)\b{ACCOUNT_WORD}\b", start)
    kept = start[: named.end()] if named else " ".join(start.split()[:3])
    return '^"?' + literal(kept.rstrip())


def _capture(line: str, text: str) -> str:
    """A pattern that finds the text on lines that begin alike, whatever number or time stands between."""
    before = line[: line.index(text)]
    between = ".*" if DATE.search(before) else ".*?"
    return f"{beginning(before)}{between}(?<!\\d)({_shape(text)})(?!\\d)"


def stated_account(layout: Layout, name: str) -> Stated | None:
    """The account's number in the block titles, else in the preamble; decided where name or label say so too."""
    if layout.sections:
        return _in_sections(layout.sections)
    for line in layout.preamble:
        hit = ACCOUNT.search(line)
        if not hit or readings.dates(hit.group(2)):
            continue
        between, number = hit.group(1), hit.group(2)
        labelled = not re.search(r"[A-Za-z]", between)
        in_name = bool(re.search(rf"(?<!\d){re.escape(number)}(?!\d)", name))
        dots = r"\.\.\.\s*(\w+)"
        match = (
            dots if re.search(r"\.\.\.\s*$", between) else rf"(?i)\b{ACCOUNT_WORD}\b[^\d\n]*?\b([A-Z]{{0,4}}\d[\w/-]*)"
        )
        why = (
            "the file's name has it too"
            if in_name
            else "it follows the word at once"
            if labelled
            else "may be part of a label"
        )
        sure = 0.95 if in_name else 0.85 if labelled else 0
        return Stated("account", "preamble", match, number, Choice("account", sure, f"number in the preamble: {why}"))
    return None


def _in_sections(sections: list[str]) -> Stated | None:
    for match, sure, why in (
        (r'\.\.\.\s*(\w+)"?[\s,;|"]*$', 0.95, "behind three dots at the end of each block's title"),
        (r'(?<![\w-])([A-Z]{0,4}\d[\w/-]{3,})"?[\s,;|"]*$', 0.8, "the last word of each block's title"),
    ):
        hits = [re.search(match, line) for line in sections]
        found = {hit.group(1) for hit in hits if hit}
        if all(hits) and len(found) == len(set(sections)):
            return Stated("account", "section", match, min(found), Choice("account", sure, why))
    return None
