"""One fault of each kind, planted in files of its own, and the list of what must be found where.

Each is a small good delivery of an account that nothing else speaks of (FAULTED), spoiled in one place. That account
has no valuations, so no return comes of it, and every other account stays as it is. One vendor number a fault: what
is good in one file never meets what is good in another.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Literal

from jobs.sample.deliveries import Deliveries
from jobs.sample.expected import write_rows
from jobs.sample.feeds import apx, gcus, hst
from jobs.sample.feeds.adviser import TITLES as SHEET_TITLES
from jobs.sample.feeds.adviser import undated
from jobs.sample.feeds.ofx import XML_HEADER
from jobs.sample.market import cusip

FAULTED = "HT-000099"
# What the vendors call it; {n} is the fault's number.
NUMBERS = {
    "hst": "A199{n:03d}", "brokerage": "F{n:02d}", "flex": "U7900{n:03d}", "apx": "9{n:03d}", "gcus": "HTB99{n:03d}91",
    "adviser": "999{n:05d}", "ofx": "99-{n:04d}", "mt940": "70050000/99{n:05d}",
}  # fmt: skip
Where = Literal["file", "control", "quarantine", "duplicate", "drift", "waits", "restated"]


@dataclass(frozen=True)
class Fault:
    """What was planted and how it must be found.

    where: `file` is not taken in at all, with `reason` as its message (`control`: because it contradicts itself);
    `quarantine`: `rows` of it, line_no among them, for the failed `rule` of `column`; `duplicate` of another file;
    `drift`: taken in whole, the title `column` reported; `waits` for the rest of it; `restated`: to be put in the
    place of a file that was taken in (it lies in _expected/restated), which gives a second version of `rows`.
    reason: a pattern found in the message, or in what the failed rule expected. rows: those that are not in silver
    because of it.
    """

    kind: str
    path: str
    where: Where
    reason: str
    content: bytes
    line_no: int | None = None
    rule: str = ""
    column: str = ""
    rows: int = 0


COLUMNS = ("tenant", *(field.name for field in fields(Fault) if field.name != "content"))
Lines = list[str]


def plant(to: Deliveries) -> list[Fault]:
    """Write all faults beside the tenant's good files, and the list `_expected/planted_faults.csv`."""
    last = len(to.days) - 1
    accounts = f"account_id,account_name,base_currency\n{FAULTED},Planted faults,USD\n"
    to.write("canonical_accounts_planted.csv", 0, accounts, 1)
    numbers = [(vendor, number.format(n=n)) for vendor, number in NUMBERS.items() for n in range(60)]
    xref = "".join(f"{vendor},{number},{FAULTED},\n" for vendor, number in numbers)
    header = "vendor,vendor_account_number,account_id,from_date\n"
    to.write("canonical_account_xref_planted.csv", 0, header + xref, len(numbers))
    planted = list(faults(to))
    for fault in planted:
        if fault.where == "restated":
            path = to.root / "_expected" / "restated" / to.tenant / fault.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fault.content)
        else:
            to.write(fault.path, last, fault.content, fault.rows)
    rows = ({"tenant": to.tenant} | vars(fault) for fault in planted)
    write_rows(to.root / "_expected" / "planted_faults.csv", COLUMNS, rows)
    return planted


def faults(to: Deliveries) -> Iterator[Fault]:
    """Every fault, of files dated after the sample's last day."""
    on = to.days[-1]
    yield from _custodian(on)
    yield from _canonical(on)
    yield from _brokerage(on)
    yield from _other_formats(on)
    yield from _listed(to)
    yield from _no_delivery(on)
    yield from _known_files(to)


# Control-record text: header, three details, trailer.


def _details(n: int, on: date) -> Lines:
    number, day = NUMBERS["hst"].format(n=n), f"{on:%Y%m%d}"
    booked = [
        ("DEP", "", "", "", "5000.00", "5000.00"),
        ("BUY", cusip(0), "10", "172.50", "1725.00", "-1725.00"),
        ("DIV", cusip(0), "", "", "12.40", "12.40"),
    ]
    return [
        f"D|{i}|{number}|{day}|{day}|{code}|{security}|{units}|{price}|{gross}|0.00|{net}|USD|TF{n:03d}{i}|N|"
        for i, (code, security, units, price, gross, net) in enumerate(booked, start=1)
    ]


def _hst(n: int, on: date, details: Lines, trailer: str | None = None) -> tuple[str, bytes]:
    dated = on + timedelta(days=n)
    head = f"H|HST|TXN|{dated:%Y%m%d}|{dated:%Y%m%d}031500|FULL|{len(details)}"
    lines = [head, *details, hst.trailer(details) if trailer is None else trailer]
    return f"hst/HST_TXN_{dated:%Y%m%d}.psv", "".join(f"{line}\n" for line in lines if line).encode()


def _changed(lines: Lines, place: int, cell: int, text: str, delimiter: str = "|") -> Lines:
    """The lines with one cell of one line changed; both counted from 0."""
    cells = lines[place].split(delimiter)
    cells[cell] = text
    return [*lines[:place], delimiter.join(cells), *lines[place + 1 :]]


def _custodian(on: date) -> Iterator[Fault]:
    def refused(kind: str, n: int, reason: str, trailer: str) -> Fault:
        path, content = _hst(n, on, _details(n, on), trailer)
        return Fault(kind, path, "control", reason, content, rows=3)

    def quarantined(kind: str, n: int, change: tuple[int, str], *, reason: str, found: tuple[str, str]) -> Fault:
        path, content = _hst(n, on, _changed(_details(n, on), 1, *change))
        rows = 2 if found[0] == "duplicate_key" else 1  # nobody knows which of the two is right
        return Fault(kind, path, "quarantine", reason, content, 3, *found, rows)

    _, _, net, total = hst.trailer(_details(2, on)).split("|")
    yield refused("truncated file", 1, "no line states", "")
    yield refused("wrong control sum", 2, "'net_cash' adds up to", f"T|3|9.99|{total}")
    total = hst.trailer(_details(3, on)).split("|")[3]
    yield refused("wrong count", 3, "number of records is 3, the file states 4", f"T|4|{net}|{total}")
    yield refused("wrong hash total", 4, "hash total of 'account'", f"T|3|{net}|1")
    yield quarantined("impossible date", 5, (3, "20260231"), reason="a date as yyyyMMdd", found=("date", "trade_date"))
    same_id = (13, "TF0061")
    found = ("duplicate_key", "transaction_id")
    yield quarantined("duplicate key with other content", 6, same_id, reason="one row", found=found)
    found = ("unknown_account", "account_number")
    yield quarantined("unknown account", 7, (2, "A777777"), reason="a number in account_xref", found=found)
    yield quarantined("unknown code", 8, (5, "ZZZ"), reason="a word of 'bookings'", found=("unknown_code", "code"))


# Delimited text with titles.

TITLES = (
    "transaction_id", "account_id", "trade_date", "settle_date", "type", "subtype", "amount", "currency", "security_id",
    "quantity", "price", "status",
)  # fmt: skip


def _bookings(n: int, on: date) -> Lines:
    rows = (
        ("DEPOSIT", "", "5000.00", "", ""),
        ("FEE", "management", "-12.50", "", ""),
        ("DIVIDEND", "", "12.40", "HRBC", ""),
    )
    return [
        f"{FAULTED}-F{n:02d}-{i},{FAULTED},{on},,{kind},{subtype},{amount},USD,{security},{quantity},,new"
        for i, (kind, subtype, amount, security, quantity) in enumerate(rows, start=1)
    ]


def _transactions(n: int, on: date, lines: Lines, titles: tuple[str, ...] = TITLES) -> tuple[str, bytes]:
    text = "".join(f"{line}\n" for line in [",".join(titles), *lines])
    return f"canonical_transactions_{on + timedelta(days=n):%Y%m%d}.csv", text.encode()


def _canonical(on: date) -> Iterator[Fault]:
    def quarantined(kind: str, n: int, change: tuple[int, str], rule: str, reason: str) -> Fault:
        path, content = _transactions(n, on, _changed(_bookings(n, on), 1, *change, delimiter=","))
        return Fault(kind, path, "quarantine", reason, content, 3, rule, "" if rule == "quotes" else "amount", 1)

    yield quarantined("wrong number style", 10, (6, '"1.234,56"'), "number", "a number such as 1234.56")
    yield quarantined("too many decimals", 11, (6, "-12.123456789"), "decimals", "at most 8 decimals")
    yield quarantined("unclosed quote", 12, (5, '"management'), "quotes", "quotes")
    swapped = _changed(_changed(_bookings(13, on), 1, 6, "USD", ","), 1, 7, "-12.50", ",")
    path, content = _transactions(13, on, swapped)
    yield Fault("swapped columns", path, "quarantine", "a number such as", content, 3, "number", "amount", 1)

    path, content = _transactions(14, on, [f"{line},as agreed" for line in _bookings(14, on)], (*TITLES, "narrative"))
    yield Fault("extra column", path, "drift", "", content, column="narrative")
    path, content = _transactions(15, on, [line.split(",", 1)[1] for line in _bookings(15, on)], TITLES[1:])
    yield Fault("missing required column", path, "file", "no mapping fits", content, rows=3)
    path, content = _transactions(16, on, _changed(_bookings(16, on), 1, 5, "fran\u00e7ais", ","))
    spoiled = content.decode().encode("iso-8859-1")
    yield Fault("bad encoding bytes", path, "file", "no mapping fits", spoiled, rows=3)


def _statement(n: int, on: date, *, title: str = "Action", has_footer: bool = True) -> tuple[str, bytes]:
    number, stamp = NUMBERS["brokerage"].format(n=n), f"{on + timedelta(days=n):%Y%m%d}"
    lines = [
        f'"Transactions  for account Planted ...{number} as of {on:%m/%d/%Y} 06:00:00 PM ET"',
        f'"Date","{title}","Symbol","Description","Quantity","Price","Fees & Comm","Amount"',
        f'"{on:%m/%d/%Y}","Bank Interest","","BANK INT","","","","$3.10"',
        f'"{on:%m/%d/%Y}","Advisor Fee","","MGMT FEE TO ADVISOR","","","","-$1.10"',
        *(['"Transactions Total","","","","","","","$2.00",'] if has_footer else []),
    ]
    return f"Planted_XX{number}_Transactions_{stamp}-180000.csv", "".join(f"{line}\n" for line in lines).encode()


def _brokerage(on: date) -> Iterator[Fault]:
    path, content = _statement(20, on, title="Activity")
    yield Fault("renamed column", path, "file", "no mapping fits", content, rows=2)
    path, content = _statement(21, on, has_footer=False)
    yield Fault("missing footer", path, "control", "no line states the total of 'Amount'", content, rows=2)


# The other formats.


def _other_formats(on: date) -> Iterator[Fault]:
    day = f"{on:%Y%m%d}"
    name = f"flex/harbor_daily_{on + timedelta(days=22):%Y%m%d}.xml"
    yield Fault("cut XML", name, "file", "not well-formed XML", _flex(22, day, "Dividends")[:-90], rows=2)
    name = f"flex/harbor_daily_{on + timedelta(days=23):%Y%m%d}.xml"
    code = _flex(23, day, "Mystery Payments")
    yield Fault("unknown word in XML", name, "quarantine", "a word of 'bookings'", code, 2, "unknown_code", "type", 1)
    name = f"apx/apx_transactions_{on + timedelta(days=24)}_p0001.jsonl"
    yield Fault("cut JSON line", name, "quarantine", "one whole JSON object", _apx(24, on)[:-40], 3, "record", "", 1)

    account = NUMBERS["gcus"].format(n=25)
    held = [gcus.Position(account, number, "USD", 1_000_000, 250_000) for number in range(3)]
    lines = gcus.file_of(on + timedelta(days=25), held, "REFRESHED").splitlines()
    name = f"gcus/GCUS{on + timedelta(days=25):%y%m%d}.TXT"
    short = [*lines[:2], lines[2][:700], *lines[3:], ""]
    yield Fault("cut line", name, "quarantine", "750 characters", "\n".join(short).encode(), 3, "length", "", 1)
    account, balance = NUMBERS["mt940"].format(n=26), f"{on:%y%m%d}USD"
    cash = (
        ":20:F26", f":25:{account}", ":28C:1/1", f":60F:C{balance}100,", f":61:{on:%y%m%d%m%d}C25,NTRFX//Y", ":86:IN",
        f":62F:C{balance}130,", "-", "",
    )  # fmt: skip
    name, reason = f"mt940/HARBOR_{on:%Y%m}_F.sta", "adds up to 125.00, the file states 130.00"
    yield Fault("wrong closing balance", name, "control", reason, "\r\n".join(cash).encode(), rows=2)
    name = f"adviser/PerfSummary_{on:%Y}-F27.xlsx"
    yield Fault("formula that was never calculated", name, "quarantine", "a number", _workbook(27, on), 5, "number",
                "twrr_mtd", 1)  # fmt: skip
    name = f"ofx/{NUMBERS['ofx'].format(n=28)}_{on:%Y%m}.ofx"
    cut = f"{XML_HEADER}<OFX><INVSTMTMSGSRSV1><INVSTMTRS><DTASOF>{day}</DTASOF><INVACCTFROM><ACCTID>99-0028</ACC"
    yield Fault("cut OFX", name, "file", "not readable as OFX", cut.encode())


def _flex(n: int, day: str, kind: str) -> bytes:
    account = NUMBERS["flex"].format(n=n)
    rows = [
        f'<CashTransaction accountId="{account}" transactionID="F{n}{i}" type="{word}" amount="{i}.25" currency="USD"'
        f' reportDate="{day}" dateTime="{day};202000" conid="" levelOfDetail="DETAIL" />\n'
        for i, word in enumerate(("Dividends", kind), start=1)
    ]
    return (
        f'<FlexQueryResponse queryName="harbor_daily" type="AF"><FlexStatements count="1">\n<FlexStatement accountId='
        f'"{account}" fromDate="{day}" toDate="{day}">\n<CashTransactions>\n{"".join(rows)}</CashTransactions>\n'
        "</FlexStatement></FlexStatements></FlexQueryResponse>\n"
    ).encode()


def _apx(n: int, on: date) -> bytes:
    owner = NUMBERS["apx"].format(n=n)
    records = [
        {
            "id": f"tx_F{n}{i}",
            "type": "transactions",
            "attributes": {
                "trade_date": str(on), "owner_id": owner, "type": "dividend", "cusip": cusip(0),
                "amount": {"value": f"{i}.50", "currency": "USD"}, "status": "verified",
            },
        }
        for i in range(1, 4)
    ]  # fmt: skip
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _workbook(n: int, on: date) -> bytes:
    import openpyxl

    number = int(NUMBERS["adviser"].format(n=n))
    book = openpyxl.Workbook()
    book.active.title = "Returns USD"
    before = on - timedelta(days=1)
    rows = [
        ["Performance in USD"], [], list(SHEET_TITLES),
        [number, None, 100, 0, 0, 101, 0.01, 0.01, 0.01, before],
        [number, None, 101, 0, 0, 102, "=F5/C5-1", 0.02, 0.02, on],
        ["Total", None, 201, 0, 0, 203],
    ]  # fmt: skip
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return undated(content.getvalue())


# Deliveries that a manifest lists.


def _listed(to: Deliveries) -> Iterator[Fault]:
    on, last = to.days[-1], len(to.days) - 1
    for n, kind, reason in ((33, "missing page", "which is not there"), (34, "page cut on its way", "whose sha256")):
        dated = on + timedelta(days=n)
        pages = [(f"apx/apx_transactions_{dated}_p{page:04d}.jsonl", _apx(n, on), 3) for page in (1, 2)]
        to.write(f"apx/apx_{dated}.manifest.json", last, apx.manifest(pages), 0)
        if kind == "missing page":
            yield Fault(kind, pages[0][0], "waits", reason, pages[0][1], rows=3)
            continue
        to.write(pages[1][0], last, pages[1][1], 3)
        yield Fault(kind, pages[0][0], "waits", reason, pages[0][1][:-40], rows=3)


# Files that are no delivery yet, or of nobody that is known.


def _no_delivery(on: date) -> Iterator[Fault]:
    path, content = _hst(30, on, _details(30, on))
    yield Fault("empty", path, "waits", "empty: 0 bytes", b"")
    path, content = _hst(31, on, _details(31, on))
    yield Fault("temporary name", f"{path}.part", "waits", "temporary name", content)
    noise = bytes(range(256)) * 4
    yield Fault("binary", "HARBOR_EXTRACT.DAT", "file", "binary content", noise)
    armor = b"-----BEGIN PGP MESSAGE-----\nVersion: none\n\nhQEMA0planted0planted0\n=abcd\n-----END PGP MESSAGE-----\n"
    yield Fault("encrypted", "hst/HST_TXN_secret.txt", "file", "encrypted", armor)
    path, content = _hst(32, on, _details(32, on))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(path.rsplit("/", 1)[-1]), content)
    yield Fault("damaged zip", f"{path}.zip", "file", "damaged archive", packed.getvalue()[:-60], rows=3)
    strange = "Konto;Datum;Bewegung;Saldo\n4711;31.03.2026;12,50;100,00\n"
    yield Fault("unknown vendor", "kontoauszug.csv", "file", "no mapping fits", strange.encode(), rows=1)
    both = f"benchmark_id,as_of_date,level,currency,from_currency,to_currency,rate\nBM,{on},100,USD,USD,CHF,0.8\n"
    tied = "several mappings fit equally well: canonical_benchmark_levels .*canonical_fx_rates"
    yield Fault("tied mappings", "levels_and_rates.csv", "file", tied, both.encode(), rows=1)


def _known_files(to: Deliveries) -> Iterator[Fault]:
    """Faults that need a good file beside them: its content under another name, other content under its name."""
    on = to.days[-1]
    path, content = _hst(40, on, _details(40, on))
    to.write(path, len(to.days) - 1, content, 3)
    again = path.replace(".psv", "_again.psv")
    yield Fault("same content under another name", again, "duplicate", "same content as file", content)
    path, content = _transactions(41, on, _bookings(41, on))
    to.write(path, len(to.days) - 1, content, 3)
    other = _changed(_bookings(41, on), 1, 6, "-13.50", ",")
    yield Fault("restated file", path, "restated", "", _transactions(41, on, other)[1], line_no=3, rows=1)
