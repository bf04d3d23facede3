"""Later files about the same days: full ones, deltas, cumulative ones, cancels; what they supersede stays readable."""

from __future__ import annotations

import gzip
import shutil
from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.platform.mapping import mappings_folder
from tests.nights import Workspace, taken

pytestmark = pytest.mark.system

NUMBERS = {"ABC1234561": "G1", "ABC7654321": "G2"}
# In kind, without an amount: T1 of a security whose price is corrected, T2 priced by the file, T3 priced later.
TRANSFERS = """transaction_id,account_id,trade_date,type,security_id,quantity,price
T1,G1,2026-03-02,TRANSFER_IN,X,3,
T2,G1,2026-03-02,TRANSFER_IN,X,3,20
T3,G2,2026-03-02,TRANSFER_OUT,Y,3,
"""
KNOWN = {
    "canonical_accounts_1.csv": "account_id,base_currency\nG1,USD\nG2,USD\n",
    "canonical_prices_1.csv": "security_id,as_of_date,price,currency\nX,2026-03-02,10,USD\n",
    "canonical_transactions_1.csv": TRANSFERS,
    "canonical_account_xref_1.csv": "vendor,vendor_account_number,account_id\n"
    + "".join(f"gcus,{number},{account}\n" for number, account in NUMBERS.items()),
}
# Bookings without numbers: a cancel says what it takes back by its values alone.
NOTES = """vendor: notes
feed: notes
meaning: "Bookings of a bank."
delivery: log
fingerprint: {required: [Day, What, Sum, Who]}
flow_timing: end_of_day
codes:
  words:
    title: What
    rules:
      - {is: DEP, gives: {type: DEPOSIT, status: new}}
      - {is: DEP CXL, gives: {type: DEPOSIT, status: cancel, back: 'yes'}}
targets:
  - table: transaction
    columns:
      transaction_id: {identity: [trade_date, type, amount], reversed_when: words.back}
      account_id: {title: Who}
      trade_date: {title: Day}
      performance_date: {same_as: trade_date}
      type: {code: words.type}
      amount: {title: Sum}
      status: {code: words.status}
"""
A, B = NUMBERS


def holdings(day: int, extent: str, *held: tuple[str, str, str], office: str = "") -> str:
    """A fixed-width file of March 2026 of one office: (account number, CUSIP, quantity in units) each."""

    def line(*fields: tuple[int, str], end: str) -> str:
        cells = [" "] * 749
        for first, text in fields:
            cells[first - 1 : first - 1 + len(text)] = text
        return "".join(cells) + end

    date_text = f"03/{day:02d}/2026"
    lines = [line((1, "BOF"), (19, "GLOBAL CUST POS"), (47, date_text), (68, office), (119, extent), end="A")]
    for number, (account, cusip, units) in enumerate(held, start=1):
        quantity = units if not units.isdigit() else f"{int(units) * 100_000:018d}+"
        fields = [(1, "GCA"), (4, f"{number:08d}"), (12, account), (22, cusip), (74, quantity), (662, "USD")]
        lines.append(line(*fields, (665, "000000000000100000+"), end="X"))
    lines.append(line((1, "EOF"), (47, date_text), (106, f"{len(held):010d}"), end="Z"))
    return "\n".join(lines) + "\n"


FIRST = {
    f"GCUS_{day}.txt": holdings(day, "REFRESHED", (A, "037833100", "10"), (A, "594918104", "20"), (B, "037833100", "5"))
    for day in (2, 3, 4)
}
VALUES = "account_id,as_of_date,market_value\n"
FIRST |= {
    "canonical_valuations_1.csv": VALUES + "G1,2026-03-02,10\nG1,2026-03-03,11\nG1,2026-03-04,12\n",
    "canonical_valuations_8.csv": VALUES + "G2,2026-03-02,100\nG2,2026-03-03,oops\n",
    "notes_1.csv": "Day,What,Sum,Who\n2026-03-02,DEP,100.00,G1\n2026-03-02,DEP,100.00,G1\n",
}
LATER: dict[str, str | bytes] = {
    "canonical_valuations_9.csv": VALUES + "G2,2026-03-02,100\nG2,2026-03-03,200\n",
    "canonical_prices_2.csv": "security_id,as_of_date,price,currency\nX,2026-03-02,11,USD\nY,2026-03-02,7,USD\n",
    # sold, and one quantity corrected
    "GCUS_2_C.txt": holdings(2, "REFRESHED", (A, "037833100", "11"), (B, "037833100", "5")),
    # a delta says nothing of what it does not list
    "GCUS_3_U.txt": holdings(3, "UPDATED", (A, "037833100", "12")),
    # an unreadable quantity: the file does not say all that it holds
    "GCUS_4_C.txt": holdings(4, "REFRESHED", (A, "037833100", "oops"), (B, "037833100", "6")),
    # two full files of a new day in one night: the later one counts
    "GCUS_5.txt": holdings(5, "REFRESHED", (A, "037833100", "1"), (A, "594918104", "2")),
    "GCUS_5_C.txt": holdings(5, "REFRESHED", (A, "037833100", "1")),
    # a full file of one office says nothing of the accounts of another
    "GCUS_6_NY.txt": holdings(6, "REFRESHED", (A, "037833100", "1"), (A, "594918104", "2"), office="NY01"),
    "GCUS_6_LA.txt": holdings(6, "REFRESHED", (B, "037833100", "3"), office="LA01"),
    "GCUS_6_NY_C.txt": holdings(6, "REFRESHED", (A, "037833100", "4"), office="NY01"),
    # a cumulative file: a day more, and one of its history silently restated; then the whole month once more
    "canonical_valuations_2.csv": VALUES + "G1,2026-03-02,10\nG1,2026-03-03,11.5\nG1,2026-03-04,12\nG1,2026-03-05,13\n",
    "canonical_valuations_3.csv": VALUES
    + "G1,2026-03-05,13\nG1,2026-03-04,12.0\nG1,2026-03-03,11.5\nG1,2026-03-02,10\n",
    # one of two twins is taken back and booked anew
    "notes_2.csv.gz": gzip.compress(b"Day,What,Sum,Who\n2026-03-02,DEP CXL,-100.00,G1\n2026-03-02,DEP,110.00,G1\n"),
}


@pytest.fixture(scope="module")
def corrected(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = tmp_path_factory.mktemp("corrections")
    shutil.copytree(mappings_folder(), home / "mappings")
    (home / "mappings" / "notes.yaml").write_text(NOTES, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_MAPPINGS", str(home / "mappings"))
        workspace = taken({**KNOWN, **FIRST}, spark, database_url, home)
        bad = workspace.files["canonical_valuations_8.csv"].file_id
        workspace.ledger.update_files({bad: {"status": "withheld"}})
        workspace.put({**LATER})
        workspace.take(date(2026, 3, 11))
    return workspace


def positions(workspace: Workspace, day: int) -> dict[tuple[str, str], int]:
    """(account, CUSIP) -> quantity, as it counts."""
    rows = workspace.lake.current("position").where(F.col("as_of_date") == F.lit(date(2026, 3, day))).collect()
    return {(row["account_id"], row["security_id"]): int(row["quantity"]) for row in rows}


def test_a_full_file_retires_what_it_lists_no_more(corrected: Workspace) -> None:
    assert positions(corrected, 2) == {("G1", "037833100"): 11, ("G2", "037833100"): 5}


def test_a_delta_retires_nothing(corrected: Workspace) -> None:
    assert positions(corrected, 3) == {("G1", "037833100"): 12, ("G1", "594918104"): 20, ("G2", "037833100"): 5}


def test_a_file_with_a_misfit_retires_nothing(corrected: Workspace) -> None:
    assert positions(corrected, 4) == {("G1", "037833100"): 10, ("G1", "594918104"): 20, ("G2", "037833100"): 6}


def test_of_two_full_files_of_a_night_the_later_counts(corrected: Workspace) -> None:
    assert positions(corrected, 5) == {("G1", "037833100"): 1}


def test_a_full_file_of_one_office_leaves_those_of_another_alone(corrected: Workspace) -> None:
    assert positions(corrected, 6) == {("G1", "037833100"): 4, ("G2", "037833100"): 3}


def test_the_superseded_and_the_retired_stay_readable(corrected: Workspace) -> None:
    rows = corrected.lake.read("position").where("as_of_date = '2026-03-02' AND security_id = '594918104'")
    found = [(row["line_no"], row["retired"], row["file_id"]) for row in rows.orderBy("arrival_no").collect()]
    files = corrected.files
    assert found == [(3, False, files["GCUS_2.txt"].file_id), (0, True, files["GCUS_2_C.txt"].file_id)]


def test_books_count_records_of_files_not_retired_rows(corrected: Workspace) -> None:
    counts = {name: (f.records, f.silver, f.quarantined, f.skipped) for name, f in corrected.files.items()}
    assert counts["GCUS_2_C.txt"] == (4, 1, 0, 3)  # header, trailer and an unchanged row are skipped
    assert counts["GCUS_4_C.txt"] == (4, 1, 1, 2)


def test_history_restated_inside_a_cumulative_file_gives_a_version_more_of_that_day_alone(corrected: Workspace) -> None:
    files = corrected.files
    counts = {
        name: (files[name].silver, files[name].skipped)
        for name in files
        if name[-5:] in ("1.csv", "2.csv", "3.csv") and "valuations" in name
    }
    assert counts == {
        "canonical_valuations_1.csv": (3, 1),
        "canonical_valuations_2.csv": (2, 3),
        "canonical_valuations_3.csv": (0, 5),
    }
    rows = corrected.lake.read("valuation").where("account_id = 'G1'").orderBy("as_of_date", "arrival_no").collect()
    assert [(row["as_of_date"].day, row["market_value"]) for row in rows] == [
        (2, Decimal(10)), (3, Decimal(11)), (3, Decimal("11.5")), (4, Decimal(12)), (5, Decimal(13)),
    ]  # fmt: skip
    now = corrected.lake.current("valuation").where("day(as_of_date) = 3 AND account_id = 'G1'").collect()
    assert [row["market_value"] for row in now] == [Decimal("11.5")]


def test_a_cancel_without_a_number_takes_back_one_of_two_twins(corrected: Workspace) -> None:
    now = corrected.lake.current("transaction").where("vendor = 'notes'").orderBy("amount").collect()
    assert [(row["status"], row["amount"]) for row in now] == [
        ("cancel", Decimal(-100)), ("new", Decimal(100)), ("new", Decimal(110)),
    ]  # fmt: skip
    every = corrected.lake.read("transaction").where("vendor = 'notes'").orderBy("arrival_no", "line_no").collect()
    assert [row["amount"] for row in every] == [Decimal(100), Decimal(100), Decimal(-100), Decimal(110)]


def test_flows_count_when_their_feed_says(corrected: Workspace) -> None:
    rows = corrected.lake.read("transaction").where("vendor = 'notes'").select("feed_flow_timing").distinct().collect()
    assert [row[0] for row in rows] == ["end_of_day"]


def test_what_a_withheld_file_said_is_not_known_so_that_the_next_one_says_it(corrected: Workspace) -> None:
    """The first file was withheld whole; the second one repeats a row of it."""
    assert corrected.files["canonical_valuations_9.csv"].silver == 2


def test_transfers_in_kind_are_worth_what_the_price_table_says_now(corrected: Workspace) -> None:
    current = corrected.lake.current("transaction").where("vendor = 'canonical'")
    rows = {row["transaction_id"]: row for row in current.collect()}
    assert {name: int(row["amount"]) for name, row in rows.items()} == {"T1": 33, "T2": 60, "T3": -21}
    files = corrected.files
    assert rows["T1"]["file_id"] == files["canonical_prices_2.csv"].file_id  # the line that changed it
    assert rows["T3"]["file_id"] == files["canonical_transactions_1.csv"].file_id
    counts = files["canonical_transactions_1.csv"]
    assert (counts.silver, counts.quarantined) == (3, 0)
