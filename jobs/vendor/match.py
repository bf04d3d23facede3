"""Titles to canonical columns: which table the records are of, and which title each column has."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from jobs.platform import schemas
from jobs.platform.schemas import Column, Table
from jobs.vendor.choice import Choice, todo
from jobs.vendor.profile import Profile
from jobs.vendor.synonyms import Synonyms, forms, plain

OWN, LOOSE = 2, 1
SURELY, LOOSELY = 0.95, 0.88  # confidence in a title that is a column's own, and in a general word
MANY = 3  # titles that suggest a table of which something is missing


@dataclass
class Matches:
    """The columns found for one table: {canonical column: the choice, whose value is the title}."""

    table: Table
    found: dict[str, Choice] = field(default_factory=dict)
    rivals: list[str] = field(default_factory=list)  # tables that fit as well
    lacks: list[str] = field(default_factory=list)  # columns of which one is missing to make it this table

    def title(self, column: str) -> str | None:
        """The title decided for a column."""
        choice = self.found.get(column)
        return None if choice is None or choice.is_open else str(choice.value)

    def take(self, column: str, title: str, confidence: float, reason: str) -> None:
        self.found[column] = Choice(title, confidence, reason)

    def used(self) -> set[str]:
        return {str(one.value) for one in self.found.values() if not one.is_open}


def matches(profiles: dict[str, Profile], known: Synonyms, outside: set[str]) -> Matches | None:
    """The table that fits best and the columns that titles decide; None where no table fits.

    outside: columns that the file states outside its records (account_id, as_of_date).
    """
    titles = [title for title in profiles if title]
    named = {table: _by_title(schemas.table(table), titles, profiles, known) for table in known.tables}
    anywhere = {column for found in named.values() for column in found}
    fitting: dict[str, int] = {}
    nearly: dict[str, int] = {}
    lacking: dict[str, list[str]] = {}
    for table, needs in known.tables.items():
        foreign = {
            column
            for column in needs.never
            if column in named[table] or (column in anywhere and not _explained(column, named, table))
        }
        missing = [one for one in needs.any_of if not set(one) & (set(named[table]) | outside)]
        if foreign or len(missing) > 1:
            continue
        count = len({title for hits in named[table].values() for title, _ in hits})
        (nearly if missing else fitting)[table] = count
        lacking[table] = missing[0] if missing else []
    nearly = {table: count for table, count in nearly.items() if count >= MANY}
    if not fitting and not nearly:
        return None
    counts = fitting or nearly
    best = [table for table, count in counts.items() if count == max(counts.values())]
    result = Matches(schemas.table(best[0]), rivals=best[1:], lacks=lacking[best[0]])
    for column, hits in named[best[0]].items():
        choice = _decided(column, hits, profiles)
        if choice:
            result.found[column] = choice
    _no_title_twice(result)
    return result


def _explained(column: str, named: dict[str, dict[str, list[tuple[str, int]]]], table: str) -> bool:
    """Whether every title that other tables would take for `column` has another meaning in this table."""
    own = {title for hits in named[table].values() for title, _ in hits}
    others = {title for found in named.values() for title, strength in found.get(column, []) if strength == OWN}
    return others <= own


def _by_title(
    table: Table, titles: list[str], profiles: dict[str, Profile], known: Synonyms
) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for column in table.columns:
        terms = known.terms(table.table, column.name)
        for title in titles:
            if not fits(profiles[title], column):
                continue
            strengths = [OWN if form in terms.own else LOOSE if form in terms.loose else 0 for form in forms(title)]
            if any(strengths):
                found[column.name].append((title, next(one for one in strengths if one)))
    return dict(found)


def fits(profile: Profile, column: Column) -> bool:  # noqa: PLR0911 one answer a type of column
    """Whether a column's values may be this canonical column (an empty column may be anything)."""
    if profile.is_empty:
        return True
    if column.type == "date":
        return profile.is_date
    if column.type in {"decimal", "double"}:
        return bool(profile.is_number or profile.mixed) and (column.type == "double" or not profile.percent)
    if column.type == "boolean":
        return profile.is_boolean
    if column.name.endswith("currency"):
        return profile.is_currency
    if column.name == "isin":
        return profile.is_isin
    if column.name == "cusip":
        return profile.is_cusip
    if column.name == "type":
        return profile.is_words and not profile.is_currency
    if column.values:
        return profile.is_words and not profile.is_number
    is_fraction = profile.is_number and any("." in value or "," in value for value in profile.values)
    return not (is_fraction or profile.is_boolean or (profile.is_date and not profile.is_number))


def _decided(column: str, hits: list[tuple[str, int]], profiles: dict[str, Profile]) -> Choice | None:
    best = max(strength for _, strength in hits)
    rivals = [title for title, strength in hits if strength == best]
    exact = [title for title in rivals if plain(title) == plain(column)]
    filled = [title for title in rivals if not profiles[title].is_empty]
    for narrowed in (exact, filled):
        if len(narrowed) == 1:
            rivals = narrowed
            break
    if len({tuple(profiles[title].cells) for title in rivals}) > 1:
        return Choice(todo("one of", rivals), 0, "several titles mean this")
    title = rivals[0]
    empty = profiles[title].is_empty
    confidence = {OWN: SURELY, LOOSE: LOOSELY}[best] - (0.1 if empty and best == OWN else 0.3 if empty else 0)
    if confidence < 0.8:
        return None
    said = "its title" if best == OWN else "its title, a general word, and no better one is there"
    return Choice(title, round(confidence, 2), said + ("; no value seen" if empty else "; its values fit"))


def _no_title_twice(result: Matches) -> None:
    by_title: dict[str, list[str]] = defaultdict(list)
    for column, choice in result.found.items():
        if not choice.is_open:
            by_title[str(choice.value)].append(column)
    for title, columns in by_title.items():
        if len(columns) > 1:
            for column in columns:
                result.found[column] = Choice(todo("one of", [title]), 0, f"'{title}' may be {' or '.join(columns)}")
