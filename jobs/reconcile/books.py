"""Causes of what differs: by its own row (`explanations.py`), else by others: a flow on the neighbouring day, a booking
that has not settled, another rate.

Asked for the few figures that differ. Each function gives KEY and explanation, only where the cause clears the
difference within the tolerance of its measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.epochs import current_rows
from jobs.check.classes import classified
from jobs.check.tolerances import Tolerances
from jobs.check.verdict import verdict
from jobs.platform import schemas
from jobs.platform.lake import Lake, latest
from jobs.platform.ledger import Run
from jobs.platform.schemas import MONEY
from jobs.reconcile.breaks import DIFFERENCE, as_differences
from jobs.reconcile.levels import MEASURES
from jobs.reconcile.reported import DAILY, REPORTED, ROLL_FORWARD, THEIRS, compared

ACCOUNT = ["tenant_id", "account_id"]
KEY = ["tenant_id", "account_id", "vendor", "as_of_date", "type"]
EXPLAINED_HERE = ["begin_value", "end_value", "net_flow"]
MEASURED_HERE = [MEASURES[type_][0] for type_ in EXPLAINED_HERE]
SUSPECT = f"verdict IS NOT NULL AND explanation IS NULL AND type IN {(*THEIRS, ROLL_FORWARD)}"  # a tuple reads as SQL
NEIGHBOURS = timedelta(days=10)  # before and after: a day and its neighbours, whatever the holidays
UNSETTLED = timedelta(days=40)  # what was traded longer ago is not looked for
FLOWS = ["DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"]
TRADES = ["BUY", "SELL"]


@dataclass(frozen=True)
class Suspects:
    """What is to be asked for: first and last date of the figures that differ, and how many are flows and values."""

    first: date
    last: date
    flows: int
    values: int

    @classmethod
    def counted(cls) -> Column:
        """The aggregate that `of` reads."""
        day, flows = F.when(F.expr(SUSPECT), F.col("as_of_date")), F.expr(f"{SUSPECT} AND type = 'net_flow'")
        values = F.expr(f"{SUSPECT} AND type IN ('begin_value', 'end_value')")
        figures = [F.min(day).alias("first"), F.max(day).alias("last"), F.count_if(flows).alias("flows")]
        return F.struct(*figures, F.count_if(values).alias("values"))

    @classmethod
    def of(cls, counted: Row) -> Suspects | None:
        return None if counted["first"] is None else cls(**counted.asDict())


def explained(found: DataFrame, suspects: Suspects, lake: Lake, run: Run, tolerances: Tolerances) -> DataFrame:
    """`found` (breaks.DIFFERENCE) with explanations that silver and gold give; and the net flows of neighbouring days
    that a flow of tonight explains, though nothing of theirs came tonight."""
    asked = found.where(SUSPECT)
    accounts = asked.select(*ACCOUNT).distinct()
    until = min(suspects.last + NEIGHBOURS, run.business_date)
    withheld = run.ledger.withheld_files(run)

    def near(table: str, day: str, back: timedelta = NEIGHBOURS) -> DataFrame:
        rows = lake.read(table).where(F.col(day).between(suspects.first - back, until))
        if withheld and "file_id" in rows.columns:
            rows = rows.where(~F.col("file_id").isin(withheld))
        return rows.join(accounts, ACCOUNT, "left_semi")

    ours = current_rows(near(DAILY, "as_of_date"), lake.read("account_epoch"))
    theirs = latest(near(REPORTED, "as_of_date"), schemas.table(REPORTED))
    booked = asked.join(ours.select(*ACCOUNT, "as_of_date", "currency"), [*ACCOUNT, "as_of_date"])
    days = asked.select(*ACCOUNT, "vendor", "as_of_date").distinct()
    by_row = compared(theirs.join(days, days.columns, "left_semi"), ours, tolerances).where("explanation IS NOT NULL")
    causes, neighbours = [by_row.select(*KEY, "explanation")], []
    if suspects.flows:
        timed = flow_timing(ours, theirs, tolerances).localCheckpoint()
        causes.append(timed.select(*KEY, "explanation"))
        neighbours.append(as_differences(timed).join(found.select(*KEY), KEY, "left_anti"))
    if (suspects.flows or suspects.values) and lake.exists("transaction"):
        bookings = latest(near("transaction", "performance_date", UNSETTLED), schemas.table("transaction"))
        causes.append(pending_trade(booked, bookings, tolerances))
    if suspects.values and lake.exists("fx_rate") and lake.exists("valuation"):
        values = latest(near("valuation", "as_of_date"), schemas.table("valuation"))
        rates = lake.current("fx_rate").where(F.col("as_of_date").between(suspects.first - NEIGHBOURS, until))
        causes.append(fx_rate(booked, values, rates, tolerances))
    ranked = [rows.withColumn("_rank", F.lit(place)) for place, rows in enumerate(causes)]
    best = reduce(DataFrame.unionByName, ranked).groupBy(*KEY).agg(F.min_by("explanation", "_rank").alias("_found"))
    told = found.join(best, KEY, "left").withColumn("explanation", F.coalesce("explanation", "_found"))
    return reduce(DataFrame.unionByName, [told.select(*DIFFERENCE), *neighbours]).localCheckpoint()


def flow_timing(ours: DataFrame, theirs: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Net flows that differ on two neighbouring days and agree over both: a flow that one side counts a day later.

    ours: rows of gold.account_performance_daily, theirs: of silver.reported_performance, around the days in question.
    Gives differences (breaks.DIFFERENCE but obstacle) of both days, with explanation. Where three days cancel in turn
    it cannot be told which belong together: nothing is explained.
    """
    beside = (
        theirs.where("net_flow IS NOT NULL")
        .select(*ACCOUNT, "vendor", "feed", "as_of_date", "net_flow", "end_market_value")
        .join(
            ours.where("days = 1").select(
                *ACCOUNT, "as_of_date", "begin_date", F.col("net_flow").alias("ours"), F.lit("net_flow").alias("type")
            ),
            [*ACCOUNT, "as_of_date"],
        )
    )
    by_date = Window.partitionBy(*ACCOUNT, "vendor").orderBy("as_of_date")
    row = F.struct("as_of_date", "difference", "ours", F.col("net_flow").alias("theirs"))
    beside = classified(beside, tolerances, *MEASURED_HERE)
    beside = beside.withColumn("difference", (F.col("ours") - F.col("net_flow")).cast(MONEY)).withColumn(
        "difference_bps",
        F.try_divide(F.col("difference").cast("double") * 10_000, F.abs("end_market_value").cast("double")),
    )
    beside = beside.withColumns({"_before": F.lag(row).over(by_date), "_after": F.lead(row).over(by_date)})
    following = F.lead("begin_date").over(by_date) == F.col("as_of_date")
    cancels = (
        following
        & (F.col("difference") != 0)
        & _within(F.abs(F.col("difference") + F.col("_after.difference")), tolerances)
    )
    beside = beside.withColumn("_with_next", F.coalesce(cancels, F.lit(False)))

    def next_at(distance: int) -> Column:
        return F.coalesce(F.lag("_with_next", distance).over(by_date), F.lit(False))

    beside = beside.withColumns(
        {
            "_first": F.col("_with_next") & ~next_at(1) & ~F.coalesce(F.lead("_with_next").over(by_date), F.lit(False)),
            "_second": next_at(1) & ~F.col("_with_next") & ~next_at(2),
        }
    ).withColumn("_other", F.when(F.col("_first"), F.col("_after")).when(F.col("_second"), F.col("_before")))
    words = F.concat(
        F.lit("a flow of "),
        _money(F.abs("difference")),
        F.lit(" is counted on the neighbouring day: ours is "),
        _money(F.col("ours")),
        F.lit(" and theirs "),
        _money(F.col("net_flow")),
        F.lit(", on "),
        F.col("_other.as_of_date").cast("string"),
        F.lit(" ours "),
        _money(F.col("_other.ours")),
        F.lit(" and theirs "),
        _money(F.col("_other.theirs")),
    )
    broken = verdict(
        tolerances,
        MEASURES["net_flow"][0],
        {"money": F.abs("difference"), "bps": F.abs("difference_bps")},
        table=MEASURES["net_flow"][1],
        on=F.col("as_of_date"),
    )
    return (
        beside.where("_other IS NOT NULL")
        .withColumn("verdict", broken)
        .where("verdict IS NOT NULL")
        .select(
            *KEY,
            "feed",
            "ours",
            F.col("net_flow").alias("theirs"),
            "difference",
            "difference_bps",
            "verdict",
            _because("flow_timing", words),
        )
    )


def pending_trade(suspects: DataFrame, transactions: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Values and flows that differ by what was traded by then and settles later: ours count it, theirs do not yet.

    suspects: differences with `currency`, the account's. transactions: rows of silver.transaction that count, of which
    those in that currency are looked at. Of a value three sums are tried: flows and income, purchases and sales, both.
    Of a net flow: what we count on that day and settles later, less what settles on it and was counted before.
    """
    amounts = transactions.where("status <> 'cancel' AND settle_date IS NOT NULL").select(
        *ACCOUNT,
        "performance_date",
        "trade_date",
        "settle_date",
        "amount",
        F.col("type").alias("_booked"),
        F.col("currency").alias("_in"),
    )
    is_flow, is_trade = F.col("_booked").isin(FLOWS), F.col("_booked").isin(TRADES)
    seen_on = F.when(F.col("type") == "begin_value", F.date_sub("as_of_date", 1)).otherwise(F.col("as_of_date"))
    open_then = (F.col("trade_date") <= seen_on) & (F.col("settle_date") > seen_on)
    counted = F.when(is_flow & (F.col("performance_date") == F.col("as_of_date")), F.col("amount"))
    settled = F.when(is_flow & (F.col("settle_date") == F.col("as_of_date")), F.col("amount"))
    is_net_flow = F.col("type") == "net_flow"
    own_currency = F.coalesce("_in", "currency") == F.col("currency")
    summed = (
        suspects.join(amounts, ACCOUNT)
        .where(own_currency & (open_then & ~is_net_flow | is_net_flow & (counted.isNotNull() | settled.isNotNull())))
        .groupBy(*KEY, "feed", "difference", "difference_bps")
        .agg(
            F.sum(F.when(~is_net_flow & ~is_trade, F.col("amount"))).alias("_income"),
            F.sum(F.when(~is_net_flow & is_trade, F.col("amount"))).alias("_trades"),
            F.sum(F.when(~is_net_flow, F.col("amount"))).alias("_all"),
            F.sum(F.when(is_net_flow, F.coalesce(counted, F.lit(0)) - F.coalesce(settled, F.lit(0))).cast(MONEY)).alias(
                "_flows"
            ),
            F.max("settle_date").alias("_until"),
        )
    )
    sums = F.array(*[F.col(name).cast(MONEY) for name in ("_income", "_trades", "_all", "_flows")])
    clearing = F.filter(sums, lambda one: (one != 0) & _within(F.abs(F.col("difference") - one), tolerances))
    words = F.concat(
        F.lit("traded and not settled by then: "),
        _money(F.col("_sum")),
        F.lit(", the last of it settles on "),
        F.col("_until").cast("string"),
    )
    return (
        classified(summed, tolerances, *MEASURED_HERE)
        .withColumn("_sum", F.get(clearing, F.lit(0)))
        .where("_sum IS NOT NULL")
        .select(*KEY, _because("pending_trade", words))
    )


def fx_rate(suspects: DataFrame, valuations: DataFrame, rates: DataFrame, tolerances: Tolerances) -> DataFrame:
    """End values of accounts valued in another currency that agree at the rate of another day.

    suspects: differences with `currency`, the account's. valuations and rates: current rows of silver. A rate from the
    valuation's currency into the account's, or the other way round; cross rates are not looked at.
    """
    foreign = (
        suspects.where("type = 'end_value'")
        .join(
            valuations.select(*ACCOUNT, "as_of_date", "market_value", F.col("currency").alias("_in")),
            [*ACCOUNT, "as_of_date"],
        )
        .where("_in <> currency AND market_value <> 0")
    )
    direct = rates.select(
        "tenant_id",
        F.col("as_of_date").alias("_on"),
        F.col("from_currency").alias("_in"),
        F.col("to_currency").alias("currency"),
        F.col("rate").cast("double").alias("_rate"),
    )
    inverse = direct.select(
        "tenant_id",
        "_on",
        F.col("currency").alias("_in"),
        F.col("_in").alias("currency"),
        (1 / F.col("_rate")).alias("_rate"),
    )
    value = F.col("market_value").cast("double") * F.col("_rate")
    words = F.concat(
        F.lit("at the rate of "),
        F.col("_on").cast("string"),
        F.lit(" ("),
        F.format_number("_rate", 6),
        F.lit(" "),
        F.col("currency"),
        F.lit(" for one "),
        F.col("_in"),
        F.lit("; ours is "),
        F.format_number(F.col("ours") / F.col("market_value").cast("double"), 6),
        F.lit(") ours is "),
        _money(value),
    )
    return (
        classified(foreign, tolerances, *MEASURED_HERE)
        .join(direct.unionByName(inverse), ["tenant_id", "_in", "currency"])
        .where(_within(F.abs(value - F.col("theirs")), tolerances))
        .groupBy(*KEY)
        .agg(F.max_by(F.struct(F.lit("fx_rate").alias("cause"), words.alias("words")), "_on").alias("explanation"))
    )


def _because(cause: str, words: Column) -> Column:
    return F.struct(F.lit(cause).alias("cause"), words.alias("words")).alias("explanation")


def _within(apart: Column, tolerances: Tolerances) -> Column:
    """Whether a difference of this size would be none. The row has difference and difference_bps, and is `classified`
    by MEASURED_HERE."""
    per_unit = F.try_divide(F.abs("difference_bps"), F.abs("difference").cast("double"))

    def of_type(within: Column, type_: str) -> Column:
        measure, table = MEASURES[type_]
        amounts = {"money": apart, "bps": apart.cast("double") * per_unit}
        beyond = verdict(tolerances, measure, amounts, table=table, on=F.col("as_of_date"))
        return F.when(F.col("type") == type_, apart.isNotNull() & beyond.isNull()).otherwise(within)

    return reduce(of_type, EXPLAINED_HERE, F.lit(False))


def _money(amount: Column) -> Column:
    return F.format_number(amount.cast("double"), 2)
