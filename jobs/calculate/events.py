"""All that happens to an account in one sorted frame: what the file says of it, flows, valuations, the opening row.

One exchange and one sort by account serve every later step.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from jobs.calculate.flows import flows_and_fees, weight_extra
from jobs.calculate.policies import Policies, per_tenant, source_rank
from jobs.platform.schemas import table

# Kinds of events, in the order in which they count within a day.
ATTRIBUTES, FLOW, FEE, VALUATION, OPENING = range(5)
ACCOUNT = ["tenant_id", "account_id"]
STATE_COLUMNS = [
    "as_of_date", "currency", "status", "cumulative_net_flow", "cumulative_fees", "tracks", "inception_date",
    "chain_net", "chain_gross", "wiped_out_on", "wiped_out_gross_on",
    "mtd_base_net", "qtd_base_net", "ytd_base_net", "mtd_base_gross", "qtd_base_gross", "ytd_base_gross",
]  # fmt: skip


def by_account() -> WindowSpec:
    """An account's events in order; every window of the calculation has this partition and order."""
    return Window.partitionBy(*ACCOUNT).orderBy("event_date", "kind", "source_rank")


def so_far() -> WindowSpec:
    return by_account().rowsBetween(Window.unboundedPreceding, Window.currentRow)


def before() -> WindowSpec:
    return by_account().rowsBetween(Window.unboundedPreceding, -1)


def whole() -> WindowSpec:
    return by_account().rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)


def account_events(
    opening: DataFrame | None, valuations: DataFrame, transactions: DataFrame, accounts: DataFrame, policies: Policies
) -> DataFrame:
    """Events after each account's opening row, that row included, sorted by account; one valuation a day.

    Columns: tenant_id, account_id, event_date, kind, source_rank, amount (in `currency`: the value, flow or fee),
    currency, base_currency, in_performance, weight_extra (of a flow: see `flows.weight_extra`), state (of the opening
    row: STATE_COLUMNS). Of two vendors' valuations of a day, and of the vendors that deliver an account's transactions
    or attributes, the one that the tenant's source_priority puts first counts. An account's attributes hold from
    their effective_from; its first ones hold before that too, except that it counts as in performance then.
    """
    parts = [_valuations(valuations, policies), _flows(transactions, policies), _attributes(accounts, policies)]
    if opening is not None:
        parts.append(_opening(opening))
    events = parts[0]
    for part in parts[1:]:
        events = events.unionByName(part, allowMissingColumns=True)

    kind = F.col("kind")
    is_booking = kind.isin(FLOW, FEE)
    known = events.withColumns(
        {
            "_now": F.last("attributes", ignorenulls=True).over(so_far()),
            "_first": F.first("attributes", ignorenulls=True).over(whole()),
            "_opened": F.max(F.when(kind == OPENING, F.col("event_date"))).over(whole()),
            "_booking_rank": F.min(F.when(is_booking, F.col("source_rank"))).over(whole()),
            "_last_date": F.lag("event_date").over(by_account()),
            "_last_kind": F.lag("kind").over(by_account()),
        }
    )
    after_opening = F.col("_opened").isNull() | (F.col("event_date") > F.col("_opened")) | (kind == OPENING)
    second_source = (
        (kind == VALUATION) & (F.col("_last_kind") == VALUATION) & (F.col("_last_date") == F.col("event_date"))
    )
    other_source = is_booking & (F.col("source_rank") != F.col("_booking_rank"))
    counted = known.where(
        (kind != ATTRIBUTES) & after_opening & ~F.coalesce(second_source, F.lit(False)) & ~other_source
    )
    base = F.coalesce("_now.base_currency", "_first.base_currency", per_tenant(policies, "reporting_currency"))
    policy = F.coalesce(
        "_now.flow_timing", "_first.flow_timing", "feed_flow_timing", per_tenant(policies, "flow_timing")
    )
    return counted.select(
        *ACCOUNT,
        "event_date",
        "kind",
        "source_rank",
        "amount",
        F.coalesce("currency", base).alias("currency"),
        base.alias("base_currency"),
        F.coalesce("_now.in_performance", F.lit(True)).alias("in_performance"),
        F.when(kind == FLOW, weight_extra(F.col("amount"), F.col("timing"), policy)).alias("weight_extra"),
        "state",
    )


def _valuations(valuations: DataFrame, policies: Policies) -> DataFrame:
    return valuations.select(
        *ACCOUNT,
        F.col("as_of_date").alias("event_date"),
        F.lit(VALUATION).alias("kind"),
        source_rank(policies).alias("source_rank"),
        F.col("market_value").alias("amount"),
        "currency",
        F.lit(None).cast("int").alias("timing"),
        F.lit(None).cast("string").alias("feed_flow_timing"),
        F.lit(None).cast(_attribute_type()).alias("attributes"),
        F.lit(None).cast(_state_type()).alias("state"),
    )


def _flows(transactions: DataFrame, policies: Policies) -> DataFrame:
    return flows_and_fees(transactions, policies).select(
        *ACCOUNT,
        "event_date",
        F.when(F.col("is_fee"), F.lit(FEE)).otherwise(F.lit(FLOW)).alias("kind"),
        "source_rank",
        "amount",
        "currency",
        "timing",
        "feed_flow_timing",
    )


def _attributes(accounts: DataFrame, policies: Policies) -> DataFrame:
    """One event per version of an account, of the vendor that the tenant puts first."""
    ranked = accounts.withColumn("source_rank", source_rank(policies))
    best = F.min("source_rank").over(Window.partitionBy(*ACCOUNT))
    return (
        ranked.withColumn("_best", best)
        .where("source_rank = _best")
        .select(
            *ACCOUNT,
            F.col("effective_from").alias("event_date"),
            F.lit(ATTRIBUTES).alias("kind"),
            "source_rank",
            F.struct("base_currency", "flow_timing", "in_performance").alias("attributes"),
        )
    )


def _opening(opening: DataFrame) -> DataFrame:
    return opening.select(
        *ACCOUNT,
        F.col("as_of_date").alias("event_date"),
        F.lit(OPENING).alias("kind"),
        F.lit("").alias("source_rank"),
        F.col("end_market_value").alias("amount"),
        "currency",
        F.struct(*STATE_COLUMNS).alias("state"),
    )


def _attribute_type() -> str:
    return "struct<base_currency:string,flow_timing:string,in_performance:boolean>"


def _state_type() -> str:
    columns = [table("account_state").struct[name] for name in STATE_COLUMNS]
    return f"struct<{','.join(f'{c.name}:{c.dataType.simpleString()}' for c in columns)}>"
