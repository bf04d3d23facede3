"""What values say where titles are silent, and where they confirm or contradict them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from jobs.vendor import relations
from jobs.vendor.choice import Choice, todo
from jobs.vendor.match import Matches
from jobs.vendor.profile import Profile
from jobs.vendor.surroundings import Stated
from jobs.vendor.synonyms import plain

COSTS = {
    "fee", "fees", "commission", "commissions", "comm", "charges", "costs", "kosten", "gebuhr", "gebuhren", "spesen",
    "provision", "courtage", "frais", "comision", "gastos",
}  # fmt: skip
ENOUGH_ISINS, ENOUGH_CUSIPS = 3, 5  # distinct ones: fewer may have their check digits by chance


def by_values(found: Matches, profiles: dict[str, Profile], when: Stated | None, totals: list[dict[str, str]]) -> None:
    """Adds to `found` what the values decide, leaves open what they only suggest, and marks what they contradict."""
    names = {column.name for column in found.table.columns}
    if "currency" in names:
        _currency(found, profiles)
    if "security_id" in names:
        _security(found, profiles)
    if "as_of_date" in names:
        _as_of_date(found, profiles, when)
    if "account_id" in names:
        _account(found, profiles, totals)
    if {"quantity", "price"} <= names:
        _product(found, profiles)


def _free(found: Matches, profiles: dict[str, Profile]) -> dict[str, Profile]:
    used = found.used()
    return {title: one for title, one in profiles.items() if title and title not in used and not one.is_empty}


def _currency(found: Matches, profiles: dict[str, Profile]) -> None:
    if found.title("currency"):
        return
    candidates = [title for title, one in _free(found, profiles).items() if one.is_currency]
    money = [found.title(name) for name in ("amount", "market_value", "price")]
    beside = [title for title in candidates if any(plain(title) == plain(one) for one in money[:2] if one)]
    if len(beside) == 1:
        found.take("currency", beside[0], 0.93, "currency codes, under the same title as the amount")
    elif len(candidates) == 1:
        found.take("currency", candidates[0], 0.9, "the only column of currency codes")
    elif candidates:
        found.found["currency"] = Choice(todo("one of", candidates), 0, "all hold currency codes")


def _security(found: Matches, profiles: dict[str, Profile]) -> None:
    present = found.found.get("security_id")
    if present:
        return
    if found.table.table == "security":
        listed = [title for name in ("isin", "cusip", "ticker") if (title := found.title(name))]
        if len(listed) == 1:
            found.take("security_id", listed[0], 0.85, "the only identifier of the file")
        elif listed:
            found.found["security_id"] = Choice(
                todo("one of", listed), 0, "the firm decides which identifies a security"
            )
        return
    free = _free(found, profiles)
    isins = [t for t, one in free.items() if one.is_isin and len(one.words) >= ENOUGH_ISINS]
    cusips = [t for t, one in free.items() if one.is_cusip and len(one.words) >= ENOUGH_CUSIPS]
    if len(isins + cusips) == 1:
        what = "ISINs" if isins else "CUSIPs"
        found.take("security_id", (isins + cusips)[0], 0.93, f"every value is one of {what}, by its check digit")
    elif isins or cusips:
        found.found["security_id"] = Choice(todo("one of", isins + cusips), 0, "identifiers by their check digits")


def _as_of_date(found: Matches, profiles: dict[str, Profile], when: Stated | None) -> None:
    dated = {title: one for title, one in profiles.items() if one.is_date}
    stated = _days_of(when)
    title = found.title("as_of_date")
    if title and profiles[title].is_date and _is_only(profiles[title], stated):
        found.found["as_of_date"] = replace(
            found.found["as_of_date"], confidence=0.98, reason="its title, and its day is the one that the file states"
        )
    if title or "as_of_date" in found.found:
        return
    same = [t for t, one in dated.items() if t not in found.used() and _is_only(one, stated)]
    if len(same) == 1:
        found.take("as_of_date", same[0], 0.93, "its only day is the one that the file states of itself")
    elif dated:
        found.found["as_of_date"] = Choice(todo("one of", dated), 0, "columns of dates")


def _days_of(when: Stated | None) -> set[object]:
    from jobs.vendor import readings

    return set(readings.dates(when.text).values()) if when else set()


def _is_only(profile: Profile, stated: set[object]) -> bool:
    return any(len(set(days)) == 1 and days[0] in stated for days in profile.dates.values())


def _account(found: Matches, profiles: dict[str, Profile], totals: list[dict[str, str]]) -> None:
    if "account_id" in found.found:
        return
    free = _free(found, profiles)
    hashed = [
        title
        for title, one in free.items()
        if not one.is_currency and any(relations.states_hash(text, one) for total in totals for text in total.values())
    ]
    if len(hashed) == 1:
        found.take(
            "account_id", hashed[0], 0.9, "the trailer states the hash total of its digits, as of account numbers"
        )
        return
    repeated = [
        title
        for title, one in free.items()
        if len(one.words) <= max(1, len(one.values) // 2)
        and all(sum(sign.isdigit() for sign in value) >= 4 for value in one.words)
        and not (one.is_date or one.is_isin or one.is_cusip)
        and all(len(value) <= 34 and "," not in value and "." not in value for value in one.words)
    ]
    if repeated:
        found.found["account_id"] = Choice(todo("one of", repeated), 0, "numbers that come again over the file")


def _product(found: Matches, profiles: dict[str, Profile]) -> None:
    money = next((name for name in ("market_value", "amount") if found.title(name)), None)
    titles = {name: found.title(name) for name in ("quantity", "price", money or "")}
    if money and all(titles.values()):
        quantity, price, worth = (profiles[str(titles[name])] for name in ("quantity", "price", money))
        relation = relations.product(quantity, price, worth)
        if relation.holds and relation.scale == 1:
            for name in ("quantity", "price", money):
                found.found[name] = replace(
                    found.found[name], confidence=0.98, reason=f"its title, and quantity x price = {money}"
                )
        elif relation.holds:
            found.found["price"] = Choice(
                todo(f"'{titles['price']}' is in hundredths: quantity x price / {relation.scale} = {money}"), 0,
                "a price in percent or in minor units",
            )  # fmt: skip
        elif relation.rows >= relations.ENOUGH and relation.share < 0.5:
            found.found["price"] = replace(
                found.found["price"], confidence=0.8, reason=f"its title; but quantity x price is not {money}"
            )
        _gross(found, profiles, quantity, price, worth)
        return
    _product_by_values(found, profiles, money)


def _gross(found: Matches, profiles: dict[str, Profile], quantity: Profile, price: Profile, amount: Profile) -> None:
    """An amount that is quantity x price to the cent on lines that had costs is not what the account paid or got."""
    costs = [one for title, one in profiles.items() if one.is_number and set(plain(title).split()) & COSTS]
    if found.table.table != "transaction" or not costs:
        return
    paid = [
        sum((abs(cell) for cell in cells if cell), Decimal(0))
        for cells in zip(*(one.numbers for one in costs), strict=True)
    ]
    lines = zip(quantity.numbers, price.numbers, amount.numbers, paid, strict=True)
    before = [relations.is_before_costs(*line) for line in lines if all(line)]
    if before and sum(before) > len(before) / 2:
        reason = f"it is quantity x price, without '{costs[0].title}'"
        found.found["amount"] = Choice(todo(f"the net amount: '{amount.title}' is before costs"), 0, reason)


def _product_by_values(found: Matches, profiles: dict[str, Profile], money: str | None) -> None:
    """One unknown of quantity, price and money follows from the two others; two unknowns are only suggested."""
    free = _free(found, profiles)
    known = {name: found.title(name) for name in ("quantity", "price", money or "") if name and found.title(name)}
    pool = {title: one for title, one in profiles.items() if title in free or title in known.values()}
    triples = relations.products(list(pool.values()))
    for factor, other, result in triples:
        trio = {factor.title, other.title}
        for name, sibling in (("quantity", "price"), ("price", "quantity")):
            title = known.get(sibling)
            if name not in found.found and title in trio and len(triples) == 1:
                (rest,) = trio - {title}
                found.take(name, rest, 0.9, f"times '{title}' it is '{result.title}'")
    if not known.get("quantity") and not known.get("price") and triples:
        candidates = sorted({one.title for triple in triples for one in triple[:2]})
        for name in ("quantity", "price"):
            found.found.setdefault(
                name, Choice(todo("one of", candidates), 0, f"their product is '{triples[0][2].title}'")
            )
