"""OFX statements (field guide S9): a file an account and month, version 1 (SGML) or 2 (XML) by account."""

from __future__ import annotations

from datetime import date

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle, Entry, cusip_of, money, security, units
from jobs.sample.feeds.numbers import NUMBERS

BANK = {"DEPOSIT": "CREDIT", "WITHDRAWAL": "DEBIT", "INTEREST": "INT", "FEE": "FEE"}
SGML_HEADER = "\r\n".join(
    ("OFXHEADER:100", "DATA:OFXSGML", "VERSION:102", "SECURITY:NONE", "ENCODING:USASCII", "CHARSET:1252",
     "COMPRESSION:NONE", "OLDFILEUID:NONE", "NEWFILEUID:NONE", "", "")
)  # fmt: skip
XML_HEADER = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    '<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
)


def write(told: Chronicle, to: Deliveries) -> None:
    """A statement of each account and month, as of the last day of it on which the account was there."""
    for days in told.months():
        for row in range(len(told.people)):
            last = max((day for day in days if row in told.closes[day]), default=None)
            if last is None:
                continue
            number = NUMBERS["ofx"](int(told.people.number[row]))
            is_xml = row % 2 == 1
            body, count = _statement(told, row, range(days.start, last + 1), is_xml=is_xml)
            text = (XML_HEADER if is_xml else SGML_HEADER) + body
            name = f"ofx/{number}_{told.days[last]:%Y%m}.{'ofx' if is_xml else 'qfx'}"
            to.write(name, days[-1], text, count)


def _statement(told: Chronicle, row: int, days: range, *, is_xml: bool) -> tuple[str, int]:
    """(OFX, its transactions and holdings)."""
    close, on = told.closes[days[-1]][row], told.days[days[-1]]

    def value(name: str, text: str) -> str:
        return f"<{name}>{text}" + (f"</{name}>" if is_xml else "\n")

    def group(name: str, *parts: str) -> str:
        return f"<{name}>{''.join(parts)}</{name}>\n"

    def secid(number: int) -> str:
        return group("SECID", value("UNIQUEID", cusip_of(number)), value("UNIQUEIDTYPE", "CUSIP"))

    def invtran(entry: Entry, memo: str) -> str:
        settled = value("DTSETTLE", f"{told.settles(entry.day):%Y%m%d}") if entry.is_trade else ""
        return group(
            "INVTRAN", value("FITID", entry.id), value("DTTRADE", _moment(told.days[entry.day])), settled,
            value("MEMO", memo),
        )  # fmt: skip

    sub = value("SUBACCTSEC", "CASH"), value("SUBACCTFUND", "CASH")

    def transaction(entry: Entry) -> str:
        size = value("UNITS", units(entry.quantity)), value("UNITPRICE", money(entry.price))
        total, kind = value("TOTAL", money(entry.amount)), entry.kind
        if entry.is_trade:
            charged = value("COMMISSION", money(entry.commission)) if entry.commission else ""
            inner = group(f"INV{kind}", invtran(entry, kind), secid(entry.security), *size, charged, total, *sub)
            return group(f"{kind}STOCK", inner, value(f"{kind}TYPE", kind))
        if entry.is_in_kind:
            way = value("TFERACTION", "IN" if entry.quantity > 0 else "OUT")
            return group("TRANSFER", invtran(entry, kind), secid(entry.security), sub[0], size[0], way, size[1],
                         value("POSTYPE", "LONG"))  # fmt: skip
        if kind == "DIVIDEND":
            return group("INCOME", invtran(entry, kind), secid(entry.security), value("INCOMETYPE", "DIV"), total, *sub)
        if kind == "TAX":
            return group("INVEXPENSE", invtran(entry, kind), secid(entry.security), total, *sub)
        return group(
            "INVBANKTRAN",
            group("STMTTRN", value("TRNTYPE", BANK[kind]), value("DTPOSTED", _moment(told.days[entry.day])),
                  value("TRNAMT", money(entry.amount)), value("FITID", entry.id), value("NAME", "J&amp;R " + kind)),
            sub[1],
        )  # fmt: skip

    def position(number: int, quantity: int, worth: int) -> str:
        price = money(told.price(days[-1], number))
        return group(
            "POSSTOCK",
            group("INVPOS", secid(number), value("HELDINACCT", "CASH"), value("POSTYPE", "LONG"),
                  value("UNITS", units(quantity)), value("UNITPRICE", price), value("MKTVAL", money(worth)),
                  value("DTPRICEASOF", _moment(on))),
        )  # fmt: skip

    entries = list(told.of(row, days))
    traded = sorted({h.security for h in close.holdings} | {e.security for e in entries} - {-1})
    account = group("INVACCTFROM", value("BROKERID", "harborbroker.example"), value("ACCTID", _account(told, row)))
    span = value("DTSTART", f"{told.days[days[0]]:%Y%m%d}"), value("DTEND", f"{on:%Y%m%d}")
    balances = (
        value("AVAILCASH", money(max(close.cash, 0))),
        value("MARGINBALANCE", money(min(close.cash, 0))),
        value("SHORTBALANCE", "0"),
    )
    statement = group(
        "INVSTMTRS",
        value("DTASOF", _moment(on)),
        value("CURDEF", told.currency(row)),
        account,
        group("INVTRANLIST", *span, *map(transaction, entries)),
        group("INVPOSLIST", *(position(h.security, h.quantity, h.worth) for h in close.holdings)),
        group("INVBAL", *balances),
    )
    status = group("STATUS", value("CODE", "0"), value("SEVERITY", "INFO"))
    listed = (
        group("STOCKINFO", group("SECINFO", secid(number), value("SECNAME", security(number).name),
              value("TICKER", security(number).ticker)))
        for number in traded
    )  # fmt: skip
    body = group(
        "OFX",
        group("SIGNONMSGSRSV1", group("SONRS", status, value("DTSERVER", _moment(on)), value("LANGUAGE", "ENG"))),
        group("INVSTMTMSGSRSV1", group("INVSTMTTRNRS", value("TRNUID", "1"), status, statement)),
        group("SECLISTMSGSRSV1", group("SECLIST", *listed)),
    )
    return body, len(entries) + len(close.holdings)


def _account(told: Chronicle, row: int) -> str:
    return NUMBERS["ofx"](int(told.people.number[row]))


def _moment(on: date) -> str:
    return f"{on:%Y%m%d}160000.000[-5:EST]"
