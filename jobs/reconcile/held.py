"""Accounts that are held for what came out: results that cannot be right, and breaks of severity hold."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.job import groups_again
from jobs.calculate.unpublished import Unpublished
from jobs.check.classes import classified, tolerances_of
from jobs.check.holds import ACCOUNT, FINDING, RECONCILE, accounts_by_state, latest_findings, one_each
from jobs.check.tolerances import MASTER, RECONCILED, Tolerances
from jobs.platform.lake import Lake
from jobs.platform.ledger import Run
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.reconcile.breaks import latest_breaks
from jobs.reconcile.levels import CHANGES_OF_ACCOUNT, OF_TYPES, same_amount
from jobs.reconcile.suspects import EPOCH, STATE, Suspects

BREAKS, HELD = "reconciliation_break", "held_account"
BREAK = "break_"  # + type of the break: the rule under which it holds an account
FOUND = [*FINDING, "reason", "severity", "state"]


def write(spark: SparkSession, settings: Settings, unpublished: Unpublished) -> dict[str, int | str]:
    """Hold, flag and let through accounts by the run's results and breaks: rows of gold.held_account.

    Where an account is held or let through, the groups are calculated once more, since they carry a held one.
    """
    lake, run = Lake(spark, settings.lake_root), unpublished.run
    tolerances = tolerances_of(lake, settings)
    counts = {"held": 0, "flagged": 0, "released": 0, "cleared": 0}
    suspects = Suspects(lake, settings, unpublished, tolerances)
    triggered = _triggered(lake, unpublished, tolerances)
    parts = [one for one in (suspects.found(), triggered) if one is not None]
    present = _present(lake, run)
    if present is not None:
        parts.append(_let_through(lake, present, suspects, parts))
    rows = one_each(reduce(DataFrame.unionByName, parts)).localCheckpoint() if parts else None
    if rows is not None:
        counts |= accounts_by_state(rows)
    had_own = lake.exists(HELD) and _has_own(lake, run)
    if any(counts.values()) or had_own:
        rows = lake.read(HELD).limit(0).select(*FOUND) if rows is None else rows
        stamp = {"run_no": F.lit(run.run_no).cast("long"), "run_id": F.lit(run.run_id), "step": F.lit(RECONCILE)}
        rows = rows.withColumns(stamp).select(*table(HELD).names)
        lake.write_run(rows, HELD, run.run_no, run.run_id, part=f"step = '{RECONCILE}'")
        if counts["held"] or counts["released"] or had_own:
            groups_again(spark, settings, run)
    return {f"accounts_{state}": count for state, count in counts.items()}


def holds_of_breaks(rows: DataFrame, before: DataFrame, tolerances: Tolerances) -> DataFrame:
    """The run's breaks that hold their account: FOUND.

    rows: gold.reconciliation_break as the run wrote it. before: rows of earlier runs, of the same breaks. A break holds
    from the night on which it opens, or opens again; who lets the account through has seen it, so that it does not hold
    it a second time while it stays open, unless it goes on to a further date by an amount, or a change, that nobody has
    seen.
    """
    holding = F.col("severity").eqNullSafe("hold") & (F.col("state") == "open")
    facts = F.struct("through_date", "difference", "difference_bps").alias("_known")
    known = latest_breaks(before).where(holding).select("tenant_id", "break_id", facts)
    # What gold does not say: a rule of one feed only cannot tell here whether the amount has moved.
    scope = {"vendor": F.col("source_vendor"), "feed": F.lit(None).cast("string")}
    now, then = ((F.col(f"{of}difference"), F.col(f"{of}difference_bps")) for of in ("", "_known."))
    is_another = F.col("type").isin(CHANGES_OF_ACCOUNT) | ~same_amount(tolerances, now, then)
    has_moved = (F.col("through_date") > F.col("_known.through_date")) & is_another
    return (
        classified(rows.where(holding), tolerances, *OF_TYPES)
        .join(known, ["tenant_id", "break_id"], "left")
        .withColumns(scope)
        .where(F.col("_known").isNull() | has_moved)
        .select(*ACCOUNT, "as_of_date", F.concat(F.lit(BREAK), "type").alias("rule"), "reason", "severity")
        .withColumn("state", F.lit("held"))
    )


def ended(present: DataFrame, breaks: DataFrame) -> DataFrame:
    """Of the holds of breaks those that hold no longer, since no break of the type is open and one has ended: FOUND.

    present: as `present_holds` gives them. breaks: all rows of gold.reconciliation_break of their accounts. What cannot
    be compared ends nothing.
    """
    now = latest_breaks(breaks).select(
        *ACCOUNT,
        F.concat(F.lit(BREAK), "type").alias("rule"),
        (F.col("severity").eqNullSafe("hold") & (F.col("state") == "open")).alias("is_open"),
        "run_no",
        "state",
    )
    state = now.groupBy(*ACCOUNT, "rule").agg(
        F.bool_or("is_open").alias("is_open"),
        F.max_by("state", F.when(F.col("state") != "not_comparable", F.col("run_no"))).alias("is_now"),
    )
    through = present.where(F.col("rule").startswith(BREAK)).drop("state").join(state, [*ACCOUNT, "rule"])
    reason = F.concat(F.lit("the break is "), F.col("is_now")).alias("reason")
    over = through.where("NOT is_open AND is_now IS NOT NULL")
    return over.select(*FINDING, reason, "severity", F.lit("released").alias("state"))


def recalculated(present: DataFrame, rows: DataFrame, epochs: DataFrame, found: DataFrame | None) -> DataFrame:
    """Of the holds and flags of results those whose row the run has calculated otherwise, and not found again: FOUND.

    rows: tenant_id, account_id, as_of_date of the run's daily rows. epochs: those that it opened (tenant_id,
    account_id, from_date), for dates that have no row any more.
    """
    of_results = present.where(~F.col("rule").startswith(BREAK))
    anew = of_results.join(rows.select(*ACCOUNT, "as_of_date"), [*ACCOUNT, "as_of_date"], "left_semi")
    opened = of_results.join(epochs.select(*ACCOUNT, "from_date"), ACCOUNT).where("as_of_date >= from_date")
    what = [*FINDING, "severity", "state"]
    judged = anew.select(*what).unionByName(opened.select(*what)).distinct()
    if found is not None:
        judged = judged.join(found.select(*FINDING), FINDING, "left_anti")
    reason = F.lit("the result is another now").alias("reason")
    state = F.when(F.col("state") == "held", "released").otherwise("cleared").alias("state")
    return judged.select(*FINDING, reason, "severity", state)


def _triggered(lake: Lake, unpublished: Unpublished, tolerances: Tolerances) -> DataFrame | None:
    """What the breaks hold that no publication has shown; None where no rule can, or no break was written."""
    can_hold = any(rule.severity == "hold" and rule.measure in {**RECONCILED, **MASTER} for rule in tolerances.rules)
    if not can_hold or not lake.exists(BREAKS) or lake.last_run(BREAKS) < unpublished.first:
        return None
    rows = latest_breaks(unpublished.of_table(lake, BREAKS)).where("severity = 'hold'").localCheckpoint()
    if rows.isEmpty():
        return None
    before = lake.read(BREAKS).where(~unpublished.is_so)
    before = before.join(
        F.broadcast(rows.select("tenant_id", "break_id").distinct()), ["tenant_id", "break_id"], "left_semi"
    )
    return _from_tomorrow(lake, holds_of_breaks(rows, before, tolerances))


def _from_tomorrow(lake: Lake, found: DataFrame) -> DataFrame:
    """A break of a date that is published holds what comes after: nothing that is out is taken back."""
    published = lake.read(STATE).select(*ACCOUNT, F.date_add("as_of_date", 1).alias("_next"))
    first = F.greatest("as_of_date", "_next").alias("as_of_date")  # of a NULL and a date the date
    names = [first if name == "as_of_date" else F.col(name) for name in FOUND]
    return found.join(published, ACCOUNT, "left").select(*names)


def _present(lake: Lake, run: Run) -> DataFrame | None:
    """What `reconcile` has held and nobody has let through, and what it has flagged; None where there is nothing."""
    if not lake.exists(HELD):
        return None
    own = F.col("step") == RECONCILE
    rows = lake.read(HELD).where(~(own & (F.col("run_no") == run.run_no)))
    if run.tenant is not None:
        rows = rows.where(F.col("tenant_id") == run.tenant)
    present = latest_findings(rows).where(own & F.col("state").isin("held", "flagged")).localCheckpoint()
    return None if present.isEmpty() else present


def _let_through(lake: Lake, present: DataFrame, suspects: Suspects, found: list[DataFrame]) -> DataFrame:
    held = present.where("state = 'held'")
    accounts = F.broadcast(held.select(*ACCOUNT).distinct())
    through = ended(held, lake.read(BREAKS).join(accounts, ACCOUNT, "left_semi"))
    rows = suspects.calculated
    if rows is None:
        return through
    epochs = lake.read(EPOCH).where(suspects.unpublished.is_so)
    again = reduce(DataFrame.unionByName, found) if found else None
    return through.unionByName(recalculated(present, rows, epochs, again))


def _has_own(lake: Lake, run: Run) -> bool:
    """Whether an attempt before has left rows of this step."""
    if lake.last_run(HELD) < run.run_no:
        return False
    own = (F.col("run_no") == run.run_no) & (F.col("step") == RECONCILE)
    return not lake.read(HELD).where(own).isEmpty()
