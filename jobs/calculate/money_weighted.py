"""Money-weighted return and Modified Dietz return of periods (specification, section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StringType, StructType

from jobs.calculate.cash_flow_roots import HIGHEST, Equations, Floats, Ints, growth_logs
from jobs.calculate.money import WIDE, ZERO, difference, money, times_whole, total

ACCOUNT = ("tenant_id", "account_id")
YEAR = 365  # days in the exponent of an annual rate
# What the solver reads: begin value, end value, days of the period, whether the rate is annual, dates and amounts of
# its own flows. NULL or empty without figures.
SOLVER = ["_begin", "_end", "_days", "_is_annual", "_dates", "_amounts"]


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
    return _solved(_prepared(periods, _flows_by_owner(flows, by), by), periods)


def _flows_by_owner(flows: DataFrame, by: Sequence[str]) -> DataFrame:
    """One row per account or group: _dates of its flows, ascending, and as arrays along with them _amounts (doubles),
    _sums (of amounts so far, exact) and _moments (sums so far of amount x days since 1970)."""
    per_day = flows.repartition(*by).groupBy(*by, "event_date").agg(F.expr(f"{money('sum(amount)')} AS amount"))
    so_far = f"OVER (PARTITION BY {', '.join(by)} ORDER BY event_date ROWS UNBOUNDED PRECEDING)"
    running = per_day.selectExpr(
        *by,
        "event_date",
        "amount",
        f"CAST(sum(amount) {so_far} AS {WIDE}) AS amounts",
        f"CAST(sum({times_whole('amount', 'unix_date(event_date)')}) {so_far} AS {WIDE}) AS moments",
    )
    entries = "sort_array(collect_list(struct(event_date, CAST(amount AS DOUBLE) AS amount, amounts, moments)))"
    return (
        running.groupBy(*by)
        .agg(F.expr(f"{entries} AS flow"))
        .selectExpr(
            *by,
            "flow.event_date AS _dates",
            "flow.amount AS _amounts",
            "flow.amounts AS _sums",
            "flow.moments AS _moments",
        )
    )


def _prepared(periods: DataFrame, known: DataFrame, by: Sequence[str]) -> DataFrame:
    """`periods` with modified_dietz and the solver's columns.

    Modified Dietz as (E - B - NF) CD / (B CD + sum(F x days left)): both exact, one division of doubles. The sum is
    v sum(F) - sum(F x day), each the difference of two running sums. A period of no days has no flows either, so that
    any CD will do.
    """

    def within(running: str) -> str:
        before, through = (f"coalesce(get({running}, {n} - 1), {ZERO})" for n in ("_before", "_through"))
        return total(through, f"-{before}")

    days = "greatest(_days, 1)"
    flow_days = total(times_whole(within("_sums"), "unix_date(as_of_date)"), f"-{within('_moments')}")
    capital = total(times_whole("begin_market_value", days), flow_days)
    gain = times_whole(difference(difference("end_market_value", "begin_market_value"), "net_flow"), days)
    dietz = f"IF(_capital > 0, CAST({gain} AS DOUBLE) / CAST(_capital AS DOUBLE), NULL)"

    def own(array: str, kind: str) -> str:
        return f"coalesce(slice({array}, _before + 1, _through - _before), CAST(array() AS ARRAY<{kind}>)) AS {array}"

    def up_to(day: str) -> str:
        return f"IF(_dates IS NULL OR status <> 'ok', 0, size(filter(_dates, flow_date -> flow_date <= {day})))"

    return (
        periods.join(known, list(by), "left")
        .selectExpr(
            "*",
            f"{up_to('start_date')} AS _before",
            f"{up_to('as_of_date')} AS _through",
            "IF(status = 'ok', datediff(as_of_date, start_date), NULL) AS _days",
        )
        .selectExpr("*", f"{capital} AS _capital")
        .selectExpr(
            *periods.columns,
            f"{dietz} AS modified_dietz",
            "IF(status = 'ok', CAST(begin_market_value AS DOUBLE), NULL) AS _begin",
            "CAST(end_market_value AS DOUBLE) AS _end",
            "_days",
            "twrr_annualised IS NOT NULL AS _is_annual",
            own("_dates", "DATE"),
            own("_amounts", "DOUBLE"),
        )
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
    begin, end, days, dietz, amounts = (
        _doubles(batch.column(name)) for name in ("_begin", "_end", "_days", "modified_dietz", "_amounts")
    )
    counts = np.diff(batch.column("_amounts").offsets.to_numpy())
    days_left = np.repeat(_doubles(batch.column("as_of_date")), counts) - _doubles(batch.column("_dates"))
    near = 1 + np.where(np.isnan(dietz), 0.0, dietz)
    first_flow = (np.cumsum(counts) - counts).astype(np.int64)
    has_figures = ~np.isnan(begin)
    # Capital begins with the begin value, else with the first flow; where there is neither, with the period.
    by_first_flow = np.flatnonzero(has_figures & (begin == 0) & (counts > 0))
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
    with np.errstate(over="ignore"):
        rate = np.expm1(logs / years)
    rate[np.isinf(rate)] = np.nan  # a year's rate of a few days, where the period is long and its capital came late
    status = np.full(len(begin), "ok", dtype=object)
    status[np.isnan(rate)] = "no_solution"
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
    """A column of numbers or dates (days since 1970), or those within a column of arrays; NULL as NaN."""
    flat = column.flatten() if pa.types.is_list(column.type) else column
    numbers = flat.cast(pa.int32()) if pa.types.is_date32(flat.type) else flat
    return numbers.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
