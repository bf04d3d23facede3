"""Exact money arithmetic in DECIMAL(28,8).

Spark gives a product or quotient of decimals the scale that is left of 38 digits after the whole-number digits that
the operand types can need, and rounds to it once, halves away from zero. So each function below first casts its
operands to types for which that leaves exactly 8 decimals: one rounding, in the right place. A sum whose type would
need more than 38 digits silently loses decimals too; hence the casts before and between additions.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

MONEY = "decimal(28,8)"
WIDE = "decimal(36,8)"  # two of these add up to decimal(37,8): nothing is lost
RATE = "decimal(17,8)"
WHOLE = "decimal(7,0)"  # day numbers and day counts


def money(amount: Column) -> Column:
    """The amount as DECIMAL(28,8); overflow is an error."""
    return amount.cast(MONEY)


def difference(minuend: Column, subtrahend: Column) -> Column:
    """minuend - subtrahend of running sums, exact, as DECIMAL(28,8)."""
    return (minuend.cast(WIDE) - subtrahend.cast(WIDE)).cast(MONEY)


def times_whole(amount: Column, whole: Column) -> Column:
    """amount x whole number, exact: decimal(36,8)."""
    return amount.cast(MONEY) * whole.cast(WHOLE)


def divided_by_whole(amount: Column, whole: Column) -> Column:
    """amount / whole number, rounded once to 8 decimals, halves away from zero."""
    return (amount.cast("decimal(38,8)") / whole.cast(WHOLE)).cast(MONEY)


def times(amount: Column, factor: Column) -> Column:
    """amount x factor, rounded once to 8 decimals, halves away from zero; NULL for a factor of 10^9 or more."""
    return (amount.cast(MONEY) * factor.try_cast(RATE)).cast(MONEY)


def converted(amount: Column, multiplier: Column, divisor: Column) -> Column:
    """amount x multiplier / divisor, rounded once to 8 decimals, halves away from zero.

    `multiplier` and `divisor` are decimal(35,16): the product of the rates taken directly and of those taken
    inversely, exactly 1 where there is none. With both, amounts from 10^14 and multipliers from 10^7 (or of more than
    8 decimals) are rounded twice; with a divisor only, amounts from 10^14. NULL for a multiplier of 10^9 or more.
    """
    one = F.lit(1).cast("decimal(1,0)")
    by_product = (amount.cast(MONEY) * multiplier.try_cast("decimal(25,16)")).cast(MONEY)
    by_quotient = (amount.try_cast("decimal(22,8)") / divisor).cast(MONEY)
    exact_multiplier = multiplier.try_cast("decimal(15,8)")
    both = F.when(
        exact_multiplier == multiplier,
        ((amount.try_cast("decimal(22,8)") * exact_multiplier) / divisor.try_cast("decimal(17,8)")).cast(MONEY),
    )
    twice = (by_product.cast("decimal(38,8)") / divisor.cast("decimal(38,16)")).cast(MONEY)
    return (
        F.when(divisor == one, by_product)
        .when(multiplier == one, F.coalesce(by_quotient, twice))
        .otherwise(F.coalesce(both, twice))
    )
