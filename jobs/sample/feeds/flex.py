"""XML statements (field guide S5): a broker's daily statements of all its accounts, all data in attributes."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle, Entry, conid_of, cusip_of, isin_of, money, security, units
from jobs.sample.feeds.numbers import NUMBERS
from jobs.sample.market import Floats

CASH_TYPES = {
    "DEPOSIT": "Deposits/Withdrawals", "WITHDRAWAL": "Deposits/Withdrawals", "DIVIDEND": "Dividends",
    "TAX": "Withholding Tax", "INTEREST": "Broker Interest Received", "FEE": "Advisor Fees",
}  # fmt: skip


def write(told: Chronicle, to: Deliveries, dollars_for_a_euro: Floats) -> None:
    """A file a day with a statement an account; each lists the day before as well."""
    for day, on in enumerate(told.days):
        statements = [_statement(told, day, row, float(dollars_for_a_euro[day])) for row in told.rows_on(day)]
        lines = [
            f'<FlexQueryResponse queryName="harbor_daily" type="AF"><FlexStatements count="{len(statements)}">',
            *(line for statement in statements for line in statement),
            "</FlexStatements></FlexQueryResponse>",
        ]
        # As some send it: a byte-order mark in front.
        text = ("\ufeff" if day % 5 == 4 else "") + "\n".join(lines) + "\n"
        to.write(f"flex/harbor_daily_{on:%Y%m%d}.xml", day, text, len(lines) - 2)


def _statement(told: Chronicle, day: int, row: int, dollars: float) -> list[str]:
    on, account = f"{told.days[day]:%Y%m%d}", NUMBERS["flex"](int(told.people.number[row]))
    currency, entries = told.currency(row), list(told.of(row, range(day, day + 1)))
    of = {"accountId": account, "currency": currency}
    trades = [_element("Trade", of | _trade(told, e, on)) for e in entries if e.is_trade]
    # Each trade a second time as its order: the same money on another level of detail.
    trades += [
        _element("Trade", of | _trade(told, e, on) | {"transactionID": "", "levelOfDetail": "ORDER"})
        for e in entries
        if e.is_trade
    ]
    cash = [_element("CashTransaction", of | _cash(e, on)) for e in entries if not e.is_trade and not e.is_in_kind]
    transfers = [_element("Transfer", of | _transfer(e, on)) for e in entries if e.is_in_kind]
    about = {"toDate": on, "fromDate": on, "period": "LastBusinessDay", "whenGenerated": f"{on};234500"}
    securities = sorted({h.security for h in _holdings(told, day, row)} | {e.security for e in entries} - {-1})
    sections = {
        "EquitySummaryInBase": list(_equity(told, day, row, account)),
        "OpenPositions": [_element("OpenPosition", of | p) for p in _positions(told, day, row, on)],
        "Trades": trades,
        "CashTransactions": cash,
        "Transfers": transfers,
        "ConversionRates": [
            _element(
                "ConversionRate",
                {"reportDate": on, "fromCurrency": "EUR", "toCurrency": "USD", "rate": f"{dollars:.10g}"},
            )
        ]
        if currency != "USD"
        else [],
        "SecuritiesInfo": [_element("SecurityInfo", _security(number)) for number in securities],
    }
    lines = [f"<FlexStatement{_attributes({'accountId': account} | about)}>"]
    lines.append(_element("AccountInformation", of | {"acctAlias": "", "accountType": "Advisor Client"}))
    for name, rows in sections.items():
        lines += [f"<{name}>", *rows, f"</{name}>"] if rows else [f"<{name} />"]
    return [*lines, "</FlexStatement>"]


def _holdings(told: Chronicle, day: int, row: int) -> tuple:
    return told.closes[day][row].holdings if row in told.closes[day] else ()


def _equity(told: Chronicle, day: int, row: int, account: str) -> Iterator[str]:
    for each in (day - 1, day):
        if each >= 0 and row in told.closes[each]:
            close = told.closes[each][row]
            figures = {
                "reportDate": f"{told.days[each]:%Y%m%d}",
                "cash": money(close.cash),
                "stock": money(close.value - close.cash),
                "dividendAccruals": "0",
                "total": money(close.value),
            }
            yield _element("EquitySummaryByReportDateInBase", {"accountId": account} | figures)


def _positions(told: Chronicle, day: int, row: int, on: str) -> Iterator[dict[str, str]]:
    for held in _holdings(told, day, row):
        yield _named(held.security) | {
            "reportDate": on,
            "position": units(held.quantity),
            "markPrice": money(told.price(day, held.security)),
            "positionValue": money(held.worth),
            "multiplier": "1",
            "side": "Long",
            "levelOfDetail": "SUMMARY",
        }


def _named(number: int) -> dict[str, str]:
    if number < 0:
        return {"conid": "", "symbol": ""}
    return {"conid": conid_of(number), "symbol": security(number).ticker, "isin": isin_of(number)}


def _trade(told: Chronicle, entry: Entry, on: str) -> dict[str, str]:
    return _named(entry.security) | {
        "transactionID": entry.id,
        "tradeDate": on,
        "settleDateTarget": f"{told.settles(entry.day):%Y%m%d}",
        "dateTime": f"{on};143000",
        "buySell": entry.kind,
        "quantity": units(entry.quantity),
        "tradePrice": money(entry.price),
        "proceeds": money(entry.amount + entry.commission),
        "ibCommission": money(-entry.commission),
        "netCash": money(entry.amount),
        "levelOfDetail": "EXECUTION",
    }


def _cash(entry: Entry, on: str) -> dict[str, str]:
    return _named(entry.security) | {
        "transactionID": entry.id,
        "type": CASH_TYPES[entry.kind],
        "amount": money(entry.amount),
        "dateTime": f"{on};202000",
        "reportDate": on,
        "settleDate": on,
        "levelOfDetail": "DETAIL",
    }


def _transfer(entry: Entry, on: str) -> dict[str, str]:
    return _named(entry.security) | {
        "transactionID": entry.id,
        "type": "ACATS",
        "direction": "IN" if entry.quantity > 0 else "OUT",
        "reportDate": on,
        "dateTime": f"{on};202500",
        "quantity": units(entry.quantity),
        "transferPrice": money(entry.price),
        "positionAmount": money(entry.amount),
        "cashTransfer": "0",
    }


def _security(number: int) -> dict[str, str]:
    one = security(number)
    return _named(number) | {
        "description": one.name.upper(),
        "cusip": cusip_of(number) if one.currency == "USD" else "",
        "currency": one.currency,
        "multiplier": "1",
    }


def _element(name: str, attributes: dict[str, str]) -> str:
    return f"<{name}{_attributes(attributes)} />"


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(text)}" for name, text in attributes.items())
