"""One small file of each format through detect, ingest and normalise: what it says is what silver holds."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.nights import Workspace, taken

pytestmark = pytest.mark.system

NUMBERS = {  # account_id: vendor, its number
    "M1": ("mt940", "70050000/1234"),
    "C1": ("camt053", "DE02100100100006820101"),
    "O1": ("ofx", "55-01"),
    "O2": ("ofx", "55-02"),
    "X1": ("flex", "U700001"),
    "X2": ("flex", "U700002"),
    "H1": ("hst", "A100023"),
    "J1": ("apx", "22"),
    "G1": ("gcus", "ABC1234561"),
    "R1": ("adviser", "12345678"),
    "U1": ("activity", "U900001"),
    "W1": ("warehouse", "7"),
    "P1": ("mt940", "unused"),
}
MT940 = """:20:STMT1
:25:70050000/1234
:28C:5/1
:60F:C260302EUR1000,
:61:2603030303C250,5NTRFREF1//B1
:86:TRANSFER IN
TWO LINES
:61:260303D20,NCHGREF2
:62F:C260303EUR1230,5
-
:20:STMT2
:25:70050000/1234
:28C:6/1
:60F:C260303EUR1230,5
:61:260304D30,5NTRFREF3
:62F:C260304EUR1200,
-
"""
CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><GrpHdr><MsgId>1</MsgId></GrpHdr><Stmt>
<Id>S1</Id><Acct><Id><IBAN>DE02100100100006820101</IBAN></Id></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">10.00</Amt><CdtDbtInd>DBIT</CdtDbtInd>
<Dt><Dt>2026-03-02</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">5.25</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>2026-03-03</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">15.25</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-03</Dt></BookgDt>
<ValDt><Dt>2026-03-04</Dt></ValDt></Ntry>
<Ntry><Amt Ccy="EUR">99</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts></Ntry>
</Stmt></BkToCstmrStmt></Document>
"""
OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20260303<LANGUAGE>ENG</SONRS>
</SIGNONMSGSRSV1><INVSTMTMSGSRSV1><INVSTMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><INVSTMTRS>
<DTASOF>20260303160000[-5:EST]
<CURDEF>USD<INVACCTFROM><BROKERID>b<ACCTID>55-01</INVACCTFROM><INVTRANLIST><DTSTART>20260301<DTEND>20260303
<SELLSTOCK><INVSELL><INVTRAN><FITID>t1<DTTRADE>20260302<DTSETTLE>20260303</INVTRAN><SECID><UNIQUEID>037833100
<UNIQUEIDTYPE>CUSIP</SECID><UNITS>-10<UNITPRICE>170.5<TOTAL>1704.95<SUBACCTSEC>CASH<SUBACCTFUND>CASH</INVSELL>
<SELLTYPE>SELL</SELLSTOCK><INVBANKTRAN><STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260303<TRNAMT>-300.00<FITID>t2</STMTTRN>
<SUBACCTFUND>CASH</INVBANKTRAN></INVTRANLIST><INVPOSLIST><POSSTOCK><INVPOS><SECID><UNIQUEID>037833100<UNIQUEIDTYPE>CUSIP
</SECID><HELDINACCT>CASH<POSTYPE>LONG<UNITS>90<UNITPRICE>171<MKTVAL>15390.00<DTPRICEASOF>20260303</INVPOS></POSSTOCK>
</INVPOSLIST><INVBAL><AVAILCASH>1404.95<MARGINBALANCE>-50<SHORTBALANCE>0</INVBAL></INVSTMTRS></INVSTMTTRNRS>
</INVSTMTMSGSRSV1></OFX>
"""


def ofx_of_version_2() -> str:
    """A statement with the bookings that are neither trade nor cash, each of its own kind."""
    security = "<SECID><UNIQUEID>037833100</UNIQUEID><UNIQUEIDTYPE>CUSIP</UNIQUEIDTYPE></SECID>"
    dividend = f"{security}<INCOMETYPE>DIV</INCOMETYPE>"
    booked = [
        ("INCOME", f"{dividend}<TOTAL>12.40</TOTAL>"),
        ("REINVEST", f"{dividend}<TOTAL>-30</TOTAL><UNITS>2</UNITS><UNITPRICE>15</UNITPRICE>"),
        ("REINVEST", f"{dividend}<TOTAL>8</TOTAL><UNITS>1</UNITS><UNITPRICE>8</UNITPRICE>"),
        ("SPLIT", f"{security}<OLDUNITS>10</OLDUNITS><NEWUNITS>30</NEWUNITS><FRACCASH>0.50</FRACCASH>"),
        ("TRANSFER", f"{security}<UNITS>10</UNITS><TFERACTION>OUT</TFERACTION><UNITPRICE>5</UNITPRICE>"),
        ("INVEXPENSE", f"{security}<TOTAL>-3</TOTAL>"),
        ("RETOFCAP", f"{security}<TOTAL>9</TOTAL>"),
        ("MARGININTEREST", "<TOTAL>-0.75</TOTAL>"),
        ("JRNLFUND", "<SUBACCTTO>MARGIN</SUBACCTTO><SUBACCTFROM>CASH</SUBACCTFROM><TOTAL>5</TOTAL>"),
        ("CLOSUREOPT", f"{security}<OPTACTION>EXPIRE</OPTACTION><UNITS>-1</UNITS>"),
    ]
    rows = "".join(
        f"<{name}><INVTRAN><FITID>r{n}</FITID><DTTRADE>20260304</DTTRADE></INVTRAN>{fields}</{name}>\n"
        for n, (name, fields) in enumerate(booked, start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
        '<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
        "<OFX><INVSTMTMSGSRSV1><INVSTMTTRNRS><INVSTMTRS><DTASOF>20260304</DTASOF><CURDEF>USD</CURDEF><INVACCTFROM>"
        "<BROKERID>b</BROKERID><ACCTID>55-02</ACCTID></INVACCTFROM><INVTRANLIST><DTSTART>20260304</DTSTART>"
        f"<DTEND>20260304</DTEND>\n{rows}</INVTRANLIST><INVBAL><AVAILCASH>1</AVAILCASH><MARGINBALANCE>0"
        "</MARGINBALANCE><SHORTBALANCE>0</SHORTBALANCE></INVBAL></INVSTMTRS></INVSTMTTRNRS></INVSTMTMSGSRSV1></OFX>\n"
    )


FLEX = """<FlexQueryResponse queryName="Q" type="AF"><FlexStatements count="2">
<FlexStatement accountId="U700001" fromDate="20260302" toDate="20260303" whenGenerated="20260304;010101">
<EquitySummaryInBase>
<EquitySummaryByReportDateInBase accountId="U700001" reportDate="20260302" cash="10" total="1010.5"/>
<EquitySummaryByReportDateInBase accountId="U700001" reportDate="20260303" cash="20" total="1031" />
</EquitySummaryInBase>
<Trades><Trade accountId="U700001" transactionID="71" tradeDate="20260303" buySell="BUY" quantity="2" tradePrice="5.25"
 netCash="-11.5" currency="USD" conid="9" levelOfDetail="EXECUTION"/>
<Trade accountId="U700001" transactionID="" tradeDate="20260303" buySell="BUY" quantity="2" netCash="-11.5"
 currency="USD" conid="9" levelOfDetail="ORDER"/></Trades></FlexStatement>
<FlexStatement accountId="U700002" fromDate="20260302" toDate="20260303" whenGenerated="20260304;010101">
<CashTransactions><CashTransaction accountId="U700002" transactionID="72" type="Deposits &amp; Withdrawals" amount="-40"
 dateTime="20260303;101500" reportDate="20260303" currency="EUR" levelOfDetail="DETAIL" />
<CashTransaction accountId="U700002" type="Dividends" amount="13.90" dateTime="20260303;202000" reportDate="20260303"
 currency="EUR" conid="" isin="IE00B4L5ZY03" levelOfDetail="DETAIL" />
<CashTransaction accountId="U700002" type="Dividends" amount="13.90" dateTime="20260303;202000" reportDate="20260303"
 currency="EUR" conid="" isin="IE00B4L5ZY03" levelOfDetail="DETAIL" /></CashTransactions>
</FlexStatement></FlexStatements></FlexQueryResponse>
"""
HST = """H|HST|TXN|20260303|20260304031500|FULL|3
D|1|A100023|20260302|20260303|BUY|037833100|10|172.50|1725.00|4.95|-1729.95|USD|T778812|N|
D|2|A100023|20260303|20260303|DEP||0|0|5000.00|0|5000.00|USD|T778813|N|
D|3|A100023|20260303|20260304|BUY|037833100|-10|172.50|-1725.00|0|1725.00|USD|T778990|C|T778812
T|3|4995.05|300069
"""
APX = [
    {"id": "t1", "type": "transactions", "attributes": {"trade_date": "2026-03-02", "owner_id": "22", "type": "buy",
     "cusip": "037833100", "units": 10, "amount": {"value": "-1729.950", "currency": "USD"}, "status": "verified"}},
    {"id": "t2", "type": "transactions", "attributes": {"trade_date": "2026-03-02", "owner_id": "22", "type": "deposit",
     "amount": {"value": 12345678901234.125, "currency": "USD"}, "status": "verified"}},
    {"id": "t1", "type": "transactions", "attributes": {"trade_date": "2026-03-02", "owner_id": "22", "type": "buy",
     "amount": {"value": "-1730", "currency": "USD"}, "status": "verified"}},
    {"id": "t3", "type": "transactions", "attributes": {"trade_date": "2026-03-02", "owner_id": "22", "type": "deposit",
     "amount": {"value": "5", "currency": "USD"}, "status": "deleted"}},
    {"id": "p1", "type": "portfolio_views", "attributes": {"as_of": "2026-03-03", "owner_id": "22", "value": "1000.5"}},
]  # fmt: skip


def _lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in records)


def as_of(hour: int, record: dict[str, Any]) -> dict[str, Any]:
    """The record as it was modified at that hour."""
    return record | {"attributes": record["attributes"] | {"modified_at": f"2026-04-01T{hour:02d}:14:15Z"}}


def gcus(*, count: int = 2) -> str:
    def put(*parts: tuple[int, str], end: str) -> str:
        line = [" "] * 750
        for first, text in parts:
            line[first - 1 : first - 1 + len(text)] = text
        line[749] = end
        return "".join(line)

    header = put((1, "BOF"), (19, "GLOBAL CUST POS"), (47, "03/03/2026"), (119, "REFRESHED"), end="A")
    holdings = [
        put(
            (1, "GCA"), (4, f"{n:08d}"), (12, "ABC1234561"), (22, cusip), (74, quantity), (662, "USD"), (665, value),
            end="X",
        )
        for n, (cusip, quantity, value) in enumerate(
            [("037833100", "000000000001050000+", "000000000001791250+"), ("USD999997", "000000000020000000-",
              "000000000000200000-")], start=1)
    ]  # fmt: skip
    return "\n".join([header, *holdings, put((1, "EOF"), (47, "03/03/2026"), (106, f"{count:010d}"), end="Z")]) + "\n"


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Read Me"
    book.active.append(["Not a table"])
    sheet = book.create_sheet("Returns Q1")
    for row in (
        ["Performance"], [], ["Account", "Beginning Value", "Net Flows", "Ending Value", "MTD TWR", "As Of"],
        [12345678.0, 900, 50, 1000.25, 0.0274, date(2026, 3, 3)],
        ["Total", 900, 50, 1000.25], ["* net of fees"],
    ):  # fmt: skip
        sheet.append(row)
    sheet["E4"].number_format = "0.00%"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


ACTIVITY = """\ufeffStatement,Header,Field Name,Field Value
Statement,Data,Title,Activity Statement
Statement,Data,Period,"March 1, 2026 - March 3, 2026"
Account Information,Header,Field Name,Field Value
Account Information,Data,Account,U900001
Account Information,Data,Base Currency,USD
Net Asset Value,Header,Asset Class,Prior Total,Current Long,Current Short,Current Total,Change
Net Asset Value,Data,Stock,0,900,0,900,900
Net Asset Value,Data,Total,1000,"1,069.8600",0,"1,069.8600",69.86
Net Asset Value,Header,Time Weighted Rate of Return
Net Asset Value,Data,1.986%
Change in NAV,Header,Field Name,Field Value
Change in NAV,Data,Starting Value,"1,000.00"
Change in NAV,Data,Mark-to-Market,19.86
Change in NAV,Data,Deposits & Withdrawals,50
Change in NAV,Data,Ending Value,1069.86
Open Positions,Header,DataDiscriminator,Asset Category,Currency,Symbol,Quantity,Mult,Cost Basis,Close Price,Value
Open Positions,Data,Summary,Stocks,USD,AAPL,5,1,891,180,900
Open Positions,Data,Lot,Stocks,USD,AAPL,5,1,891,180,900
Open Positions,Total,,Stocks,USD,,,,891,,900
Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,C. Price,Proceeds,Comm/Fee
Trades,Data,Order,Stocks,USD,AAPL,"2026-03-02, 10:30:00",5,178,180,-890,-1
Trades,Data,ClosedLot,Stocks,USD,AAPL,2026-03-02,5,178,,,
Trades,SubTotal,,Stocks,USD,AAPL,,5,,,-890,-1
Deposits & Withdrawals,Header,Currency,Settle Date,Description,Amount
Deposits & Withdrawals,Data,USD,2026-03-02,Electronic Fund Transfer,75
Deposits & Withdrawals,Data,USD,2026-03-03,Disbursement,-25
Deposits & Withdrawals,Data,Total,,,50
Codes,Header,Code,Meaning
Codes,Data,O,Opening Trade
"""
PRICES = """ISIN;Date;Close;Ccy;Unit;Source
GB0007980591;2026-03-03;250.5;GBX;UNIT;LSE
DE0001102580;2026-03-03;98.75;EUR;PCT;XETRA
ZAE000015889;2026-03-03;12.123456789;ZAc;UNIT;JSE
US0378331005;2026-03-03;180;USD;LOT;XNAS
"""


def parquet() -> bytes:
    rows = {
        "Account_Id": pa.array([7, 7], pa.int64()),
        "valuation_date": pa.array(
            [datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)], pa.timestamp("ns")
        ),
        "market_value": pa.array([Decimal("1000.25"), Decimal("12345678901234.56")], pa.decimal128(18, 2)),
        "cash": pa.array([1e7, 0.1], pa.float64()),
        "net_flow": pa.array([Decimal("50.00"), None], pa.decimal128(18, 2)),
        "currency": ["USD", "USD"],
        "load_ts": pa.array([datetime(2026, 3, 4, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
    }
    content = io.BytesIO()
    pq.write_table(pa.table(rows), content)
    return content.getvalue()


@pytest.fixture(scope="module")
def night(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    files: dict[str, str | bytes] = {
        "canonical_accounts_1.csv": "account_id,base_currency\n" + "".join(f"{a},USD\n" for a in NUMBERS),
        "canonical_account_xref_1.csv": "vendor,vendor_account_number,account_id\n"
        + "".join(f"{vendor},{number},{account}\n" for account, (vendor, number) in NUMBERS.items()),
        "march.sta": MT940,
        "march_wrong.sta": MT940.replace("STMT", "WRONG").replace("EUR1200,", "EUR1200,01"),
        "camt.xml": CAMT,
        "camt_cut.xml": CAMT.replace("<Id>S1", "<Id>S2")[:600],
        "statement.ofx": OFX,
        "statement2.ofx": ofx_of_version_2(),
        "flex.xml": FLEX,
        "HST_TXN_20260303.psv": HST,
        "HST_TXN_20260304.psv": HST.replace("T778", "T779").replace("T|3|", "T|4|"),
        "HST_TXN_20260305.psv": HST.replace("T778", "T780").replace("300069", "300070"),
        "apx_transactions_p0001.jsonl": _lines(*APX[:2], as_of(5, APX[2]), *APX[3:])
        + '{"id":"t9","type":"transactions","attr',
        # overlaps: what the page before ends with, and what was true before that
        "apx_transactions_p0002.jsonl": _lines(
            APX[0] | {"id": "t8"}, as_of(5, APX[2]), as_of(3, APX[0]), {"id": "h1", "type": "households"}
        ),
        "GCUS.txt": gcus(),
        "GCUS2.txt": gcus(count=3),
        "PerfSummary.xlsx": workbook(),
        "U900001_20260301_20260303.csv": ACTIVITY,
        "U900001_20260301_20260304.csv": ACTIVITY.replace("1069.86", "1069.87"),
        "PX20260303.csv": PRICES,
        "valuations/_SUCCESS": "",
        "valuations/business_date=2026-03-03/part-000.parquet": parquet(),
        "unfinished/business_date=2026-03-03/part-001.parquet": parquet(),
        "cut/_SUCCESS": "",
        "cut/part-002.parquet": parquet()[:-40],
        "values16.csv": "account_id,as_of_date,market_value\r\nP1,2026-03-03,1\r\n".encode("utf-16"),
        "values.csv.pgp": "-----BEGIN PGP MESSAGE-----\naccount_id,as_of_date,market_value\nP1,2026-03-04,2\n",
    }  # fmt: skip
    home = tmp_path_factory.mktemp("formats")
    return taken(files, spark, database_url, home, conf='decrypt: ["sed", "1d"]\n')


def silver(night: Workspace, table: str, vendor: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = night.lake.read(table).where(F.col("vendor") == vendor).orderBy("file_id", "line_no", "record_no")
    return [tuple(row) for row in rows.select(*columns).collect()]


def test_every_file_is_recognised_and_its_books_balance(night: Workspace) -> None:
    feeds = {name: file.feed for name, file in night.files.items()}
    assert feeds == {
        "canonical_accounts_1.csv": "canonical_accounts",
        "canonical_account_xref_1.csv": "canonical_account_xref",
        "march.sta": "mt940_statement",
        "march_wrong.sta": "mt940_statement",
        "camt.xml": "camt053_statement",
        "camt_cut.xml": "camt053_statement",
        "statement.ofx": "ofx_investment",
        "statement2.ofx": "ofx_investment",
        "flex.xml": "flex_statement",
        "HST_TXN_20260303.psv": "hst_transactions",
        "HST_TXN_20260304.psv": "hst_transactions",
        "HST_TXN_20260305.psv": "hst_transactions",
        "apx_transactions_p0001.jsonl": "apx_export",
        "apx_transactions_p0002.jsonl": "apx_export",
        "GCUS.txt": "gcus_positions",
        "GCUS2.txt": "gcus_positions",
        "PerfSummary.xlsx": "adviser_returns",
        "U900001_20260301_20260303.csv": "activity_statement",
        "U900001_20260301_20260304.csv": "activity_statement",
        "PX20260303.csv": "px_prices",
        "part-000.parquet": "warehouse_valuations",
        "part-002.parquet": None,
        "values16.csv": "canonical_valuations",
        "values.csv.pgp": "canonical_valuations",
    }
    for name, file in night.files.items():
        if name not in {"camt_cut.xml", "part-002.parquet"}:
            assert file.records == file.silver + file.quarantined + file.skipped, name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("march_wrong.sta", "'amount' adds up to 1,200.00, the file states 1,200.01"),
        ("camt_cut.xml", "not well-formed XML"),
        ("HST_TXN_20260304.psv", "the number of records is 3, the file states 4"),
        ("HST_TXN_20260305.psv", "the hash total of 'account' is 300,069, the file states 300,070"),
        ("GCUS2.txt", "the number of records is 2, the file states 3"),
        ("U900001_20260301_20260304.csv", "'Field Value' adds up to 1,069.86, the file states 1,069.87"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_in_words(night: Workspace, name: str, reason: str) -> None:
    file = night.files[name]
    assert file.status == "refused"
    assert reason in file.message
    assert not file.silver


def test_mt940(night: Workspace) -> None:
    booked = silver(night, "transaction", "mt940", "account_id", "trade_date", "type", "amount", "currency")
    assert booked == [
        ("M1", date(2026, 3, 3), "DEPOSIT", Decimal("250.5"), "EUR"),
        ("M1", date(2026, 3, 3), "MISC_EXPENSE", Decimal(-20), "EUR"),
        ("M1", date(2026, 3, 4), "WITHDRAWAL", Decimal("-30.5"), "EUR"),
    ]
    assert silver(night, "valuation", "mt940", "as_of_date", "market_value", "currency") == [
        (date(2026, 3, 3), Decimal("1230.5"), "EUR"),
        (date(2026, 3, 4), Decimal(1200), "EUR"),
    ]


def test_camt_takes_what_is_booked(night: Workspace) -> None:
    columns = ("account_id", "performance_date", "settle_date", "type", "amount", "currency")
    assert silver(night, "transaction", "camt053", *columns) == [
        ("C1", date(2026, 3, 3), date(2026, 3, 4), "DEPOSIT", Decimal("15.25"), "EUR")
    ]
    assert silver(night, "valuation", "camt053", "as_of_date", "market_value") == [(date(2026, 3, 3), Decimal("5.25"))]


def test_ofx_of_version_1(night: Workspace) -> None:
    columns = ("transaction_id", "account_id", "trade_date", "type", "amount", "quantity", "security_id")
    assert [row for row in silver(night, "transaction", "ofx", *columns) if row[1] == "O1"] == [
        ("55-01|t1", "O1", date(2026, 3, 2), "SELL", Decimal("1704.95"), Decimal(-10), "037833100"),
        ("55-01|t2", "O1", date(2026, 3, 3), "WITHDRAWAL", Decimal(-300), None, None),
    ]
    held = silver(night, "position", "ofx", "account_id", "as_of_date", "security_id", "quantity", "market_value")
    assert [row[1:] for row in held if row[0] == "O1"] == [
        (date(2026, 3, 3), "037833100", Decimal(90), Decimal(15390)),
        (date(2026, 3, 3), "CASH", Decimal("1404.95"), Decimal("1404.95")),
        (date(2026, 3, 3), "MARGIN", Decimal(-50), Decimal(-50)),
    ]


def test_ofx_of_version_2_with_every_other_kind_of_booking(night: Workspace) -> None:
    columns = ("account_id", "transaction_id", "type", "subtype", "amount", "quantity")
    booked = [row[1:] for row in silver(night, "transaction", "ofx", *columns) if row[0] == "O2"]
    assert booked == [
        ("55-02|r1", "DIVIDEND", None, Decimal("12.4"), None),
        ("55-02|r2", "BUY", "reinvestment", Decimal(-30), Decimal(2)),
        ("55-02|r2|income", "DIVIDEND", None, Decimal(30), None),
        ("55-02|r3", "BUY", "reinvestment", Decimal(-8), Decimal(1)),  # what was spent, though the file has no sign
        ("55-02|r3|income", "DIVIDEND", None, Decimal(8), None),
        ("55-02|r4", "CORPORATE_ACTION", "split", Decimal("0.5"), Decimal(20)),
        ("55-02|r5", "TRANSFER_OUT", None, Decimal(-50), Decimal(10)),
        ("55-02|r6", "MISC_EXPENSE", None, Decimal(-3), None),
        ("55-02|r7", "DIVIDEND", "return_of_capital", Decimal(9), None),
        ("55-02|r8", "INTEREST", "margin", Decimal("-0.75"), None),
    ]
    file = night.files["statement2.ofx"]
    [waiting] = night.lake.read("quarantine").where(F.col("file_id") == file.file_id).collect()
    assert "CLOSUREOPT" in waiting["raw"]  # no rule says what its money is


def test_flex_keeps_one_level_of_detail_and_several_accounts(night: Workspace) -> None:
    columns = ("transaction_id", "account_id", "performance_date", "type", "amount", "currency")
    booked = silver(night, "transaction", "flex", *columns, "security_id")
    # Two dividends alike and without an id are two dividends.
    made = [row[0] for row in booked[2:]]
    twins = [(name, "X2", date(2026, 3, 3), "DIVIDEND", Decimal("13.9"), "EUR") for name in made]
    assert [row[6] for row in booked[2:]] == ["IE00B4L5ZY03"] * 2
    assert [row[:6] for row in booked] == [
        ("71", "X1", date(2026, 3, 3), "BUY", Decimal("-11.5"), "USD"),
        ("72", "X2", date(2026, 3, 3), "WITHDRAWAL", Decimal(-40), "EUR"),
        *twins,
    ]
    assert len(set(made)) == 2
    assert {len(name) for name in made} == {24}
    assert silver(night, "valuation", "flex", "account_id", "as_of_date", "market_value", "cash_value") == [
        ("X1", date(2026, 3, 2), Decimal("1010.5"), Decimal(10)),
        ("X1", date(2026, 3, 3), Decimal(1031), Decimal(20)),
    ]


def test_a_cancel_takes_the_id_of_what_it_cancels(night: Workspace) -> None:
    columns = ("transaction_id", "type", "amount", "status")
    assert silver(night, "transaction", "hst", *columns) == [
        ("T778812", "BUY", Decimal("-1729.95"), "new"),
        ("T778813", "DEPOSIT", Decimal(5000), "new"),
        ("T778812", "BUY", Decimal(1725), "cancel"),
    ]


def test_of_json_the_last_version_counts_and_amounts_stay_exact(night: Workspace) -> None:
    current = night.lake.current("transaction").where("vendor = 'apx'").orderBy("transaction_id")
    assert [tuple(row) for row in current.select("transaction_id", "amount", "status").collect()] == [
        ("t1", Decimal(-1730), "new"),
        ("t2", Decimal("12345678901234.125"), "new"),
        ("t3", Decimal(5), "cancel"),
        ("t8", Decimal("-1729.95"), "new"),
    ]
    assert silver(night, "valuation", "apx", "as_of_date", "market_value") == [(date(2026, 3, 3), Decimal("1000.5"))]


def test_a_page_cut_in_the_middle_of_a_line_loses_that_line_to_the_quarantine_only(night: Workspace) -> None:
    file = night.files["apx_transactions_p0001.jsonl"]
    assert (file.records, file.silver, file.quarantined) == (6, 5, 1)
    waiting = night.lake.read("quarantine").where(F.col("file_id") == file.file_id).collect()
    found = [(row["line_no"], '"rule":"record"' in row["failed_rules"]) for row in waiting]
    assert found == [(6, True)]


def test_a_record_of_a_type_that_no_rule_knows_waits_in_the_quarantine(night: Workspace) -> None:
    file = night.files["apx_transactions_p0002.jsonl"]
    assert (file.records, file.silver, file.quarantined, file.skipped) == (4, 1, 1, 2)
    [waiting] = night.lake.read("quarantine").where(F.col("file_id") == file.file_id).collect()
    assert waiting["line_no"] == 4
    assert json.loads(waiting["failed_rules"])[0]["rule"] == "unknown_record"


def test_fixed_width_with_implied_decimals_and_a_sign_byte(night: Workspace) -> None:
    assert silver(night, "position", "gcus", "account_id", "as_of_date", "security_id", "quantity", "market_value") == [
        ("G1", date(2026, 3, 3), "037833100", Decimal("10.5"), Decimal("1791.25")),
        ("G1", date(2026, 3, 3), "USD999997", Decimal(-200), Decimal(-200)),
    ]


def test_a_workbook_s_sheet_with_numbers_as_accounts_and_percent_cells(night: Workspace) -> None:
    columns = ("account_id", "as_of_date", "end_market_value", "twrr_mtd")
    assert silver(night, "reported_performance", "adviser", *columns) == [
        ("R1", date(2026, 3, 3), Decimal("1000.25"), pytest.approx(0.0274, abs=1e-15))
    ]
    assert night.files["PerfSummary.xlsx"].member == "Returns Q1"


def test_sectioned_statement(night: Workspace) -> None:
    assert silver(night, "valuation", "activity", "account_id", "as_of_date", "market_value", "currency") == [
        ("U1", date(2026, 3, 3), Decimal("1069.86"), "USD")
    ]
    booked = silver(night, "transaction", "activity", "trade_date", "type", "amount", "security_id", "quantity")
    assert booked == [
        (date(2026, 3, 2), "BUY", Decimal(-891), "AAPL", Decimal(5)),
        (date(2026, 3, 2), "DEPOSIT", Decimal(75), None, None),
        (date(2026, 3, 3), "WITHDRAWAL", Decimal(-25), None, None),
    ]
    assert silver(night, "position", "activity", "security_id", "quantity", "price", "market_value") == [
        ("AAPL", Decimal(5), Decimal(180), Decimal(900))
    ]


def test_parquet_of_a_partition(night: Workspace) -> None:
    assert silver(night, "valuation", "warehouse", "account_id", "as_of_date", "market_value", "cash_value") == [
        ("W1", date(2026, 3, 2), Decimal("1000.25"), Decimal(10_000_000)),
        ("W1", date(2026, 3, 3), Decimal("12345678901234.56"), Decimal("0.1")),
    ]
    assert silver(night, "reported_performance", "warehouse", "as_of_date", "net_flow") == [
        (date(2026, 3, 2), Decimal(50)),
        (date(2026, 3, 3), None),
    ]
    file = night.files["part-000.parquet"]
    assert (file.business_date, file.lines) == (date(2026, 3, 3), 2)
    assert file.detection["drift"] == ["load_ts"]


def test_a_cut_parquet_file_waits_unread(night: Workspace) -> None:
    assert night.files["part-002.parquet"].status == "unrecognised"
    assert "not readable as Parquet" in night.files["part-002.parquet"].message


def test_prices_in_pence_and_per_hundred(night: Workspace) -> None:
    assert silver(night, "price", "px", "security_id", "price", "currency") == [
        ("GB0007980591", Decimal("2.505"), "GBP"),
        ("DE0001102580", Decimal("0.9875"), "EUR"),
    ]
    waiting = night.lake.read("quarantine").where("feed = 'px_prices'").orderBy("line_no").collect()
    assert [json.loads(row["failed_rules"])[0]["rule"] for row in waiting] == ["decimals", "unknown_code"]


def test_utf_16_and_a_decrypted_file(night: Workspace) -> None:
    rows = night.lake.read("valuation").where("account_id = 'P1'").orderBy("as_of_date").collect()
    assert [(row["as_of_date"].day, row["market_value"]) for row in rows] == [(3, Decimal(1)), (4, Decimal(2))]
