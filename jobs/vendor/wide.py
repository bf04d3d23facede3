"""Wide files: a title per currency instead of a column of currencies."""

from __future__ import annotations

from jobs.vendor.choice import Choice, todo
from jobs.vendor.profile import Profile, currencies

ENOUGH = 5


def rate_titles(profiles: dict[str, Profile]) -> list[str]:
    """The titles that are currencies, where they are nearly all titles and their columns hold numbers."""
    named = [title for title in profiles if title]
    found = [
        title for title in named if title in currencies() and (profiles[title].is_number or profiles[title].is_empty)
    ]
    return found if len(found) >= ENOUGH and len(found) >= len(named) - 2 else []


def base_currency(titles: list[str], profiles: dict[str, Profile]) -> Choice:
    """What the rates are for one unit of. Nothing in the file says it; the direction shows where a yen has a rate."""
    absent = [one for one in ("EUR", "USD", "GBP", "CHF") if one not in titles]
    reason = "the file does not say it; the currencies listed here have no column"
    yen = profiles.get("JPY")
    dollar = profiles.get("USD") or profiles.get("EUR")
    if yen and dollar and yen.is_number and dollar.is_number:
        above = _last(yen) > 20 * _last(dollar)
        reason += "; rates are units of the title's currency" if above else "; rates are the wrong way round for `rate`"
    return Choice(todo("the currency that one unit is of", absent), 0, reason)


def _last(profile: Profile) -> float:
    return float(next(one for one in reversed(profile.numbers) if one is not None))
