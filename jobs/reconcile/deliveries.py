"""Which accounts each vendor has valued lately: who is missing tonight, whose account is closed and has a value, who is
new. One pass over the valuations of a few days; nothing is remembered from night to night."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.policies import Policies, source_rank
from jobs.check.classes import classified
from jobs.check.tolerances import Measure, Tolerances
from jobs.check.verdict import verdict
from jobs.platform.schemas import MONEY
from jobs.reconcile.levels import wrong_dates

PAIR = ["tenant_id", "vendor", "account_id"]
LOOK_BACK = timedelta(days=10)  # six business days at least
FLAGS = ["is_absent", "is_missing", "is_closed", "is_new"]
REGULAR_DATES = 3  # on which a vendor valued an account within LOOK_BACK: it delivers it regularly
# A date on which a vendor values less than this share of its accounts is a correction, not a delivery of them all.
WHOLE_DELIVERY = 0.5


def deliveries(valuations: DataFrame) -> DataFrame:
    """Per tenant, vendor and account the dates it was valued on (sorted), the first and the last valuation of them
    (market_value, currency, feed) and the first and last run that loaded one.

    valuations: rows of silver.valuation that count, of the last LOOK_BACK.
    """
    what = F.struct("market_value", "currency", "feed")
    return valuations.groupBy(*PAIR).agg(
        F.array_sort(F.collect_set("as_of_date")).alias("dates"),
        F.min_by(what, "as_of_date").alias("first"),
        F.max_by(what, "as_of_date").alias("last"),
        F.min("run_no").alias("first_run"),
        F.max("run_no").alias("last_run"),
    )


def notable(pairs: DataFrame, closed: DataFrame | None, *, since: Column, through: Column) -> DataFrame:
    """The pairs of vendor and account that something is to be said of, with FLAGS that say what.

    pairs: as `deliveries` gives them. closed: tenant_id, account_id, closed_on of closed accounts, None where there are
    none. since: the run from which on a row is new. through: the tenant's last published date, after which a row is new
    whenever it came; of a tenant that has none (NULL) every account is new, and none is.

    is_absent   the vendor has delivered its accounts since it last valued this one; `missed` are the dates
    is_missing  that, and it had valued it on REGULAR_DATES dates and half of its own
    is_closed   newly valued on a day after its closing
    is_new      its first value of these days is new
    """
    dated = pairs.withColumn("last_on", F.element_at("dates", -1)).join(
        F.broadcast(whole_deliveries(pairs)), ["tenant_id", "vendor"]
    )
    if closed is None:
        dated = dated.withColumn("closed_on", F.lit(None).cast("date"))
    else:
        dated = dated.join(closed, ["tenant_id", "account_id"], "left")
    missed = F.filter("delivered_on", lambda day: day > F.col("last_on"))
    before = F.size("delivered_on") - F.size("missed")
    is_regular = (F.size("dates") >= REGULAR_DATES) & (F.size("dates") * 2 >= before)
    has_ended = (F.col("last.market_value") == 0) | (F.col("closed_on") <= F.element_at("delivered_on", -1))
    return (
        dated.withColumn("missed", missed)
        .withColumn("is_absent", (F.size("missed") > 0) & ~F.coalesce(has_ended, F.lit(False)))
        .withColumns({
            "is_missing": F.col("is_absent") & is_regular,
            "is_closed": F.coalesce(F.col("closed_on") < F.col("last_on"), F.lit(False))
            & _newly_valued(since, through),
            "is_new": through.isNotNull() & ((F.col("first_run") >= since) | (F.element_at("dates", 1) > through)),
        })
        .where(" OR ".join(FLAGS))
        .drop("delivered_on")
    )  # fmt: skip


def whole_deliveries(pairs: DataFrame) -> DataFrame:
    """Per tenant and vendor the dates on which it delivered its accounts, not only corrections: `delivered_on`."""
    by_date = pairs.select("tenant_id", "vendor", F.explode("dates").alias("day")).groupBy("tenant_id", "vendor", "day")
    usual = F.max("count").over(Window.partitionBy("tenant_id", "vendor"))
    whole = by_date.count().withColumn("_usual", usual).where(F.col("count") >= F.col("_usual") * WHOLE_DELIVERY)
    return whole.groupBy("tenant_id", "vendor").agg(F.array_sort(F.collect_set("day")).alias("delivered_on"))


def closed_accounts(accounts: DataFrame, as_of: date, policies: Policies) -> DataFrame:
    """tenant_id, account_id, closed_on of accounts closed on `as_of`, by the vendor that the tenant puts first.

    accounts: rows of silver.account that count.
    """
    begun = F.col("effective_from") <= F.lit(as_of)
    days_off = F.abs(F.datediff("effective_from", F.lit(as_of)))
    best = F.min_by(F.struct("closed_on"), F.struct(source_rank(policies), ~begun, days_off))
    return (
        accounts.groupBy("tenant_id", "account_id")
        .agg(best.alias("of_first"))
        .select("tenant_id", "account_id", "of_first.closed_on")
        .where(F.col("closed_on") <= F.lit(as_of))
    )


def missing(found: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Differences of type account_missing, dated by the last day on which the vendor valued the account.

    found: as `notable` gives it.
    """
    rows = found.where("is_missing").select(
        *PAIR,
        F.col("last.feed").alias("feed"),
        F.col("last_on").alias("as_of_date"),
        F.col("last.market_value").cast("double").alias("ours"),
        F.size("missed").alias("_days"),
    )
    return _difference(rows, "account_missing", tolerances, {"days": F.col("_days")})


def closed_with_balance(found: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Differences of type account_closed_with_balance, dated by the closing; in tolerance if worth nothing."""
    rows = found.where("is_closed").select(
        *PAIR,
        F.col("last.feed").alias("feed"),
        F.col("closed_on").alias("as_of_date"),
        F.lit(0.0).alias("ours"),
        F.col("last.market_value").cast("double").alias("theirs"),
        (-F.col("last.market_value")).cast(MONEY).alias("difference"),
    )
    return _difference(rows, "account_closed_with_balance", tolerances, {"money": F.abs("difference")})


def back_again(known: DataFrame, pairs: DataFrame, closed: DataFrame | None) -> DataFrame:
    """Agreement for missing accounts that the vendor values again, or that are closed by now.

    known: living breaks of type account_missing (tenant_id, source_vendor, account_id, as_of_date).
    """
    missed = known.select("tenant_id", F.col("source_vendor").alias("vendor"), "account_id", "as_of_date")
    last = pairs.select(*PAIR, F.element_at("dates", -1).alias("_last_on"))
    rows = missed.join(last, PAIR, "left")
    ended = F.lit(False)
    if closed is not None:
        rows = rows.join(closed, ["tenant_id", "account_id"], "left")
        ended = F.col("closed_on").isNotNull()
    back = rows.where((F.col("_last_on") > F.col("as_of_date")) | ended)
    return back.select(*PAIR, "as_of_date", F.lit("account_missing").alias("type"))


def closed_otherwise(
    known: DataFrame, pairs: DataFrame, closed: DataFrame | None, *, since: Column, through: Column
) -> DataFrame:
    """Agreement for accounts that were closed with a balance, whose closing is taken back or of another day by now.

    known: living breaks of type account_closed_with_balance (tenant_id, source_vendor, account_id, as_of_date, state,
    dates). The others as `notable` takes them. One that moved to another day before the last value is still wrong, and
    told of that day once it is newly valued: until then the break stays.
    """
    told = known.withColumnRenamed("source_vendor", "vendor").withColumn("_day", F.explode(wrong_dates()))
    told = told.select(*PAIR, F.col("_day").cast("date").alias("as_of_date"))
    last = pairs.select(*PAIR, F.element_at("dates", -1).alias("last_on"), "last_run")
    rows = told.join(last, PAIR, "left")
    over = F.lit(True)
    if closed is not None:
        rows = rows.join(closed, ["tenant_id", "account_id"], "left")
        waits = (F.col("closed_on") < F.col("last_on")) & ~_newly_valued(since, through)
        stands = (F.col("closed_on") == F.col("as_of_date")) | waits
        over = ~F.coalesce(stands, F.lit(False))
    return rows.where(over).select(*PAIR, "as_of_date", F.lit("account_closed_with_balance").alias("type"))


def _newly_valued(since: Column, through: Column) -> Column:
    """Whether the last valuation of a row (last_run, last_on) is new; see `notable`."""
    return (F.col("last_run") >= since) | F.coalesce(F.col("last_on") > through, F.lit(False))


def _difference(rows: DataFrame, type_: str, tolerances: Tolerances, amounts: dict[str, Column]) -> DataFrame:
    measure: Measure = "account_missing" if type_ == "account_missing" else "closed_balance"
    broken = verdict(tolerances, measure, amounts, table="valuation", on=F.col("as_of_date"))
    return classified(rows, tolerances, measure).withColumn("type", F.lit(type_)).withColumn("verdict", broken)
