"""The sample's files agree with each other, with what is expected of them, and with themselves on another day."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
import zipfile
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from jobs.platform.errors import DietzError
from jobs.sample import write
from jobs.sample.feeds.numbers import iban
from jobs.sample.land import land, nights
from jobs.sample.market import EURO_RATES, cusip_check_digit, isin_check_digit
from jobs.sample.people import PARTS
from jobs.sample.trust import TRUST
from jobs.sample.write import FORMATS, SampleSummary, write_sample

START, END, NIGHTLY_FROM = date(2026, 1, 20), date(2026, 3, 3), date(2026, 2, 25)
NORTHWIND = "northwind_wealth"
FLOWS = {"DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    """90 accounts of two tenants over 31 business days, the last five delivered night by night."""
    out = tmp_path_factory.mktemp("sample")
    return write_sample(90, START, END, 11, out, daily_files_from=NIGHTLY_FROM)


def canonical(sample: SampleSummary, feed: str, tenant: str = NORTHWIND) -> list[dict[str, str]]:
    """The rows of a canonical feed over all its files, in the order of their delivery."""
    rows: list[dict[str, str]] = []
    for path in sorted((sample.out / tenant).glob(f"canonical_{feed}_*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows


def expected(sample: SampleSummary, tenant: str = NORTHWIND) -> dict[tuple[str, str], dict[str, str]]:
    path = sample.out / "_expected" / tenant / "expected_account_performance_daily.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["account_id"], row["as_of_date"]): row for row in csv.DictReader(file)}


def account_of(part: str) -> str:
    return f"NW-{PARTS.index(part) + 1:06d}"


def values_of(sample: SampleSummary, account_id: str) -> dict[str, Decimal]:
    rows = canonical(sample, "valuations")
    return {row["as_of_date"]: Decimal(row["market_value"]) for row in rows if row["account_id"] == account_id}


def money(text: str) -> Decimal:
    return Decimal(text.replace("$", "").replace(",", ""))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_in_another_process(sample: SampleSummary, tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import date; from pathlib import Path; from jobs.sample.write import write_sample\n"
        f"write_sample(90, {START!r}, {END!r}, 11, Path(sys.argv[1]), daily_files_from={NIGHTLY_FROM!r})".replace(
            "datetime.date", "date"
        )
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "again")], check=True)
    assert digests(tmp_path / "again") == digests(sample.out)


def test_another_seed_gives_other_values(sample: SampleSummary, tmp_path: Path) -> None:
    other = write_sample(90, START, END, 12, tmp_path / "other", daily_files_from=NIGHTLY_FROM)
    assert values_of(other, account_of("large_flow")) != values_of(sample, account_of("large_flow"))


def test_every_canonical_kind_is_there_in_the_columns_of_the_contract(sample: SampleSummary) -> None:
    for feed, first_columns in {
        "accounts": ["account_id", "effective_from", "account_name", "base_currency"],
        "valuations": ["account_id", "as_of_date", "market_value", "currency", "cash_value", "accrued_income"],
        "transactions": ["transaction_id", "account_id", "trade_date", "settle_date", "type", "subtype", "amount"],
        "positions": ["account_id", "as_of_date", "security_id", "quantity", "price", "market_value", "currency"],
        "securities": ["security_id", "name", "isin", "cusip", "ticker", "asset_class", "sector", "currency"],
        "prices": ["security_id", "as_of_date", "price", "currency"],
        "fx_rates": ["as_of_date", "from_currency", "to_currency", "rate"],
        "benchmark_levels": ["benchmark_id", "as_of_date", "level", "currency"],
        "reported_performance": ["account_id", "as_of_date", "begin_market_value", "net_flow", "end_market_value"],
        "group_members": ["group_type", "group_id", "account_id", "from_date", "to_date"],
        "account_xref": ["vendor", "vendor_account_number", "account_id", "from_date"],
    }.items():
        assert list(canonical(sample, feed)[0])[: len(first_columns)] == first_columns, feed


def test_positions_and_cash_add_up_to_the_value_of_every_account_and_day(sample: SampleSummary) -> None:
    held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in canonical(sample, "positions"):
        held[row["account_id"], row["as_of_date"]] += Decimal(row["market_value"])
    final = {(row["account_id"], row["as_of_date"]): row for row in canonical(sample, "valuations")}
    differences = {
        key: Decimal(row["market_value"]) - Decimal(row["cash_value"]) - held[key] for key, row in final.items()
    }
    assert len(differences) > 1000
    assert set(differences.values()) == {Decimal("0.00")}


def test_brokerage_footers_are_the_sum_of_the_amounts(sample: SampleSummary) -> None:
    files = sorted((sample.out / NORTHWIND).glob("*_Transactions_*.csv"))
    assert len(files) >= 3
    for path in files:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        assert lines[0][0].startswith("Transactions  for account ")
        assert lines[1][:8] == ["Date", "Action", "Symbol", "Description", "Quantity", "Price", "Fees & Comm", "Amount"]
        assert lines[-1][0] == "Transactions Total"
        assert sum(money(line[7]) for line in lines[2:-1]) == money(lines[-1][7]), path.name


def test_brokerage_account_totals_are_the_sum_of_holdings_and_cash(sample: SampleSummary) -> None:
    text = (sample.out / NORTHWIND / "All-Accounts-Positions-2026-03-03.CSV").read_text(encoding="utf-8")
    lines = [next(csv.reader([line])) for line in text.splitlines() if line]
    assert lines[0] == ["Positions for All-Accounts as of 04:05 PM ET, 03/03/2026"]
    total, blocks = Decimal(0), 0
    for line in lines[1:]:
        if line[0] == "Account Total":
            assert money(line[6]) == total
            total, blocks = Decimal(0), blocks + 1
        elif len(line) > 1 and line[0] != "Symbol":
            total += money(line[6])
    assert blocks == 4
    assert {len(line) for line in lines if len(line) > 1} == {23, 25, 26}


def test_brokerage_account_totals_are_the_expected_end_values(sample: SampleSummary) -> None:
    accounts = {row["vendor_account_number"]: row["account_id"] for row in canonical(sample, "account_xref")}
    rows, number, seen = expected(sample), "", set()
    text = (sample.out / NORTHWIND / "All-Accounts-Positions-2026-02-10.CSV").read_text(encoding="utf-8")
    for line in csv.reader(text.splitlines()):
        if len(line) == 1 and "..." in line[0]:
            number = line[0].split("...")[1]
        elif line and line[0] == "Account Total":
            assert money(line[6]) == Decimal(rows[accounts[number], "2026-02-10"]["end_market_value"])
            seen.add(number)
    assert seen == set(accounts)


def test_expected_flows_and_values_are_those_of_the_files(sample: SampleSummary) -> None:
    """Net flow and end value of every row, added up again from the text of the files: corrections, cancels, late
    deliveries, in-kind transfers without an amount and own performance dates included."""
    latest = {row["transaction_id"]: row for row in canonical(sample, "transactions")}
    flows: defaultdict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for row in latest.values():
        if row["type"] in FLOWS and row["status"] != "cancel":
            amount = Decimal(row["amount"]) if row["amount"] else Decimal(row["quantity"]) * Decimal(row["price"])
            flows[row["account_id"]].append((row["performance_date"] or row["trade_date"], amount))
    previous: dict[str, str] = {}
    values = {(row["account_id"], row["as_of_date"]): row["market_value"] for row in canonical(sample, "valuations")}
    for (account_id, day), row in expected(sample).items():
        if (account_id, day) not in values:
            continue  # a brokerage account
        after = previous.get(account_id, "")
        due = sum((amount for on, amount in flows[account_id] if after < on <= day), Decimal(0))
        assert Decimal(row["net_flow"]) == due, (account_id, day)
        assert Decimal(row["end_market_value"]) == Decimal(values[account_id, day]), (account_id, day)
        previous[account_id] = day
    assert len(previous) > 50


def test_a_large_deposit_worked_by_hand(sample: SampleSummary) -> None:
    """An inflow counts at start of day: r = (E - B - F) / (B + F)."""
    account = account_of("large_flow")
    (deposit,) = [
        row for row in canonical(sample, "transactions") if row["account_id"] == account and row["type"] == "DEPOSIT"
    ]
    values = values_of(sample, account)
    day = deposit["trade_date"]
    before = values[max(on for on in values if on < day)]
    flow = Decimal(deposit["amount"])
    assert flow / before > Decimal("0.3")
    worked = float((values[day] - before - flow) / (before + flow))
    assert float(expected(sample)[account, day]["twrr_daily"]) == pytest.approx(worked, abs=1e-15)


def test_every_part_of_the_script_is_played(sample: SampleSummary) -> None:
    rows = expected(sample)

    def of(part: str) -> list[dict[str, str]]:
        return [row for (account_id, _), row in rows.items() if account_id == account_of(part)]

    assert of("day_one_flow")[0]["status"] == "ok"
    assert of("day_one_flow")[0]["contributions"] != "0.00000000"
    assert {row["track_no"] for row in of("emptied_and_refunded")} == {"1", "2"}
    assert of("closed")[-1]["end_market_value"] == "0.00000000"
    assert of("closed")[-1]["as_of_date"] < "2026-02-15"
    assert [row["as_of_date"] for row in of("valued_monthly")] == ["2026-01-20", "2026-01-30", "2026-02-27"]
    assert {row["status"] for row in of("not_in_performance")} == {"excluded"}
    assert min(Decimal(row["fees"]) for row in of("fees")) < 0 < max(Decimal(row["fees"]) for row in of("fees"))
    assert of("new_tonight")[0]["as_of_date"] == "2026-02-26"
    assert {row["currency"] for row in of("euro") + of("sterling")} == {"EUR", "GBP"}
    cash = [
        Decimal(row["cash_value"])
        for row in canonical(sample, "valuations")
        if row["account_id"] == account_of("negative_cash")
    ]
    assert sum(value < 0 for value in cash) == 1


def test_policies_of_their_own_change_the_return_of_a_flow_day(sample: SampleSummary) -> None:
    """C is B + F, B + F / 2 and B for a deposit at the start, in the middle and at the end of the day."""
    for part, weight in {"start_of_day": "1", "mid_day": "0.5", "end_of_day": "0"}.items():
        rows = [row for (account_id, _), row in expected(sample).items() if account_id == account_of(part)]
        (row,) = [row for row in rows if Decimal(row["contributions"]) > 0]
        share = (Decimal(row["weighted_capital"]) - Decimal(row["begin_market_value"])) / Decimal(row["net_flow"])
        assert share == Decimal(weight), part


def test_mistakes_come_with_one_night_and_are_mended_with_the_next(sample: SampleSummary) -> None:
    def delivered(night: str) -> dict[str, tuple[str, str]]:
        path = sample.out / NORTHWIND / f"canonical_transactions_{night}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            return {row["transaction_id"]: (row["status"], row["amount"]) for row in csv.DictReader(file)}

    wrong, mended = delivered("20260226"), delivered("20260227")
    corrected, cancelled, late = (
        f"{account_of(part)}-20260226-{n}" for part, n in (("corrected", 1), ("cancelled", 2), ("late", 1))
    )
    assert (wrong[corrected][0], mended[corrected][0]) == ("new", "correct")
    assert Decimal(wrong[corrected][1]) == 10 * Decimal(mended[corrected][1])
    assert (wrong[cancelled][0], mended[cancelled][0]) == ("new", "cancel")
    assert any(key.startswith(late[:-2]) for key in mended)
    assert not any(key.startswith(late[:-2]) for key in wrong)
    revalued = [row for row in canonical(sample, "valuations") if row["account_id"] == account_of("revalued")]
    twice = [row for row in revalued if row["as_of_date"] == "2026-02-26"]
    assert len(twice) == 2
    assert twice[0]["market_value"] != twice[1]["market_value"]


def test_without_single_nights_nothing_is_corrected(tmp_path: Path) -> None:
    whole = write_sample(90, START, END, 11, tmp_path / "whole")
    assert {row["status"] for row in canonical(whole, "transactions")} == {"new"}
    assert len(list((tmp_path / "whole" / NORTHWIND).glob("canonical_valuations_*"))) == 1


def test_reported_figures_are_off_exactly_where_it_is_said(sample: SampleSummary) -> None:
    with (sample.out / "_expected" / "planted_breaks.csv").open(encoding="utf-8", newline="") as file:
        planted = list(csv.DictReader(file))
    said = {
        (row["account_id"], row["as_of_date"], row["field"])
        for row in planted
        if row["tenant_id"] == NORTHWIND and not row["cleared_on"]
    }
    ours, found = expected(sample), set()
    for row in canonical(sample, "reported_performance"):
        for name in ("begin_market_value", "net_flow", "end_market_value", "twrr_daily", "twrr_mtd"):
            own = ours[row["account_id"], row["as_of_date"]][name]
            if (own == "") != (row[name] == "") or (own and abs(float(own) - float(row[name])) > 1e-8):
                found.add((row["account_id"], row["as_of_date"], name))
    assert found == said
    assert len(said) == 9
    assert {row["field"] for row in planted if row["cleared_on"] == "2026-02-27"} == {"twrr_daily"}


def test_rates_are_laid_out_like_the_central_banks(sample: SampleSummary) -> None:
    folder = sample.out / NORTHWIND / "ecb"
    history = (folder / "eurofxref-hist_20260224.csv").read_text(encoding="utf-8").splitlines()
    assert history[0] == "Date," + ",".join(EURO_RATES) + ","
    assert [line[:10] for line in history[1:3]] == ["2026-02-24", "2026-02-23"]
    assert history[1].count("N/A") == sum(rate is None for rate in EURO_RATES.values())
    titles, rates, *rest = (folder / "eurofxref_20260303.csv").read_text(encoding="utf-8").split("\n")
    assert rates.startswith("03 March 2026, ")
    assert titles.endswith("ZAR, ")
    assert titles.count(",") == rates.count(",")
    assert rest == [""]


def test_landing_night_by_night_copies_each_file_once(sample: SampleSummary, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    history, *single = nights(sample.out)
    assert (history, single) == (date(2026, 2, 24), [date(2026, 2, d) for d in (25, 26, 27)] + [date(2026, 3, 2), END])
    first = land(sample.out, landing, through=history)
    assert not list(landing.rglob("*20260225.csv"))
    assert land(sample.out, landing, through=history) == 0
    assert first + land(sample.out, landing, through=END) == sample.files
    assert not (landing / "_expected").exists()
    assert digests(landing).items() <= digests(sample.out).items()


def test_a_large_book_is_written_in_runs_without_the_optional_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "LARGE_BOOK", 100)
    monkeypatch.setattr(write, "ACCOUNTS_AT_ONCE", 70)
    big = write_sample(600, END, END, 5, tmp_path / "big", expected_accounts=10)
    ids = [row["account_id"] for row in canonical(big, "accounts")]
    assert len(ids) == len(set(ids)) == 400
    assert {"positions", "reported_performance", "group_members"}.isdisjoint(big.kinds)
    assert len({account for account, _ in expected(big)}) == 10


@pytest.mark.parametrize("accounts", [1, 2, 7])
def test_a_handful_of_accounts_makes_a_sample_too(tmp_path: Path, accounts: int) -> None:
    few = write_sample(accounts, START, END, 3, tmp_path / "few", daily_files_from=NIGHTLY_FROM)
    found = [row["account_id"] for tenant in few.tenants for row in canonical(few, "accounts", tenant)]
    assert len(set(found)) == few.expected_accounts == accounts
    assert str(few).startswith(f"{few.files} files, {few.rows:,} rows")


def test_a_folder_with_other_peoples_files_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / NORTHWIND / "mine.csv"
    mine.parent.mkdir()
    mine.write_text("keep", encoding="utf-8")
    with pytest.raises(DietzError, match="holds files that are no sample"):
        write_sample(90, START, END, 1, tmp_path)
    assert mine.read_text(encoding="utf-8") == "keep"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": date(2026, 1, 3), "end": date(2026, 1, 4)}, "no business day"),
        ({"accounts": 1, "tenants": ["one", "two"]}, "too few for 2 tenants"),
        ({"formats": ["camt"]}, "no format is called 'camt'"),
        ({"with_faults": True}, "a book whose last days come one by one"),
        ({"with_faults": True, "kinds": ["valuations"], "daily_files_from": END}, "faults need all kinds"),
        ({"kinds": ["valuation"]}, "no canonical file is called 'valuation'"),
    ],
)
def test_impossible_samples_are_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(DietzError, match=message):
        write_sample(**({"accounts": 90, "start": START, "end": END, "seed": 1, "out": tmp_path} | arguments))


def test_check_digits_are_those_of_real_identifiers() -> None:
    assert cusip_check_digit("03783310") == "0"
    assert isin_check_digit("US037833100") == "5"


def test_every_format_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_sample(2, date(2026, 3, 30), date(2026, 4, 3), 3, tmp_path / name, formats=FORMATS, with_faults=True)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    # Two runs within a second would agree by chance.
    with zipfile.ZipFile(tmp_path / "one" / TRUST / "adviser" / "PerfSummary_2026-Q1.xlsx") as archive:
        assert {info.date_time for info in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}
        assert archive.read("docProps/core.xml").count(b"2026-01-01T00:00:00Z") == 2


def test_the_other_tenants_are_the_same_with_and_without_the_one_of_every_format(tmp_path: Path) -> None:
    write_sample(30, date(2026, 3, 30), date(2026, 4, 3), 3, tmp_path / "all", formats=FORMATS)
    write_sample(30, date(2026, 3, 30), date(2026, 4, 3), 3, tmp_path / "book")
    assert digests(tmp_path / "book" / NORTHWIND) == digests(tmp_path / "all" / NORTHWIND)
    assert not (tmp_path / "book" / TRUST).exists()


def test_only_the_formats_asked_for_are_written(tmp_path: Path) -> None:
    write_sample(2, date(2026, 3, 30), date(2026, 4, 3), 3, tmp_path, formats=["canonical", "hst"])
    written = {path.relative_to(tmp_path / TRUST).parts[0].split("_")[0] for path in (tmp_path / TRUST).rglob("*.*")}
    assert written == {"canonical", "hst"}
    xref = (tmp_path / TRUST / "canonical_account_xref_20260330_20260403.csv").read_text(encoding="utf-8").splitlines()
    assert {line.split(",")[0] for line in xref[1:]} == {"hst"}


def test_an_iban_has_the_check_digits_of_real_ones() -> None:
    assert iban("DE", "370400440532013000") == "DE89370400440532013000"
