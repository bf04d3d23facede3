"""What only reported performance has: whose period the values are of, and the unit of the returns."""

from __future__ import annotations

from typing import Any

from jobs.vendor import relations
from jobs.vendor.choice import Choice, todo
from jobs.vendor.match import Matches
from jobs.vendor.profile import Profile

OF_THE_DAY = ("begin_market_value", "net_flow")


def of_the_day(found: Matches, profiles: dict[str, Profile]) -> None:
    """Begin value and flow are taken only where they are the day's: a period's beginning is another figure."""
    begin, end = found.title("begin_market_value"), found.title("end_market_value")
    account, day = found.title("account_id"), found.title("as_of_date")
    proven = False
    if begin and end and account and day and profiles[day].is_date:
        days: list[object] = list(profiles[day].cells)
        proven = relations.follows(profiles[begin], profiles[end], profiles[account].cells, days)
    for name in OF_THE_DAY:
        title = found.title(name)
        if title is None:
            continue
        if proven:
            found.take(name, title, 0.97, "its title; each begin is the end of the account's row before")
        elif not found.title("twrr_daily"):
            found.found[name] = Choice(
                todo(f"'{title}', if it is the day's and not the period's"),
                0,
                "only returns of longer periods are there",
            )


def unit(name: str, found: Matches, profiles: dict[str, Profile]) -> tuple[dict[str, Any], float, str]:
    """(unit of a return column, confidence, reason): by its percent signs, else by begin, flow and end, else open."""
    title = found.title(name)
    rate = profiles[str(title)]
    if rate.percent:
        return {"unit": "percent"}, 0.97, "values carry a percent sign"
    begin, flow, end = (found.title(one) for one in ("begin_market_value", "net_flow", "end_market_value"))
    daily = found.title("twrr_daily")
    if begin and end and daily and not profiles[daily].percent and profiles[daily].is_number:
        scale = relations.return_scale(
            profiles[daily], profiles[begin], profiles[flow] if flow else None, profiles[end]
        )
        if scale:
            what = {1: ({}, "a fraction"), 100: ({"unit": "percent"}, "in percent")}[scale]
            return what[0], 0.93, f"the daily return is {what[1]} of end over begin"
    return (
        {"unit": todo("percent, or a fraction: then without unit")},
        0,
        "no value shows whether 1.5 is 1.5 % or 150 %",
    )
