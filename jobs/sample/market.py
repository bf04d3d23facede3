"""The invented market of the sample by business day: securities and their prices, benchmarks, exchange rates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

CURRENCIES = ("USD", "EUR", "GBP")
MODELS = ("income", "balanced", "growth", "equity", "sustainable")
SLOTS = 6
SLOT_WEIGHTS = np.array(
    [
        [0.28, 0.22, 0.16, 0.12, 0.09, 0.07],
        [0.24, 0.20, 0.17, 0.14, 0.12, 0.08],
        [0.22, 0.19, 0.17, 0.15, 0.13, 0.09],
        [0.20, 0.18, 0.17, 0.16, 0.14, 0.12],
        [0.26, 0.21, 0.16, 0.13, 0.10, 0.08],
    ]
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Security:
    """One security; `start` is its price at the start in `currency`, `volatility` annual."""

    ticker: str
    name: str
    asset_class: str
    sector: str
    currency: str
    start: float
    volatility: float


SECURITIES = (
    Security("HRBC", "Harbor Computing", "equity", "Information Technology", "USD", 184.20, 0.30),
    Security("LKSF", "Lakeshore Foods", "equity", "Consumer Staples", "USD", 63.45, 0.16),
    Security("PNEM", "Pine Meridian Energy", "equity", "Energy", "USD", 97.10, 0.28),
    Security("CLDR", "Calder Health", "equity", "Health Care", "USD", 141.75, 0.20),
    Security("QRYB", "Quarry Bank", "equity", "Financials", "USD", 52.30, 0.25),
    Security("TSSL", "Tessel Industrials", "equity", "Industrials", "USD", 118.60, 0.22),
    Security("NVLA", "Novella Media", "equity", "Communication Services", "USD", 76.85, 0.27),
    Security("USBD", "Broad US Bond Fund", "bond", "Aggregate", "USD", 98.40, 0.05),
    Security("USTY", "Short Treasury Fund", "bond", "Government", "USD", 50.15, 0.02),
    Security("WEQI", "World Equity Index Fund", "equity", "Diversified", "USD", 112.90, 0.15),
    Security("RLST", "Listed Property Fund", "real_estate", "Real Estate", "USD", 84.25, 0.19),
    Security("GLDT", "Gold Trust", "commodity", "Precious Metals", "USD", 231.40, 0.17),
    Security("ALPW", "Alpwerk AG", "equity", "Industrials", "EUR", 87.34, 0.24),
    Security("MARO", "Maronne SA", "equity", "Consumer Discretionary", "EUR", 412.50, 0.26),
    Security("NDEN", "Nordende Energie", "equity", "Utilities", "EUR", 31.18, 0.18),
    Security("EUBD", "Euro Government Bond Fund", "bond", "Government", "EUR", 121.06, 0.06),
    Security("EUCR", "Euro Credit Fund", "bond", "Corporate", "EUR", 104.72, 0.05),
    Security("EUEQ", "Euro Equity Index Fund", "equity", "Diversified", "EUR", 68.95, 0.17),
    Security("EUMM", "Euro Money Market Fund", "cash", "Money Market", "EUR", 103.11, 0.01),
    Security("THRN", "Thornbury plc", "equity", "Financials", "GBP", 24.67, 0.23),
    Security("CSTL", "Castlegate Retail plc", "equity", "Consumer Staples", "GBP", 18.92, 0.19),
    Security("BRKN", "Brackenhill Mining plc", "equity", "Materials", "GBP", 41.05, 0.31),
    Security("GILT", "UK Gilt Fund", "bond", "Government", "GBP", 92.33, 0.07),
    Security("UKEQ", "UK Equity Index Fund", "equity", "Diversified", "GBP", 55.80, 0.15),
    Security("UKIL", "UK Index-Linked Fund", "bond", "Government", "GBP", 77.14, 0.09),
)

BENCHMARKS = {
    "BM_USD_6040": ("USD", 0.07, 0.10),
    "BM_USD_EQUITY": ("USD", 0.09, 0.16),
    "BM_EUR_BALANCED": ("EUR", 0.05, 0.09),
    "BM_GBP_BALANCED": ("GBP", 0.055, 0.10),
    "RISK_FREE_USD": ("USD", 0.041, 0.0),
    "RISK_FREE_EUR": ("EUR", 0.022, 0.0),
    "RISK_FREE_GBP": ("GBP", 0.039, 0.0),
}

# What one euro costs at the start; None where the currency has ended and the ECB says N/A. In the ECB's column order.
EURO_RATES: dict[str, float | None] = {
    "USD": 1.1662, "JPY": 176.31, "BGN": None, "CYP": None, "CZK": 24.31, "DKK": 7.4678, "EEK": None, "GBP": 0.8735,
    "HUF": 389.70, "LTL": None, "LVL": None, "MTL": None, "PLN": 4.2512, "ROL": None, "RON": 5.0861, "SEK": 10.962,
    "SIT": None, "SKK": None, "CHF": 0.9318, "ISK": 143.10, "NOK": 11.713, "HRK": None, "RUB": None, "TRL": None,
    "TRY": 48.911, "AUD": 1.7745, "BRL": 6.2841, "CAD": 1.6212, "CNY": 8.2956, "HKD": 9.0612, "IDR": 19421.0,
    "ILS": 3.8127, "INR": 102.66, "KRW": 1667.2, "MXN": 21.406, "MYR": 4.8935, "NZD": 2.0231, "PHP": 68.12,
    "SGD": 1.5098, "THB": 37.82, "ZAR": 20.215,
}  # fmt: skip


@dataclass(frozen=True)
class Market:
    """Prices in hundredths by day and security, benchmark levels by day and benchmark, slots by currency and model."""

    days: list[date]
    prices: Ints
    levels: Floats
    slots: Ints


def slot_table() -> Ints:
    """Which six securities an account holds, by currency and model: [currency, model, slot] -> security."""
    table = np.zeros((len(CURRENCIES), len(MODELS), SLOTS), dtype=np.int64)
    for c, currency in enumerate(CURRENCIES):
        own = [i for i, security in enumerate(SECURITIES) if security.currency == currency]
        for m in range(len(MODELS)):
            table[c, m] = [own[(2 * m + k) % len(own)] for k in range(SLOTS)]
    return table


def make_market(days: list[date], seed: int) -> Market:
    """Random walks with one common factor; the same days and seed give the same market."""
    rng = np.random.default_rng([seed, 1])
    volatility = np.array([s.volatility for s in SECURITIES]) / np.sqrt(252)
    common = rng.standard_normal((len(days), 1))
    own = rng.standard_normal((len(days), len(SECURITIES)))
    steps = np.exp(0.0002 + volatility * (0.6 * common + 0.8 * own))
    prices = np.rint(np.cumprod(steps, axis=0) * np.array([s.start for s in SECURITIES]) * 100).astype(np.int64)

    drift = np.array([d / 252 for _, d, _ in BENCHMARKS.values()])
    spread = np.array([v / np.sqrt(252) for _, _, v in BENCHMARKS.values()])
    noise = 0.8 * common + 0.6 * rng.standard_normal((len(days), len(BENCHMARKS)))
    levels = np.round(1000 * np.cumprod(1 + drift + spread * noise, axis=0), 4)
    return Market(days, np.maximum(prices, 1), levels, slot_table())


def euro_rates(days: list[date], seed: int) -> dict[str, Floats | None]:
    """Units of each currency for one euro by day, with the ECB's five significant digits; None where N/A."""
    rng = np.random.default_rng([seed, 2])
    rates: dict[str, Floats | None] = {}
    for currency, start in EURO_RATES.items():
        if start is None:
            rates[currency] = None
            continue
        walk = start * np.exp(np.cumsum(0.004 * rng.standard_normal(len(days))))
        rates[currency] = np.array([float(f"{rate:.5g}") for rate in walk])
    return rates


def cusip(number: int) -> str:
    """An invented CUSIP: eight digits and the check digit."""
    body = f"{90_000_000 + number * 7919:08d}"
    return body + cusip_check_digit(body)


def isin(security: Security, number: int) -> str:
    """An invented ISIN of the country of the security's currency, with its check digit."""
    body = {"USD": "US", "EUR": "DE", "GBP": "GB"}[security.currency] + cusip(number)
    return body + isin_check_digit(body)


def cusip_check_digit(body: str) -> str:
    """Every second character doubled, the digits of all summed, filled up to a multiple of ten."""
    values = (int(character, 36) * (2 if place % 2 else 1) for place, character in enumerate(body))
    return str(-sum(sum(divmod(value, 10)) for value in values) % 10)


def isin_check_digit(body: str) -> str:
    """Luhn's rule over the digits, letters as 10 to 35."""
    digits = "".join(str(int(character, 36)) for character in body)
    values = (int(digit) * (1 if place % 2 else 2) for place, digit in enumerate(reversed(digits)))
    return str(-sum(sum(divmod(value, 10)) for value in values) % 10)
