"""Lines to records: what kind each line is, its cells, the titles above it and the values that stand around it."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window, WindowSpec

from jobs.normalise.cells import NAMED_CELLS, added_cells, named_text
from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import Mapping, normalise_title
from jobs.platform.mapping_reader import CONVERTED, NAMED, LineRule

STRAY = "stray"
CONTINUED = "continued"

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
    """Adds kind to lines of any feeds (with FILE_FACTS): header, preamble, section, total, blank, ... or record.

    Where quoted cells hold line breaks, `raw` of a record's first line is the whole record, and the lines that go on
    with it are of kind `continued`.
    """
    in_order = {feed: one for feed, one in mappings.items() if one.reader.quoted_lines or _headed(one)}
    by_line = {feed: one for feed, one in mappings.items() if feed not in in_order}
    parts = [_with_kind(lines.where(F.col("feed").isin([*by_line])) if in_order else lines, by_line)]
    for feed, mapping in in_order.items():
        part, given = lines.where(F.col("feed") == feed), [*lines.columns, "kind"]
        if mapping.reader.quoted_lines:
            part = _joined(part, mapping)
        if _headed(mapping):
            heading = F.when(_kind(mapping, below=None).isin("section", "heading"), F.col("raw"))
            part = part.withColumn("_heading", F.last(heading, ignorenulls=True).over(_so_far()))
        parts.append(_with_kind(part, {feed: mapping}).select(given))
    return reduce(DataFrame.unionByName, parts if by_line else parts[1:])


def _so_far() -> WindowSpec:
    """A file's lines from its first to this one."""
    return Window.partitionBy("file_id").orderBy("line_no").rowsBetween(Window.unboundedPreceding, 0)


def _with_kind(lines: DataFrame, mappings: dict[str, Mapping]) -> DataFrame:
    kind: Column | None = None
    for feed, mapping in mappings.items():
        is_feed, of_feed = F.col("feed") == feed, _kind(mapping, below=F.col("_heading"))
        kind = F.when(is_feed, of_feed) if kind is None else kind.when(is_feed, of_feed)
    return lines.withColumn("kind", F.lit(None).cast("string") if kind is None else kind)


def _headed(mapping: Mapping) -> bool:
    return any(rule.under is not None for rule in mapping.lines)


def _joined(lines: DataFrame, mapping: Mapping) -> DataFrame:
    """Lines of one feed, in `raw` of each that begins a record all lines of it; `_continued` is true for the others.

    A line goes on where a quote is open: an odd number of them since the header. Before it, text is no cells.
    """
    quotes = F.length("raw") - F.length(F.replace("raw", F.lit(mapping.reader.quote)))
    counted = F.when(F.col("line_no") >= F.col("header_line"), quotes).otherwise(0)
    before = F.coalesce(F.sum(counted).over(_so_far()) - counted, F.lit(0))
    marked = lines.withColumn("_continued", before % 2 == 1)
    marked = marked.withColumn("_record", F.count_if(~F.col("_continued")).over(_so_far()))
    rest = Window.partitionBy("file_id", "_record").orderBy("line_no").rowsBetween(0, Window.unboundedFollowing)
    whole = F.array_join(F.collect_list("raw").over(rest), "\n")
    return marked.withColumn("raw", F.when(F.col("_continued"), F.col("raw")).otherwise(whole))


def _kind(mapping: Mapping, *, below: Column | None) -> Column:
    """The kind of a line; `below`: the heading above it, None where that is yet to be found."""
    kind = F.when(F.col("_continued"), CONTINUED) if mapping.reader.quoted_lines else None
    blank = F.trim("raw") == ""
    kind = F.when(blank, "blank") if kind is None else kind.when(blank, "blank")
    has_header = mapping.has_header_line
    if has_header:
        past_first = F.col("line_no") - F.col("header_line")
        kind = kind.when(past_first.between(0, mapping.reader.header_rows - 1), "header")
    for rule in mapping.lines:
        if rule.under is None:
            kind = kind.when(_meets(rule, mapping), rule.kind)
        elif below is not None:
            kind = kind.when(F.coalesce(below.rlike(rule.under), F.lit(False)) & _meets(rule, mapping), rule.kind)
    if mapping.format in CONVERTED & NAMED:
        return kind.otherwise(named_text("element", mapping))
    if has_header:
        kind = kind.when(F.col("line_no") < F.col("header_line"), "preamble")
    return kind.otherwise("record")


def _meets(rule: LineRule, mapping: Mapping) -> Column:
    if rule.match is not None:
        return F.col("raw").rlike(rule.match)
    fields = {name: F.coalesce(named_text(name, mapping), F.lit("")) for name in rule.fields}
    if not fields:
        return F.lit(True)
    tests = [fields[name].rlike(f"^(?:{pattern})$") for name, pattern in rule.fields.items()]
    return reduce(and_, tests)


def needs_layout(mapping: Mapping, header: list[str] | None) -> bool:
    """Whether the mapping's lines must be joined with FILE_LAYOUT."""
    captured = any(capture.source != "section" for capture in mapping.context.values())
    return captured or (header is None and mapping.has_header_line)


def with_cells(lines: DataFrame, mapping: Mapping, header: list[str] | None) -> DataFrame:
    """Adds cells, titles, names (the titles as they are compared) and a ctx_<name> per captured value.

    lines: classified, of this feed; with FILE_LAYOUT where `needs_layout`. `header`: the one that all files have, else
    None. Only mappings with sections or repeated headers need a file's lines in order (one task a file); all others
    are read line by line.
    """
    added = added_cells(mapping)
    if header is not None:
        added["titles"] = F.lit(header)
        added["names"] = F.lit([normalise_title(title) for title in header])
    for name, capture in mapping.context.items():
        if capture.source != "section":
            added[f"ctx_{name}"] = F.col("context").getItem(name)
    rows = lines.withColumns(added)
    in_order: dict[str, Column] = {}
    if mapping.reader.header == "repeated" and not mapping.is_named:
        titles = F.when(F.col("kind") == "header", F.col("cells"))
        in_order["titles"] = F.last(titles, ignorenulls=True).over(_so_far())
        names = F.transform(titles, _compared)
        in_order["names"] = F.last(names, ignorenulls=True).over(_so_far())
    is_section = F.col("kind") == "section"
    for name, capture in mapping.context.items():
        if capture.source == "section":
            found = F.when(is_section, F.regexp_extract("raw", capture.match, 1))
            in_order[f"ctx_{name}"] = F.last(found, ignorenulls=True).over(_so_far())
    in_order |= _continuing(mapping) if mapping.format == "fixed" else _wrapped(mapping)
    if any(control.per == "section" for control in mapping.controls):
        in_order["section_no"] = F.sum(is_section.cast("int")).over(_so_far())
    return rows.withColumns(in_order) if in_order else rows


def _continuing(mapping: Mapping) -> dict[str, Column]:
    """raw_<kind>: on a record line, the text of the line of that kind which goes on with it (the same in `same`).

    stray: on such a line, whether there is no record line that it goes on with.
    """
    reader, found = mapping.reader, {}
    in_file = Window.partitionBy("file_id").orderBy("line_no")
    stray = F.lit(False)
    for kind, of in reader.continues.items():
        candidates, attached = [], []
        for away in range(1, len(reader.continues) + 1):
            text, record = F.lead("raw", away).over(in_file), F.lag("raw", away).over(in_file)
            fits = (F.col("kind") == of) & (F.lead("kind", away).over(in_file) == kind)
            belongs = F.lag("kind", away).over(in_file) == of
            for name in reader.same:
                there, here = reader.fields[of][name], reader.fields[kind][name]
                fits &= F.substring(text, *here) == F.substring("raw", *there)
                belongs &= F.substring(record, *there) == F.substring("raw", *here)
            candidates.append(F.when(fits, text))
            attached.append(F.coalesce(belongs, F.lit(False)))
        found[f"raw_{kind}"] = F.coalesce(*candidates)
        stray = F.when(F.col("kind") == kind, ~reduce(or_, attached)).otherwise(stray)
    return {**found, STRAY: stray} if found else {}


def _wrapped(mapping: Mapping) -> dict[str, Column]:
    """cells: those of a record line with, cell by cell, the text of the line after it that goes on with it; stray: on
    such a line, whether no record line stands before it."""
    in_file = Window.partitionBy("file_id").orderBy("line_no")
    cells, stray = F.col("cells"), F.lit(False)
    for kind, of in mapping.reader.continues.items():
        goes_on = (F.col("kind") == of) & (F.lead("kind").over(in_file) == kind)
        # Of unequal numbers of cells the greater counts: too many is then a misfit of the record.
        joined = F.zip_with(F.col("cells"), F.lead("cells").over(in_file), _one_text)
        cells = F.when(goes_on, joined).otherwise(cells)
        before = F.coalesce(F.lag("kind").over(in_file) == of, F.lit(False))
        stray = F.when(F.col("kind") == kind, ~before).otherwise(stray)
    return {"cells": cells, STRAY: stray} if mapping.reader.continues else {}


def _compared(title: Column) -> Column:
    """As `normalise_title`."""
    return F.lower(F.regexp_replace(F.trim(F.regexp_replace(title, r"\s+", " ")), r"\s*\(\$\)$", ""))


def _one_text(begun: Column, more: Column) -> Column:
    return F.concat(F.coalesce(begun, F.lit("")), F.coalesce(more, F.lit("")))


def common_header(mapping: Mapping, files: list[FileRecord]) -> list[str] | None:
    """The header that all files have; None where they differ or a file may have several."""
    headers = {tuple(file.detection["header"]) for file in files}
    return list(headers.pop()) if len(headers) == 1 and mapping.has_header_line else None


def line_problem(mapping: Mapping, kind: str) -> Column:
    """A struct that says what is wrong with the line as such (encoding, its cells, its length), or NULL."""
    wrong = F.col("parse_error").isNotNull()
    problem = F.when(wrong, rule_struct("encoding", "", F.col("raw"), F.col("parse_error")))
    if mapping.is_named:
        return problem.when(
            F.col(NAMED_CELLS).isNull(), rule_struct("record", "", F.col("raw"), "one whole JSON object")
        )
    if mapping.format == "fixed":
        if mapping.reader.width is None:
            return problem
        found = F.concat(F.length("raw").cast("string"), F.lit(" characters"))
        expected = f"{mapping.reader.width} characters"
        return problem.when(F.length("raw") != mapping.reader.width, rule_struct("length", "", found, expected))
    declared = mapping.reader.titles.get(kind) if mapping.reader.header == "none" else None
    closed = f"cells whose quotes ({mapping.reader.quote}) are closed, a delimiter after each"
    problem = problem.when(F.col("cells").isNull(), rule_struct("quotes", "", F.col("raw"), closed))
    if mapping.reader.header == "none" and declared is None:  # a kind of line that nothing is known of
        return problem
    count, titles = F.size("cells"), F.size("titles") if declared is None else F.lit(len(declared))
    expected_cells = F.concat(titles.cast("string"), F.lit(" cells"))
    found_cells = F.concat(count.cast("string"), F.lit(" cells"))
    if not mapping.reader.short_rows:
        problem = problem.when(count < titles, rule_struct("cells", "", found_cells, expected_cells))
    if not mapping.reader.long_rows:
        problem = problem.when(count > titles, rule_struct("cells", "", found_cells, expected_cells))
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
