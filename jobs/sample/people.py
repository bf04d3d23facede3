"""Who is in the sample: the accounts of a tenant with their attributes, and which of them play a part in the script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.sample.market import CURRENCIES, MODELS, Ints

# One account each, in this order of importance: a small book has the first ones. What each does stands in script.py.
PARTS = (
    "day_one_flow", "large_flow", "in_kind", "emptied_and_refunded", "negative_cash", "closed", "valued_monthly",
    "fees", "start_of_day", "mid_day", "end_of_day", "own_timing", "own_date", "journal_from", "journal_to",
    "not_in_performance", "euro", "sterling", "corrected", "cancelled", "late", "revalued", "new_tonight", "moved",
)  # fmt: skip
FIRST_BROKERAGE_NUMBER = 876
POLICIES = ("", "start_of_day", "mid_day", "end_of_day")
FAMILIES = (
    "Abernathy", "Bergström", "Castellano", "Dumont", "Eriksen", "Fairweather", "García", "Holloway", "Ibsen", "Jović",
    "Kowalczyk", "Lindqvist", "Müller", "Nakagawa", "O'Rourke", "Petersen", "Quill", "Rousseau", "Szabó", "Thackeray",
    "Umarov", "Vandenberg", "Whitlock", "Xu", "Ylönen", "Zimmermann",
)  # fmt: skip
FORMS = ("{} Family Trust", "{}, Ruth and Paul", "{} Retirement", "{} Foundation", "Estate of {}", "{} Joint")

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """A run of accounts of one tenant, one array element each.

    `number` counts from 1 within the tenant; `wealth` is in hundredths of the base currency; `opened` is the day's
    index on which the account is funded, -1 where it was there before the sample begins; `policy` indexes POLICIES.
    """

    tenant: str
    prefix: str
    number: Ints
    currency: Ints
    model: Ints
    policy: Ints
    wealth: Ints
    opened: Ints
    is_brokerage: Bools
    pays_commission: Bools
    in_performance: Bools
    is_monthly: Bools
    has_script: Bools
    parts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.number)

    def account_id(self, row: int) -> str:
        return f"{self.prefix}-{self.number[row]:06d}"

    def name(self, row: int) -> str:
        n = int(self.number[row])
        return FORMS[n % len(FORMS)].format(FAMILIES[(n * 7) % len(FAMILIES)])


def prefix_of(tenant: str) -> str:
    """Initials of the tenant's words: northwind_wealth is NW."""
    return "".join(word[0] for word in tenant.split("_") if word).upper()


def brokerage_count(accounts: int) -> int:
    """Accounts that come from the brokerage: one in 15, at least 3, at most 40 (their numbers have three digits)."""
    return min(max(3, accounts // 15), 40, accounts // 2)


def make_people(
    tenant: str,
    first: int,
    count: int,
    *,
    total: int,
    days: int,
    nightly_from: int | None,
    has_brokerage: bool,
    seed: int,
    cast: Sequence[str] = PARTS,
) -> People:
    """Accounts first .. first + count - 1 of the tenant's `total`, over `days` business days.

    The parts of the script (`cast`) go to the tenant's first accounts, the brokerage accounts come right after them.
    `nightly_from` is the index of the first day that is delivered on its own.
    """
    rng = np.random.default_rng([seed, 3, *tenant.encode(), first])
    number = np.arange(first, first + count, dtype=np.int64)
    from_brokerage = brokerage_count(total) if has_brokerage else 0
    parts = {part: row for row, part in enumerate(cast[: total - from_brokerage]) if first == 1 and row < count}
    if days < 3:
        parts.pop("moved", None)  # too short to change advisor within it
    has_script = np.zeros(count, dtype=bool)
    has_script[[row for part, row in parts.items() if part not in {"euro", "sterling", "moved"}]] = True
    is_brokerage = np.zeros(count, dtype=bool)
    if first == 1:
        is_brokerage[len(parts) : len(parts) + from_brokerage] = True

    currency = rng.choice(len(CURRENCIES), size=count, p=[0.9, 0.06, 0.04])
    currency[has_script | is_brokerage] = 0
    model = rng.integers(len(MODELS), size=count)
    policy = np.where(rng.random(count) < 0.05, rng.integers(1, len(POLICIES), size=count), 0)
    policy[has_script | is_brokerage] = 0
    wealth = np.clip(rng.lognormal(np.log(420_000), 1.1, count), 25_000, 80_000_000)
    opened = np.where(rng.random(count) < min(0.02, 0.0003 * days), rng.integers(0, days, size=count), -1)
    opened[has_script | is_brokerage] = -1
    in_performance = np.ones(count, dtype=bool)
    is_monthly = np.zeros(count, dtype=bool)

    def give(part: str, values: npt.NDArray[Any], value: int) -> None:
        if part in parts:
            values[parts[part]] = value

    give("day_one_flow", opened, 0)
    give("new_tonight", opened, days - 1 if nightly_from is None else min(nightly_from + 1, days - 1))
    give("valued_monthly", is_monthly, True)
    give("not_in_performance", in_performance, False)
    give("euro", currency, CURRENCIES.index("EUR"))
    give("sterling", currency, CURRENCIES.index("GBP"))
    for part in POLICIES[1:]:
        give(part, policy, POLICIES.index(part))
    return People(
        tenant, prefix_of(tenant), number, currency.astype(np.int64), model.astype(np.int64), policy.astype(np.int64),
        np.rint(wealth * 100).astype(np.int64), opened.astype(np.int64), is_brokerage, is_brokerage, in_performance,
        is_monthly, has_script, parts,
    )  # fmt: skip


def brokerage_number(people: People, row: int) -> str:
    """The three digits by which the brokerage's files know the account."""
    order = int(np.flatnonzero(people.is_brokerage).searchsorted(row))
    return f"{(FIRST_BROKERAGE_NUMBER + 37 * order - 100) % 900 + 100}"
