"""Which transactions move capital or are fees, when they count, and what they are worth (specification, section 1)."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.calculate.money import times
from jobs.calculate.policies import Policies, source_rank_sql

START, MID, END = 2, 1, 0  # what the timing adds to the numerator k of the weight k / 2D

# The amount; of a transfer in kind without one quantity x price, signed by its type.
WORTH = f"abs({times('quantity', 'price')})"
AMOUNT = f"""
    CASE WHEN type = 'TRANSFER_IN' AND amount = 0 AND quantity <> 0 THEN {WORTH}
         WHEN type = 'TRANSFER_OUT' AND amount = 0 AND quantity <> 0 THEN -{WORTH}
         ELSE amount END"""
BETWEEN_ACCOUNTS = "'JOURNAL', 'TRANSFER_IN', 'TRANSFER_OUT'"
TIMING = f"CASE flow_timing WHEN 'start' THEN {START} WHEN 'mid' THEN {MID} WHEN 'end' THEN {END} END"


def flows_and_fees(transactions: DataFrame, policies: Policies) -> DataFrame:
    """The external flows and fees among current rows of silver.transaction, one row each.

    Columns: tenant_id, account_id, event_date (performance_date), is_fee, amount (in `currency`; NULL for a transfer
    in kind that nobody has priced, never 0), currency (NULL: the account's), timing (START, MID, END or NULL),
    feed_flow_timing, source_rank, counterparty_account_id (of a journal or transfer).
    Cancelled transactions and amounts of 0 move nothing and are left out.
    """
    counted = transactions.where(
        "type IN ('DEPOSIT', 'WITHDRAWAL', 'TRANSFER_IN', 'TRANSFER_OUT', 'JOURNAL', 'FEE') AND status <> 'cancel'"
    )
    return counted.selectExpr(
        "tenant_id",
        "account_id",
        "performance_date AS event_date",
        "type = 'FEE' AS is_fee",
        f"{AMOUNT} AS amount",
        "currency",
        f"{TIMING} AS timing",
        "feed_flow_timing",
        f"{source_rank_sql(policies)} AS source_rank",
        f"IF(type IN ({BETWEEN_ACCOUNTS}), counterparty_account_id, NULL) AS counterparty_account_id",
    ).where("amount IS NULL OR amount <> 0")


def weight_extra(amount: str, timing: str, policy: str) -> str:
    """What the timing adds to the weight's numerator: 2 at start of day, 1 at mid day, 0 at end of day.

    The transaction's own `timing` wins, else the policy decides (by the sign of the amount where it is
    inflow_start_outflow_end).
    """
    return (
        f"coalesce({timing}, CASE {policy} WHEN 'start_of_day' THEN {START} WHEN 'mid_day' THEN {MID}"
        f" WHEN 'end_of_day' THEN {END} ELSE IF({amount} > 0, {START}, {END}) END)"
    )
