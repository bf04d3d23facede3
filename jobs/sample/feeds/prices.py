"""Prices (field guide S10): a price vendor's closes, those of London in pence."""

from __future__ import annotations

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import isin_of, money
from jobs.sample.market import SECURITIES, Market

EXCHANGES = {"USD": "XNYS", "EUR": "XETR", "GBP": "XLON"}


def write(market: Market, to: Deliveries) -> None:
    """A file a day with every security."""
    for day, on in enumerate(to.days):
        lines = ["ISIN;Date;Close;Ccy;Unit;Source"]
        for number, one in enumerate(SECURITIES):
            price = int(market.prices[day, number])
            # A price in hundredths is a price in pence.
            close, unit = (str(price), "GBX") if one.currency == "GBP" else (money(price), one.currency)
            lines.append(f"{isin_of(number)};{on};{close};{unit};UNIT;{EXCHANGES[one.currency]}")
        to.write(f"px/PX{on:%Y%m%d}.csv", day, "".join(f"{line}\n" for line in lines), len(SECURITIES))
