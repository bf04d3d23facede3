"""Lines to records: what kind each line is, its cells, the titles above it and the values that stand around it."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import Mapping, normalise_title

# Appended as one more cell, so that the number of cells that a line really has can be told.
END_OF_LINE = "\ue000"  # private use: no vendor writes it, no trimming takes it away
EXTRA_CELLS = 12

FILE_FACTS = T.StructType(
    [
        T.StructField("file_id", T.StringType()),
        T.StructField("arrival_no", T.LongType()),
        T.StructField("mapping_version", T.StringType()),
        T.StructField("header_line", T.LongType()),
        T.StructField("titles", T.ArrayType(T.StringType())),
        T.StructField("names", T.ArrayType(T.StringType())),
        T.StructField("context", T.MapType(T.StringType(), T.StringType())),
    ]
)


def file_facts(files: list[FileRecord]) -> list[tuple[object, ...]]:
    """Rows of FILE_FACTS: what detection learned of each file (small: a row per file)."""
    rows: list[tuple[object, ...]] = []
    for file in files:
        found = file.detection or {}
        header = found["header"]
        names = [normalise_title(title) for title in header]
        facts = (file.file_id, file.arrival_no, file.mapping_version, found["header_line"], header, names)
        rows.append((*facts, found["context"]))
    return rows


def classified(lines: DataFrame, mapping: Mapping) -> DataFrame:
    """Adds kind to lines (with FILE_FACTS joined): header, preamble, section, total, blank, ... or record."""
    kind = F.when(F.trim("raw") == "", "blank")
    if mapping.reader.header == "once":
        kind = kind.when(F.col("line_no") == F.col("header_line"), "header")
    for rule in mapping.lines:
        kind = kind.when(F.col("raw").rlike(rule.match), rule.kind)
    if mapping.reader.header == "once":
        kind = kind.when(F.col("line_no") < F.col("header_line"), "preamble")
    return lines.withColumn("kind", kind.otherwise("record"))


def with_cells(lines: DataFrame, mapping: Mapping, widest: int) -> DataFrame:
    """Adds cells, cell_count, titles, names (the titles as they are compared) and a ctx_<name> per captured value.

    lines: classified. `widest` is the largest number of titles of any file. Only mappings with sections or repeated
    headers need the lines of a file in order (one task a file); all others are read line by line.
    """
    width = widest + EXTRA_CELLS
    reader = mapping.reader
    options = {
        "sep": reader.delimiter,
        "quote": reader.quote,
        "escape": reader.quote,
        "ignoreLeadingWhiteSpace": "true",
        "ignoreTrailingWhiteSpace": "true",
        "mode": "PERMISSIVE",
    }
    schema = ", ".join(f"c{i} string" for i in range(width))
    ended = F.concat("raw", F.lit(reader.delimiter + END_OF_LINE))
    parsed = lines.withColumn("_csv", F.from_csv(ended, schema, options))
    cells = parsed.withColumn("cells", F.array(*[F.coalesce(F.trim(f"_csv.c{i}"), F.lit("")) for i in range(width)]))
    counted = cells.withColumn("cell_count", F.array_position("cells", END_OF_LINE) - 1).drop("_csv")
    so_far = Window.partitionBy("file_id").orderBy("line_no").rowsBetween(Window.unboundedPreceding, 0)
    if reader.header == "repeated":
        header = F.when(F.col("kind") == "header", F.slice("cells", F.lit(1), F.col("cell_count").cast("int")))
        counted = counted.withColumn("titles", F.last(header, ignorenulls=True).over(so_far))
        names = F.transform(header, lambda t: F.lower(F.trim(F.regexp_replace(t, r"\s*\(\$\)$", ""))))
        counted = counted.withColumn("names", F.last(names, ignorenulls=True).over(so_far))
    for name, capture in mapping.context.items():
        if capture.source == "section":
            found = F.when(F.col("kind") == "section", F.regexp_extract("raw", capture.match, 1))
            value: Column = F.last(found, ignorenulls=True).over(so_far)
        else:
            value = F.col("context").getItem(name)
        counted = counted.withColumn(f"ctx_{name}", value)
    if any(control.per == "section" for control in mapping.controls):
        section = F.sum(F.when(F.col("kind") == "section", 1).otherwise(0)).over(so_far)
        counted = counted.withColumn("section_no", section)
    return counted


def cell(titles: list[str], header: list[str] | None = None) -> Column:
    """The text under the first of these titles that the file has; NULL where it has none of them.

    With `header`, the one header that all files of the feed have, places are known before the first row is read.
    """
    if header is not None:
        names = [normalise_title(name) for name in header]
        places = [names.index(normalise_title(title)) for title in titles if normalise_title(title) in names]
        return F.get("cells", F.lit(places[0])) if places else F.lit(None).cast("string")
    found = [F.get("cells", _place(title)) for title in titles]
    return found[0] if len(found) == 1 else F.coalesce(*found)


def _place(title: str) -> Column:
    return (F.array_position("names", normalise_title(title)) - 1).cast("int")


def common_header(mapping: Mapping, files: list[FileRecord]) -> list[str] | None:
    """The header that all files have; None where they differ or a file may have several."""
    headers = {tuple(file.detection["header"]) for file in files}
    return list(headers.pop()) if len(headers) == 1 and mapping.reader.header == "once" else None


def cell_problem(mapping: Mapping) -> Column:
    """A struct that says what is wrong with the line as such (encoding, number of cells), or NULL."""
    count, titles = F.col("cell_count"), F.size("titles")
    expected = F.concat(titles.cast("string"), F.lit(" cells"))
    found = F.concat(count.cast("string"), F.lit(" cells"))
    wrong = F.col("parse_error").isNotNull()
    problem = F.when(wrong, rule_struct("encoding", "", F.col("raw"), F.col("parse_error")))
    problem = problem.when(count < 0, rule_struct("cells", "", F.lit("too many cells"), expected))
    if not mapping.reader.short_rows:
        problem = problem.when(count < titles, rule_struct("cells", "", found, expected))
    if not mapping.reader.long_rows:
        problem = problem.when(count > titles, rule_struct("cells", "", found, expected))
    return problem


def rule_struct(rule: str, column: str, value: Column, expected: Column | str) -> Column:
    """One failed rule: which rule, in which column, the value seen, what was expected."""
    wanted = F.lit(expected) if isinstance(expected, str) else expected
    return F.struct(
        F.lit(rule).alias("rule"),
        F.lit(column).alias("column"),
        value.cast("string").alias("value"),
        wanted.alias("expected"),
    )
