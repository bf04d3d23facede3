"""What a night's written slice looks like: every dataset fact of every table and feed, counted in one Spark job."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, Row
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
    """One feed's rows in one table: how many, how many of the date with the most, and how many contradict each fact."""

    tenant_id: str
    vendor: str
    feed: str
    table: str
    rows: int
    largest: int
    failed: dict[Fact, int]


def facts_of(described: Table, tolerances: Tolerances) -> list[Fact]:
    """The facts that the schema states about a table's rows, and the columns that tolerances add.

    In a fixed order, which numbers the bits of `measured`: at most 63.
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


def measured(
    rows: DataFrame, described: Table, facts: list[Fact], currencies: list[str], log_feeds: list[str]
) -> DataFrame:
    """A slice of a silver table in the shape that all tables share, so that one aggregation serves them all.

    Columns: tenant_id, vendor, feed, table, date, key (hash), missed (bit n set: the row contradicts fact n). In the
    feeds of `log_feeds` a key may come again in a later line (correct, cancel): there the line belongs to the key.
    """
    in_log = F.col("feed").isin(log_feeds) if log_feeds else F.lit(False)
    line = F.when(in_log, F.struct("line_no", "record_no"))
    missed = F.lit(0).cast("long")
    for bit, fact in enumerate(facts):
        if fact.column:
            missed = missed + F.when(_contradicts(fact, described, currencies), 1 << bit).otherwise(0).cast("long")
    return rows.select(
        *GROUP,
        F.lit(described.table).alias("table"),
        (F.col(described.date) if described.date else F.lit(None).cast("date")).alias("date"),
        # A 64-bit hash stands for the key: one long to group by, and no collision in any real delivery.
        F.xxhash64(*described.key, "file_id", line).alias("key"),
        missed.alias("missed"),
    )


def counted(rows: DataFrame) -> DataFrame:
    """Counts measured rows: per date and set of missed facts the rows, and per feed and table the repeated keys.

    Columns: tenant_id, vendor, feed, table, date, missed, rows, repeated; `rows` is NULL in the lines of repeated keys.
    """
    by_facts = rows.groupBy(*GROUP, "table", "date", "missed").agg(F.count(F.lit(1)).alias("rows"))
    again = rows.groupBy(*GROUP, "table", "key").agg((F.count(F.lit(1)) - 1).alias("repeated")).where("repeated > 0")
    repeated = again.groupBy(*GROUP, "table").agg(F.sum("repeated").alias("repeated"))
    return by_facts.unionByName(repeated, allowMissingColumns=True)


def collect_profiles(slices: list[DataFrame], facts: dict[str, list[Fact]], about_rows: int) -> list[Profile]:
    """Counts all (measured) slices as one job, in one task where `about_rows` are few.

    What comes to the driver grows with feeds and dates, not with rows.
    """
    if not slices:
        return []
    every = reduce(DataFrame.unionByName, slices)
    every = every.coalesce(1) if about_rows < ONE_TASK_ROWS else every
    lines: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for line in counted(every).collect():
        lines[line["tenant_id"], line["vendor"], line["feed"], line["table"]].append(line)
    return [_profile(source, found, facts[source[3]]) for source, found in sorted(lines.items())]


def _profile(source: tuple[str, ...], lines: list[Row], facts: list[Fact]) -> Profile:
    tenant_id, vendor, feed, table = source
    rows = [line for line in lines if line["rows"] is not None]
    failed = {
        fact: sum(line["rows"] for line in rows if line["missed"] & (1 << bit))
        if fact.column
        else sum(line["repeated"] for line in lines if line["repeated"] is not None)
        for bit, fact in enumerate(facts)
    }
    by_date: Counter[date | None] = Counter()
    for line in rows:
        by_date[line["date"]] += line["rows"]
    return Profile(tenant_id, vendor, feed, table, by_date.total(), max(by_date.values(), default=0), failed)


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
