"""Returns over periods: to date, trailing years and any range, as a look-up of two rows of the chain (section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.money import ZERO, difference
from jobs.calculate.policies import Policies, per_tenant
from jobs.platform.business_calendar import with_business_days

TO_DATE = {"MTD": 1, "QTD": 3, "YTD": 12}
TRAILING = {"1Y": 1, "3Y": 3, "5Y": 5, "10Y": 10}
GRACE_DAYS = 7  # a trailing period may begin with a row up to a week before its start
END = [
    "tenant_id", "account_id", "as_of_date", "status", "track_no", "end_market_value", "cumulative_net_flow",
    "cumulative_fees", "chain_net", "chain_gross", "wiped_out_on", "wiped_out_gross_on",
]  # fmt: skip
LOOKED_UP = [
    "as_of_date", "begin_date", "status", "begin_market_value", "end_market_value", "net_flow", "fees",
    "cumulative_net_flow", "cumulative_fees", "chain_net", "chain_gross", "inception_date",
]  # fmt: skip


@dataclass(frozen=True)
class Period:
    """A period that ends at a row of date v; `since` is SQL for the day before its first, in terms of the row.

    `needs_history`: the track must have a row in the week up to `since`, or begin on it; else the period is as long
    as the track. `years` is the exponent where the period has a round number of them.
    """

    name: str
    since: str
    needs_history: bool
    years: int | None = None


def period_returns(
    ends: DataFrame,
    history: DataFrame,
    *,
    policies: Policies | None = None,
    calendar: DataFrame | None = None,
    ranges: Sequence[tuple[str, date]] = (),
) -> DataFrame:
    """MTD, QTD, YTD, ITD, 1Y, 3Y, 5Y, 10Y and the given (name, start date) ranges for each row of `ends`.

    Both frames are current rows of gold.account_performance_daily; `history` holds the accounts' tracks up to the
    `ends`. Columns: tenant_id, account_id, as_of_date, period, start_date (v(k-1) of the period's first row),
    begin_market_value, net_flow, fees, end_market_value, gain_loss (their difference), twrr, twrr_gross,
    twrr_annualised (only beyond one year), is_partial (the track began after the period did), status (ok,
    insufficient_history, or why the row itself has no track).
    """
    periods = _periods(policies or {}, ranges)
    dated = _with_month_end(ends, calendar).selectExpr("*", *[f"{p.since} AS `since_{p.name}`" for p in periods])
    same_track = "e.tenant_id = h.tenant_id AND e.account_id = h.account_id AND e.track_no = h.track_no"
    row = f"struct({', '.join(f'h.{name}' for name in LOOKED_UP)})"
    looked_up = (
        dated.alias("e")
        .join(history.alias("h"), F.expr(f"{same_track} AND h.as_of_date <= e.as_of_date"), "left")
        .groupBy(*[f"e.{name}" for name in dated.columns])
        .agg(
            F.expr(f"min_by({row}, h.as_of_date) AS first"),
            *[F.expr(f"max_by({row}, {_if_before(p)}) AS `before_{p.name}`") for p in periods],
        )
    )
    each = ", ".join(_figures(p) for p in periods)
    return looked_up.selectExpr("tenant_id", "account_id", "as_of_date", f"inline(array({each}))")


def _periods(policies: Policies, ranges: Sequence[tuple[str, date]]) -> list[Period]:
    first_month = per_tenant(policies, "fiscal_year_start_month")
    to_date = [
        Period(
            name,
            f"date_sub(trunc(add_months(as_of_date, -pmod(month(as_of_date) - {first_month}, {n})), 'MM'), 1)",
            False,
        )
        for name, n in TO_DATE.items()
    ]
    trailing = []
    for name, years in TRAILING.items():
        back = f"add_months(as_of_date, {-12 * years})"
        trailing.append(Period(name, f"IF(is_month_end, last_day({back}), {back})", True, years))
    given = [Period(name, f"DATE '{since}'", True) for name, since in ranges]
    return [*to_date, *trailing, Period("ITD", "DATE '1900-01-01'", False), *given]


def _with_month_end(ends: DataFrame, calendar: DataFrame | None) -> DataFrame:
    """`ends` with is_month_end: on or after the last business day of its month."""
    own = with_business_days(ends.select(*END), "as_of_date", calendar)
    last = own.selectExpr(*END, "business_day_no AS own_no", "last_day(as_of_date) AS month_end")
    return with_business_days(last, "month_end", calendar).selectExpr(*END, "own_no = business_day_no AS is_month_end")


def _if_before(period: Period) -> str:
    """The date of a row that can be the last one before the period's first; NULL for another."""
    since = f"e.`since_{period.name}`"
    oldest = f" AND h.as_of_date >= date_sub({since}, {GRACE_DAYS})" if period.needs_history else ""
    return f"IF(h.as_of_date <= {since}{oldest}, h.as_of_date, NULL)"


def _figures(period: Period) -> str:
    """The period's figures as one struct, from the row before its first row, else from the track's first row."""
    before, since = f"`before_{period.name}`", f"`since_{period.name}`"

    def chosen(at_before: str, at_opening: str, at_first: str) -> str:
        return (
            f"CASE WHEN {before} IS NOT NULL THEN {before}.{at_before}"
            f" WHEN first.status = 'opening' THEN first.{at_opening} ELSE {at_first} END"
        )

    def grown(running: str, own: str) -> str:
        """Growth of a running sum in the period; what an opening row brought with it is left out."""
        return difference(running, chosen(running, running, difference(f"first.{running}", f"first.{own}")))

    start = chosen("as_of_date", "as_of_date", "first.begin_date")
    begin = chosen("end_market_value", "end_market_value", f"greatest(first.begin_market_value, {ZERO})")
    net_flow, fees = grown("cumulative_net_flow", "net_flow"), grown("cumulative_fees", "fees")
    net = _linked("chain_net", "wiped_out_on", before, start)
    figures = {
        "start_date": start,
        "begin_market_value": begin,
        "net_flow": net_flow,
        "fees": fees,
        "end_market_value": "end_market_value",
        "gain_loss": difference(difference("end_market_value", begin), net_flow),
        "twrr": net,
        "twrr_gross": _linked("chain_gross", "wiped_out_gross_on", before, start),
        "twrr_annualised": _annualised(period, net, start),
        "is_partial": "false" if period.needs_history else f"first.inception_date > date_add({since}, 1)",
    }
    begins_with_track = (
        f"(first.status <> 'opening' AND first.begin_date = {since})" if period.needs_history else "true"
    )
    is_ok = f"track_no IS NOT NULL AND ({before} IS NOT NULL OR {begins_with_track})"
    values = ", ".join(f"IF({is_ok}, {value}, NULL) AS {name}" for name, value in figures.items())
    status = f"CASE WHEN {is_ok} THEN 'ok' WHEN track_no IS NOT NULL THEN 'insufficient_history' ELSE status END"
    return f"struct('{period.name}' AS period, {values}, {status} AS status)"


def _linked(chain: str, wiped_out: str, before: str, start: str) -> str:
    """The return linked over the period's rows: -1 where one of them lost everything."""
    return f"IF({wiped_out} > {start}, -1D, {chain} / coalesce({before}.{chain}, 1D) - 1D)"


def _annualised(period: Period, cumulative: str, start: str) -> str:
    """(1 + cumulative)^(1 / years) - 1 beyond one year; a period of n years is n years, else days / 365.25."""
    if period.years is not None:
        return f"power(1D + {cumulative}, 1D / {period.years}) - 1D" if period.years > 1 else "CAST(NULL AS DOUBLE)"
    years = f"(datediff(as_of_date, {start}) / 365.25D)"
    return f"IF(as_of_date > add_months({start}, 12), power(1D + {cumulative}, 1D / {years}) - 1D, NULL)"
