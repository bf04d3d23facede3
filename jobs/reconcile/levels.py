"""Which break a difference belongs to: one that knows its date already, one whose level it goes on with, or none.

The figures of one date are one claim. Where the next compared date of the same account, type, item and vendor differs
too, it may be the same break: by the same amount, as a position that is short by 100 on all its days; or, of a figure
that stands from day to day, by another amount to the same side, as accruals and exchange rates move it.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.check.classes import CLASS, classified
from jobs.check.tolerances import UNITS, Measure, Tolerances
from jobs.check.verdict import verdict

# What is measured per type, and the table that its rules may name: decides whether two amounts are the same.
MEASURES: dict[str, tuple[Measure, str]] = {
    "begin_value": ("begin_value_difference", "reported_performance"),
    "net_flow": ("net_flow_difference", "reported_performance"),
    "end_value": ("end_value_difference", "reported_performance"),
    "twrr_daily": ("daily_return_difference", "reported_performance"),
    "twrr_mtd": ("mtd_return_difference", "reported_performance"),
    "roll_forward": ("roll_forward_difference", "reported_performance"),
    "holdings_value": ("holdings_difference", "position"),
    "position_quantity": ("position_quantity_difference", "position"),
    "position_value": ("position_value_difference", "position"),
    "cash_balance": ("cash_difference", "cash_balance"),
    "source_value": ("source_value_difference", "valuation"),
}
OF_TYPES = [measure for measure, _ in MEASURES.values()]
# Claims about a level, each date's own: Tuesday's stays open until Tuesday is corrected.
LEVELS = [
    "begin_value", "end_value", "twrr_mtd", "holdings_value", "position_quantity", "position_value", "cash_balance",
    "source_value",
]  # fmt: skip
# Of these, figures that stand: what differs on a date is still in the next one's, whatever it is by then. Units and
# opening balances are rolled from the delivery before, so that another amount is another error.
STANDING = ["begin_value", "end_value", "twrr_mtd", "holdings_value", "position_value", "source_value"]
# States of an account, which have no figures of a date: a later day on which it is right clears them.
STATES_OF_ACCOUNT = [
    "account_new", "account_missing", "account_closed_with_balance", "account_reopened", "account_renumbered",
    "account_changed",
]  # fmt: skip
# Of these, what happened on a day: there is no amount by which a second one differs from the first.
CHANGES_OF_ACCOUNT = ["account_reopened", "account_changed"]
LASTING = [*LEVELS, *STATES_OF_ACCOUNT]
LIVING = ["open", "explained", "accepted"]
KEY = ["tenant_id", "account_id", "type", "vendor", "_item"]
CENT = Decimal("0.01")


def claims(found: DataFrame, known: DataFrame, tolerances: Tolerances) -> DataFrame:
    """The differences of `found`, each with the break_id that it belongs to.

    known: the row that counts of each break that may be concerned. Adds `_breaks` (beyond tolerance) and `_ended` (the
    next compared date, where a level ends with the row). Rows with `_anchor` are no differences: they stand for the
    last date of a known level, so that it can be said to have ended. Figures that agree and concern no break are left
    out.
    """
    found = found.withColumn("_item", F.coalesce("item", F.lit("")))
    known = known.withColumnRenamed("source_vendor", "vendor").withColumn("_item", F.coalesce("item", F.lit("")))
    notable = found.where("verdict IS NOT NULL OR obstacle IS NOT NULL").select(*KEY)
    concerned = found.join(notable.unionByName(known.select(*KEY)).distinct(), KEY, "left_semi")
    days = F.array_union(wrong_dates(), F.array(F.col("as_of_date").cast("string")))
    places = known.select(*KEY, F.explode(days).alias("_day"), F.col("break_id").alias("_place"))
    placed = (
        concerned.withColumn("_day", F.col("as_of_date").cast("string"))
        .join(places, [*KEY, "_day"], "left")
        .withColumns(
            {
                "_own": break_id(),
                "_breaks": F.col("obstacle").isNull() & F.col("verdict").isNotNull(),
                "_by_cause": F.col("explanation").isNotNull(),
                "_anchor": F.lit(False),
            }
        )
    )
    sequence = placed.where("obstacle IS NULL").unionByName(_anchors(known), allowMissingColumns=True)
    aside = placed.where("obstacle IS NOT NULL").withColumn("break_id", F.coalesce("_place", "_own"))
    return _linked(sequence, tolerances).unionByName(aside.drop("_by_cause"), allowMissingColumns=True)


def break_id() -> Column:
    """The same for one tenant, account, type, first date, vendor and item, whatever the amount and the run."""
    names = ["tenant_id", "account_id", "type", "as_of_date", "vendor", "item"]
    return F.sha2(F.concat_ws("\x1f", *[F.col(name).cast("string") for name in names]), 256).substr(1, 20)


def wrong_dates() -> Column:
    """The dates on which a known break stands, as text; of a row from before there were levels its own date."""
    own = F.when(F.col("state").isin(LIVING), F.array(F.col("as_of_date").cast("string")))
    return F.coalesce(F.split("dates", ","), own, F.array().cast("array<string>"))


def same_amount(tolerances: Tolerances, now: tuple[Column, Column], then: tuple[Column, Column]) -> Column:
    """Whether (difference, basis points) of a row are what they were, by the rules of its type; to the cent where its
    type has no measure. The row has tenant_id, vendor, feed, type and as_of_date, and is `classified` by OF_TYPES."""
    money, bps = F.abs(now[0] - then[0]), F.abs(now[1] - then[1])
    units: dict[str, Column] = {"bps": bps, "fraction": bps / 10_000, "share": bps / 10_000}
    to_the_cent = F.coalesce(money <= F.lit(CENT), bps <= F.lit(CENT), F.lit(True))

    def of_type(same: Column, type_: str) -> Column:
        measure, table = MEASURES[type_]
        amounts: dict[str, Column] = {unit: units.get(unit, money) for unit in UNITS[measure]}
        beyond = verdict(tolerances, measure, amounts, table=table, on=F.col("as_of_date"))
        return F.when(F.col("type") == type_, beyond.isNull()).otherwise(same)

    return reduce(of_type, MEASURES, to_the_cent)


def _anchors(known: DataFrame) -> DataFrame:
    """Known levels that had not ended when they were last looked at, each at its last date."""
    lives = F.col("state").isin(LIVING) & F.col("type").isin(LASTING) & F.col("ended_on").isNull()
    return known.where(lives).select(
        *KEY,
        "item",
        F.coalesce("through_date", "as_of_date").alias("as_of_date"),
        "difference",
        "difference_bps",
        F.col("break_id").alias("_place"),
        F.lit(True).alias("_breaks"),
        (F.col("state") == "explained").alias("_by_cause"),
        F.lit(True).alias("_anchor"),
    )


def _linked(sequence: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Of differences and anchors in the order of their dates: break_id, and where one ends.

    A moved level goes on only where both dates have a cause, or neither: what is explained does not close what is not.
    """
    by_date = Window.partitionBy(*KEY).orderBy("as_of_date", F.desc("_anchor"))
    last = F.lag(F.struct("_breaks", "_by_cause", "difference", "difference_bps", "as_of_date")).over(by_date)
    same = same_amount(
        tolerances,
        (F.col("difference"), F.col("difference_bps")),
        (F.col("_last.difference"), F.col("_last.difference_bps")),
    )
    one_side = _side("difference", "difference_bps") == _side("_last.difference", "_last.difference_bps")
    moves_on = F.col("type").isin(STANDING) & one_side & (F.col("_by_cause") == F.col("_last._by_cause"))
    one_month = F.trunc("as_of_date", "month") == F.trunc("_last.as_of_date", "month")
    goes_on = (
        F.col("type").isin(LASTING)
        & F.col("_breaks")
        & F.col("_last._breaks")
        & (same | moves_on)
        & ((F.col("type") != "twrr_mtd") | one_month)
    )
    begins = F.col("_place").isNotNull() | ~F.coalesce(goes_on, F.lit(False))
    whose = F.last(F.when(F.col("_begins"), F.coalesce("_place", "_own")), ignorenulls=True)
    following = F.lead(F.struct("break_id", "as_of_date", "_anchor")).over(by_date)
    ends = F.col("_breaks") & F.col("type").isin(LASTING) & ~F.col("_next._anchor")
    return (
        classified(sequence, tolerances, *OF_TYPES)
        .withColumn("_last", last)
        .withColumn("_begins", begins)
        .withColumn("break_id", whose.over(by_date.rowsBetween(Window.unboundedPreceding, 0)))
        .withColumn("_next", following)
        .withColumn("_ended", F.when(ends & (F.col("_next.break_id") != F.col("break_id")), F.col("_next.as_of_date")))
        .drop("_last", "_begins", "_next", "_by_cause", CLASS)
    )


def _side(difference: str, bps: str) -> Column:
    return F.signum(F.coalesce(F.col(difference).cast("double"), F.col(bps)))
