"""The state of a chain: what the next night builds on, brought in step with what is published."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.epochs import ACCOUNT, current_rows
from jobs.calculate.state import next_state


def publishable(
    rows: DataFrame, held: DataFrame | None, epochs: DataFrame | None, owner: Sequence[str] = ACCOUNT
) -> DataFrame:
    """Daily rows without those of held accounts from held_from on, and without those that a later epoch supersedes."""
    if held is not None:
        is_held = "r.tenant_id = h.tenant_id AND r.account_id = h.account_id AND r.as_of_date >= h.held_from"
        rows = rows.alias("r").join(F.broadcast(held).alias("h"), F.expr(is_held), "left_anti")
    return rows if epochs is None else current_rows(rows, epochs, owner)


def after_restatements(
    state: DataFrame, published: DataFrame, gold: DataFrame, epochs: DataFrame, owner: Sequence[str] = ACCOUNT
) -> DataFrame:
    """`next_state` for a publication that opens epochs.

    Where an owner's last row is no more and nothing has taken its place, the state goes back to the row before it.
    `gold` are all publishable rows; they are read only if there is such an owner.
    """
    by = list(owner)
    valid = current_rows(state, epochs, owner)
    lost = state.select(*by).join(valid, by, "left_anti").join(published, by, "left_anti")
    if lost.isEmpty():
        return next_state(state, published, owner)
    return next_state(valid, published.unionByName(gold.join(lost, by, "left_semi")), owner)
