"""Later files about the same day: a full one retires what it lists no more, a delta does not, history stays."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.nights import Workspace, taken

NUMBERS = {"ABC1234561": "G1", "ABC7654321": "G2"}
KNOWN = {
    "canonical_accounts_1.csv": "account_id,base_currency\nG1,USD\nG2,USD\n",
    "canonical_account_xref_1.csv": "vendor,vendor_account_number,account_id\n"
    + "".join(f"gcus,{number},{account}\n" for number, account in NUMBERS.items()),
}
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
LATER = {
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
}


@pytest.fixture(scope="module")
def corrected(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = taken({**KNOWN, **FIRST}, spark, database_url, tmp_path_factory.mktemp("corrections"))
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
