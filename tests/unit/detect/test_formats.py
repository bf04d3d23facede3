"""Formats that become lines: what a JSON text and an oddly wrapped SWIFT message are as records."""

from __future__ import annotations

import io
import json
from datetime import date, datetime, time
from decimal import Decimal

import mt940
import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from jobs.detect import formats
from jobs.detect.formats import FormatError, document, ofx, swift, workbook, xml
from jobs.platform.mapping import Mapping, load_mappings

MAPPING = Mapping.model_validate(
    {
        "vendor": "v", "feed": "f", "meaning": "", "delivery": "log", "format": "json_document",
        "fingerprint": {"required": ["accounts"]}, "reader": {"records": ["bookings"]},
        "lines": [{"kind": "account", "fields": {"element": "accounts"}}],
        "targets": [{"table": "valuation", "lines": "bookings", "columns": {
            "account_id": {"title": "accounts/number"}, "as_of_date": {"title": "document/asOf"},
            "market_value": {"title": "value/amount"},
        }}],
    }
)  # fmt: skip


def test_a_json_text_gives_a_record_for_each_object_of_the_name_with_what_stands_around_it() -> None:
    text = """{"accounts": [
        {"number": 8, "bookings": [], "closed": null},
        {"bookings": [{"id": 1, "value": {"amount": 10.10}, "tags": ["a", "b"]}, {"id": 2, "ok": true}], "number": 7}],
      "asOf": "2026-03-31"}"""
    found = [json.loads(line) for line in document.lines(io.BytesIO(b"\xef\xbb\xbf" + text.encode()), MAPPING)]
    around = {"element": "bookings", "document/asOf": "2026-03-31", "accounts/number": "7"}
    assert found[1:3] == [
        around | {"id": "1", "value/amount": "10.10", "tags": "a", "tags[2]": "b"},
        around | {"id": "2", "ok": "true"},
    ]
    assert [one["element"] for one in found] == ["accounts", "bookings", "bookings", "accounts", "document"]
    assert found[0]["number"] == "8", "an account without bookings is a row as any other"


def test_of_elements_called_alike_those_with_the_attribute_are_records() -> None:
    text = """<g:Envelope xmlns:g="urn:g" xmlns="urn:e"><Cube><Cube time="2026-02-06">
        <Cube currency="USD" rate="1.1794"/>
        <Cube currency="JPY" rate="185.27"/></Cube><Cube time="2026-02-05"><Cube currency="USD" rate="1.18"/></Cube>
        </Cube></g:Envelope>"""
    found = [json.loads(line) for line in xml.lines(io.BytesIO(text.encode()), load_mappings()["ecb_fx_xml"])]
    rates = [(one["Cube/time"], one["currency"], one["rate"]) for one in found if "rate" in one]
    assert rates == [
        ("2026-02-06", "USD", "1.1794"),
        ("2026-02-06", "JPY", "185.27"),
        ("2026-02-05", "USD", "1.18"),
    ]


def test_an_ofx_statement_is_read_whatever_became_of_its_header() -> None:
    body = "<OFX><BANKMSGSRSV1><STMTTRNRS><STMTTRN><TRNAMT>5.00<FITID>1</STMTTRN></STMTTRNRS></BANKMSGSRSV1></OFX>"
    for header in ("", "<!-- OFXHEADER:100 DATA:OFXSGML -->\n", "OFXHEADER 100\n\n"):
        lines = ofx.lines(io.BytesIO((header + body).encode()), load_mappings()["ofx_investment"])
        found = [json.loads(line) for line in lines]
        assert [(one["element"], one["TRNAMT"]) for one in found if "TRNAMT" in one] == [("STMTTRN", "5.00")], header


@pytest.mark.parametrize("text", ['{"accounts": [', "[1, 2", "\udcff"])
def test_what_is_no_json_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(FormatError, match=r"line 1, column|byte 0"):
        list(document.lines(io.BytesIO(text.encode("utf-8", "surrogateescape")), MAPPING))


def test_swift_blocks_before_a_message_and_tags_of_a_bank_s_own() -> None:
    text = "{1:F01BANK}{2:I940BANKN}{4:\n:20:S1\n:25:7\n:NS:22more\n:61:260331C5,NTRF\n/OCMT/EUR5,/\n:86:?20:x:\n-}\n"
    found = [json.loads(line) for line in swift.lines(io.BytesIO(text.encode()), "utf-8")]
    assert [one["element"] for one in found] == ["20", "25", "NS", "61"]
    assert found[3] | {"amount": "5,", "86": "?20:x:", "20": "S1", "25": "7"} == found[3]


def test_swift_fields_are_what_the_library_reads_in_the_whole_file() -> None:
    entries = [
        "2603310401C5,NTRFA//B",
        "2512310102D12,3NCHK",
        "260331    C2,NTRF",
        "2603310331RD1234567,89NMSC16_LETTERS_LONG.//X\n/OCMT/EUR5,/",
        "260331DR7,5S101",
        "260331C\n8,NTRF",
    ]
    body = "".join(f":61:{entry}\n:86:for\n" for entry in entries)
    text = f":20:S1\n:25:7\n:28C:1/1\n:60F:C260330EUR1000,\n{body}:62F:D260331EUR0,5\n-\n"
    found = [json.loads(line) for line in swift.lines(io.BytesIO(text.encode()), "utf-8")]
    whole = mt940.parse(text)
    ours = [one for one in found if one["element"] == "61"]
    assert len(ours) == len(entries)
    for one, data in zip(ours, [entry.data for entry in whole], strict=True):
        assert one["value_date"] == f"{data['date']:%y%m%d}"
        assert one.get("booked_date") == (f"{data['entry_date']:%y%m%d}" if "entry_date" in data else None)
        assert Decimal(one["amount"].replace(",", ".")) == abs(data["amount"].amount)
        theirs = (data["status"], data["id"], data["customer_reference"] or None, data["bank_reference"])
        assert (one["mark"], one["type"], one.get("reference"), one.get("bank_reference")) == theirs
    balances = {one["element"]: (one["mark"], one["currency"], one["amount"]) for one in found if "date" in one}
    assert balances == {"60F": ("C", "EUR", "1000,"), "62F": ("D", "EUR", "0,5")}


@pytest.mark.parametrize(
    "field",
    [
        ":61:260331C5.00NTRF",
        ":61:260331C1234567890123456,NTRF",
        ":60F:C260331EUR3236.28",
        ":61:260331X5,NTRF",
        ":60F:C260331145000,00",
        ":60F:C260331EUR",
        ":60F:C260331EUR,",
    ],
)
def test_an_amount_that_swift_does_not_know_is_not_cut_to_one_that_it_does(field: str) -> None:
    (found,) = [json.loads(line) for line in swift.lines(io.BytesIO(field.encode()), "utf-8")]
    assert set(found) == {"element", found["element"]}


@pytest.mark.parametrize("tail", ["-}{5:{CHK:C77F8E009597}}", "-}$", "-}\x03", "-", "-{5:}", "free text"])
def test_what_follows_a_balance_is_no_part_of_it(tail: str) -> None:
    text = f"{{1:F01B}}{{4:\n:20:S1\n:25:7\n:62F:C260331EUR1005,\n{tail}\n"
    found = [json.loads(line) for line in swift.lines(io.BytesIO(text.encode()), "utf-8")]
    assert (found[-1]["element"], found[-1]["amount"]) == ("62F", "1005,")


def test_amounts_filled_up_with_zeros_and_types_filled_up_with_blanks() -> None:
    text = ":62F:C180410TRY0000000000000000,00\n:61:1804101011D000000000000005,50NTRF\n:61:1710111011DF2402,00S   X\n"
    found = [json.loads(line) for line in swift.lines(io.BytesIO(text.encode()), "utf-8")]
    assert [(one["amount"], one.get("mark_and_type")) for one in found] == [
        ("0,00", None),
        ("5,50", "DNTRF"),
        ("2402,00", "D"),
    ]


def test_an_entry_has_the_currency_of_its_own_statement_s_opening_balance() -> None:
    def statement(number: int, *fields: str) -> str:
        return "\n".join([f":20:S{number}", ":25:7", *fields, ":61:260331C5,NTRF", "-", ""])

    text = statement(1, ":60F:C260331EUR1,") + statement(2, ":60M:D260331CHF1,") + statement(3) + statement(4, ":60F:?")
    found = [json.loads(line) for line in swift.lines(io.BytesIO(text.encode()), "utf-8")]
    entries = [(one["20"], one.get("currency")) for one in found if one["element"] == "61"]
    assert entries == [("S1", "EUR"), ("S2", "CHF"), ("S3", None), ("S4", None)]


def test_what_must_be_read_whole_has_a_limit_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_WHOLE_BYTES", 1 << 20)
    readers = {
        "ofx": lambda stream: list(ofx.lines(stream, load_mappings()["ofx_investment"])),
        "one JSON text": lambda stream: list(document.lines(stream, MAPPING)),
        "workbook": workbook.sheets,
    }
    for read in readers.values():
        with pytest.raises(FormatError, match="larger than 1 MB, which this format cannot be read above"):
            read(io.BytesIO(b" " * ((1 << 20) + 1)))
        with pytest.raises(FormatError, match=r"not|cut"):  # at the limit it is looked at
            read(io.BytesIO(b" " * (1 << 20)))


@pytest.mark.parametrize("base", [CALENDAR_WINDOWS_1900, CALENDAR_MAC_1904])
def test_cells_of_a_sheet_are_texts_that_lose_nothing(base: datetime) -> None:
    book = openpyxl.Workbook()
    book.epoch = base
    book.active.append(["Read me"])
    sheet = book.create_sheet("Returns")
    sheet.sheet_state = "hidden"
    sheet.merge_cells("A1:C1")
    sheet["A1"] = "Performance"
    for row in (
        [],
        ["Account", "Value", "Return", "As Of"],
        [12345678.0, 1000.1, 0.0274, date(2026, 3, 31)],
        ["00123", "1,000.10", "2.74%", "31 March 2026"],
        [3.78331e7, "=B4*2", 0.1, datetime.combine(date(2026, 3, 31), time(16))],
        ["", None, " ", ""],
    ):
        sheet.append(row)
    sheet["C4"].number_format = "0.00%"
    sheet["D4"].number_format = "yyyy-mm-dd"
    content = io.BytesIO()
    book.save(content)
    assert workbook.sheets(io.BytesIO(content.getvalue())) == ["Sheet", "Returns"]
    found = [line and json.loads(line) for line in workbook.lines(io.BytesIO(content.getvalue()), "Returns")]
    assert found == [
        ["Performance"],
        "",
        ["Account", "Value", "Return", "As Of"],
        ["12345678", "1000.1", "2.74%", "2026-03-31"],
        ["00123", "1,000.10", "2.74%", "31 March 2026"],
        ["37833100", "=B4*2 (never calculated)", "0.1", "2026-03-31 16:00:00"],
    ]
