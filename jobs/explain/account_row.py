"""One published row of an account explained: what it was calculated from, what that gives, and where the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg.rows import dict_row

from jobs.explain.formula import Recomputed, Row, recomputed
from jobs.explain.inputs import Inputs, Silver, inputs, source_rank, with_lineage
from jobs.explain.linking import TRAILING, Linked, linked
from jobs.explain.rates import Rates
from jobs.platform.business_calendar import calendar_of
from jobs.platform.errors import DietzError
from jobs.platform.lake_files import reader
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings

RETURN_TOLERANCE = 1e-10
RETURNS = ("twrr_daily", "twrr_daily_gross")
COMPARED = [
    "currency", "begin_market_value", "contributions", "distributions", "net_flow", "cumulative_net_flow", "fees",
    "end_market_value", "gain_loss", "weighted_capital", "days", "method", *RETURNS, "track_no", "inception_date",
    "status",
]  # fmt: skip
ROWS = """
SELECT * FROM marts.account_performance_daily
WHERE tenant_id = %s AND account_id = %s AND as_of_date <= %s ORDER BY as_of_date"""
CALCULATED_BY = """
SELECT greatest(r.run_no, CASE WHEN NOT EXISTS (
           SELECT FROM marts.held_account h
           WHERE h.tenant_id = %(tenant)s AND h.account_id = %(account)s AND h.state = 'held') THEN p.run_no END)
FROM ops.run r LEFT JOIN ops.tenant_progress p ON p.tenant_id = %(tenant)s WHERE r.run_id = %(run_id)s"""


@dataclass(frozen=True)
class Difference:
    """A column in which the mart's row is not what its inputs give."""

    column: str
    published: Any
    recomputed: Any


@dataclass(frozen=True)
class Explanation:
    """`row` as published; `previous` the published row that it begins with; None inputs: silver has no value for it."""

    row: Row
    previous: Row | None
    inputs: Inputs | None
    recomputed: Recomputed | None
    periods: list[Linked]
    differences: list[Difference]


def explained(
    settings: Settings, ledger: Ledger, tenant_id: str, account_id: str, *, day: date, periods: list[str]
) -> Explanation:
    """Trace the row of `day` back to its inputs and compute it again from them.

    Raises DietzError where no row of that day is published.
    """
    row, earlier = _published(ledger, tenant_id, account_id, day)
    previous = next((one for one in reversed(earlier) if one["status"] != "no_fx"), None)
    track = next((one for one in reversed(earlier) if one["track_no"] is not None), None)
    read, tenant, calendar = reader(settings), settings.tenant(tenant_id), calendar_of(settings, tenant_id)
    withheld = ledger.withheld_files()
    silver = Silver(read, tenant_id, account_id, _inputs_through(ledger, row), withheld)
    rates = Rates(
        silver.rates(day), calendar, tenant.pivot_currency, lambda vendor: source_rank(vendor, tenant.source_priority)
    )
    found = inputs(silver, tenant, rates, previous["as_of_date"] if previous else None, day)
    if found is None:
        return Explanation(
            row, previous, None, None, [], [Difference("end_market_value", row["end_market_value"], None)]
        )
    with_lineage(found.rows, read, ledger)
    again = recomputed(day, found, previous, track, calendar)
    ours = {"as_of_date": day, "track_no": None} | again.row
    chains = [linked(period, ours, earlier, tenant.fiscal_year_start_month, calendar) for period in periods]
    differences = [
        *_differences(row, again.row),
        *(difference for chain in chains for difference in _of_period(ledger, row, chain)),
    ]
    return Explanation(row, previous, found, again, chains, differences)


def _published(ledger: Ledger, tenant_id: str, account_id: str, day: date) -> tuple[Row, list[Row]]:
    """The row of `day` and those before it, by date."""
    with ledger.connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(ROWS, [tenant_id, account_id, day]).fetchall()
    if not rows or rows[-1]["as_of_date"] != day:
        before = f"the last one before it is of {rows[-1]['as_of_date']}" if rows else "there is none before it either"
        raise DietzError(
            f"marts.account_performance_daily has no row of account '{account_id}' ({tenant_id}) for {day}; {before}"
        )
    return rows[-1], rows[:-1]


def _inputs_through(ledger: Ledger, row: Row) -> int:
    """The last run whose inputs are in the row: those of runs that are not published yet are not, nor, while the
    account is held, those that came after the row."""
    asked = {"tenant": row["tenant_id"], "account": row["account_id"], "run_id": row["run_id"]}
    found = ledger.connection.execute(CALCULATED_BY, asked).fetchone()
    if found is None:
        raise DietzError(f"ops.run does not know run '{row['run_id']}', which the published row names")
    return int(found[0])


def _differences(published: Row, again: Row) -> list[Difference]:
    return [
        Difference(name, published[name], again.get(name))
        for name in COMPARED
        if not _agree(published[name], again.get(name))
    ]


def _of_period(ledger: Ledger, row: Row, chain: Linked) -> list[Difference]:
    """Where the linked factors are not what the mart says: a period to date in the row, a trailing one by its range."""
    name = chain.period.lower()
    if chain.period in TRAILING:
        asked = [row["tenant_id"], row["account_id"], chain.asked_from, row["as_of_date"]]
        found = ledger.connection.execute("SELECT twrr, twrr_gross FROM marts.twrr(%s, %s, %s, %s)", asked).fetchone()
        net, gross = found or (None, None)
    else:
        net, gross = row[f"twrr_{name}"], row[f"twrr_{name}_gross"]
    pairs = [(f"twrr_{name}", net, chain.twrr), (f"twrr_{name}_gross", gross, chain.twrr_gross)]
    return [Difference(column, known, ours) for column, known, ours in pairs if not _agree(known, ours)]


def _agree(published: Any, again: Any) -> bool:
    """Money, counts, dates and words exactly; returns to 1e-10, of a multiple of the capital relatively."""
    if isinstance(published, float) and isinstance(again, float):
        return abs(published - again) <= RETURN_TOLERANCE * max(1.0, abs(published))
    if isinstance(published, Decimal) and isinstance(again, Decimal):
        return published == again
    return bool(published == again)
