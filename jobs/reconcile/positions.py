"""Holdings: those delivered before, rolled by what was booked since, against those delivered now; and their values."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.check.account_days import CASH_SECURITY
from jobs.check.tolerances import Tolerances
from jobs.platform.schemas import MONEY
from jobs.reconcile.difference import differences
from jobs.reconcile.movements import knows_trades, movements, nearest, no_trades, within

HOLDER = ["tenant_id", "vendor", "account_id"]


def delivered_pairs(delivered: DataFrame, since: DataFrame) -> DataFrame:
    """The dates to look at, each with the one before it: HOLDER, feed, before, as_of_date.

    delivered: HOLDER, feed, as_of_date: the dates on which the vendor delivered the account, once or more often each.
    since: HOLDER, since: the first date that is of concern.
    """
    dates = delivered.groupBy(*HOLDER, "as_of_date").agg(F.min("feed").alias("feed"))
    by_date = Window.partitionBy(*HOLDER).orderBy("as_of_date")
    paired = dates.withColumn("before", F.lag("as_of_date").over(by_date)).join(since, HOLDER)
    return paired.where("before IS NOT NULL AND as_of_date >= since").drop("since")


def position_quantities(
    positions: DataFrame, transactions: DataFrame, traders: DataFrame, pairs: DataFrame, tolerances: Tolerances
) -> DataFrame:
    """Per account, date and security the quantity delivered before, rolled by the bookings since, and that delivered.

    positions, transactions: rows of silver that count. traders: as `movements.traders` gives them. pairs: as
    `delivered_pairs` gives them; a security that a delivery does not list is held no more. Holdings may be kept by
    trade or by settlement date: the nearer roll counts. Gives the columns of a difference; the item is the security_id.
    """
    held = positions.where(~F.col("security_id").rlike(CASH_SECURITY) & F.col("quantity").isNotNull())
    one = [*HOLDER, "feed", "as_of_date", "security_id"]
    held = held.select(*HOLDER, "security_id", "as_of_date", "quantity")
    now = held.join(pairs, [*HOLDER, "as_of_date"]).select(*one, F.col("quantity").alias("theirs"))
    then = held.withColumnRenamed("as_of_date", "before").join(pairs, [*HOLDER, "before"])
    booked = movements(transactions).where("units IS NOT NULL").join(pairs, HOLDER)
    traded, settled = (F.when(within(day), F.col("units")).alias(f"by_{day}") for day in ("on", "settled_on"))
    parts = [
        now,
        then.select(*one, F.col("quantity").alias("then")),
        booked.where(within("on") | within("settled_on")).select(*one, traded, settled),
    ]
    names = ("theirs", "then", "by_on", "by_settled_on")
    whole = reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), parts)
    sums = [F.coalesce(F.sum(name), F.lit(0)).cast(MONEY).alias(name) for name in names]
    rolled = whole.groupBy(*one).agg(*sums)
    ours = nearest(F.col("theirs"), F.col("then") + F.col("by_on"), F.col("then") + F.col("by_settled_on"))
    return differences(
        knows_trades(rolled.withColumn("ours", ours), traders),
        "position_quantity",
        "security_id",
        "position_quantity_difference",
        tolerances,
        table="position",
        unit="quantity",
        obstacle=no_trades(),
    )


def position_values(positions: DataFrame, since: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Per account, date and security quantity x price as delivered, beside the value delivered.

    positions: rows of silver.position that count, those before `since` (HOLDER, since) for what a price is per: a
    unit, a hundred of nominal, or a contract of many, as the value said of the delivery before. Of a first delivery a
    unit or a hundred. Gives the columns of a difference; the item is the security_id.
    """
    product = F.col("quantity").cast("double") * F.col("price").cast("double")
    by_date = Window.partitionBy(*HOLDER, "security_id").orderBy("as_of_date")
    valued = positions.where("quantity <> 0 AND price > 0 AND market_value IS NOT NULL").join(since, HOLDER)
    worth = valued.withColumns({"_product": product, "theirs": F.col("market_value")})
    per = worth.withColumn("_before", F.lag(_per(F.try_divide(F.col("theirs").cast("double"), product))).over(by_date))
    unknown = F.col("_before").isNull()
    candidates = [F.col("_product"), F.col("_product") * F.coalesce("_before", F.lit(0.01))]
    candidates.append(F.when(unknown, F.col("_product") * 100).otherwise(F.col("_product")))
    ours = nearest(F.col("theirs").cast("double"), *candidates)
    return differences(
        per.where("as_of_date >= since").withColumn("ours", ours),
        "position_value",
        "security_id",
        "position_value_difference",
        tolerances,
        table="position",
    )


def _per(ratio: Column) -> Column:
    """Value by quantity x price as a usual factor: 1, a whole number, or one in a whole number; NULL: it is none."""
    return (
        F.when(ratio.between(0.95, 1.05), 1.0)
        .when(ratio >= 1.5, F.round(ratio))
        .when(ratio.between(0.00001, 0.67), F.try_divide(F.lit(1.0), F.round(F.try_divide(F.lit(1.0), ratio))))
    )
