"""What a night's written slice looks like: every dataset fact of every table and feed, counted in one Spark job."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.check.tolerances import Measure, Tolerances
from jobs.platform.schemas import Table

GROUP = ["tenant_id", "vendor", "feed"]
# Below this many rows a slice is counted in one task: a shuffle costs more than it saves.
ONE_TASK_ROWS = 200_000


@dataclass(frozen=True)
class Fact:
    """Something that should be true of every row: what is measured, on which column (empty: the row), in words."""

    measure: Measure
    column: str
    says: str


@dataclass(frozen=True)
class Profile:
    """One feed's rows in one table: how many, over how many dates, and how many contradict each fact."""

    tenant_id: str
    vendor: str
    feed: str
    table: str
    rows: int
    dates: int
    failed: dict[Fact, int]


def facts_of(described: Table, tolerances: Tolerances) -> list[Fact]:
    """The facts that the schema states about a table's rows, and the columns that tolerances add.

    In a fixed order, which is the order of the counts in `profile`.
    """
    extra = {c for r in tolerances.rules if r.applies_to == described.table for c in r.columns}
    facts = [Fact("repeated_keys", "", f"no two rows of a file share {', '.join(described.key)}")]
    for column in described.columns:
        if not column.nullable or column.name in extra:
            facts.append(Fact("empty_share", column.name, f"{column.name} is not empty"))
        if column.values:
            says = f"{column.name} is one of {', '.join(column.values)}"
            facts.append(Fact("outside_values", column.name, says))
        elif column.pattern:
            facts.append(Fact("outside_values", column.name, f"{column.name} matches {column.pattern}"))
        if column.sign:
            facts.append(Fact("wrong_sign", column.name, f"{column.name} is {column.sign.replace('_', ' ')}"))
        if is_currency(column.name):
            facts.append(Fact("unknown_currency", column.name, f"{column.name} is a currency that exists"))
    return facts


def is_currency(name: str) -> bool:
    return name == "currency" or name.endswith("_currency")


def profile(
    rows: DataFrame, described: Table, facts: list[Fact], currencies: list[str], log_feeds: list[str]
) -> DataFrame:
    """Counts a slice of a silver table, per tenant, vendor and feed.

    Columns: tenant_id, vendor, feed, table, rows, dates, failed (array of counts in the order of `facts`). In the
    feeds of `log_feeds` a key may come again in a later line (correct, cancel): there only the line must be new.
    """
    in_log = F.col("feed").isin(log_feeds) if log_feeds else F.lit(False)
    line = F.when(in_log, F.struct("line_no", "record_no"))
    # A 64-bit hash stands for the key: one long per row to count distinct, and no collision in any real delivery.
    key = F.xxhash64(*described.key, "file_id", line)
    dates = F.size(F.collect_set(described.date)) if described.date else F.lit(1)
    counted = [F.count_if(_contradicts(fact, described, currencies)) for fact in facts if fact.column]
    grouped = rows.groupBy(*GROUP).agg(
        F.count(F.lit(1)).alias("rows"),
        dates.alias("dates"),
        F.count_distinct(key).alias("_keys"),
        F.array(*counted).alias("_counted") if counted else F.array().cast("array<bigint>").alias("_counted"),
    )
    repeated = F.array(F.col("rows") - F.col("_keys"))
    return grouped.select(
        *GROUP, F.lit(described.table).alias("table"), "rows", "dates", F.concat(repeated, "_counted").alias("failed")
    )


def collect_profiles(parts: list[DataFrame], facts: dict[str, list[Fact]]) -> list[Profile]:
    """Runs all parts as one job; what comes to the driver is one row per feed and table."""
    if not parts:
        return []
    every = reduce(DataFrame.unionByName, parts)
    found = [
        Profile(
            row["tenant_id"],
            row["vendor"],
            row["feed"],
            row["table"],
            row["rows"],
            row["dates"],
            dict(zip(facts[row["table"]], row["failed"], strict=True)),
        )
        for row in every.collect()
    ]
    return sorted(found, key=lambda p: (p.tenant_id, p.vendor, p.feed, p.table))


def _contradicts(fact: Fact, described: Table, currencies: list[str]) -> Column:
    value = F.col(fact.column)
    column = described.column(fact.column)
    if fact.measure == "empty_share":
        return value.isNull() | (value == "") if column.type == "string" else value.isNull()
    if fact.measure == "outside_values":
        return ~value.isin(column.values) if column.values else ~value.rlike(f"^(?:{column.pattern})$")
    if fact.measure == "wrong_sign":
        return value <= 0 if column.sign == "positive" else value < 0
    if fact.measure == "unknown_currency":
        return ~value.isin(currencies)
    raise ValueError(f"measure {fact.measure} is not about a column")
