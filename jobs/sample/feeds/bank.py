"""Cash statements (field guide S11): MT940 a month, camt.053 a day, of the cash accounts beside the accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle, Entry, money
from jobs.sample.feeds.numbers import CASH_NUMBERS

PAGE = 8  # entries of an MT940 message
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"


def write_mt940(told: Chronicle, to: Deliveries) -> None:
    """A file a month with all accounts, each in messages of a few entries with intermediate balances between."""
    for days in told.months():
        on, messages, count = told.days[days[-1]], [], 0
        for row in range(len(told.people)):
            there = [day for day in days if row in told.closes[day]]
            if there:
                entries = [entry for entry in told.of(row, days) if entry.cash]
                messages += _messages(told, row, range(there[0], there[-1] + 1), entries, on.month)
                count += len(entries)
        text = "".join(f"{line}\r\n" for line in messages)
        to.write(f"mt940/HARBOR_{on:%Y%m}.sta", days[-1], text, count)


def _messages(told: Chronicle, row: int, days: range, entries: list[Entry], number: int) -> list[str]:
    account, currency = CASH_NUMBERS["mt940"](int(told.people.number[row])), told.currency(row)
    balance, as_of = told.cash_before(row, days[0]), told.days[days[0]]
    pages = [entries[start : start + PAGE] for start in range(0, len(entries), PAGE)] or [[]]
    lines = []
    for page, booked in enumerate(pages, start=1):
        opens, closes = ("F" if page == 1 else "M"), ("F" if page == len(pages) else "M")
        lines += [f":20:HT{number:02d}{row:03d}{page:02d}", f":25:{account}", f":28C:{number}/{page}"]
        lines.append(f":60{opens}:{_mark(balance)}{as_of:%y%m%d}{currency}{_comma(balance)}")
        for entry in booked:
            on = told.days[entry.day]
            balance, as_of = balance + entry.cash, on
            # Its kind stands in the text alone: to the bank a dividend is money in as any other.
            swift = "NSEC" if entry.is_trade else "NTRF"
            lines.append(f":61:{on:%y%m%d%m%d}{_mark(entry.cash)}{_comma(entry.cash)}{swift}{entry.id}//H{entry.id}")
            lines += [f":86:{entry.kind}", f"REF {entry.id}"]
        if page == len(pages):
            as_of = told.days[days[-1]]
        lines.append(f":62{closes}:{_mark(balance)}{as_of:%y%m%d}{currency}{_comma(balance)}")
        if page == len(pages):
            lines.append(f":64:{_mark(balance)}{as_of:%y%m%d}{currency}{_comma(balance)}")
        lines.append("-")
    return lines


def _mark(amount: int) -> str:
    return "D" if amount < 0 else "C"


def _comma(amount: int) -> str:
    """A decimal comma, with nothing after it where there is nothing: 9,"""
    whole, rest = divmod(abs(amount), 100)
    return f"{whole}," + (f"{rest:02d}".rstrip("0") if rest else "")


def write_camt(told: Chronicle, to: Deliveries) -> None:
    """A file a day with a statement an account; a pending entry is told and not booked."""
    for day, on in enumerate(told.days):
        statements = [_stmt(told, row, day) for row in told.closes[day]]
        count = sum(entry.cash != 0 for entry in told.entries[day])
        to.write(f"camt/HARBOR.camt053.{on:%Y%m%d}.xml", day, camt_file(on, statements), count)


def _stmt(told: Chronicle, row: int, day: int) -> str:
    on, currency = told.days[day], told.currency(row)
    number = CASH_NUMBERS["camt053"](int(told.people.number[row]))
    entries = [(entry.cash, "BOOK") for entry in told.of(row, range(day, day + 1)) if entry.cash]
    if (day + row) % 9 == 0:
        entries.append((-12_345, "PDNG"))
    return camt_statement(number, currency, on, told.cash_before(row, day), entries)


def camt_file(on: date, statements: Sequence[str]) -> str:
    """A day's file."""
    lines = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>',
        f"<GrpHdr><MsgId>HT{on:%Y%m%d}</MsgId><CreDtTm>{on}T23:50:00</CreDtTm></GrpHdr>",
        *statements,
        "</BkToCstmrStmt></Document>",
    ]
    return "\n".join(lines) + "\n"


def camt_statement(number: str, currency: str, on: date, opening: int, entries: Sequence[tuple[int, str]]) -> str:
    """One day of one account; entries: hundredths and status, of which the booked ones move the balance."""
    closing = opening + sum(amount for amount, status in entries if status == "BOOK")
    head = f"<Id>HT{on:%y%j}-{number[-4:]}</Id><Acct><Id><IBAN>{number}</IBAN></Id><Ccy>{currency}</Ccy></Acct>"
    balances = (_bal("OPBD", opening, currency, on), _bal("CLBD", closing, currency, on))
    told = [_ntry(amount, currency, status, on) for amount, status in entries]
    return "\n".join([f"<Stmt>{head}", *balances, *told, "</Stmt>"])


def _bal(code: str, amount: int, currency: str, on: object) -> str:
    return f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amt(amount, currency)}<Dt><Dt>{on}</Dt></Dt></Bal>"


def _ntry(amount: int, currency: str, status: str, on: object) -> str:
    dated = f"<BookgDt><Dt>{on}</Dt></BookgDt><ValDt><Dt>{on}</Dt></ValDt>"
    return f"<Ntry>{_amt(amount, currency)}<Sts>{status}</Sts>{dated}</Ntry>"


def _amt(amount: int, currency: str) -> str:
    """The sign stands in the indicator alone."""
    sign = "DBIT" if amount < 0 else "CRDT"
    return f'<Amt Ccy="{currency}">{money(abs(amount))}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
