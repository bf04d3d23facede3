"""Which account of ours a new number may be: one that the vendor has stopped delivering, of the same name, with the
same positions or of the same value. A person decides; here is only what speaks for it, and how strongly.

Numbers and accounts meet by equal keys (a hash of the name, a hash of the positions, the value to the cent) and never
each with each. Names are compared as hashes and leave no trace.
"""

from __future__ import annotations

from functools import reduce
from operator import mul

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

NUMBER = ["tenant_id", "vendor", "account_number"]
ACCOUNT = ["tenant_id", "vendor", "account_id"]
MONEY = "decimal(28,8)"

# How far each agreement by itself makes it likely that the two are one account: one less the share of accounts that
# it would find by chance. They count as independent of each other: together they leave the product of what each does.
NAME, POSITIONS, FEW_POSITIONS, SAME_VALUE, NEAR_VALUE = 0.6, 0.85, 0.5, 0.7, 0.3
FEW = 3  # positions below which two accounts may well hold the same
NEAR = 0.02  # share by which a value may move overnight
FAR = 0.10  # share from which the two values speak against it
# What each disagreement leaves of the confidence.
ANOTHER_NAME, OTHER_POSITIONS, OTHER_VALUE, OTHER_CURRENCY = 0.5, 0.5, 0.5, 0.3
MOST = 0.99  # nothing here is certain


def name_hash(name: Column) -> Column:
    """Equal for names that differ in case, spacing and punctuation only; NULL where nothing is left."""
    bare = F.regexp_replace(F.upper(name), r"[^\p{L}\p{N}]", "")
    return F.when(F.length(bare) > 0, F.sha2(bare, 256))


def proposed(numbers: DataFrame, accounts: DataFrame, rejected: DataFrame | None = None) -> DataFrame:
    """For each new number the account that it most resembles, where that resembles no other number more.

    numbers: NUMBER, from_date, value, currency, holdings, positions, name. accounts: ACCOUNT, last_on, value, currency,
    holdings, positions, name; an account counts for numbers that begin after its last_on. Hashes and values are NULL
    where nothing is known. rejected: NUMBER and account_id that a person has said no to.

    Gives NUMBER, account_id, confidence and reasons, and of both sides the facts as structs `number` and `account`.
    """
    sides = ["value", "currency", "holdings", "positions", "name"]
    left = numbers.select(*NUMBER, F.struct("from_date", *sides).alias("number"), _keys().alias("_key"))
    right = accounts.select(*ACCOUNT, F.struct("last_on", *sides).alias("account"), _keys().alias("_key"))
    met = (
        left.withColumn("_key", F.explode("_key"))
        .join(right.withColumn("_key", F.explode("_key")), ["tenant_id", "vendor", "_key"])
        .where("account.last_on < number.from_date AND account_id <> account_number")
        .dropDuplicates([*NUMBER, "account_id"])
    )
    if rejected is not None:
        met = met.join(rejected, [*NUMBER, "account_id"], "left_anti")
    judged = met.withColumn("confidence", F.least(_confidence(), F.lit(MOST)))
    odds = F.col("confidence") / (1 - F.col("confidence"))
    of_number, of_account = Window.partitionBy(*NUMBER), Window.partitionBy(*ACCOUNT)
    rivals = judged.withColumns({
        "_share": F.least(*[F.try_divide(odds, F.sum(odds).over(one)) for one in (of_number, of_account)]),
        "_accounts": F.count("*").over(of_number),
        "_numbers": F.count("*").over(of_account),
        "_place": F.row_number().over(of_number.orderBy(F.desc("confidence"), "account_id")),
        "_place_of": F.row_number().over(of_account.orderBy(F.desc("confidence"), "account_number")),
    })  # fmt: skip
    best = rivals.where("_place = 1 AND _place_of = 1")
    return best.select(
        *NUMBER,
        "account_id",
        F.round(F.col("confidence") * F.coalesce("_share", F.lit(1.0)), 2).alias("confidence"),
        _reasons().alias("reasons"),
        "number",
        "account",
    )


def _keys() -> Column:
    value = F.when(F.col("value") != 0, F.concat(F.lit("v"), F.round("value", 2).cast("string")))
    return F.array_compact(F.array(F.concat(F.lit("n"), "name"), F.concat(F.lit("h"), "holdings"), value))


def _agree(what: str) -> Column:
    """Whether both sides say the same; NULL where one of them says nothing."""
    return F.col(f"number.{what}") == F.col(f"account.{what}")


def _gap() -> Column:
    """By what share of the account's value the two values differ; NULL where they cannot be compared."""
    same_currency = F.coalesce(_agree("currency"), F.lit(True))
    gap = F.abs(F.try_divide(F.col("number.value") - F.col("account.value"), F.abs("account.value")))
    return F.when(same_currency, gap.cast("double"))


def _is_same_value() -> Column:
    return F.coalesce(_agree("currency"), F.lit(True)) & (F.round("number.value", 2) == F.round("account.value", 2))


def _confidence() -> Column:
    positions = F.when(F.col("number.positions") < FEW, FEW_POSITIONS).otherwise(POSITIONS)
    value = F.when(_is_same_value(), SAME_VALUE).when(_gap() <= NEAR, NEAR_VALUE)
    speaks_for = [F.when(_agree("name"), NAME), F.when(_agree("holdings"), positions), value]
    speaks_against = [
        F.when(~_agree("name"), ANOTHER_NAME),
        F.when(~_agree("holdings"), OTHER_POSITIONS),
        F.when(_gap() > FAR, OTHER_VALUE),
        F.when(~_agree("currency"), OTHER_CURRENCY),
    ]
    left = reduce(mul, [1 - F.coalesce(one, F.lit(0.0)) for one in speaks_for])
    return reduce(mul, [F.coalesce(one, F.lit(1.0)) for one in speaks_against], 1 - left)


def _reasons() -> Column:
    """`same name; same 12 positions; value 1,010.00 on 2026-03-05 after 1,000.00 on 2026-03-04`."""
    positions = F.col("number.positions").cast("string")
    values = F.concat(
        F.lit("value "), F.format_number(F.col("number.value"), 2), F.lit(" on "),
        F.col("number.from_date").cast("string"), F.lit(" after "), F.format_number(F.col("account.value"), 2),
        F.lit(" on "), F.col("account.last_on").cast("string"),
    )  # fmt: skip
    others = F.greatest("_accounts", "_numbers") - 1
    return F.concat_ws(
        "; ",
        F.when(_agree("name"), "same name").when(~_agree("name"), "another name"),
        F.when(_agree("holdings"), F.concat(F.lit("same "), positions, F.lit(" positions"))).when(
            ~_agree("holdings"), "other positions"
        ),
        F.when(~_agree("currency"), "another currency"),
        values,
        F.when(others > 0, F.concat(others.cast("string"), F.lit(" more that it may be"))),
    )
