"""Which held findings are let through: corrected by a file, released by a person, or neither."""

from __future__ import annotations

from datetime import date

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from jobs.calculate.holds import flags
from jobs.check.holds import (
    FINDING,
    flagged_where_published,
    let_through,
    not_let_through_before,
    released_as_seen,
    still_caught,
)
from jobs.check.releases import Release
from jobs.check.tolerances import Tolerances
from tests.rows import rows_of

SUNDAY, MONDAY, TUESDAY = date(2026, 1, 4), date(2026, 1, 5), date(2026, 1, 6)
RULES = Tolerances.model_validate(
    {
        "rules": [
            {"name": name, "measure": "value_jump", "limits": [{"unit": "money", "max": 0}], "severity": "hold",
             "reason": "wrong, surely", **scope}
            for name, scope in [
                ("jump", {}), ("stale", {}), ("of_beta", {"tenant": "beta"}), ("until_sunday", {"valid_to": SUNDAY}),
            ]
        ]
    }
)  # fmt: skip
HELD = (
    "tenant_id string, account_id string, as_of_date date, rule string, severity string, step string, reason string,"
    " state string, run_no long"
)
FOUND = "tenant_id string, account_id string, as_of_date date, rule string, reason string"
THROUGH = f"{FOUND}, severity string, state string"


def test_a_hold_ends_by_a_file_or_a_person_and_stays_otherwise(spark: SparkSession) -> None:
    names = ["corrected", "still_wrong", "no_news", "released", "released_and_wrong", "released_unseen"]
    of_results = [
        ("acme", name, MONDAY, "return", "hold", "reconcile", "-", "held", 5) for name in ("corrected", "released")
    ]
    of_values = [("acme", name, MONDAY, "jump", "hold", None, "+ 30 %, expected 20", "held", 5) for name in names]
    held = spark.createDataFrame(of_values + of_results, HELD)
    found = spark.createDataFrame(
        [
            ("acme", "still_wrong", MONDAY, "jump", "+ 30 %, expected 20"),
            ("acme", "released_and_wrong", MONDAY, "jump", "+ 30 %, expected 25"),  # a person has seen it
            ("acme", "released_and_wrong", TUESDAY, "jump", "+ 30 %, expected 20"),  # nobody has seen this one
            ("acme", "released_unseen", MONDAY, "jump", "- 45 %, expected 20"),  # nor what Monday has become
        ],
        FOUND,
    )
    news = [("acme", name) for name in ("corrected", "still_wrong", "released_and_wrong", "released_unseen")]
    judged = spark.createDataFrame(news, "tenant_id string, account_id string")
    releases = [Release("acme", name, "ann", "seen") for name in names if name.startswith("released")]

    through = let_through(held, found, judged, released_as_seen(held, releases), RULES)

    expected = [
        ("acme", "corrected", MONDAY, "jump", "a later file corrects or explains it", "hold", "released"),
        ("acme", "released", MONDAY, "jump", "released by ann: seen", "hold", "released"),
        ("acme", "released", MONDAY, "return", "released by ann: seen", "hold", "released"),  # a file does not do this
        ("acme", "released_and_wrong", MONDAY, "jump", "released by ann: seen", "hold", "released"),
    ]
    assert_df_equality(through, spark.createDataFrame(expected, THROUGH), ignore_row_order=True, ignore_nullable=True)
    caught = {(row["account_id"], row["as_of_date"]) for row in still_caught(found, through).collect()}
    assert caught == {("still_wrong", MONDAY), ("released_and_wrong", TUESDAY), ("released_unseen", MONDAY)}


def test_what_an_unpublished_run_has_found_nobody_has_seen(spark: SparkSession) -> None:
    """Run 5 was the last that was published when they were released. Run 6, under way then, has found the same once
    more, another value, another date; nothing comes with this one."""
    first = [("acme", name, MONDAY, "jump", "hold", "check", "+ 30 %, expected 20", "held", 5) for name in "abc"]
    rows = [
        *first,
        ("acme", "a", MONDAY, "jump", "hold", "check", "+ 30 %, expected 25", "held", 6),
        ("acme", "b", MONDAY, "jump", "hold", "check", "+ 300 %, expected 20", "held", 6),
        ("acme", "c", TUESDAY, "jump", "hold", "check", "+ 40 %, expected 20", "held", 6),
    ]
    held = rows[2:]
    releases = [Release("acme", name, "ann", "seen", 5) for name in "abc"]
    nothing = spark.createDataFrame([], FOUND)

    released = released_as_seen(spark.createDataFrame(rows, HELD), releases)
    judged = nothing.select("tenant_id", "account_id")
    through = let_through(spark.createDataFrame(held, HELD), nothing, judged, released, RULES)

    assert {(row["account_id"], row["as_of_date"]) for row in through.collect()} == {("a", MONDAY), ("c", MONDAY)}

    corrected = spark.createDataFrame([("acme", "b")], "tenant_id string, account_id string")
    through = let_through(spark.createDataFrame(held, HELD), nothing, corrected, released, RULES)
    assert {row["account_id"]: row["reason"].split()[0] for row in through.collect()} == {
        "a": "released", "b": "a", "c": "released",  # of b a later file, not ann, who has not seen it
    }  # fmt: skip


def test_a_value_that_stands_still_on_a_later_date_is_not_corrected(spark: SparkSession) -> None:
    names = ["stands", "moves"]
    held = spark.createDataFrame(
        [("acme", name, MONDAY, "stale", "hold", "check", "3 days", "held", 5) for name in names], HELD
    )
    found = spark.createDataFrame([("acme", "stands", TUESDAY, "stale", "4 days")], FOUND)
    judged = spark.createDataFrame([("acme", name) for name in names], "tenant_id string, account_id string")
    through = let_through(held, found, judged, released_as_seen(held, []), RULES)
    assert [row["account_id"] for row in through.collect()] == ["moves"]


def test_of_a_rule_that_is_gone_nobody_says_that_a_file_explained_it(spark: SparkSession) -> None:
    names = ["gone", "of_beta", "until_sunday", "jump"]
    held = spark.createDataFrame(
        [("acme", name, MONDAY, name, "hold", "check", "-", "held", 5) for name in names], HELD
    )
    judged = held.select("tenant_id", "account_id")
    through = let_through(held, spark.createDataFrame([], FOUND), judged, released_as_seen(held, []), RULES)
    reasons = {row["account_id"]: row["reason"] for row in through.collect()}
    assert reasons.pop("jump") == "a later file corrects or explains it"
    assert reasons == dict.fromkeys(["gone", "of_beta", "until_sunday"], "its rule is not in force now")


def test_what_is_published_is_flagged_and_not_held(spark: SparkSession) -> None:
    found = [
        ("acme", name, day, "sign", "wrong", "hold", "held") for name in ("old", "new") for day in (MONDAY, TUESDAY)
    ]
    state = spark.createDataFrame([("acme", "old", MONDAY)], "tenant_id string, account_id string, as_of_date date")
    kept = flagged_where_published(spark.createDataFrame(found, THROUGH), state)
    expected = [*found[1:], ("acme", "old", MONDAY, "sign", "wrong", "warn", "flagged")]
    assert_df_equality(
        kept,
        spark.createDataFrame(expected, THROUGH),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_column_order=True,
    )


def test_a_row_has_the_flags_of_its_inputs_that_stand(spark: SparkSession) -> None:
    """Not what held the account until somebody released it, nor what was said of a result that is another now."""
    finding = {"tenant_id": "acme", "account_id": "A", "as_of_date": MONDAY, "severity": "warn", "state": "flagged"}
    held = [
        {**finding, "run_no": 1, "rule": "sign", "step": "check"},
        {**finding, "run_no": 1, "rule": "negative", "step": None},  # as written before findings had their step
        {**finding, "run_no": 1, "rule": "large_return", "step": "reconcile"},
        {**finding, "run_no": 2, "rule": "large_return", "step": "reconcile", "state": "cleared"},
        {**finding, "run_no": 2, "rule": "tiny_capital", "step": "reconcile"},  # it may be another tonight
        {**finding, "run_no": 1, "rule": "jump", "step": "check"},
        {**finding, "run_no": 2, "rule": "jump", "step": "check", "severity": "hold", "state": "held"},
        {**finding, "run_no": 3, "rule": "jump", "step": "check", "severity": "hold", "state": "released"},
        {**finding, "run_no": 2, "rule": "sign", "step": "check", "as_of_date": TUESDAY},
    ]
    found = flags(rows_of(spark, "held_account", held))
    assert {(row["as_of_date"], row["quality_flags"]) for row in found.collect()} == {
        (MONDAY, "negative,sign"),
        (TUESDAY, "sign"),
    }


def test_what_a_person_has_let_through_is_not_found_again_while_it_is_the_same(spark: SparkSession) -> None:
    """What a file had explained is a finding again, and so is another value, or the same one on another date."""
    names = ["same", "other_value", "other_date", "by_file", "caught_since"]
    finding = {"tenant_id": "acme", "as_of_date": MONDAY, "rule": "jump", "step": "check"}
    held = {**finding, "run_no": 2, "state": "held", "reason": "moved by 60 %, expected at most 0.5 fraction"}
    let_go = {**finding, "run_no": 3, "state": "released", "reason": "released by ann: seen"}
    rows = [{**one, "account_id": name} for name in names if name != "by_file" for one in (held, let_go)]
    rows += [{**held, "account_id": "by_file"}]
    rows += [{**let_go, "account_id": "by_file", "reason": "a later file corrects or explains it"}]
    rows += [{**held, "account_id": "caught_since", "run_no": 4, "state": "flagged", "reason": "moved by 70 %"}]
    limit = "expected at most 0.4 fraction"  # another than it was
    found = [
        {**finding, "account_id": name, "reason": f"moved by 60 %, {limit}", "severity": "warn", "state": "flagged"}
        for name in names
    ]
    found[1]["reason"] = f"moved by 61 %, {limit}"
    found[2]["as_of_date"] = TUESDAY
    kept = not_let_through_before(
        rows_of(spark, "held_account", found).select(*FINDING, "reason", "severity", "state"),
        rows_of(spark, "held_account", rows),
    )
    assert sorted(row["account_id"] for row in kept.collect()) == sorted(names[1:])
