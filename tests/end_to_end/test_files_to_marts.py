"""From files in landing to rows in the marts: the worked cases and a sample book, in two nights, then once more."""

from __future__ import annotations

import csv
import shutil
import statistics
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from pyspark.sql import SparkSession

from jobs.cli.run import ATTENTION
from jobs.cli.summary import FIGURES
from jobs.explain.account_row import explained
from jobs.explain.linking import PERIODS
from jobs.pipeline import run_all
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.sample.write import write_sample
from tests.conftest import compiled
from tests.golden.cases import Case, assert_as_expected, cases, differences

CASES = list(cases("daily"))
PERIOD_CASES = list(cases("periods"))
CASE_NAMES = {case.name for case in CASES}
FIRST_NIGHT, LAST_NIGHT = date(2026, 3, 4), date(2026, 4, 30)
PUBLISHED = "SELECT * FROM marts.account_performance_daily ORDER BY tenant_id, account_id, as_of_date"


@pytest.fixture(scope="module")
def book(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Everything landed at once, published through FIRST_NIGHT, then through LAST_NIGHT."""
    home = tmp_path_factory.mktemp("end_to_end")
    conf = home / "conf"
    (conf / "tenants").mkdir(parents=True)
    (conf / "calendars").mkdir()
    for name in ("tolerances.yaml", "currencies.yaml"):
        shutil.copy(Path("conf") / name, conf / name)
    (conf / "local.yaml").write_text("file_settle_seconds: 0\n")
    landing = home / "landing"
    for case in [*CASES, *PERIOD_CASES]:
        _land(case, landing, conf)
    write_sample(12, date(2026, 2, 23), date(2026, 3, 10), 7, landing, formats=("canonical", "brokerage", "ecb"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        patch.setenv("DIETZ_CONF", str(conf / "local.yaml"))
        settings = Settings()
    ledger = Ledger(settings)
    with compiled(spark):
        first = run_all(spark, settings, ledger.open_run(FIRST_NIGHT))
        after_first = _marts(database_url)
        second = run_all(spark, settings, ledger.open_run(LAST_NIGHT))
    return SimpleNamespace(
        spark=spark, settings=settings, ledger=ledger, home=home, url=database_url,
        counters=[first, second], after_first=after_first, rows=_marts(database_url),
    )  # fmt: skip


def _land(case: Case, landing: Path, conf: Path) -> None:
    """A case with holidays is a tenant of its own, since calendars belong to tenants; the others share one."""
    tenant = case.name if case.holidays else "worked_cases"
    (landing / tenant).mkdir(parents=True, exist_ok=True)
    for path in case.files:
        shutil.copy(path, landing / tenant / f"{path.stem}_{case.name}.csv")
    if case.holidays:
        days = ", ".join(str(day) for day in case.holidays)
        (conf / "calendars" / f"{case.name}.yaml").write_text(f"name: {case.name}\nholidays: [{days}]\n")
        (conf / "tenants" / f"{case.name}.yaml").write_text(f"calendar: {case.name}\n")


def _marts(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(PUBLISHED).fetchall()


def test_the_summary_and_the_strict_status_read_counters_that_the_steps_return(book: SimpleNamespace) -> None:
    read = {(step, name) for _, step, name in FIGURES} | set(ATTENTION)
    returned = {(step, name) for counters in book.counters for step in counters for name in counters[step]}
    assert read - returned == set()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_worked_case_comes_out_of_the_marts(book: SimpleNamespace, case: Case) -> None:
    rows = [row for row in book.rows if row["account_id"] == case.name]
    assert [row["as_of_date"] for row in rows] == [row["as_of_date"] for row in case.expected]
    wrong = [d for wanted, got in zip(case.expected, rows, strict=True) for d in differences(wanted, got)]
    assert wrong == []


def _asked(book: SimpleNamespace, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(book.url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("case", PERIOD_CASES, ids=[case.name for case in PERIOD_CASES])
def test_a_worked_period_comes_out_of_the_marts(book: SimpleNamespace, case: Case) -> None:
    rows = _asked(
        book,
        "SELECT DISTINCT ON (period) * FROM marts.account_performance_period"
        f" WHERE account_id = '{case.name}' ORDER BY period, as_of_date DESC",
    )
    assert [row["period"] for row in rows] == sorted(str(row["period"]) for row in case.expected)
    wanted = sorted(case.expected, key=lambda row: str(row["period"]))
    wrong = [(got["period"], d) for want, got in zip(wanted, rows, strict=True) for d in differences(want, got)]
    assert wrong == []


def test_periods_end_at_the_last_row_of_each_month_and_nowhere_else(book: SimpleNamespace) -> None:
    ends = _asked(
        book,
        "SELECT tenant_id, account_id, as_of_date, count(*) AS periods FROM marts.account_performance_period"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )
    last: dict[tuple[str, str, int, int], date] = {}
    for row in book.rows:  # ordered by date
        day = row["as_of_date"]
        last[row["tenant_id"], row["account_id"], day.year, day.month] = day
    assert [(row["tenant_id"], row["account_id"], row["as_of_date"]) for row in ends] == sorted(
        (tenant, account, day) for (tenant, account, _, _), day in last.items()
    )
    assert {row["periods"] for row in ends} == {8}


def test_periods_to_date_are_the_daily_row_s_own(book: SimpleNamespace) -> None:
    joined = _asked(
        book,
        "SELECT p.account_id, p.as_of_date, p.period, p.twrr, p.twrr_gross, CASE period WHEN 'MTD' THEN twrr_mtd"
        " WHEN 'QTD' THEN twrr_qtd WHEN 'YTD' THEN twrr_ytd ELSE twrr_itd END AS wanted,"
        " p.begin_market_value + p.net_flow + p.gain_loss - p.end_market_value AS unexplained"
        " FROM marts.account_performance_period p JOIN marts.account_performance_daily d"
        " USING (tenant_id, account_id, as_of_date) WHERE period IN ('MTD', 'QTD', 'YTD', 'ITD') AND p.status = 'ok'",
    )
    assert len(joined) > 100
    assert [row for row in joined if row["twrr"] != row["wanted"] or row["unexplained"]] == []


def test_risk_stands_beside_every_period_end_and_daily_returns_at_month_ends_only(book: SimpleNamespace) -> None:
    ends = _asked(
        book,
        "SELECT tenant_id, account_id, as_of_date, frequency, array_agg(window_name ORDER BY window_name) AS windows"
        " FROM marts.account_risk GROUP BY 1, 2, 3, 4",
    )
    periods = _asked(book, "SELECT DISTINCT tenant_id, account_id, as_of_date FROM marts.account_performance_period")
    keys = {(row["tenant_id"], row["account_id"], row["as_of_date"]) for row in periods}
    monthly = {(r["tenant_id"], r["account_id"], r["as_of_date"]) for r in ends if r["frequency"] == "monthly"}
    assert monthly == keys
    assert {tuple(row["windows"]) for row in ends} == {("1Y", "3Y", "5Y", "ITD")}
    daily = {row["as_of_date"] for row in ends if row["frequency"] == "daily"}
    assert daily
    assert {day for day in daily if (day + timedelta(days=3)).month == day.month} == set()


def test_benchmarks_stand_beside_the_periods_of_accounts_that_have_one(book: SimpleNamespace) -> None:
    key = ("tenant_id", "account_id", "as_of_date", "period")
    rows = _asked(
        book,
        "SELECT b.*, p.start_date AS since, p.twrr, p.twrr_gross, a.benchmark_id AS of_account"
        " FROM marts.account_performance_period p JOIN marts.account a USING (tenant_id, account_id)"
        " LEFT JOIN marts.account_benchmark_return b USING (tenant_id, account_id, as_of_date, period)",
    )
    assert {row["of_account"] is None for row in rows} == {True, False}
    assert [row for row in rows if (row["status"] is None) != (row["of_account"] is None)] == []
    levels: dict[tuple[str, str], dict[date, float]] = {}
    for path in sorted((book.home / "landing").glob("*/canonical_benchmark_levels_*.csv")):
        for row in csv.DictReader(path.read_text().splitlines()):
            of_index = levels.setdefault((path.parent.name, row["benchmark_id"]), {})
            of_index[date.fromisoformat(row["as_of_date"])] = float(row["level"])
    found = [row for row in rows if row["status"] == "ok"]
    assert len(found) > 50
    for row in found:
        known = levels[row["tenant_id"], row["benchmark_id"]]
        at_end, at_begin = (known[max(one for one in known if one <= day)] for day in (row["as_of_date"], row["since"]))
        wanted = at_end / at_begin - 1
        assert row["benchmark_return"] == pytest.approx(wanted, abs=1e-12), [row[name] for name in key]
        assert row["excess_arithmetic"] == pytest.approx(row["twrr"] - wanted, abs=1e-12)
        assert row["excess_geometric_gross"] == pytest.approx((1 + row["twrr_gross"]) / (1 + wanted) - 1, abs=1e-12)


def test_monthly_risk_is_made_of_the_published_month_end_returns(book: SimpleNamespace) -> None:
    of_case = "account_id = 'over_two_years'"
    months = _asked(
        book,
        f"SELECT twrr FROM marts.account_performance_period WHERE {of_case} AND period = 'MTD' ORDER BY as_of_date",
    )
    returns = [row["twrr"] for row in months[1:]]  # the first row opens the account
    risk = _asked(
        book,
        f"SELECT * FROM marts.account_risk WHERE {of_case} AND frequency = 'monthly' AND window_name = 'ITD'"
        " ORDER BY as_of_date DESC LIMIT 1",
    )[0]
    assert (risk["observations"], len(returns)) == (26, 26)
    assert risk["volatility"] == pytest.approx(statistics.stdev(returns) * 12**0.5, abs=1e-12)
    assert (risk["best"], risk["worst"]) == (max(returns), min(returns))


def test_calendar_returns_are_those_of_the_last_daily_row_of_each_month_quarter_and_year(book: SimpleNamespace) -> None:
    joined = _asked(
        book,
        "SELECT c.*, CASE calendar_period WHEN 'month' THEN twrr_mtd WHEN 'quarter' THEN twrr_qtd ELSE twrr_ytd END AS"
        " wanted, d.inception_date > c.period_start AS began_within FROM marts.account_calendar_return c"
        " JOIN marts.account_performance_daily d USING (tenant_id, account_id, as_of_date)",
    )
    assert {row["calendar_period"] for row in joined} == {"month", "quarter", "year"}
    assert [row for row in joined if abs(row["twrr"] - row["wanted"]) > 1e-12] == []
    assert [row for row in joined if row["is_partial"] != row["began_within"]] == []
    unexplained = [
        r for r in joined if r["begin_market_value"] + r["net_flow"] + r["gain_loss"] != r["end_market_value"]
    ]
    assert unexplained == []


@pytest.mark.parametrize("tenant", ["northwind_wealth", "alpine_family_office"])
def test_the_sample_book_comes_out_as_the_reference_says(book: SimpleNamespace, tenant: str) -> None:
    path = book.home / "landing" / "_expected" / tenant / "expected_account_performance_daily.csv"
    assert_as_expected(path, [row for row in book.rows if row["tenant_id"] == tenant])


def test_the_first_night_publishes_nothing_dated_after_it_and_the_second_leaves_it_alone(book: SimpleNamespace) -> None:
    assert {row["as_of_date"] for row in book.after_first if row["as_of_date"] > FIRST_NIGHT} == set()
    later = {(row["tenant_id"], row["account_id"], row["as_of_date"]): row for row in book.rows}
    for row in book.after_first:
        assert later[row["tenant_id"], row["account_id"], row["as_of_date"]] == row


def test_published_rows_are_what_explain_makes_of_their_inputs(book: SimpleNamespace) -> None:
    """Every worked case and a part of the sample book, whose files come in several formats and currencies."""
    sample = [row for row in book.rows if row["account_id"] in CASE_NAMES]
    sample += [row for row in book.rows if row["account_id"] not in CASE_NAMES][::7]
    for row in sample:
        found = explained(
            book.settings, book.ledger, row["tenant_id"], row["account_id"], day=row["as_of_date"], periods=PERIODS
        )
        assert found.differences == [], (row["tenant_id"], row["account_id"], row["as_of_date"])
    assert {"modified_dietz", "daily"} == {row["method"] for row in sample}


def test_no_row_was_lost_on_the_way(book: SimpleNamespace) -> None:
    for file in book.ledger.files(status=["accepted"]):
        assert file.records == file.silver + file.quarantined + file.skipped, file.path
        assert file.quarantined == 0, (file.path, file.message)
    assert {file.status for file in book.ledger.files()} == {"accepted"}


def test_a_book_that_its_vendor_agrees_with_has_no_break(book: SimpleNamespace) -> None:
    with psycopg.connect(book.url) as connection:
        found = connection.execute(
            "SELECT state, count(*) FROM marts.reconciliation_break GROUP BY state ORDER BY state"
        ).fetchall()
    assert [state for state, _ in found] == ["not_comparable"]
    assert (book.home / "landing" / "_expected" / "planted_breaks.csv").read_text().splitlines()[1:] == []


def test_a_third_run_changes_no_row_and_no_published_at(book: SimpleNamespace) -> None:
    counters = run_all(book.spark, book.settings, book.ledger.open_run(LAST_NIGHT))
    assert _marts(book.url) == book.rows
    assert counters["publish"]["rows"] == 0
