"""Lines to records: what kind each line is, its cells, the titles above it and the values that stand around it."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from jobs.normalise.cells import cells_of
from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import Mapping, normalise_title

# What detection learned of each file. The layout is joined only where a mapping cannot do without.
FILE_FACTS = T.StructType(
    [
        T.StructField("file_id", T.StringType()),
        T.StructField("arrival_no", T.LongType()),
        T.StructField("mapping_version", T.StringType()),
        T.StructField("header_line", T.LongType()),
    ]
)
FILE_LAYOUT = T.StructType(
    [
        T.StructField("file_id", T.StringType()),
        T.StructField("titles", T.ArrayType(T.StringType())),
        T.StructField("names", T.ArrayType(T.StringType())),
        T.StructField("context", T.MapType(T.StringType(), T.StringType())),
    ]
)


def file_facts(files: list[FileRecord]) -> list[tuple[object, ...]]:
    """Rows of FILE_FACTS (small: a row per file)."""
    return [(file.file_id, file.arrival_no, file.mapping_version, file.detection["header_line"]) for file in files]


def file_layout(files: list[FileRecord]) -> list[tuple[object, ...]]:
    """Rows of FILE_LAYOUT: the titles of each file, how they are compared, and the values that stand around."""
    found = [(file.file_id, file.detection["header"], file.detection["context"]) for file in files]
    return [(file_id, header, [normalise_title(title) for title in header], about) for file_id, header, about in found]


def classified(lines: DataFrame, mappings: dict[str, Mapping]) -> DataFrame:
    """Adds kind to lines of any feeds (with FILE_FACTS): header, preamble, section, total, blank, ... or record."""
    kind: Column | None = None
    for feed, mapping in mappings.items():
        is_feed = F.col("feed") == feed
        kind = F.when(is_feed, _kind(mapping)) if kind is None else kind.when(is_feed, _kind(mapping))
    return lines.withColumn("kind", F.lit(None).cast("string") if kind is None else kind)


def _kind(mapping: Mapping) -> Column:
    kind = F.when(F.trim("raw") == "", "blank")
    if mapping.reader.header == "once":
        kind = kind.when(F.col("line_no") == F.col("header_line"), "header")
    for rule in mapping.lines:
        kind = kind.when(F.col("raw").rlike(rule.match), rule.kind)
    if mapping.reader.header == "once":
        kind = kind.when(F.col("line_no") < F.col("header_line"), "preamble")
    return kind.otherwise("record")


def needs_layout(mapping: Mapping, header: list[str] | None) -> bool:
    """Whether the mapping's lines must be joined with FILE_LAYOUT."""
    captured = any(capture.source != "section" for capture in mapping.context.values())
    return captured or (header is None and mapping.reader.header == "once")


def with_cells(lines: DataFrame, mapping: Mapping, header: list[str] | None) -> DataFrame:
    """Adds cells, titles, names (the titles as they are compared) and a ctx_<name> per captured value.

    lines: classified, of this feed; with FILE_LAYOUT where `needs_layout`. `header`: the one that all files have, else
    None. Only mappings with sections or repeated headers need a file's lines in order (one task a file); all others
    are read line by line.
    """
    reader = mapping.reader
    added = {"cells": cells_of(F.col("raw"), reader)}
    if header is not None:
        added["titles"] = F.lit(header)
        added["names"] = F.lit([normalise_title(title) for title in header])
    for name, capture in mapping.context.items():
        if capture.source != "section":
            added[f"ctx_{name}"] = F.col("context").getItem(name)
    rows = lines.withColumns(added)
    so_far = Window.partitionBy("file_id").orderBy("line_no").rowsBetween(Window.unboundedPreceding, 0)
    in_order: dict[str, Column] = {}
    if reader.header == "repeated":
        titles = F.when(F.col("kind") == "header", F.col("cells"))
        in_order["titles"] = F.last(titles, ignorenulls=True).over(so_far)
        names = F.transform(titles, lambda t: F.lower(F.trim(F.regexp_replace(t, r"\s*\(\$\)$", ""))))
        in_order["names"] = F.last(names, ignorenulls=True).over(so_far)
    is_section = F.col("kind") == "section"
    for name, capture in mapping.context.items():
        if capture.source == "section":
            found = F.when(is_section, F.regexp_extract("raw", capture.match, 1))
            in_order[f"ctx_{name}"] = F.last(found, ignorenulls=True).over(so_far)
    if any(control.per == "section" for control in mapping.controls):
        in_order["section_no"] = F.sum(is_section.cast("int")).over(so_far)
    return rows.withColumns(in_order) if in_order else rows


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
    count, titles = F.size("cells"), F.size("titles")
    expected = F.concat(titles.cast("string"), F.lit(" cells"))
    found = F.concat(count.cast("string"), F.lit(" cells"))
    wrong = F.col("parse_error").isNotNull()
    problem = F.when(wrong, rule_struct("encoding", "", F.col("raw"), F.col("parse_error")))
    closed = f"cells whose quotes ({mapping.reader.quote}) are closed, a delimiter after each"
    problem = problem.when(F.col("cells").isNull(), rule_struct("quotes", "", F.col("raw"), closed))
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
