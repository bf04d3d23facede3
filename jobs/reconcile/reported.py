"""A vendor's own performance figures beside ours: what differs, and what may not be compared.

A figure is compared only where both sides mean the same thing; where they do not, the row says why and is no break.
"""

from __future__ import annotations

from datetime import date
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.epochs import current_rows
from jobs.calculate.unpublished import Unpublished
from jobs.check.classes import classified, tolerances_of
from jobs.check.tolerances import Measure, Tolerances
from jobs.check.verdict import VERDICT, verdict
from jobs.platform import schemas
from jobs.platform.lake import Lake, latest
from jobs.platform.mapping import load_mappings
from jobs.platform.schemas import MONEY
from jobs.platform.settings import Settings
from jobs.reconcile.explanations import CONVENTIONS, capital, explanation
from jobs.reconcile.levels import CENT, MEASURES

ACCOUNT_DAY = ["tenant_id", "account_id", "as_of_date"]
DAILY, REPORTED = "account_performance_daily", "reported_performance"
THEIRS = {
    "begin_value": "begin_market_value",
    "net_flow": "net_flow",
    "end_value": "end_market_value",
    "twrr_daily": "twrr_daily",
    "twrr_mtd": "twrr_mtd",
}
ROLL_FORWARD = "roll_forward"
COMPARED: list[Measure] = [MEASURES[type_][0] for type_ in (*THEIRS, ROLL_FORWARD)]
AMOUNTS = {"begin_value": "begin_market_value", "net_flow": "end_market_value", "end_value": "end_market_value"}
OURS = [
    "begin_market_value",
    "net_flow",
    "end_market_value",
    "twrr_daily",
    "twrr_mtd",
    "twrr_daily_gross",
    "twrr_mtd_gross",
    "contributions",
    "distributions",
    "fees",
    "gain_loss",
    "weighted_capital",
    "days",
    "status",
    "begin_date",
    "inception_date",
]


def differences(lake: Lake, settings: Settings, unpublished: Unpublished) -> DataFrame | None:
    """The comparer of the step: the account-days that this run touched on either side, or one before it that died; None
    where nothing came."""
    run = unpublished.run
    if not lake.exists(REPORTED) or _nothing_came(lake, unpublished):
        return None
    theirs = _reported(lake, unpublished)
    ours = lake.read(DAILY).where(F.col("as_of_date") <= run.business_date)
    dates = _dates_touched(theirs, ours, unpublished)
    if dates is None:
        return None
    between = F.col("as_of_date").between(*dates)
    beside = latest(theirs.where(between), schemas.table(REPORTED))
    current = current_rows(ours.where(between), lake.read("account_epoch")).withColumn("_touched", unpublished.is_so)
    touched = current.where("_touched").select(*ACCOUNT_DAY, "_touched")
    concerned = beside.join(touched, ACCOUNT_DAY, "left").where("_fresh OR _touched")
    # Causes are looked for once it is known what differs (books.py): their formulas are much to plan for every figure.
    return compared(concerned, current, tolerances_of(lake, settings), with_causes=False)


def compared(reported: DataFrame, ours: DataFrame, tolerances: Tolerances, *, with_causes: bool = True) -> DataFrame:
    """One row per figure that a vendor reported for an account and day, beside ours.

    reported: rows of silver.reported_performance that count. ours: current rows of gold.account_performance_daily.
    Gives tenant_id, vendor, feed, account_id, as_of_date, type, ours, theirs, difference, difference_bps, obstacle (why
    the two cannot be compared, or NULL), verdict (the rule that is broken, or NULL) and, with_causes, explanation.
    Returns that the mapping declares gross are compared with ours before fees. A roll_forward has both sides from the
    vendor: `ours` is what the vendor's begin value, net flow and return make of its end value.
    """
    renamed = ours.select(*ACCOUNT_DAY, F.lit(True).alias("_known"), *[F.col(c).alias(f"our_{c}") for c in OURS])
    beside = (
        classified(reported, tolerances, *COMPARED)
        .join(renamed, ACCOUNT_DAY, "left")
        .withColumns(
            {
                "is_gross": F.coalesce(declared("return_basis") == "gross", F.lit(False)),
                "_timing": declared("flow_timing"),
            }
        )
    )
    figures = [
        _amount("begin_value", _begin_obstacle()),
        _amount("net_flow", _flow_obstacle()),
        _amount("end_value", _end_obstacle()),
        _return("twrr_daily", _daily_obstacle()),
        _return("twrr_mtd", _month_obstacle()),
        *([_roll_forward()] if tolerances.has("roll_forward_difference") else []),
    ]
    # A day that we have no row for is said once, of the first figure that is given, and not once per figure.
    given = [F.when(F.col(column).isNotNull(), type_) for type_, column in THEIRS.items()]
    only = F.when(F.col("_known").isNull(), F.coalesce(*given)).alias("_only")
    who = ["tenant_id", "vendor", "feed", "account_id", "as_of_date"]
    each = (
        beside.select("*", only, F.explode(F.array(*figures)).alias("_figure"))
        .select("*", "_figure.*")
        .where(f"theirs IS NOT NULL AND (_only IS NULL OR type IN (_only, '{ROLL_FORWARD}'))")
        .withColumn("verdict", F.when(F.col("obstacle").isNull(), _verdict(tolerances)))
    )
    shown = [*who, "type", "ours", "theirs", "difference", "difference_bps", "obstacle", "verdict"]
    if not with_causes:
        return each.select(*shown)
    is_break = F.col("verdict").isNotNull()
    amounts_agree = [_amount_agrees(type_, tolerances) for type_ in AMOUNTS]
    return (
        each.withColumn("values_differ", F.when(is_break, ~reduce(and_, amounts_agree)))
        .withColumn("return_differs", F.when(is_break, ~_return_agrees(tolerances)))
        .withColumn("explanation", F.when(is_break, explanation(tolerances)))
        .select(*shown, "explanation")
    )


def declared(fact: str) -> Column:
    """What the mapping of a row's feed says of the vendor's own returns: return_basis or flow_timing; NULL: nothing."""
    said = F.lit(None).cast("string")
    for feed, mapping in load_mappings().items():
        value = getattr(mapping, fact)
        if value is not None and any(target.table == REPORTED for target in mapping.targets):
            said = F.when(F.col("feed") == feed, value).otherwise(said)
    return said


def _amount(type_: str, obstacle: Column) -> Column:
    """An amount beside ours: exactly in money, and in basis points of one of the vendor's values."""
    ours, theirs = F.col(f"our_{THEIRS[type_]}"), F.col(THEIRS[type_])
    difference = (ours - theirs).cast(MONEY)
    base = AMOUNTS[type_]
    return _figure(type_, (ours, theirs), (difference, _bps(difference, base)), F.col(base), obstacle)


def _return(column: str, obstacle: Column) -> Column:
    """A return beside ours, in basis points."""
    ours = F.when(F.col("is_gross"), F.col(f"our_{column}_gross")).otherwise(F.col(f"our_{column}"))
    theirs = F.col(column)
    return _figure(column, (ours, theirs), (F.lit(None).cast(MONEY), (ours - theirs) * 10_000), F.lit(1.0), obstacle)


def _roll_forward() -> Column:
    """The vendor's begin value, net flow and return beside its end value, the flow at work for the part of the day that
    brings the two nearest: B + NF + r (B + w NF) = E, w one of 0, 1/2 and 1 (specification, section 2)."""
    names = ("begin_market_value", "net_flow", "end_market_value")
    begin, flow, end = (F.col(name).cast("double") for name in names)
    rolled = [begin + flow + F.col("twrr_daily") * (begin + flow * share) for share in (0.0, 0.5, 1.0)]
    nearest = F.array_min(F.array(*[F.struct(F.abs(one - end).alias("apart"), one.alias("end")) for one in rolled]))
    theirs = F.when((begin + flow + F.col("twrr_daily")).isNotNull(), end)
    difference = (nearest["end"] - end).cast(MONEY)
    obstacle = F.when(F.col("is_gross"), "their return is before fees, which their figures are after").when(
        (F.col("our_days") > 1) & ((flow != 0) | (F.col("our_weighted_capital") != F.col("our_begin_market_value"))),
        "their figures are of several days, in which a flow was at work for some",
    )
    sides = (nearest["end"], theirs)
    return _figure(ROLL_FORWARD, sides, (difference, _bps(difference, "end_market_value")), end, obstacle)


def _bps(difference: Column, base: str) -> Column:
    return F.try_divide(difference.cast("double") * 10_000, F.abs(F.col(base)).cast("double"))


def _amount_agrees(type_: str, tolerances: Tolerances) -> Column:
    """Whether the vendor's amount of a row is no break, whatever figure the row is about."""
    measure, table = MEASURES[type_]
    apart = F.abs(F.col(f"our_{THEIRS[type_]}") - F.col(THEIRS[type_])).cast(MONEY)
    amounts = {"money": apart, "bps": _bps(apart, AMOUNTS[type_])}
    beyond = verdict(tolerances, measure, amounts, table=table, on=F.col("as_of_date"))
    return F.coalesce(apart == 0, F.lit(True)) | beyond.isNull()


def _return_agrees(tolerances: Tolerances) -> Column:
    """Whether the vendor's daily return of a row is no break, whatever figure the row is about; true where it cannot be
    compared."""
    measure, table = MEASURES["twrr_daily"]
    apart = F.when(_daily_obstacle().isNull(), F.abs(F.col("our_twrr_daily") - F.col("twrr_daily")))
    beyond = verdict(tolerances, measure, {"bps": apart * 10_000}, table=table, on=F.col("as_of_date"))
    return F.coalesce(apart == 0, F.lit(True)) | beyond.isNull()


def _figure(
    type_: str, sides: tuple[Column, Column], differences: tuple[Column, Column], base: Column, obstacle: Column
) -> Column:
    (ours, theirs), (difference, bps) = sides, differences
    comparable = obstacle.isNull()
    return F.struct(
        F.lit(type_).alias("type"),
        ours.cast("double").alias("ours"),
        theirs.cast("double").alias("theirs"),
        F.when(comparable, difference).alias("difference"),
        F.when(comparable, bps).alias("difference_bps"),
        base.cast("double").alias("base"),
        obstacle.alias("obstacle"),
    )


def _verdict(tolerances: Tolerances) -> Column:
    """The rule that a figure breaks; no difference is no break, also where it has no basis points (of nothing)."""
    amounts = {"money": F.abs("difference"), "bps": F.abs("difference_bps")}
    differs = F.coalesce("difference", "difference_bps") != 0
    found = F.lit(None).cast(VERDICT)
    for type_ in (*THEIRS, ROLL_FORWARD):
        measure, table = MEASURES[type_]
        broken = verdict(tolerances, measure, amounts, table=table, on=F.col("as_of_date"))
        found = F.when(differs & (F.col("type") == type_), broken).otherwise(found)
    return found


def _no_row() -> Column:
    return F.when(F.col("_known").isNull(), "we have no row on that day")


def _covers_a_gap() -> Column:
    days = F.concat(F.lit("our row covers "), F.col("our_days").cast("string"), F.lit(" business days, theirs one"))
    return F.when(F.col("our_days") > 1, days)


def _no_figure_of_ours(column: str) -> Column:
    said = F.concat(F.lit("we have no figure: our row is "), F.col("our_status"))
    return F.when(F.col(f"our_{column}").isNull(), said)


def _begin_obstacle() -> Column:
    return F.coalesce(_no_row(), _no_figure_of_ours("begin_market_value"), _covers_a_gap())


def _flow_obstacle() -> Column:
    return F.coalesce(_no_row(), _no_figure_of_ours("net_flow"), _covers_a_gap())


def _end_obstacle() -> Column:
    return F.coalesce(_no_row(), _no_figure_of_ours("end_market_value"))


def _daily_obstacle() -> Column:
    not_ok = F.when(F.col("our_status") != "ok", F.concat(F.lit("our row is "), F.col("our_status")))
    return F.coalesce(_no_row(), not_ok, _covers_a_gap(), _other_timing())


def _month_obstacle() -> Column:
    """The month-to-date returns are of one period only where our track covers the month from its first day."""
    first = F.trunc("as_of_date", "month")
    not_ok = F.when(F.col("our_status") != "ok", F.concat(F.lit("our row is "), F.col("our_status")))
    began = F.concat(F.lit("our track began on "), F.col("our_inception_date").cast("string"))
    within = F.when(F.col("our_inception_date") >= first, F.concat(began, F.lit(", within the month")))
    reaches_back = (F.col("our_days") > 1) & (F.col("our_begin_date") < F.date_sub(first, 1))
    straddles = F.when(reaches_back, "our row begins before the month")
    return F.coalesce(_no_row(), not_ok, within, straddles, _other_timing())


def _other_timing() -> Column:
    """The vendor's returns count flows at another time of the day, as its mapping says, and the day has flows."""
    said = F.lit(None).cast("string")
    for name, (inflow, outflow, words) in CONVENTIONS.items():
        apart = F.abs(F.col("our_weighted_capital").cast("double") - capital(inflow, outflow))
        is_other = (F.col("_timing") == name) & (F.col("our_days") == 1) & (apart > CENT)
        said = F.when(is_other, f"their returns are with {words}, ours of this day are not").otherwise(said)
    return said


def _nothing_came(lake: Lake, unpublished: Unpublished) -> bool:
    """Whether it is plain from the tables' last commits that neither side has rows which were not compared yet."""
    return not unpublished.came(lake, REPORTED) and lake.last_run(DAILY) < unpublished.first


def _reported(lake: Lake, unpublished: Unpublished) -> DataFrame:
    """Reported rows up to the business date, of files that were not withheld, with _fresh: not yet reconciled. Of every
    vendor also where the run is of one: the accounts that it restates are published whole."""
    run = unpublished.run
    rows = lake.read(REPORTED).where(F.col("as_of_date") <= run.business_date)
    if run.tenant is not None:
        rows = rows.where(F.col("tenant_id") == run.tenant)
    withheld = run.ledger.withheld_files(run)
    if withheld:
        rows = rows.where(~F.col("file_id").isin(withheld))
    return rows.withColumn("_fresh", unpublished.is_new("as_of_date"))


def _dates_touched(theirs: DataFrame, ours: DataFrame, unpublished: Unpublished) -> tuple[date, date] | None:
    """First and last date that is new on either side: bounds what is read of the history."""
    calculated = ours.where(unpublished.is_so).select("as_of_date")
    touched = theirs.where("_fresh").select("as_of_date").unionByName(calculated)
    row = touched.agg(F.min("as_of_date").alias("first"), F.max("as_of_date").alias("last")).first()
    return None if row is None or row["first"] is None else (row["first"], row["last"])
