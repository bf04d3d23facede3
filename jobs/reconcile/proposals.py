"""What becomes of a proposal about an account number: seen again, decided by a person, taken back by a later file."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from jobs.check.classes import classified
from jobs.check.tolerances import Tolerances
from jobs.check.verdict import VERDICT, verdict
from jobs.platform.account_decisions import Decision
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import MONEY, table
from jobs.reconcile.renumbering import NUMBER

PROPOSALS = "account_proposal"
RENUMBERED, NEW = "renumbered", "new"
NAMES = [name for name in table(PROPOSALS).names if name not in {"run_id", "run_no"}]
SAID = T.StructType([
    T.StructField("tenant_id", T.StringType()),
    T.StructField("proposal_id", T.StringType()),
    T.StructField("_state", T.StringType()),
    T.StructField("_account", T.StringType()),
    T.StructField("_by", T.StringType()),
    T.StructField("_why", T.StringType()),
    T.StructField("_since", T.DateType()),
])  # fmt: skip
DECIDED = T.StructType([T.StructField(name, T.StringType()) for name in (*NUMBER, "account_id")])


def latest_proposals(rows: DataFrame) -> DataFrame:
    """Per proposal the row of the latest run: the one that counts."""
    by_run = Window.partitionBy("tenant_id", "proposal_id").orderBy(F.desc("run_no"))
    return rows.withColumn("_place", F.row_number().over(by_run)).where("_place = 1").drop("_place")


def open_proposals(
    numbers: DataFrame, found: DataFrame, before: DataFrame, tolerances: Tolerances, *, business_date: date
) -> DataFrame:
    """Proposals of tonight, with `feed` and `verdict`: what was found where it is sure enough by the tolerances, and
    `new` for other numbers whose rows wait.

    numbers: as for `renumbering.proposed`, with feed and waiting (rows; none: the number is an account of ours). found:
    as that gives it. before: the proposals that count, of earlier runs.
    """
    facts = numbers.select(*NUMBER, "feed", "waiting", "from_date", "value", F.col("currency").alias("_currency"))
    beside = facts.join(found.drop("number"), NUMBER, "left")
    beside = classified(beside, tolerances, "account_renumbered", "account_new")
    sure = verdict(
        tolerances, "account_renumbered", {"fraction": F.col("confidence")}, table="valuation", on=F.col("from_date")
    )
    waits = verdict(tolerances, "account_new", {"rows": F.col("waiting")}, table="valuation", on=F.col("from_date"))
    rows = beside.withColumn("_sure", F.when(F.col("account_id").isNotNull(), sure)).withColumns({
        "kind": F.when(F.col("_sure").isNotNull(), RENUMBERED).otherwise(NEW),
        "verdict": F.coalesce("_sure", F.when(F.col("waiting") > 0, waits)),
    }).where("verdict IS NOT NULL")  # fmt: skip
    is_renumbered = F.col("kind") == RENUMBERED
    waiting = F.concat(F.col("waiting").cast("string"), F.lit(" rows wait; no account of ours resembles it"))
    told = rows.select(
        "tenant_id",
        _proposal_id(F.when(is_renumbered, F.col("account_id"))).alias("proposal_id"),
        "kind",
        F.col("vendor").alias("source_vendor"),
        "account_number",
        F.when(is_renumbered, F.col("account_id")).alias("account_id"),
        F.col("from_date"),
        F.when(is_renumbered, F.col("confidence")).alias("confidence"),
        F.when(is_renumbered, F.col("reasons")).otherwise(waiting).alias("reasons"),
        F.when(is_renumbered, F.col("account.value")).cast(MONEY).alias("our_value"),
        F.when(is_renumbered, F.col("account.last_on")).alias("our_value_on"),
        F.col("value").cast(MONEY).alias("their_value"),
        F.col("_currency").alias("currency"),
        F.lit("open").alias("state"),
        F.lit(None).cast("string").alias("decided_by"),
        F.lit(None).cast("string").alias("why"),
        "feed",
        "verdict",
    )
    known = before.where("state = 'open'").select(
        "tenant_id", "proposal_id", F.col("from_date").alias("_from"), F.col("first_seen_on").alias("_first_seen")
    )
    return (
        told.join(known, ["tenant_id", "proposal_id"], "left")
        .withColumns({
            "from_date": F.least("from_date", "_from"),
            "first_seen_on": F.coalesce("_first_seen", F.lit(business_date)),
            "last_seen_on": F.lit(business_date),
        })
        .select(*NAMES, "feed", "verdict")
    )  # fmt: skip


def without(numbers: DataFrame, rejected: list[Decision]) -> DataFrame:
    """The numbers but those of which a person has said that they are no account of ours."""
    if not rejected:
        return numbers
    return numbers.join(F.broadcast(pairs_of(numbers.sparkSession, rejected)), NUMBER, "left_anti")


def pairs_of(spark: SparkSession, decisions: list[Decision]) -> DataFrame:
    """NUMBER and account_id of decisions."""
    rows = [(d.tenant_id, d.vendor, d.account_number, d.account_id) for d in decisions]
    return local_rows(spark, rows, DECIDED)


def decided(before: DataFrame, decisions: list[Decision], *, business_date: date) -> DataFrame:
    """The proposals that a person has decided about, in their new state; `asked_from` is the date they had."""
    words = [
        (d.tenant_id, d.proposal_id, f"{d.decision}ed", d.account_id, d.decided_by, d.why, d.from_date)
        for d in decisions
    ]
    said = local_rows(before.sparkSession, words, SAID)
    rows = before.join(F.broadcast(said), ["tenant_id", "proposal_id"])
    return _ended(rows, business_date).withColumns({
        "asked_from": F.col("from_date"), "asked_account": F.col("account_id"),
        "state": F.col("_state"), "decided_by": F.col("_by"), "why": F.col("_why"),
        "account_id": F.coalesce("_account", "account_id"), "from_date": F.col("_since"),
    }).select(*NAMES, "asked_from", "asked_account")  # fmt: skip


def withdrawn(
    before: DataFrame, delivered: DataFrame | None, known: DataFrame | None, again: DataFrame | None, *,
    business_date: date,
) -> DataFrame:  # fmt: skip
    """Open proposals that a later file takes back, as rows of the table with `asked_from`.

    delivered: tenant_id, vendor, account_id, last_on of what vendors value under our own numbers. known: tenant_id,
    vendor and account_number of numbers that are somebody's by now. again: proposals of tonight: a number that was
    `new` and resembles an account now is proposed as that.
    """
    opened = before.where("state = 'open'").withColumn("vendor", F.col("source_vendor"))
    why = F.lit(None).cast("string")
    if delivered is not None:
        last = delivered.select("tenant_id", "vendor", "account_id", F.col("last_on").alias("_last_on"))
        opened = opened.join(last, ["tenant_id", "vendor", "account_id"], "left")
        is_back = F.col("_last_on") >= F.col("from_date")
        why = F.coalesce(why, F.when(is_back, "the account is delivered under its own number again"))
    if known is not None:
        opened = opened.join(known.distinct().withColumn("_known", F.lit(True)), NUMBER, "left")
        why = F.coalesce(why, F.when(F.col("_known") & (F.col("kind") == NEW), "a file says which account it is"))
    if again is not None:
        number = again.where(F.col("kind") == RENUMBERED).select(
            "tenant_id", F.col("source_vendor").alias("vendor"), "account_number", F.lit(True).alias("_again")
        )
        opened = opened.join(number, NUMBER, "left")
        why = F.coalesce(why, F.when(F.col("_again") & (F.col("kind") == NEW), "it resembles an account of ours"))
    rows = opened.withColumn("_why", why).where("_why IS NOT NULL")
    return (
        _ended(rows, business_date)
        .withColumns({"asked_from": F.col("from_date"), "asked_account": F.col("account_id"),
                      "state": F.lit("withdrawn"), "why": F.col("_why")})
        .select(*NAMES, "asked_from", "asked_account")
    )  # fmt: skip


def accounts_in(proposals: DataFrame) -> DataFrame:
    """tenant_id, vendor and account_id of the accounts that are proposed under another number."""
    vendor = F.col("source_vendor").alias("vendor")
    return proposals.where(F.col("kind") == RENUMBERED).select("tenant_id", vendor, "account_id").distinct()


def differences(proposals: DataFrame) -> DataFrame:
    """Open proposals as differences of type account_renumbered (of the account, item: the number) and account_new (of
    the number), dated by the first day under the number."""
    difference = F.when(F.col("kind") == RENUMBERED, F.col("our_value") - F.col("their_value")).cast(MONEY)
    return proposals.select(
        *_whose("account_id"),
        "feed",
        F.col("from_date").alias("as_of_date"),
        F.col("our_value").cast("double").alias("ours"),
        F.col("their_value").cast("double").alias("theirs"),
        difference.alias("difference"),
        "verdict",
    )


def agreement(ended: DataFrame) -> DataFrame:
    """Proposals that are decided or withdrawn as differences within tolerance: their breaks are resolved."""
    return ended.select(
        *_whose("asked_account"), F.col("asked_from").alias("as_of_date"), F.lit(None).cast(VERDICT).alias("verdict")
    )


def _whose(account: str) -> list[Column]:
    is_renumbered = F.col("kind") == RENUMBERED
    return [
        F.col("tenant_id"),
        F.col("source_vendor").alias("vendor"),
        F.when(is_renumbered, F.col(account)).otherwise(F.col("account_number")).alias("account_id"),
        F.concat(F.lit("account_"), F.col("kind")).alias("type"),
        F.when(is_renumbered, F.col("account_number")).alias("item"),
    ]


def _ended(rows: DataFrame, business_date: date) -> DataFrame:
    return rows.withColumn("last_seen_on", F.lit(business_date))


def _proposal_id(account: Column) -> Column:
    """The same for one tenant, vendor, number and account."""
    parts = [F.col("tenant_id"), F.col("vendor"), F.col("account_number"), F.coalesce(account, F.lit(""))]
    return F.sha2(F.concat_ws("\x1f", *parts), 256).substr(1, 12)
