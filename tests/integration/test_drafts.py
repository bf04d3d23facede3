"""A draft, its open places settled by hand, takes the file that it was made from to silver as that file reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.platform import mapping
from jobs.vendor.write import drafts
from tests.nights import Workspace, taken
from tests.unit.vendor.test_draft import GERMAN

HOLDINGS = """"Holdings of all accounts as of 03/31/2026"

"Family ...876"
"Symbol","Name","Quantity","Price","Market Value"
"AAA","ALPHA","1,200","$10.50","$12,600.00"
"TTE","TOTAL","100","$50.00","$5,000.00"
"Cash & Sweep","--","--","--","($20.00)"
"Account Total","","","","$17,580.00"

"Trust ...913"
"Symbol","Name","Quantity","Price","Market Value"
"AAA","ALPHA","5","$10.50","$52.50"
"Cash & Sweep","--","--","--","$1.00"
"Account Total","","","","$53.50"
"""
SETTLED = {
    "muster_transactions": {"type: TODO": "type: MISC_INCOME"},
    "family_holdings": {
        "delivery: TODO snapshot (a file holds all of its day; say `replaces` too) or upsert": "delivery: snapshot\n"
        "replaces: {within: [as_of_date]}",
        "'TODO what the cash position is called, such as CASH_USD'": "CASH_USD",
        "TODO the currency; without this line it is the account's": "USD",
    },
}


@pytest.fixture(scope="module")
def night(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    home = tmp_path_factory.mktemp("drafts")
    folder = home / "mappings"
    shutil.copytree(mapping.mappings_folder(), folder)
    files = {"Umsaetze_4711088001.csv": GERMAN, "holdings_20260331.csv": HOLDINGS}
    for (feed, settled), (name, content) in zip(SETTLED.items(), files.items(), strict=True):
        source = home / name
        source.write_text(content, encoding="utf-8")
        (folder / f"{feed}.yaml").write_text(_settled(source, feed, settled), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_MAPPINGS", str(folder))
        accounts = {
            "canonical_accounts_1.csv": "account_id,base_currency\nM,EUR\nF,USD\nT,USD\n",
            "canonical_account_xref_1.csv": "vendor,vendor_account_number,account_id\n"
            "muster,4711088001,M\nfamily,876,F\nfamily,913,T\n",
        }
        (home / "workspace").mkdir()
        yield taken({**accounts, **files}, spark, database_url, home / "workspace", on=date(2026, 3, 31))


def _settled(source: Path, feed: str, settled: dict[str, str]) -> str:
    text = next(drafts(source, feed.split("_", maxsplit=1)[0], feed)).text
    for question, answer in settled.items():
        assert question in text
        text = text.replace(question, answer)
    return text


def rows(night: Workspace, table: str, vendor: str, *columns: str) -> list[tuple[object, ...]]:
    found = night.lake.read(table).where(f"vendor = '{vendor}'").orderBy("line_no")
    return [tuple(row) for row in found.select(*columns).collect()]


def test_both_files_are_recognised_and_meet_their_totals(night: Workspace) -> None:
    found = {name: (file.feed, file.status, file.quarantined, file.message) for name, file in night.files.items()}
    assert found["Umsaetze_4711088001.csv"] == ("muster_transactions", "normalised", 0, "")
    assert found["holdings_20260331.csv"] == ("family_holdings", "normalised", 0, "")


def test_bookings_of_the_german_statement(night: Workspace) -> None:
    assert rows(
        night, "transaction", "muster", "account_id", "trade_date", "type", "amount", "quantity", "currency"
    ) == [
        ("M", date(2026, 3, 2), "BUY", Decimal(-2505), Decimal(10), "EUR"),
        ("M", date(2026, 3, 13), "SELL", Decimal(901), Decimal(-5), "EUR"),
        ("M", date(2026, 3, 16), "MISC_INCOME", Decimal("123.45"), None, "EUR"),
    ]


def test_holdings_and_values_of_the_blocks(night: Workspace) -> None:
    assert rows(night, "position", "family", "account_id", "as_of_date", "security_id", "quantity", "market_value") == [
        ("F", date(2026, 3, 31), "AAA", Decimal(1200), Decimal(12600)),
        ("F", date(2026, 3, 31), "TTE", Decimal(100), Decimal(5000)),
        ("F", date(2026, 3, 31), "CASH_USD", Decimal(-20), Decimal(-20)),
        ("T", date(2026, 3, 31), "AAA", Decimal(5), Decimal("52.5")),
        ("T", date(2026, 3, 31), "CASH_USD", Decimal(1), Decimal(1)),
    ]
    assert rows(night, "valuation", "family", "account_id", "market_value") == [
        ("F", Decimal(17580)),
        ("T", Decimal("53.5")),
    ]
