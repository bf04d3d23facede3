"""What clears a difference by the row's own numbers: fees, another flow timing, rounding, or values it follows from.

Each cause gives the figure that ours would be; it explains the difference only where that figure agrees with theirs
within the tolerance of its measure. Formulas: specification, section 2 (a day's return is its gain over the capital at
work, flows weighted by their timing), section 4 (linking).
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.check.tolerances import Tolerances
from jobs.check.verdict import verdict
from jobs.reconcile.levels import MEASURES

# Share of the day for which inflows and outflows are at work, and the words for it.
CONVENTIONS = {
    "inflow_start_outflow_end": (1.0, 0.0, "inflows at the start and outflows at the end of the day"),
    "start_of_day": (1.0, 1.0, "flows at the start of the day"),
    "mid_day": (0.5, 0.5, "flows in the middle of the day"),
    "end_of_day": (0.0, 0.0, "flows at the end of the day"),
}
RETURNS = ["twrr_daily", "twrr_mtd"]
ROUNDED = {3: "0.1 %", 4: "0.01 %"}  # decimals of a fraction that vendors give
ON_THE_GRID = 1e-9


def explanation(tolerances: Tolerances) -> Column:
    """struct(cause, words) of the first cause that clears the difference of a row, else NULL.

    The row: type, ours, theirs, tenant_id, vendor, feed and as_of_date, the vendor's own figures by their names in
    silver.reported_performance, ours with `our_` before the names in gold.account_performance_daily, is_gross (the
    vendor's returns are before fees), values_differ and return_differs (one of the amounts, or the daily return, is a
    break of its own).
    """
    of_returns = F.array(*_fees(), *_timings(), *_rounded_returns(), *_from_their_values())
    alternatives = (
        F.when(F.col("type").isin(RETURNS), of_returns)
        .when(F.col("type") == "roll_forward", F.array(_a_break_of_its_own()))
        .otherwise(F.array(*_rounded_amounts()))
    )
    cleared = F.filter(alternatives, lambda one: _clears(one["value"], tolerances))
    # Each mention of this costs a second of planning: it is mentioned once.
    told = F.transform(cleared, lambda one: F.struct(one["cause"].alias("cause"), one["words"].alias("words")))
    return F.get(told, F.lit(0))


def capital(inflow: float, outflow: float) -> Column:
    """Our capital at work on a single day, had flows counted for these shares of it."""
    flows = F.col("our_contributions").cast("double") * inflow + F.col("our_distributions").cast("double") * outflow
    return F.col("our_begin_market_value").cast("double") + flows


def _fees() -> list[Column]:
    """Ours before fees beside a return that was taken as net, and the other way round."""
    fees = F.col("our_fees").cast("double")
    after = F.when(F.col("type") == "twrr_daily", F.col("our_twrr_daily")).otherwise(F.col("our_twrr_mtd"))
    before = F.when(F.col("type") == "twrr_daily", F.col("our_twrr_daily_gross")).otherwise(F.col("our_twrr_mtd_gross"))
    of_day = F.when(F.col("type") == "twrr_daily", F.concat(F.lit(", the fees of the day are "), _money(fees)))
    other = F.when(F.col("is_gross"), after).otherwise(before)
    said = F.when(F.col("is_gross"), "after fees").otherwise("before fees")
    words = F.concat(F.lit("theirs is "), said, F.lit(": ours "), said, F.lit(" is "), _percent(other))
    return [_alternative("fee_basis", other, F.concat(words, F.coalesce(of_day, F.lit(""))))]


def _timings() -> list[Column]:
    """Ours with the day's flows at work for another part of the day; the other days of the month as they are."""
    gain = F.col("our_gain_loss").cast("double")
    gain = F.when(F.col("is_gross"), gain + F.col("our_fees").cast("double")).otherwise(gain)
    has_flows = (F.col("our_contributions") != 0) | (F.col("our_distributions") != 0)
    own = F.when(F.col("is_gross"), F.col("our_twrr_daily_gross")).otherwise(F.col("our_twrr_daily"))
    month = F.when(F.col("is_gross"), F.col("our_twrr_mtd_gross")).otherwise(F.col("our_twrr_mtd"))
    flows = F.concat(
        F.lit(" (in "),
        _money(F.col("our_contributions")),
        F.lit(", out "),
        _money(F.col("our_distributions")),
        F.lit(")"),
    )
    found = []
    for inflow, outflow, said in CONVENTIONS.values():
        base = capital(inflow, outflow)
        of_day = F.when((F.col("our_days") == 1) & has_flows & (base > 0), F.try_divide(gain, base))
        of_month = F.try_divide((1 + month) * (1 + of_day), 1 + own) - 1
        value = F.when(F.col("type") == "twrr_daily", of_day).otherwise(of_month)
        words = F.concat(F.lit(f"with {said}"), flows, F.lit(" ours is "), _percent(value))
        found.append(_alternative("flow_convention", value, words))
    return found


def _rounded_returns() -> list[Column]:
    """Theirs are ours with fewer decimals, the day's and the month's alike: one alone may be chance."""
    found = []
    for decimals, said in ROUNDED.items():
        ours = [F.when(F.col("is_gross"), F.col(f"our_{n}_gross")).otherwise(F.col(f"our_{n}")) for n in RETURNS]
        both = [_is_rounded(F.col(name), own, decimals) for name, own in zip(RETURNS, ours, strict=True)]
        value = F.when(both[0] & both[1], F.round("ours", decimals))
        words = F.concat(F.lit(f"theirs are rounded to {said}: ours so is "), _percent(value))
        found.append(_alternative("rounding", value, words))
    return found


def _rounded_amounts() -> list[Column]:
    """Theirs are ours without decimals, the begin and the end value alike."""
    both = [_is_rounded(F.col(name), F.col(f"our_{name}"), 0) for name in ("begin_market_value", "end_market_value")]
    value = F.when(both[0] & both[1], F.round("ours", 0))
    return [
        _alternative(
            "rounding", value, F.concat(F.lit("theirs are rounded to whole units: ours so is "), _money(value))
        )
    ]


def _is_rounded(theirs: Column, ours: Column, decimals: int) -> Column:
    return F.abs(F.round(ours.cast("double"), decimals) - theirs.cast("double")) < ON_THE_GRID * F.greatest(
        F.abs(theirs.cast("double")), F.lit(1.0)
    )


def _from_their_values() -> list[Column]:
    """Their own values give their return: what is broken is a value or a flow, which is a break of its own."""
    names = ("begin_market_value", "net_flow", "end_market_value")
    begin, flow, end = (F.col(name).cast("double") for name in names)
    found = []
    for inflow, outflow, said in CONVENTIONS.values():
        base = begin + F.when(flow > 0, flow * inflow).otherwise(flow * outflow)
        value = F.when(
            F.col("values_differ") & (F.col("type") == "twrr_daily") & (base > 0),
            F.try_divide(end - begin - flow, base),
        )
        words = F.concat(
            F.lit("follows from their values: "),
            _money(begin),
            F.lit(" before, "),
            _money(end),
            F.lit(" after, a net flow of "),
            _money(flow),
            F.when(flow != 0, f" with {said}").otherwise(""),
            F.lit(" give "),
            _percent(value),
        )
        found.append(_alternative("follows", value, words))
    return found


def _a_break_of_its_own() -> Column:
    """Their figures cannot agree with each other where one of them differs from ours, which is told of that one."""
    is_told = F.col("values_differ") | F.col("return_differs")
    which = F.when(F.col("values_differ"), "a value or flow").otherwise("the return")
    words = F.concat(F.lit("follows from another break: "), which, F.lit(" of theirs differs from ours"))
    return _alternative("follows", F.when(is_told, F.col("theirs")), words)


def _alternative(cause: str, value: Column, words: Column) -> Column:
    return F.struct(F.lit(cause).alias("cause"), value.cast("double").alias("value"), words.alias("words"))


def _clears(value: Column, tolerances: Tolerances) -> Column:
    """Whether theirs agrees with this figure in place of ours."""
    apart = F.abs(value - F.col("theirs"))

    def of_type(clears: Column, type_: str) -> Column:
        measure, table = MEASURES[type_]
        scaled = apart if type_ in RETURNS else F.try_divide(apart, F.abs("base"))
        amounts = {"money": apart, "bps": scaled * 10_000}
        beyond = verdict(tolerances, measure, amounts, table=table, on=F.col("as_of_date"))
        return F.when(F.col("type") == type_, beyond.isNull()).otherwise(clears)

    types = [*RETURNS, "begin_value", "end_value", "net_flow", "roll_forward"]
    return value.isNotNull() & reduce(of_type, types, F.lit(False))


def _money(amount: Column) -> Column:
    return F.format_number(amount.cast("double"), 2)


def _percent(fraction: Column) -> Column:
    return F.concat(F.format_number(fraction * 100, 4), F.lit(" %"))
