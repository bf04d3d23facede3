"""A first mapping for a file that nobody has mapped: what can be seen is written down, what cannot is a TODO."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jobs.platform.errors import DietzError
from jobs.vendor import delimited, fixed, named, text
from jobs.vendor.choice import FEED, VENDOR, Choice, todo
from jobs.vendor.choice import named as given_name
from jobs.vendor.controls import controls
from jobs.vendor.drafted import Drafted
from jobs.vendor.layout import Layout, literal
from jobs.vendor.profile import NOTHING, Profile, profile
from jobs.vendor.styles import number_style, settled
from jobs.vendor.surroundings import Stated, beginning, stated_account, stated_date
from jobs.vendor.target import account_totals, cash, target
from jobs.vendor.text import Sample

READERS = {
    "delimited": delimited.delimited,
    "workbook": delimited.sheet,
    "json": named.json_lines,
    "xml": named.xml,
    "parquet": named.parquet,
    "fixed": fixed.fixed,
}


@dataclass
class Draft:
    """The parts of a mapping in their order, each with its choice; `targets` have their columns with choices."""

    sample: Sample
    layout: Layout
    head: dict[str, Choice]
    fingerprint: dict[str, Choice]
    context: list[Stated]
    targets: list[Drafted]
    controls: list[Choice]
    notes: list[str] = field(default_factory=list)


def draft(sample: Sample, vendor: str | None = None, feed: str | None = None) -> Draft:
    """The draft for one sample. Raises DietzError where no layout is seen."""
    form = text.format_of(sample)
    if form not in READERS:
        raise DietzError(f"{sample.name}: {form} is a standard, of which nothing is drafted")
    layout = READERS[form](sample)
    when, account = stated_date(layout, sample.name), stated_account(layout, sample.name)
    all_profiles: dict[str, dict[str, Profile]] = {}
    for records in layout.records:
        all_profiles[records.kind] = settled({title: profile(title, records.column(title)) for title in records.titles})
    drafted: list[Drafted] = []
    for records in layout.records:
        if records.kind == "cash" and drafted and drafted[0].table == "position":
            drafted.append(cash(drafted[0]))
        else:
            drafted += target(records, all_profiles[records.kind], layout, when, account)
    if vendor == "canonical":  # its files have the firm's own account numbers
        for part in drafted:
            part.own_accounts()
    used = [one for part in drafted for one in part.numbers()]
    numbers = number_style(used)
    for part in drafted:
        part.settle(numbers.value)
    captured = [one for one in (account, when) if one and any(part.reads(one.name) for part in drafted)]
    stated = _business_date(layout, when, captured)
    checked = controls(layout, drafted, numbers.value) if sample.whole else []
    if any(one.value.get("per") == "section" for one in checked) and any(part.kind == "cash" for part in drafted):
        drafted.append(account_totals(drafted[0]))
    _strike_out(layout, drafted)
    names = {
        "vendor": given_name(vendor, VENDOR),
        "feed": given_name(feed, FEED),
    }
    head = names | _head(layout, drafted, numbers, stated) | _empty(all_profiles)
    result = Draft(sample, layout, head, _fingerprint(layout, drafted, sample), captured, drafted, checked)
    result.notes = _notes(result)
    return result


def _head(layout: Layout, drafted: list[Drafted], numbers: Choice, stated: Stated | None) -> dict[str, Choice]:
    tables = list(dict.fromkeys(part.table for part in drafted if not part.tables))
    head = {
        "meaning": Choice(f"Records of {', '.join(tables) or 'a kind to be named'}.", 0.8, "say it better"),
        "format": Choice(layout.format, 0.95, "by its structure"),
        "delivery": _delivery(tables),
    }
    if stated and stated.choice.confidence and stated.date_format:
        head["business_date"] = Choice(stated.name, stated.choice.confidence, stated.choice.reason)
        head["business_date_format"] = Choice(stated.date_format, 0.95, f"as in {stated.text}")
    if layout.format == "parquet" and numbers.value == "plain":
        head["numbers"] = Choice(["plain", "scientific"], 0.95, "a large or small double has an exponent")
    elif numbers.value != "plain":
        head["numbers"] = numbers
    formats = [one for part in drafted if (one := part.date_format())]
    if formats:
        head["dates"] = formats[0]
    return head


def _empty(profiles: dict[str, dict[str, Profile]]) -> dict[str, Choice]:
    every = [one for kind in profiles.values() for one in kind.values()]
    empty = [cell for one in every for cell in one.cells if cell in NOTHING and cell]
    return {"empty": Choice(["", *dict.fromkeys(empty)], 0.9, "cells that stand for nothing")} if empty else {}


def _strike_out(layout: Layout, drafted: list[Drafted]) -> None:
    """Elements that come again but are of no table are left for a person: as records or not at all."""
    if "records" not in layout.reader:
        return
    names = layout.reader["records"].value
    kept = [name for name in names if any(part.kind in (name, f"{name.lower()}_lines") for part in drafted)]
    rest = [name for name in names if name not in kept]
    value = [*kept, *([todo("are these records too, or struck out", rest)] if rest else [])]
    layout.reader["records"] = Choice(value, 0.8, layout.reader["records"].reason)


def _delivery(tables: list[str]) -> Choice:
    if "transaction" in tables:
        return Choice("log", 0.9, "bookings, corrected and cancelled by their identifier")
    if set(tables) & {"position"}:
        question = todo("", ("snapshot (a file holds all of its day; say `replaces` too)", "upsert"))
        return Choice(question, 0, "replaces: {within: [as_of_date]}")
    return (
        Choice("upsert", 0.85, "rows by key; those that a file does not mention stay")
        if tables
        else Choice(todo(""), 0, "")
    )


def _business_date(layout: Layout, when: Stated | None, captured: list[Stated]) -> Stated | None:
    """The date that dates the file: one that is read, or that of a control record."""
    is_record = not layout.has_header and when and when.source == "preamble" and when.choice.confidence
    if when and is_record and when not in captured:
        captured.append(when)
    return when if when in captured else None


def _fingerprint(layout: Layout, drafted: list[Drafted], sample: Sample) -> dict[str, Choice]:
    found = {}
    titles = list(dict.fromkeys(title for part in drafted for title in part.essential()))
    if layout.has_header and titles:
        found["required"] = Choice(titles, 0.85, "titles that no file of the feed can do without")
    elif layout.is_named and drafted:
        found["required"] = Choice(_names(layout, drafted), 0.8, "names of the records and their fields")
    if layout.has_header and layout.preamble and layout.format != "workbook":
        found["signature"] = Choice(beginning(layout.preamble[0]), 0.8, "how the file begins")
    elif layout.format in {"xml"}:
        found["signature"] = Choice(_root_signature(layout), 0.8, "the element around everything")
    elif not layout.has_header and not layout.is_named:
        found["signature"] = Choice(f"^{literal(layout.first_line[:12])}", 0.8, "how the file begins")
    name = re.sub(r"\d+", lambda _: r"\d+", re.escape(sample.name).replace("\\-", "-").replace("\\ ", " "))
    found["name_hint"] = Choice(name, 0.7, "the name with any numbers")
    return found


def _root_signature(layout: Layout) -> str:
    tag = re.search(r"<([A-Za-z][\w:.-]*)", layout.first_line)
    return f"<{re.escape(tag.group(1))}\\b" if tag else literal(layout.first_line[:24])


def _names(layout: Layout, drafted: list[Drafted]) -> list[str]:
    if layout.format in {"json", "parquet"}:
        every = [set(records.titles) for records in layout.records]
        return sorted(set.intersection(*every)) or sorted(set.union(*every))[:3]
    return sorted({re.split(r"[/]", part.kind)[0] for part in drafted if part.kind != "record"})


def _notes(draft: Draft) -> list[str]:
    notes = list(draft.layout.notes)
    if not draft.sample.whole:
        notes.append(f"only the first {len(draft.sample.lines)} lines were looked at; totals at the end were not")
    return notes
