"""Faults in the other formats: XML, JSON, fixed width, MT940, workbooks, OFX."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date, timedelta

from jobs.sample.faults.fault import NUMBERS, Fault
from jobs.sample.feeds import gcus
from jobs.sample.feeds.adviser import TITLES as SHEET_TITLES
from jobs.sample.feeds.adviser import undated
from jobs.sample.feeds.ofx import XML_HEADER
from jobs.sample.market import cusip


def faults(on: date) -> Iterator[Fault]:
    day = f"{on:%Y%m%d}"
    name = f"flex/harbor_daily_{on + timedelta(days=22):%Y%m%d}.xml"
    yield Fault("cut XML", name, "file", "not well-formed XML", _flex(22, day, "Dividends")[:-90], rows=2)
    name = f"flex/harbor_daily_{on + timedelta(days=23):%Y%m%d}.xml"
    code = _flex(23, day, "Mystery Payments")
    yield Fault("unknown word in XML", name, "quarantine", "a word of 'bookings'", code, 2, "unknown_code", "type", 1)
    name = f"apx/apx_transactions_{on + timedelta(days=24)}_p0001.jsonl"
    yield Fault(
        "cut JSON line", name, "quarantine", "one whole JSON object", apx_page(24, on)[:-40], 3, "record", "", 1
    )

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
    yield Fault("wrong closing balance", name, "control", reason, "\r\n".join(cash).encode(), rows=4)
    name = f"adviser/PerfSummary_{on:%Y}-F27.xlsx"
    yield Fault("formula that was never calculated", name, "quarantine", "a number", _workbook(27, on), 5, "number",
                "twrr_mtd", 1)  # fmt: skip
    name = f"ofx/{NUMBERS['ofx'].format(n=28)}_{on:%Y%m}.ofx"
    cut = f"{XML_HEADER}<OFX><INVSTMTMSGSRSV1><INVSTMTRS><DTASOF>{day}</DTASOF><INVACCTFROM><ACCTID>99-0028</ACC"
    yield Fault("cut OFX", name, "file", "ends with </OFX>", cut.encode())


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


def apx_page(n: int, on: date) -> bytes:
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
