"""The small marts that travel with the night: account master, breaks, quarantine, holds, quality, restatements."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.policies import Policies, source_rank


@dataclass(frozen=True)
class Small:
    """A table of the lake that is published by upsert: of its rows per key the latest run's counts, or what is the
    newest by other columns."""

    source: str
    table: str
    key: list[str]
    newest_by: tuple[str, ...] = ("run_no",)

    @property
    def further(self) -> dict[str, str]:
        """Columns that say what is the newest and are not published, with their types."""
        return {name: kind for name, kind in {"run_no": "bigint", "step": "text"}.items() if name in self.newest_by}


SMALL = [
    Small("reconciliation_break", "marts.reconciliation_break", ["tenant_id", "break_id"]),
    Small("held_account", "marts.held_account", ["tenant_id", "account_id", "as_of_date", "rule"], ("run_no", "step")),
    Small(
        "data_quality_result",
        "marts.data_quality_result",
        ["tenant_id", "vendor", "feed", "table_name", "rule", "column_name", "run_no"],
    ),
    Small("account_proposal", "marts.account_proposal", ["tenant_id", "proposal_id"]),
    Small(
        "account",
        "history.account_version",
        ["tenant_id", "account_id", "vendor", "effective_from", "arrival_no", "line_no", "record_no"],
    ),
    Small("uncompared_day", "marts.uncompared_day", ["tenant_id", "account_id", "as_of_date"]),
    Small("restatement", "marts.restatement", ["tenant_id", "restatement_id"]),
    Small("quarantine", "marts.quarantined_row", ["tenant_id", "file_id", "line_no", "record_no", "target"]),
]
ACCOUNT = Small("account", "marts.account", ["tenant_id", "account_id"], ("effective_from",))


def account_master(accounts: DataFrame, as_of: Column, policies: Policies) -> DataFrame:
    """One row per account: its attributes on `as_of`, of the vendor that the tenant puts first, as in calculate.

    `accounts` are current rows of silver.account (several per account, by vendor and effective_from). An account that
    begins later counts as it will be.
    """
    begun = F.col("effective_from") <= as_of
    # Of one vendor: the latest that has begun; where none has, the first to come.
    days_off = F.abs(F.datediff(F.col("effective_from"), as_of))
    best_first = Window.partitionBy("tenant_id", "account_id").orderBy(source_rank(policies), F.desc(begun), days_off)
    return (
        accounts.withColumn("_place", F.row_number().over(best_first))
        .where("_place = 1")
        .drop("_place")
        .withColumnRenamed("vendor", "source_vendor")
    )
