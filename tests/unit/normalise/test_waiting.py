"""What the lists of waiting rows say: of each record the latest row, reasons counted, account numbers masked."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.normalise.waiting import rows_of_file, shown, waiting_groups
from jobs.platform.lake_files import Read, read_columns
from jobs.platform.mapping import mapping_version

FEED = "canonical_valuations"
UNKNOWN = {"rule": "unknown_account", "column": "account_id", "value": "4711-0815", "expected": "an account"}
NUMBER = {"rule": "number", "column": "market_value", "value": "1,5", "expected": "a number such as 1234.56"}


def row(line_no: int, run_no: int, *failed: dict[str, str], **others: Any) -> dict[str, Any]:
    known = {"tenant_id": "acme", "file_id": "f1", "record_no": 1, "target": "valuation", "vendor": "canonical"}
    about = {"feed": FEED, "account_id": "4711-0815", "raw": f"line {line_no}", "waits_for": None, "state": "open"}
    version = {"mapping_version": mapping_version(FEED)}
    return known | about | version | {"line_no": line_no, "run_no": run_no, "failed_rules": json.dumps(failed)} | others


def lake(root: Path, name: str, rows: list[dict[str, Any]]) -> Read:
    table = root / "silver" / name
    (table / "_delta_log").mkdir(parents=True)
    text = pa.schema([(key, pa.int64() if key in {"line_no", "run_no"} else pa.string()) for key in rows[0]])
    schema = pa.schema([pa.field(f.name, pa.int32() if f.name == "record_no" else f.type) for f in text])
    pq.write_table(pa.Table.from_pylist(rows, schema), table / "a.parquet")
    (table / "_delta_log" / f"{0:020d}.json").write_text(json.dumps({"add": {"path": "a.parquet"}}))
    return partial(read_columns, str(root))


def test_reasons_are_counted_by_file_rule_and_column_the_newest_first(tmp_path: Path) -> None:
    rows = [row(9, 1, NUMBER), row(4, 1, NUMBER, UNKNOWN), row(2, 2, NUMBER, file_id="f2"), row(7, 1, NUMBER)]
    groups = waiting_groups(lake(tmp_path, "quarantine", rows))
    found = [(one.file_id, one.rule, one.rows, one.first_line, one.value, one.replay) for one in groups]
    assert found == [
        ("f2", "number", 1, 2, "1,5", ""),
        ("f1", "number", 3, 4, "1,5", ""),
        ("f1", "unknown_account", 1, 4, "******815", ""),
    ]


def test_of_a_record_the_latest_run_counts_whatever_the_order_in_the_file(tmp_path: Path) -> None:
    taken = [row(2, 3, NUMBER, state="taken"), row(2, 1, NUMBER)]
    judged_again = [row(3, 1, NUMBER), row(3, 3, UNKNOWN)]
    other_table = [row(2, 1, NUMBER, target="position")]
    found = rows_of_file(lake(tmp_path, "quarantine", [*taken, *judged_again, *other_table]), "f1")
    assert [(one["line_no"], one["target"], one["failed_rules"][0]["rule"], one["run_no"]) for one in found] == [
        (2, "position", "number", 1),
        (3, "valuation", "unknown_account", 3),
    ]


def test_a_replay_has_a_chance_where_the_mapping_is_another_or_the_account_is_known(tmp_path: Path) -> None:
    rows = [
        row(2, 1, NUMBER),
        row(3, 1, NUMBER, file_id="f2", mapping_version="older"),
        row(4, 1, UNKNOWN, file_id="f3", waits_for="account"),
        row(5, 1, UNKNOWN, file_id="f4", waits_for="account", account_id="815"),
        row(6, 1, UNKNOWN, file_id="f5", waits_for="account", account_id="A1", tenant_id="other"),
        row(7, 1, NUMBER, file_id="f6", feed="gone", mapping_version="older"),
    ]
    lake(
        tmp_path,
        "account",
        [{"tenant_id": "acme", "account_id": "4711-0815"}, {"tenant_id": "acme", "account_id": "A1"}],
    )
    lake(
        tmp_path,
        "account_xref",
        [{"tenant_id": "acme", "source_vendor": "canonical", "vendor_account_number": "815"}],
    )
    groups = waiting_groups(lake(tmp_path, "quarantine", rows))
    assert {one.file_id: one.replay for one in groups} == {
        "f1": "",
        "f2": "mapping mended",
        "f3": "account known",
        "f4": "account known",
        "f5": "",
        "f6": "",
    }


def test_a_tenant_and_a_feed_narrow_the_list(tmp_path: Path) -> None:
    rows = [
        row(2, 1, NUMBER),
        row(2, 1, NUMBER, tenant_id="other", file_id="f2"),
        row(2, 1, NUMBER, feed="x", file_id="f3"),
    ]
    read = lake(tmp_path, "quarantine", rows)
    assert [one.file_id for one in waiting_groups(read, tenant="acme", feed=FEED)] == ["f1"]


def test_without_a_quarantine_nothing_waits(tmp_path: Path) -> None:
    nothing = partial(read_columns, str(tmp_path))
    assert waiting_groups(nothing) == []
    assert rows_of_file(nothing, "f1") == []


@pytest.mark.parametrize(
    ("rule", "column", "value", "expected"),
    [
        ("number", "market_value", "1,5", "1,5"),
        ("required", "account_number", "", ""),
        ("unknown_account", "account_number", "4711-0815", "******815"),
        ("unknown_record", "", "X|4711-0815", ""),
    ],
)
def test_a_value_that_may_be_an_account_number_is_not_shown(rule: str, column: str, value: str, expected: str) -> None:
    assert shown(rule, column, value) == expected
