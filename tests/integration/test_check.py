"""The gate on real Delta slices: what is planted is found, named in the Data Docs, and withholds only its own feed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.check.job import run as check
from jobs.platform import schemas
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.settings import Settings

MONDAY = date(2026, 1, 5)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with_files = Ledger(settings)
    with_files.connection.execute("TRUNCATE ops.file, ops.run CASCADE")
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

    counters = check(spark, settings, night)

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
    assert f"2026-01-05/run-{night.run_no}/index.html" in (docs / "index.html").read_text(encoding="utf-8")
    [page] = index.parent.glob("validations/acme/brokerage_positions/valuation/**/*.html")
    assert "currency is a currency that exists (at most 0 rows; 8 rows)" in page.read_text(encoding="utf-8")
    everything = "".join(p.read_text(encoding="utf-8") for p in index.parent.rglob("*.html"))
    assert [secret for secret in ("SECRET-ACCOUNT", "987654", "USX") if secret in everything] == []

    # The step again, now that its files are decided on, leaves everything as it is
    version = lake.version("data_quality_result")
    assert check(spark, settings, night)["files"] == 0
    assert lake.version("data_quality_result") == version


def test_rows_of_a_feed_are_compared_with_its_trailing_average(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Five dates of ten valuations in one file, then a night of four: below half of the average, flagged."""
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
    assert row["expected_value"] == "between 0.5 and 2.0 fraction of the average 10.0 of 5 dates"
    [now] = [f for f in ledger.files() if f.run_no == tonight.run_no]
    assert now.status == "accepted"
    assert now.message is not None
    assert "row_count" in now.message
