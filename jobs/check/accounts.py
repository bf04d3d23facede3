"""Rules about single accounts: what they find is flagged or held account by account, the feed goes on."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.check import releases
from jobs.check.holds import ACCOUNT, let_through, present_holds, still_caught
from jobs.check.releases import Release
from jobs.check.tolerances import Tolerances
from jobs.check.verdict import verdict
from jobs.platform import schemas
from jobs.platform.lake import Lake
from jobs.platform.ledger import Run

FLOW_TYPES = ["DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"]


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


def write(  # noqa: PLR0917
    lake: Lake, tolerances: Tolerances, run: Run, run_nos: list[int], replayed: list[int], waiting: list[Release]
) -> dict[str, int | str]:
    """Look at the accounts that the run's files value, at those of rows that replays have taken through (`replayed`:
    their runs), and at held ones for which something new came or that somebody released (`waiting`); write what is
    found, and what is let through, to gold.held_account."""
    counts = {"held": 0, "flagged": 0, "released": 0}
    if (tolerances.has("value_jump") or waiting) and lake.exists("account_state") and lake.exists("valuation"):
        rows = _caught_and_let_through(lake, tolerances, run, run_nos, replayed, waiting)
        rows = rows.withColumns({"run_no": F.lit(run.run_no).cast("long"), "run_id": F.lit(run.run_id)})
        rows = rows.select(*schemas.table("held_account").names).persist()
        try:
            counts |= {row["state"]: row["count"] for row in rows.groupBy("state").count().collect()}
            if any(counts.values()) or _has_rows_of(lake, run):  # an attempt before may have found what is gone
                lake.write_run(rows, "held_account", run.run_no, run.run_id)
        finally:
            rows.unpersist()
        releases.taken_up(run.ledger.connection, waiting, run.run_no)
    return {f"accounts_{state}": count for state, count in counts.items()}


def _caught_and_let_through(  # noqa: PLR0917
    lake: Lake, tolerances: Tolerances, run: Run, run_nos: list[int], replayed: list[int], waiting: list[Release]
) -> DataFrame:
    in_scope = F.lit(True) if run.tenant is None else F.col("tenant_id") == run.tenant
    fresh = F.col("run_no").isin([*run_nos, *replayed]) & ~F.coalesce("retired", F.lit(False)) & in_scope
    valuations = lake.read("valuation").where(fresh)
    if run.vendor is not None:
        valuations = valuations.where(F.col("vendor") == run.vendor)
    transactions = lake.read("transaction").where(fresh)
    state = lake.read("account_state")
    held = None
    if lake.exists("held_account"):
        earlier = lake.read("held_account").where((F.col("run_no") < run.run_no) & in_scope)
        held = present_holds(earlier).persist()
    # Of held accounts, and of those of replayed rows, all that came since their last published row counts: a later file
    # may explain an earlier value, and a flow may have come with the file whose valuation waited.
    whole = [] if held is None else [held.select(*ACCOUNT, "as_of_date")]
    if replayed:
        whole.append(valuations.where(F.col("run_no").isin(replayed)).select(*ACCOUNT, "as_of_date"))
    first = _last_published(whole, state) if whole else None
    if first is None:
        return value_jumps(valuations, state, transactions, tolerances)
    accounts = F.broadcast(reduce(DataFrame.unionByName, whole).select(*ACCOUNT).distinct())
    of_whole = [
        lake.current(name).where(F.col(day) >= first).join(accounts, ACCOUNT, "left_semi")
        for name, day in (("valuation", "as_of_date"), ("transaction", "performance_date"))
    ]
    found = value_jumps(
        valuations.join(accounts, ACCOUNT, "left_anti").unionByName(of_whole[0]),
        state,
        transactions.join(accounts, ACCOUNT, "left_anti").unionByName(of_whole[1]),
        tolerances,
    )
    if held is None:
        return found
    judged = valuations.select(*ACCOUNT).unionByName(transactions.select(*ACCOUNT)).distinct()
    through = let_through(held, found, judged, waiting)
    return still_caught(found, through).unionByName(through)


def _last_published(accounts: list[DataFrame], state: DataFrame) -> date | None:
    """The earliest last published row of these accounts; None where there are none."""
    published = state.select(*ACCOUNT, F.col("as_of_date").alias("_published"))
    every = reduce(DataFrame.unionByName, accounts).join(published, ACCOUNT, "left")
    first: date | None = every.agg(F.min(F.coalesce("_published", "as_of_date"))).collect()[0][0]
    return first


def _has_rows_of(lake: Lake, run: Run) -> bool:
    return lake.exists("held_account") and not (
        lake.read("held_account").where(F.col("run_no") == run.run_no).isEmpty()
    )


def _verdict(move: F.Column, tolerances: Tolerances) -> F.Column:
    amounts = {"money": F.abs(move), "fraction": F.abs(F.try_divide(move, F.col("_before")).cast("double"))}
    return verdict(tolerances, "value_jump", amounts, table="valuation", on=F.col("as_of_date"))
