"""Which held accounts are let through: by a later file that corrects or explains the value, or by a person."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from jobs.check.account_rules import EXPECTED
from jobs.check.releases import BY_PERSON, Release
from jobs.check.tolerances import Tolerances
from jobs.platform.local_rows import local_rows

ACCOUNT = ["tenant_id", "account_id"]
FINDING = [*ACCOUNT, "as_of_date", "rule"]
OF_RULE = [*ACCOUNT, "rule"]
CHECK, RECONCILE = "check", "reconcile"  # the steps that hold accounts: for what came in, and for what came out
RELEASE = T.StructType(
    [T.StructField(name, T.StringType()) for name in (*ACCOUNT, "by_person")]
    + [T.StructField("seen_run_no", T.LongType())]
)


def latest_findings(rows: DataFrame) -> DataFrame:
    """Of gold.held_account what counts now: per account, date and rule the latest run's row, of one run that of its
    later step."""
    latest = Window.partitionBy(*FINDING).orderBy(F.desc("run_no"), F.desc("step"))
    return rows.withColumn("_place", F.row_number().over(latest)).where("_place = 1").drop("_place")


def present_holds(rows: DataFrame) -> DataFrame:
    """Of gold.held_account the findings that are held now."""
    return latest_findings(rows).where("state = 'held'")


def released_as_seen(rows: DataFrame, releases: Sequence[Release]) -> DataFrame:
    """FINDING, by_person, seen: what persons have let through, and in what words it was held when they did, as far as
    that was published: what a run under way, or one that died, had found by then nobody has seen.

    rows: of gold.held_account what was written before.
    """
    words = [(one.tenant_id, one.account_id, one.in_words, one.seen_run_no) for one in releases]
    by_person = F.broadcast(local_rows(rows.sparkSession, words, RELEASE))
    was_published = F.coalesce(F.col("run_no") <= F.col("seen_run_no"), F.lit(True))
    known = rows.where("state = 'held'").join(by_person, ACCOUNT).where(was_published)
    seen = F.max_by(_words("reason"), F.struct("run_no", "step")).alias("seen")
    return known.groupBy(*FINDING, "by_person").agg(seen)


def let_through(
    held: DataFrame, found: DataFrame, judged: DataFrame, released: DataFrame, tolerances: Tolerances
) -> DataFrame:
    """The held findings that hold no longer: columns of FINDING, reason, severity, state (`released`).

    held: as `present_holds` gives them. found: what the rules found in this run, in which all values of the `judged`
    accounts (tenant_id, account_id) since their last published row were looked at again. A finding of the gate whose
    rule finds nothing more in a judged account, on no date, was corrected or explained by a later file, or its rule is
    among the `tolerances` no more: a value that stands still does so on a later date each night. A release by a person
    (`released_as_seen`) lets all of an account through, also what `reconcile` holds, but for what is in other words
    now: nobody has seen the value that came meanwhile.
    """
    again = found.select(*OF_RULE).distinct().withColumn("again", F.lit(True))
    now = found.select(*FINDING, _words("reason").alias("now"))
    as_seen = (F.col("seen") == _words("reason")) & F.coalesce(F.col("now") == F.col("seen"), F.lit(True))
    looked_at = judged.select(*ACCOUNT).distinct().withColumn("is_judged", F.lit(True))
    is_own = F.coalesce("step", F.lit(CHECK)) == CHECK
    why = F.when(_in_force(tolerances), "a later file corrects or explains it").otherwise(
        "its rule is not in force now"
    )
    return (
        held.join(released, FINDING, "left")
        .join(looked_at, ACCOUNT, "left")
        .join(again, OF_RULE, "left")
        .join(now, FINDING, "left")
        .where(as_seen | (is_own & F.col("is_judged") & F.col("again").isNull()))
        .select(
            *FINDING,
            F.coalesce(F.when(as_seen, F.col("by_person")), why).alias("reason"),
            "severity",
            F.lit("released").alias("state"),
        )
    )


def _in_force(tolerances: Tolerances) -> F.Column:
    """Whether a finding's rule is among the tolerances of its tenant and date, for whatever vendor, feed and class."""
    says = F.lit(False)
    for rule in tolerances.rules:
        meant = F.col("rule") == rule.name
        if rule.tenant is not None:
            meant &= F.col("tenant_id") == rule.tenant
        if rule.valid_from is not None:
            meant &= F.col("as_of_date") >= F.lit(rule.valid_from)
        if rule.valid_to is not None:
            meant &= F.col("as_of_date") <= F.lit(rule.valid_to)
        says |= meant
    return says


def flagged_where_published(found: DataFrame, state: DataFrame) -> DataFrame:
    """`found` (FINDING, reason, severity, state) where what is about a published date does not hold its account: it is
    flagged. What is out cannot be held back, and its rows would go with it; the classes of restatements say whether
    another figure takes its place. state: tenant_id, account_id, as_of_date of each account's last published row."""
    published = state.select(*ACCOUNT, F.col("as_of_date").alias("_published"))
    is_out = F.coalesce(F.col("as_of_date") <= F.col("_published"), F.lit(False))
    mild = {"severity": "warn", "state": "flagged"}
    kept = {name: F.when(is_out, F.lit(word)).otherwise(F.col(name)) for name, word in mild.items()}
    return found.join(published, ACCOUNT, "left").withColumns(kept).drop("_published")


def not_let_through_before(found: DataFrame, rows: DataFrame) -> DataFrame:
    """`found` (FINDING, reason, ...) without what a person has let through: the same finding again, of a value that is
    not another since the words for it are not (but for the limit that was expected).

    rows: of gold.held_account what was written before.
    """
    order = F.struct("run_no", "step")
    known = rows.groupBy(*FINDING).agg(
        F.max_by(F.struct("state", "reason"), order).alias("_now"),
        F.max_by(F.when(F.col("state") == "held", _words("reason")), F.when(F.col("state") == "held", order)).alias(
            "_seen"
        ),
    )
    by_person = (F.col("_now.state") == "released") & F.col("_now.reason").startswith(BY_PERSON)
    seen = known.where(by_person).select(*FINDING, "_seen")
    again = F.coalesce(F.col("_seen") == _words("reason"), F.lit(False))
    return found.join(seen, FINDING, "left").where(~again).drop("_seen")


def _words(reason: str) -> F.Column:
    """What was found, without what was expected."""
    return F.substring_index(reason, EXPECTED, 1)


def still_caught(found: DataFrame, let_through: DataFrame) -> DataFrame:
    """What the rules found, without what is let through."""
    return found.join(let_through.select(*FINDING), FINDING, "left_anti")


def one_each(found: DataFrame) -> DataFrame:
    """One row per account, date and rule, of which two vendors or two tables may say the same: one that is held before
    one that is flagged."""
    worst = F.max(F.struct(F.col("state") == "held", "severity", "reason", "state")).alias("worst")
    return found.groupBy(*FINDING).agg(worst).select(*FINDING, "worst.reason", "worst.severity", "worst.state")


def accounts_by_state(rows: DataFrame) -> dict[str, int]:
    """How many accounts have a finding in each state."""
    counted = rows.groupBy("state").agg(F.count_distinct(*ACCOUNT).alias("accounts")).collect()
    return {row["state"]: row["accounts"] for row in counted}
