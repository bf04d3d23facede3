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
OF_RULE = [*ACCOUNT, "rule"]
CHECK, RECONCILE = "check", "reconcile"  # the steps that hold accounts: for what came in, and for what came out
RELEASE = T.StructType([T.StructField(name, T.StringType()) for name in (*ACCOUNT, "by_person")])


def latest_findings(rows: DataFrame) -> DataFrame:
    """Of gold.held_account what counts now: per account, date and rule the latest run's row, of one run that of its
    later step."""
    latest = Window.partitionBy(*FINDING).orderBy(F.desc("run_no"), F.desc("step"))
    return rows.withColumn("_place", F.row_number().over(latest)).where("_place = 1").drop("_place")


def present_holds(rows: DataFrame) -> DataFrame:
    """Of gold.held_account the findings that are held now."""
    return latest_findings(rows).where("state = 'held'")


def let_through(held: DataFrame, found: DataFrame, judged: DataFrame, releases: Sequence[Release]) -> DataFrame:
    """The held findings that hold no longer: columns of FINDING, reason, severity, state (`released`).

    held: as `present_holds` gives them. found: what the rules found in this run, in which all values of the `judged`
    accounts (tenant_id, account_id) since their last published row were looked at again. A finding of the gate whose
    rule finds nothing more in a judged account, on no date, was corrected or explained by a later file: a value that
    stands still does so on a later date each night. A release by a person lets all of an account through, also what
    `reconcile` holds.
    """
    words = [(one.tenant_id, one.account_id, one.in_words) for one in releases]
    by_person = local_rows(held.sparkSession, words, RELEASE)
    again = found.select(*OF_RULE).distinct().withColumn("again", F.lit(True))
    looked_at = judged.select(*ACCOUNT).distinct().withColumn("is_judged", F.lit(True))
    is_own = F.coalesce("step", F.lit(CHECK)) == CHECK
    return (
        held.join(F.broadcast(by_person), ACCOUNT, "left")
        .join(looked_at, ACCOUNT, "left")
        .join(again, OF_RULE, "left")
        .where(F.col("by_person").isNotNull() | (is_own & F.col("is_judged") & F.col("again").isNull()))
        .select(
            *FINDING,
            F.coalesce("by_person", F.lit("a later file corrects or explains it")).alias("reason"),
            "severity",
            F.lit("released").alias("state"),
        )
    )


def flagged_where_published(found: DataFrame, state: DataFrame) -> DataFrame:
    """`found` (FINDING, reason, severity, state) where what is about a published date does not hold its account: it is
    flagged. What is out cannot be held back, and its rows would go with it; the classes of restatements say whether
    another figure takes its place. state: tenant_id, account_id, as_of_date of each account's last published row."""
    published = state.select(*ACCOUNT, F.col("as_of_date").alias("_published"))
    is_out = F.coalesce(F.col("as_of_date") <= F.col("_published"), F.lit(False))
    mild = {"severity": "warn", "state": "flagged"}
    kept = {name: F.when(is_out, F.lit(word)).otherwise(F.col(name)) for name, word in mild.items()}
    return found.join(published, ACCOUNT, "left").withColumns(kept).drop("_published")


def still_caught(found: DataFrame, let_through: DataFrame) -> DataFrame:
    """What the rules found, without what is let through."""
    return found.join(let_through.select(*FINDING), FINDING, "left_anti")


def one_each(found: DataFrame) -> DataFrame:
    """One row per account, date and rule, of which two vendors or two tables may say the same: one that is held before
    one that is flagged."""
    worst = F.max(F.struct(F.col("state") == "held", "severity", "reason", "state")).alias("worst")
    return found.groupBy(*FINDING).agg(worst).select(*FINDING, "worst.reason", "worst.severity", "worst.state")
