"""Transfers in kind: a movement of securities without an amount is worth quantity x price of its date."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.normalise.records import rule_struct
from jobs.platform.schemas import MONEY

SECURITY = ["tenant_id", "security_id"]
IN_KIND_TYPES = ["TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"]


def valued_in_kind(rows: DataFrame, prices: DataFrame) -> DataFrame:
    """Fills amount of transfers and journals of a security that state none; without a price: a failed rule, never 0.

    rows: transaction rows with failed_rules, `amount` being 0 where the file had none. The row's own price counts,
    else the price table's of performance_date (calculation-spec, section 1); is_valued says that it did. TRANSFER_OUT
    is negative whatever the sign of its quantity.
    """
    wants_value = (
        F.col("type").isin(IN_KIND_TYPES)
        & (F.col("amount") == 0)
        & F.col("security_id").isNotNull()
        & (F.coalesce(F.col("quantity"), F.lit(0)) != 0)
        & (F.col("status") != "cancel")
    )
    joined = rows.join(closing_prices(prices), [*SECURITY, "performance_date"], "left")
    price = F.coalesce("price", "_close")
    no_price = rule_struct("in_kind_without_price", "price", F.col("security_id"), "a price of the transfer's date")
    return joined.withColumns(
        {
            "amount": F.when(wants_value & price.isNotNull(), worth(price)).otherwise(F.col("amount")),
            "is_valued": F.when(wants_value & F.col("price").isNull() & price.isNotNull(), F.lit(True)),
            "failed_rules": F.when(wants_value & price.isNull(), F.array_append("failed_rules", no_price)).otherwise(
                F.col("failed_rules")
            ),
        }
    ).drop("_close")


def closing_prices(prices: DataFrame) -> DataFrame:
    """tenant_id, security_id, performance_date, _close: of several vendors' prices of a day one, always the same."""
    return prices.groupBy(*SECURITY, F.col("as_of_date").alias("performance_date")).agg(
        F.min_by("price", "vendor").alias("_close")
    )


def worth(price: Column) -> Column:
    """quantity x price, signed by the row's type."""
    size = F.when(F.col("type") == "TRANSFER_OUT", -F.abs("quantity")).when(
        F.col("type") == "TRANSFER_IN", F.abs("quantity")
    )
    # Eight decimals times eight need sixteen: split the price so that no product loses digits to Spark's 38.
    quantity = F.coalesce(size, F.col("quantity"))
    whole = F.floor(price).cast("decimal(20,0)")
    part = (price - whole).cast("decimal(9,8)")
    return F.round(quantity * whole + (quantity.cast("decimal(28,8)") * part), 8).cast(MONEY)
