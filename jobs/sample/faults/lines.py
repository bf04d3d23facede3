"""Faults in lines of text: control records, titles, cells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from jobs.sample.faults.fault import FAULTED, NUMBERS, UNKNOWN, Fault, Lines, changed
from jobs.sample.feeds import hst
from jobs.sample.market import cusip

# Control-record text: header, three details, trailer.


def details(n: int, on: date) -> Lines:
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


def hst_file(n: int, on: date, details: Lines, trailer: str | None = None) -> tuple[str, bytes]:
    dated = on + timedelta(days=n)
    head = f"H|HST|TXN|{dated:%Y%m%d}|{dated:%Y%m%d}031500|FULL|{len(details)}"
    lines = [head, *details, hst.trailer(details) if trailer is None else trailer]
    return f"hst/HST_TXN_{dated:%Y%m%d}.psv", "".join(f"{line}\n" for line in lines if line).encode()


def custodian(on: date) -> Iterator[Fault]:
    def refused(kind: str, n: int, reason: str, trailer: str) -> Fault:
        path, content = hst_file(n, on, details(n, on), trailer)
        return Fault(kind, path, "control", reason, content, rows=3)

    def quarantined(kind: str, n: int, change: tuple[int, str], *, reason: str, found: tuple[str, str]) -> Fault:
        path, content = hst_file(n, on, changed(details(n, on), 1, *change))
        rows = 2 if found[0] == "duplicate_key" else 1  # nobody knows which of the two is right
        return Fault(kind, path, "quarantine", reason, content, 3, *found, rows)

    _, _, net, total = hst.trailer(details(2, on)).split("|")
    yield refused("truncated file", 1, "no line states", "")
    yield refused("wrong control sum", 2, "'net_cash' adds up to", f"T|3|9.99|{total}")
    total = hst.trailer(details(3, on)).split("|")[3]
    yield refused("wrong count", 3, "number of records is 3, the file states 4", f"T|4|{net}|{total}")
    yield refused("wrong hash total", 4, "hash total of 'account'", f"T|3|{net}|1")
    yield quarantined("impossible date", 5, (3, "20260231"), reason="a date as yyyyMMdd", found=("date", "trade_date"))
    same_id = (13, "TF0061")
    found = ("duplicate_key", "transaction_id")
    yield quarantined("duplicate key with other content", 6, same_id, reason="one row", found=found)
    found = ("unknown_account", "account_number")
    yield quarantined("unknown account", 7, (2, UNKNOWN), reason="a number in account_xref", found=found)
    yield quarantined("unknown code", 8, (5, "ZZZ"), reason="a word of 'bookings'", found=("unknown_code", "code"))


# Delimited text with titles.

TITLES = (
    "transaction_id", "account_id", "trade_date", "settle_date", "type", "subtype", "amount", "currency", "security_id",
    "quantity", "price", "status",
)  # fmt: skip


def bookings(n: int, on: date) -> Lines:
    rows = (
        ("DEPOSIT", "", "5000.00", "", ""),
        ("FEE", "management", "-12.50", "", ""),
        ("DIVIDEND", "", "12.40", "HRBC", ""),
    )
    return [
        f"{FAULTED}-F{n:02d}-{i},{FAULTED},{on},,{kind},{subtype},{amount},USD,{security},{quantity},,new"
        for i, (kind, subtype, amount, security, quantity) in enumerate(rows, start=1)
    ]


def transactions(n: int, on: date, lines: Lines, titles: tuple[str, ...] = TITLES) -> tuple[str, bytes]:
    text = "".join(f"{line}\n" for line in [",".join(titles), *lines])
    return f"canonical_transactions_{on + timedelta(days=n):%Y%m%d}.csv", text.encode()


def canonical(on: date) -> Iterator[Fault]:
    def quarantined(kind: str, n: int, change: tuple[int, str], rule: str, reason: str) -> Fault:
        path, content = transactions(n, on, changed(bookings(n, on), 1, *change, delimiter=","))
        return Fault(kind, path, "quarantine", reason, content, 3, rule, "" if rule == "quotes" else "amount", 1)

    yield quarantined("wrong number style", 10, (6, '"1.234,56"'), "number", "a number such as 1234.56")
    yield quarantined("too many decimals", 11, (6, "-12.123456789"), "decimals", "at most 8 decimals")
    yield quarantined("unclosed quote", 12, (5, '"management'), "quotes", "quotes")
    swapped = changed(changed(bookings(13, on), 1, 6, "USD", ","), 1, 7, "-12.50", ",")
    path, content = transactions(13, on, swapped)
    yield Fault("swapped columns", path, "quarantine", "a number such as", content, 3, "number", "amount", 1)

    path, content = transactions(14, on, [f"{line},as agreed" for line in bookings(14, on)], (*TITLES, "narrative"))
    yield Fault("extra column", path, "drift", "", content, column="narrative")
    path, content = transactions(15, on, [line.split(",", 1)[1] for line in bookings(15, on)], TITLES[1:])
    yield Fault("missing required column", path, "file", "no mapping fits", content, rows=3)
    path, content = transactions(16, on, changed(bookings(16, on), 1, 5, "fran\u00e7ais", ","))
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


def brokerage(on: date) -> Iterator[Fault]:
    path, content = _statement(20, on, title="Activity")
    yield Fault("renamed column", path, "file", "no mapping fits", content, rows=2)
    path, content = _statement(21, on, has_footer=False)
    yield Fault("missing footer", path, "control", "no line states the total of 'Amount'", content, rows=2)
