"""A few late corrections in a large group: its history is corrected by these members' rows alone, and comes out as from
all members' rows."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.calculate.group_history import GroupHistory
from jobs.platform.settings import Settings
from tests.firm import Firm

pytestmark = pytest.mark.system
DAYS = [day for n in range(35) if (day := date(2026, 1, 30) + timedelta(days=n)).weekday() < 5]
ACCOUNTS = [f"a{n:02}" for n in range(24)]
OF_THE_RUN = {"epoch", "run_id", "run_no"}


def of_random_book(firm: Firm, random: Random) -> list[Any]:
    """Three nights: the history, a day, and a day with three late corrections; returns what the histories gave."""
    given = []
    whole = GroupHistory.rows

    def noted(self: GroupHistory, due: DataFrame, opening: DataFrame, restated: DataFrame) -> DataFrame | None:
        found = whole(self, due, opening, restated)
        given.append(None if found is None else found.count())
        return found

    worth = {}
    for account in ACCOUNTS:
        closed = DAYS[15] if account == "a20" else None
        firm.deliver("account", account_id=account, household_id=f"h{random.randrange(6)}", closed_on=closed)
        first, last = random.randrange(6), random.randrange(8, 20)
        firm.deliver(
            "account_group_member", group_type="composite", group_id="c", account_id=account, from_date=DAYS[first],
            to_date=DAYS[last] + timedelta(days=random.randrange(3)) if random.random() < 0.7 else None,
        )  # fmt: skip
        worth[account] = Decimal(random.randrange(500, 5000))
    for place, day in enumerate(DAYS[:-2]):
        for account in ACCOUNTS:
            if account != "a00" and random.random() < 0.25:
                continue  # carried; a00 has a value on each day, so that no correction moves a group's dates
            worth[account] *= Decimal(f"{random.uniform(0.95, 1.05):.4f}")
            firm.values(day, **{account: f"{worth[account]:.2f}"})
            if place and random.random() < 0.2:
                firm.flow(account, day, f"{random.uniform(-300, 300):.2f}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GroupHistory, "rows", noted)
        firm.night(DAYS[-3])
        firm.values(DAYS[-2], **{account: f"{value:.2f}" for account, value in worth.items()})
        firm.night(DAYS[-2])
        valued = [row for row in firm.rows["valuation"] if row["as_of_date"] in DAYS[5:15]]
        for row in (next(r for r in valued if r["account_id"] == a) for a in ("a03", "a07", "a20")):
            firm.values(row["as_of_date"], **{row["account_id"]: f"{row['market_value'] * Decimal('1.1'):.2f}"})
        booked = next(row for row in firm.rows["transaction"] if row["account_id"] == "a03")
        firm.flow("a03", booked["performance_date"], "0", known_as=booked["transaction_id"], status="cancel")
        firm.values(DAYS[-1], **{account: f"{value:.2f}" for account, value in worth.items()})
        firm.night(DAYS[-1])
    return given


def test_the_history_corrected_by_three_members_is_that_of_all(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(tmp_path_factory.mktemp("nights")))
        firm = Firm(spark, Settings())
        given = of_random_book(firm, Random(7))
        patch.setenv("DIETZ_HOME", str(tmp_path_factory.mktemp("scratch")))
        scratch = firm.from_scratch(Settings())
    assert [rows is not None and rows > 20 for rows in given] == [True]
    found, wanted = firm.groups(), scratch.groups()
    assert max(row["epoch"] for row in found.values()) == 2
    assert found.keys() == wanted.keys()
    assert [
        (key, name, row[name], value)
        for key, row in found.items()
        for name, value in wanted[key].items()
        if name not in OF_THE_RUN and not same(row[name], value)
    ] == []


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-12 * max(abs(other), 1.0)
    return bool(one == other)
