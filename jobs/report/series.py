"""The numbers behind the report's pictures, each read within a time limit: a slow picture is left out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row

WINDOW_DAYS = 130
SECONDS_PER_QUERY = 60
BINS = 36
GROWTH_ACCOUNTS = 5

Line = list[tuple[date, float]]


@dataclass
class Series:
    """What is drawn; a tenant that has nothing to draw is absent, a query that took too long is in `left_out`."""

    returns: dict[str, list[Any]] = field(default_factory=dict)
    book: dict[str, tuple[str, Line]] = field(default_factory=dict)
    other_currencies: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    tenant_growth: dict[str, Line] = field(default_factory=dict)
    account_growth: dict[str, Line] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def read_series(connection: psycopg.Connection, business_date: date, tenants: list[str]) -> Series:
    """Read what the pictures of these tenants need, inside the caller's transaction."""
    names = {
        "date": business_date, "tenants": tenants, "days": WINDOW_DAYS, "bins": BINS, "top": GROWTH_ACCOUNTS,
    }  # fmt: skip
    series = Series()

    def query(picture: str, text: str, **more: Any) -> list[dict[str, Any]]:
        try:
            with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS_PER_QUERY}s'")
                return cursor.execute(text, {**names, **more}).fetchall()
        except psycopg.errors.QueryCanceled:
            series.left_out.append(picture)
            return []

    for row in query("distribution of returns", RETURNS):
        series.returns.setdefault(row["tenant_id"], []).append(row)
    _book_values(series, query("book value", BOOK))
    currencies = [currency for currency, _ in series.book.values()]
    growth = query("growth of tenants", TENANT_GROWTH, members=list(series.book), currencies=currencies)
    for row in growth:
        _link(series.tenant_growth.setdefault(row["tenant_id"], []), row["as_of_date"], row["factor"])
    for row in query("growth of accounts", ACCOUNT_GROWTH):
        series.account_growth.setdefault(row["account_id"], []).append((row["as_of_date"], row["growth"]))
    return series


def _link(line: Line, on: date, factor: float) -> None:
    line.append((on, (line[-1][1] if line else 1.0) * factor))


def _book_values(series: Series, rows: list[dict[str, Any]]) -> None:
    """Running sums of the changes per tenant and currency; the tenant's largest currency is drawn."""
    lines: defaultdict[str, dict[str, Line]] = defaultdict(dict)
    level: defaultdict[tuple[str, str], float] = defaultdict(float)
    for row in rows:  # what accounts held before the window, whenever their first row in it comes
        level[row["tenant_id"], row["currency"]] += float(row["before"])
    for row in rows:
        key = (row["tenant_id"], row["currency"])
        level[key] += float(row["change"])
        lines[row["tenant_id"]].setdefault(row["currency"], []).append((row["as_of_date"], level[key]))
    for tenant, by_currency in lines.items():
        main = max(by_currency, key=lambda currency: by_currency[currency][-1][1])
        series.book[tenant] = (main, by_currency[main])
        series.other_currencies[tenant] = [(c, line[-1][1]) for c, line in by_currency.items() if c != main]


# Half a percent at each end is gathered in the outer bins, so that one wild return does not flatten the rest.
RETURNS = """
WITH r AS (
    SELECT tenant_id, twrr_daily FROM marts.account_performance_daily
    WHERE as_of_date = %(date)s AND tenant_id = ANY (%(tenants)s) AND twrr_daily IS NOT NULL
), bounds AS (
    SELECT percentile_cont(0.005) WITHIN GROUP (ORDER BY twrr_daily) AS low,
           percentile_cont(0.995) WITHIN GROUP (ORDER BY twrr_daily) AS high FROM r
), edges AS (
    SELECT low - 0.00005 AS low, high + 0.00005 AS high FROM bounds WHERE low IS NOT NULL
)
SELECT tenant_id, least(greatest(width_bucket(twrr_daily, low, high, %(bins)s), 1), %(bins)s) AS bin, low, high,
       count(*) AS accounts
FROM r, edges GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
"""

# Each row changes the book by what it adds to the account's last value: an account that is valued monthly, or not at
# all tonight, stays in with its last one.
BOOK = """
WITH w AS (
    SELECT tenant_id, currency, as_of_date, end_market_value, coalesce(begin_market_value, 0) AS begin_market_value,
           lag(end_market_value) OVER (PARTITION BY tenant_id, account_id ORDER BY as_of_date) AS previous
    FROM marts.account_performance_daily
    WHERE as_of_date > %(date)s::date - %(days)s AND as_of_date <= %(date)s AND tenant_id = ANY (%(tenants)s)
      AND end_market_value IS NOT NULL
)
SELECT tenant_id, currency, as_of_date, sum(end_market_value - coalesce(previous, begin_market_value)) AS change,
       coalesce(sum(begin_market_value) FILTER (WHERE previous IS NULL), 0) AS before
FROM w GROUP BY tenant_id, currency, as_of_date ORDER BY as_of_date
"""

TENANT_GROWTH = """
SELECT p.tenant_id, p.as_of_date, 1 + (sum(p.gain_loss) / sum(p.weighted_capital))::float AS factor
FROM marts.account_performance_daily p
JOIN unnest(%(members)s::text[], %(currencies)s::text[]) AS t (tenant_id, currency) USING (tenant_id, currency)
WHERE p.as_of_date > %(date)s::date - %(days)s AND p.as_of_date <= %(date)s AND p.days = 1 AND p.status = 'ok'
GROUP BY p.tenant_id, p.as_of_date HAVING sum(p.weighted_capital) > 0 ORDER BY p.as_of_date
"""

ACCOUNT_GROWTH = """
WITH largest AS (
    SELECT tenant_id, account_id, track_no FROM marts.account_performance_daily
    WHERE as_of_date = %(date)s AND tenant_id = ANY (%(tenants)s) AND track_no IS NOT NULL
    ORDER BY end_market_value DESC NULLS LAST, account_id LIMIT %(top)s
)
SELECT account_id, as_of_date, (1 + twrr_itd) / nullif(first_value(1 + twrr_itd) OVER (
           PARTITION BY tenant_id, account_id ORDER BY as_of_date), 0) AS growth
FROM marts.account_performance_daily JOIN largest USING (tenant_id, account_id, track_no)
WHERE as_of_date > %(date)s::date - %(days)s AND as_of_date <= %(date)s
ORDER BY account_id, as_of_date
"""
