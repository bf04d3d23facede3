"""Bad files among good ones: each gives one clear reason, the rest of the night goes on, nothing is lost."""

from __future__ import annotations

import json
from datetime import date

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.pipeline import run_step
from jobs.platform.ledger import FileRecord
from tests.nights import Workspace, taken

ACCOUNTS = "account_id,account_name,base_currency\nA1,Ann,USD\nA2,Bob,USD\nB1,Broker,USD\n"
XREF = "vendor,vendor_account_number,account_id\nbrokerage,876,B1\n"
GOOD = "account_id,as_of_date,market_value,currency\nA1,2026-03-02,1000.00,USD\nA2,2026-03-02,2000,USD\n"
TRANSACTIONS = """"Transactions  for account General Investing ...876 as of 03/03/2026 02:21:05 PM ET"
"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"
"03/03/2026","MoneyLink Deposit","","Tfr BANK","","","","$1,500.00"
"03/02/2026 as of 02/27/2026","Sell","SPY","SPDR S&P 500","2","$600.00","$0.05","$1,199.95"
"03/02/2026","Advisor Fee","","Q1","","","","-$25.50"
"""
PRICES = "security_id,as_of_date,price,currency\n"
TOTAL = '"Transactions Total","","","","","","","$2,674.45",\n'

FILES = {
    "canonical_accounts_1.csv": ACCOUNTS,
    "canonical_account_xref_1.csv": XREF,
    "canonical_valuations_good.csv": GOOD,
    # two columns swapped under their titles: the types contradict
    "canonical_valuations_swapped.csv": "account_id,as_of_date,market_value\nA1,1000.00,2026-03-03\n",
    "canonical_valuations_impossible.csv": "account_id,as_of_date,market_value\nA1,2026-02-30,10\nA2,2026-03-04,20\n",
    "canonical_valuations_comma.csv": 'account_id,as_of_date,market_value\nA1,2026-03-05,"1.234,56"\n',
    "canonical_valuations_twice.csv": "account_id,as_of_date,market_value\nA1,2026-03-06,1\nA1,2026-03-06,2\n",
    "canonical_valuations_same.csv": "account_id,as_of_date,market_value\nA2,2026-03-06,5\nA2,2026-03-06,5\n",
    "canonical_valuations_fine.csv": "account_id,as_of_date,market_value\nA1,2026-03-09,1.123456789\n",
    "canonical_valuations_cut.csv": "account_id,as_of_date,market_value\nA1,2026-03-10,7\nA2,2026-03",
    "canonical_valuations_stranger.csv": "account_id,as_of_date,market_value\nZ9,2026-03-02,3\n",
    "Joint_XX876_Transactions_20260303-142105.csv": TRANSACTIONS + TOTAL,
    "Cut_XX876_Transactions_20260304-142105.csv": TRANSACTIONS.replace("2026 02:21", "2026 03:21"),
    "Wrong_XX876_Transactions_20260305-142105.csv": TRANSACTIONS + TOTAL.replace("2,674.45", "2,674.54"),
    "New_XX876_Transactions_20260306-142105.csv": """"Transactions  for account Investing ...876 as of 03/06/2026"
"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"
"03/06/2026","Crypto Staking Reward","","","","","","$1.00"
"03/06/2026","Bank Interest","","","","","","$0.25"
"Transactions Total","","","","","","","$1.25",
""",
    # a column that no figure depends on has another type in the whole file; then in some of its cells only
    "canonical_transactions_retyped.csv": "transaction_id,account_id,trade_date,type,amount,settle_date\n"
    + "".join(f"T{n},A1,2026-03-02,DEPOSIT,{n}.00,T+2\n" for n in range(1, 4))
    + "T4,A1,2026-03-02,DEPOSIT,oops,\n",
    "canonical_transactions_mixed.csv": "transaction_id,account_id,trade_date,type,amount,settle_date\n"
    + "".join(f"M{n},A1,2026-03-02,DEPOSIT,{n}.00,T+2\n" for n in range(1, 4))
    + "M4,A1,2026-03-02,DEPOSIT,4.00,2026-03-04\n",
    # a manifest states two records of each: the header is none
    "listed/a.manifest.json": '{"files": [{"name": "canonical_prices_1.csv", "count": 2},'
    ' {"name": "canonical_prices_2.csv", "count": 2}]}',
    "listed/canonical_prices_1.csv": PRICES + "S1,2026-03-02,7,USD\nS2,2026-03-02,8,USD\n",
    "listed/canonical_prices_2.csv": PRICES + "S1,2026-03-03,7,USD\n",
    "empty.csv": "",
    "unknown_vendor.csv": "Konto;Datum;Wert\n1;01.03.2026;5,00\n",
}
BINARY = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"


@pytest.fixture(scope="module")
def night(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All files of FILES and a picture through detect, ingest and normalise."""
    return taken({**FILES, "picture.csv": BINARY}, spark, database_url, tmp_path_factory.mktemp("bad_input"))


def reasons(night: Workspace, name: str) -> list[tuple[int, str, str, str, str]]:
    """(line, rule, column, value, expected) of every failed rule of a file, in order."""
    rows = night.lake.read("quarantine").where(F.col("file_id") == night.files[name].file_id).collect()
    return sorted(
        (row["line_no"], failed["rule"], failed.get("column", ""), failed.get("value", ""), failed["expected"])
        for row in rows
        for failed in json.loads(row["failed_rules"])
    )


def counts(file: FileRecord) -> tuple[int | None, ...]:
    return (file.records, file.silver, file.quarantined, file.skipped)


def test_good_rows_reach_silver_beside_bad_ones(night: Workspace) -> None:
    assert counts(night.files["canonical_valuations_good.csv"]) == (3, 2, 0, 1)
    assert counts(night.files["canonical_valuations_impossible.csv"]) == (3, 1, 1, 1)


def test_books_of_every_file_balance_and_bronze_keeps_every_line(night: Workspace) -> None:
    bronze = {row["file_id"]: row["count"] for row in night.lake.read("line").groupBy("file_id").count().collect()}
    entered = [one for one in night.files.values() if one.status in {"normalised", "refused"}]
    assert len(entered) == 19
    for file in entered:
        assert bronze[file.file_id] == file.lines, file.path
        assert file.records == file.silver + file.quarantined + file.skipped, file.path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "canonical_valuations_swapped.csv",
            [
                (2, "date", "as_of_date", "1000.00", "a date as yyyy-MM-dd"),
                (2, "number", "market_value", "2026-03-03", "a number such as 1234.56"),
            ],
        ),
        (
            "canonical_valuations_impossible.csv",
            [(2, "date", "as_of_date", "2026-02-30", "a date as yyyy-MM-dd")],
        ),
        (
            "canonical_valuations_comma.csv",
            [(2, "number", "market_value", "1.234,56", "a number such as 1234.56")],
        ),
        (
            "canonical_valuations_twice.csv",
            [
                (2, "duplicate_key", "account_id, as_of_date", "A1, 2026-03-06", "one row"),
                (3, "duplicate_key", "account_id, as_of_date", "A1, 2026-03-06", "one row"),
            ],
        ),
        ("canonical_valuations_same.csv", []),
        ("canonical_valuations_fine.csv", [(2, "decimals", "market_value", "1.123456789", "at most 8 decimals")]),
        (
            "canonical_valuations_stranger.csv",
            [(2, "unknown_account", "account_id", "Z9", "an account in an accounts file")],
        ),
        (
            "New_XX876_Transactions_20260306-142105.csv",
            [(3, "unknown_code", "Action", "Crypto Staking Reward", "a word of 'actions'")],
        ),
    ],
)
def test_each_misfit_names_line_column_value_and_what_was_expected(
    night: Workspace, name: str, expected: list[tuple[int, str, str, str, str]]
) -> None:
    assert [one for one in reasons(night, name) if one[1] != "required"] == expected


def test_a_word_that_no_map_knows_is_said_once_and_the_other_rows_go_on(night: Workspace) -> None:
    file = night.files["New_XX876_Transactions_20260306-142105.csv"]
    assert (file.status, file.silver, file.quarantined) == ("normalised", 1, 1)
    log = (night.settings.folder("logs") / "dietz.jsonl").read_text(encoding="utf-8").splitlines()
    [line] = [one for one in map(json.loads, log) if one.get("rule") == "unknown_code"]
    said = {name: line[name] for name in ("event", "level", "file_id", "column", "rows", "first_line", "value")}
    assert said == {
        "event": "rows_quarantined", "level": "warning", "file_id": file.file_id, "column": "Action", "rows": 1,
        "first_line": 3, "value": "Crypto Staking Reward",
    }  # fmt: skip


def test_a_column_of_another_type_is_stopped_and_its_rows_go_on(night: Workspace) -> None:
    file = night.files["canonical_transactions_retyped.csv"]
    assert counts(file) == (5, 3, 1, 1)
    assert reasons(night, "canonical_transactions_retyped.csv") == [
        (5, "number", "amount", "oops", "a number such as 1234.56")
    ]
    assert file.message == (
        "column settle_date stopped: none of its 3 values is a date as yyyy-MM-dd (first: 'T+2', line 2)"
    )
    rows = night.lake.read("transaction").where(F.col("file_id") == file.file_id).orderBy("line_no").collect()
    assert [(r["transaction_id"], str(r["amount"]), r["settle_date"]) for r in rows] == [
        ("T1", "1.00000000", None),
        ("T2", "2.00000000", None),
        ("T3", "3.00000000", None),
    ]


def test_cells_of_another_type_in_a_column_that_has_its_own_wait_with_their_rows(night: Workspace) -> None:
    assert counts(night.files["canonical_transactions_mixed.csv"]) == (5, 1, 3, 1)


def test_a_line_cut_in_the_middle_is_quarantined_for_its_missing_cells(night: Workspace) -> None:
    found = reasons(night, "canonical_valuations_cut.csv")
    assert (3, "cells", "", "2 cells", "3 cells") in found
    assert {line for line, *_ in found} == {3}


def test_the_same_row_twice_in_a_file_is_taken_once(night: Workspace) -> None:
    assert counts(night.files["canonical_valuations_same.csv"]) == (3, 1, 0, 2)


def test_a_file_that_meets_its_total_is_taken_whole(night: Workspace) -> None:
    file = night.files["Joint_XX876_Transactions_20260303-142105.csv"]
    assert (file.status, *counts(file)) == ("normalised", 6, 3, 0, 3)
    rows = night.lake.read("transaction").where(F.col("file_id") == file.file_id).orderBy("line_no").collect()
    found = [(r["account_id"], str(r["trade_date"]), r["type"], str(r["amount"]), str(r["quantity"])) for r in rows]
    assert found == [
        ("B1", "2026-03-03", "DEPOSIT", "1500.00000000", "None"),
        ("B1", "2026-02-27", "SELL", "1199.95000000", "-2.00000000"),
        ("B1", "2026-03-02", "FEE", "-25.50000000", "None"),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Cut_XX876_Transactions_20260304-142105.csv", "no line states the total of 'Amount'"),
        ("Wrong_XX876_Transactions_20260305-142105.csv", "adds up to 2,674.45, the file states 2,674.54"),
    ],
)
def test_a_file_whose_total_is_missing_or_wrong_is_refused_and_kept(night: Workspace, name: str, message: str) -> None:
    file = night.files[name]
    assert file.status == "refused"
    assert message in file.message
    assert (file.silver, file.quarantined) == (0, 3)


def test_binary_and_unknown_files_wait_with_the_reason(night: Workspace) -> None:
    assert night.files["picture.csv"].status == "unrecognised"
    assert "binary" in night.files["picture.csv"].message
    assert night.files["unknown_vendor.csv"].status == "unrecognised"
    assert "no mapping fits" in night.files["unknown_vendor.csv"].message


def test_an_empty_file_waits_and_is_not_entered(night: Workspace) -> None:
    assert "empty.csv" not in night.files


def test_running_the_steps_again_changes_nothing(night: Workspace) -> None:
    before = {name: night.lake.read(name).count() for name in ("line", "valuation", "transaction", "quarantine")}
    night.take(date(2026, 3, 10))
    assert {name: night.lake.read(name).count() for name in before} == before


def test_a_row_of_an_unknown_account_goes_through_when_the_account_arrives(night: Workspace) -> None:
    night.put({"canonical_accounts_2.csv": "account_id,base_currency\nZ9,USD\n", "copy_of_good.csv": GOOD})
    later = night.take(date(2026, 3, 11))
    stranger = night.files["canonical_valuations_stranger.csv"]
    assert counts(stranger) == (2, 1, 0, 1)
    rows = night.lake.read("valuation").where("account_id = 'Z9'").collect()
    assert [(str(row["market_value"]), row["run_no"]) for row in rows] == [("3.00000000", later.run_no)]
    states = night.lake.read("quarantine").where(F.col("file_id") == stranger.file_id).orderBy("run_no").collect()
    assert [row["state"] for row in states] == ["open", "taken"]
    assert night.files["copy_of_good.csv"].status == "duplicate"


def test_a_file_that_lacks_a_record_of_its_manifest_is_refused_and_so_is_its_replay(night: Workspace) -> None:
    whole, short = (night.files[f"canonical_prices_{n}.csv"] for n in (1, 2))
    assert (whole.status, counts(whole)) == ("normalised", (3, 2, 0, 1))
    assert (short.status, counts(short)) == ("refused", (2, 0, 1, 1))
    said = "line 2: records of the manifest: the file has 1 records, a.manifest.json states 2"
    assert short.message == said
    replay = night.ledger.open_run(date(2026, 3, 11), run_id="replay-1")
    night.ledger.begin_replay(replay, {short.file_id: {"mapping_version": short.mapping_version}})
    run_step("normalise", night.spark, night.settings, replay)
    again = night.files["canonical_prices_2.csv"]
    assert (again.status, again.message, counts(again)) == ("refused", said, (2, 0, 1, 1))
