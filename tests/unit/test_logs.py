"""Logs are JSON lines in the workspace; account numbers are masked in them."""

import json
from pathlib import Path

import pytest

from jobs.platform import logs
from jobs.platform.settings import Settings


@pytest.mark.parametrize(
    ("account_number", "shown"), [("4711-0815", "******815"), ("4711", "*711"), ("711", "***"), ("", "")]
)
def test_an_account_number_keeps_its_last_three_characters(account_number: str, shown: str) -> None:
    assert logs.mask(account_number) == shown


def test_every_line_is_json_with_what_was_bound(workspace: Path) -> None:
    logs.configure(Settings())
    logs.bind(run_id="r1")
    logs.get_log().info("file taken", file_id="f1")
    logs.unbind("run_id")
    logs.get_log().info("done")
    first, second = [json.loads(line) for line in (workspace / "logs" / "dietz.jsonl").read_text().splitlines()]
    assert (first["event"], first["run_id"], first["file_id"], first["level"]) == ("file taken", "r1", "f1", "info")
    assert "run_id" not in second


def test_lines_of_workers_carry_what_was_bound_where_they_began(workspace: Path) -> None:
    logs.configure(Settings())
    logs.bind(run_id="r1")
    with logs.Workers(2) as pool:
        pool.submit(logs.get_log().info, "submitted").result()
        assert list(pool.map(lambda word: logs.get_log().info(word), ["mapped"])) == [None]
    logs.unbind("run_id")
    lines = [json.loads(line) for line in (workspace / "logs" / "dietz.jsonl").read_text().splitlines()]
    assert [(line["event"], line["run_id"]) for line in lines] == [("submitted", "r1"), ("mapped", "r1")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("acme/statement_U12345678.csv", "acme/statement_U*****678.csv"),
        ("acme/4711-0091_20260331-182317.csv", "acme/******091_20260331-182317.csv"),
        (
            "acme/2026-03-31_1.csv: sum 1234567.89 is not 20260331",
            "acme/2026-03-31_1.csv: sum 1234567.89 is not 20260331",
        ),
    ],
)
def test_long_numbers_are_masked_and_dates_and_amounts_stay(text: str, shown: str) -> None:
    assert logs.mask_numbers(text) == shown


def test_names_of_files_stand_in_the_log_without_account_numbers(workspace: Path) -> None:
    logs.configure(Settings())
    try:
        raise ValueError("statement_4711-0091.csv, line 3")
    except ValueError:
        logs.get_log().warning(
            "file_refused", file="acme/statement_4711-0091.csv", member="4711-0091.xml", reason="4711-0091 is odd",
            exc_info=True,
        )  # fmt: skip
    text = (workspace / "logs" / "dietz.jsonl").read_text()
    line = json.loads(text)
    assert (line["file"], line["member"], line["reason"]) == (
        "acme/statement_******091.csv", "******091.xml", "******091 is odd",
    )  # fmt: skip
    assert "ValueError: statement_******091.csv, line 3" in line["exception"]
