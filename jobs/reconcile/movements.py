"""What bookings do to an account's cash and holdings: one movement a booking, and what of it is known."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.normalise.in_kind import IN_KIND_TYPES
from jobs.platform.schemas import MONEY

FLOW_TYPES = ["DEPOSIT", "WITHDRAWAL", *IN_KIND_TYPES]
SOURCE = ["tenant_id", "vendor"]


def movements(transactions: DataFrame) -> DataFrame:
    """Rows of silver.transaction that count, as movements.

    Columns: tenant_id, vendor, account_id, security_id; on (the day on which it counts in a statement's balance:
    booked_on, else performance_date), settled_on (settle_date, else `on`); currency; money (into the account positive;
    NULL in kind), units (bought or received positive, sold or delivered negative; of a corporate action the change of
    the holding; NULL: none move); unpriced (a trade without an amount, whose money is not known).
    """
    moves_units = F.col("security_id").isNotNull() & (F.coalesce("quantity", F.lit(0)) != 0)
    in_kind = F.col("type").isin(IN_KIND_TYPES) & moves_units
    on = F.coalesce("booked_on", "performance_date")
    return transactions.where("status <> 'cancel'").select(
        *SOURCE,
        "account_id",
        "security_id",
        on.alias("on"),
        F.coalesce("settle_date", on).alias("settled_on"),
        "currency",
        F.when(~in_kind, F.col("amount")).alias("money"),
        F.when(moves_units, _units()).alias("units"),
        (F.col("type").isin("BUY", "SELL") & moves_units & (F.col("amount") == 0)).alias("unpriced"),
    )


def within(day: str) -> Column:
    """Whether a movement joined to a pair of deliveries lies between them: after the first, up to the second."""
    return (F.col(day) > F.col("before")) & (F.col(day) <= F.col("as_of_date"))


def traders(transactions: DataFrame) -> DataFrame:
    """tenant_id, vendor of those who book more than flows: only of them can holdings and cash be rolled."""
    return transactions.where(~F.col("type").isin(FLOW_TYPES)).select(*SOURCE).distinct()


def knows_trades(rows: DataFrame, traders: DataFrame) -> DataFrame:
    """`rows` with _trades: true where the vendor is one of `traders`, else NULL."""
    return rows.join(F.broadcast(traders.withColumn("_trades", F.lit(True))), SOURCE, "left")


def no_trades() -> Column:
    """The obstacle of a vendor of whom `knows_trades` says that it delivers none."""
    return F.when(F.col("_trades").isNull(), "the vendor delivers flows and no trades")


def nearest(to: Column, *candidates: Column) -> Column:
    """The candidate that is nearest to a figure, the first of equals."""
    return reduce(lambda best, one: F.when(F.abs(one - to) < F.abs(best - to), one).otherwise(best), candidates)


def _units() -> Column:
    """Vendors sign the quantity of a sale or a delivery, or leave the sign to the type; a journal's is its amount's.

    A purchase that brings money and takes units, or a sale that costs about what it is worth, is one taken back.
    """
    size = F.abs("quantity")
    bought_back = (F.col("quantity") < 0) & (F.col("amount") > 0)
    sold_back = (F.col("quantity") > 0) & (F.col("price") > 0) & (F.col("amount") * -2 >= size * F.col("price"))
    is_taken_back = F.when(F.col("type") == "BUY", bought_back).when(F.col("type") == "SELL", sold_back)
    sign = F.when(F.coalesce(is_taken_back, F.lit(False)), -1).otherwise(1)
    return (
        F.when(F.col("type") == "BUY", size * sign)
        .when(F.col("type") == "SELL", -size * sign)
        .when(F.col("type") == "TRANSFER_IN", size)
        .when(F.col("type") == "TRANSFER_OUT", -size)
        .when((F.col("type") == "JOURNAL") & (F.col("amount") < 0), -size)
        .when(F.col("type").isin("JOURNAL", "CORPORATE_ACTION"), F.col("quantity"))
    ).cast(MONEY)
