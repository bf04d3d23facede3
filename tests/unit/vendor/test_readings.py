"""Identifiers by their check digits, and texts that fit more than one way of writing."""

from __future__ import annotations

import pytest

from jobs.vendor import readings
from jobs.vendor.profile import profile
from jobs.vendor.synonyms import plain, synonyms


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("US0378331005", True), ("DE0007164600", True), ("US0378331006", False), ("NLFLATEXACNT", False), ("", False)],
)
def test_isin(text: str, is_one: bool) -> None:
    assert readings.is_isin(text) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("037833100", True), ("18915M107", True), ("037833101", False), ("ABCDEFGHI", False), ("03783310", False)],
)
def test_cusip(text: str, is_one: bool) -> None:
    assert readings.is_cusip(text) is is_one


def test_a_text_fits_every_format_that_it_may_be() -> None:
    assert list(readings.dates("03/04/2026"))[:2] == ["MM/dd/yyyy", "dd/MM/yyyy"]
    assert set(readings.dates("3/4/2026")) == {"M/d/yyyy", "d/M/yyyy"}
    assert set(readings.dates("20260304")) == {"yyyyMMdd"}
    assert not readings.dates("2026-02-30")


def test_a_posting_date_gives_way_to_the_date_it_is_effective_on() -> None:
    found = profile("Date", ["04/17/2026 as of 04/15/2026", "04/18/2026"])
    assert [day.isoformat() for day in found.dates["MM/dd/yyyy"]] == ["2026-04-15", "2026-04-18"]
    assert found.part == r"^(?:.* as of )?(\d{2}/\d{2}/\d{4})$"


@pytest.mark.parametrize(
    ("cells", "styles"),
    [
        (["0.868", "12.345"], {"plain", "us", "swiss", "spaced_point", "trailing_sign"}),  # no group begins with 0
        (["1.234", "19900"], {"plain", "us", "swiss", "spaced_point", "trailing_sign"}),  # who groups groups all
        (["1.234,50", "2,5"], {"european"}),
        (["$1,234.50", "(6.97)"], {"us"}),
        (["5-", "1"], {"trailing_sign", "us", "european", "spaced", "spaced_point", "swiss"}),
    ],
)
def test_number_styles_that_fit_the_whole_column(cells: list[str], styles: set[str]) -> None:
    assert set(profile("x", cells).styles) == styles


def test_two_styles_in_one_column_are_none() -> None:
    found = profile("x", ["1,50", "2.005"])
    assert set(found.styles) == {"european"}
    mixed = profile("x", ["1,50", "-97.93"])
    assert (mixed.styles, set(mixed.mixed)) == ({}, {"european", "plain"})


def test_words_of_types_must_be_whole() -> None:
    known = synonyms()
    assert known.type_of("Cash Dividend") == "DIVIDEND"
    assert known.type_of("Koop Fondsen") == "BUY"
    assert known.type_of("Reinvest Dividend") is None
    assert known.type_of("Dividend Reversal") is None
    assert known.type_of("ADR Mgmt Fee") is None


def test_titles_are_compared_without_case_units_and_accents() -> None:
    assert {plain(title) for title in ("Trade_Date", "tradeDate", "TRADE DATE", "Trade Date ($)")} == {"trade date"}
    assert plain("Währung (€)") == "wahrung"
