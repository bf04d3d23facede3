"""The step `calculate` on groups of one firm: what is due beside the members' own rows, when much changes."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.epochs import current_rows
from jobs.calculate.member_changes import GROUP
from tests.firm import Firm

MON, TUE, WED = (date(2026, 3, day) for day in range(2, 5))
pytestmark = pytest.mark.system
MEMBERS = {
    "journal": ["a1", "a2"], "rates": ["dollar", "euro"], "held": ["k1", "k2"], "left": ["mover"], "plain": ["p"],
}  # fmt: skip
Groups = dict[str, list[dict[str, Any]]]


def _groups(firm: Firm) -> Groups:
    """Current rows of each household, and of the firm, by date."""
    rows = current_rows(firm.lake.read("group_performance_daily"), firm.lake.read("group_epoch"), GROUP)
    found: Groups = defaultdict(list)
    for row in rows.orderBy("as_of_date").collect():
        found[row["group_id"]].append(row.asDict())
    return found


def _transfer(firm: Firm, account: str, amount: str, other: str | None = None) -> None:
    kind = "TRANSFER_IN" if Decimal(amount) > 0 else "TRANSFER_OUT"
    firm.deliver(
        "transaction", transaction_id=f"t-{account}", account_id=account, amount=Decimal(amount), type=kind,
        trade_date=TUE, performance_date=TUE, counterparty_account_id=other, status="correct" if other else "new",
    )  # fmt: skip


def _hold(firm: Firm, state: str) -> None:
    firm.deliver(
        "held_account", account_id="k1", as_of_date=TUE, rule="value_jump", reason="a jump", severity="hold",
        state=state, run_id="test",
    )  # fmt: skip


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Groups, Groups]:
    """The groups after two nights, and after a third in which only one account has a value."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(tmp_path_factory.mktemp("groups")))
        firm = Firm(spark)
    for household, accounts in MEMBERS.items():
        for account in accounts:
            currency = "EUR" if account == "euro" else "USD"
            firm.deliver("account", account_id=account, household_id=household, base_currency=currency)
            firm.values(MON, **{account: "1000"})
    firm.deliver("fx_rate", as_of_date=MON, from_currency="EUR", to_currency="USD", rate=Decimal("1.1"))
    firm.night(MON)

    firm.values(TUE, a1="900", a2="1110", dollar="1000", k1="5000", k2="1000", mover="1000", p="1010")
    _transfer(firm, "a1", "-100")
    _transfer(firm, "a2", "100")
    _hold(firm, "held")
    firm.night(TUE)
    before = _groups(firm)

    firm.values(WED, p="1020.1")
    _transfer(firm, "a1", "-100", "a2")
    _transfer(firm, "a2", "100", "a1")
    firm.deliver("fx_rate", as_of_date=TUE, from_currency="EUR", to_currency="USD", rate=Decimal("1.2"))
    _hold(firm, "released")
    firm.deliver("account", account_id="mover", household_id="joined", base_currency="USD", effective_from=TUE)
    firm.night(WED)
    return before, _groups(firm)


def _of(groups: Groups, household: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in groups[household]]


def test_transfers_that_name_each_other_late_are_no_flows_any_more(story: tuple[Groups, Groups]) -> None:
    """No account's row changes by that, only what is internal to their household."""
    columns = ("as_of_date", "contributions", "distributions", "gain_loss", "epoch")
    before, after = (_of(groups, "journal", *columns)[1] for groups in story)
    assert before == (TUE, Decimal(100), Decimal(-100), Decimal(10), 1)
    assert after == (TUE, Decimal(0), Decimal(0), Decimal(10), 2)


def test_a_late_rate_revalues_a_carried_member(story: tuple[Groups, Groups]) -> None:
    columns = ("as_of_date", "carried_members", "end_market_value", "gain_loss", "epoch")
    before, after = (_of(groups, "rates", *columns)[1] for groups in story)
    assert before == (TUE, 1, Decimal(2100), Decimal(0), 1)
    assert after == (TUE, 1, Decimal(2200), Decimal(100), 2)


def test_a_held_account_is_carried_until_its_release(story: tuple[Groups, Groups]) -> None:
    columns = ("as_of_date", "members", "carried_members", "end_market_value", "epoch")
    before, after = (_of(groups, "held", *columns)[1] for groups in story)
    assert before == (TUE, 2, 1, Decimal(2000), 1)
    assert after == (TUE, 2, 0, Decimal(6000), 2)


def test_a_back_dated_membership_moves_the_rows_since_then(story: tuple[Groups, Groups]) -> None:
    before, after = story
    assert _of(before, "left", "as_of_date", "epoch") == [(MON, 1), (TUE, 1)]
    assert _of(after, "left", "as_of_date", "epoch") == [(MON, 1)]
    assert _of(after, "joined", "as_of_date", "end_market_value", "epoch") == [(TUE, Decimal(1000), 1)]


def test_a_group_that_nothing_concerns_keeps_its_rows(story: tuple[Groups, Groups]) -> None:
    assert _of(story[1], "plain", "as_of_date", "twrr_daily", "epoch", "run_no") == [
        (MON, None, 1, 1), (TUE, 0.01, 1, 2), (WED, 0.01, 1, 3),
    ]  # fmt: skip


def test_the_firm_s_row_is_restated_from_the_first_change_on(story: tuple[Groups, Groups]) -> None:
    assert _of(story[1], "acme", "as_of_date", "epoch") == [(MON, 1), (TUE, 2), (WED, 2)]
