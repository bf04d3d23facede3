"""Which transactions move capital or are fees, when they count, and what they are worth (specification, section 1)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.money import times
from jobs.calculate.policies import Policies, source_rank

FLOW_TYPES = ["DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"]
FEE = "FEE"

START, MID, END = 2, 1, 0  # what the timing adds to the numerator k of the weight k / 2D
TRANSACTION_TIMING = {"start": START, "mid": MID, "end": END}


def flows_and_fees(transactions: DataFrame, policies: Policies) -> DataFrame:
    """The external flows and fees among current rows of silver.transaction, one row each.

    Columns: tenant_id, account_id, event_date (performance_date), is_fee, amount (in `currency`; NULL for a transfer
    in kind that nobody has priced, never 0), currency (NULL: the account's), timing (START, MID, END or NULL),
    feed_flow_timing, source_rank. Cancelled transactions and amounts of 0 move nothing and are left out.
    """
    amount = _amount()
    counted = transactions.where(F.col("type").isin([*FLOW_TYPES, FEE]) & (F.col("status") != "cancel"))
    return counted.select(
        "tenant_id",
        "account_id",
        F.col("performance_date").alias("event_date"),
        (F.col("type") == FEE).alias("is_fee"),
        amount.alias("amount"),
        "currency",
        _timing().alias("timing"),
        "feed_flow_timing",
        source_rank(policies).alias("source_rank"),
    ).where("amount IS NULL OR amount <> 0")


def weight_extra(amount: Column, timing: Column, policy: Column) -> Column:
    """What the timing adds to the weight's numerator: 2 at start of day, 1 at mid day, 0 at end of day.

    The transaction's own `timing` wins, else the policy decides (by the sign of the amount where it is
    inflow_start_outflow_end).
    """
    of_policy = (
        F.when(policy == "start_of_day", F.lit(START))
        .when(policy == "mid_day", F.lit(MID))
        .when(policy == "end_of_day", F.lit(END))
        .otherwise(F.when(amount > 0, F.lit(START)).otherwise(F.lit(END)))
    )
    return F.coalesce(timing, of_policy)


def _amount() -> Column:
    """The amount; of a transfer in kind without one quantity x price, signed by its type."""
    worth = F.abs(times(F.col("quantity"), F.col("price")))
    in_kind = (
        F.col("type").isin("TRANSFER_IN", "TRANSFER_OUT")
        & (F.col("amount") == 0)
        & (F.coalesce("quantity", F.lit(0)) != 0)
    )
    signed = F.when(F.col("type") == "TRANSFER_OUT", -worth).otherwise(worth)
    return F.when(in_kind, signed).otherwise(F.col("amount"))


def _timing() -> Column:
    chosen = F.lit(None).cast("int")
    for word, extra in TRANSACTION_TIMING.items():
        chosen = F.when(F.col("flow_timing") == word, F.lit(extra)).otherwise(chosen)
    return chosen
