"""Vendors nobody knows, each with a mapping alone: layouts that the shipped feeds do not have."""

from __future__ import annotations

import io
import shutil
import zipfile
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.platform.mapping import mappings_folder
from tests.nights import Workspace, taken

pytestmark = pytest.mark.system

NUMBERS = {  # the vendor's number: vendor
    "CH-1": "bern", "F-1": "funds", "JS-7": "portal", "JS-8": "portal", "WD-9": "months", "WD-10": "months",
    "SC-10": "tables", "7001": "lots", "U55": "sections", "X12345678": "sentences",
}  # fmt: skip
# Debit and credit in columns of their own, quoted cells over lines, apostrophes between thousands.
BERN = r"""vendor: bern
feed: bern
meaning: "Swiss."
delivery: log
fingerprint: {required: [Konto, Valuta, Belastung, Gutschrift]}
reader: {delimiter: ";", quoted_lines: true}
lines:
  - {kind: total, match: '^Total;'}
  - {kind: blank, match: '^[\s;]*$'}
numbers: swiss
dates: dd.MM.yyyy
codes:
  what:
    title: Text
    rules:
      - {starts: Zahlung, gives: {type: WITHDRAWAL}}
      - {starts: Gutschrift, gives: {type: DEPOSIT}}
      - {starts: Verwaltung, gives: {type: FEE}}
targets:
  - table: transaction
    columns:
      transaction_id: {title: Ref}
      account_id: {account_title: Konto}
      trade_date: {title: Valuta}
      performance_date: {same_as: trade_date}
      type: {code: what.type}
      amount: {title: Gutschrift, minus: [Belastung]}
      currency: {title: Währung}
controls:
  - {name: debits, total_title: Belastung, number: swiss}
  - {name: credits, total_title: Gutschrift, number: swiss}
"""
# A header and a trailer for each management company, implied decimals, the sign in the last digit.
FUNDS = r"""vendor: funds
feed: funds
meaning: "Fund shares."
format: fixed
delivery: snapshot
replaces: {within: [as_of_date]}
fingerprint: {signature: '^HDR.{6}\d{8}\s*$'}
reader:
  width: 60
  fields:
    record: {account: [4, 10], fund: [14, 9], shares: [23, 13], value: [36, 14]}
    total: {count: [4, 6]}
lines:
  - {kind: section, match: '^HDR'}
  - {kind: total, match: '^TRL'}
context:
  day: {from: section, match: '^HDR.{6}(\d{8})'}
numbers: overpunch
dates: yyyyMMdd
targets:
  - table: position
    columns:
      account_id: {account_title: account}
      as_of_date: {context: day}
      security_id: {title: fund, pad: 9, like: '[0-9A-Z]{9}|CASH'}  # some come as numbers
      quantity: {title: shares, decimals: 4}
      market_value: {title: value, decimals: 2}
controls:
  - {name: detail count, check: count, stated_title: count, per: section}
"""
# One JSON text with objects in objects, times as milliseconds, amounts that say no sign.
PORTAL = r"""vendor: portal
feed: portal
meaning: "API export."
format: json_document
delivery: log
fingerprint: {required: [generated, accounts, number, marketValue]}
reader: {records: [transactions]}
lines:
  - {kind: booking, fields: {element: transactions}}
  - {kind: value, fields: {element: accounts, marketValue: '.+'}}
numbers: [plain, scientific]
codes:
  what:
    title: type
    rules:
      - {is: dep, gives: {type: DEPOSIT, out: 'no'}}
      - {is: wdl, gives: {type: WITHDRAWAL, out: 'yes'}}
targets:
  - table: transaction
    lines: booking
    columns:
      transaction_id: {title: id, within_account: true}
      account_id: {account_title: accounts/number}
      trade_date: {title: when, date: epoch_millis}
      performance_date: {same_as: trade_date}
      type: {code: what.type}
      amount: {title: amount/value, negate_when: what.out}
      currency: {title: [amount/ccy, accounts/ccy]}
  - table: valuation
    lines: value
    columns:
      account_id: {account_title: number}
      as_of_date: {title: document/asOf}
      market_value: {title: marketValue}
      currency: {title: ccy}
"""
# A column a month, in thousands; a hyphen where there is no value.
MONTHS = r"""vendor: months
feed: months
meaning: "Wide."
delivery: upsert
fingerprint: {required: [Acct, Note]}
numbers: us
targets:
  - table: valuation
    unpivot: {titles: '[A-Z][a-z]{2}-\d{2}.*', name: as_of_date, value: market_value, skip_values: ['-']}
    columns:
      account_id: {account_title: Acct}
      as_of_date: {unpivoted: title, part: '^(\w{3}-\d{2})', date: MMM-yy, month_end: true}
      market_value: {unpivoted: cell, unit: thousands}
      currency: {constant: USD}
"""
# Tables that only the headings above them tell apart.
TABLES = r"""vendor: tables
feed: tables
meaning: "Holdings and movements under headings."
delivery: log
fingerprint: {required: [Code, Units, Value], signature: '^Client statement,'}
reader: {header: repeated, short_rows: true}
lines:
  - {kind: preamble, match: '^Client statement'}
  - {kind: heading, match: '^(Holdings as of|Movements)'}
  - {kind: header, match: '^(Code,Units|Day,What)'}
  - {kind: total_held, match: '^Total,', under: '^Holdings'}
  - {kind: total, match: '^Total,'}
  - {kind: holding, under: '^Holdings'}
  - {kind: movement, under: '^Movements'}
context:
  account: {from: preamble, match: '^Client statement,([\w-]+)'}
  day: {from: preamble, match: '^Holdings as of,(\d{2}/\d{2}/\d{4})'}
business_date: day
dates: dd/MM/yyyy
codes:
  what:
    title: What
    rules:
      - {is: Deposit, gives: {type: DEPOSIT}}
      - {is: Fee, gives: {type: FEE}}
targets:
  - table: position
    lines: holding
    columns:
      account_id: {account: account}
      as_of_date: {context: day}
      security_id: {title: Code}
      quantity: {title: Units, otherwise: market_value}
      market_value: {title: Value}
      currency: {constant: USD}
  - table: transaction
    lines: movement
    columns:
      transaction_id: {identity: [trade_date, type, amount]}
      account_id: {account: account}
      trade_date: {title: Day}
      performance_date: {same_as: trade_date}
      type: {code: what.type}
      amount: {title: Value}
controls:
  - {name: held, total_title: Value, add_lines: [holding], stated_on: total_held}
  - {name: moved, total_title: Value, add_lines: [movement]}
"""
# Titles over two lines, found by what they say together.
CRS = r"""vendor: crs
feed: crs_prices
meaning: "Prices with record types."
delivery: upsert
fingerprint: {required: [Security CUSIP], signature: '^H1\|PRICES'}
reader: {delimiter: '|', header_rows: 2}
lines:
  - {kind: total, match: '^T1'}
context: {day: {from: preamble, match: '^H1\|PRICES (\d{8})'}}
business_date: day
dates: yyyyMMdd
title_dates: {Close Price: {until: 2026-03-31}}  # from April on it is the day's before
targets:
  - table: price
    columns:
      security_id: {title: Security CUSIP}
      as_of_date: {context: day}
      price: {title: [Close Price, Last Price]}
      currency: {constant: USD}
controls:
  - {name: details, check: count, stated_title: Security CUSIP}
"""
# Sections that begin and end with control records, each stating its count and a sum of its own.
SECTIONS = r"""vendor: sections
feed: sections
meaning: "Trades and holdings between control records."
delivery: log
fingerprint: {signature: '^BOF\|\w+\|'}
reader: {delimiter: '|', header: repeated}
lines:
  - {kind: preamble, match: '^(BOF|BOA|EOA|EOF)\|'}
  - {kind: section, match: '^BOS\|'}
  - {kind: header, match: '^ClientAccountID\|'}
  - {kind: traded, match: '^EOS\|', under: '^BOS\|TRNT'}
  - {kind: held, match: '^EOS\|', under: '^BOS\|POST'}
  - {kind: trade, under: '^BOS\|TRNT'}
  - {kind: holding, under: '^BOS\|POST'}
dates: yyyyMMdd
codes:
  sides:
    title: Buy/Sell
    rules:
      - {starts: BUY, gives: {type: BUY}}
      - {starts: SELL, gives: {type: SELL}}
targets:
  - table: transaction
    lines: trade
    columns:
      transaction_id: {title: TransactionID}
      account_id: {account_title: ClientAccountID}
      trade_date: {title: TradeDate}
      performance_date: {same_as: trade_date}
      type: {code: sides.type}
      amount: {title: NetCash}
      currency: {title: CurrencyPrimary}
      quantity: {title: Quantity}
  - table: position
    lines: holding
    columns:
      account_id: {account_title: ClientAccountID}
      as_of_date: {title: ReportDate}
      security_id: {title: Symbol}
      quantity: {title: Quantity}
      market_value: {title: PositionValue}
      currency: {title: CurrencyPrimary}
controls:  # EOS|CODE|count|sum: the places of the third and the fourth title
  - {name: trades, check: count, stated_title: Model, add_lines: [trade], stated_on: traded}
  - {name: trade_money, total_title: TradeMoney, stated_title: CurrencyPrimary, add_lines: [trade], stated_on: traded}
  - {name: holdings, check: count, stated_title: Model, add_lines: [holding], stated_on: held}
  - {name: held_value, total_title: PositionValue, stated_title: CurrencyPrimary, add_lines: [holding], stated_on: held}
"""
FLEX_TEXT = """BOF|U55|Q|2|20260331|20260331|20260401;010101|100|100
BOA|U55
BOS|TRNT|Trades
ClientAccountID|AccountAlias|Model|CurrencyPrimary|TradeDate|TransactionID|Buy/Sell|Quantity|TradeMoney|NetCash
U55|||USD|20260331|91|BUY|2|10.5|-11.5
U55|||USD|20260331|92|SELL|-1|-6|5
EOS|TRNT|2|4.5
BOS|POST|Positions
ClientAccountID|AccountAlias|Model|CurrencyPrimary|Symbol|ReportDate|Quantity|PositionValue
U55|||USD|AAPL|20260331|1|6
EOS|POST|1|6
EOA|U55
EOF|U55|Q
"""
# What a booking is stands in a sentence; blank rows before the titles, a disclaimer with commas below the records.
SENTENCES = r"""vendor: sentences
feed: sentences
meaning: "History of an account."
delivery: log
fingerprint: {required: [Run Date, Account, Action, Amount]}
reader: {short_rows: true}
lines: [{kind: footer, match: '^(?!\s*\d{2}/\d{2}/\d{4},)'}]
dates: MM/dd/yyyy
codes:
  what:
    title: Action
    rules:
      - {starts: YOU BOUGHT, gives: {type: BUY}}
      - {starts: DIVIDEND RECEIVED, gives: {type: DIVIDEND}}
      - {matches: 'TRANSFERRED FROM\b.*', gives: {type: DEPOSIT}}
targets:
  - table: transaction
    columns:
      transaction_id: {identity: [trade_date, type, security_id, amount]}
      account_id: {account_title: Account}
      trade_date: {title: Run Date}
      performance_date: {same_as: trade_date}
      type: {code: what.type}
      amount: {title: Amount}
      currency: {constant: USD}
      security_id: {title: Symbol}
      quantity: {title: Quantity}
"""
HISTORY = """

,,,,,
Run Date,Account,Action,Symbol,Quantity,Amount ($)
 03/31/2026,X12345678, YOU BOUGHT APPLE INC (AAPL) (Cash), AAPL,10,-1705
 03/30/2026,X12345678, DIVIDEND RECEIVED APPLE INC (AAPL), AAPL,,12.4
 03/30/2026,X12345678,"TRANSFERRED FROM VS Z11-222, 333", ,,1000
 03/30/2026,X12345678, YOU DREAMT OF APPLE INC, AAPL,,1

"The data in this spreadsheet is provided to you solely for your use, and is not
intended to provide advice, nor should it be construed as an offer"

Date downloaded 03/31/2026 9:10 pm
"""
# Parquet in one file, without a partition or a marker.
LOTS = r"""vendor: lots
feed: lots
meaning: "Holdings."
format: parquet
delivery: upsert
fingerprint: {required: [acct, day, isin, units]}
numbers: [plain, scientific]
targets:
  - table: position
    columns:
      account_id: {account_title: acct}
      as_of_date: {title: day}
      security_id: {title: isin}
      quantity: {title: units}
      market_value: {title: value}
      currency: {constant: USD}
"""
STATEMENT = (
    "\ufeffKontoauszug;;;;;;\r\nKunde 0815;;;;;;\r\n\r\n"
    'Konto;Valuta;"Text";Ref;Belastung;Gutschrift;Währung\r\n'
    'CH-1;31.03.2026;"Zahlung an\r\nMüller AG; Basel";R1;1\'234.50;;CHF\r\n'
    "CH-1;30.03.2026;Gutschrift;R2;;12\u2019000.00;CHF\r\n"
    'CH-1;30.03.2026;"Verwaltung""sgebühr""";R3;12.25;0.00;CHF\r\n'
    "\r\nTotal;;;;1'246.75;12'000.00;\r\n"
)
TABLES_FILE = """Client statement,SC-10
Holdings as of,31/03/2026
Code,Units,Value
AAPL,10,1800.00
Cash,,250.00
Total,,2050.00

Movements
Day,What,Value
02/03/2026,Deposit,500
02/03/2026,Fee,-1.5
Total,,498.5
"""
EXPORT = """{
  "generated": "2026-04-01T03:00:00Z",
  "asOf": "2026-03-31",
  "accounts": [
    {
      "number": "JS-7",
      "ccy": "USD",
      "marketValue": 12345678901234.25,
      "transactions": [
        {
          "id": 1,
          "when": 1774915200000,
          "type": "dep",
          "amount": {
            "value": 100.1,
            "ccy": "USD"
          },
          "tags": [
            "a",
            "b"
          ]
        },
        {
          "id": 2,
          "when": 1774915200000,
          "type": "wdl",
          "amount": {
            "value": 0.01,
            "ccy": "USD"
          }
        }
      ]
    },
    {
      "number": "JS-8",
      "ccy": "EUR",
      "marketValue": 8.5,
      "transactions": []
    }
  ]
}"""
WIDE = """Acct,Jan-26 (USD '000),Feb-26 (USD '000),Note
WD-9,"1,000.5",-,x
WD-10,7,"8.25",
"""


def fund_shares() -> str:
    groups = {
        "ACME": [("37833100", "000001234567H", "0000000012345{"), ("CASH", "000000001000}", "0000000001000}")],
        "BETA": [("922908769", "0000000000001", "0000000099999A"), ("3.78E+07", "0" * 13, "0" * 14)],
    }
    lines = []
    for firm, holdings in groups.items():
        lines.append(f"HDR{firm:6}20260331")
        lines += [f"DTL{'F-1':10}{fund:9}{shares}{value}" for fund, shares, value in holdings]
        lines.append(f"TRL{len(holdings):06d}")
    return "\r\n".join(line.ljust(60) for line in lines) + "\r\n\x1a"


def parquet(**columns: pa.Array) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


def zipped(members: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


DAY = pa.array([date(2026, 3, 31)] * 2, pa.date32())
HELD = {"acct": pa.array([7001, 7001], pa.int64()), "day": DAY, "isin": pa.array(["US0378331005", "DE0007164600"])}
FILES: dict[str, str | bytes] = {
    "CRS20260331.RPS": "H1|PRICES 20260331\nH2|Security|Close|\nH3|CUSIP|Price|Note\nDL|037833100|170.25|x\n"
    "DL|594918104|410.5|\nT1|2\n",
    "april.zip": zipped(
        {
            "CRS20260401.RPS": "H1|PRICES 20260401\nH2|Security|Close|Last\nH3|CUSIP|Price|Price\n"
            "DL|037833100|170.25|171.5\nT1|1\n",
            "wide_april.csv": 'Acct,Mar-26 (USD),Note\nWD-9,"1,100",x\n',
        }
    ),
    "flex.txt": FLEX_TEXT,
    "flex_wrong.txt": FLEX_TEXT.replace("|4.5\n", "|4.6\n").replace("|9", "|8"),
    "History.csv": HISTORY,
    "lots.parquet": parquet(
        **HELD, units=pa.array([1e7, 1e-05]), value=pa.array([Decimal("12.50"), None], pa.decimal128(18, 2))
    ),
    # columns in another order, one more, and one whose type has become text
    "lots_new.parquet": parquet(
        **dict(reversed(HELD.items())), units=pa.array([3, 4]), note=pa.array(["a", "b"]), value=pa.array(["9", "9,5"])
    ),
    "canonical_accounts_1.csv": "account_id,base_currency\n" + "".join(f"{number},USD\n" for number in NUMBERS),
    "canonical_account_xref_1.csv": "vendor,vendor_account_number,account_id\n"
    + "".join(f"{vendor},{number},{number}\n" for number, vendor in NUMBERS.items()),
    "Depot.csv": STATEMENT,
    "Depot_cut.csv": STATEMENT.replace('Basel"', "Basel"),
    "Depot_new.csv": STATEMENT.replace("Belastung", "Soll"),
    "FUNDS.dat": fund_shares(),
    "export.json": EXPORT,
    "wide.csv": WIDE,
    "statement.csv": TABLES_FILE,
    "flex.xml": "<FlexStatementResponse><Status>Warn</Status><ErrorCode>1019</ErrorCode>"
    "<ErrorMessage>Statement generation in progress.</ErrorMessage></FlexStatementResponse>",
    "F-F_Factors.CSV": """This file was created by using a database.

,Mkt-RF,SMB,HML,RF
202601,    2.96,   -2.56,   -2.43,    0.22
202602,    2.64,  -99.99,    3.82,    0.25

 Annual Factors: January-December
,Mkt-RF,SMB,HML,RF
  2025,   29.47,   -2.04,   -4.54,    3.12

Copyright 2026
""",
}


@pytest.fixture(scope="module")
def night(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = tmp_path_factory.mktemp("unknown_vendors")
    folder = home / "mappings"
    shutil.copytree(mappings_folder(), folder)
    own = {"bern": BERN, "funds": FUNDS, "portal": PORTAL, "months": MONTHS, "tables": TABLES, "lots": LOTS}
    own |= {"crs_prices": CRS, "sections": SECTIONS, "sentences": SENTENCES}
    for name, text in own.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_MAPPINGS", str(folder))
        return taken({**FILES}, spark, database_url, home, on=date(2026, 4, 1))


def silver(night: Workspace, table: str, file: str, *columns: str) -> list[tuple[object, ...]]:
    rows = night.lake.read(table).where(F.col("file_id") == night.files[file].file_id).orderBy("line_no", "record_no")
    return [tuple(row) for row in rows.select(*columns).collect()]


def test_debits_credits_and_quoted_cells_over_lines(night: Workspace) -> None:
    assert silver(night, "transaction", "Depot.csv", "line_no", "transaction_id", "type", "amount", "currency") == [
        (5, "R1", "WITHDRAWAL", Decimal("-1234.5"), "CHF"),
        (7, "R2", "DEPOSIT", Decimal(12000), "CHF"),
        (8, "R3", "FEE", Decimal("-12.25"), "CHF"),
    ]
    assert (night.files["Depot.csv"].records, night.files["Depot.csv"].skipped) == (10, 7)


def test_a_quote_that_is_never_closed_loses_nothing_silently(night: Workspace) -> None:
    file = night.files["Depot_cut.csv"]
    assert (file.status, file.silver) == ("refused", 0)
    assert file.records == file.quarantined + file.skipped


def test_a_file_without_a_title_that_a_figure_is_read_from_is_refused(night: Workspace) -> None:
    file = night.files["Depot_new.csv"]
    assert (file.status, file.feed, file.records) in {("refused", "bern", None), ("unrecognised", None, None)}
    assert "'Belastung'" in file.message


def test_groups_with_an_overpunched_sign(night: Workspace) -> None:
    assert silver(night, "position", "FUNDS.dat", "as_of_date", "security_id", "quantity", "market_value") == [
        (date(2026, 3, 31), "037833100", Decimal("1234.5678"), Decimal("1234.5")),
        (date(2026, 3, 31), "CASH", Decimal(-1), Decimal(-100)),
        (date(2026, 3, 31), "922908769", Decimal("0.0001"), Decimal("9999.91")),
    ]


def test_an_identifier_that_a_spreadsheet_has_spoilt_is_no_identifier(night: Workspace) -> None:
    waiting = night.lake.read("quarantine").where(F.col("file_id") == night.files["FUNDS.dat"].file_id).collect()
    assert [(row["line_no"], '"rule":"pattern"' in row["failed_rules"]) for row in waiting] == [(7, True)]


def test_one_json_text_with_objects_in_objects(night: Workspace) -> None:
    columns = ("transaction_id", "account_id", "trade_date", "type", "amount", "currency")
    assert silver(night, "transaction", "export.json", *columns) == [
        ("JS-7|1", "JS-7", date(2026, 3, 31), "DEPOSIT", Decimal("100.1"), "USD"),
        ("JS-7|2", "JS-7", date(2026, 3, 31), "WITHDRAWAL", Decimal("-0.01"), "USD"),
    ]
    assert silver(night, "valuation", "export.json", "as_of_date", "market_value") == [
        (date(2026, 3, 31), Decimal("12345678901234.25")),
        (date(2026, 3, 31), Decimal("8.5")),
    ]


def test_months_as_titles_and_values_in_thousands(night: Workspace) -> None:
    assert silver(night, "valuation", "wide.csv", "account_id", "as_of_date", "market_value") == [
        ("WD-9", date(2026, 1, 31), Decimal(1_000_500)),
        ("WD-10", date(2026, 1, 31), Decimal(7000)),
        ("WD-10", date(2026, 2, 28), Decimal(8250)),
    ]


def test_tables_that_only_their_headings_tell_apart(night: Workspace) -> None:
    assert silver(night, "position", "statement.csv", "security_id", "quantity", "market_value") == [
        ("AAPL", Decimal(10), Decimal(1800)),
        ("Cash", Decimal(250), Decimal(250)),
    ]
    assert silver(night, "transaction", "statement.csv", "trade_date", "type", "amount") == [
        (date(2026, 3, 2), "DEPOSIT", Decimal(500)),
        (date(2026, 3, 2), "FEE", Decimal("-1.5")),
    ]


def test_titles_over_two_lines(night: Workspace) -> None:
    assert silver(night, "price", "CRS20260331.RPS", "line_no", "security_id", "as_of_date", "price") == [
        (4, "037833100", date(2026, 3, 31), Decimal("170.25")),
        (5, "594918104", date(2026, 3, 31), Decimal("410.5")),
    ]
    assert (night.files["CRS20260331.RPS"].records, night.files["CRS20260331.RPS"].skipped) == (6, 4)


def test_sections_between_control_records_meet_their_own_totals(night: Workspace) -> None:
    booked = silver(night, "transaction", "flex.txt", "account_id", "transaction_id", "type", "amount", "quantity")
    assert booked == [
        ("U55", "91", "BUY", Decimal("-11.5"), Decimal(2)),
        ("U55", "92", "SELL", Decimal(5), Decimal(-1)),
    ]
    assert silver(night, "position", "flex.txt", "security_id", "market_value") == [("AAPL", Decimal(6))]
    wrong = night.files["flex_wrong.txt"]
    assert (wrong.status, wrong.silver, wrong.quarantined) == ("refused", 0, 3)
    assert wrong.message == "line 7: trade_money: 'TradeMoney' adds up to 4.50, the file states 4.60"


def test_bookings_told_in_sentences_above_a_disclaimer(night: Workspace) -> None:
    assert silver(night, "transaction", "History.csv", "trade_date", "type", "security_id", "amount") == [
        (date(2026, 3, 31), "BUY", "AAPL", Decimal(-1705)),
        (date(2026, 3, 30), "DIVIDEND", "AAPL", Decimal("12.4")),
        (date(2026, 3, 30), "DEPOSIT", None, Decimal(1000)),
    ]
    file = night.files["History.csv"]
    assert (file.lines, file.records, file.silver, file.quarantined, file.skipped) == (13, 13, 3, 1, 9)


def test_members_of_an_archive_are_files_of_their_own_and_a_title_means_something_for_its_time(
    night: Workspace,
) -> None:
    members = {one.member: one for one in night.ledger.files() if one.member}
    assert {name: (one.feed, one.status, one.silver) for name, one in members.items()} == {
        "CRS20260401.RPS": ("crs_prices", "normalised", 1),
        "wide_april.csv": ("months", "normalised", 1),
    }
    [price] = night.lake.read("price").where("as_of_date = '2026-04-01'").collect()
    assert (price["price"], price["file_id"]) == (Decimal("171.5"), members["CRS20260401.RPS"].file_id)
    [value] = night.lake.read("valuation").where("as_of_date = '2026-03-31' AND vendor = 'months'").collect()
    assert value["market_value"] == 1_100_000


def test_parquet_in_one_file_and_with_a_type_that_has_changed(night: Workspace) -> None:
    columns = ("security_id", "quantity", "market_value")
    assert silver(night, "position", "lots.parquet", *columns) == [
        ("US0378331005", Decimal(10_000_000), Decimal("12.5")),
        ("DE0007164600", Decimal("0.00001"), None),
    ]
    assert silver(night, "position", "lots_new.parquet", *columns) == [("US0378331005", Decimal(3), Decimal(9))]
    changed = night.files["lots_new.parquet"]
    assert (changed.records, changed.silver, changed.quarantined) == (2, 1, 1)
    assert changed.detection["drift"] == ["note"]
    assert changed.detection["changes"] == ["'note' is new"]


def test_an_error_message_in_place_of_data_is_said(night: Workspace) -> None:
    file = night.files["flex.xml"]
    assert (file.status, file.feed) == ("refused", "flex_statement")
    assert file.message == "an error message in place of data: Statement generation in progress."


def test_factors_are_returns_of_benchmarks(night: Workspace) -> None:
    found = silver(night, "benchmark_return", "F-F_Factors.CSV", "benchmark_id", "as_of_date", "index_return")
    months = (date(2026, 1, 31), date(2026, 2, 28))
    assert found == [
        ("Mkt-RF", months[0], pytest.approx(0.0296)), ("SMB", months[0], pytest.approx(-0.0256)),
        ("HML", months[0], pytest.approx(-0.0243)), ("RF", months[0], pytest.approx(0.0022)),
        ("Mkt-RF", months[1], pytest.approx(0.0264)), ("HML", months[1], pytest.approx(0.0382)),
        ("RF", months[1], pytest.approx(0.0025)),
    ]  # fmt: skip
