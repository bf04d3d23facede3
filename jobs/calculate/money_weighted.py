"""Money-weighted return and Modified Dietz return of periods (specification, section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import DoubleType, StringType, StructType

from jobs.calculate.cash_flow_roots import HIGHEST, Equations, Floats, Ints, growth_logs
from jobs.calculate.money import difference, money, times_whole, total

ACCOUNT = ("tenant_id", "account_id")
YEAR = 365  # days in the exponent of an annual rate
# What the solver reads: begin value, end value, days of the period, first guess of the growth factor, whether the
# rate is annual, and per flow the days from it to the end and its amount. All NULL (or empty) without figures.
SOLVER = ["_begin", "_end", "_days", "_near", "_is_annual", "_days_left", "_amounts"]


def with_money_weighted(periods: DataFrame, flows: DataFrame, *, by: Sequence[str] = ACCOUNT) -> DataFrame:
    """`periods` with mwr, mwr_status and modified_dietz.

    `periods`: rows as `periods.period_returns` gives them, of which are read: the columns `by` (the account, or the
    group), as_of_date, start_date, begin_market_value, net_flow, end_market_value, twrr_annualised (not NULL: the
    period is longer than a year) and status. `flows`: `by`, event_date, amount (decimal, never NULL, in the currency
    of the period's values); in any order, several a day. A period's are dated after start_date, up to as_of_date.

    mwr: period rate up to one year, annual rate beyond. mwr_status: ok; no_solution (no rate in the bracket explains
    the flows); no_period (no day passed since the first capital); NULL where the period has no figures.
    modified_dietz: rate of the period; NULL where the weighted capital is not positive.
    """
    per_day = flows.repartition(*by).groupBy(*by, "event_date").agg({"amount": "sum"})
    per_owner = per_day.selectExpr(*by, f"struct(event_date, {money('`sum(amount)`')} AS amount) AS flow")
    known = per_owner.groupBy(*by).agg({"flow": "collect_list"}).withColumnRenamed("collect_list(flow)", "_flows")
    return _solved(_with_modified_dietz(_with_own_flows(periods.join(known, list(by), "left"))), periods)


def _with_own_flows(periods: DataFrame) -> DataFrame:
    """_flows: the period's own, by date; NULL where the period has no figures."""
    own = "filter(_flows, flow -> flow.event_date > start_date AND flow.event_date <= as_of_date)"
    return periods.selectExpr(
        *[name for name in periods.columns if name != "_flows"],
        f"IF(status = 'ok', array_sort(coalesce({own}, array())), NULL) AS _flows",
        "IF(status = 'ok', datediff(as_of_date, start_date), NULL) AS _days",
    )


def _with_modified_dietz(periods: DataFrame) -> DataFrame:
    """modified_dietz, as (E - B - NF) CD / (B CD + sum(F days left)): both exact, one division of doubles."""
    days_left = "datediff(as_of_date, flow.event_date)"
    weighted = total("so_far", times_whole("flow.amount", days_left))
    capital = total(
        times_whole("begin_market_value", "_days"),
        f"aggregate(_flows, CAST(0 AS DECIMAL(36,8)), (so_far, flow) -> {weighted})",
    )
    gain = times_whole(difference(difference("end_market_value", "begin_market_value"), "net_flow"), "_days")
    dietz = f"IF(_capital > 0, CAST({gain} AS DOUBLE) / CAST(_capital AS DOUBLE), NULL)"
    kept = [name for name in periods.columns if name not in ("_flows", "_days")]
    return periods.selectExpr("*", f"{capital} AS _capital").selectExpr(
        *kept,
        f"{dietz} AS modified_dietz",
        "IF(status = 'ok', CAST(begin_market_value AS DOUBLE), NULL) AS _begin",
        "CAST(end_market_value AS DOUBLE) AS _end",
        "_days",
        f"1D + coalesce({dietz}, 0D) AS _near",
        "twrr_annualised IS NOT NULL AS _is_annual",
        f"transform(_flows, flow -> {days_left}) AS _days_left",
        "transform(_flows, flow -> CAST(flow.amount AS DOUBLE)) AS _amounts",
    )


def _solved(prepared: DataFrame, periods: DataFrame) -> DataFrame:
    """mwr and mwr_status in place of the solver's columns."""
    kept = [name for name in prepared.columns if name not in SOLVER]
    schema = StructType([prepared.schema[name] for name in kept])
    schema = schema.add("mwr", DoubleType()).add("mwr_status", StringType())
    solved = prepared.mapInArrow(_solve_batches, schema)
    return solved.select(*periods.columns, "mwr", "mwr_status", "modified_dietz")


def _solve_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rate, status = _rates(batch)
        kept = [(name, batch.column(name)) for name in batch.schema.names if name not in SOLVER]
        yield pa.RecordBatch.from_pydict(dict([*kept, ("mwr", rate), ("mwr_status", status)]))


def _rates(batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
    """mwr and mwr_status of the rows of a batch."""
    begin, end, near, days_left, amounts = (
        _doubles(batch.column(name)) for name in ("_begin", "_end", "_near", "_days_left", "_amounts")
    )
    counts = np.diff(batch.column("_amounts").offsets.to_numpy())
    first_flow = (np.cumsum(counts) - counts).astype(np.int64)
    has_figures = ~np.isnan(begin)
    # Capital begins with the begin value, else with the first flow; where there is neither, with the period.
    by_first_flow = np.flatnonzero(has_figures & (begin == 0) & (counts > 0))
    days = _doubles(batch.column("_days"))
    days[by_first_flow] = days_left[first_flow[by_first_flow]]

    logs = np.full(len(begin), np.nan)
    asked = has_figures & (days > 0)
    alone = np.flatnonzero(asked & (counts == 0) & (begin != 0))
    ratio = end[alone] / begin[alone]
    logs[alone] = np.log(ratio, where=(ratio > 0) & (ratio < np.exp(HIGHEST)), out=np.full(len(ratio), np.nan))
    solved = np.flatnonzero(asked & (counts > 0))
    equations = _equations(solved, begin, end, days, (days_left, amounts, first_flow, counts))
    logs[solved] = growth_logs(equations, near[solved])

    is_annual = batch.column("_is_annual").to_numpy(zero_copy_only=False).astype(bool)
    years = np.where(is_annual & asked, days / YEAR, 1.0)
    rate = np.expm1(logs / years)
    status = np.full(len(begin), "ok", dtype=object)
    status[np.isnan(logs)] = "no_solution"
    status[~asked] = "no_period"
    status[~has_figures] = None
    return pa.array(rate, pa.float64(), from_pandas=True), pa.array(status, pa.string())


def _equations(
    rows: Ints, begin: Floats, end: Floats, days: Floats, flows: tuple[Floats, Floats, Ints, Ints]
) -> Equations:
    """The cash-flow equation of each of the rows: begin value, flows by date, end value; `flows` are ragged: days left
    and amount of each, first one and number of them per row."""
    days_left, amounts, first, counts = flows
    lengths = counts[rows] + 2
    starts = np.concatenate([[0], np.cumsum(lengths)])
    coefficients, taus = np.zeros(starts[-1]), np.zeros(starts[-1])
    coefficients[starts[:-1]], taus[starts[:-1]] = begin[rows], 1.0
    coefficients[starts[1:] - 1] = -end[rows]
    within = np.ones(starts[-1], dtype=bool)
    within[starts[:-1]], within[starts[1:] - 1] = False, False
    owner = np.repeat(np.arange(len(rows)), counts[rows])
    source = np.arange(len(owner)) + (first[rows] - (np.cumsum(counts[rows]) - counts[rows]))[owner]
    coefficients[within] = amounts[source]
    taus[within] = days_left[source] / days[rows][owner]
    return Equations(coefficients, taus, starts)


def _doubles(column: pa.Array) -> Floats:
    """A column of numbers, or the numbers within a column of arrays, NULL as NaN."""
    flat = column.flatten() if pa.types.is_list(column.type) else column
    return flat.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
