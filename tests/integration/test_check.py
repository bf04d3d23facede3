"""The gate on real Delta slices: what is planted is found, named in the Data Docs, and withholds only its own feed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.check.job import run as check
from jobs.platform import schemas
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.settings import Settings
from tests.rows import rows_of

MONDAY = date(2026, 1, 5)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with_files = Ledger(settings)
    with_files.connection.execute("TRUNCATE ops.file, ops.run, ops.tenant_progress CASCADE")
    yield with_files
    with_files.close()


def a_file(run: Run, tenant: str, vendor: str, feed: str, **counts: Any) -> FileRecord:
    name = f"{tenant}-{vendor}-{feed}-{run.run_no}"
    record = FileRecord(
        file_id=name,
        tenant_id=tenant,
        path=f"{tenant}/{name}.csv",
        size_bytes=100,
        modified_at=datetime(2026, 1, 5, tzinfo=UTC),
        status="normalised",
        vendor=vendor,
        feed=feed,
        run_no=run.run_no,
        sha256=name,
        **counts,
    )
    return run.ledger.register_files([record])[0]


def silver(
    spark: SparkSession, lake: Lake, table: str, run: Run, rows: list[tuple[FileRecord, dict[str, Any]]]
) -> None:
    """Write rows as normalise would: typed by the schema, with their lineage."""
    every = []
    for number, (file, values) in enumerate(rows, start=1):
        lineage = {
            "tenant_id": file.tenant_id,
            "vendor": file.vendor,
            "feed": file.feed,
            "file_id": file.file_id,
            "line_no": number,
            "record_no": 1,
            "mapping_version": "m",
            "arrival_no": file.arrival_no,
            "run_no": run.run_no,
        }
        every.append(tuple({**lineage, **values}.get(name) for name in schemas.table(table).names))
    lake.write_run(spark.createDataFrame(every, schemas.table(table).struct), table, run.run_no, run.run_id)


def published(spark: SparkSession, lake: Lake, run: Run, values: dict[str, str], on: date) -> None:
    """The last published rows of accounts: what each is worth on that day, all else empty."""
    empty: dict[type, Any] = {
        T.StringType: "", T.DecimalType: Decimal(0), T.DoubleType: 0.0, T.DateType: on, T.BooleanType: False,
    }  # fmt: skip
    rows = []
    for account, amount in values.items():
        given = {"tenant_id": "acme", "account_id": account, "end_market_value": Decimal(amount), "currency": "USD"}
        given["inception_date"] = None  # nothing is said of how long the account has been there
        struct = schemas.table("account_state").struct
        rows.append(tuple(given.get(field.name, empty.get(type(field.dataType), 0)) for field in struct))
    lake.overwrite(spark.createDataFrame(rows, schemas.table("account_state").struct), "account_state", 1, "r")


def value(account: str, amount: str, currency: str | None = "USD", on: date = MONDAY) -> dict[str, Any]:
    return {"account_id": account, "as_of_date": on, "market_value": Decimal(amount), "currency": currency}


def test_a_night_with_planted_faults(spark: SparkSession, settings: Settings, ledger: Ledger) -> None:
    """The brokerage says 'USX' for one account of eight, and 2 of its 10 records did not fit. The same share of a
    canonical file only warns, and its feed goes on.
    """
    lake = Lake(spark, settings.lake_root)
    night = ledger.open_run(MONDAY)
    broker = a_file(night, "acme", "brokerage", "brokerage_positions", records=10, silver=8, quarantined=2)
    own = a_file(night, "acme", "canonical", "canonical_valuations", records=10, silver=8, quarantined=2)
    rows = [(broker, value("SECRET-ACCOUNT", "987654.32", "USX"))]
    rows += [(broker, value(f"B{n}", "100", None if n == 1 else "USD")) for n in range(1, 8)]
    rows += [(own, value(f"C{n}", "100")) for n in range(8)]
    silver(spark, lake, "valuation", night, rows)

    scheduler = spark.sparkContext._jsc.sc().dagScheduler()
    before = scheduler.numTotalJobs()
    counters = check(spark, settings, night)
    # One counts all facts of all tables, whatever their number; one writes them down, three look at single accounts,
    # two list the files of the days before, for values that stand still.
    assert scheduler.numTotalJobs() - before <= 7

    # What was found, row by row
    assert (counters["accepted"], counters["withheld"], counters["findings"]) == (1, 1, 3)
    missed = lake.read("data_quality_result").where("NOT success").orderBy("vendor", "rule").collect()
    currency, of_broker, of_own = [row.asDict() for row in missed]
    assert currency == {
        "tenant_id": "acme",
        "vendor": "brokerage",
        "feed": "brokerage_positions",
        "table_name": "valuation",
        "rule": "currency_known",
        "column_name": "currency",
        "severity": "fail",
        "success": False,
        "observed": 1.0,
        "expected_value": "at most 0 rows",
        "rows_checked": 8,
        "rows_failed": 1,
        "run_no": night.run_no,
        "run_id": night.run_id,
        "business_date": MONDAY,
    }
    assert [(r["vendor"], r["table_name"], r["rule"], r["observed"], r["severity"]) for r in (of_broker, of_own)] == [
        ("brokerage", "quarantine", "quarantined_share", 0.2, "fail"),
        ("canonical", "quarantine", "quarantined_share", 0.2, "warn"),
    ]

    # What becomes of the files
    files = {file.feed: file for file in ledger.files()}
    assert (files["brokerage_positions"].status, files["canonical_valuations"].status) == ("withheld", "accepted")
    assert (
        "acme brokerage_positions valuation: currency_known: currency is a currency that exists: "
        "not true in 1 of 8 rows, expected at most 0 rows"
    ) in str(files["brokerage_positions"].message)

    # What people can look at
    docs = settings.folder("data_docs")
    index = docs / "2026-01-05" / f"run-{night.run_no}" / "index.html"
    assert counters["data_docs"] == str(index)
    assert '"2026-01-05/index.html"' in (docs / "index.html").read_text(encoding="utf-8")
    of_night = (docs / "2026-01-05" / "index.html").read_text(encoding="utf-8")
    assert f"run-{night.run_no}/validations/acme/brokerage_positions/valuation/" in of_night
    [page] = index.parent.glob("validations/acme/brokerage_positions/valuation/**/*.html")
    assert "currency is a currency that exists (at most 0 rows; 8 rows)" in page.read_text(encoding="utf-8")
    everything = "".join(p.read_text(encoding="utf-8") for p in index.parent.rglob("*.html"))
    assert [secret for secret in ("SECRET-ACCOUNT", "987654", "USX") if secret in everything] == []

    # The step again, now that its files are decided on, leaves everything as it is
    version = lake.version("data_quality_result")
    assert check(spark, settings, night)["files"] == 0
    assert lake.version("data_quality_result") == version


def test_rows_of_a_feed_are_compared_with_what_is_usual(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Five dates of ten valuations in one file, then a night of four: below half of the usual ten, flagged."""
    lake = Lake(spark, settings.lake_root)
    history = ledger.open_run(date(2026, 1, 9))
    own = a_file(history, "acme", "canonical", "canonical_valuations", records=50, silver=50, quarantined=0)
    days = [date(2026, 1, day) for day in (5, 6, 7, 8, 9)]
    silver(spark, lake, "valuation", history, [(own, value(f"A{n}", "1", on=day)) for day in days for n in range(10)])
    check(spark, settings, history)
    ledger.close_run(history, "done", {})
    tonight = ledger.open_run(date(2026, 1, 12))
    file = a_file(tonight, "acme", "canonical", "canonical_valuations", records=4, silver=4, quarantined=0)
    silver(spark, lake, "valuation", tonight, [(file, value(f"A{n}", "1", on=date(2026, 1, 12))) for n in range(4)])

    check(spark, settings, tonight)

    [row] = lake.read("data_quality_result").where("NOT success").collect()
    assert (row["rule"], row["observed"], row["severity"]) == ("row_count", 4.0, "warn")
    assert row["expected_value"] == "between 0.5 and 2.0 fraction of the usual 10.0 of 5 dates"
    [now] = [f for f in ledger.files() if f.run_no == tonight.run_no]
    assert now.status == "accepted"
    assert now.message is not None
    assert "row_count" in now.message


def test_a_file_of_a_header_alone_is_a_delivery_of_no_rows(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Six dates of ten valuations and a run of one correction; then a header alone. A feed that
    has never had a row, and a table without a rule, are not asked."""
    lake, friday = Lake(spark, settings.lake_root), date(2026, 1, 9)
    days = [date(2026, 1, day) for day in (2, 5, 6, 7, 8, 9)]

    def night(on: date, rows: list[dict[str, Any]], *feeds: str) -> int:
        run = ledger.open_run(on)
        found = {"records": len(rows) + 1, "silver": len(rows), "quarantined": 0, "skipped": 1}
        files = [a_file(run, "acme", "canonical" if "can" in f else "brokerage", f, **found) for f in feeds]
        if rows:
            silver(spark, lake, "valuation", run, [(files[0], row) for row in rows])
        check(spark, settings, run)
        ledger.close_run(run, "done", {})
        return run.run_no

    night(friday, [value(f"A{n}", "1", on=day) for day in days for n in range(10)], "canonical_valuations")
    night(friday, [value("A1", "2", on=friday)], "canonical_valuations")
    last = night(date(2026, 1, 12), [], "canonical_valuations", "canonical_prices", "brokerage_positions")

    counts = lake.read("data_quality_result").where(f"run_no = {last} AND rule = 'row_count'").collect()
    assert {(row["feed"], row["observed"], row["success"], row["expected_value"]) for row in counts} == {
        ("canonical_valuations", 0.0, False, "between 0.5 and 2.0 fraction of the usual 10.0 of 6 dates"),
        ("brokerage_positions", 0.0, True, "no usual number, 0 of 5 dates"),
    }
    assert {file.status for file in ledger.files() if file.run_no == last} == {"accepted"}


def test_rows_that_a_replay_takes_through_are_looked_at_without_a_file(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """By rows that waited in an accepted file both accounts are worth 10,000 instead of 1,000. The deposit that
    explains it of one of them came with that file's night."""
    lake, tuesday = Lake(spark, settings.lake_root), date(2026, 1, 6)
    night = ledger.open_run(tuesday)
    marks = a_file(night, "acme", "broker", "harbor_marks", records=3, silver=1, quarantined=2)
    deposit = {"transaction_id": "T", "account_id": "PAID", "type": "DEPOSIT", "status": "new", "currency": "USD"}
    deposit |= {"trade_date": tuesday, "performance_date": tuesday, "amount": Decimal(9000)}
    silver(spark, lake, "transaction", night, [(marks, deposit)])
    published(spark, lake, night, {"PAID": "1000", "JUMPS": "1000"}, MONDAY)
    ledger.update_files({marks.file_id: {"status": "accepted"}})
    ledger.close_run(night, "done", {})
    replay = ledger.open_run(tuesday, run_id="replay-1")
    ledger.begin_replay(replay, {marks.file_id: {"mapping_version": "mended"}})
    assert ledger.unpublished_replays(replay) == [], "begun, not done"
    silver(spark, lake, "valuation", replay, [(marks, value(name, "10000", on=tuesday)) for name in ("PAID", "JUMPS")])
    ledger.update_files({}, replayed_by=replay.run_no)
    ledger.close_run(replay, "done", {})
    tonight = ledger.open_run(date(2026, 1, 7))

    counters = check(spark, settings, tonight)

    assert (counters["files"], counters["accounts_held"]) == (0, 1)
    [held] = lake.read("held_account").collect()
    assert (held["account_id"], held["as_of_date"], held["run_no"]) == ("JUMPS", tuesday, tonight.run_no)
    ledger.advance("acme", tuesday, tonight.run_no)
    assert ledger.unpublished_replays(ledger.open_run(date(2026, 1, 8))) == []


def test_the_history_of_a_new_account_is_beside_the_flows_of_its_own_days(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """KNOWN is published; the others come with values of the year before, ten times as large on the second day."""
    lake, before = Lake(spark, settings.lake_root), [date(2025, 3, 3), date(2025, 3, 4)]
    published(spark, lake, ledger.open_run(MONDAY), {"KNOWN": "1000"}, MONDAY)
    tonight = ledger.open_run(date(2026, 1, 6))
    file = a_file(tonight, "acme", "broker", "brokerage_positions", records=5, silver=5, quarantined=0)
    worth = zip(before, ("1000", "10000"), strict=True)
    values = [(file, value(name, amount, on=day)) for day, amount in worth for name in ("PAID", "JUMPS")]
    silver(spark, lake, "valuation", tonight, values)
    deposit = {"transaction_id": "T", "account_id": "PAID", "type": "DEPOSIT", "status": "new", "currency": "USD"}
    deposit |= {"trade_date": before[1], "performance_date": before[1], "amount": Decimal(9000)}
    silver(spark, lake, "transaction", tonight, [(file, deposit)])

    check(spark, settings, tonight)

    caught = [(row["account_id"], row["rule"]) for row in lake.read("held_account").collect()]
    assert caught == [("JUMPS", "value_jump")]


def test_an_appraisal_weeks_after_its_quarter_is_beside_the_flows_of_the_quarter(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """The values of the end of March come in the middle of May, and PAID had its deposit on 5 January."""
    lake, end = Lake(spark, settings.lake_root), date(2025, 12, 31)
    published(spark, lake, ledger.open_run(end), {"PAID": "1000", "JUMPS": "1000"}, end)
    tonight = ledger.open_run(date(2026, 5, 15))
    file = a_file(tonight, "acme", "broker", "brokerage_positions", records=3, silver=3, quarantined=0)
    appraised = [value(name, "2420", on=date(2026, 3, 31)) for name in ("PAID", "JUMPS")]
    silver(spark, lake, "valuation", tonight, [(file, row) for row in appraised])
    deposit = {"transaction_id": "T", "account_id": "PAID", "type": "DEPOSIT", "status": "new", "currency": "USD"}
    deposit |= {"trade_date": MONDAY, "performance_date": MONDAY, "amount": Decimal(1400)}
    silver(spark, lake, "transaction", tonight, [(file, deposit)])

    check(spark, settings, tonight)

    caught = [(row["account_id"], row["rule"]) for row in lake.read("held_account").collect()]
    assert caught == [("JUMPS", "value_jump")]


@pytest.mark.parametrize("fate", ["died", "published before a run of one vendor"])
def test_values_that_came_before_their_night_are_looked_at_on_it(
    spark: SparkSession, settings: Settings, ledger: Ledger, fate: str
) -> None:
    """Monday evening's run takes Tuesday's values. Nobody has looked at them when Tuesday's run begins. A file that it
    has normalised and not checked waits for a run of its own vendor."""
    lake, tuesday = Lake(spark, settings.lake_root), date(2026, 1, 6)
    monday = ledger.open_run(MONDAY)
    published(spark, lake, monday, {"JUMPS": "10000"}, MONDAY)
    ledger.advance("acme", MONDAY, monday.run_no)
    evening = ledger.open_run(MONDAY)
    file = a_file(evening, "acme", "broker", "brokerage_positions", records=1, silver=1, quarantined=0)
    values = [(file, value("JUMPS", "5000", on=tuesday))]
    ledger.update_files({file.file_id: {"status": "accepted", "last_date": tuesday}})
    waiting = []
    if fate != "died":
        ledger.advance("acme", MONDAY, evening.run_no)
        a_file(evening, "acme", "canonical", "canonical_valuations", records=0, silver=0, quarantined=0)
        waiting = [a_file(evening, "acme", "broker", "brokerage_history", records=1, silver=1, quarantined=0)]
    silver(spark, lake, "valuation", evening, values + [(one, value("WAITS", "-1", on=tuesday)) for one in waiting])
    ledger.close_run(evening, "done", {})
    tonight = ledger.open_run(tuesday, vendor=None if fate == "died" else "canonical")

    check(spark, settings, tonight)

    assert ledger.withheld_files(tonight) == [one.file_id for one in waiting]
    [held] = lake.read("held_account").collect()
    assert (held["account_id"], held["as_of_date"], held["rule"]) == ("JUMPS", tuesday, "value_jump")


def test_account_rules_read_what_they_ask_for(spark: SparkSession, settings: Settings, ledger: Ledger) -> None:
    """Monday's values, holdings and securities are published; on Tuesday each account does one thing that it should
    not, and MOVES three. All is canonical, so that everything is flagged and nothing held."""
    with (settings.home / "conf" / "tolerances.yaml").open("a", encoding="utf-8") as tolerances:
        for measure in ("stale_value", "stale_price", "missing_accounts"):
            tolerances.write(
                f"  - {{name: {measure}_at_once, measure: {measure}, limits: [{{unit: days, max: 0}}], severity: hold,"
                " reason: Not a day.}\n"
            )
    lake, tuesday = Lake(spark, settings.lake_root), date(2026, 1, 6)
    (settings.landing / "acme").mkdir(exist_ok=True)

    def night(on: date, delivered: dict[str, list[dict[str, Any]]]) -> dict[str, int | str]:
        run = ledger.open_run(on)
        for feed, rows in delivered.items():
            file = a_file(run, "acme", "canonical", f"canonical_{feed}", records=9, silver=len(rows), quarantined=0)
            table = {"securities": "security"}.get(feed, feed.removesuffix("s"))
            silver(spark, lake, table, run, [(file, row) for row in rows])
        counters = check(spark, settings, run)
        ledger.close_run(run, "done", {})
        return counters

    def held(security: str, price: int, on: date) -> dict[str, Any]:
        return {"account_id": "MOVES", "as_of_date": on, "security_id": security, "price": Decimal(price)}

    names = {"TWIN1": "Ann Lee", "TWIN2": "ann lee", "GONE": None}
    first = {"effective_from": MONDAY, "in_performance": True, "base_currency": "USD"}
    night(
        MONDAY,
        {
            "accounts": [{"account_id": one, "account_name": name, **first} for one, name in names.items()],
            "valuations": [value(one, "100") for one in ("STALE", "MOVES", "GONE")],
            "positions": [held("P", 5, MONDAY), held("Q", 6, MONDAY)],
            "securities": [{"security_id": one} for one in "PQ"],
        },
    )
    monday = ledger.open_run(MONDAY)
    published(spark, lake, monday, {"STALE": "100", "MOVES": "100", "GONE": "100"}, MONDAY)
    ledger.advance("acme", MONDAY, monday.run_no)
    values = {"STALE": "100", "MOVES": "101", "TWIN1": "55.55", "TWIN2": "55.55", "NEGATIVE": "-1"}
    dates = {"trade_date": tuesday, "performance_date": tuesday, "transaction_id": "T", "status": "new"}

    counters = night(
        tuesday,
        {
            "valuations": [value(one, amount, on=tuesday) for one, amount in values.items()],
            "positions": [held("P", 5, tuesday), held("Q", 7, tuesday), held("NEW", 1, tuesday)],
            "transactions": [{"account_id": "MOVES", "type": "DEPOSIT", "amount": Decimal(-5), **dates}],
        },
    )

    found = lake.read("held_account").collect()
    assert {(row["account_id"], row["rule"]) for row in found} == {
        ("STALE", "stale_value_at_once"),
        ("MOVES", "stale_price_at_once"),
        ("MOVES", "unknown_security"),
        ("MOVES", "sign_of_type"),
        ("GONE", "missing_accounts_at_once"),
        ("TWIN1", "duplicate_account"),
        ("TWIN2", "duplicate_account"),
        ("NEGATIVE", "negative_value"),
    }
    assert {(row["as_of_date"], row["state"], row["step"]) for row in found} == {(tuesday, "flagged", "check")}
    assert (counters["accounts_flagged"], counters["accounts_held"]) == (6, 0)


def test_of_an_account_that_is_looked_at_whole_only_what_is_unpublished_is_judged_again(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Both are held for Wednesday's value. OLD is published through Monday. SEEN is so through Tuesday, whose value
    below nothing ann has let through: what she said of it stays."""
    lake, tuesday = Lake(spark, settings.lake_root), date(2026, 1, 6)
    wednesday, thursday = date(2026, 1, 7), date(2026, 1, 8)
    before = ledger.open_run(wednesday)
    file = a_file(before, "acme", "brokerage", "brokerage_positions", records=4, silver=4, quarantined=0)
    values = [("OLD", "-5", tuesday), ("OLD", "-6", wednesday), ("SEEN", "-7", tuesday), ("SEEN", "-8", wednesday)]
    silver(spark, lake, "valuation", before, [(file, value(name, amount, on=day)) for name, amount, day in values])
    published(spark, lake, before, {"OLD": "1"}, MONDAY)
    state = lake.read("account_state").localCheckpoint()
    seen = state.withColumns({"account_id": F.lit("SEEN"), "as_of_date": F.lit(tuesday)})
    lake.overwrite(state.unionByName(seen), "account_state", before.run_no, before.run_id)
    caught = [("OLD", wednesday, "held", "so"), ("SEEN", wednesday, "held", "so")]
    caught += [("SEEN", tuesday, "released", "released by ann: overdrawn")]
    finding = {"tenant_id": "acme", "rule": "negative_value", "severity": "hold", "run_no": before.run_no}
    finding |= {"run_id": before.run_id, "step": "check"}
    given = [
        {**finding, "account_id": name, "as_of_date": day, "state": state, "reason": reason}
        for name, day, state, reason in caught
    ]
    lake.write_run(rows_of(spark, "held_account", given), "held_account", before.run_no, before.run_id)
    ledger.update_files({file.file_id: {"status": "accepted"}})
    ledger.advance("acme", wednesday, before.run_no)
    ledger.close_run(before, "done", {})
    tonight = ledger.open_run(thursday)
    file = a_file(tonight, "acme", "brokerage", "brokerage_positions", records=1, silver=2, quarantined=0)
    silver(spark, lake, "valuation", tonight, [(file, value(name, "9", on=thursday)) for name in ("OLD", "SEEN")])

    check(spark, settings, tonight)

    found = lake.read("held_account").where(F.col("run_no") == tonight.run_no).collect()
    assert sorted((row["account_id"], row["as_of_date"]) for row in found) == [
        ("OLD", tuesday),
        ("OLD", wednesday),
        ("SEEN", wednesday),
    ]


def test_a_value_that_stands_still_is_not_explained_by_a_night_on_which_nobody_s_moves(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """The others move on Tuesday, not on Wednesday, and again on Thursday, when STALE moves with them."""
    with (settings.home / "conf" / "tolerances.yaml").open("a", encoding="utf-8") as tolerances:
        tolerances.write(
            "  - {name: at_once, measure: stale_value, limits: [{unit: days, max: 0}], severity: hold,"
            " reason: Not a day.}\n"
        )
    lake = Lake(spark, settings.lake_root)
    (settings.landing / "acme").mkdir(exist_ok=True)

    def night(on: date, **values: str) -> tuple[object, object]:
        run = ledger.open_run(on)
        file = a_file(run, "acme", "brokerage", "brokerage_positions", records=2, silver=2, quarantined=0)
        silver(spark, lake, "valuation", run, [(file, value(one, amount, on=on)) for one, amount in values.items()])
        counters = check(spark, settings, run)
        ledger.close_run(run, "done", {})
        return counters["accounts_held"], counters["accounts_released"]

    night(MONDAY, STALE="100", MOVES="100")
    published(spark, lake, ledger.open_run(MONDAY), {"STALE": "100", "MOVES": "100"}, MONDAY)
    assert night(date(2026, 1, 6), STALE="100", MOVES="101") == (1, 0)
    assert night(date(2026, 1, 7), STALE="100", MOVES="101") == (1, 0)
    assert night(date(2026, 1, 8), STALE="102", MOVES="103") == (0, 1)
