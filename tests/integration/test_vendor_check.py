"""`dietz vendor check` answers, record by record, what the real run then does, and leaves nothing behind."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from jobs.cli.vendor_check import print_answer
from jobs.platform.mapping import load_mappings
from jobs.vendor.check import Checked, checked
from tests.nights import TENANT, Workspace, taken

KNOWN = {
    "canonical_accounts_1.csv": "account_id,base_currency\nA1,USD\nA2,USD\n",
    "canonical_valuations_1.csv": "account_id,as_of_date,market_value\nA1,2026-03-02,10\n",
}
VALUES = (
    "account_id,as_of_date,market_value,note\n"
    "A1,2026-03-02,10,unchanged\n"
    "A2,2026-03-02,20,new\n"
    "A2,2026-03-02,20,new\n"
    "A9,2026-03-02,30,nobody\n"
    'A1,2026-03-03,"1,5",comma\n'
    "A1,2026-03-04,11,fits\n"
)
STATEMENT = """"Transactions  for account General Investing ...876 as of 03/03/2026 02:21:05 PM ET"
"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"
"03/03/2026","Bank Interest","","","","","","$1.25"
"Transactions Total","","","","","","","$1.26",
"""
FILES = {"canonical_valuations_2.csv": VALUES, "General_XX876_Transactions_20260303-142105.csv": STATEMENT}


@pytest.fixture(scope="module")
def workspace(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return taken({**KNOWN}, spark, database_url, tmp_path_factory.mktemp("check"))


@pytest.fixture(scope="module")
def dry(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    """The answers for FILES, before they are delivered."""
    folder = tmp_path_factory.mktemp("outside")
    answers = {}
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
        with checked(workspace.spark, workspace.settings, folder / name, TENANT, load_mappings(), rows=True) as found:
            (answers[name],) = found
    return answers


@pytest.fixture(scope="module")
def real(workspace: Workspace, dry: dict[str, Checked]) -> Workspace:
    """The workspace after FILES were delivered and taken."""
    before = {name: workspace.lake.version(name) for name in ("line", "valuation", "account")}
    assert before == {"line": 1, "valuation": 1, "account": 1}, "the check has written to the lake"
    workspace.put({**FILES})
    workspace.take(date(2026, 3, 11))
    return workspace


def answers_of_the_run(real: Workspace, name: str, table: str) -> set[tuple[Any, ...]]:
    """(line, record, outcome, rules) of each record that the real run took or quarantined."""
    file_id = real.files[name].file_id
    silver = real.lake.read(table).where(F.col("file_id") == file_id).collect()
    waiting = real.lake.read("quarantine").where(F.col("file_id") == file_id).collect()
    return {(row["line_no"], row["record_no"], "silver", ()) for row in silver} | {
        (row["line_no"], row["record_no"], "quarantined", _rules(json.loads(row["failed_rules"]))) for row in waiting
    }


def _rules(failed: list[dict[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((one["rule"], one.get("column", ""), one.get("value", "")) for one in failed)


@pytest.mark.parametrize(("name", "table"), list(zip(FILES, ("valuation", "transaction"), strict=True)))
def test_answers_are_those_of_the_run(real: Workspace, dry: dict[str, Checked], name: str, table: str) -> None:
    kept = {
        (one["line_no"], one["record_no"], one["outcome"], _rules(one["failed_rules"]))
        for one in dry[name].rows
        if not one["outcome"].startswith("skipped")
    }
    assert kept == answers_of_the_run(real, name, table)
    file, books = real.files[name], dry[name].books
    assert books is not None
    assert (books.records, books.silver, books.quarantined, books.skipped) == (
        file.records, file.silver, file.quarantined, file.skipped,
    )  # fmt: skip


def test_each_line_has_its_answer_and_its_reason(dry: dict[str, Checked]) -> None:
    values = dry["canonical_valuations_2.csv"]
    assert {one["line_no"]: one["outcome"] for one in values.rows} == {
        2: "skipped:unchanged", 3: "silver", 4: "skipped:duplicate", 5: "quarantined", 6: "quarantined", 7: "silver",
    }  # fmt: skip
    assert [(one["rule"], one["column"], one["rows"], one["line_no"], one["value"]) for one in values.reasons] == [
        ("number", "market_value", 1, 6, "1,5"),
        ("unknown_account", "account_id", 1, 5, "A9"),
    ]
    assert values.file.detection["drift"] == ["note"]


def test_a_control_that_fails_is_said_and_refuses_the_file(dry: dict[str, Checked]) -> None:
    statement = dry["General_XX876_Transactions_20260303-142105.csv"]
    assert [(one.control, one.line_no, one.refuses) for one in statement.broken] == [("transactions_total", 4, True)]
    assert statement.held_controls == []


def test_an_unknown_file_is_answered_with_its_candidates(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("Konto;Wert\n1;2,00\n", encoding="utf-8")
    with checked(workspace.spark, workspace.settings, path, TENANT, load_mappings(), rows=False) as found:
        assert [(one.file.status, one.books) for one in found] == [("unrecognised", None)]
        assert "no mapping fits" in found[0].file.message


def test_people_are_told_lines_controls_reasons_and_rows_before_and_after(dry: dict[str, Checked]) -> None:
    said = io.StringIO()
    statement = dry["General_XX876_Transactions_20260303-142105.csv"]
    for one in (dry["canonical_valuations_2.csv"], statement, replace(statement, broken=[])):
        print_answer(Console(file=said, width=400), one)
    for line in (
        "canonical_valuations, ",
        "title unknown to the mapping: note",
        "lines    7: 6 record, 1 header",
        "records  7 = 2 silver + 2 quarantined + 3 skipped",
        "1 quarantined for number of market_value: line 6 has '1,5', expected a number such as 1234.56",
        "1 quarantined for unknown_account of account_id: line 5 has '**', expected an account in an accounts file",
        "line 3  A2,2026-03-02,20,new",
        "-> valuation: account_id A2, as_of_date 2026-03-02, market_value 20.00000000",
        "control transactions_total, line 4: 'Amount' adds up to 1.25, the file states 1.26 (file refused)",
        "controls met: transactions_total",
    ):
        assert f"  {line}" in said.getvalue(), said.getvalue()
