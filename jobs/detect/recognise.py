"""Which feed is a file: every mapping scores it by its content; a tie or a low score is an answer too."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest

from jobs.detect.formats.parquet import PARQUET_HEAD
from jobs.detect.landing import FIRST_LOOK_LINES
from jobs.platform.mapping import Capture, Mapping, normalise_title
from jobs.platform.mapping_columns import day_as

# Points out of 100. The required titles are enough where the mapping knows a fifth of all titles: a wide export has
# many that nobody reads, and those are reported as drift. A signature counts as much as most titles known.
REQUIRED, KNOWN_TITLES, NAME, SIGNATURE = 60, 25, 15, 80
THRESHOLD, MARGIN = 65, 5
MOST_HEADER_LINES = 10  # that a header with line breaks in its titles may have
# Names of elements, attributes and tags in text of a marked-up format.
WORDS = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Candidate:
    """One mapping's score for one file, with its reasons."""

    feed: str
    score: int
    reasons: list[str]
    header_line: int = 0
    header: list[str] = field(default_factory=list)
    known: float = 0  # share of the header's titles that the mapping knows, where one that it requires is absent


@dataclass(frozen=True)
class Recognition:
    """The verdict: the feed, or None with the message for the operator; all candidates, best first."""

    candidate: Candidate | None
    candidates: list[Candidate]
    message: str = ""


def first_lines(head: bytes, encoding: str) -> list[str] | None:
    """The first lines as text; None where the bytes are no text of that encoding (binary, another encoding)."""
    if b"\x00" in head.rstrip(b"\x00\x1a"):
        return None
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end < len(head) - 4:  # a character cut by the end of the first look is no fault
            return None
        text = head[: error.start].decode(encoding)
    return text.removeprefix("\ufeff").splitlines()[:FIRST_LOOK_LINES]


def recognise(name: str, head: bytes, mappings: dict[str, Mapping], encoding: str | None = None) -> Recognition:
    """Score the file against every mapping. `name` is the file's name, `head` its first bytes, decompressed;
    `encoding` counts before what a mapping says."""
    scores = [score(name, head, one, encoding) for one in mappings.values()]
    candidates = sorted(scores, key=lambda c: (-c.score, c.feed))
    best = candidates[0]
    if best.score >= THRESHOLD:
        rivals = [one for one in candidates[1:] if best.score - one.score < MARGIN]
        if not rivals:
            return Recognition(best, candidates)
        tied = ", ".join(f"{one.feed} ({one.score})" for one in [best, *rivals])
        return Recognition(None, candidates, f"several mappings fit equally well: {tied}")
    if b"\x00" in head.rstrip(b"\x00\x1a"):
        return Recognition(None, candidates, "binary content: not a text file of any mapping")
    if head.lstrip().startswith(b"-----BEGIN PGP"):
        return Recognition(None, candidates, "encrypted (PGP): no decryption command is configured")
    nearest = max(candidates, key=lambda c: (c.score, c.known))
    if not nearest.score and not nearest.known:
        return Recognition(None, candidates, "no mapping fits: none knows any of its titles")
    return Recognition(None, candidates, f"no mapping fits; nearest is {nearest.feed}: {'; '.join(nearest.reasons)}")


def score(name: str, head: bytes, mapping: Mapping, encoding: str | None = None) -> Candidate:
    """The mapping's points for a file, 0 to 100; 0 where something required is absent or forbidden is there."""
    if head.startswith(PARQUET_HEAD) != (mapping.format == "parquet"):
        return Candidate(mapping.feed, 0, ["is Parquet" if mapping.format != "parquet" else "is no Parquet"])
    encoding = encoding or mapping.reader.encoding
    lines = first_lines(head, encoding)
    if lines is None:
        return Candidate(mapping.feed, 0, [f"not {encoding} text"])
    signature = mapping.fingerprint.signature
    if signature and not any(re.search(signature, line) for line in lines):
        return Candidate(mapping.feed, 0, ["no line has the signature"])
    header_line, header = titles_of(lines, mapping)
    titles = {normalise_title(cell) for cell in header}
    where = f"line {header_line}" if header_line else "its fields"
    missing = [t for t in mapping.fingerprint.required if normalise_title(t) not in titles]
    if missing:
        known = sum(mapping.knows_title(title) for title in header if title) / max(len(header), 1)
        return Candidate(mapping.feed, 0, [f"title '{missing[0]}' is missing from {where}"], 0, header, known)
    for title in mapping.fingerprint.forbidden:
        if normalise_title(title) in titles:
            return Candidate(mapping.feed, 0, [f"title '{title}' belongs to another feed"])
    points, reasons = 0, []
    if mapping.fingerprint.required:
        named = [title for title in header if title]
        # In a format that names its fields nobody reads them all: a share of them would say nothing.
        has_titles = mapping.has_header_line or mapping.format == "parquet"
        unknown = [title for title in named if not mapping.knows_title(title)] if has_titles else []
        points = REQUIRED + round(KNOWN_TITLES * (len(named) - len(unknown)) / len(named))
        reasons.append(f"has all of {', '.join(mapping.fingerprint.required)} on {where}")
        if unknown:
            reasons.append(f"does not know {', '.join(unknown)}")
    if signature:  # a signature says more than titles that the mapping happens to read
        points = max(points, SIGNATURE)
        reasons.append("has the signature")
    if mapping.fingerprint.name_hint and re.fullmatch(mapping.fingerprint.name_hint, name, re.IGNORECASE):
        points += NAME
        reasons.append("has the usual name")
    return Candidate(mapping.feed, min(points, 100), reasons, header_line, header)


def titles_of(lines: list[str], mapping: Mapping) -> tuple[int, list[str]]:
    """(line of the header, its cells); of a format without a header line (0, the names that the first lines use)."""
    if mapping.format in {"json", "parquet"}:
        return 0, sorted({name for line in lines for name in _names_in(line)})
    if mapping.is_named:
        return 0, sorted({word for line in lines for word in WORDS.findall(line)})
    if mapping.format == "fixed" or mapping.reader.header == "none":
        return 0, []
    return find_header(lines, mapping)


def _names_in(line: str) -> Iterator[str]:
    """Names of an object's fields, those of objects within as `outer.inner`."""
    try:
        found = json.loads(line)
    except ValueError:
        return
    waiting = [("", found)]
    while waiting:
        prefix, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{prefix}.{name}" if prefix else name, inner) for name, inner in value.items()]
        elif prefix:
            yield prefix


def find_header(lines: list[str], mapping: Mapping) -> tuple[int, list[str]]:
    """(line number, cells) of the line with the most required titles; line 1 where none has any."""
    required = {normalise_title(title) for title in mapping.fingerprint.required}
    best: tuple[int, int, list[str]] = (-1, 1, [])
    rows = [_cells(_whole(lines, number, mapping), mapping) for number in range(len(lines))]
    for number in range(1, len(rows) + 1):
        cells = joined(rows[number - 1 : number - 1 + mapping.reader.header_rows])
        hits = len(required & {normalise_title(cell) for cell in cells})
        if hits > best[0]:
            best = (hits, number, told_apart([cell.strip() for cell in cells]))
    return best[1], best[2]


def _whole(lines: list[str], start: int, mapping: Mapping) -> str:
    """The line with those that go on with it, where a quoted cell may hold line breaks."""
    text, last = lines[start], min(start + MOST_HEADER_LINES, len(lines))
    for more in lines[start + 1 : last] if mapping.reader.quoted_lines else ():
        if text.count(mapping.reader.quote) % 2 == 0:
            break
        text = f"{text}\n{more}"
    return text


def joined(rows: list[list[str]]) -> list[str]:
    """Titles over several lines as one: the words of a column from top to bottom."""
    columns = zip_longest(*rows, fillvalue="")
    return [" ".join(word for cell in column if (word := cell.strip())) for column in columns]


def told_apart(titles: list[str]) -> list[str]:
    """A title that comes again is `Title.2`; a column without one belongs to the title before it and is told likewise.

    The empty titles after the last one (a trailing delimiter) stay empty.
    """
    last = max((place for place, title in enumerate(titles) if title), default=-1)
    seen: Counter[str] = Counter()
    told, before = [], ""
    for place, title in enumerate(titles):
        name = title or (before if place < last else "")
        before = name
        if not name:
            told.append("")
            continue
        seen[normalise_title(name)] += 1
        number = seen[normalise_title(name)]
        told.append(name if number == 1 else f"{name}.{number}")
    return told


def _cells(line: str, mapping: Mapping) -> list[str]:
    if mapping.format == "workbook":
        try:
            return [str(cell) for cell in json.loads(line)]
        except ValueError:
            return []
    reader = csv.reader(
        line.splitlines(keepends=True),
        delimiter=mapping.reader.delimiter,
        quotechar=mapping.reader.quote,
        skipinitialspace=True,
    )
    return [" ".join(cell.split()) for cell in next(reader, [])]


def captured(capture: Capture, lines: list[str], name: str, path: str = "") -> str | None:
    """The value that a file states about itself in its preamble, name or path; None where the pattern finds nothing."""
    places = {"file_name": [name], "path": [path]}.get(capture.source, lines)
    hits = (re.search(capture.match, place) for place in places)
    return next((hit.group(1) for hit in hits if hit), None)


def business_date(mapping: Mapping, context: dict[str, str]) -> date | None:
    """The file's own date, where the mapping names the captured value that holds it and it can be read."""
    if mapping.business_date is None or mapping.business_date not in context:
        return None
    formats = mapping.business_date_format or mapping.dates
    days = (day_as(context[mapping.business_date], one) for one in ([formats] if isinstance(formats, str) else formats))
    return next((day for day in days if day), None)
