"""The page of a night: it says what the database holds, in every state of it, and nothing that it must not say."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from jobs.platform.settings import Settings
from jobs.report.read import read_night
from jobs.report.words import masked, reasons, tasks, verdict
from jobs.report.write import write_report

NIGHT = date(2026, 3, 31)
EMPTY_NIGHT = date(2026, 4, 1)
AT = datetime.fromisoformat("2026-04-01 04:12:00+00:00")


@pytest.fixture(scope="module")
def filled(database_url: str) -> str:
    """A database with one night of two tenants: 3 accounts, 40 breaks, a held account, quarantine and a bad file."""
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        fill(cursor)
    return database_url


def fill(cursor: psycopg.Cursor) -> None:
    cursor.execute("SET ROLE dietz_loader")
    cursor.execute("CREATE TABLE marts.daily_rest PARTITION OF marts.account_performance_daily DEFAULT")
    cursor.execute(
        "INSERT INTO ops.run (run_id, business_date, status, started_at, ended_at, code_version)"
        " VALUES ('nightly-1', %s, 'done', %s, %s, '0.1.0')",
        [NIGHT, AT, AT + timedelta(seconds=72)],
    )
    (run_no,) = cursor.execute("SELECT run_no FROM ops.run").fetchone() or (0,)
    for place, step in enumerate(["detect", "ingest", "normalise", "check", "calculate", "reconcile", "publish"]):
        began = AT + timedelta(seconds=10 * place)
        cursor.execute(
            "INSERT INTO ops.step_run (run_id, step, attempt, started_at, ended_at, status)"
            " VALUES ('nightly-1', %s, 1, %s, %s, 'done')",
            [step, began, began + timedelta(seconds=3.5)],
        )
    cursor.executemany(
        "INSERT INTO marts.night_status VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'nightly-1', %s, %s, %s)",
        [
            ("alpine", NIGHT, "canonical", 8, 8, 1, 0, 1, AT, True, ""),
            ("northwind", NIGHT, "brokerage", 2, 2, 2, 1, 2, AT, False, "1 account withheld"),
            ("northwind", NIGHT, "canonical", 8, 8, 1, 1, 2, AT, False, "did not run: check; 1 account withheld"),
        ],
    )
    for tenant, account, value in (("northwind", "NW-1", 1000), ("northwind", "NW-2", 2000), ("alpine", "AL-1", 500)):
        for back in range(5):
            day, begin, end = NIGHT - timedelta(days=back), value, value + 10
            cursor.execute(
                "INSERT INTO marts.account_performance_daily (tenant_id, account_id, as_of_date, currency,"
                " begin_market_value, end_market_value, gain_loss, weighted_capital, days, twrr_daily, twrr_itd,"
                " track_no, status, quality_flags, epoch, run_id, published_at) VALUES (%s, %s, %s, 'USD', %s, %s, 10,"
                " %s, 1, %s, %s, 1, 'ok', '', 1, 'nightly-1', %s)",
                [tenant, account, day, begin, end, begin, 10 / value, (5 - back) * 10 / value, AT],
            )
    for number in range(40):
        cursor.execute(
            "INSERT INTO marts.reconciliation_break VALUES ('northwind', %s, %s, %s, 'canonical', 'twrr_daily', 0.01,"
            " 0.009, NULL, %s, 'warn', 'open', %s, %s, 'differs', 'nightly-1', %s)",
            [f"b{number}", f"NW-{number}", NIGHT, number + 0.5, NIGHT, NIGHT, AT],
        )
    cursor.execute(
        "INSERT INTO marts.reconciliation_break VALUES ('northwind', 'old', 'NW-2', %s, 'canonical', 'end_value', 2010,"
        " 1500.25, 509.75, -3397.8, 'warn', 'open', %s, %s, 'differs', 'nightly-1', %s)",
        [NIGHT, NIGHT - timedelta(days=3), NIGHT, AT],
    )
    for break_id, state, reason, who in (
        ("c1", "resolved", "the figures agree now", None),
        ("c2", "accepted", "accepted by ann until 2026-04-02: account 000123456789 rounds", "ann"),
        ("c3", "explained", "theirs is before fees: ours before fees is 1.0500 %", None),
    ):
        cursor.execute(
            "INSERT INTO marts.reconciliation_break (tenant_id, break_id, account_id, as_of_date, source_vendor, type,"
            " difference_bps, state, first_seen_on, last_seen_on, reason, run_id, published_at, changed_on,"
            " accepted_by, accepted_until) VALUES ('alpine', %s, 'AL-1', %s, 'canonical', 'twrr_daily', 5, %s, %s, %s,"
            " %s, 'earlier', %s, %s, %s, %s)",
            [break_id, NIGHT, state, NIGHT, NIGHT, reason, AT, NIGHT, who, NIGHT + timedelta(days=2)],
        )
    cursor.execute(
        "INSERT INTO marts.held_account VALUES ('northwind', 'NW-9', %s, 'return_out_of_range',"
        " 'return of 310 %% without a flow', 'hold', 'held', 'nightly-1', %s)",
        [NIGHT, AT],
    )
    for file_id, path, status, message in (
        ("f1", "northwind/Trust_XX876_Transactions_20260331-182317.csv", "accepted", None),
        ("f2", "northwind/statement_U12345678.csv", "unrecognised", "no mapping fits; best is brokerage with 0.31"),
    ):
        cursor.execute(
            "INSERT INTO ops.file (file_id, tenant_id, path, size_bytes, modified_at, vendor, feed, status, run_no,"
            " arrival_no, lines, records, silver, quarantined, skipped, message) VALUES (%s, 'northwind', %s, 2048, %s,"
            " 'brokerage', 'brokerage_transactions', %s, %s, nextval('ops.arrival_no'), 12, 9, 8, 1, 3, %s)",
            [file_id, path, AT, status, run_no, message],
        )
    cursor.execute(
        "INSERT INTO marts.quarantined_row VALUES ('northwind', 'f1', 7, 1, 'account', 'brokerage',"
        " 'brokerage_transactions', 'U12345678', %s, 'Eleanor Rigby,U12345678', NULL, 'open', 'v1', %s, %s)",
        [
            '[{"rule": "too_long", "column": "account_name", "value": "Eleanor Rigby", "expected": "a short name"},'
            ' {"rule": "not_a_number", "column": "amount", "value": "1.234,56", "expected": "plain number"}]',
            run_no,
            AT,
        ],
    )
    cursor.execute(
        "INSERT INTO marts.data_quality_result VALUES ('northwind', 'canonical', 'canonical_valuations', 'valuation',"
        " 'row_count', '', 'warn', false, 0.42, 'between 0.5 and 2', 187, 0, %s, 'nightly-1', %s, %s)",
        [run_no, NIGHT, AT],
    )


def page_of(settings: Settings, night: date) -> str:
    path = write_report(settings, night)
    assert path == settings.folder("reports") / f"{night}.html"
    return path.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees: without markup, white space evened out."""
    body = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_a_database_without_a_night_gives_a_page_that_says_so(settings: Settings) -> None:
    page = text_of(page_of(settings, EMPTY_NIGHT))
    assert "Not published No run published this date." in page
    assert "Wednesday, 1 April 2026" in page
    for empty in ("Nothing is published", "The quarantine is empty", "Every file was taken", "nothing to draw yet"):
        assert empty in page


def test_the_first_thing_said_is_what_needs_a_person(filled: str, settings: Settings) -> None:
    page = text_of(page_of(settings, NIGHT))
    expected = [
        "Needs you now",
        "3 accounts of 2 tenants published; 6 matters to look at.",
        "2 sources may not be read by other jobs: brokerage of northwind, canonical of northwind",
        "1 file not recognised: statement_U•••678.csv",
        "1 account held back from publication",
        "41 open breaks, 40 of them new tonight; the largest is 509.75 USD on the end value of NW-2",
        "1 row in quarantine",
        "1 quality rule not met",
        "Tenants and sources",
    ]
    places = [page.index(words) for words in expected]
    assert places == sorted(places)


def test_long_lists_are_cut_with_their_number_and_the_largest_stay(filled: str, settings: Settings) -> None:
    page = text_of(page_of(settings, NIGHT))
    assert "Shown: 25 of 41 open breaks." in page
    table = page[page.index("Breaks, largest first") : page.index("Accounts held")]
    assert table.index("2,010.00 1,500.25 509.75 USD -3,397.8 bp 3") < table.index("NW-39")
    assert "NW-16 " in table  # 24th by size
    assert "NW-10 " not in table


def test_what_needs_a_person_is_counted_beyond_what_is_shown(filled: str, settings: Settings) -> None:
    """30 files refused and one withheld, 6 findings on each of 10 accounts, 30 rules failed: 25 of each are shown."""
    with psycopg.connect(filled) as connection:
        connection.execute(
            "INSERT INTO ops.file (file_id, tenant_id, path, size_bytes, modified_at, vendor, status, arrival_no)"
            " SELECT 'r' || n, 'northwind', 'northwind/' || n, 1, now(), 'brokerage', CASE n WHEN 31 THEN 'withheld'"
            " ELSE 'refused' END, nextval('ops.arrival_no') FROM generate_series(1, 31) n"
        )
        connection.execute(
            "INSERT INTO marts.held_account SELECT 'northwind', 'MANY-' || n / 6, %s::date - n, 'value_jump',"
            " 'x', 'hold', 'held', 'nightly-1', %s FROM generate_series(0, 59) n",
            [NIGHT, AT],
        )
        connection.execute(
            "INSERT INTO marts.data_quality_result SELECT tenant_id, vendor, feed, table_name, 'rule' || n, '', 'fail',"
            " false, observed, expected_value, 1, 1, run_no, run_id, business_date, published_at"
            " FROM marts.data_quality_result, generate_series(1, 30) n WHERE rule = 'row_count'"
        )
        said = [task.text for task in tasks(read_night(connection, NIGHT, {}))]
        connection.rollback()
    wanted = {
        "30 files refused",
        "1 file withheld by the gate: 31",
        "11 accounts held back from publication",
        "30 rules of severity fail not met",
    }
    assert wanted - set(said) == set()


def test_what_changed_since_yesterday_stands_before_what_is_open(filled: str, settings: Settings) -> None:
    page = text_of(page_of(settings, NIGHT))
    changed = page[page.index("Breaks since yesterday") : page.index("Breaks, largest first")]
    assert "1 resolved, 1 explained, 1 accepted. 1 accepted only for the next seven days." in changed
    assert "explained AL-1 2026-03-31 daily return – +5.0 bp theirs is before fees" in changed
    assert "until 2026-04-02: account •••789 rounds ann canonical alpine" in changed


def put_break(connection: psycopg.Connection, break_id: str, **columns: Any) -> None:
    row = {
        "tenant_id": "northwind", "break_id": break_id, "account_id": "NW-1", "as_of_date": NIGHT,
        "source_vendor": "brokerage", "type": "end_value", "state": "open", "first_seen_on": NIGHT,
        "last_seen_on": NIGHT, "reason": "differs", "run_id": "nightly-1", "published_at": AT, **columns,
    }  # fmt: skip
    names, values = ", ".join(row), ", ".join(["%s"] * len(row))
    insert = f"INSERT INTO marts.reconciliation_break ({names}) VALUES ({values})"
    connection.execute(insert.encode(), list(row.values()))


def test_breaks_stand_by_band_then_by_money_of_the_tenant_then_by_basis_points(
    filled: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NW-2 is kept in euros, 1.5 dollars each. 0.02 on a value of 0.01 are 20,000 bp, and no matter."""
    from jobs.cli import breaks
    from jobs.platform import database

    bands = {"large": 0, "small": 1}
    large, small = {"materiality": "large"}, {"materiality": "small"}
    with database.connect(settings) as connection:
        connection.execute("CREATE TABLE marts.rest PARTITION OF marts.account_performance_reporting DEFAULT")
        connection.execute(
            "INSERT INTO marts.account_performance_reporting SELECT * FROM marts.account_performance_daily"
            " WHERE account_id = 'NW-2'"
        )
        connection.execute("UPDATE marts.account_performance_daily SET currency = 'EUR' WHERE account_id = 'NW-2'")
        connection.execute("UPDATE marts.account_performance_reporting SET end_market_value = 1.5 * end_market_value")
        put_break(connection, "tiny", difference=Decimal("0.02"), difference_bps=20000, **small)
        put_break(connection, "return", type="twrr_daily", difference_bps=300, **large)
        put_break(connection, "dollars", difference=Decimal(-2_000_000), difference_bps=-50, **large)
        put_break(connection, "euros", account_id="NW-2", difference=Decimal(1_500_000), difference_bps=40, **large)
        put_break(connection, "units", type="position_quantity", item="X", difference=Decimal(9_000_000),
                  difference_bps=200, **large)  # fmt: skip
        page = read_night(connection, NIGHT, bands).breaks.rows[:6]
        monkeypatch.setattr(breaks, "bands", lambda _: bands)
        asked = dict.fromkeys(["tenant", "vendor", "type", "owner", "band", "id"])
        listed = breaks._found(connection, breaks.STATES["open"], asked)[:6]
        connection.rollback()
    assert [row["break_id"] for row in listed] == ["euros", "dollars", "return", "units", "tiny", "old"]
    shown = [(row["account_id"], row["type"], row["currency"]) for row in page]
    assert shown == [
        ("NW-2", "end_value", "EUR"), ("NW-1", "end_value", "USD"), ("NW-1", "twrr_daily", "USD"),
        ("NW-1", "position_quantity", None), ("NW-1", "end_value", "USD"), ("NW-2", "end_value", "EUR"),
    ]  # fmt: skip


def test_the_largest_band_of_every_scope_comes_first(settings: Settings) -> None:
    from jobs.report.largest import bands

    settings.conf_folder.mkdir(parents=True, exist_ok=True)
    ages, why = "age: [{name: old}]", "reason: Ten words are enough for it."
    (settings.conf_folder / "breaks.yaml").write_text(
        f"bands:\n- {{{ages}, materiality: [{{name: small, below: {{bps: 1}}}}, {{name: large}}], {why}}}\n"
        f"- {{tenant: acme, {ages}, materiality: [{{name: trivial, below: {{bps: 5}}}}, {{name: grave}}], {why}}}\n",
        encoding="utf-8",
    )
    assert bands(settings) == {"large": 0, "grave": 0, "small": 1, "trivial": 1}


def test_figures_of_the_night_stand_in_their_tables(filled: str, settings: Settings) -> None:
    page = text_of(page_of(settings, NIGHT))
    assert "northwind brokerage 2 2 2 2 1 may not be read 1 account withheld" in page
    assert "northwind canonical 8 8 2 1 1 may not be read did not run: check; 1 account withheld" in page
    assert "alpine canonical 8 8 1 1 0 complete" in page
    assert "too long account_name brokerage_transactions northwind 1 1 0 1" in page
    assert "Trust_XX876_Transactions_20260331-182317.csv 7" in page
    assert "not a number: amount is “1.234,56”, expected plain number" in page
    assert "no mapping fits; best is brokerage with 0.31" in page
    assert "row_count canonical_valuations valuation 0.42 between 0.5 and 2 0 187 northwind" in page
    assert "run nightly-1 , 1 min 12 s, dietz 0.1.0" in page


def test_a_night_that_may_not_be_read_is_not_all_clear(filled: str, settings: Settings) -> None:
    """Nothing but the status stands against the night: a step did not run."""
    from jobs.platform import database

    night = date(2026, 3, 2)
    with database.connect(settings) as connection:
        connection.execute("DELETE FROM ops.file")
        connection.execute(
            "INSERT INTO marts.night_status VALUES ('alpine', %s, 'canonical', 8, 8, 1, 0, 1, 'nightly-1', %s, false,"
            " 'did not run: reconcile')",
            [night, AT],
        )
        found = read_night(connection, night, {})
        connection.rollback()
    assert [task.text for task in tasks(found)] == ["1 source may not be read by other jobs: canonical of alpine"]
    assert verdict(found, tasks(found)).word == "Needs you now"


def run_of(connection: psycopg.Connection, run_id: str, night: date, status: str, **limits_and_steps: str) -> None:
    """A run, limited to a tenant or vendor, with the status of the only attempt of each step that has begun."""
    limits = [limits_and_steps.pop(name, None) for name in ("tenant", "vendor")]
    connection.execute(
        "INSERT INTO ops.run (run_id, business_date, status, tenant, vendor, code_version)"
        " VALUES (%s, %s, %s, %s, %s, '1')",
        [run_id, night, status, *limits],
    )
    for step, ended in limits_and_steps.items():
        details = '{"error": "no space left"}' if ended == "failed" else "{}"
        connection.execute(
            "INSERT INTO ops.step_run (run_id, step, attempt, status, details) VALUES (%s, %s, 1, %s, %s)",
            [run_id, step, ended, details],
        )


@pytest.mark.parametrize(
    ("status", "calculate", "said"),
    [
        ("failed", "failed", "Step calculate of run everybody failed: no space left"),
        ("running", "running", "Step calculate of run everybody failed: it ended without a word"),  # killed
    ],
)
def test_a_run_of_one_tenant_does_not_clear_the_failed_run_of_all(
    filled: str, settings: Settings, status: str, calculate: str, said: str
) -> None:
    """Files of two tenants were taken, the calculation failed, and then a run of alpine alone succeeded."""
    from jobs.platform import database

    night = date(2026, 3, 3)
    with database.connect(settings) as connection:
        connection.execute("DELETE FROM ops.file")
        connection.execute("DELETE FROM marts.reconciliation_break")
        for table in ("held_account", "quarantined_row"):
            connection.execute(f"DELETE FROM marts.{table}")
        connection.execute(
            "INSERT INTO marts.night_status VALUES ('alpine', %s, 'canonical', 8, 8, 1, 0, 1, 'alone', %s, true, '')",
            [night, AT],
        )
        run_of(connection, "everybody", night, status, check="done", calculate=calculate)
        run_of(connection, "alone", night, "done", tenant="alpine", calculate="done", publish="done")
        narrow = read_night(connection, night, {})
        run_of(connection, "northwind_prices", night, "done", vendor="prices", publish="done")
        run_of(connection, "replay", night, "done", normalise="done")
        still = read_night(connection, night, {})
        run_of(connection, "everybody_again", night, "done", calculate="done", publish="done")
        mended = read_night(connection, night, {})
        connection.rollback()
    for found in (narrow, still):
        assert [task.text for task in tasks(found)] == [said]
        assert verdict(found, tasks(found)).word == "Failed"
    assert verdict(mended, tasks(mended)).word == "All clear"


def test_a_run_of_all_clears_the_failed_run_of_one_tenant(filled: str, settings: Settings) -> None:
    from jobs.platform import database

    night = date(2026, 3, 3)
    with database.connect(settings) as connection:
        run_of(connection, "alone", night, "failed", tenant="alpine", calculate="failed")
        run_of(connection, "other", night, "done", tenant="northwind", publish="done")
        failed = read_night(connection, night, {}).failures
        run_of(connection, "everybody", night, "done", publish="done")
        mended = read_night(connection, night, {}).failures
        connection.rollback()
    assert failed == [{"run_id": "alone", "step": "calculate", "error": "no space left"}]
    assert mended == []


def test_names_and_account_numbers_do_not_stand_there(filled: str, settings: Settings) -> None:
    page = page_of(settings, NIGHT)
    assert "Eleanor Rigby" not in page
    assert "12345678" not in page
    assert "statement_U•••678.csv" in page


def test_numbers_of_vendors_are_shortened_and_accounts_of_the_firm_are_not(filled: str, settings: Settings) -> None:
    from jobs.cli import breaks
    from jobs.platform import database

    with database.connect(settings, autocommit=True) as connection:
        put_break(connection, "new", account_id="4711-0091", type="account_new", difference_bps=500)
        put_break(connection, "again", account_id="NW-1", type="account_renumbered", item="4711-0092", state="resolved",
                  changed_on=NIGHT)  # fmt: skip
        asked = dict.fromkeys(["tenant", "vendor", "type", "owner", "band"])
        found = [breaks._found(connection, "true", {**asked, "id": one})[0] for one in ("new", "again")]
        page = text_of(page_of(settings, NIGHT))
        connection.execute("DELETE FROM marts.reconciliation_break WHERE break_id IN ('new', 'again')")
    assert [(row["account_id"], row["item"]) for row in found] == [("******091", None), ("NW-1", "******092")]
    assert "4711" not in page
    changed, still_open = page.split("Breaks, largest first")
    assert "resolved NW-1 2026-03-31 renumbered account •••092" in changed
    assert "•••091 2026-03-31 new account" in still_open


def test_the_page_needs_nothing_else(filled: str, settings: Settings) -> None:
    page = page_of(settings, NIGHT)
    assert page.count("<svg") == 6  # returns of two tenants, book, growth, steps, breaks
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "<script" not in page
    ids = re.findall(r"\bid=\"([^\"]+)\"", page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"(?:href=\"|url\()#([^\")]+)", page)) <= set(ids)
    assert not re.search(r"#a100[01]\d", page)  # every colour is the page's own, light or dark


def test_the_data_docs_of_the_night_are_linked_where_there_are_some(filled: str, settings: Settings) -> None:
    assert "data_docs" not in page_of(settings, NIGHT)
    docs = settings.folder("data_docs") / "2026-03-31" / "run-1" / "index.html"
    docs.parent.mkdir(parents=True)
    docs.write_text("docs", encoding="utf-8")
    assert 'href="../data_docs/2026-03-31/run-1/index.html"' in page_of(settings, NIGHT)


def test_a_slow_picture_is_left_out(filled: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.report.series.BOOK", "SELECT pg_sleep(2)")
    monkeypatch.setattr("jobs.report.series.SECONDS_PER_QUERY", 1)
    page = page_of(settings, NIGHT)
    assert "the database took too long: book value." in page
    assert page.count("<svg") == 5


def test_book_value_keeps_an_account_that_is_not_valued_today(filled: str, settings: Settings) -> None:
    """NW-1 (1,010) misses the last day: the tenant's book is its last value and NW-2's 2,010."""
    from jobs.platform import database
    from jobs.report.series import read_series

    with database.connect(settings) as connection:
        connection.execute(
            "DELETE FROM marts.account_performance_daily WHERE account_id = 'NW-1' AND as_of_date = %s", [NIGHT]
        )
        currency, line = read_series(connection, NIGHT, ["northwind"]).book["northwind"]
        connection.rollback()
    assert (currency, line[-1]) == ("USD", (NIGHT, 3020.0))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("statement_U12345678.csv", "statement_U•••678.csv"),
        ("item 4711-0091 of 2026-03-31", "item •••091 of 2026-03-31"),
        ("19991231234.csv", "•••234.csv"),
        ("CRS20260331.ACC", "CRS20260331.ACC"),
        ("Trust_XX876_Transactions_20260331-182317.csv", "Trust_XX876_Transactions_20260331-182317.csv"),
        ("account 000123456789 unknown", "account •••789 unknown"),
        ("value 1234567.89 is not", "value 1234567.89 is not"),
    ],
)
def test_long_numbers_are_shortened_and_dates_stay(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_reason_of_an_unknown_table_shows_no_personal_column() -> None:
    failed = [{"rule": "unknown_account", "column": "vendor_account_number", "value": "876", "expected": None}]
    assert reasons(failed, None) == ["unknown account: vendor_account_number is “•••”"]


def test_money_is_exact_in_the_table() -> None:
    from jobs.report.words import money

    assert money(Decimal("12345678901234.56")) == "12,345,678,901,234.56"
    assert money(None) == "–"
