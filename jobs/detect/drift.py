"""How a file's titles differ from those of the feed's file before it: survived where the mapping can, always said."""

from __future__ import annotations

from datetime import date

from jobs.platform.mapping import Mapping, normalise_title

NOT_IN_FORCE = " (not in force)"


def in_force(header: list[str], mapping: Mapping, on: date | None) -> list[str]:
    """The titles, those marked that mean nothing on the file's business date (`title_dates`): nothing reads them."""
    dated = {normalise_title(title): times for title, times in mapping.title_dates.items()}

    def holds(title: str) -> bool:
        times = dated.get(normalise_title(title))
        return times is None or on is None or times.holds(on)

    return [title if holds(title) else f"{title}{NOT_IN_FORCE}" for title in header]


def title_changes(header: list[str], before: list[str], mapping: Mapping) -> list[str]:
    """What is new, gone, renamed or moved against the header before, in words; titles are compared normalised."""
    old, new = ([normalise_title(title) for title in titles if title] for titles in (before, header))
    added, gone = [title for title in new if title not in old], [title for title in old if title not in new]
    found = []
    for now in list(added):
        was = next((title for title in gone if _same_column(title, now, mapping)), None)
        if was is not None:
            added.remove(now)
            gone.remove(was)
            found.append(f"'{was}' is now called '{now}'")
    found += [f"'{title}' is new" for title in added] + [f"'{title}' is gone" for title in gone]
    stayed = set(old) & set(new)
    if [title for title in old if title in stayed] != [title for title in new if title in stayed]:
        found.append("the order is another")
    return found


def _same_column(one: str, other: str, mapping: Mapping) -> bool:
    sources = (source for target in mapping.targets for source in target.columns.values())
    return any({one, other} <= {normalise_title(title) for title in source.own_titles} for source in sources)
