"""What a night's files say of accounts that nobody knows, so that reconcile can tell which of ours it may be."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.platform.schemas import Table, table

RULE = TABLE = "unknown_account"


def is_unknown() -> Column:
    """Whether all that a row lacks is its account."""
    return (F.size("failed_rules") > 0) & F.forall("failed_rules", lambda failed: failed["rule"] == RULE)


def seen(misfits: DataFrame, described: Table) -> DataFrame | None:
    """Rows of gold.unknown_account from rows with outcome `quarantined` of one table; None where these have no date."""
    if described.date is None:
        return None
    value = currency = holdings = positions = F.lit(None)
    if described.table == "position":
        holdings, positions = holdings_hash(), F.count_if(is_held())
    if described.table == "valuation":
        newest = F.struct("arrival_no", "line_no")
        value, currency = F.max_by("market_value", newest), F.max_by("currency", newest)
    number = F.coalesce("account_id", "account_number").alias("account_number")
    by = [*map(F.col, ("tenant_id", "vendor", "feed", "run_no")), number, F.col(described.date).alias("as_of_date")]
    found = (
        misfits.where(is_unknown() & F.col(described.date).isNotNull())
        .groupBy(*by)
        .agg(
            F.lit(described.table).alias("target"),
            F.count("*").alias("waiting"),
            value.cast("decimal(28,8)").alias("market_value"),
            currency.cast("string").alias("currency"),
            holdings.cast("string").alias("holdings"),
            positions.cast("long").alias("positions"),
        )
    )
    return found.select(*table(TABLE).names)


def holdings_hash() -> Column:
    """Of the positions of a group one text that is equal where securities and quantities are; NULL without any."""
    each = F.when(is_held(), F.concat_ws(":", "security_id", F.col("quantity").cast("decimal(28,8)").cast("string")))
    every = F.array_sort(F.collect_list(each))
    return F.when(F.size(every) > 0, F.sha2(F.array_join(every, "\x1f"), 256))


def is_held() -> Column:
    """Whether a position is one: an empty line of a security that was sold says nothing."""
    return F.coalesce(F.col("quantity") != 0, F.lit(True))
