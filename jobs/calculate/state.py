"""The state that the next night goes on from: one row per account, rewritten whole."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ACCOUNT = ["tenant_id", "account_id"]


def next_state(state: DataFrame, published: DataFrame, owner: Sequence[str] = ACCOUNT) -> DataFrame:
    """gold.account_state after `published` rows of gold.account_performance_daily have become visible; with another
    `owner` that of groups, which have the columns of their own daily rows.

    Per account the last row that is in the chain or excluded, of the latest epoch; a row without exchange rate
    (`no_fx`) is never the state: the next row with one covers its time. A restatement that ends before the old
    state's date replaces it all the same.
    """
    names = state.columns
    candidates = state.select(*names, F.lit(False).alias("_is_new")).unionByName(
        published.where("status <> 'no_fx'").select(*names, F.lit(True).alias("_is_new"))
    )
    row = F.struct(*[name for name in names if name not in owner])
    last = candidates.groupBy(*owner).agg(F.max_by(row, F.struct("epoch", "as_of_date", "_is_new")).alias("row"))
    return last.select(*[f"row.{name}" if name not in owner else name for name in names])
