"""What a draft says in one place: the value, how sure it is, and why; or a TODO with the candidates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TODO = "TODO"
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
