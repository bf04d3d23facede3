"""Sub-periods: what falls between two valuations, and the capital it puts to work (specification, section 2).

Row k covers the days after v(k-1) up to and including v(k). Every sum over a sub-period is the difference of two
running sums, so that one pass over the sorted events gives all rows. For the weights this works because the numerator
of a flow's weight, k_i = 2 (D - pos_i) + extra_i, depends on the row by its own business-day number only:

    D - pos_i = N(v(k)) - 1 - N(f_i - 1)     with N(d) the business days up to and including d

It may not fall below 0, as this does (to -1) for a flow on a weekend or holiday with no business day from it to the
valuation, a "late" flow: its 2 are given back.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.calculate.events import BEFORE, BY_ACCOUNT, FEE, FLOW, OPENING, SO_FAR, VALUATION
from jobs.calculate.money import MONEY, ZERO, difference, divided_by_whole, money, times_whole, total
from jobs.platform.business_calendar import with_business_days

RUNNING = ["inflows", "outflows", "fee_amounts", "numerators", "late_flows"]
KEPT = ["tenant_id", "account_id", "event_date", "kind", "source_rank", "in_performance", "state"]


def sub_periods(events: DataFrame, calendar: DataFrame | None) -> DataFrame:
    """One row per valuation, and the opening row, of `events.account_events` converted to base currency.

    Columns: tenant_id, account_id, event_date, kind, source_rank, in_performance, state, is_chained (it has a rate,
    and so have all flows before it), is_first (row 1), currency, begin_market_value B (0 in row 1), end_market_value
    E, contributions, distributions, net_flow, fees, gain_loss (E - B - NF), begin_date v(k-1), days D,
    weighted_capital C, last_in_performance and last_currency (of the previous chained row), first_day_flow (row 1:
    sum of the flows on the earliest flow's date), running_flow and running_fees (since the opening row). The sums
    mean nothing where is_chained is false.
    """
    summed = _with_running_sums(with_business_days(events, "event_date", calendar))
    return _with_capital(_since_previous_row(_with_previous_row(summed)))


def _with_running_sums(events: DataFrame) -> DataFrame:
    """Sums over the account's events so far, and whether every flow so far has a rate."""
    before_it = "(business_day_no - IF(is_business_day, 1, 0))"  # N(date - 1)
    numerator = times_whole("amount", f"weight_extra - 2 - 2 * {before_it}")

    def running(condition: str, value: str = "amount") -> str:
        return f"coalesce(CAST(sum(IF({condition}, {value}, NULL)) {SO_FAR} AS DECIMAL(38,8)), {ZERO})"

    is_flow = f"kind = {FLOW}"
    return events.selectExpr(
        *KEPT,
        "amount",
        "base_currency AS currency",
        "business_day_no",
        "is_business_day",
        f"{running(f'{is_flow} AND amount > 0')} AS inflows",
        f"{running(f'{is_flow} AND amount < 0')} AS outflows",
        f"{running(f'kind = {FEE}')} AS fee_amounts",
        f"{running(is_flow, numerator)} AS numerators",
        f"{running(f'{is_flow} AND NOT is_business_day')} AS late_flows",
        f"coalesce(max(kind IN ({FLOW}, {FEE}) AND amount IS NULL) {SO_FAR}, false) AS is_blocked",
        f"lag(business_day_no) OVER ({BY_ACCOUNT}) AS last_day_no",
        f"first(IF({is_flow}, struct(event_date, {before_it} AS day_no), NULL), true) {SO_FAR} AS first_flow",
    ).selectExpr(
        "*", f"kind = {OPENING} OR (kind = {VALUATION} AND amount IS NOT NULL AND NOT is_blocked) AS is_chained"
    )


def _with_previous_row(events: DataFrame) -> DataFrame:
    """Valuations and opening rows with the previous chained row and its running sums, and the late flows before the
    current business day began."""
    row = f"struct(event_date, amount, business_day_no, in_performance, currency, {', '.join(RUNNING)})"
    own_late = f"IF(kind = {FLOW} AND NOT is_business_day, amount, {ZERO})"
    return events.selectExpr(
        "*",
        f"last(IF(is_chained, {row}, NULL), true) {BEFORE} AS previous",
        f"last(IF(last_day_no <=> business_day_no, NULL, {difference('late_flows', own_late)}), true) {SO_FAR}"
        " AS late_before_day",
        f"CAST(sum(IF(kind = {FLOW} AND event_date = first_flow.event_date, amount, NULL)) {SO_FAR} AS {MONEY})"
        " AS first_day_flow",
    ).where(f"kind IN ({VALUATION}, {OPENING})")


def _since_previous_row(rows: DataFrame) -> DataFrame:
    """What the running sums have grown by since the previous chained row; begin date and days.

    v(0) is the day before the earliest flow, without flows the day before the valuation.
    """

    def since(name: str) -> str:
        return difference(name, f"coalesce(previous.{name}, {ZERO})")

    late_start = "IF(previous.business_day_no = business_day_no, previous.late_flows, late_before_day)"
    begun = "coalesce(previous.business_day_no, first_flow.day_no, business_day_no - 1)"
    return rows.selectExpr(
        *KEPT,
        "is_chained",
        "previous IS NULL AS is_first",
        "currency",
        "business_day_no",
        "previous.in_performance AS last_in_performance",
        "previous.currency AS last_currency",
        f"coalesce(previous.amount, {ZERO}) AS begin_market_value",
        "amount AS end_market_value",
        f"{since('inflows')} AS contributions",
        f"{since('outflows')} AS distributions",
        f"{money('-' + since('fee_amounts'))} AS fees",
        "coalesce(previous.event_date, date_sub(coalesce(first_flow.event_date, event_date), 1)) AS begin_date",
        f"greatest(business_day_no - {begun}, 1) AS days",
        f"{total('numerators', f'-coalesce(previous.numerators, {ZERO})')} AS own_numerators",
        f"{difference('late_flows', late_start)} AS late",
        f"coalesce(first_day_flow, {ZERO}) AS first_day_flow",
        f"{money(total('inflows', 'outflows'))} AS running_flow",
        f"{money('-fee_amounts')} AS running_fees",
    )


def _with_capital(rows: DataFrame) -> DataFrame:
    """net_flow, gain_loss = E - B - NF, weighted_capital = B + sum(k_i F_i) / 2D = (2D B + sum(k_i F_i)) / 2D."""
    net_flow = money("contributions + distributions")
    of_flows = total("own_numerators", times_whole(net_flow, "2 * business_day_no"), times_whole("late", "2"))
    capital = divided_by_whole(total(times_whole("begin_market_value", "2 * days"), of_flows), "2 * days")
    has_flows = "contributions <> 0 OR distributions <> 0"
    gain = money("end_market_value - begin_market_value - contributions - distributions")
    return rows.selectExpr(
        "*",
        f"{net_flow} AS net_flow",
        f"{gain} AS gain_loss",
        f"IF({has_flows}, {capital}, begin_market_value) AS weighted_capital",
    ).drop("own_numerators", "late", "business_day_no")
