"""Sub-periods: what falls between two valuations, and the capital it puts to work (specification, section 2).

Row k covers the days after v(k-1) up to and including v(k). Every sum over a sub-period is the difference of two
running sums, so that one pass over the sorted events gives all rows. For the weights this works because the numerator
of a flow's weight, k_i = 2 (D - pos_i) + extra_i, depends on the row by its own business-day number only:

    D - pos_i = N(v(k)) - 1 - N(f_i - 1)     with N(d) the business days up to and including d

It may not fall below 0, as this does (to -1) for a flow on a weekend or holiday with no business day from it to the
valuation, a "late" flow: its 2 are given back.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.events import ACCOUNT, FEE, FLOW, OPENING, VALUATION, before, by_account, so_far
from jobs.calculate.money import MONEY, WIDE, difference, divided_by_whole, money, times_whole
from jobs.platform.business_calendar import with_business_days

RUNNING = ["inflows", "outflows", "fee_amounts", "numerators", "late_flows"]


def sub_periods(events: DataFrame, calendar: DataFrame | None) -> DataFrame:
    """One row per valuation, and the opening row, of `events.account_events` converted to base currency.

    Adds to the events' columns: is_chained (it has a rate, and so have all flows before it), is_first (row 1),
    begin_market_value B (0 in row 1), end_market_value E, contributions, distributions, net_flow, fees, gain_loss
    (E - B - NF), begin_date v(k-1), days D, weighted_capital C, last_in_performance and last_currency (of the previous
    chained row), first_day_flow (row 1: sum of the flows on the earliest flow's date), running_flow and running_fees
    (since the opening row). The sums are meaningless where is_chained is false.
    """
    summed = _with_running_sums(with_business_days(events, "event_date", calendar))
    marked = _with_previous_row(summed).where(F.col("kind").isin(VALUATION, OPENING))
    return marked.select(
        *ACCOUNT,
        "event_date",
        "kind",
        "source_rank",
        "is_chained",
        F.col("base_currency").alias("currency"),
        "in_performance",
        "state",
        F.col("previous.event_date").isNull().alias("is_first"),
        F.col("previous.in_performance").alias("last_in_performance"),
        F.col("previous.currency").alias("last_currency"),
        F.coalesce("previous.amount", _zero()).alias("begin_market_value"),
        F.col("amount").alias("end_market_value"),
        _since("inflows").alias("contributions"),
        _since("outflows").alias("distributions"),
        (-_since("fee_amounts")).cast(MONEY).alias("fees"),
        _begin_date().alias("begin_date"),
        _days().alias("days"),
        (_numerator_of_flows()).alias("numerator_of_flows"),
        F.coalesce("first_day_flow", _zero()).alias("first_day_flow"),
        money(F.col("inflows").cast(WIDE) + F.col("outflows").cast(WIDE)).alias("running_flow"),
        money(-F.col("fee_amounts")).alias("running_fees"),
    ).transform(_with_capital)


def _with_running_sums(events: DataFrame) -> DataFrame:
    """Sums over the account's events so far, and whether every flow so far has a rate."""
    kind, amount = F.col("kind"), F.col("amount")
    is_flow = kind == FLOW
    before_it = F.col("business_day_no") - F.col("is_business_day").cast("int")  # N(date - 1)
    numerator = times_whole(amount, F.col("weight_extra") - F.lit(2) - F.lit(2) * before_it)

    def running(value: Column) -> Column:
        return F.coalesce(F.sum(value).over(so_far()).cast("decimal(38,8)"), F.lit(0).cast("decimal(38,8)"))

    return events.withColumns(
        {
            "inflows": running(F.when(is_flow & (amount > 0), amount)),
            "outflows": running(F.when(is_flow & (amount < 0), amount)),
            "fee_amounts": running(F.when(kind == FEE, amount)),
            "numerators": running(F.when(is_flow, numerator)),
            "late_flows": running(F.when(is_flow & ~F.col("is_business_day"), amount)),
            "is_blocked": F.coalesce(F.max(kind.isin(FLOW, FEE) & amount.isNull()).over(so_far()), F.lit(False)),
            "last_day_no": F.lag("business_day_no").over(by_account()),
            "first_flow": F.first(
                F.when(is_flow, F.struct("event_date", before_it.alias("day_no"))), ignorenulls=True
            ).over(so_far()),
        }
    ).withColumn("is_chained", (kind == OPENING) | ((kind == VALUATION) & amount.isNotNull() & ~F.col("is_blocked")))


def _with_previous_row(events: DataFrame) -> DataFrame:
    """The previous chained row with its running sums; the late flows before the current business day began."""
    previous = F.struct(
        "event_date", "amount", "business_day_no", "in_performance", F.col("base_currency").alias("currency"), *RUNNING
    )
    own_late = F.when((F.col("kind") == FLOW) & ~F.col("is_business_day"), F.col("amount"))
    late_before = F.col("late_flows").cast(WIDE) - F.coalesce(own_late, _zero()).cast(WIDE)
    new_day = F.col("last_day_no").isNull() | (F.col("last_day_no") != F.col("business_day_no"))
    on_first_day = (F.col("kind") == FLOW) & (F.col("event_date") == F.col("first_flow.event_date"))
    return events.withColumns(
        {
            "previous": F.last(F.when(F.col("is_chained"), previous), ignorenulls=True).over(before()),
            "late_before_day": F.last(F.when(new_day, late_before), ignorenulls=True).over(so_far()),
            "first_day_flow": F.sum(F.when(on_first_day, F.col("amount"))).over(so_far()).cast("decimal(38,8)"),
        }
    )


def _since(name: str) -> Column:
    """A running sum's growth since the previous chained row."""
    return difference(F.col(name), F.coalesce(F.col(f"previous.{name}"), _zero()))


def _begin_date() -> Column:
    """v(k-1); in row 1 the day before the earliest flow, without flows the day before the valuation."""
    start = F.coalesce("first_flow.event_date", "event_date")
    return F.coalesce("previous.event_date", F.date_sub(start, 1))


def _days() -> Column:
    """D: business days after v(k-1) up to and including v(k), at least 1."""
    begun = F.coalesce("previous.business_day_no", "first_flow.day_no", F.col("business_day_no") - F.lit(1))
    return F.greatest(F.col("business_day_no") - begun, F.lit(1))


def _numerator_of_flows() -> Column:
    """Sum of k_i x F_i over the row's flows, exact; NULL where it has none."""
    net_flow = money(_since("inflows") + _since("outflows"))
    within_one_day = F.col("previous.business_day_no") == F.col("business_day_no")
    late_start = F.when(within_one_day, F.col("previous.late_flows")).otherwise(F.col("late_before_day"))
    late = difference(F.col("late_flows"), late_start)
    own = F.col("numerators").cast(WIDE) - F.coalesce("previous.numerators", _zero()).cast(WIDE)
    by_row = times_whole(net_flow, F.lit(2) * F.col("business_day_no"))
    total = (own.cast(WIDE) + by_row.cast(WIDE)).cast(WIDE) + times_whole(late, F.lit(2)).cast(WIDE)
    has_flows = (F.col("inflows") != F.coalesce("previous.inflows", _zero())) | (
        F.col("outflows") != F.coalesce("previous.outflows", _zero())
    )
    return F.when(has_flows, total.cast(WIDE))


def _with_capital(rows: DataFrame) -> DataFrame:
    """net_flow, gain_loss = E - B - NF, weighted_capital = B + sum(k_i F_i) / 2D = (2D B + sum(k_i F_i)) / 2D."""
    begin, flows = F.col("begin_market_value"), F.col("numerator_of_flows")
    double_days = F.lit(2) * F.col("days")
    capital = divided_by_whole(times_whole(begin, double_days).cast(WIDE) + flows, double_days)
    return rows.withColumns(
        {
            "net_flow": money(F.col("contributions") + F.col("distributions")),
            "gain_loss": money(F.col("end_market_value") - begin - F.col("contributions") - F.col("distributions")),
            "weighted_capital": F.when(flows.isNull(), begin).otherwise(capital),
        }
    ).drop("numerator_of_flows")


def _zero() -> Column:
    return F.lit(0).cast(MONEY)
