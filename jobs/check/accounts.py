"""Rules about single accounts: what they find is flagged or held account by account, the feed goes on."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.check.tolerances import Tolerances
from jobs.check.verdict import verdict
from jobs.platform import schemas
from jobs.platform.lake import Lake
from jobs.platform.ledger import Run

FLOW_TYPES = ["DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"]
ACCOUNT = ["tenant_id", "account_id"]


def value_jumps(valuations: DataFrame, before: DataFrame, transactions: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Accounts whose value moved beyond tolerance although no flow explains it.

    valuations: tenant_id, vendor, feed, account_id, as_of_date, market_value. before: tenant_id, account_id,
    as_of_date, end_market_value, the last known row per account. transactions: silver rows; those between the two
    dates count, in the account's currency as they are. The move is E - B - net flow, measured as money and as a
    fraction of B; an account without a positive value before is left out.

    Gives tenant_id, account_id, as_of_date, rule, reason, severity, state.
    """
    known = before.where(F.col("end_market_value") > 0).select(
        *ACCOUNT, "as_of_date", F.col("end_market_value").alias("market_value")
    )
    by_date = Window.partitionBy(*ACCOUNT).orderBy("as_of_date")
    moved = (
        valuations.select("vendor", "feed", *ACCOUNT, "as_of_date", "market_value")
        .unionByName(known, allowMissingColumns=True)
        .withColumns({"_before": F.lag("market_value").over(by_date), "_since": F.lag("as_of_date").over(by_date)})
        .where("vendor IS NOT NULL AND _before > 0 AND as_of_date > _since")
    )
    # Only where the bare difference is beyond tolerance is it worth asking for flows: a handful of accounts.
    suspects = moved.where(_verdict(F.col("market_value") - F.col("_before"), tolerances).isNotNull())
    flows = transactions.where(F.col("type").isin(FLOW_TYPES) & (F.col("status") != "cancel")).select(
        *ACCOUNT, "performance_date", "amount"
    )
    between = (F.col("performance_date") > F.col("_since")) & (F.col("performance_date") <= F.col("as_of_date"))
    one = [*ACCOUNT, "vendor", "feed", "as_of_date", "market_value", "_before", "_since"]
    explained = (
        suspects.alias("s")
        .join(
            flows.alias("f"),
            (F.col("s.tenant_id") == F.col("f.tenant_id")) & (F.col("s.account_id") == F.col("f.account_id")) & between,
            "left",
        )
        .groupBy(*[F.col(f"s.{name}") for name in one])
        .agg(F.coalesce(F.sum("f.amount"), F.lit(0)).alias("_flow"))
    )
    move = F.col("market_value") - F.col("_before") - F.col("_flow")
    found = explained.withColumn("_verdict", _verdict(move, tolerances)).where("_verdict IS NOT NULL")
    share = F.format_number(F.try_divide(move, F.col("_before")).cast("double") * 100, 1)
    return found.select(
        *ACCOUNT,
        "as_of_date",
        F.col("_verdict.rule").alias("rule"),
        F.concat(
            F.lit("value moved by "),
            share,
            F.lit(" % since "),
            F.col("_since").cast("string"),
            F.lit(" without a flow, expected "),
            F.col("_verdict.expected"),
        ).alias("reason"),
        F.col("_verdict.severity").alias("severity"),
        F.when(F.col("_verdict.severity") == "hold", "held").otherwise("flagged").alias("state"),
    )


def write(lake: Lake, tolerances: Tolerances, run: Run, run_nos: list[int]) -> dict[str, int | str]:
    """Look at the accounts that the run's files value and write what is found to gold.held_account."""
    if not tolerances.has("value_jump") or not lake.exists("account_state") or not lake.exists("valuation"):
        return {"accounts_held": 0, "accounts_flagged": 0}
    in_run = F.col("run_no").isin(run_nos) & ~F.coalesce("retired", F.lit(False))
    scope = F.lit(True)
    if run.tenant is not None:
        scope = scope & (F.col("tenant_id") == run.tenant)
    valuations = lake.read("valuation").where(in_run & scope)
    if run.vendor is not None:
        valuations = valuations.where(F.col("vendor") == run.vendor)
    rows = (
        value_jumps(valuations, lake.read("account_state"), lake.read("transaction").where(in_run & scope), tolerances)
        .withColumns({"run_no": F.lit(run.run_no).cast("long"), "run_id": F.lit(run.run_id)})
        .select(*schemas.table("held_account").names)
        .persist()
    )
    try:
        counts = {row["state"]: row["count"] for row in rows.groupBy("state").count().collect()}
        earlier = lake.exists("held_account") and not (
            lake.read("held_account").where(F.col("run_no") == run.run_no).isEmpty()
        )
        if counts or earlier:  # an attempt before this one may have found something that is gone
            lake.write_run(rows, "held_account", run.run_no, run.run_id)
    finally:
        rows.unpersist()
    return {"accounts_held": counts.get("held", 0), "accounts_flagged": counts.get("flagged", 0)}


def _verdict(move: F.Column, tolerances: Tolerances) -> F.Column:
    amounts = {"money": F.abs(move), "fraction": F.abs(F.try_divide(move, F.col("_before")).cast("double"))}
    return verdict(tolerances, "value_jump", amounts, table="valuation", on=F.col("as_of_date"))
