"""The source of each canonical column of a target: decided, open, or left to its default."""

from __future__ import annotations

from typing import Any

from jobs.platform.schemas import Column
from jobs.vendor import bookings, performance
from jobs.vendor.choice import TODO, Choice, todo
from jobs.vendor.drafted import Drafted
from jobs.vendor.match import Matches, fits
from jobs.vendor.profile import Profile
from jobs.vendor.relations import states_sum
from jobs.vendor.surroundings import Stated
from jobs.vendor.synonyms import synonyms


def columns(
    drafted: Drafted, found: Matches, when: Stated | None, account: Stated | None, totals: list[dict[str, str]]
) -> None:
    """Every column of the table that is decided, open or required, in the schema's order."""
    special = {
        "account_id": lambda: _account(found, account),
        "as_of_date": lambda: _as_of(found, when),
        "transaction_id": lambda: bookings.transaction_id(found, drafted.profiles),
        "performance_date": lambda: _performance_date(found),
        "type": lambda: _coded(drafted, found, "type"),
        "status": lambda: _coded(drafted, found, "status"),
        "currency": lambda: _currency(found, drafted),
    }
    for column in found.table.columns:
        if column.name == "account_id" and found.table.table in {"account", "account_xref", "account_group_member"}:
            choice = _plain(found, column.name)
        elif column.name in special and column.name in {one.name for one in found.table.columns}:
            choice = special[column.name]()
        else:
            choice = _plain(found, column.name)
        needed = not column.nullable and (column.default is None or column.name == "amount")
        if choice is None and needed:
            free = _candidates(found, column, drafted.profiles, totals)
            choice = Choice({"title": todo("one of", free) if free else todo("not seen")}, 0, "no title says it")
        if choice is not None:
            drafted.columns[column.name] = choice
    _signs(drafted, found)
    for name in ("twrr_daily", "twrr_mtd"):
        title = found.title(name)
        if title and name in drafted.columns and not drafted.profiles[title].is_empty:
            more, confidence, reason = performance.unit(name, found, drafted.profiles)
            drafted.extend(name, more, Choice("", confidence, reason))


def _candidates(
    found: Matches, column: Column, profiles: dict[str, Profile], totals: list[dict[str, str]]
) -> list[str]:
    """Titles whose values fit a column that no title decides; the sum of an amount is likely to be stated."""
    free = {
        t: one for t, one in profiles.items() if t and t not in found.used() and not one.is_empty and fits(one, column)
    }
    if column.type == "decimal":
        free = {title: one for title, one in free.items() if not one.is_date}
        summed = [
            t for t, one in free.items() if any(states_sum(text, one) for total in totals for text in total.values())
        ]
        return summed or list(free)
    if column.name == "type":
        known = synonyms()
        return [
            title
            for title, one in free.items()
            if not one.is_number and (len(one.words) > 1 or any(known.type_of(word) for word in one.words))
        ]
    return list(free)


def _plain(found: Matches, name: str) -> Choice | None:
    return bookings.replace_with_title(found.found[name]) if name in found.found else None


def _account(found: Matches, account: Stated | None) -> Choice | None:
    own = found.found.get("account_id")
    if own and (not own.is_open or account is None):
        reason = own.reason if own.is_open else f"{own.reason}; the vendor's number, looked up in account_xref"
        return Choice({"account_title": own.value}, own.confidence, reason)
    if account is None:
        return None
    if account.choice.confidence:
        return Choice({"account": account.name}, account.choice.confidence, account.choice.reason)
    return Choice({"account": todo(f"{account.name}, if it is the account's number")}, 0, account.choice.reason)


def _as_of(found: Matches, when: Stated | None) -> Choice | None:
    own = found.found.get("as_of_date")
    if own and (not own.is_open or when is None):
        return bookings.replace_with_title(own)
    if when is None:
        return None
    if not when.choice.confidence or own:
        rest = str(own.value).removeprefix(TODO).strip() if own else ""
        return Choice(
            {"context": todo(f"{when.name}, if that is the day of the values", [rest] if rest else [])},
            0,
            when.choice.reason,
        )
    value = {"context": when.name}
    return Choice(
        value | ({"date": when.date_format} if when.date_format else {}), when.choice.confidence, when.choice.reason
    )


def _performance_date(found: Matches) -> Choice:
    own = found.found.get("performance_date")
    if own and not own.is_open:
        return Choice({"title": own.value}, own.confidence, own.reason)
    return Choice({"same_as": "trade_date"}, 0.85, "flows count on their trade date unless the vendor counts otherwise")


def _coded(drafted: Drafted, found: Matches, name: str) -> Choice | None:
    choice = found.found.get(name)
    if choice is None or choice.is_open:
        return Choice({"title": choice.value}, 0, choice.reason) if choice else None
    title = str(choice.value)
    one = drafted.profiles[title]
    codes = bookings.types(title, one, synonyms()) if name == "type" else bookings.statuses(title, one)
    if codes is None:
        return Choice({"title": title}, choice.confidence, choice.reason + "; the words are the canonical ones")
    map_name = drafted.prefix + {"type": "types", "status": "statuses"}[name]
    drafted.codes[map_name] = codes
    return Choice({"code": f"{map_name}.{name}"}, choice.confidence, f"'{title}': {choice.reason}")


def _currency(found: Matches, drafted: Drafted) -> Choice | None:
    own = found.found.get("currency")
    if own:
        return bookings.replace_with_title(own)
    minor = {title: one.minor_units for title, one in drafted.profiles.items() if one.minor_units}
    if minor:
        title, codes = next(iter(minor.items()))
        question = todo(f"'{title}' holds minor units ({', '.join(codes)}), where amounts are hundredths")
        return Choice({"title": question}, 0, "give the currency by a code map, and divide by 100")
    if found.table.table in {"security", "benchmark_level"}:
        return None
    signs = {sign for one in drafted.profiles.values() for value in one.values[:50] for sign in "$€£" if sign in value}
    seen = f"amounts carry {' '.join(sorted(signs))}" if signs else "nothing in the file says it"
    return Choice({"constant": todo("the currency; without this line it is the account's")}, 0, seen)


def _signs(drafted: Drafted, found: Matches) -> None:
    if found.table.table != "transaction":
        return
    kind = found.title("type")
    of_kind = drafted.profiles[kind] if kind else None
    codes = drafted.codes.get(f"{drafted.prefix}types")
    amount, quantity = found.title("amount"), found.title("quantity")
    if amount and not drafted.profiles[amount].is_empty:
        more, reason, marks = bookings.amount_sign(
            drafted.profiles[amount], of_kind, codes, drafted.profiles, synonyms()
        )
        drafted.extend("amount", _prefixed(more, drafted.prefix), Choice("", 0.95, reason))
        if marks:
            drafted.codes[f"{drafted.prefix}marks"] = marks
    if quantity and not drafted.profiles[quantity].is_empty:
        more, reason = bookings.quantity_sign(drafted.profiles[quantity], of_kind, codes, synonyms())
        drafted.extend("quantity", _prefixed(more, drafted.prefix), Choice("", 0.95, reason))


def _prefixed(more: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name: value if value.startswith(TODO) else prefix + value for name, value in more.items()}
