"""What a night says of each account and date: the frames that the account rules judge, each one pass over its rows."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.policies import Policies, source_rank

FLOW_TYPES = ["DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"]
INWARD = ["DEPOSIT", "TRANSFER_IN", "SELL"]  # types whose amount is money in, but for a mistake
OUTWARD = ["WITHDRAWAL", "TRANSFER_OUT", "BUY"]
# Money among the holdings, as some custodians list it: its price is 1 and stays so.
CASH_SECURITY = "(?i)^(CASH|MARGIN)([ _-]?[A-Z]{3})?$"
ACCOUNT = ["tenant_id", "account_id"]
SOURCE = ["tenant_id", "vendor", "feed"]
DAY = [*SOURCE, "account_id", "as_of_date"]
FLOW, STATE, VALUATION = range(3)  # in the order in which they count within a day: a value has the flows of its day
BY_SOURCE = "PARTITION BY tenant_id, account_id, source"
BY_ACCOUNT = f"{BY_SOURCE} ORDER BY as_of_date, kind ROWS"
SO_FAR = f"OVER ({BY_ACCOUNT} BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
BEFORE = f"OVER ({BY_ACCOUNT} BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
WHOLE = f"OVER ({BY_ACCOUNT} BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"


def value_days(
    valuations: DataFrame, before: DataFrame, transactions: DataFrame, policies: Policies | None = None
) -> DataFrame:
    """One row per valuation, beside the account's value before it and what flowed in between.

    valuations, transactions: rows of silver that count. before: tenant_id, account_id, as_of_date, end_market_value,
    currency, the last published row per account. Gives DAY, market_value, cash_value, currency, and since (date of the
    value before), before_value, net_flow (of the days after `since`): NULL without a value before, and where amounts
    are in several currencies, which nothing here converts. Of several vendors that value an account on a date the value
    of the one that counts (`policies`) is compared, since it is published after the one before; the others' are beside
    it in `reconcile`. Flows are those of its vendor; one that delivers none is beside those of the others.
    """
    ranked = valuations.withColumn("rank", source_rank(policies or {}))
    values = ranked.selectExpr(*DAY, "market_value", "cash_value", "currency", "rank", f"{VALUATION} AS kind")
    states = before.selectExpr(
        *ACCOUNT, "as_of_date", "end_market_value AS market_value", "currency", f"{STATE} AS kind"
    )
    flows = transactions.where(F.col("type").isin(FLOW_TYPES) & (F.col("status") != "cancel")).selectExpr(
        *ACCOUNT, "vendor", "performance_date AS as_of_date", "amount", "currency", f"{FLOW} AS kind"
    )
    every = _by_source(
        reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), [values, states, flows])
    )
    # Where a file leaves the currency out, it is the account's, as the state has it.
    own = [f"first(IF(kind = {kind}, currency, NULL), true) {WHOLE}" for kind in (STATE, VALUATION)]
    known = every.selectExpr("*", f"coalesce({', '.join(own)}) AS own").selectExpr(
        "*",
        "coalesce(currency <> own, false) AS is_foreign",
        f"coalesce(sum(amount) {SO_FAR}, 0) AS flowed",
        f"count(IF(kind = {FLOW} AND currency <> own, 1, NULL)) {SO_FAR} AS foreign_flows",
    )
    value = "struct(as_of_date, market_value, flowed, foreign_flows, is_foreign)"
    beside = known.selectExpr("*", f"last(IF(kind <> {FLOW}, {value}, NULL), true) {BEFORE} AS previous")
    comparable = """counts AND previous.as_of_date < as_of_date AND NOT is_foreign AND NOT previous.is_foreign
                    AND previous.foreign_flows = foreign_flows"""
    return beside.where(f"kind = {VALUATION}").selectExpr(
        *DAY,
        "market_value",
        "cash_value",
        "currency",
        f"IF({comparable}, previous.as_of_date, NULL) AS since",
        f"IF({comparable}, previous.market_value, NULL) AS before_value",
        f"IF({comparable}, CAST(flowed - previous.flowed AS DECIMAL(28,8)), NULL) AS net_flow",
    )


def _by_source(every: DataFrame) -> DataFrame:
    """States and flows once for each vendor that values the account (`source`), of flows its own where it has any; and
    whether a value counts among those of its date."""
    valued_by = f"collect_set(IF(kind = {VALUATION}, vendor, NULL)) OVER (PARTITION BY tenant_id, account_id)"
    of_day = "OVER (PARTITION BY tenant_id, account_id, as_of_date)"
    counting = every.selectExpr("*", f"rank = min(rank) {of_day} AS counts").drop("rank")
    of_each = counting.selectExpr("*", f"{valued_by} AS valued_by").selectExpr(
        *counting.columns, f"explode(IF(kind = {VALUATION}, array(vendor), valued_by)) AS source"
    )
    has_own = f"bool_or(kind = {FLOW} AND vendor = source) OVER ({BY_SOURCE}) AS has_own"
    return of_each.selectExpr("*", has_own).where(f"kind <> {FLOW} OR vendor = source OR NOT has_own").drop("has_own")


def values_alone(valuations: DataFrame) -> DataFrame:
    """As `value_days`, where nothing was ever published (the order of a whole history is dear) or nobody asks for it:
    the rules that compare say nothing."""
    return valuations.selectExpr(
        *DAY,
        "market_value",
        "cash_value",
        "currency",
        "CAST(NULL AS DATE) AS since",
        "CAST(NULL AS DECIMAL(28,8)) AS before_value",
        "CAST(NULL AS DECIMAL(28,8)) AS net_flow",
    )


def with_twins(days: DataFrame, accounts: DataFrame) -> DataFrame:
    """`days` with twins: how many accounts of the vendor have this value on this date and the same name.

    accounts: current rows of silver.account. An account without a name, or worth nothing, has no twin.
    """
    names = accounts.groupBy(*ACCOUNT).agg(
        F.expr("lower(trim(max_by(account_name, struct(effective_from, vendor)))) AS name")
    )
    has_name = "name <> '' AND market_value <> 0"
    own = f"IF({has_name}, account_id, NULL)"
    alike = "PARTITION BY tenant_id, vendor, as_of_date, market_value, currency, name"
    return (
        days.join(names, ACCOUNT, "left")
        .selectExpr("*", f"IF({has_name}, size(collect_set({own}) OVER ({alike})), 1) AS twins")
        .drop("name")
    )


def booking_days(transactions: DataFrame, securities: DataFrame | None) -> DataFrame:
    """Per account and date of its bookings: wrong_amount (the largest whose sign is against its type, as an absolute
    amount), wrong_type, unknown (bookings in securities that nobody has described), unknown_id (one of them).

    transactions: rows of silver that count. securities: see `known_securities`, None where nobody asks.
    """
    rows = transactions.where("status <> 'cancel'").withColumnRenamed("performance_date", "as_of_date")
    against = (F.col("type").isin(INWARD) & (F.col("amount") < 0)) | (
        F.col("type").isin(OUTWARD) & (F.col("amount") > 0)
    )
    wrong = F.when(against, F.abs("amount"))
    return (
        _with_unknown(rows, securities)
        .withColumn("wrong", wrong)
        .groupBy(*DAY)
        .agg(
            F.max("wrong").alias("wrong_amount"),
            F.max_by(F.when(F.col("wrong").isNotNull(), F.col("type")), "wrong").alias("wrong_type"),
            F.count("unknown").alias("unknown"),
            F.min("unknown").alias("unknown_id"),
        )
    )


def position_days(
    positions: DataFrame, securities: DataFrame | None, stale: DataFrame | None, held: DataFrame | None = None
) -> DataFrame:
    """Per account and date of its positions: unknown and unknown_id as in `booking_days`, and stale_days (business days
    for which the oldest price has not changed, cash apart), stale_id (whose price that is).

    positions: rows of silver that count. stale: tenant_id, vendor, security_id, as_of_date, days, is_open (see
    `stale.unchanged`), None where nobody asks. held: tenant_id, account_id of those held for an old price.
    """
    rows = _with_unknown(positions, securities)
    if stale is None:
        rows = rows.withColumn("days", F.lit(None).cast("int"))
    else:
        rows = days_that_count(rows.join(stale, ["tenant_id", "vendor", "security_id", "as_of_date"], "left"), held)
        rows = rows.withColumn("days", F.when(~F.col("security_id").rlike(CASH_SECURITY), F.col("days")))
    return rows.groupBy(*DAY).agg(
        F.count("unknown").alias("unknown"),
        F.min("unknown").alias("unknown_id"),
        F.max("days").alias("stale_days"),
        F.max_by("security_id", "days").alias("stale_id"),
    )


def days_that_count(rows: DataFrame, held: DataFrame | None) -> DataFrame:
    """`rows` (tenant_id, account_id, days, is_open) without is_open, and with days NULL where the market was closed: it
    says nothing against an account, and nothing for one that is `held` (tenant_id, account_id; None: none is) for what
    stood still before: of that all days count."""
    counts = F.col("is_open")
    if held is not None:
        rows = rows.join(F.broadcast(held.withColumn("_held", F.lit(True))), ACCOUNT, "left")
        counts |= F.coalesce("_held", F.lit(False))
    return rows.withColumn("days", F.when(counts, F.col("days"))).drop("is_open", "_held")


def known_securities(securities: DataFrame) -> DataFrame:
    """tenant_id, vendor, security_id of what each vendor has described, and a row with security_id NULL for the vendor
    itself: of one that describes nothing no security is unknown."""
    source = ["tenant_id", "vendor"]
    described = securities.select(*source, "security_id").distinct()
    return described.unionByName(described.select(*source).distinct(), allowMissingColumns=True)


def _with_unknown(rows: DataFrame, securities: DataFrame | None) -> DataFrame:
    """`rows` with unknown: their security, where the vendor describes securities but not this one, which is no cash."""
    if securities is None:
        return rows.withColumn("unknown", F.lit(None).cast("string"))
    by_vendor = securities.where("security_id IS NULL").selectExpr("tenant_id", "vendor", "true AS describes")
    known = securities.where("security_id IS NOT NULL").selectExpr("*", "true AS is_known")
    joined = rows.join(F.broadcast(by_vendor), ["tenant_id", "vendor"], "left").join(
        known, ["tenant_id", "vendor", "security_id"], "left"
    )
    is_unknown = F.col("describes") & F.col("is_known").isNull() & ~F.col("security_id").rlike(CASH_SECURITY)
    return joined.withColumn("unknown", F.when(is_unknown, F.col("security_id"))).drop("describes", "is_known")
