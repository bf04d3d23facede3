"""What a draft says in one place: the value, how sure it is, and why; or a TODO with the candidates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from jobs.platform.errors import DietzError

TODO = "TODO"
VENDOR = "the vendor, in small letters"
FEED = "the feed, in small letters; the file's name in vendor_mappings"
SURE = 0.8  # what is less sure than this is not written down as decided


@dataclass(frozen=True)
class Choice:
    """A value of the mapping with its confidence (0 to 1; 0: undecided) and the reason, shown beside it."""

    value: Any
    confidence: float
    reason: str

    @property
    def is_open(self) -> bool:
        return has_todo(self.value)


def todo(question: str, candidates: Iterable[str] = ()) -> str:
    """The text of an open place: the loader refuses it, and says what it asks."""
    listed = " or ".join(candidates)
    return f"{TODO} {question}{': ' if question and listed else ''}{listed}".strip()


def has_todo(value: Any) -> bool:
    """Whether anything in the value is still open."""
    if isinstance(value, dict):
        return any(has_todo(one) for one in value.values())
    if isinstance(value, list | tuple):
        return any(has_todo(one) for one in value)
    return isinstance(value, str) and value.startswith(TODO)


def named(given: str | None, question: str) -> Choice:
    """A name as given, or the question. Raises DietzError for what is no name of a mapping."""
    if given is None:
        return Choice(todo(question), 0, "")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", given):
        raise DietzError(f"'{given}' is no name; expected small letters, digits and _, as in brokerage_positions")
    return Choice(given, 1, "")


def yaml_text(value: Any) -> str:
    """A value on one line of YAML, quoted where it has to be."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()
