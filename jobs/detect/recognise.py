"""Which feed is a file: every mapping scores it by its content; a tie or a low score is an answer too."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from datetime import date, datetime

from jobs.detect.landing import FIRST_LOOK_LINES
from jobs.platform.mapping import Capture, Mapping, normalise_title

# Points out of 100. The required titles alone are not enough; content without the usual name is.
REQUIRED, KNOWN_TITLES, NAME = 60, 25, 15
THRESHOLD, MARGIN = 75, 5


@dataclass(frozen=True)
class Candidate:
    """One mapping's score for one file, with its reasons."""

    feed: str
    score: int
    reasons: list[str]
    header_line: int = 0
    header: list[str] = field(default_factory=list)


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


def recognise(name: str, head: bytes, mappings: dict[str, Mapping]) -> Recognition:
    """Score the file against every mapping. `name` is the file's name, `head` its first bytes, decompressed."""
    candidates = sorted((score(name, head, one) for one in mappings.values()), key=lambda c: (-c.score, c.feed))
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
    nearest = max(candidates, key=lambda c: (c.score, len(c.header)))
    return Recognition(None, candidates, f"no mapping fits; nearest is {nearest.feed}: {'; '.join(nearest.reasons)}")


def score(name: str, head: bytes, mapping: Mapping) -> Candidate:
    """The mapping's points for a file, 0 to 100; 0 where something required is absent or forbidden is there."""
    lines = first_lines(head, mapping.reader.encoding)
    if lines is None:
        return Candidate(mapping.feed, 0, [f"not {mapping.reader.encoding} text"])
    signature = mapping.fingerprint.signature
    if signature and not any(re.search(signature, line) for line in lines):
        return Candidate(mapping.feed, 0, ["no line has the signature"])
    header_line, header = find_header(lines, mapping)
    titles = [normalise_title(cell) for cell in header]
    missing = [t for t in mapping.fingerprint.required if normalise_title(t) not in titles]
    if missing:
        return Candidate(mapping.feed, 0, [f"title '{missing[0]}' is missing from line {header_line}"], 0, header)
    for title in mapping.fingerprint.forbidden:
        if normalise_title(title) in titles:
            return Candidate(mapping.feed, 0, [f"title '{title}' belongs to another feed"])
    named = [title for title in header if title]
    unknown = [title for title in named if not mapping.knows_title(title)]
    points = REQUIRED + round(KNOWN_TITLES * (len(named) - len(unknown)) / len(named))
    reasons = [f"has all of {', '.join(mapping.fingerprint.required)} on line {header_line}"]
    if unknown and mapping.reader.header == "once":
        reasons.append(f"does not know {', '.join(unknown)}")
    if signature:  # a signature says more than titles that the mapping happens to read
        points = max(points, THRESHOLD + MARGIN)
    if mapping.fingerprint.name_hint and re.fullmatch(mapping.fingerprint.name_hint, name, re.IGNORECASE):
        points += NAME
        reasons.append("has the usual name")
    return Candidate(mapping.feed, min(points, 100), reasons, header_line, header)


def find_header(lines: list[str], mapping: Mapping) -> tuple[int, list[str]]:
    """(line number, cells) of the line with the most required titles; line 1 where none has any."""
    required = {normalise_title(title) for title in mapping.fingerprint.required}
    best: tuple[int, int, list[str]] = (-1, 1, [])
    for number, line in enumerate(lines, start=1):
        cells = _cells(line, mapping)
        hits = len(required & {normalise_title(cell) for cell in cells})
        if hits > best[0]:
            best = (hits, number, [cell.strip() for cell in cells])
    return best[1], best[2]


def _cells(line: str, mapping: Mapping) -> list[str]:
    reader = csv.reader(
        [line], delimiter=mapping.reader.delimiter, quotechar=mapping.reader.quote, skipinitialspace=True
    )
    return next(reader, [])


def captured(capture: Capture, lines: list[str], name: str) -> str | None:
    """The value that a file states about itself in its preamble or name; None where the pattern finds nothing."""
    places = [name] if capture.source == "file_name" else lines
    hits = (re.search(capture.match, place) for place in places)
    return next((hit.group(1) for hit in hits if hit), None)


def business_date(mapping: Mapping, context: dict[str, str]) -> date | None:
    """The file's own date, where the mapping names the captured value that holds it and it can be read."""
    if mapping.business_date is None or mapping.business_date not in context:
        return None
    pattern = mapping.business_date_format or mapping.dates
    for token, directive in (("yyyy", "%Y"), ("MMMM", "%B"), ("MM", "%m"), ("dd", "%d")):
        pattern = pattern.replace(token, directive)
    try:
        return datetime.strptime(context[mapping.business_date], pattern).date()  # noqa: DTZ007 a date has no zone
    except ValueError:
        return None
