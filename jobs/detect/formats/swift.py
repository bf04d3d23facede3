"""SWIFT statements (MT940 and its like) to records: one line a field, with the statement that it stands in.

A field is `:61:` and the lines that follow it until the next. A `:86:` belongs to the field before it; reference,
account and number of the statement (`:20:`, `:25:`, `:28C:`) are given to every field after them. The parts of
balances and entries, by the patterns of the library mt-940, have names of their own: mark, date, currency, amount;
value_date, entry_date, booked_date (the entry date with its year), type, reference, bank_reference, mark_and_type. An
entry says no currency (or a letter of it): it is that of the opening balance above it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import IO

from mt940.tags import TAG_BY_ID, StatementGLS

from jobs.detect.formats import FormatError
from jobs.detect.formats.tree import ELEMENT

FIELD = re.compile(r"^(?:\{[^}]*\}?\s*)*:(\d{2}[A-Z]?|NS):(.*)$")
# The library's patterns of what stands in a field. Its parser is not used: it drops line numbers and broken records,
# and writes what it cannot read into the log.
ENTRY = StatementGLS().re  # references of any length
BALANCES = {str(tag): TAG_BY_ID[tag].re for tag in ("60F", "60M", "62F", "62M", 64, 65)}
AFTER_AMOUNT = re.compile(r"[A-Z\s/]|\Z", re.IGNORECASE)  # a point or a digit too many would cut it
AROUND = ("20", "25", "28C", "28")
OPENING = ("60F", "60M")
ENDS = re.compile(r"^(-\}?(\{[1-5S]:.*)?[$\x03]?|\{[1-5S]:.*|\x03|)$")  # between two messages
# Some banks fill an amount up with zeros, beyond the fifteen characters that it may have.
ZEROS_OF_BALANCE = re.compile(r"^([CD]\d{6}[A-Z]{3})0+(?=\d)")
ZEROS_OF_ENTRY = re.compile(r"^(\d{6}(?:\d{4}| {4})?R?[CD][A-Z]?)0+(?=\d)")
CURRENCY = re.compile(r"[A-Z]{3}")


def lines(stream: IO[bytes], encoding: str) -> Iterator[str]:
    """JSON lines: `element` (the field's tag), its text under the tag, `86`, and the AROUND fields of its statement.

    Raises FormatError for text outside any field.
    """
    around: dict[str, str] = {}
    currency: dict[str, str] = {}
    waiting: dict[str, str] | None = None
    for tag, text in _fields(io.TextIOWrapper(stream, encoding=encoding)):
        if tag == "86" and waiting is not None and "86" not in waiting:
            waiting["86"] = text
            continue
        if waiting is not None:
            yield json.dumps(waiting, ensure_ascii=False)
        if tag == "20":
            around, currency = {}, {}
        parts = _parts(tag, text)
        waiting = {ELEMENT: tag, **around, tag: text, **(currency if tag == "61" else {}), **parts}
        if tag in AROUND:
            around[tag] = text
        elif tag in OPENING:
            currency = {"currency": parts["currency"]} if parts else {}
    if waiting is not None:
        yield json.dumps(waiting, ensure_ascii=False)


def _parts(tag: str, text: str) -> dict[str, str]:
    if tag == "61":
        return _entry(text)
    if tag not in BALANCES:
        return {}
    line = ZEROS_OF_BALANCE.sub(r"\1", text.partition("\n")[0])
    found = BALANCES[tag].match(line)
    if not found or line[found.end() :].strip():  # a point in the amount would cut it
        return {}
    part = found.groupdict()
    if not CURRENCY.fullmatch(part["currency"]) or not part["amount"].strip(","):
        return {}  # where the currency is left out, digits of the amount would stand for it
    return {
        "mark": part["status"],
        "date": part["year"] + part["month"] + part["day"],
        "currency": part["currency"],
        "amount": part["amount"],
    }


def _entry(text: str) -> dict[str, str]:
    two = text.split("\n", 2)[:2]
    lines = (ZEROS_OF_ENTRY.sub(r"\1", line) for line in (two[0], " ".join(two)))  # some break it after the mark
    found = next((match for match in map(ENTRY.match, lines) if match), None)
    if not found or not AFTER_AMOUNT.match(found.string, found.end("amount")):
        return {}
    part = {name: (value or "").strip() for name, value in found.groupdict().items()}
    kind = part["id"] if len(part["id"]) == len(found["id"] or "") else ""  # with a blank in it, it is none
    value_date, entry_date = part["year"] + part["month"] + part["day"], part["entry_month"] + part["entry_day"]
    parts = {
        "value_date": value_date,
        "entry_date": entry_date,
        "mark": part["status"],
        "amount": part["amount"],
        "type": kind,
        "reference": part["customer_reference"],
        "bank_reference": part["bank_reference"],
        "mark_and_type": part["status"] + kind,
        "booked_date": _with_year(entry_date, value_date) or "",
    }
    return {name: value for name, value in parts.items() if value}


def _with_year(month_and_day: str, value_date: str) -> str | None:
    """The entry date in the year nearest to the value date, as yymmdd; None where it is no date."""
    year = int(value_date[:2])
    year += {("12", "01"): 1, ("01", "12"): -1}.get((value_date[2:4], month_and_day[:2]), 0)
    text = f"{year % 100:02d}{month_and_day}"
    try:
        datetime.strptime(text, "%y%m%d")  # noqa: DTZ007 a date has no zone
    except ValueError:
        return None
    return text


def _fields(text: IO[str]) -> Iterator[tuple[str, str]]:
    tag, parts = "", [""]
    for number, line in enumerate(text, start=1):
        content = line.rstrip("\r\n\x00\x1a").removeprefix("\ufeff")
        found = FIELD.match(content)
        if found or ENDS.match(content):
            if tag:
                yield tag, "\n".join(parts)
            tag, parts = (found.group(1), [found.group(2)]) if found else ("", [])
        elif tag:
            parts.append(content)
        else:
            raise FormatError(f"line {number}: text that belongs to no field; expected a field such as :61:")
    if tag:
        yield tag, "\n".join(parts)
