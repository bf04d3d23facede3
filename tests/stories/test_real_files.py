"""Files as their makers published them come out as is known of them; they stand beside the project, not in it."""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.platform.mapping import mappings_folder
from jobs.platform.settings import PROJECT_ROOT
from tests.nights import Workspace, taken

REAL = PROJECT_ROOT.parent / "shared" / "real"
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not part of the project"),
]

NUMBERS = {  # the vendor's number: vendor
    "999988": "ofx", "45050050/76198810": "mt940", "10020030/1234567": "mt940", "BPHKPLPK/320000546101": "mt940",
    "NL26VAYB8060476890": "camt053", "U1234567": "flex", "U1234568": "flex", "degiro": "degiro", "12345678": "rabobank",
}  # fmt: skip
DEGIRO = r"""vendor: degiro
feed: degiro_account
meaning: "Bookings of an account; amounts with a decimal comma or a point, an order's number over two lines."
delivery: log
fingerprint: {required: [Datum, Tijd, Valutadatum, Omschrijving, Mutatie, Saldo, Order Id]}
reader: {continues: {rest: record}}
lines: [{kind: rest, match: '^,{3}'}]
context: {account: {from: file_name, match: '^(degiro)'}}
dates: dd-MM-yyyy
numbers: [european, plain]
empty: ['', ' ']
codes:
  words:
    title: Omschrijving
    rules:
      - {matches: '.*\b(Koop|Compra|Achat)\b.*', gives: {type: BUY}}
      - {matches: '.*\b(Verkoop|Sell|Vente)\b.*', gives: {type: SELL}}
      - {matches: 'Dividendbelasting|Impôts sur dividende', gives: {type: TAX}}
      - {starts: Dividend, gives: {type: DIVIDEND}}
      - {matches: '(?i).*(kosten|comissões|frais|fee).*', gives: {type: MISC_EXPENSE}}
      - {matches: '(?i).*(valuta|FX|divisa).*', gives: {type: FX}}
      - {matches: '.*', gives: {type: JOURNAL}}
targets:
  - table: transaction
    columns:
      transaction_id: {identity: [trade_date, type, security_id, amount, currency]}
      account_id: {account: account}
      trade_date: {title: Datum}
      settle_date: {title: Valutadatum}
      performance_date: {same_as: trade_date}
      type: {code: words.type}
      subtype: {title: Order Id}
      amount: {title: Mutatie.2}
      currency: {title: Mutatie}
      security_id: {title: ISIN}
"""
RABOBANK = r"""vendor: rabobank
feed: rabobank_bookings
meaning: "Bookings of a portfolio."
delivery: log
fingerprint: {required: [Portefeuille, Type mutatie, Bedrag, Isin code]}
reader: {delimiter: ';'}
dates: dd-MM-yyyy
numbers: european
codes:
  words:
    title: Type mutatie
    rules:
      - {is: Koop Fondsen, gives: {type: BUY}}
      - {is: Verkoop Fondsen, gives: {type: SELL}}
      - {is: Storting / opname, gives: {type: DEPOSIT}}
      - {is: Tarieven en services, gives: {type: FEE}}
      - {is: Rente beleggersrekening, gives: {type: INTEREST}}
      - {is: Contant dividend, gives: {type: DIVIDEND}}
targets:
  - table: transaction
    columns:
      transaction_id: {identity: [trade_date, type, security_id, amount]}
      account_id: {account_title: Portefeuille}
      trade_date: {title: Datum}
      performance_date: {same_as: trade_date}
      type: {code: words.type}
      amount: {title: Bedrag}
      currency: {title: Valuta mutatie}
      security_id: {title: Isin code}
      quantity: {title: Volume}
      price: {title: Koers}
"""


@pytest.fixture(scope="module")
def night(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = tmp_path_factory.mktemp("real_files")
    folder = home / "mappings"
    shutil.copytree(mappings_folder(), folder)
    (folder / "degiro_account.yaml").write_text(DEGIRO, encoding="utf-8")
    (folder / "rabobank_bookings.yaml").write_text(RABOBANK, encoding="utf-8")
    files: dict[str, str | bytes] = {
        "canonical_accounts_1.csv": "account_id,base_currency\n" + "".join(f"{number},EUR\n" for number in NUMBERS),
        "canonical_account_xref_1.csv": "vendor,vendor_account_number,account_id\n"
        + "".join(f"{vendor},{number},{number}\n" for number, vendor in NUMBERS.items()),
    }
    real = sorted(REAL.iterdir(), key=lambda path: ("hist" in path.name, path.name))  # the day before its history
    files |= {path.name: path.read_bytes() for path in real if path.name != "README.md"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_MAPPINGS", str(folder))
        return taken(files, spark, database_url, home, on=date(2026, 2, 6))


def silver(night: Workspace, table: str, file: str, *columns: str) -> list[Any]:
    rows = night.lake.read(table).where(F.col("file_id") == night.files[file].file_id).orderBy("line_no", "record_no")
    return rows.select(*columns).collect()


def test_every_file_goes_in_whole(night: Workspace) -> None:
    assert {name: (one.status, one.quarantined, one.message) for name, one in night.files.items()} == dict.fromkeys(
        night.files, ("normalised", 0, "")
    )
    assert len(night.files) == 2 + 8


def test_the_central_bank_s_rates_of_a_day_and_of_its_history(night: Workspace) -> None:
    day = silver(night, "fx_rate", "eurofxref.csv", "from_currency", "to_currency", "as_of_date", "rate")
    assert len(day) == 29
    assert ("EUR", "USD", date(2026, 2, 6), Decimal("1.1794")) in [tuple(row) for row in day]
    history = night.files["eurofxref-hist_first400.csv"]
    header_and_known = 1 + len(day)
    assert (history.records, history.silver + len(day), history.skipped) == (
        1 + 11_974 + 4_426,
        11_974,
        4_426 + header_and_known,
    )
    every = night.lake.read("fx_rate")
    assert every.count() == 11_974
    facts = every.agg(F.countDistinct("to_currency"), F.min("as_of_date"), F.max("as_of_date")).first()
    assert facts is not None
    assert tuple(facts) == (30, date(2024, 7, 16), date(2026, 2, 6))  # the others have ended
    *titles, nameless = history.detection["header"]
    assert (len([title for title in titles if len(title) == 3]), nameless) == (41, "")


def test_the_investment_statement(night: Workspace) -> None:
    held = {row[0]: row[1] for row in silver(night, "position", "invstmtrs.ofx", "security_id", "market_value")}
    assert (held.pop("CASH"), held.pop("MARGIN")) == (200, -50)
    assert (len(held), sum(held.values())) == (2, 10_400)
    booked = silver(night, "transaction", "invstmtrs.ofx", "type", "amount", "currency")
    assert [tuple(row) for row in booked] == [("BUY", -5025, "USD"), ("DEPOSIT", 1000, "USD")]


def test_cash_statements_of_swift_each_balance_in_their_own_currency(night: Workspace) -> None:
    booked: defaultdict[str, list[Decimal]] = defaultdict(list)
    for row in silver(night, "transaction", "mt940_multi.sta", "currency", "amount"):
        booked[row["currency"]].append(row["amount"])
    assert {currency: (len(amounts), sum(amounts)) for currency, amounts in booked.items()} == {
        "DEM": (11, Decimal("87.30")),
        "EUR": (2, Decimal(2200)),
        "PLN": (3, Decimal(10_040)),
    }
    values = silver(night, "valuation", "mt940_multi.sta", "currency", "market_value")
    assert {tuple(row) for row in values} == {
        ("DEM", Decimal("84437.04")),
        ("EUR", Decimal("4387.95")),
        ("PLN", Decimal(50_040)),
    }


def test_cash_statements_of_iso_20022(night: Workspace) -> None:
    name = "camt053_multi_statement.xml"
    assert [row[0] for row in silver(night, "transaction", name, "amount")] == [Decimal("8.85"), Decimal(-7)]
    assert [row[0] for row in silver(night, "valuation", name, "market_value")] == [Decimal(27), Decimal(20)]


def test_a_broker_s_bookings_with_commas_and_points_and_a_record_over_two_lines(night: Workspace) -> None:
    with Path(REAL, "degiro-export.csv").open(encoding="utf-8", newline="") as lines:
        texts = [cells[8] for cells in list(csv.reader(lines))[1:] if cells[0]]
    assert (sum("," in text for text in texts), sum("." in text for text in texts)) == (26, 41)
    file = night.files["degiro-export.csv"]
    assert (file.lines, file.records, file.silver, file.skipped) == (75, 75, 73, 2)  # the titles, a second line
    booked = silver(night, "transaction", "degiro-export.csv", "amount", "subtype", "line_no")
    assert [row["amount"] for row in booked] == [Decimal(text.replace(",", ".") or 0) for text in texts]
    wrapped = {row["subtype"] for row in booked if row["line_no"] in {18, 20}}
    assert wrapped == {"5925d76b-eb36-46e3-b017-a61a6d03c3e7"}


def test_a_bank_s_bookings_with_decimal_commas(night: Workspace) -> None:
    booked = silver(night, "transaction", "rabobank-export.csv", "type", "amount")
    assert (len(booked), sum(row["amount"] for row in booked)) == (12, Decimal("121.30"))
    assert sum(row["amount"] for row in booked if row["type"] == "DEPOSIT") == 500


def test_statements_of_two_accounts(night: Workspace) -> None:
    booked: defaultdict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    for row in silver(night, "transaction", "statement26.xml", "account_id", "type", "currency", "amount"):
        booked[row["account_id"], row["type"], row["currency"]].append(row["amount"])
    assert {key: sum(amounts) for key, amounts in booked.items()} == {
        ("U1234567", "SELL", "USD"): Decimal("223.799812"),
        ("U1234567", "DIVIDEND", "EUR"): Decimal("13.90"),
        ("U1234568", "DIVIDEND", "EUR"): Decimal("63.44"),
    }
    assert [len(amounts) for key, amounts in booked.items() if key[1] == "SELL"] == [1]
