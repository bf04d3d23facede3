"""Records to canonical rows: every column of a table from its source in the mapping, with what does not fit."""

from __future__ import annotations

from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.normalise.cells import Cells
from jobs.normalise.codes import code_index, given_by
from jobs.normalise.records import line_problem, rule_struct
from jobs.normalise.units import in_unit
from jobs.normalise.values import Reading, read
from jobs.platform import schemas
from jobs.platform.mapping import Mapping, Target
from jobs.platform.mapping_columns import ColumnSource

RULES_TYPE = "array<struct<rule:string,column:string,value:string,expected:string>>"
# Text before it is read: kept beside the typed columns under this prefix.
TEXT = "_text_"
PROBLEM = "_problem_"
# What is added to an amount may be absent.
ADDED = schemas.Column(name="amount", type="decimal", meaning="")


def canonical_rows(
    lines: DataFrame, mapping: Mapping, target: Target, header: list[str] | None = None, first_record_no: int = 1
) -> DataFrame:
    """Rows of the target's table, typed, from lines with cells (`records.with_cells`).

    Columns: the table's own and its lineage; raw; failed_rules (empty: fits); account_number (the vendor's) where the
    account is to be looked up (account_id is then NULL); skip (why the record is declared to be none, or NULL);
    may_repeat (whether its key may come again in the file); stamp (by which the newest of a key's rows is known, or
    NULL); reverses (whether it takes an equal row back).
    """
    described = schemas.table(target.table)
    names = [column.name for column in described.columns]
    rows = lines.where(F.col("kind") == target.lines)
    rows = _unpivoted(rows, target) if target.unpivot else rows.withColumn("record_no", F.lit(first_record_no))
    # Layer by layer: each is used more than once by the next, and Spark then works each out once.
    cells = Cells(mapping, target.lines, header)
    rows = rows.withColumns({f"_code_{name}": code_index(code, cells) for name, code in mapping.codes.items()})
    rows = rows.withColumns({f"{TEXT}{name}": _text(target, name, cells) for name in names})
    rows = rows.withColumns(
        {
            f"{TEXT}{name}_{n}": text
            for name, source in target.columns.items()
            for n, text in enumerate(_other_amounts(source, cells))
        }
    )
    readings = {column.name: _reading(target, column, mapping) for column in described.columns}
    misread = [reading.problem for reading in readings.values() if reading.problem is not None]
    problems = [line_problem(mapping, target.lines), *misread, *_unknown_codes(target, cells)]
    rows = rows.withColumns({f"{PROBLEM}{n}": problem for n, problem in enumerate(problems)})
    noted = [F.col(f"{PROBLEM}{n}") for n in range(len(problems))]
    typed = {name: reading.value for name, reading in readings.items()}
    if "feed_flow_timing" in typed:
        typed["feed_flow_timing"] = F.lit(mapping.flow_timing)
    number = _account_number(target, cells)
    skip = F.lit(None).cast("string")
    if target.unpivot:
        skip = F.when(F.col("_cell").isin(target.unpivot.skip_values), "no_value")
    any_problem = reduce(or_, [problem.isNotNull() for problem in noted])
    failed = F.when(any_problem & skip.isNull(), F.filter(F.array(*noted), lambda p: p.isNotNull()))
    return rows.select(
        *[typed[c.name].cast(schemas.SPARK_TYPES[c.type]).alias(c.name) for c in described.columns],
        "tenant_id",
        F.lit(mapping.vendor).alias("vendor"),
        F.lit(mapping.feed).alias("feed"),
        "file_id",
        F.col("line_no").cast("long").alias("line_no"),
        F.col("record_no").cast("int").alias("record_no"),
        "mapping_version",
        "arrival_no",
        "run_no",
        "raw",
        F.coalesce(failed, F.array()).cast(RULES_TYPE).alias("failed_rules"),
        number.alias("account_number"),
        skip.alias("skip"),
        F.lit(target.later_line_wins).alias("may_repeat"),
        (cells.at([target.newest_by]) if target.newest_by else F.lit(None).cast("string")).alias("stamp"),
        F.lit(False).alias("retired"),
        _reverses(target, mapping).alias("reverses"),
    )


def unknown_records(lines: DataFrame, mapping: Mapping, target: Target) -> DataFrame:
    """Lines that are a record by the mapping's rules, but of no kind that a target reads: each with a failed rule.

    Columns as of `canonical_rows` for the target's table, its own all NULL.
    """
    kinds = ", ".join(sorted({other.lines for other in mapping.targets}))
    failed = F.coalesce(
        line_problem(mapping, "record"), rule_struct("unknown_record", "", F.col("raw"), f"a line of kind {kinds}")
    )
    given = {
        "vendor": F.lit(mapping.vendor),
        "feed": F.lit(mapping.feed),
        "line_no": F.col("line_no").cast("long"),
        "record_no": F.lit(0),  # the line as a whole
        "failed_rules": F.array(failed).cast(RULES_TYPE),
        "account_number": F.lit(None).cast("string"),
        "skip": F.lit(None).cast("string"),
        "may_repeat": F.lit(False),
        "stamp": F.lit(None).cast("string"),
        "retired": F.lit(False),
        "reverses": F.lit(False),
    }
    own = {c.name: F.lit(None).cast(schemas.SPARK_TYPES[c.type]) for c in schemas.table(target.table).columns}
    kept = {name: F.col(name) for name in ("tenant_id", "file_id", "mapping_version", "arrival_no", "run_no", "raw")}
    every = {**own, **kept, **given}
    return lines.where("kind = 'record'").select(*[value.alias(name) for name, value in every.items()])


def with_identity(rows: DataFrame, target: Target) -> DataFrame:
    """Fills identifiers made from a row's content: equal rows of one file are told apart by their occurrence.

    A row that reverses has the identifier of the row whose amounts it takes back.
    """
    described = schemas.table(target.table)
    for name, source in target.columns.items():
        if source.identity is None:
            continue
        parts = [F.coalesce(_as_booked(c, described).cast("string"), F.lit("")) for c in source.identity]
        content = F.concat_ws("|", F.col("vendor"), F.coalesce("account_number", F.lit("")), *parts)
        among_equals = Window.partitionBy("file_id", "_content", "reverses").orderBy("line_no")
        rows = rows.withColumn("_content", content)
        made = F.concat_ws("|", "_content", F.row_number().over(among_equals).cast("string"))
        rows = rows.withColumn(name, F.coalesce(name, F.sha2(made, 256).substr(1, 24))).drop("_content")
    return rows


def _as_booked(name: str, described: schemas.Table) -> Column:
    value = F.col(name)
    return F.when(F.col("reverses"), -value).otherwise(value) if described.column(name).type == "decimal" else value


def _reverses(target: Target, mapping: Mapping) -> Column:
    for source in target.columns.values():
        if source.reversed_when:
            index = F.col(f"_code_{source.reversed_when.split('.')[0]}")
            return F.coalesce(given_by(index, source.reversed_when, mapping) == "yes", F.lit(False))
    return F.lit(False)


def _unpivoted(rows: DataFrame, target: Target) -> DataFrame:
    assert target.unpivot is not None
    pairs = F.transform(
        "titles",
        lambda title, i: F.struct(title.alias("title"), F.get("cells", i).alias("cell"), (i + 1).alias("place")),
    )
    wanted = F.filter(pairs, lambda pair: pair["title"].rlike(f"^({target.unpivot.titles})$"))  # type: ignore[union-attr]
    each = rows.select("*", F.explode(wanted).alias("_pair"))
    return each.select(
        *[c for c in each.columns if c != "_pair"],
        F.col("_pair.place").alias("record_no"),  # of the column: the same however many titles are wanted
        F.col("_pair.title").alias("_title"),
        F.coalesce("_pair.cell", F.lit("")).alias("_cell"),
    )


def _text(target: Target, name: str, cells: Cells) -> Column:
    mapping = cells.mapping
    if target.unpivot and name in {target.unpivot.name, target.unpivot.value}:
        text = _emptied(F.col("_title" if name == target.unpivot.name else "_cell"), mapping)
        source = target.columns.get(name)
        return _part(text, source.part) if source and source.part else text
    source = target.columns.get(name)
    if source is None:
        return F.lit(None).cast("string")
    text = _source_text(source, cells)
    if source.same_as:
        text = _text(target, source.same_as, cells)
    if source.pad:
        text = F.when(text.rlike(r"^\d+$") & (F.length(text) < source.pad), F.lpad(text, source.pad, "0")).otherwise(
            text
        )
    if source.suffix:
        text = F.concat(text, F.lit(source.suffix))
    if source.within_account:
        text = F.when(text.isNotNull(), F.concat_ws("|", _account_number(target, cells), text))
    if source.part:
        text = _part(text, source.part)
    if source.otherwise:
        text = F.coalesce(text, _text(target, source.otherwise, cells))
    if source.plus or source.minus:  # one of them is enough: of a debit and a credit the other is empty
        text = F.coalesce(text, F.when(F.coalesce(*_other_amounts(source, cells)).isNotNull(), "0"))
    return text if source.default is None else F.coalesce(text, F.lit(source.default))


def _part(text: Column, pattern: str) -> Column:
    taken = F.regexp_extract(text, pattern, 1)
    return F.when(taken != "", taken).otherwise(text)


def _other_amounts(source: ColumnSource, cells: Cells) -> list[Column]:
    """Texts of the amounts that are added, then of those that are taken off."""
    return [_emptied(cells.at([title]), cells.mapping) for title in [*source.plus, *source.minus]]


def _source_text(source: ColumnSource, cells: Cells) -> Column:
    mapping = cells.mapping
    if source.titles:
        text = _filled(source.own_titles, cells)
        if source.instead and source.instead_when:
            index = F.col(f"_code_{source.instead_when.split('.')[0]}")
            is_meant = given_by(index, source.instead_when, mapping) == "yes"
            text = F.when(is_meant, _emptied(cells.at([source.instead]), mapping)).otherwise(text)
        return text
    if source.context:
        return F.col(f"ctx_{source.context}")
    if source.constant is not None:
        return F.lit(source.constant)
    if source.code:
        name = source.code.split(".")[0]
        return given_by(F.col(f"_code_{name}"), source.code, mapping, cells.at([mapping.codes[name].title]))
    return F.lit(None).cast("string")


def _filled(titles: list[str], cells: Cells) -> Column:
    """The text under the first title that the file has, or, where each line names its fields, that is not empty."""
    if not cells.mapping.is_named:
        return _emptied(cells.at(titles), cells.mapping)
    return F.coalesce(*[_emptied(cells.at([title]), cells.mapping) for title in titles])


def _emptied(text: Column, mapping: Mapping) -> Column:
    return F.when(~text.isin(mapping.empty), text)


def _account_number(target: Target, cells: Cells) -> Column:
    """The vendor's number of the account, where it is to be looked up."""
    for source in target.columns.values():
        if source.account_title:
            return _filled(source.titles, cells)
        if source.account:
            return F.col(f"ctx_{source.account}")
    return F.lit(None).cast("string")


def _format_source(target: Target, name: str) -> ColumnSource | None:
    source = target.columns.get(name)
    if source and source.same_as:
        return _format_source(target, source.same_as)
    return source


def _reading(target: Target, column: schemas.Column, mapping: Mapping) -> Reading:
    source = _format_source(target, column.name)
    number = (source.number if source else None) or mapping.numbers
    if source and source.constant is not None:
        number = "plain"
    text = F.col(f"{TEXT}{column.name}")
    if source and source.unit == "percent":
        text = F.btrim(text, F.lit("% "))
    if source and source.round is not None:
        rounded = F.round(text.try_cast("decimal(38,18)"), source.round).cast("string")
        text = F.coalesce(rounded, text)
    reading = read(text, column, number, (source.date if source else None) or mapping.dates)
    if source:
        for place in range(len(source.plus) + len(source.minus)):
            other = read(F.col(f"{TEXT}{column.name}_{place}"), ADDED, number, "")
            reading = _sum(reading, other, column, is_taken_off=place >= len(source.plus))
        reading = in_unit(reading, text, column, source, mapping)
    if source and source.like:
        unlike = F.when(
            ~text.rlike(f"^(?:{source.like})$"),
            rule_struct("pattern", column.name, text, f"a value like {source.like}"),
        )
        reading = Reading(reading.value, unlike if reading.problem is None else F.coalesce(reading.problem, unlike))
    if source and source.identity:  # what is missing is made later
        return Reading(reading.value, None)
    if source and source.looks_up_account:  # filled later, so nothing is missing yet
        return Reading(F.lit(None), None)
    if source and source.negate:
        return Reading(-reading.value, reading.problem)
    if source and source.negate_when:
        negative = given_by(F.col(f"_code_{source.negate_when.split('.')[0]}"), source.negate_when, mapping) == "yes"
        return Reading(F.when(negative, -reading.value).otherwise(reading.value), reading.problem)
    return reading


def _sum(one: Reading, other: Reading, column: schemas.Column, *, is_taken_off: bool) -> Reading:
    further = F.coalesce(other.value, F.lit(0))
    value = (one.value + (-further if is_taken_off else further)).cast(schemas.SPARK_TYPES[column.type])
    problems = [problem for problem in (one.problem, other.problem) if problem is not None]
    return Reading(value, F.coalesce(*problems))


def _unknown_codes(target: Target, cells: Cells) -> list[Column]:
    mapping = cells.mapping
    used = {reference.split(".")[0] for source in target.columns.values() for reference in source.code_references}
    problems = []
    for name in sorted(used):
        word = cells.at([mapping.codes[name].title])
        failed = rule_struct("unknown_code", mapping.codes[name].title, word, f"a word of '{name}'")
        problems.append(F.when(F.col(f"_code_{name}").isNull(), failed))
    return problems
