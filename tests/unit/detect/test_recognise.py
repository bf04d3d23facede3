"""Which feed a file is, by its content; a tie or a miss is an answer too."""

from __future__ import annotations

import pytest

from jobs.detect.recognise import business_date, captured, find_header, first_lines, recognise
from jobs.platform.mapping import Fingerprint, load_mappings
from jobs.platform.mapping_reader import Reader

MAPPINGS = load_mappings()
HISTORY = b"Date,USD,JPY,BGN,\n2026-02-06,1.1794,185.27,N/A,\n"
DAILY = b"Date, USD, JPY, \n06 February 2026, 1.1794, 185.27, \n"
POSITIONS = (
    b'"Positions for All-Accounts as of 04:05 PM ET, 03/31/2026"\n\n"General Investing ...876"\n'
    b'"Symbol","Description","Quantity","Price","Market Value"\n'
)


@pytest.mark.parametrize(
    ("content", "feed"),
    [
        (b"account_id,as_of_date,market_value,currency\n", "canonical_valuations"),
        (b"\xef\xbb\xbfAccount_ID,AS_OF_DATE,Market_Value\r\n", "canonical_valuations"),
        (b"account_id,as_of_date,security_id,quantity,market_value\n", "canonical_positions"),
        (b"account_id,as_of_date,end_market_value,twrr_daily\n", "canonical_reported_performance"),
        (b"account_id,account_name\n", "canonical_accounts"),
        (b"group_type,group_id,account_id,from_date,to_date\n", "canonical_group_members"),
        (b"vendor,vendor_account_number,account_id\n", "canonical_account_xref"),
        (b"security_id,as_of_date,price,currency\n", "canonical_prices"),
        (b"security_id,name,isin\n", "canonical_securities"),
        (HISTORY, "ecb_fx_history"),
        (DAILY, "ecb_fx_daily"),
        (POSITIONS, "brokerage_positions"),
        (
            b'"Transactions  for account X ...876 as of 05/03/2023"\n'
            b'"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount",\n',
            "brokerage_transactions",
        ),
    ],
)
def test_a_file_is_known_by_its_content_whatever_its_name(content: bytes, feed: str) -> None:
    found = recognise("export.csv", content, MAPPINGS)
    assert found.candidate is not None, found.message
    assert found.candidate.feed == feed


def test_a_title_may_go_over_lines_where_quoted_cells_do() -> None:
    shipped = MAPPINGS["canonical_valuations"]
    mapping = shipped.model_copy(update={"reader": Reader(quoted_lines=True)})
    lines = ['Report "1', 'account_id,"as_of_\ndate","market\n_value"', "A1,2026-03-31,5"]
    wanted = mapping.model_copy(update={"fingerprint": Fingerprint(required=["account_id", "as_of_ date"])})
    found = find_header("\n".join(lines).split("\n"), wanted)
    assert found == (2, ["account_id", "as_of_ date", "market _value"])


def test_a_missing_required_title_is_named() -> None:
    found = recognise("canonical_valuations_1.csv", b"account_id,as_of_date,value\n", MAPPINGS)
    assert found.candidate is None or found.candidate.feed != "canonical_valuations"
    named = [c for c in found.candidates if c.feed == "canonical_valuations"]
    assert named[0].reasons == ["title 'market_value' is missing from line 1"]


def test_two_mappings_that_fit_alike_are_a_tie_with_both_named() -> None:
    twin = MAPPINGS["canonical_prices"].model_copy(update={"feed": "other_prices"})
    content = b"security_id,as_of_date,price,currency\n"
    found = recognise("prices.csv", content, {"canonical_prices": MAPPINGS["canonical_prices"], "other_prices": twin})
    assert found.candidate is None
    assert found.message == "several mappings fit equally well: canonical_prices (85), other_prices (85)"


def test_binary_content_is_called_so() -> None:
    assert first_lines(b"PAR1\x00\x00PAR1", "utf-8") is None
    assert "binary" in recognise("x.csv", b"\x89PNG\x00\x01", MAPPINGS).message


def test_a_character_cut_by_the_end_of_the_first_look_is_no_fault() -> None:
    head = "caf\u00e9".encode()[:-1]
    assert first_lines(head, "utf-8") == ["caf"]


def test_the_date_and_the_account_are_captured_from_around_the_records() -> None:
    mapping = MAPPINGS["brokerage_positions"]
    lines = POSITIONS.decode().splitlines()
    stated = captured(mapping.context["as_of_date"], lines, "x.csv")
    assert stated == "03/31/2026"
    assert str(business_date(mapping, {"as_of_date": "03/31/2026"})) == "2026-03-31"
    assert business_date(mapping, {"as_of_date": "13/31/2026"}) is None


def test_an_export_with_many_titles_that_nobody_reads_is_recognised_and_one_that_is_nearly_foreign_is_not() -> None:
    some = ",".join(f"extra_{n}" for n in range(6))
    many = ",".join(f"extra_{n}" for n in range(60))
    found = recognise("x.csv", f"account_id,as_of_date,market_value,{some}\n".encode(), MAPPINGS)
    assert found.candidate is not None
    assert found.candidate.feed == "canonical_valuations"
    foreign = recognise("x.csv", f"account_id,as_of_date,market_value,{many}\n".encode(), MAPPINGS)
    assert foreign.candidate is None
    assert "does not know extra_0" in foreign.message


def test_titles_over_two_lines_are_joined_by_column() -> None:
    reader = Reader(delimiter="|", header_rows=2)
    mapping = MAPPINGS["hst_transactions"].model_copy(
        update={"reader": reader, "fingerprint": Fingerprint(required=["H2 H3", "Security CUSIP", "Total Value"])}
    )
    lines = ["H1|HOLDINGS", "H2|Security|Total|", "H3|CUSIP|Value|Note", "DL|037833100|5.00|"]
    assert find_header(lines, mapping) == (2, ["H2 H3", "Security CUSIP", "Total Value", "Note"])
