"""A fault that is planted in a sample: its file, and how it must be found."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

FAULTED = "HT-000099"
UNKNOWN = "A777777"  # a number that nobody knows
# What the vendors call it; {n} is the fault's number.
NUMBERS = {
    "hst": "A199{n:03d}", "brokerage": "F{n:02d}", "flex": "U7900{n:03d}", "apx": "9{n:03d}", "gcus": "HTB99{n:03d}91",
    "adviser": "999{n:05d}", "ofx": "99-{n:04d}", "mt940": "70050000/99{n:05d}",
}  # fmt: skip
Where = Literal["file", "control", "quarantine", "duplicate", "drift", "waits", "restated"]


@dataclass(frozen=True)
class Fault:
    """What was planted and how it must be found.

    where: `file` is not taken in at all, with `reason` as its message (`control`: because it contradicts itself);
    `quarantine`: `rows` of it, line_no among them, for the failed `rule` of `column`; `duplicate` of another file;
    `drift`: taken in whole, the title `column` reported; `waits` for the rest of it; `restated`: to be put in the
    place of a file that was taken in (it lies in _expected/restated), which gives a second version of `rows`.
    reason: a pattern found in the message, or in what the failed rule expected. rows: those that are not in silver
    because of it.
    """

    kind: str
    path: str
    where: Where
    reason: str
    content: bytes
    line_no: int | None = None
    rule: str = ""
    column: str = ""
    rows: int = 0


COLUMNS = ("tenant", *(field.name for field in fields(Fault) if field.name != "content"))
Lines = list[str]


def changed(lines: Lines, place: int, cell: int, text: str, delimiter: str = "|") -> Lines:
    """The lines with one cell of one line changed; both counted from 0."""
    cells = lines[place].split(delimiter)
    cells[cell] = text
    return [*lines[:place], delimiter.join(cells), *lines[place + 1 :]]
