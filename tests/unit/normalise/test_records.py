"""Records that are more than their own line: lines that go on with one, and rows that take an earlier one back."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.normalise.cells import Cells
from jobs.normalise.controls import stray_lines
from jobs.normalise.records import classified, with_cells
from jobs.normalise.targets import canonical_rows, with_identity
from jobs.platform.mapping import Mapping
from jobs.platform.mapping_reader import LineRule, Reader

FIXED = Mapping.model_validate(
    {
        "vendor": "v", "feed": "f", "meaning": "", "format": "fixed", "delivery": "upsert",
        "fingerprint": {"signature": "^A"},
        "reader": {
            "fields": {"record": {"seq": [2, 2], "isin": [4, 3]}, "more": {"seq": [2, 2], "accrued": [4, 3]}},
            "continues": {"more": "record"}, "same": ["seq"],
        },
        "lines": [{"kind": "more", "match": "^B"}],
        "targets": [{"table": "price", "columns": {
            "security_id": {"title": "isin"}, "as_of_date": {"constant": "2026-03-31"}, "price": {"title": "accrued"},
            "currency": {"constant": "USD"},
        }}],
    }
)  # fmt: skip
BOOKINGS = Mapping.model_validate(
    {
        "vendor": "v", "feed": "f", "meaning": "", "delivery": "log", "fingerprint": {"required": ["Day"]},
        "reader": {"header": "none", "titles": {"record": ["Day", "Word", "Amount"]}},
        "codes": {"words": {"title": "Word", "rules": [
            {"is": "DEP", "gives": {"status": "new"}}, {"is": "DEP CXL", "gives": {"status": "cancel", "back": "yes"}},
        ]}},
        "targets": [{"table": "transaction", "columns": {
            "transaction_id": {"identity": ["trade_date", "amount"], "reversed_when": "words.back"},
            "account_id": {"constant": "A"}, "trade_date": {"title": "Day"},
            "performance_date": {"same_as": "trade_date"},
            "type": {"constant": "DEPOSIT"}, "amount": {"title": "Amount"}, "status": {"code": "words.status"},
        }}],
    }
)  # fmt: skip
WRAPPED = BOOKINGS.model_copy(
    update={
        "reader": Reader(header="none", titles={"record": ["Day", "Order", "Amount"]}, continues={"rest": "record"}),
        "lines": [LineRule(kind="rest", match="^,")],
    }
)


def test_a_line_that_goes_on_is_read_with_its_record(spark: SparkSession) -> None:
    lines = [("f1", 1, "A01AAA"), ("f1", 2, "B01111"), ("f1", 3, "A02BBB"), ("f1", 4, "A03CCC"), ("f1", 5, "B99333")]
    frame = spark.createDataFrame(lines, "file_id string, line_no long, raw string")
    frame = frame.withColumns({"feed": F.lit("f"), "header_line": F.lit(0)})
    rows = with_cells(classified(frame, {"f": FIXED}), FIXED, None).where("kind = 'record'").orderBy("line_no")
    cells = Cells(FIXED, "record")
    found = [tuple(row) for row in rows.select(cells.at(["isin"]), cells.at(["accrued"])).collect()]
    assert found == [
        ("AAA", "111"),
        ("BBB", None),  # nothing goes on with it
        ("CCC", None),  # another sequence number: not its own
    ]


def test_a_line_that_goes_on_with_nothing_refuses_its_file(spark: SparkSession) -> None:
    lines = [("f1", 1, "A01AAA"), ("f1", 2, "B01111"), ("f2", 1, "A02BBB"), ("f2", 2, "B03222"), ("f2", 3, "B02333")]
    frame = spark.createDataFrame(lines, "file_id string, line_no long, raw string")
    frame = frame.withColumns({"feed": F.lit("f"), "header_line": F.lit(0)})
    found = stray_lines(with_cells(classified(frame, {"f": FIXED}), FIXED, None), FIXED)
    assert [(one.file_id, one.refuses, one.in_words()) for one in found] == [
        ("f2", True, "line 2: lines in order: a line of kind 'more' follows no record"),
    ]


def test_a_delimited_record_over_two_lines_is_one(spark: SparkSession) -> None:
    raws = ["2026-03-02,5925d76b-,1", ",b017,", "2026-03-03,whole,2", ",,3,too many", ",stray,"]
    frame = spark.createDataFrame(
        [("f1", n, raw) for n, raw in enumerate(raws, 1)], "file_id string, line_no long, raw string"
    )
    frame = frame.withColumns({"feed": F.lit("f"), "header_line": F.lit(0)})
    lines = with_cells(classified(frame, {"f": WRAPPED}), WRAPPED, None)
    assert [row["cells"] for row in lines.where("kind = 'record'").orderBy("line_no").collect()] == [
        ["2026-03-02", "5925d76b-b017", "1"],
        ["2026-03-03", "whole", "23", "too many"],  # more cells than titles: a misfit of that record
    ]
    assert [one.line_no for one in stray_lines(lines, WRAPPED)] == [5]


def test_a_cancel_without_a_number_has_that_of_the_booking_it_takes_back(spark: SparkSession) -> None:
    raws = ["2026-03-02,DEP,100.00", "2026-03-02,DEP,100.00", "2026-03-02,DEP CXL,-100.00", "2026-03-02,DEP,-100.00"]
    frame = spark.createDataFrame([(raw, n) for n, raw in enumerate(raws, 1)], "raw string, line_no long")
    given = {"tenant_id": "t", "feed": "f", "file_id": "f1", "mapping_version": "m", "parse_error": None}
    numbers = {"header_line": 0, "arrival_no": 1, "run_no": 1}
    frame = frame.withColumns({name: F.lit(value) for name, value in (given | numbers).items()})
    lines = with_cells(classified(frame, {"f": BOOKINGS}), BOOKINGS, None)
    target = BOOKINGS.targets[0]
    rows = with_identity(canonical_rows(lines, BOOKINGS, target), target).orderBy("line_no").collect()
    assert [row["failed_rules"] for row in rows] == [[], [], [], []]
    first, twin, cancel, other = (row["transaction_id"] for row in rows)
    assert cancel == first
    assert len({first, twin, other}) == 3
    assert [row["status"] for row in rows] == ["new", "new", "cancel", "new"]
