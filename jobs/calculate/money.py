"""Exact money arithmetic in DECIMAL(28,8), as SQL.

Spark gives a product or quotient of decimals the scale that is left of 38 digits after the whole-number digits that
the operand types can need, and rounds to it once, halves away from zero. So each function below first casts its
operands to types for which that leaves exactly 8 decimals: one rounding, in the right place. A sum whose type would
need more than 38 digits silently loses decimals too; hence the casts before and between additions.
"""

from __future__ import annotations

MONEY = "DECIMAL(28,8)"
WIDE = "DECIMAL(36,8)"  # two of these add up to DECIMAL(37,8): nothing is lost
RATE = "DECIMAL(17,8)"
WHOLE = "DECIMAL(7,0)"  # day numbers and day counts
ZERO = f"CAST(0 AS {MONEY})"


def money(amount: str) -> str:
    """The amount as DECIMAL(28,8); overflow is an error."""
    return f"CAST({amount} AS {MONEY})"


def total(*amounts: str) -> str:
    """The sum of amounts or running sums, exact: DECIMAL(36,8)."""
    added = f"CAST({amounts[0]} AS {WIDE})"
    for amount in amounts[1:]:
        added = f"CAST({added} + CAST({amount} AS {WIDE}) AS {WIDE})"
    return added


def difference(minuend: str, subtrahend: str) -> str:
    """minuend - subtrahend of running sums, exact, as DECIMAL(28,8)."""
    return money(f"CAST({minuend} AS {WIDE}) - CAST({subtrahend} AS {WIDE})")


def times_whole(amount: str, whole: str) -> str:
    """amount x whole number, exact: DECIMAL(36,8)."""
    return f"({money(amount)} * CAST({whole} AS {WHOLE}))"


def divided_by_whole(amount: str, whole: str) -> str:
    """amount / whole number, rounded once to 8 decimals, halves away from zero."""
    return money(f"CAST({amount} AS DECIMAL(38,8)) / CAST({whole} AS {WHOLE})")


def times(amount: str, factor: str) -> str:
    """amount x factor, rounded once to 8 decimals, halves away from zero; NULL for a factor of 10^9 or more."""
    return money(f"{money(amount)} * TRY_CAST({factor} AS {RATE})")


def converted(amount: str, multiplier: str, divisor: str) -> str:
    """amount x multiplier / divisor, rounded once to 8 decimals, halves away from zero.

    `multiplier` and `divisor` are decimal(35,16): the product of the rates taken directly and of those taken
    inversely, exactly 1 where there is none. With both, amounts from 10^14 and multipliers from 10^7 (or of more than
    8 decimals) are rounded twice; with a divisor only, amounts from 10^14. NULL for a multiplier of 10^9 or more.
    """
    by_product = money(f"{money(amount)} * TRY_CAST({multiplier} AS DECIMAL(25,16))")
    by_quotient = money(f"TRY_CAST({amount} AS DECIMAL(22,8)) / {divisor}")
    exact = f"TRY_CAST({multiplier} AS DECIMAL(15,8))"
    product = f"(TRY_CAST({amount} AS DECIMAL(22,8)) * {exact})"
    both = f"CASE WHEN {exact} = {multiplier} THEN {money(f'{product} / TRY_CAST({divisor} AS {RATE})')} END"
    twice = money(f"CAST({by_product} AS DECIMAL(38,8)) / CAST({divisor} AS DECIMAL(38,16))")
    return (
        f"CASE WHEN {divisor} = 1BD THEN {by_product}"
        f" WHEN {multiplier} = 1BD THEN coalesce({by_quotient}, {twice})"
        f" ELSE coalesce({both}, {twice}) END"
    )
