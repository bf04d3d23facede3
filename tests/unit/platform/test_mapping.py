"""A typo in a mapping is one line with the file, the line and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.platform.errors import ConfigError
from jobs.platform.mapping import Mapping, load_mappings, mappings_folder
from jobs.platform.yaml_model import load_yaml

GOOD = (mappings_folder() / "canonical_prices.yaml").read_text(encoding="utf-8")


def problem(tmp_path: Path, text: str) -> str:
    path = tmp_path / "m.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Mapping)
    return str(caught.value).replace(str(path), "m.yaml")


def test_the_shipped_mappings_are_valid_and_named_as_their_files() -> None:
    names = {path.stem for path in mappings_folder().glob("*.yaml")}
    assert set(load_mappings()) == names


def test_a_mistyped_key_names_the_nearest_right_one(tmp_path: Path) -> None:
    text = GOOD.replace("delivery:", "delivry:")
    line = 1 + next(n for n, one in enumerate(text.splitlines()) if one.startswith("delivry"))
    found = problem(tmp_path, text).splitlines()
    assert f"m.yaml:{line}: unknown key 'delivry' at delivry; did you mean 'delivery'?" in found


def test_a_mistyped_value_names_the_nearest_right_one(tmp_path: Path) -> None:
    found = problem(tmp_path, GOOD.replace("delivery: upsert", "delivery: upsrt"))
    assert found.startswith("m.yaml:4: delivery: ")
    assert found.endswith("(found 'upsrt'); did you mean 'upsert'?")


def test_a_column_that_the_table_does_not_have_is_named_with_those_it_has(tmp_path: Path) -> None:
    found = problem(tmp_path, GOOD.replace("      price: {title: price}", "      prise: {title: price}"))
    assert "table price has no column 'prise'; it has as_of_date, currency, price, security_id" in found


def test_a_required_column_left_out_is_named(tmp_path: Path) -> None:
    found = problem(tmp_path, GOOD.replace("      price: {title: price}\n", ""))
    assert "table price needs column 'price'" in found


def test_a_date_format_with_letters_that_mean_nothing_is_refused(tmp_path: Path) -> None:
    found = problem(tmp_path, GOOD + "dates: DD.MM.YYYY\n")
    assert "date format 'DD.MM.YYYY': 'DD' is none of yyyy, yy, MMMM" in found


def test_titles_that_a_figure_is_read_from_must_be_there_unless_optional() -> None:
    shipped = load_mappings()
    bookings = shipped["brokerage_transactions"]
    titles = ["Date", "Action", "Symbol", "Quantity", "Price"]
    assert bookings.absent_titles([*titles, "Amount"]) == []
    assert bookings.absent_titles(titles) == [("transaction.amount", "Amount")]
    assert shipped["canonical_transactions"].absent_titles(["transaction_id", "account_id", "type", "trade_date"]) == []


def test_a_pattern_that_is_none_is_refused(tmp_path: Path) -> None:
    found = problem(tmp_path, GOOD.replace("fingerprint:", "fingerprint:\n  signature: '['"))
    assert "not a regular expression" in found


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path, GOOD + "vendor: other\n").endswith("key 'vendor' stands twice in one mapping")


def test_a_source_that_was_never_captured_is_named(tmp_path: Path) -> None:
    found = problem(tmp_path, GOOD.replace("{title: as_of_date}", "{context: as_of}"))
    assert "nothing captured is called 'as_of'" in found
