"""Tolerances as a column: which rule a row's measure breaks, if any, decided by Spark for all scopes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import groupby
from operator import and_, or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.check.tolerances import ANY, SEVERITIES, TABLES, Limit, Measure, Rule, Scope, Tolerances
from jobs.platform.mapping import load_mappings

VERDICT = "struct<rank:int,rule:string,severity:string,expected:string>"


def verdict(tolerances: Tolerances, measure: Measure, amounts: dict[str, Column], *, table: str, on: Column) -> Column:
    """The most severe rule for `measure` that a row breaks, as a struct of VERDICT; NULL where it breaks none.

    amounts: the measured size, not negative, per unit. A row breaks a rule when it is beyond every limit of the rule;
    an amount that is not defined (basis points of nothing) is beyond. The row's columns tenant_id, vendor and feed,
    account_class where a rule asks for it (`classes.classified`), and its date `on` decide which entry of a rule is in
    force; ceilings lower the severity. Raises ValueError for a `table` that TABLES does not give the measure.
    """
    if table not in TABLES[measure]:
        raise ValueError(f"measure {measure} is of {' and '.join(TABLES[measure])}, not of {table}")
    meant = [rule for rule in tolerances.rules if rule.measure == measure and _may_apply(rule, table)]
    by_name = groupby(sorted(meant, key=lambda rule: rule.name), key=lambda rule: rule.name)

    def found(rule: Rule) -> Column:
        return F.when(_beyond(rule, amounts), _found(rule, tolerances))

    broken = [said_in_force(list(entries), found, table=table, on=on) for _, entries in by_name]
    if not broken:
        return F.lit(None).cast(VERDICT)
    return (broken[0] if len(broken) == 1 else F.array_max(F.array(*broken))).cast(VERDICT)


def said_in_force(entries: Sequence[Rule], says: Callable[[Rule], Column], *, table: str, on: Column) -> Column:
    """What that of the `entries` of one rule says which is in force for a row of `table`, by the same columns as
    `verdict`; NULL where none is."""
    chosen = F.when(F.lit(False), None)
    for rule in sorted(entries, key=lambda rule: rule.weight, reverse=True):
        if _may_apply(rule, table):
            chosen = chosen.when(_in_force(rule, on), says(rule))
    return chosen


def _may_apply(rule: Rule, table: str) -> bool:
    return rule.applies_to in {ANY, table} or rule.applies_to in load_mappings()


def _in_force(rule: Rule, on: Column) -> Column:
    tests = [_covers(rule)]
    if rule.valid_from is not None:
        tests.append(on >= F.lit(rule.valid_from))
    if rule.valid_to is not None:
        tests.append(on <= F.lit(rule.valid_to))
    if rule.applies_to in load_mappings():
        tests.append(F.col("feed") == rule.applies_to)
    if rule.account_class is not None:
        tests.append(F.coalesce(F.col("account_class") == rule.account_class, F.lit(False)))
    return reduce(and_, tests)


def _covers(scope: Scope) -> Column:
    given = {"tenant_id": scope.tenant, "vendor": scope.vendor, "feed": scope.feed}
    tests = [F.col(name) == value for name, value in given.items() if value is not None]
    return reduce(and_, tests, F.lit(True))


def _beyond(rule: Rule, amounts: dict[str, Column]) -> Column:
    return reduce(and_, [F.coalesce(_outside(limit, amounts[limit.unit]), F.lit(True)) for limit in rule.limits])


def _outside(limit: Limit, amount: Column) -> Column:
    tests = []
    if limit.min is not None:
        tests.append(amount < F.lit(limit.min))
    if limit.max is not None:
        tests.append(amount > F.lit(limit.max))
    return reduce(or_, tests)


def _found(rule: Rule, tolerances: Tolerances) -> Column:
    severity = F.lit(rule.severity)
    rank = F.lit(SEVERITIES.index(rule.severity))
    for ceiling in sorted(tolerances.ceilings, key=lambda c: SEVERITIES.index(c.severity), reverse=True):
        if SEVERITIES.index(ceiling.severity) < SEVERITIES.index(rule.severity):
            severity = F.when(_covers(ceiling), ceiling.severity).otherwise(severity)
            rank = F.when(_covers(ceiling), SEVERITIES.index(ceiling.severity)).otherwise(rank)
    expected = " and ".join(limit.in_words() for limit in rule.limits)
    return F.struct(
        rank.alias("rank"),
        F.lit(rule.name).alias("rule"),
        severity.alias("severity"),
        F.lit(expected).alias("expected"),
    )
