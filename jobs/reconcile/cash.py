"""Cash: opening + movements = closing by account, currency and date; a statement begins where the last one ended."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.policies import Policies, source_rank
from jobs.check.account_days import CASH_SECURITY
from jobs.check.tolerances import Tolerances
from jobs.platform.schemas import MONEY
from jobs.reconcile.difference import differences
from jobs.reconcile.movements import knows_trades, movements, nearest, no_trades, within
from jobs.reconcile.positions import HOLDER

PURSE = [*HOLDER, "currency"]
LINE = ["line_no", "record_no"]
ROLLED = [*PURSE, "own_currency", "feed", "as_of_date", "before", "opening", "closing"]
_STATED, _LISTED, _ABSENT = 1, 2, 3  # where a custodian's figure comes from, the better one first
_EARLIER = {"before": "as_of_date", "opening": "closing", "_source_before": "_source"}


def custodian_cash(valuations: DataFrame, positions: DataFrame, since: DataFrame) -> DataFrame:
    """Cash that a custodian states beside the account's value or among its holdings, with what it stated before.

    valuations, positions: rows of silver that count. Where a vendor states it in both, the value's own counts; cash and
    margin in one currency are one. Of an account whose cash is listed among its holdings, a delivery of holdings that
    does not list a currency says that there is none of it. Columns: those of ROLLED, for the dates from `since`
    (HOLDER, since, base_currency) on; a currency that is not stated is '' here and as own_currency the account's.
    """
    currency = F.coalesce("currency", F.lit(""))
    one = [*HOLDER, "currency", "feed", "as_of_date"]
    valuations, positions = (rows.withColumn("currency", currency) for rows in (valuations, positions))
    stated = valuations.where("cash_value IS NOT NULL").select(*one, F.col("cash_value").alias("closing"))
    listed = positions.where(F.col("security_id").rlike(CASH_SECURITY))
    listed = listed.select(*one, F.coalesce("market_value", "quantity").alias("amount"))
    held = listed.groupBy(*PURSE, "as_of_date").agg(F.min("feed").alias("feed"), F.sum("amount").alias("closing"))
    parts = {_STATED: stated, _LISTED: held, _ABSENT: _absent(positions)}
    whole = reduce(DataFrame.unionByName, (rows.withColumn("_source", F.lit(of)) for of, rows in parts.items()))
    of_holder, by_date = Window.partitionBy(*HOLDER), Window.partitionBy(*PURSE).orderBy("as_of_date")
    source, best = F.col("_source"), F.min("_source").over(Window.partitionBy(*HOLDER, "as_of_date"))
    # A vendor that states the account's cash may list it now and then: what it does not list is not said to be none.
    states = F.min("_source").over(of_holder) == _STATED
    counts = ~states | ((source == best) & (source != _ABSENT))
    earlier = {name: F.lag(of).over(by_date) for name, of in _EARLIER.items()}
    paired = whole.withColumn("_counts", counts).where("_counts").withColumns(earlier).join(since, HOLDER)
    is_there = (source != _ABSENT) | (F.col("_source_before") != _ABSENT)
    own = paired.withColumn("own_currency", F.coalesce(F.nullif("currency", F.lit("")), "base_currency"))
    return own.where(is_there).where("before IS NOT NULL AND as_of_date >= since").select(*ROLLED)


def base_currencies(accounts: DataFrame, as_of: date, policies: Policies) -> DataFrame:
    """tenant_id, account_id, base_currency of accounts on `as_of`, by the vendor that the tenant puts first; NULL: the
    tenant's.

    accounts: rows of silver.account that count.
    """
    begun = F.col("effective_from") <= F.lit(as_of)
    days_off = F.abs(F.datediff("effective_from", F.lit(as_of)))
    best = F.min_by(F.struct("base_currency"), F.struct(source_rank(policies), ~begun, days_off))
    found = accounts.groupBy("tenant_id", "account_id").agg(best.alias("of_first"))
    return found.select("tenant_id", "account_id", "of_first.base_currency")


def _absent(positions: DataFrame) -> DataFrame:
    """Currencies of cash that an account lists on another date and not on this, with nothing: PURSE, as_of_date, feed,
    closing. One figure without a currency and figures by currency say the same: neither is none beside the other."""
    here = F.collect_set(F.when(F.col("security_id").rlike(CASH_SECURITY), F.col("currency")))
    dates = positions.groupBy(*HOLDER, "as_of_date").agg(F.min("feed").alias("feed"), here.alias("_here"))
    dates = dates.withColumn("_known", F.flatten(F.collect_set("_here").over(Window.partitionBy(*HOLDER))))
    missing = dates.withColumn("currency", F.explode(F.array_except("_known", "_here")))
    as_one = F.array_contains("_here", "")
    none_here = (F.size("_here") == 0) | (~as_one & (F.col("currency") != ""))
    return missing.where(none_here).select(*PURSE, "as_of_date", "feed", F.lit(0).cast(MONEY).alias("closing"))


def statements(balances: DataFrame, since: DataFrame) -> DataFrame:
    """The closing balances of statements, each with its own opening balance or, where that is not there, with the
    closing balance before.

    balances: rows of silver.cash_balance that count. Columns: those of ROLLED for the dates from `since` on.
    """
    above = Window.partitionBy(*PURSE, "file_id").orderBy(*LINE).rowsBetween(Window.unboundedPreceding, -1)
    opening = F.when(F.col("balance") == "opening", F.struct("as_of_date", "amount"))
    opened = balances.where("balance <> 'interim'").withColumn("_own", F.last(opening, ignorenulls=True).over(above))
    by_date = Window.partitionBy(*PURSE).orderBy("as_of_date")
    closed = opened.where("balance = 'closing'")
    closed = closed.withColumn("_last", F.lag(F.struct("as_of_date", "amount")).over(by_date))
    begun = closed.withColumn("_begun", F.coalesce("_own", "_last")).join(since, HOLDER)
    begun = begun.withColumns({"before": F.col("_begun.as_of_date"), "opening": F.col("_begun.amount")})
    wanted = begun.where("before IS NOT NULL AND as_of_date >= since")
    return wanted.withColumnRenamed("amount", "closing").withColumn("own_currency", F.col("currency")).select(*ROLLED)


def cash_rolls(
    rolled: DataFrame, transactions: DataFrame, traders: DataFrame, tolerances: Tolerances, *, table: str
) -> DataFrame:
    """Per account, currency and date the opening cash with all that was booked since, and the closing cash stated.

    rolled: as `custodian_cash` (table `valuation`) or `statements` (table `cash_balance`) gives it; transactions: rows
    of silver that count; traders: as `movements.traders` gives them, asked of custodians only. An account's cash may be
    kept by trade or by settlement date, and a bank dates an opening balance on the statement's first day or the day
    before: the nearest roll counts. Where money moves in a currency of which a custodian states no cash, its figures
    in others cannot be compared: it may be in them. Gives the columns of a difference; the item is the currency.
    """
    is_statement = F.lit(table == "cash_balance")
    booked = movements(transactions).withColumnRenamed("currency", "_currency").where("money IS NOT NULL")
    purses = F.collect_set("own_currency").over(Window.partitionBy(*HOLDER, "as_of_date")).alias("_purses")
    booked = booked.join(rolled.select(*PURSE, "own_currency", "before", "as_of_date", purses), HOLDER)
    own = F.col("_currency").isNull() | (F.col("_currency") == F.col("own_currency"))
    kept_apart = F.array_contains("_purses", F.col("_currency"))
    on_first = is_statement & (F.col("on") == F.col("before"))
    sums = {"_booked": within("on"), "_settled": within("settled_on"), "_first": on_first}
    moved = (
        booked.where(within("on") | within("settled_on") | on_first)
        .groupBy(*PURSE, "as_of_date")
        .agg(
            *[F.sum(F.when(own & counts, F.col("money"))).alias(name) for name, counts in sums.items()],
            F.max(F.when(~own & ~kept_apart & within("on"), F.col("_currency"))).alias("_foreign"),
            F.max(F.col("unpriced") & own & within("on")).alias("_unpriced"),
        )
    )
    beside = rolled.withColumnRenamed("closing", "theirs").join(moved, [*PURSE, "as_of_date"], "left")
    by_trade, by_settlement, first = (F.coalesce(name, F.lit(0)).cast(MONEY) for name in sums)
    rolls = (F.col("opening") + moved_by for moved_by in (by_trade, by_settlement, by_trade + first))
    foreign = F.when(F.col("_foreign").isNotNull(), F.concat(F.lit("money moved in "), F.col("_foreign")))
    unpriced = F.when(F.col("_unpriced"), "a trade has no amount")
    return differences(
        knows_trades(beside, traders).withColumns(
            {"ours": nearest(F.col("theirs"), *rolls), "item": F.nullif("currency", F.lit(""))}
        ),
        "cash_roll",
        "item",
        "cash_difference",
        tolerances,
        table=table,
        obstacle=F.when(~is_statement, F.coalesce(no_trades(), foreign, unpriced)),
    )


def cash_balances(balances: DataFrame, since: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Per statement that begins: the closing balance of the one before, and its own opening balance.

    balances: rows of silver.cash_balance that count. The closing balance before is that of an earlier date; or of the
    opening balance's own date, where it stands in another file or above it, since many banks date it so. Nothing is
    said of the first statement. Gives the columns of a difference; the item is the currency.
    """
    opening = balances.where("balance = 'opening'").join(since, HOLDER).where("as_of_date >= since")
    closing = balances.where("balance = 'closing'").select(
        *PURSE, F.struct("as_of_date", "amount", "file_id", *LINE).alias("_closed")
    )
    closed_on, same_file = F.col("_closed.as_of_date"), F.col("_closed.file_id") == F.col("file_id")
    stands_below = same_file & (F.col("_closed.line_no") > F.col("line_no"))
    earlier, same_day = closed_on < F.col("as_of_date"), (closed_on == F.col("as_of_date")) & ~stands_below
    one, amount = [*PURSE, "feed", "as_of_date"], F.col("_closed.amount")
    beside = (
        opening.join(closing, PURSE)
        .where(earlier | same_day)
        .groupBy(*one, F.col("amount").alias("theirs"))
        .agg(
            F.max_by(F.when(earlier, amount), F.when(earlier, closed_on)).alias("_earlier"),
            F.max(F.when(same_day, amount)).alias("_same_day"),
        )
    )
    ours = nearest(F.col("theirs"), F.coalesce("_same_day", "_earlier"), F.coalesce("_earlier", "_same_day"))
    return differences(
        beside.withColumn("ours", ours), "cash_balance", "currency", "cash_difference", tolerances, table="cash_balance"
    )
