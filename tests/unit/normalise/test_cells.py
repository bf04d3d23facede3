"""One line of delimited text to its cells, as worked examples."""

from __future__ import annotations

import csv
import random

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.normalise.cells import cells_of
from jobs.platform.mapping import Reader

COMMA = Reader()
CASES: list[tuple[str, Reader, str, list[str] | None]] = [
    ("plain", COMMA, "A,1, 2 ,x y", ["A", "1", "2", "x y"]),
    ("empty cells at both ends", COMMA, ",1,,", ["", "1", "", ""]),
    ("no delimiter", COMMA, "alone", ["alone"]),
    ("an empty line", COMMA, "", [""]),
    ("a delimiter within quotes", COMMA, '"Smith, Ann",1', ["Smith, Ann", "1"]),
    ("doubled quotes", COMMA, '"the ""big"" one",2', ['the "big" one', "2"]),
    ("quoted and empty", COMMA, '"",,""', ["", "", ""]),
    ("empty first, then quoted", COMMA, ',"a"', ["", "a"]),
    ("blanks around quotes", COMMA, ' "a" ,\t"b"', ["a", "b"]),
    ("an inch mark in plain text", COMMA, '5" pipe,3', ['5" pipe', "3"]),
    ("a quote left open", COMMA, 'x,"abc,1', None),
    ("text after the closing quote", COMMA, '"abc"def,1', None),
    ("the end of a DOS line", COMMA, '1,"2"\r', ["1", "2"]),
    ("a pipe is no pattern", Reader(delimiter="|"), "a|b|", ["a", "b", ""]),
    ("a pipe with quotes", Reader(delimiter="|"), 'a|"b|c"|d', ["a", "b|c", "d"]),
    ("another quote", Reader(delimiter=";", quote="'"), "'a;b';\"c", ["a;b", '"c']),
]


@pytest.mark.parametrize(("reader", "raw", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_line_is_split_into_its_cells(
    spark: SparkSession, reader: Reader, raw: str, expected: list[str] | None
) -> None:
    one = spark.range(1).select(F.lit(raw).alias("raw"))
    found = one.select(cells_of(F.col("raw"), reader).alias("cells")).first()
    assert found is not None
    assert found["cells"] == expected


def test_a_very_long_quoted_cell_is_no_trouble(spark: SparkSession) -> None:
    long = '""'.join(["x" * 20] * 20_000)
    one = spark.range(1).select(F.lit(f'a,"{long}"').alias("raw"))
    found = one.select(F.transform(cells_of(F.col("raw"), COMMA), F.length).alias("sizes")).first()
    assert found is not None
    assert found["sizes"] == [1, 20 * 20_000 + 19_999]


@pytest.mark.parametrize("reader", [COMMA, Reader(delimiter=";", quote="'")], ids=["comma", "semicolon"])
def test_lines_that_are_well_formed_have_the_cells_that_spark_s_own_reader_finds(
    spark: SparkSession, reader: Reader
) -> None:
    by_chance = random.Random(20)
    width, d, q = 5, reader.delimiter, reader.quote
    pieces = ["a", "ö", "1.5", d, q, q * 2, " ", "\\", "-"]
    texts = ["".join(by_chance.choices(pieces, k=by_chance.randrange(5))).strip() for _ in range(2000 * width)]
    rows = [texts[first : first + width] for first in range(0, len(texts), width)]
    always = [by_chance.random() < 0.3 for _ in rows]

    def quoted(text: str, is_quoted: bool) -> str:
        return f"{q}{text.replace(q, q * 2)}{q}" if is_quoted or d in text or q in text else text

    lines = [d.join(quoted(text, every) for text in row) for row, every in zip(rows, always, strict=True)]
    frame = spark.createDataFrame([(number, line) for number, line in enumerate(lines)], "no INT, raw STRING")
    columns = [f"c{place}" for place in range(width)]
    options = {"sep": d, "quote": q, "escape": q, "emptyValue": "", "nullValue": "\x00", "mode": "FAILFAST"}
    theirs = F.from_csv("raw", ", ".join(f"{name} STRING" for name in columns), options)
    both = frame.select("no", cells_of(F.col("raw"), reader).alias("ours"), theirs.alias("t"))
    found = both.select("ours", F.array(*[F.coalesce(f"t.{name}", F.lit("")) for name in columns])).sort("no").collect()
    assert [row[0] for row in found] == rows
    assert [row[1] for row in found] == rows
    assert list(csv.reader(lines, delimiter=d, quotechar=q)) == rows
