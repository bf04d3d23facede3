"""Statuses, tracks and linked returns (specification, sections 3 and 4)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.events import ACCOUNT, OPENING, VALUATION, before, so_far
from jobs.calculate.money import MONEY, WIDE, money
from jobs.calculate.policies import Policies, per_tenant

PERIODS = {"mtd": 1, "qtd": 3, "ytd": 12}  # months in each
SIDES = {"net": "", "gross": "_gross"}


def linked(rows: DataFrame, policies: Policies) -> DataFrame:
    """The rows of `sub_periods.sub_periods` with status, track, returns and chain state; opening rows are left out.

    Columns: those of gold.account_performance_daily but quality_flags, epoch, run_id and run_no.
    """
    judged = _with_status(rows)
    chained = _with_chain(_with_factors(judged))
    return _published(_with_bases(chained, policies).where(F.col("kind") == VALUATION), policies)


def _with_status(rows: DataFrame) -> DataFrame:
    """status (section 3), starts_track; in an opening row B NULL and G 0, and C 0 where capital came unrecorded."""
    begin, capital, end = F.col("begin_market_value"), F.col("weighted_capital"), F.col("end_market_value")
    # Where several flows share the earliest date, the sign of their sum says whether it is an outflow.
    came_before_records = F.col("is_first") & (end > 0) & (F.col("first_day_flow") < 0)
    # A record in another currency cannot go on from a value in the old one.
    begins_anew = ~F.col("is_first") & (~F.col("last_in_performance") | (F.col("last_currency") != F.col("currency")))
    unrecorded = came_before_records | begins_anew
    status = (
        F.when(~F.col("is_chained"), "no_fx")
        .when(~F.col("in_performance"), "excluded")
        .when(unrecorded, "opening")
        .when((capital > 0) & (F.col("gain_loss") <= -capital), "wiped_out")
        .when(capital > 0, "ok")
        .when(begin > 0, "undefined")
        .when(end > 0, "opening")
        .otherwise("no_capital")
    )
    starts = F.col("is_first") | begins_anew | ((begin <= 0) & ((capital > 0) | (end > 0)))
    in_chain = (F.col("kind") == VALUATION) & ~F.col("status").isin("no_fx", "excluded")
    is_opening = F.col("status") == "opening"
    return (
        rows.withColumns({"status": status, "_starts": starts, "_unrecorded": unrecorded})
        .withColumns({"in_chain": in_chain, "starts_track": in_chain & F.col("_starts")})
        .withColumns(
            {
                "weighted_capital": F.when(is_opening & F.col("_unrecorded"), _zero()).otherwise(capital),
                "begin_market_value": F.when(~is_opening, begin),
                "gain_loss": F.when(is_opening, _zero()).otherwise(F.col("gain_loss")),
            }
        )
    )


def _with_factors(rows: DataFrame) -> DataFrame:
    """twrr_daily and its factor max(0, 1 + r), net and gross; 1 + r as (C + G) / C, which cannot round to 0.

    A row without a return has factor 1. Total loss is tested on decimals.
    """
    has_return = F.col("in_chain") & F.col("status").isin("ok", "wiped_out")
    capital = F.col("weighted_capital")
    for side, suffix in SIDES.items():
        gain = F.col("gain_loss") if side == "net" else money(F.col("gain_loss") + F.col("fees"))
        grown = (capital.cast(WIDE) + gain.cast(WIDE)).cast("double") / capital.cast("double")
        rows = rows.withColumns(
            {
                f"twrr_daily{suffix}": F.when(has_return, gain.cast("double") / capital.cast("double")),
                f"lost_{side}": has_return & (gain <= -capital),
                f"factor_{side}": F.when(has_return & (gain > -capital), grown).otherwise(F.lit(1.0)),
            }
        )
    return rows


def _with_chain(rows: DataFrame) -> DataFrame:
    """Running count of tracks, inception, product of positive factors and last total loss; the opening row's first."""
    is_start = F.col("starts_track")
    inception = F.when(F.col("status") == "opening", F.col("event_date")).otherwise(F.date_add("begin_date", 1))
    running = {
        "tracks": F.sum(_from_state("tracks", is_start.cast("int"))).over(so_far()).cast("int"),
        "inception_date": _latest("inception_date", F.when(is_start, inception)),
        "opening_flow": F.max("state.cumulative_net_flow").over(so_far()),
        "opening_fees": F.max("state.cumulative_fees").over(so_far()),
    }
    for side in SIDES:
        factor = F.coalesce(_from_state(f"chain_{side}", F.col(f"factor_{side}")), F.lit(1.0))
        running[f"product_{side}"] = F.product(factor).over(so_far())
        running[f"product_before_{side}"] = F.coalesce(F.product(factor).over(before()), F.lit(1.0))
        name = _wiped_out(side)
        running[name] = _latest(name, F.when(F.col(f"lost_{side}"), F.col("event_date")))
    return rows.withColumns(running)


def _with_bases(rows: DataFrame, policies: Policies) -> DataFrame:
    """The product before the first row of track, month, quarter and year: what a window is linked from."""
    bases = {}
    for side in SIDES:
        earlier = F.col(f"product_before_{side}")
        at_track = F.when(F.col("starts_track"), earlier)
        bases[f"track_base_{side}"] = F.last(_opening_or(F.lit(1.0), at_track), ignorenulls=True).over(so_far())
        for period in PERIODS:
            begins = F.col("starts_track") | _differs(period, "event_date", "begin_date", policies)
            at_period = F.when(F.col("in_chain") & begins, earlier)
            state = F.coalesce(F.col(f"state.{period}_base_{side}"), F.lit(1.0))
            bases[f"base_{period}_{side}"] = F.last(_opening_or(state, at_period), ignorenulls=True).over(so_far())
    return rows.withColumns(bases)


def _published(rows: DataFrame, policies: Policies) -> DataFrame:
    """The gold columns; NULL where the status says that there is nothing."""
    in_chain, has_rate = F.col("in_chain"), F.col("is_chained")
    chain, bases, cumulative = {}, {}, {}
    for side, suffix in SIDES.items():
        track_base = F.col(f"track_base_{side}")
        chain[f"chain_{side}"] = F.when(in_chain, F.col(f"product_{side}") / track_base)
        lost = F.when(in_chain & (F.col(_wiped_out(side)) >= F.col("inception_date")), F.col(_wiped_out(side)))
        chain[_wiped_out(side)] = lost
        for period in PERIODS:
            base = F.col(f"base_{period}_{side}")
            bases[f"{period}_base_{side}"] = F.when(in_chain, base / track_base)
            lost_in_period = ~F.coalesce(_differs(period, "event_date", _wiped_out(side), policies, lost), F.lit(True))
            window = F.when(lost_in_period, F.lit(-1.0)).otherwise(F.col(f"product_{side}") / base - F.lit(1.0))
            cumulative[f"twrr_{period}{suffix}"] = F.when(in_chain, window)
        itd = F.when(lost.isNotNull(), F.lit(-1.0)).otherwise(chain[f"chain_{side}"] - F.lit(1.0))
        cumulative[f"twrr_itd{suffix}"] = F.when(in_chain, itd)
    flow = F.coalesce("opening_flow", _zero()).cast(WIDE) + F.col("running_flow").cast(WIDE)
    fees = F.coalesce("opening_fees", _zero()).cast(WIDE) + F.col("running_fees").cast(WIDE)

    def known(name: str) -> Column:
        return F.when(has_rate, F.col(name)).alias(name)

    return rows.select(
        *ACCOUNT,
        F.col("event_date").alias("as_of_date"),
        "currency",
        "begin_market_value",
        known("contributions"),
        known("distributions"),
        known("net_flow"),
        F.when(has_rate, money(flow)).alias("cumulative_net_flow"),
        known("fees"),
        "end_market_value",
        known("gain_loss"),
        known("weighted_capital"),
        "days",
        F.when(F.col("days") == 1, "daily").otherwise("modified_dietz").alias("method"),
        "twrr_daily",
        "twrr_daily_gross",
        *[value.alias(name) for name, value in sorted(cumulative.items(), key=_contract_order)],
        F.when(in_chain, F.col("tracks")).alias("track_no"),
        F.when(in_chain, F.col("inception_date")).alias("inception_date"),
        "status",
        "begin_date",
        F.when(has_rate, money(fees)).alias("cumulative_fees"),
        known("tracks"),
        *[value.alias(name) for name, value in {**chain, **bases}.items()],
    )


def _differs(period: str, left: str, right: str, policies: Policies, right_value: Column | None = None) -> Column:
    """Whether two dates lie in different months, fiscal quarters or fiscal years."""
    first_month = per_tenant(policies, "fiscal_year_start_month")

    def number(day: Column) -> Column:
        months = F.year(day) * F.lit(12) + F.month(day) - first_month
        return F.floor(months / F.lit(PERIODS[period])).cast("int") if PERIODS[period] > 1 else months

    return number(F.col(left)) != number(F.col(right) if right_value is None else right_value)


def _wiped_out(side: str) -> str:
    return "wiped_out_on" if side == "net" else "wiped_out_gross_on"


def _opening_or(at_opening: Column, otherwise: Column) -> Column:
    return F.when(F.col("kind") == OPENING, at_opening).otherwise(otherwise)


def _from_state(name: str, otherwise: Column) -> Column:
    return _opening_or(F.col(f"state.{name}"), otherwise)


def _latest(name: str, otherwise: Column) -> Column:
    return F.last(_from_state(name, otherwise), ignorenulls=True).over(so_far())


def _contract_order(item: tuple[str, Column]) -> tuple[bool, int]:
    name = item[0]
    return name.endswith("_gross"), ["mtd", "qtd", "ytd", "itd"].index(name.split("_")[1])


def _zero() -> Column:
    return F.lit(0).cast(MONEY)
