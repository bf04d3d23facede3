"""The lake on real Delta tables: a run written twice, and read back from its own files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from jobs.platform import lake as lake_module
from jobs.platform.lake import Lake
from jobs.platform.schemas import table

NAME = "account_xref"


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, str(tmp_path / "lake"))


def rows(spark: SparkSession, run_no: int, *accounts: str) -> DataFrame:
    values = {
        "tenant_id": "acme",
        "vendor": "canonical",
        "feed": "canonical_account_xref",
        "file_id": "f1",
        "mapping_version": "v1",
        "source_vendor": "brokerage",
        "from_date": date(2026, 1, 1),
        "line_no": 2,
        "record_no": 1,
        "arrival_no": run_no,
        "run_no": run_no,
    }
    made = [{**values, "vendor_account_number": f"N-{account}", "account_id": account} for account in accounts]
    names = table(NAME).names
    return spark.createDataFrame([tuple(one.get(name) for name in names) for one in made], table(NAME).struct)


def test_a_runs_rows_come_back_from_the_files_of_its_own_commits(spark: SparkSession, lake: Lake) -> None:
    lake.write_run(rows(spark, 1, "A", "B"), NAME, 1, "first")
    lake.write_run(rows(spark, 2, "C"), NAME, 2, "second")
    lake.write_run(rows(spark, 3, "D"), NAME, 3, "third")
    assert_df_equality(
        lake.written_by(NAME, [1, 3]),
        rows(spark, 1, "A", "B").union(rows(spark, 3, "D")),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    assert lake.written_by(NAME, [9]).isEmpty()


def test_a_run_that_wrote_twice_has_only_what_it_wrote_last(spark: SparkSession, lake: Lake) -> None:
    lake.write_run(rows(spark, 1, "A", "B"), NAME, 1, "first")
    lake.write_run(rows(spark, 2, "C"), NAME, 2, "second")
    lake.write_run(rows(spark, 1, "B"), NAME, 1, "first")
    assert_df_equality(lake.written_by(NAME, [1]), rows(spark, 1, "B"), ignore_nullable=True)
    assert_df_equality(
        lake.read(NAME), rows(spark, 1, "B").union(rows(spark, 2, "C")), ignore_row_order=True, ignore_nullable=True
    )


def test_a_run_of_long_ago_is_looked_for_in_the_whole_table(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_module, "RECENT_COMMITS", 2)
    for run_no, account in enumerate("ABCD", start=1):
        lake.write_run(rows(spark, run_no, account), NAME, run_no, f"run {run_no}")
    assert_df_equality(lake.written_by(NAME, [1]), rows(spark, 1, "A"), ignore_nullable=True)
