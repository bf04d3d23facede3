"""Differences between a vendor's own figures and ours, and what becomes of each from night to night.

Pure functions of DataFrames. A figure is compared only where both sides mean the same thing; where they do not, the
row says why and is no break.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.check.tolerances import Measure, Tolerances
from jobs.check.verdict import VERDICT, verdict
from jobs.platform.schemas import MONEY

ACCOUNT_DAY = ["tenant_id", "account_id", "as_of_date"]
MEASURES: dict[str, Measure] = {
    "begin_value": "begin_value_difference",
    "net_flow": "net_flow_difference",
    "end_value": "end_value_difference",
    "twrr_daily": "daily_return_difference",
    "twrr_mtd": "mtd_return_difference",
}
THEIRS = {
    "begin_value": "begin_market_value",
    "net_flow": "net_flow",
    "end_value": "end_market_value",
    "twrr_daily": "twrr_daily",
    "twrr_mtd": "twrr_mtd",
}
FIGURE = [*ACCOUNT_DAY, "type", "source_vendor"]
LIVING = ["open", "explained", "accepted"]
OURS = [
    "begin_market_value",
    "net_flow",
    "end_market_value",
    "twrr_daily",
    "twrr_mtd",
    "days",
    "status",
    "begin_date",
    "inception_date",
]


def compared(reported: DataFrame, ours: DataFrame, tolerances: Tolerances) -> DataFrame:
    """One row per figure that a vendor reported for an account and day, beside ours.

    reported: rows of silver.reported_performance that count. ours: current rows of gold.account_performance_daily.
    Gives tenant_id, vendor, account_id, as_of_date, type, ours, theirs, difference, difference_bps, obstacle (why
    the two cannot be compared, or NULL) and verdict (the rule that is broken, or NULL).
    """
    renamed = ours.select(*ACCOUNT_DAY, F.lit(True).alias("_known"), *[F.col(c).alias(f"our_{c}") for c in OURS])
    beside = reported.join(renamed, ACCOUNT_DAY, "left")
    figures = [
        _amount("begin_value", "begin_market_value", _begin_obstacle()),
        _amount("net_flow", "end_market_value", _flow_obstacle()),
        _amount("end_value", "end_market_value", _end_obstacle()),
        _return("twrr_daily", _daily_obstacle()),
        _return("twrr_mtd", _month_obstacle()),
    ]
    # A day that we have no row for is said once, of the first figure that is given, and not once per figure.
    given = [F.when(F.col(column).isNotNull(), type_) for type_, column in THEIRS.items()]
    only = F.when(F.col("_known").isNull(), F.coalesce(*given)).alias("_only")
    who = ["tenant_id", "vendor", "feed", "account_id", "as_of_date"]
    each = beside.select(*who, only, F.explode(F.array(*figures)).alias("_figure")).select(*who, "_only", "_figure.*")
    return (
        each.where("theirs IS NOT NULL AND (_only IS NULL OR _only = type)")
        .withColumn("verdict", F.when(F.col("obstacle").isNull(), _verdict(tolerances)))
        .drop("feed", "_only")
    )


def remembered(found: DataFrame, before: DataFrame, *, business_date: date, run_no: int, run_id: str) -> DataFrame:
    """Rows of gold.reconciliation_break: what was compared tonight, in the light of what was known.

    found: as `compared` gives it. before: rows of gold.reconciliation_break of earlier runs. A break that was open,
    explained or accepted stays so and keeps first_seen_on; one that is compared and in tolerance now is resolved; one
    that was resolved opens again. A figure that agrees and never differed leaves no row.
    """
    known = latest_breaks(before).select(
        *FIGURE,
        F.col("state").alias("_state"),
        F.col("severity").alias("_severity"),
        F.col("reason").alias("_reason"),
        F.col("first_seen_on").alias("_first_seen_on"),
        F.col("last_seen_on").alias("_last_seen_on"),
    )
    tonight = F.lit(business_date)
    is_break = F.col("obstacle").isNull() & F.col("verdict").isNotNull()
    agrees = F.col("obstacle").isNull() & F.col("verdict").isNull()
    lives = F.coalesce(F.col("_state").isin(LIVING), F.lit(False))
    state = (
        F.when(F.col("obstacle").isNotNull(), "not_comparable")
        .when(is_break & lives, F.col("_state"))
        .when(is_break, "open")
        .otherwise("resolved")
    )
    reason = (
        F.when(F.col("obstacle").isNotNull(), F.col("obstacle"))
        .when(is_break & F.col("_state").isin("explained", "accepted"), F.col("_reason"))
        .when(is_break, _broken_in_words())
        .otherwise(F.lit("the figures agree now"))
    )
    is_new = F.col("_state").isNull()
    return (
        found.withColumnRenamed("vendor", "source_vendor")
        .join(known, FIGURE, "left")
        .where(~(agrees & (is_new | (F.col("_state") == "resolved"))))
        .select(
            "tenant_id",
            break_id().alias("break_id"),
            "account_id",
            "as_of_date",
            "source_vendor",
            "type",
            "ours",
            "theirs",
            "difference",
            "difference_bps",
            F.when(is_break, F.col("verdict.severity")).when(agrees, F.col("_severity")).alias("severity"),
            state.alias("state"),
            F.coalesce("_first_seen_on", tonight).alias("first_seen_on"),
            F.when(agrees, F.col("_last_seen_on")).otherwise(tonight).alias("last_seen_on"),
            reason.alias("reason"),
            F.lit(run_id).alias("run_id"),
            F.lit(run_no).cast("long").alias("run_no"),
        )
    )


def latest_breaks(rows: DataFrame) -> DataFrame:
    """Per break the row of the latest run: the one that counts; same columns."""
    by_run = Window.partitionBy(*FIGURE).orderBy(F.desc("run_no"))
    return rows.withColumn("_rank", F.row_number().over(by_run)).where("_rank = 1").drop("_rank")


def break_id() -> Column:
    """The same for one tenant, account, type, date and vendor, whatever the amount and the run."""
    parts = [F.col(name).cast("string") for name in ("tenant_id", "account_id", "type", "as_of_date", "source_vendor")]
    return F.sha2(F.concat_ws("\x1f", *parts), 256).substr(1, 20)


def _amount(type_: str, base: str, obstacle: Column) -> Column:
    """An amount beside ours: exactly in money, and in basis points of one of the vendor's values."""
    ours, theirs = F.col(f"our_{THEIRS[type_]}"), F.col(THEIRS[type_])
    difference = (ours - theirs).cast(MONEY)
    bps = F.try_divide(difference.cast("double") * 10_000, F.abs(F.col(base)).cast("double"))
    return _figure(type_, (ours, theirs), (difference, bps), obstacle)


def _return(column: str, obstacle: Column) -> Column:
    """A return beside ours, in basis points."""
    ours, theirs = F.col(f"our_{column}"), F.col(column)
    return _figure(column, (ours, theirs), (F.lit(None).cast(MONEY), (ours - theirs) * 10_000), obstacle)


def _figure(type_: str, sides: tuple[Column, Column], differences: tuple[Column, Column], obstacle: Column) -> Column:
    (ours, theirs), (difference, bps) = sides, differences
    comparable = obstacle.isNull()
    return F.struct(
        F.lit(type_).alias("type"),
        ours.cast("double").alias("ours"),
        theirs.cast("double").alias("theirs"),
        F.when(comparable, difference).alias("difference"),
        F.when(comparable, bps).alias("difference_bps"),
        obstacle.alias("obstacle"),
    )


def _verdict(tolerances: Tolerances) -> Column:
    """The rule that a figure breaks; no difference is no break, also where it has no basis points (of nothing)."""
    amounts = {"money": F.abs("difference"), "bps": F.abs("difference_bps")}
    differs = F.coalesce("difference", "difference_bps") != 0
    found = F.lit(None).cast(VERDICT)
    for type_, measure in MEASURES.items():
        broken = verdict(tolerances, measure, amounts, table="reported_performance", on=F.col("as_of_date"))
        found = F.when(differs & (F.col("type") == type_), broken).otherwise(found)
    return found


def _no_row() -> Column:
    return F.when(F.col("_known").isNull(), "we have no row on that day")


def _covers_a_gap() -> Column:
    days = F.concat(F.lit("our row covers "), F.col("our_days").cast("string"), F.lit(" business days, theirs one"))
    return F.when(F.col("our_days") > 1, days)


def _no_figure_of_ours(column: str) -> Column:
    said = F.concat(F.lit("we have no figure: our row is "), F.col("our_status"))
    return F.when(F.col(f"our_{column}").isNull(), said)


def _begin_obstacle() -> Column:
    return F.coalesce(_no_row(), _no_figure_of_ours("begin_market_value"), _covers_a_gap())


def _flow_obstacle() -> Column:
    return F.coalesce(_no_row(), _no_figure_of_ours("net_flow"), _covers_a_gap())


def _end_obstacle() -> Column:
    return F.coalesce(_no_row(), _no_figure_of_ours("end_market_value"))


def _daily_obstacle() -> Column:
    not_ok = F.when(F.col("our_status") != "ok", F.concat(F.lit("our row is "), F.col("our_status")))
    return F.coalesce(_no_row(), not_ok, _covers_a_gap())


def _month_obstacle() -> Column:
    """The month-to-date returns are of one period only where our track covers the month from its first day."""
    first = F.trunc("as_of_date", "month")
    not_ok = F.when(F.col("our_status") != "ok", F.concat(F.lit("our row is "), F.col("our_status")))
    began = F.concat(F.lit("our track began on "), F.col("our_inception_date").cast("string"))
    within = F.when(F.col("our_inception_date") >= first, F.concat(began, F.lit(", within the month")))
    reaches_back = (F.col("our_days") > 1) & (F.col("our_begin_date") < F.date_sub(first, 1))
    straddles = F.when(reaches_back, "our row begins before the month")
    return F.coalesce(_no_row(), not_ok, within, straddles)


def _broken_in_words() -> Column:
    """`ours less theirs is -12.50 (-0.4 bps), expected at most 0.05 money and at most 0.01 bps (rule begin_value)`."""
    bps = F.concat(F.format_number("difference_bps", 2), F.lit(" bps"))
    money = F.concat(F.format_number("difference", 2), F.coalesce(F.concat(F.lit(" ("), bps, F.lit(")")), F.lit("")))
    return F.concat(
        F.lit("ours less theirs is "),
        F.coalesce(money, bps),
        F.lit(", expected "),
        F.col("verdict.expected"),
        F.lit(" (rule "),
        F.col("verdict.rule"),
        F.lit(")"),
    )
