"""Drafts as files: one text per member or sheet of a file, checked by the loader that will read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from jobs.platform.errors import DietzError
from jobs.vendor import standards, text
from jobs.vendor.choice import has_todo
from jobs.vendor.draft import draft
from jobs.vendor.render import render
from jobs.vendor.text import Sample


@dataclass(frozen=True)
class Written:
    """A draft's text; `member` as in an archive or workbook ('' for a plain file), `still_open` counts its TODOs."""

    member: str
    text: str
    still_open: int


def drafts(path: Path, vendor: str | None = None, feed: str | None = None) -> Iterator[Written]:
    """A draft for each member or sheet of the file that holds records.

    Raises DietzError where the file is encrypted, binary, damaged, or of no layout that a draft could begin with.
    """
    reasons, found = [], 0
    for sample in text.samples(path):
        try:
            drafted = _text(sample, vendor, feed)
        except DietzError as error:
            reasons.append(str(error))
            continue
        found += 1
        yield Written(sample.member, drafted, _count_open(yaml.safe_load(drafted)))
    if not found:
        raise DietzError("; ".join(reasons) or f"{path}: holds nothing")


def _text(sample: Sample, vendor: str | None, feed: str | None) -> str:
    known = standards.standard(sample)
    return standards.copied(known, sample, vendor, feed) if known else render(draft(sample, vendor, feed))


def _count_open(value: object) -> int:
    if isinstance(value, dict):
        return sum(_count_open(one) for one in value.values())
    if isinstance(value, list):
        return sum(_count_open(one) for one in value)
    return int(has_todo(value))


def place(out: Path, member: str, count: int) -> Path:
    """Where a draft goes: `out`, or beside it with the member's name where a file holds several."""
    return (
        out if count == 1 else out.with_name(f"{out.stem}_{re.sub(r'[^a-z0-9]+', '_', member.lower()).strip('_')}.yaml")
    )
