"""Back-dated inputs, one kind an account: what a late night makes of them is what one night from scratch would.

The book has a month-end behind it, so that periods and risk of a month that has ended are concerned too.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.platform.settings import PROJECT_ROOT, Settings
from tests.firm import Firm

pytestmark = pytest.mark.system
FIRST, MONTH_END, MON, TUE = date(2025, 12, 15), date(2026, 1, 30), date(2026, 2, 2), date(2026, 2, 3)
THU, FRI, SAT, SUN = date(2026, 1, 29), date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1)
WEEKDAYS = [day for n in range((MON - FIRST).days + 1) if (day := FIRST + timedelta(days=n)).weekday() < 5]
MIDDLE = date(2026, 1, 14)
RESTATED = {
    "base currency of the only version",
    "version retired",
    "vendor that counts",
    "version replayed from",
    "month-end gone",
    "late yen",
}
AS_BEFORE = {"quiet", "moved within a weekend", "level corrected", "benchmark changed", "euro", "version replayed to"}
MEASURED = {"level corrected", "benchmark changed"}
CASES = sorted(RESTATED | AS_BEFORE)


@dataclass
class Story:
    """The firm after its late night, its counters, and the firm that got all at once."""

    counters: dict[str, int | str]
    late: Firm
    scratch: Firm
    gold: tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]
    periods: tuple[dict[tuple[Any, ...], dict[str, Any]], dict[tuple[Any, ...], dict[str, Any]]]
    risk: tuple[dict[tuple[Any, ...], dict[str, Any]], dict[tuple[Any, ...], dict[str, Any]]]


def settings_in(home: Path) -> Settings:
    (home / "conf" / "tenants").mkdir(parents=True)
    (home / "conf" / "local.yaml").write_text("file_settle_seconds: 0\n", encoding="utf-8")
    shutil.copy(PROJECT_ROOT / "conf" / "tolerances.yaml", home / "conf")  # classes of materiality
    (home / "conf" / "tenants" / "acme.yaml").write_text("source_priority: [brokerage]\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_CONF", str(home / "conf" / "local.yaml"))
        return Settings()


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    firm = Firm(spark, settings_in(tmp_path_factory.mktemp("late")))
    first_night(firm)
    firm.night(MON)
    what_comes_late(firm)
    counters = firm.night(TUE)
    scratch = firm.from_scratch(settings_in(tmp_path_factory.mktemp("scratch")))
    both = (firm, scratch)
    return Story(
        counters, firm, scratch,
        gold=tuple(one.gold() for one in both),  # type: ignore[arg-type]
        periods=tuple(one.published("account_performance_period", "period") for one in both),  # type: ignore[arg-type]
        risk=tuple(one.published("account_risk", "window_name", "frequency") for one in both),  # type: ignore[arg-type]
    )  # fmt: skip


def first_night(firm: Firm) -> None:
    for account in CASES:
        version = {"effective_from": THU} if account == "base currency of the only version" else {}
        benchmark = "IDX" if account in MEASURED else None
        firm.deliver("account", account_id=account, base_currency="USD", benchmark_id=benchmark, **version)
    firm.deliver("account", account_id="version retired", effective_from=FRI, in_performance=False)
    for number, day in enumerate(WEEKDAYS):
        for account in MEASURED:
            firm.values(day, **{account: str(1000 + number * 7 % 50)})
        for benchmark, step in (("IDX", 3), ("OTHER", 5)):
            level = Decimal(100 + number * step % 40)
            firm.deliver("benchmark_level", benchmark_id=benchmark, as_of_date=day, level=level)
    for day, value in ((THU, "1000"), (FRI, "1010"), (MON, "1030")):
        firm.values(day, **{account: value for account in CASES if account not in MEASURED})
    for currency, account in (("EUR", "euro"), ("JPY", "late yen")):
        firm.deliver("fx_rate", as_of_date=THU, from_currency="USD", to_currency=currency, rate=Decimal(2))
        firm.deliver(
            "transaction", transaction_id=currency, account_id=account, trade_date=MON, performance_date=MON,
            amount=Decimal(10), currency=currency,
        )  # fmt: skip
    firm.deliver("fx_rate", as_of_date=THU, from_currency="USD", to_currency="GBP", rate=Decimal(2))
    firm.flow("moved within a weekend", SAT, "100", known_as="weekend")
    firm.flow("vendor that counts", MON, "100", known_as="of the other vendor")
    firm.flow("version replayed from", MON, "50", known_as="replayed", status="correct")


def what_comes_late(firm: Firm) -> None:
    firm.values(TUE, **{account: "1040" for account in CASES if account != "month-end gone"})
    only = "base currency of the only version"
    firm.deliver("account", account_id=only, base_currency="GBP", effective_from=THU)
    firm.deliver("account", account_id="version retired", effective_from=FRI, in_performance=False, retired=True)
    flow = {"transaction_id": "b1", "trade_date": TUE, "performance_date": TUE, "amount": Decimal(1)}
    firm.deliver("transaction", account_id="vendor that counts", vendor="brokerage", **flow)
    # Read anew by a mended mapping: it arrived before the version that moved it here from another account.
    earlier = {"transaction_id": "replayed", "trade_date": MON, "performance_date": MON, "amount": Decimal(50)}
    firm.deliver("transaction", account_id="version replayed to", arrival_no=0, **earlier)
    firm.flow("version replayed from", MON, "60", known_as="replayed too")
    firm.flow("moved within a weekend", SUN, "100", known_as="weekend", status="correct")
    for day in (FRI, MON):
        gone = {"account_id": "month-end gone", "as_of_date": day, "market_value": Decimal(1), "retired": True}
        firm.deliver("valuation", **gone)
    firm.deliver("fx_rate", as_of_date=FRI, from_currency="USD", to_currency="JPY", rate=Decimal(4))
    firm.deliver("benchmark_level", benchmark_id="IDX", as_of_date=MIDDLE, level=Decimal(333))
    firm.deliver("account", account_id="benchmark changed", base_currency="USD", benchmark_id="OTHER")


@pytest.mark.parametrize("account", CASES)
def test_daily_rows_are_those_of_a_calculation_from_scratch(story: Story, account: str) -> None:
    own = {"epoch", "run_id", "run_no"}
    late, scratch = ([strip(row, own) for row in gold.get(account, [])] for gold in story.gold)
    assert late == scratch


@pytest.mark.parametrize("account", CASES)
def test_periods_are_those_of_a_calculation_from_scratch(story: Story, account: str) -> None:
    assert of(account, story.periods[0]) == of(account, story.periods[1])


@pytest.mark.parametrize("account", CASES)
def test_risk_is_that_of_a_calculation_from_scratch(story: Story, account: str) -> None:
    assert of(account, story.risk[0]) == of(account, story.risk[1])


def test_only_what_changes_opens_an_epoch(story: Story) -> None:
    epochs = {account: max(row["epoch"] for row in rows) for account, rows in story.gold[0].items()}
    restated = {account for account, epoch in epochs.items() if epoch > 1}
    # What is no more has no row of a later epoch.
    assert restated == RESTATED - {"month-end gone"}


def test_only_what_is_concerned_goes_back(story: Story) -> None:
    """Also those whose rows turn out to be as before; not the account in euro, whose rates are as they were."""
    going_back = RESTATED | {"moved within a weekend", "version replayed to"}
    assert story.counters["accounts_going_back"] == len(going_back)
    assert story.counters["accounts"] == len(CASES)


def test_the_others_keep_their_rows(story: Story) -> None:
    for account in ("quiet", "euro", "moved within a weekend", "level corrected"):
        assert {row["run_no"] for row in story.gold[0][account] if row["as_of_date"] < TUE} == {1}
    again = {key[0] for key, row in story.periods[0].items() if key[1] < TUE and row["run_no"] == 2}
    assert "quiet" not in again
    assert "euro" not in again


def strip(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The row's figures; doubles to 1e-12."""
    figures = {name: value for name, value in row.items() if name not in names}
    return {n: pytest.approx(v, abs=1e-12, rel=1e-12) if isinstance(v, float) else v for n, v in figures.items()}


def of(account: str, rows: dict[tuple[Any, ...], dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    own = {"epoch", "run_id", "run_no"}
    return {key: strip(row, own) for key, row in rows.items() if key[0] == account}
