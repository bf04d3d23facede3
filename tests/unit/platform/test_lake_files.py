"""The live files of a Delta table from its log alone: what commits add and remove, before and after a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.platform.errors import DietzError
from jobs.platform.lake_files import live_files


def commit(table: Path, version: int, *actions: dict[str, Any]) -> None:
    (table / "_delta_log").mkdir(exist_ok=True)
    lines = [json.dumps({"commitInfo": {"operation": "WRITE"}}), *[json.dumps(action) for action in actions]]
    (table / "_delta_log" / f"{version:020d}.json").write_text("\n".join(lines) + "\n")


def add(path: str) -> dict[str, Any]:
    return {"add": {"path": path, "dataChange": True}}


def remove(path: str) -> dict[str, Any]:
    return {"remove": {"path": path, "dataChange": True}}


def test_a_file_that_a_later_commit_removed_is_not_live(tmp_path: Path) -> None:
    commit(tmp_path, 0)
    commit(tmp_path, 1, add("a.parquet"), add("with%20blank.parquet"))
    commit(tmp_path, 2, remove("a.parquet"), add("b.parquet"))
    assert live_files(tmp_path) == [tmp_path / "with blank.parquet", tmp_path / "b.parquet"]


def test_commits_before_the_checkpoint_are_not_asked_for(tmp_path: Path) -> None:
    commit(tmp_path, 3, remove("b.parquet"), add("c.parquet"))
    log = tmp_path / "_delta_log"
    (log / "_last_checkpoint").write_text('{"version": 2, "size": 3}')
    adds = [{"path": "a.parquet"}, {"path": "b.parquet"}, None]
    pq.write_table(pa.table({"add": adds}), log / f"{2:020d}.checkpoint.parquet")
    commit(tmp_path, 1, add("gone.parquet"))
    assert live_files(tmp_path) == [tmp_path / "a.parquet", tmp_path / "c.parquet"]


def test_a_checkpoint_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    commit(tmp_path, 3, add("c.parquet"))
    (tmp_path / "_delta_log" / "_last_checkpoint").write_text('{"version": 2}')
    with pytest.raises(DietzError, match="no checkpoint 2"):
        live_files(tmp_path)


def test_no_table_has_no_files(tmp_path: Path) -> None:
    assert live_files(tmp_path / "absent") == []
