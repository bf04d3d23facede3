"""What caused a restatement: of the inputs that came since the last publication the one that explains its first date.

An input explains a row whose sub-period holds its date. Of several such the earliest is named, the others are counted;
where none lies in the sub-period (attributes hold from a day on, a rate serves later days), the latest before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.calculate.currency import LONGEST_SERVICE_DAYS
from jobs.calculate.due import ATTRIBUTES, is_fresh
from jobs.calculate.inputs import ACCOUNT, Silver, of_few
from jobs.platform.ledger import Progress
from jobs.platform.schemas import table

LINEAGE = ["vendor", "feed", "file_id", "line_no", "arrival_no"]
FOUND = [*ACCOUNT, "input_date", "cause_kind", "what", *LINEAGE]


def causes(silver: Silver, restated: DataFrame, progress: Mapping[str, Progress]) -> DataFrame:
    """Per account of `restated` (tenant_id, account_id, from_date, period_begin, currency) what caused it.

    Columns: tenant_id, account_id, cause_kind, what (in words), vendor, feed, file_id, line_no, inputs (how many would
    explain it as well, itself included). An account without a fresh input has no row.
    """
    some = restated.select(*ACCOUNT, "from_date", "period_begin", "currency")
    fresh = is_fresh(progress)
    found = [_valuations(silver, fresh, some), _transactions(silver, fresh, some), _attributes(silver, fresh, some)]
    if silver.lake.exists("fx_rate"):
        found.append(_rates(silver, fresh, some))
    every = reduce(DataFrame.unionByName, found).join(F.broadcast(some), ACCOUNT).where("input_date <= from_date")
    inside = "input_date > period_begin"
    order = f"""struct(NOT {inside} AS outside, IF({inside}, 1, -1) * datediff(input_date, DATE'1900-01-01') AS day,
        arrival_no, line_no, cause_kind)"""
    named = F.struct("cause_kind", "what", "vendor", "feed", "file_id", "line_no")
    chosen = every.groupBy(*ACCOUNT).agg(
        F.min_by(named, F.expr(order)).alias("first"), F.expr(f"count_if({inside}) AS inside")
    )
    return chosen.selectExpr(*ACCOUNT, "first.*", "greatest(inside, 1) AS inputs")


def _valuations(silver: Silver, fresh: Column, some: DataFrame) -> DataFrame:
    rows = silver.every("valuation").where(fresh).join(F.broadcast(some.select(*ACCOUNT)), ACCOUNT)
    what = "concat('valuation of ', as_of_date, IF(coalesce(retired, false), ' taken back', ''))"
    return rows.selectExpr(
        *ACCOUNT, "as_of_date AS input_date", "'valuation' AS cause_kind", f"{what} AS what", *LINEAGE
    )


def _transactions(silver: Silver, fresh: Column, some: DataFrame) -> DataFrame:
    """The fresh versions, each at the date and account of every version: one that moved explains where it was, too."""
    key = table("transaction").key
    every = silver.every("transaction")
    theirs = of_few(every, some)
    told = """concat(lower(type), ' ', transaction_id,
        CASE status WHEN 'correct' THEN ' corrected' WHEN 'cancel' THEN ' cancelled' ELSE '' END)"""
    anew = every.where(fresh).selectExpr(*key, f"{told} AS what", "feed", "file_id", "line_no", "arrival_no")
    places = theirs.select(*key, "account_id", F.col("performance_date").alias("input_date")).distinct()
    rows = places.join(F.broadcast(some.select(*ACCOUNT)), ACCOUNT).join(anew, key)
    return rows.withColumn("cause_kind", F.lit("transaction")).select(*FOUND)


def _attributes(silver: Silver, fresh: Column, some: DataFrame) -> DataFrame:
    """Fresh versions that say something else than the version before; a changed name restates nothing."""
    order = Window.partitionBy(*table("account").key).orderBy("arrival_no", "line_no")
    own = silver.every("account").join(F.broadcast(some.select(*ACCOUNT)), ACCOUNT)
    said = F.struct(*ATTRIBUTES)
    anew = own.withColumns({"_said": said, "_before": F.lag(said).over(order)}).where(fresh)
    named = ", ".join(f"concat('{name} ', {name})" for name in ATTRIBUTES)
    what = f"concat_ws(', ', 'account attributes', {named})"
    return anew.where("NOT _said <=> _before").selectExpr(
        *ACCOUNT, "effective_from AS input_date", "'account' AS cause_kind", f"{what} AS what", *LINEAGE
    )


def _rates(silver: Silver, fresh: Column, some: DataFrame) -> DataFrame:
    """Fresh rates of the currencies in which the first row's amounts came; a rate serves the days after its own."""
    wanted = F.broadcast(some)
    worth = of_few(silver.every("valuation"), some).join(wanted.withColumnRenamed("currency", "base"), ACCOUNT)
    booked = of_few(silver.every("transaction"), some).join(wanted.withColumnRenamed("currency", "base"), ACCOUNT)
    foreign = (
        worth.where("as_of_date = from_date")
        .select(*ACCOUNT, "from_date", "base", "currency")
        .unionByName(
            booked.where("performance_date > period_begin AND performance_date <= from_date").select(
                *ACCOUNT, "from_date", "base", "currency"
            )
        )
        .where("currency <> base")
        .distinct()
    )
    rates = silver.every("fx_rate").where(fresh)
    sides = [
        rates.selectExpr("tenant_id", f"{one} AS currency", f"{other} AS other", "as_of_date AS input_date", *LINEAGE)
        for one, other in (("from_currency", "to_currency"), ("to_currency", "from_currency"))
    ]
    serving = f"input_date <= from_date AND input_date >= date_sub(from_date, {LONGEST_SERVICE_DAYS})"
    served = sides[0].unionByName(sides[1]).join(F.broadcast(foreign), ["tenant_id", "currency"]).where(serving)
    what = "concat('exchange rate ', currency, '/', other, ' of ', input_date)"
    return served.selectExpr(
        *ACCOUNT, "input_date", "'fx_rate' AS cause_kind", f"{what} AS what",
        "vendor", "feed", "file_id", "line_no", "arrival_no + IF(other = base, 0, 1000000000) AS arrival_no",
    )  # fmt: skip
