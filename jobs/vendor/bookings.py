"""What only transactions have: the words of their types, the signs of amounts and units, and an identifier."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from jobs.platform import schemas
from jobs.vendor.choice import TODO, Choice, todo
from jobs.vendor.match import Matches
from jobs.vendor.profile import Profile
from jobs.vendor.synonyms import Synonyms, plain

# The sign of the money in account view; what may go either way is no evidence.
NEGATIVE = {"BUY", "WITHDRAWAL", "FEE", "TAX"}
POSITIVE = {"SELL", "DEPOSIT", "DIVIDEND"}
DEBIT = {"d", "dr", "debit", "dbit", "debet", "soll", "s", "af"}
CREDIT = {"c", "cr", "credit", "crdt", "haben", "h", "bij"}
MOSTLY = 0.95


@dataclass
class CodeMap:
    """A code map as it will be drafted: each word with what it gives, and how often it stands in the file."""

    title: str
    rules: list[tuple[str, dict[str, str], str]] = field(default_factory=list)


def type_by_words(found: Matches, profiles: dict[str, Profile], known: Synonyms) -> None:
    """Where no title says so, the column most of whose words are transaction types is the type.

    A title whose words say nothing is left open where another column's words do.
    """
    title = found.title("type")
    if title and (profiles[title].is_empty or any(known.type_of(word) for word in profiles[title].words)):
        return
    candidates = []
    for name, one in profiles.items():
        if name in found.used() or not one.is_words or one.is_currency or one.is_number:
            continue
        certain = {kind for word in one.words if (kind := known.type_of(word))}
        lines = sum(count for word, count in one.words.items() if known.type_of(word))
        if len(certain) >= (1 if title else 2) and lines >= 0.6 * len(one.values):
            candidates.append(name)
    if title and candidates:
        found.found["type"] = Choice(todo("one of", [title, *candidates]), 0, f"no word of '{title}' is a known type")
    elif len(candidates) == 1 and "type" not in found.found:
        found.take("type", candidates[0], 0.88, "most of its words are types of transactions")
    elif candidates and "type" not in found.found:
        found.found["type"] = Choice(todo("one of", candidates), 0, "their words are types of transactions")


def types(title: str, profile: Profile, known: Synonyms) -> CodeMap | None:
    """The code map of the types; None where title and words are the canonical ones already."""
    canonical = set(schemas.table("transaction").column("type").values)
    if set(profile.words) <= canonical and plain(title) == "type":
        return None
    result = CodeMap(title)
    for word, count in sorted(profile.words.items(), key=lambda one: (-one[1], one[0])):
        kind = known.type_of(word) or (word if word in canonical else None)
        why = "a general word" if kind else "no general word"
        result.rules.append((word, {"type": kind or TODO}, f"lines: {count}; {why}"))
    return result


def statuses(title: str, profile: Profile) -> CodeMap | None:
    """The code map of the status; None where the words are the canonical ones already (or none is there)."""
    if set(profile.words) <= set(schemas.table("transaction").column("status").values):
        return None
    rules = [
        (word, {"status": todo("", ("new", "correct", "cancel"))}, f"lines: {count}")
        for word, count in profile.words.items()
    ]
    return CodeMap(title, rules)


def amount_sign(
    amount: Profile, kind: Profile | None, codes: CodeMap | None, profiles: dict[str, Profile], known: Synonyms
) -> tuple[dict[str, Any], str, CodeMap | None]:
    """(what the source says of the sign, the reason, a code map of debit and credit where there is such a column).

    Amounts in account view need nothing; those without signs are turned by the type, or by a mark beside them.
    """
    if any(value < 0 for value in amount.numbers if value is not None):
        return (*_signed(amount, kind, known), None)
    marks = [one for one in profiles.values() if _is_mark(one)]
    if len(marks) == 1:
        rules = [(word, {"negative": "yes" if word.lower() in DEBIT else "no"}, "") for word in marks[0].words]
        return (
            {"negate_when": "marks.negative"},
            f"no sign; '{marks[0].title}' says debit or credit",
            CodeMap(marks[0].title, rules),
        )
    evidence = _evidence(amount, kind, known)
    if codes and any(kind in NEGATIVE for kind, _ in evidence) and any(kind in POSITIVE for kind, _ in evidence):
        for word, gives, _ in codes.rules:
            gives["out"] = TODO if gives["type"] == TODO else "yes" if known.type_of(word) in NEGATIVE else "no"
        return {"negate_when": "types.out"}, "no sign, buys and sells alike: turned by the type", None
    if not evidence or all(kind in POSITIVE for kind, _ in evidence):
        return {"negate_when": todo("no amount is negative: does the file write signs?")}, "only money in is seen", None
    return {"negate_when": todo("money out of the account has no sign here")}, "amounts without signs", None


def _signed(amount: Profile, kind: Profile | None, known: Synonyms) -> tuple[dict[str, Any], str]:
    evidence = _evidence(amount, kind, known)
    right = sum((value < 0) == (kind in NEGATIVE) for kind, value in evidence)
    if len(evidence) >= 2 and right >= MOSTLY * len(evidence) and any(value < 0 for _, value in evidence):
        return {}, f"signs in account view: {right} of {len(evidence)} lines of known types agree"
    if len(evidence) >= 2 and right <= (1 - MOSTLY) * len(evidence):
        return {"negate_when": todo("money out of the account is positive here")}, "signs the other way round"
    counts = f"{right} of {len(evidence)} lines of known types are in account view"
    return {"negate_when": todo("not needed where money in is positive, else a code map")}, counts


def _evidence(amount: Profile, kind: Profile | None, known: Synonyms) -> list[tuple[str, Any]]:
    if kind is None:
        return []
    pairs = ((known.type_of(word), value) for word, value in zip(kind.cells, amount.numbers, strict=True))
    return [(one, value) for one, value in pairs if one in NEGATIVE | POSITIVE and value]


def _is_mark(one: Profile) -> bool:
    words = {word.lower() for word in one.words}
    return len(words) == 2 and len(words & DEBIT) == 1 and len(words & CREDIT) == 1


def quantity_sign(
    quantity: Profile, kind: Profile | None, codes: CodeMap | None, known: Synonyms
) -> tuple[dict[str, Any], str]:
    """Units sold are negative: in the file already, or turned by the type."""
    if kind is None or codes is None:
        return {}, "as the file has it"
    sold = [
        value
        for word, value in zip(kind.cells, quantity.numbers, strict=True)
        if known.type_of(word) == "SELL" and value
    ]
    if not sold:
        return {}, "no sale seen: look at the sign of units sold"
    if all(value < 0 for value in sold):
        return {}, "units sold are negative"
    if all(value > 0 for value in sold):
        for word, gives, _ in codes.rules:
            gives["reduces"] = TODO if gives["type"] == TODO else "yes" if known.type_of(word) == "SELL" else "no"
        return {"negate_when": "types.reduces"}, "units sold have no sign: turned by the type"
    return {"negate_when": todo("units sold have both signs")}, "both signs among sales"


def transaction_id(found: Matches, profiles: dict[str, Profile]) -> Choice:
    """The vendor's identifier where it tells all lines apart, else one made of what the line says."""
    parts = ["trade_date", "type", "security_id", "quantity", "price", "amount", "currency"]
    made = [name for name in parts if name in found.found or name in {"trade_date", "type"}]
    title = found.title("transaction_id")
    if title and profiles[title].is_empty:
        title = None
        del found.found["transaction_id"]
    if title is None:
        listed = found.found.get("transaction_id")
        if listed:
            return replace_with_title(listed)
        unique = [name for name, one in profiles.items() if name not in found.used() and _tells_apart(one)]
        if unique:
            return Choice(
                {"title": todo("", [*unique, f"identity of {', '.join(made)}"])}, 0, "it tells all lines apart"
            )
        return Choice({"identity": made}, 0.85, "no title means an identifier: made of what the line says")
    status = found.title("status")
    told_by = zip(profiles[title].cells, profiles[status].cells if status else profiles[title].cells, strict=True)
    times = Counter(pair for pair in told_by if pair[0] in profiles[title].words)
    missing = len(profiles[title].cells) - len(profiles[title].values)
    if times and max(times.values()) > 1:
        most = max(times.values())
        return Choice(
            {"title": todo("", (title, f"identity of {', '.join(made)}"))}, 0, f"'{title}' has a value {most} times"
        )
    if missing:
        return Choice(
            {"title": title, "identity": made}, 0.85, f"its title; {missing} lines have none: made of the line"
        )
    return Choice({"title": title}, 0.97, "its title; tells all lines apart")


def _tells_apart(one: Profile) -> bool:
    """Whether a column looks like identifiers: on every line another, of letters and digits."""
    distinct = len(one.values) >= 3 and len(one.words) == len(one.cells)
    return distinct and not one.is_date and all(re.fullmatch(r"(?=(.*\d){3})[\w/-]{4,}", value) for value in one.values)


def replace_with_title(choice: Choice) -> Choice:
    """The choice of a title as the source that a column has in a mapping."""
    return Choice({"title": choice.value}, choice.confidence, choice.reason)
