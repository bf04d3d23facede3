"""What the file states of itself and meets: sums, counts and hash totals on its last lines."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from jobs.vendor import relations
from jobs.vendor.choice import Choice
from jobs.vendor.drafted import Drafted
from jobs.vendor.layout import Layout
from jobs.vendor.profile import Profile, profile
from jobs.vendor.readings import numbers
from jobs.vendor.styles import settled

# Columns whose totals are worth a refusal of the file.
SUMMED = ("amount", "market_value", "end_market_value")


def controls(layout: Layout, drafted: list[Drafted], style: str) -> list[Choice]:
    """A control for each figure of a total line that the records meet (the whole file must be in view)."""
    if not layout.totals or not layout.records:
        return []
    titles, rows = layout.records[0].titles, [row for records in layout.records for row in records.rows]
    profiles = settled({title: profile(title, [row[n] for row in rows]) for n, title in enumerate(titles)})
    money = {str(one.columns[name].value.get("title")) for one in drafted for name in SUMMED if name in one.columns}
    if layout.has_header:
        profiles = {title: one for title, one in profiles.items() if title in money}
    if layout.sections:
        found = _per_section(layout, profiles, style)
    else:
        stated = layout.totals[-1].items()
        found = [one for title, text in stated if (one := _control(title, text, layout, profiles, style))]
    kinds = [records.kind for records in layout.records]
    return [replace(one, value=one.value | {"add_lines": kinds}) if len(kinds) > 1 else one for one in found]


def _control(title: str, text: str, layout: Layout, profiles: dict[str, Profile], style: str) -> Choice | None:
    own, count = profiles.get(title), sum(len(records.rows) for records in layout.records)
    if layout.has_header:
        return _sum(title, None, _style(own, style), text) if own and relations.states_sum(text, own) else None
    # Without titles the trailer's places are its own: the column is the one whose sum it is.
    if re.fullmatch(rf"0*{count}", text) and count > 1:
        return Choice(
            {"name": "detail_count", "check": "count", "stated_title": title}, 0.9, f"{text} is the number of records"
        )
    summed = [one for one in profiles.values() if relations.states_sum(text, one)]
    if len(summed) == 1:
        return _sum(summed[0].title, title, _style(summed[0], style), text)
    hashed = [one for one in profiles.values() if relations.states_hash(text, one)]
    if len(hashed) == 1:
        value = {"name": "hash_total", "check": "hash", "total_title": hashed[0].title, "stated_title": title}
        return Choice(value, 0.9, f"{text} is the sum of the digits of '{hashed[0].title}'")
    return None


def _sum(title: str, stated: str | None, style: str, text: str) -> Choice:
    name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
    value: dict[str, Any] = {"name": f"{name}_total", "total_title": title}
    if stated:
        value["stated_title"] = stated
    if style != "plain":
        value["number"] = style
    return Choice(value, 0.97, f"{text} is the sum of '{title}'")


def _style(profile: Profile, style: str) -> str:
    return style if style in profile.styles else next(iter(profile.styles))


def _per_section(layout: Layout, profiles: dict[str, Profile], usual: str) -> list[Choice]:
    """Blocks with a total each: the columns whose sum over all blocks is the sum of all totals."""
    found = []
    for title, one in profiles.items():
        stated = [total.get(title, "") for total in layout.totals]
        if len(layout.totals) != len(layout.sections) or not one.styles or not relations.sum_of(one):
            continue
        style = usual if usual in one.styles else next(iter(one.styles))
        values = [dict(numbers(text)).get(style) for text in stated]
        if len(values) > 1 and None not in values and sum(v for v in values if v is not None) == relations.sum_of(one):
            choice = _sum(title, None, style, " + ".join(stated[:2]) + " + ...")
            found.append(
                Choice(choice.value | {"per": "section"}, 0.9, f"the blocks' totals are the sums of '{title}'")
            )
    return found
