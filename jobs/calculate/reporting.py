"""Which foreign accounts' rows in the reporting currency are due (specification, section 8)."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.due import is_fresh
from jobs.calculate.membership import ACCOUNT
from jobs.calculate.night import Night


def late_rates(night: Night) -> DataFrame | None:
    """tenant_id, from_date: since when rates are others than those that were used; None where no run brought any."""
    if not night.has_history or not night.wrote_since("fx_rate"):
        return None
    late = night.silver.every("fx_rate").where(is_fresh(night.progress) & night.is_published("as_of_date"))
    return late.groupBy("tenant_id").agg(F.min("as_of_date").alias("from_date"))


def affected_foreign(
    affected: DataFrame, foreign: DataFrame, late: DataFrame | None, known: DataFrame, converted: DataFrame
) -> DataFrame:
    """tenant_id, account_id, from_date, has_input of the foreign accounts whose rows in the reporting currency are due.

    `affected`: what is due in the accounts' own currencies, as `due.affected_accounts` gives it; `foreign`: tenant_id,
    account_id; `late` as `late_rates` gives it; `known`: gold.account_state, `converted`: gold.account_reporting_state.
    An account that has become foreign is due from its first day on.
    """
    parts = [affected.join(foreign, ACCOUNT, "left_semi").select(*ACCOUNT, "from_date", "has_input")]
    of_published = known.join(foreign, ACCOUNT, "left_semi").select(*ACCOUNT)
    anew = of_published.join(converted, ACCOUNT, "left_anti")
    parts.append(anew.selectExpr(*ACCOUNT, "DATE '1900-01-01' AS from_date", "true AS has_input"))
    if late is not None:
        revalued = of_published.join(F.broadcast(late), "tenant_id")
        parts.append(revalued.selectExpr(*ACCOUNT, "from_date", "true AS has_input"))
    every = reduce(DataFrame.unionByName, parts)
    return every.groupBy(*ACCOUNT).agg(F.min("from_date").alias("from_date"), F.bool_or("has_input").alias("has_input"))
