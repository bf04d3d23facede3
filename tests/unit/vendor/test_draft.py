"""A draft says what a file shows, and leaves open what it does not: small files whose answer is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.platform.errors import ConfigError, DietzError
from jobs.platform.mapping import Mapping
from jobs.platform.yaml_model import load_yaml
from jobs.vendor.write import drafts

GERMAN = """Depotbank Muster;;;;;;;;
Depot 4711088001;Zeitraum 01.03.2026 - 31.03.2026;;;;;;;

Buchungstag;Valuta;Umsatzart;Bezeichnung;ISIN;Stück;Kurs;Betrag;Währung
02.03.2026;04.03.2026;Kauf;ALLIANZ SE;DE0008404005;10;250,50;-2.505,00;EUR
13.03.2026;17.03.2026;Verkauf;SIEMENS AG;DE0007236101;-5;180,20;901,00;EUR
16.03.2026;16.03.2026;Sonderfall;SAP SE;DE0007164600;;;123,45;EUR
Summe;;;;;;;-1.480,55;
"""
TRADES = """Trade Date,Settlement Date,Transaction Type,Symbol,Quantity,Price,Fees,Net Amount,Currency,Account Number
2026-03-02,2026-03-04,Buy,AAPL,10,170.50,1.00,-1706.00,USD,U99
2026-03-03,2026-03-05,Sell,AAPL,5,171.50,1.00,856.50,USD,U99
2026-03-04,,Deposit,,,,,5000.00,USD,U99
"""
HOLDINGS = """Account,ISIN,Name,Units,Price,Value,Ccy,Date
A1001,FR0000120271,TOTAL SE,100,50.00,5000.00,EUR,2026-03-14
A1001,US0378331005,Apple,10,170.00,1700.00,EUR,2026-03-14
A1002,DE0007236101,Siemens,1,180.00,180.00,EUR,2026-03-14
"""
RETURNS = """Portfolio,As Of Date,Beginning Market Value,Net Flows,Ending Market Value,Daily Return
P1,2026-03-02,1000.00,0,1010.00,1.0
P1,2026-03-03,1010.00,0,1020.10,1.0
P1,2026-03-04,1020.10,100,1125.00,0.44
P1,2026-03-05,1125.00,0,1113.75,-1.0
P1,2026-03-06,1113.75,0,1130.00,1.459
"""


def drafted(tmp_path: Path, content: str, name: str = "file.csv", **given: str) -> dict[str, Any]:
    """The draft of a file with this content, as data."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return yaml.safe_load(next(drafts(path, **given)).text)


def columns(draft: dict[str, Any], target: int = 0) -> dict[str, Any]:
    return draft["targets"][target]["columns"]


def test_a_german_account_statement_by_its_titles_signs_and_footer(tmp_path: Path) -> None:
    draft = drafted(tmp_path, GERMAN)
    assert draft["targets"][0]["table"] == "transaction"
    assert {name: source for name, source in columns(draft).items() if "title" in source} == {
        "trade_date": {"title": "Buchungstag"},
        "settle_date": {"title": "Valuta"},
        "amount": {"title": "Betrag"},
        "currency": {"title": "Währung"},
        "security_id": {"title": "ISIN"},
        "quantity": {"title": "Stück"},
        "price": {"title": "Kurs"},
    }
    assert (draft["numbers"], draft["dates"], draft["reader"]["delimiter"]) == ("european", "dd.MM.yyyy", ";")
    assert columns(draft)["account_id"] == {"account": "account"}
    assert draft["controls"] == [{"name": "betrag_total", "total_title": "Betrag", "number": "european"}]
    assert draft["lines"] == [{"kind": "total", "match": r'^"?Summe"?\s*(?:;|$)'}]


def test_beside_each_choice_stands_how_sure_it_is_and_why(tmp_path: Path) -> None:
    path = tmp_path / "holdings_20260314.csv"
    path.write_text(HOLDINGS, encoding="utf-8")
    lines = next(drafts(path)).text.splitlines()
    chosen = [line.strip() for line in lines if re.match(r" {6}\w+: ", line)]
    assert len(chosen) == 7
    assert [line for line in chosen if not re.search(r"\}  # 0\.\d\d its title", line)] == []
    reasons = {line.split(":")[0]: line.split("#")[1] for line in chosen}
    assert "its day is the one that the file states" in reasons["as_of_date"]
    assert "quantity x price = market_value" in reasons["market_value"]


def test_a_word_that_is_no_general_one_is_open_and_the_others_are_not(tmp_path: Path) -> None:
    rules = drafted(tmp_path, GERMAN)["codes"]["types"]["rules"]
    assert {rule["is"]: rule["gives"]["type"] for rule in rules} == {
        "Kauf": "BUY",
        "Verkauf": "SELL",
        "Sonderfall": "TODO",
    }


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (("03/04/2026", "05/06/2026"), "TODO MM/dd/yyyy or dd/MM/yyyy"),
        (("03/04/2026", "05/13/2026"), "MM/dd/yyyy"),
        (("03/04/2026", "25/06/2026"), "dd/MM/yyyy"),
        (("3/4/2026", "12/25/2026"), "M/d/yyyy"),
        (("2026-03-04", "2026-05-06"), None),  # the mapping's own default need not be said, but is
    ],
)
def test_day_and_month_are_decided_by_a_day_above_12_or_not_at_all(
    tmp_path: Path, days: tuple[str, str], expected: str | None
) -> None:
    rows = "".join(f"S{n},{day},1{n}.5,EUR\n" for n, day in enumerate(days))
    draft = drafted(tmp_path, f"Security Id,Price Date,Price,Currency\n{rows}")
    assert draft["dates"] == (expected or "yyyy-MM-dd")


def test_the_date_in_the_files_name_decides_how_its_preamble_writes_dates(tmp_path: Path) -> None:
    text = (
        'Holdings as of 04/03/2026\n\n"Symbol","Quantity","Price","Market Value"\nAAA,10,5.00,50.00\nBBB,3,7.00,21.00\n'
    )
    told = drafted(tmp_path, text, "holdings_20260304.csv")
    assert columns(told)["as_of_date"] == {"context": "as_of_date", "date": "dd/MM/yyyy"}
    untold = drafted(tmp_path, text, "holdings.csv")
    assert columns(untold)["as_of_date"]["context"].startswith("TODO")


def test_one_thousand_or_one_and_a_bit_is_not_guessed(tmp_path: Path) -> None:
    rows = "4711;2026-03-02;Deposit;1.234;EUR\n4711;2026-03-03;Withdrawal;500;EUR\n"
    draft = drafted(tmp_path, "account;date;type;amount;currency\n" + rows)
    assert columns(draft)["amount"]["number"] == "TODO plain (1.234 is 1.234) or european (1.234 is 1234)"
    other = drafted(tmp_path, "account;date;type;amount;currency\n" + rows.replace("500", "-500,75"))
    assert other["numbers"] == "european"
    assert "number" not in columns(other)["amount"]


def test_a_column_written_in_two_ways_is_read_in_both(tmp_path: Path) -> None:
    rows = "4711;2026-03-02;Deposit;26,45;EUR\n4711;2026-03-03;Withdrawal;-97.93;EUR\n4711;2026-03-04;Deposit;7;EUR\n"
    amount = columns(drafted(tmp_path, "account;date;type;amount;currency\n" + rows))["amount"]
    assert (amount["title"], sorted(amount["number"]), "negate_when" in amount) == (
        "amount",
        ["european", "plain"],
        False,
    )


def test_units_sold_without_a_sign_are_turned_by_the_type_and_amounts_in_account_view_are_not(tmp_path: Path) -> None:
    draft = drafted(tmp_path, TRADES)
    assert columns(draft)["quantity"] == {"title": "Quantity", "negate_when": "types.reduces"}
    assert columns(draft)["amount"] == {"title": "Net Amount"}
    reduces = {rule["is"]: rule["gives"]["reduces"] for rule in draft["codes"]["types"]["rules"]}
    assert reduces == {"Buy": "no", "Sell": "yes", "Deposit": "no"}


def test_amounts_without_signs_are_turned_by_the_type(tmp_path: Path) -> None:
    draft = drafted(tmp_path, TRADES.replace("-1706", "1706"))
    assert columns(draft)["amount"] == {"title": "Net Amount", "negate_when": "types.out"}
    out = {rule["is"]: rule["gives"]["out"] for rule in draft["codes"]["types"]["rules"]}
    assert out == {"Buy": "yes", "Sell": "no", "Deposit": "no"}


def test_amounts_from_the_other_side_are_left_to_a_person(tmp_path: Path) -> None:
    text = TRADES.replace("-1706", "1706").replace("856.50", "-856.50").replace("5000.00", "-5000.00")
    assert columns(drafted(tmp_path, text))["amount"]["negate_when"].startswith("TODO")


def test_an_amount_before_costs_is_not_taken_for_the_net_one(tmp_path: Path) -> None:
    gross = TRADES.replace("-1706.00", "-1705.00").replace("856.50", "857.50").replace("Net Amount", "Amount")
    assert columns(drafted(tmp_path, gross))["amount"]["title"].startswith(
        "TODO the net amount: 'Amount' is before costs"
    )
    assert columns(drafted(tmp_path, TRADES.replace("Net Amount", "Amount")))["amount"]["title"] == "Amount"


def test_a_company_called_total_stays_a_record(tmp_path: Path) -> None:
    by_name = HOLDINGS.replace("Account,ISIN,Name", "Name,ISIN,Account").replace(
        "A1001,FR0000120271,TOTAL SE", "TOTAL SE,FR0000120271,A1001"
    )
    assert "lines" not in drafted(tmp_path, by_name)


def test_a_sum_that_may_be_a_company_is_asked_about(tmp_path: Path) -> None:
    rules = drafted(tmp_path, HOLDINGS + "Total EUR,,,,,6880.00,,\n")["lines"]
    assert rules == [{"kind": "total", "match": "TODO is a line that begins with 'Total EUR' a total"}]


def test_a_footer_is_no_footer_where_records_begin_alike(tmp_path: Path) -> None:
    header, *rows = TRADES.splitlines()
    draft = drafted(tmp_path, "\n".join([header, *rows, "2026-03-31"]) + "\n")
    assert [rule["kind"] for rule in draft["lines"]] == ["footer"]
    assert draft["lines"][0]["match"].startswith("TODO ")
    kept = drafted(tmp_path, "\n".join([header, *rows, "Downloaded 31 March, all rights reserved"]) + "\n")
    assert kept["lines"] == [{"kind": "footer", "match": r'^"?Downloaded\s+\d+\s+March,\s+all\s+right'}]


def test_two_identifiers_of_a_security_are_the_firms_to_choose_from(tmp_path: Path) -> None:
    assert columns(drafted(tmp_path, HOLDINGS))["security_id"] == {"title": "ISIN"}
    both = HOLDINGS.replace("Name", "Symbol")
    assert columns(drafted(tmp_path, both))["security_id"] == {"title": "TODO one of: ISIN or Symbol"}


def test_identifiers_and_days_are_known_by_their_values(tmp_path: Path) -> None:
    strange = HOLDINGS.replace("ISIN", "Kennung").replace("Date", "Per").replace("Ccy", "X")
    draft = columns(drafted(tmp_path, strange, "holdings_20260314.csv"))
    assert draft["security_id"] == {"title": "Kennung"}
    assert draft["as_of_date"] == {"title": "Per"}
    assert draft["currency"] == {"title": "X"}
    damaged = columns(drafted(tmp_path, strange.replace("US0378331005", "US0378331006")))
    assert damaged["security_id"]["title"].startswith("TODO")


def test_a_price_in_hundredths_is_seen_by_the_value(tmp_path: Path) -> None:
    pence = (
        HOLDINGS.replace("50.00,", "5000.00,")
        .replace("170.00,", "17000.00,")
        .replace("180.00,180.00", "18000.00,180.00")
    )
    assert "in hundredths" in columns(drafted(tmp_path, pence))["price"]["title"]


def test_pence_beside_pounds_are_asked_about(tmp_path: Path) -> None:
    draft = drafted(
        tmp_path, "ISIN;Date;Close;Ccy\nGB00B10RZP78;2026-03-31;4321.5;GBX\nUS0378331005;2026-03-31;170;USD\n"
    )
    assert columns(draft)["currency"]["title"].startswith("TODO 'Ccy' holds minor units (GBX)")


def test_the_unit_of_returns_is_proved_by_the_values_or_open(tmp_path: Path) -> None:
    assert columns(drafted(tmp_path, RETURNS))["twrr_daily"] == {"title": "Daily Return", "unit": "percent"}
    alone = "\n".join(",".join(line.split(",")[i] for i in (0, 1, 5)) for line in RETURNS.splitlines())
    assert columns(drafted(tmp_path, alone))["twrr_daily"]["unit"].startswith("TODO")
    signed = alone.replace("1.0\n", "1.0%\n").replace("0.44", "0.44%").replace("1.459", "1.459%")
    assert columns(drafted(tmp_path, signed))["twrr_daily"]["unit"] == "percent"


def test_the_beginning_of_a_period_is_not_taken_for_the_days(tmp_path: Path) -> None:
    monthly = RETURNS.replace("Daily Return", "MTD Return").replace("1010.00,0,1020.10", "1000.00,0,1020.10")
    monthly = monthly.replace("1020.10,100", "1000.00,100").replace("1125.00,0,", "1000.00,0,")
    assert columns(drafted(tmp_path, monthly))["begin_market_value"]["title"].startswith("TODO")


def test_a_file_without_titles_is_drafted_from_its_trailer(tmp_path: Path) -> None:
    text = (
        "H|TRX|20260331|3\n"
        "D|1|A100023|20260330|20260401|BUY|10|172.50|-1729.95|USD|R7788\n"
        "D|2|A100023|20260331|20260331|DEPOSIT|0|0|5000.00|USD|R7789\n"
        "D|3|A100024|20260331|20260401|SELL|-10|172.50|1724.00|USD|R7790\n"
        "T|3|4994.05|300070\n"
    )
    draft = drafted(tmp_path, text, "trx_20260331.psv")
    assert columns(draft)["account_id"] == {"account_title": "column_3"}
    assert columns(draft)["type"] == {"code": "types.type"}
    assert columns(draft)["amount"] == {"title": "TODO one of: column_9"}
    assert columns(draft)["trade_date"]["title"] == "TODO one of: column_4 or column_5"
    assert columns(draft)["transaction_id"]["title"].startswith("TODO column_11 or identity")
    checks = {control.get("check", "sum"): control["stated_title"] for control in draft["controls"]}
    assert checks == {"count": "column_2", "sum": "column_3", "hash": "column_4"}


def test_wide_rates_leave_the_base_currency_open(tmp_path: Path) -> None:
    draft = drafted(tmp_path, "Date,USD,JPY,GBP,CHF,SEK,\n2026-02-06,1.1794,185.27,0.87,N/A,10.67,\n")
    assert draft["targets"][0]["unpivot"]["titles"] == "[A-Z]{3}"
    assert columns(draft)["from_currency"]["constant"] == "TODO the currency that one unit is of: EUR"


def test_a_draft_with_open_places_is_refused_and_each_is_named(tmp_path: Path) -> None:
    source = tmp_path / "file.csv"
    source.write_text(HOLDINGS, encoding="utf-8")
    path = tmp_path / "draft.yaml"
    path.write_text(next(drafts(source, "muster", "muster_positions")).text, encoding="utf-8")
    line = 1 + next(n for n, one in enumerate(path.read_text("utf-8").splitlines()) if one.startswith("delivery:"))
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Mapping)
    assert str(caught.value) == (
        f"{path}:{line}: delivery: still to be decided: snapshot (a file holds all of its day; say `replaces` too)"
        " or upsert"
    )


def test_a_draft_without_open_places_loads(tmp_path: Path) -> None:
    source = tmp_path / "prices.csv"
    source.write_text(
        "Date;ISIN;Cours;Devise\n31/03/2026;FR0000120271;58,12;EUR\n31/03/2026;US0378331005;170,5;USD\n", "utf-8"
    )
    made = next(drafts(source, "muster", "muster_prices"))
    path = tmp_path / "draft.yaml"
    path.write_text(made.text, encoding="utf-8")
    mapping = load_yaml(path, Mapping)
    assert made.still_open == 0
    assert (mapping.targets[0].table, mapping.targets[0].columns["price"].title) == ("price", "Cours")


def test_titles_and_words_that_yaml_would_misread_stay_what_they_are(tmp_path: Path) -> None:
    odd = TRADES.replace("Deposit", "yes: #1 'x'").replace("Symbol", "ISIN: {a}").replace("Fees", "no\u2028e")
    draft = drafted(tmp_path, odd)
    assert [rule["is"] for rule in draft["codes"]["types"]["rules"]] == ["Buy", "Sell", "yes: #1 'x'"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv.pgp", b"x", "encrypted"),
        ("a.csv", b"-----BEGIN PGP MESSAGE-----\n", "encrypted (PGP)"),
        ("a.csv", b"\x01\x02\xff\xfe\x03abc\x90", "binary content"),
        ("a.csv", b"a\x00b,c\n", "binary content"),
        ("a.csv", b"one\ntwo\n", "no delimiter"),
        ("a.xml", b"<a><b x='1'>", "not well-formed XML"),
    ],
)
def test_what_cannot_be_drafted_is_said(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DietzError) as caught:
        list(drafts(path))
    assert words in str(caught.value)


def test_a_standard_is_copied_under_another_name_and_must_be_told_apart(tmp_path: Path) -> None:
    text = drafted(tmp_path, ":20:S\n:25:1\n:60F:C260302EUR1,\n:62F:C260302EUR1,\n-\n", "a.sta", vendor="muster")
    assert (text["vendor"], text["format"]) == ("muster", "swift")
    assert text["fingerprint"]["signature"].startswith("TODO")
