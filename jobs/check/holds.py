"""Which held accounts are let through: by a later file that corrects or explains the value, or by a person."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from jobs.check.releases import Release
from jobs.platform.local_rows import local_rows

ACCOUNT = ["tenant_id", "account_id"]
FINDING = [*ACCOUNT, "as_of_date", "rule"]
CHECK, RECONCILE = "check", "reconcile"  # the steps that hold accounts: for what came in, and for what came out
RELEASE = T.StructType([T.StructField(name, T.StringType()) for name in (*ACCOUNT, "by_person")])


def present_holds(rows: DataFrame) -> DataFrame:
    """Of gold.held_account the findings that are held now: per account, date and rule the latest run's row counts, of
    one run that of its later step."""
    latest = Window.partitionBy(*FINDING).orderBy(F.desc("run_no"), F.desc("step"))
    return rows.withColumn("_place", F.row_number().over(latest)).where("_place = 1 AND state = 'held'").drop("_place")


def let_through(held: DataFrame, found: DataFrame, judged: DataFrame, releases: Sequence[Release]) -> DataFrame:
    """The held findings that hold no longer: columns of FINDING, reason, severity, state (`released`).

    held: as `present_holds` gives them. found: what the rules found in this run, in which all values of the `judged`
    accounts (tenant_id, account_id) since their last published row were looked at again. A finding of the gate that is
    not found again in a judged account was corrected or explained by a later file; a release by a person lets all of an
    account through, also what `reconcile` holds.
    """
    words = [(one.tenant_id, one.account_id, one.in_words) for one in releases]
    by_person = local_rows(held.sparkSession, words, RELEASE)
    again = found.select(*FINDING, F.lit(True).alias("again"))
    looked_at = judged.select(*ACCOUNT).distinct().withColumn("is_judged", F.lit(True))
    is_own = F.coalesce("step", F.lit(CHECK)) == CHECK
    return (
        held.join(F.broadcast(by_person), ACCOUNT, "left")
        .join(looked_at, ACCOUNT, "left")
        .join(again, FINDING, "left")
        .where(F.col("by_person").isNotNull() | (is_own & F.col("is_judged") & F.col("again").isNull()))
        .select(
            *FINDING,
            F.coalesce("by_person", F.lit("a later file corrects or explains it")).alias("reason"),
            "severity",
            F.lit("released").alias("state"),
        )
    )


def still_caught(found: DataFrame, let_through: DataFrame) -> DataFrame:
    """What the rules found, without what is let through."""
    return found.join(let_through.select(*FINDING), FINDING, "left_anti")


def one_each(found: DataFrame) -> DataFrame:
    """One row per account, date and rule, of which two vendors or two tables may say the same: one that is held before
    one that is flagged."""
    worst = F.max(F.struct(F.col("state") == "held", "severity", "reason", "state")).alias("worst")
    return found.groupBy(*FINDING).agg(worst).select(*FINDING, "worst.reason", "worst.severity", "worst.state")
