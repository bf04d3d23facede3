"""Benchmark returns over three nights of one firm: beside new periods, and again where a level came late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.benchmark_rows import BENCHMARK
from tests.firm import DAILY, Firm

pytestmark = pytest.mark.system

THU, FRI, MON = date(2026, 1, 29), date(2026, 1, 30), date(2026, 2, 2)
Rows = dict[tuple[str, date, str], dict[str, Any]]


@dataclass
class Story:
    """Rows of each of the three runs by account, date and period, and the runs' counters."""

    rows: list[Rows]
    counters: list[dict[str, int | str]]
    daily_rows_of_the_third: int


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(tmp_path_factory.mktemp("benchmarks")))
        firm = Firm(spark)
        for account, benchmark in (("a", "INDEX"), ("b", None), ("c", None)):
            firm.deliver("account", account_id=account, base_currency="USD", benchmark_id=benchmark)
        firm.values(THU, a="1000", b="1000", c="1000")
        firm.values(FRI, a="1050", b="1050", c="1050")
        levels(firm, {THU: "100", FRI: "101"})
        counters = [firm.night(FRI)]
        firm.values(MON, a="1102.5", b="1102.5", c="1102.5")
        levels(firm, {MON: "103.02"})
        counters.append(firm.night(MON))
        levels(firm, {FRI: "102"})  # corrected; and c is told to have had a benchmark since Friday
        firm.deliver("account", account_id="c", base_currency="USD", benchmark_id="INDEX", effective_from=FRI)
        counters.append(firm.night(MON))
        found = [rows_of(firm, run_no) for run_no in (1, 2, 3)]
        yield Story(found, counters, firm.lake.read(DAILY).where("run_no = 3").count())


def levels(firm: Firm, given: dict[date, str]) -> None:
    for day, level in given.items():
        firm.deliver("benchmark_level", benchmark_id="INDEX", as_of_date=day, level=Decimal(level))


def rows_of(firm: Firm, run_no: int) -> Rows:
    rows = firm.lake.read(BENCHMARK).where(f"run_no = {run_no}").collect()
    found = {(row["account_id"], row["as_of_date"], row["period"]): row.asDict() for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_night_writes_them_beside_its_periods(story: Story) -> None:
    for rows, day, mtd in ((story.rows[0], FRI, 0.01), (story.rows[1], MON, 0.02)):
        assert {key[:2] for key in rows} == {("a", day)}  # who never had a benchmark has none
        assert len(rows) == 8
        row = rows["a", day, "MTD"]
        assert row["benchmark_return"] == pytest.approx(mtd, abs=1e-12)
        assert row["excess_arithmetic"] == pytest.approx(0.05 - mtd, abs=1e-12)
        assert row["excess_geometric"] == pytest.approx(1.05 / (1 + mtd) - 1, abs=1e-12)
        assert rows["a", day, "3Y"]["status"] == "insufficient_history"
    assert story.rows[1]["a", MON, "ITD"]["benchmark_return"] == pytest.approx(0.0302, abs=1e-12)


def test_a_late_level_is_taken_up_in_every_published_period_that_it_is_in(story: Story) -> None:
    again = {key: row for key, row in story.rows[2].items() if key[0] == "a"}
    assert {key[1] for key in again} == {FRI, MON}
    assert again["a", FRI, "MTD"]["benchmark_return"] == pytest.approx(0.02, abs=1e-12)
    assert again["a", MON, "MTD"]["benchmark_return"] == pytest.approx(0.01, abs=1e-12)
    assert again["a", MON, "ITD"]["benchmark_return"] == pytest.approx(0.0302, abs=1e-12)


def test_another_benchmark_from_an_earlier_day_is_too(story: Story) -> None:
    told = {key: row for key, row in story.rows[2].items() if key[0] == "c"}
    assert {key[1] for key in told} == {FRI, MON}
    assert told["c", MON, "MTD"]["benchmark_return"] == pytest.approx(0.01, abs=1e-12)
    assert (told["c", MON, "ITD"]["benchmark_return"], told["c", MON, "ITD"]["status"]) == (
        pytest.approx(0.0302, abs=1e-12), "ok",
    )  # fmt: skip


def test_neither_restates_an_account(story: Story) -> None:
    assert story.daily_rows_of_the_third == 0
    assert [one["restated"] for one in story.counters] == [0, 0, 0]
    assert [one["benchmarks"] for one in story.counters] == [8, 8, 32]
    assert {row["epoch"] for row in story.rows[2].values()} == {1}
