"""One line of delimited text to its cells, as worked examples."""

from __future__ import annotations

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
