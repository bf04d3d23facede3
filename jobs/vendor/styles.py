"""One file's way of writing numbers and dates: what a column leaves open, another column may decide."""

from __future__ import annotations

import re
from dataclasses import replace

from jobs.normalise.values import DECIMAL_COMMA, date_shape
from jobs.platform.mapping_columns import NumberStyle
from jobs.vendor import readings
from jobs.vendor.choice import Choice, todo
from jobs.vendor.profile import GROUPED, Profile

PREFERRED: tuple[NumberStyle, ...] = (
    "plain", "trailing_sign", "us", "european", "spaced", "spaced_point", "swiss", "scientific",
)  # fmt: skip


def settled(profiles: dict[str, Profile]) -> dict[str, Profile]:
    """Profiles without the readings that the rest of the file rules out.

    A column such as 1.234 alone may be a thousand or one and a bit. If every column of the file that shows its decimal
    sign shows the same one, that is the sign. Date formats of one shape are decided together: a 25 in one column is a
    day, so the numbers in its place are days in the others.
    """
    shown = {sign for one in profiles.values() if one.is_number and one.agreed_style for sign in _decimal_signs(one)}
    found = {}
    for title, one in profiles.items():
        settled_one = one
        if one.is_number and not one.agreed_style and len(shown) == 1:
            comma = shown == {","}
            styles = {style: values for style, values in one.styles.items() if (style in DECIMAL_COMMA) == comma}
            settled_one = replace(one, styles=styles or one.styles)
        found[title] = settled_one
    return _dates_settled(found)


def _decimal_signs(one: Profile) -> set[str]:
    """The signs that certainly stand before decimals: not followed by exactly three digits, or after a group."""
    signs = set()
    for value in one.values:
        last = re.search(r"([.,])(\d*)\D*$", value)
        if last and not GROUPED.match(value) and (len(last.group(2)) != 3 or re.search(r"\d[.,' ]\d{3}[.,]", value)):
            signs.add(last.group(1))
    return signs


def _dates_settled(profiles: dict[str, Profile]) -> dict[str, Profile]:
    possible: dict[str, set[str]] = {}
    for one in profiles.values():
        for shape in {date_shape(date_format) for date_format in one.dates}:
            fits = {date_format for date_format in one.dates if date_shape(date_format) == shape}
            possible[shape] = possible.get(shape, fits) & fits or fits
    return {
        title: replace(
            one, dates={f: days for f, days in one.dates.items() if f in possible[date_shape(f)]} or one.dates
        )
        for title, one in profiles.items()
    }


def number_style(profiles: list[Profile]) -> Choice:
    """The style of the mapping: the one that most of these columns fit, the plainest first."""
    certain = [one for one in profiles if one.is_number and one.agreed_style]
    if not certain:
        return Choice("plain", 0.8, "no number column is read" if not profiles else "see the columns")
    best = max(PREFERRED, key=lambda style: (sum(style in one.styles for one in certain), -PREFERRED.index(style)))
    fitting = sum(best in one.styles for one in certain)
    return Choice(best, 0.95, f"fits {fitting} of the {len(certain)} number columns that are read")


def own_style(profile: Profile, style: str) -> Choice | None:
    """What a column says of its numbers where the mapping's style is not enough; None where it is."""
    if profile.mixed:
        both = [f"{profile.values[n]} is {one}" for one in profile.mixed for n in [_first(profile, one)]]
        return Choice(list(profile.mixed), 0.85, f"written in more than one way: {', '.join(both)}")
    if not profile.is_number or (style in profile.styles and profile.agreed_style):
        return None
    if profile.agreed_style:
        own = next(one for one in PREFERRED if one in profile.styles)
        return Choice(own, 0.9, f"every value fits, such as {profile.values[0]}")
    grouped = next((value for value in profile.values if GROUPED.match(value)), profile.values[0])
    place = profile.values.index(grouped)
    by_reading = {f"{values[place]:f}": style for style, values in reversed(profile.styles.items())}
    fitting = [f"{one} ({grouped} is {value})" for value, one in by_reading.items()]
    return Choice(todo("", fitting), 0, "no value shows which sign stands before the decimals")


def _first(profile: Profile, style: NumberStyle) -> int:
    """The place of the first value that has this style and no other of `mixed`."""
    others = [readings.STYLES[one] for one in profile.mixed if one != style]
    fits = [n for n, value in enumerate(profile.values) if readings.STYLES[style].match(value)]
    return next((n for n in fits if not any(one.match(profile.values[n]) for one in others)), fits[0])


def date_format(profile: Profile, known: set[str]) -> Choice:
    """The format of a date column; `known` are formats that the file's stated date proves."""
    if profile.agreed_date:
        return Choice(next(iter(profile.dates)), 0.95, f"every value fits, such as {profile.values[0]}")
    meant = known & set(profile.dates)
    if len(meant) == 1:
        return Choice(meant.pop(), 0.9, "day and month as in the date that the file states")
    by_reading = {tuple(days): one for one, days in reversed(profile.dates.items())}
    return Choice(
        todo("", reversed(by_reading.values())), 0, f"no value such as {profile.values[0]} shows which is the day"
    )
