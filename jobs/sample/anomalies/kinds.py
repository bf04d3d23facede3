"""What is planted in the book: each kind of anomaly, where it must be found, and which accounts have it.

An account has one anomaly at most, on one of the last two days. Accounts with a part in the script have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np

from jobs.sample.people import People

Place = Literal["held_account", "reconciliation_break", "data_quality_result"]
COLUMNS = ("tenant", "vendor", "account_id", "as_of_date", "kind", "place", "rule")
HELD: Place = "held_account"
BREAK: Place = "reconciliation_break"
FEED: Place = "data_quality_result"
OWN_FLOWS = 3  # the first accounts of the brokerage have flows of the script
MOST = 1 / 3  # of the accounts that could have one: the others are innocent


@dataclass(frozen=True)
class Finding:
    """A rule that must fire: the name of a rule in conf/tolerances.yaml, or the type of a break; how many business days
    before the anomaly the row is dated that says so."""

    place: Place
    rule: str
    days_before: int = 0


@dataclass(frozen=True)
class Kind:
    """A kind of anomaly. days: business days that it takes before its own. from_brokerage: planted there as well;
    only_brokerage: nowhere else."""

    findings: tuple[Finding, ...]
    days: int = 1
    from_brokerage: bool = False
    only_brokerage: bool = False


KINDS: dict[str, Kind] = {
    "value without a flow": Kind((Finding(HELD, "value_jump"),), from_brokerage=True),
    "return out of line": Kind(
        (Finding(HELD, "return_deviation"), Finding(HELD, "return_excess")), days=15, from_brokerage=True
    ),
    "return beyond reason": Kind((Finding(HELD, "return_beyond"),)),
    "flow beyond the account": Kind((Finding(HELD, "flow_share"),), from_brokerage=True),
    "negative value": Kind((Finding(HELD, "negative_value"),)),
    "tiny capital": Kind((Finding(HELD, "tiny_capital"),), days=3),
    "stale value": Kind((Finding(HELD, "stale_value"),), days=7),
    "stale price": Kind((Finding(HELD, "stale_price"),), days=9),
    "account left out": Kind(
        (Finding(HELD, "missing_accounts"), Finding(BREAK, "account_missing", days_before=1)),
        days=5,
        from_brokerage=True,
    ),
    "account twice": Kind((Finding(HELD, "duplicate_account"),)),
    "unknown security": Kind((Finding(HELD, "unknown_security"),)),
    "sign against type": Kind((Finding(HELD, "sign_of_type"),)),
    "value beside its holdings": Kind((Finding(BREAK, "holdings_value"),)),
    # What is off by so much does not roll forward either.
    "begin value": Kind((Finding(BREAK, "begin_value"), Finding(BREAK, "roll_forward"))),
    "end value": Kind((Finding(BREAK, "end_value"), Finding(BREAK, "roll_forward"))),
    "net flow": Kind((Finding(BREAK, "net_flow"),)),
    "daily return": Kind((Finding(BREAK, "twrr_daily"), Finding(BREAK, "roll_forward"))),
    "month's return": Kind((Finding(BREAK, "twrr_mtd"),)),
    "units out of nothing": Kind((Finding(BREAK, "position_quantity"),), from_brokerage=True),
    "value beside its price": Kind((Finding(BREAK, "position_value"),), from_brokerage=True),
    "cash out of nothing": Kind((Finding(BREAK, "cash_roll"),), from_brokerage=True),
    "second vendor": Kind((Finding(BREAK, "source_value"),), only_brokerage=True),
    "new number": Kind((Finding(BREAK, "account_new"),)),
    "closed with a balance": Kind((Finding(BREAK, "account_closed_with_balance", days_before=1),)),
    "opened again": Kind((Finding(BREAK, "account_reopened"),), days=2),
    "another number": Kind((Finding(BREAK, "account_renumbered"),), days=5),
    "changed attribute": Kind((Finding(BREAK, "account_changed"),)),
}
# Of a cash account beside the book, not of an account in it.
STATEMENT, BANK = "statement begins elsewhere", "camt053"
FINDINGS = {name: kind.findings for name, kind in KINDS.items()} | {STATEMENT: (Finding(BREAK, "cash_balance"),)}
# Of feeds, not of accounts; on the last day, after which they would be back to what is usual.
RATE_MOVE = "exchange rate"  # of a pair that no account needs
PRICE_COUNT = "too many prices"  # of securities that nobody holds
MISFITS = "delivery that does not fit"  # of securities that nobody holds
# The rules that must fire.
OF_FEEDS = {RATE_MOVE: "rate_move", PRICE_COUNT: "price_count", MISFITS: "quarantined_share"}


@dataclass(frozen=True)
class Anomaly:
    """One account (`row` of People) with a kind of anomaly on a day (its index). number: an account number that nobody
    else has, for the kinds that need one."""

    kind: str
    vendor: str
    row: int
    account_id: str
    day: int
    number: str

    @property
    def accounts(self) -> tuple[str, ...]:
        """Whom it must be found of: the two that are one, and a number of which nothing is known."""
        if self.kind == "account twice":
            return self.account_id, self.number
        return (self.number,) if self.kind == "new number" else (self.account_id,)

    def found_as(self, tenant: str, days: list[date]) -> Iterator[dict[str, Any]]:
        """Rows of the list: COLUMNS."""
        for finding in FINDINGS[self.kind]:
            for account_id in self.accounts:
                on = days[self.day - finding.days_before]
                values = (tenant, self.vendor, account_id, on, self.kind, finding.place, finding.rule)
                yield dict(zip(COLUMNS, values, strict=True))


def of_feed(tenant: str, on: date, kind: str) -> dict[str, Any]:
    """The row of the list for what is no account's."""
    return dict(zip(COLUMNS, (tenant, "canonical", "", on, kind, FEED, OF_FEEDS[kind]), strict=True))


def chosen(people: People, limit: int, days: int, count: int, seed: int) -> list[Anomaly]:
    """`count` accounts of each kind among the first `limit`, or as many as there are; nothing else depends on it."""
    rng = np.random.default_rng([seed, 6, *people.tenant.encode()])
    free = ~people.has_script & ~people.is_brokerage & (people.opened < 0) & (people.currency == 0)
    free &= (people.policy == 0) & (np.arange(len(people)) < limit)
    free[list(people.parts.values())] = False
    rows = rng.permutation(np.flatnonzero(free)).tolist()
    kinds = [(name, kind) for name, kind in KINDS.items() if kind.days < days - 1]
    own = [name for name, kind in kinds if not kind.only_brokerage]
    theirs = [name for name, kind in kinds if kind.from_brokerage or kind.only_brokerage]
    brokers = rng.permutation(np.flatnonzero(people.is_brokerage)[OWN_FLOWS:]).tolist()
    dealt = [*_dealt(own, rows[: max(1, int(len(rows) * MOST))], count, "canonical")]
    dealt += _dealt(theirs, brokers, min(count, max(1, len(brokers) // max(1, len(theirs)))), "brokerage")
    return [
        Anomaly(kind, vendor, row, people.account_id(row), days - 1 - turn % 2, f"{people.prefix}-{900_001 + place}")
        for place, (kind, vendor, row, turn) in enumerate(dealt)
    ]


def _dealt(kinds: list[str], rows: list[int], count: int, vendor: str) -> list[tuple[str, str, int, int]]:
    """Kind, vendor, row and turn: one of each kind in the first turn, on the last day, and so on."""
    hands = [(kind, turn) for turn in range(count) for kind in kinds]
    return [(kind, vendor, row, turn) for (kind, turn), row in zip(hands, rows, strict=False)]
