"""Great Expectations as we use it: the features of its version that the gate relies on, and what suites are made of."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from jobs.check import expectations
from jobs.check.data_docs import write_pages
from jobs.check.expectations import Expected, Outcome, Slice, delivery_slice, rate_slice, table_slice, validate
from jobs.check.profiles import Fact, Profile, facts_of
from jobs.check.rates import Moves
from jobs.check.tolerances import Limit, Measure, Rule, Tolerances
from jobs.platform import schemas
from jobs.platform.errors import DietzError

MONDAY = date(2026, 1, 5)


def rule(name: str = "currency_known", measure: str = "unknown_currency", **changes: object) -> Rule:
    values = {"limits": [Limit(unit="rows", max=Decimal(0))], "severity": "fail", "reason": "no such money"}
    return Rule.model_validate({"name": name, "measure": measure, **values, **changes})


def asserted(observed: float, low: float | None, high: float | None, says: str = "it is so") -> Expected:
    return Expected(rule(), "currency", says, observed, low, high, 10, int(observed), "at most 0 rows")


def verdicts(*expected: Expected) -> list[bool]:
    slices = [Slice("acme", "v", "canonical_valuations", f"t{n}", [e]) for n, e in enumerate(expected)]
    return [outcome.success for outcome in validate(slices, "2026-01-05 run 1", None)]


def test_an_expectation_holds_up_to_its_bounds_and_fails_beyond() -> None:
    assert verdicts(
        asserted(0, None, 0), asserted(1, None, 0), asserted(5, 5, 20), asserted(4.999, 5, 20), asserted(20.001, 5, 20)
    ) == [True, False, True, False, False]


def test_several_rules_on_one_column_keep_their_own_results() -> None:
    strict = Expected(rule("strict"), "currency", "strict", 3, None, 0, 10, 3, "at most 0 rows")
    lenient = Expected(rule("lenient"), "currency", "lenient", 3, None, 5, 10, 3, "at most 5 rows")
    outcomes = validate([Slice("acme", "v", "f", "valuation", [strict, lenient])], "night", None)
    assert {o.expected.rule.name: o.success for o in outcomes} == {"strict": False, "lenient": True}


def test_an_expectation_that_cannot_be_evaluated_is_an_error_not_a_pass() -> None:
    text = replace(asserted(0, None, 0), observed=cast(float, "three"))
    with pytest.raises(DietzError, match=r"acme\.canonical_valuations\.t0: currency_known: currency: "):
        verdicts(text)


def test_data_docs_are_pages_per_feed_and_table_with_the_words_of_the_rule(tmp_path: Path) -> None:
    night = tmp_path / "2026-01-05" / "run-7"
    bad = Slice("acme", "v", "feed_a", "valuation", [asserted(2, None, 0, "currency is a currency that exists")])
    good = Slice("acme", "v", "feed_b", "price", [asserted(0, None, 0, "currency is a currency that exists")])
    validate([bad, good], "2026-01-05 run 7", night)

    pages = {p.relative_to(night).parts[1:4] for p in night.glob("validations/**/*.html")}
    assert pages == {("acme", "feed_a", "valuation"), ("acme", "feed_b", "price")}
    [page] = night.glob("validations/acme/feed_a/**/*.html")
    assert "currency is a currency that exists (at most 0 rows; 10 rows)" in page.read_text(encoding="utf-8")
    size = sum(p.stat().st_size for p in night.rglob("*") if p.is_file())
    assert size < 1_000_000  # a night is kept for years: no fonts and pictures in each


def test_the_pages_lead_from_the_nights_to_what_each_vendor_missed(tmp_path: Path) -> None:
    for night, number in (("2026-01-05", 9), ("2026-01-05", 10), ("2026-01-06", 11)):
        run = tmp_path / night / f"run-{number}"
        one = Slice("acme", "b&b", "feed_a", "valuation", [asserted(number - 9, None, 0)])
        write_pages(tmp_path, run, validate([one], f"{night} run {number}", run))

    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert index.index("2026-01-06/index.html") < index.index("2026-01-05/index.html")
    page = (tmp_path / "2026-01-05" / "index.html").read_text(encoding="utf-8")
    tenth, ninth = page.split("<h2>")[1:]
    assert "1 of 1 missed: currency_known: currency" in tenth
    assert "<td>b&amp;b</td><td>feed_a</td>" in ninth
    assert "all 1 held" in ninth
    for href in re.findall(r'href="([^"]+)"', page):
        assert (tmp_path / "2026-01-05" / href).exists(), href
    assert "validations/acme/feed_a/valuation/" in ninth


# What the suites are made of


def test_a_tables_facts_come_from_its_schema() -> None:
    facts = {(f.measure, f.column) for f in facts_of(schemas.table("valuation"), Tolerances(rules=[]))}
    assert facts == {
        ("repeated_keys", ""),
        ("empty_share", "account_id"),
        ("empty_share", "as_of_date"),
        ("empty_share", "market_value"),
        ("outside_values", "currency"),
        ("unknown_currency", "currency"),
    }


def profile_of(failed: dict[Fact, int], vendor: str = "brokerage", rows: int = 200, largest: int = 100) -> Profile:
    return Profile("acme", vendor, "brokerage_positions", "valuation", rows, largest, failed)


def test_a_suite_holds_the_rule_in_force_for_its_feed() -> None:
    currency = Fact("unknown_currency", "currency", "currency exists")
    share = [Limit(unit="share", max=Decimal("0.01"))]
    tolerances = Tolerances(
        rules=[rule(), rule(vendor="brokerage", limits=share, severity="warn"), rule("sign", "wrong_sign")]
    )
    [lenient] = table_slice(profile_of({currency: 3}), tolerances, None, MONDAY).expected
    assert (lenient.observed, lenient.high, lenient.rule.severity) == (0.015, 0.01, "warn")
    assert lenient.expected_value == "at most 0.01 of the rows"
    [strict] = table_slice(profile_of({currency: 3}, vendor="canonical"), tolerances, None, MONDAY).expected
    assert (strict.observed, strict.high, strict.rule.severity) == (3.0, 0.0, "fail")


def test_a_column_that_may_be_empty_is_asked_for_only_by_a_rule_that_names_it() -> None:
    cash, value = Fact("empty_share", "cash_value", "cash"), Fact("empty_share", "market_value", "value")
    share = [Limit(unit="share", max=Decimal("0.5"))]
    tolerances = Tolerances(
        rules=[
            rule("required", "empty_share"),
            rule("cash", "empty_share", applies_to="valuation", columns=["cash_value"], limits=share),
        ]
    )
    suite = table_slice(profile_of({cash: 150, value: 0}), tolerances, None, MONDAY)
    assert [(e.rule.name, e.column, e.observed) for e in suite.expected] == [
        ("cash", "cash_value", 0.75),
        ("required", "market_value", 0.0),
    ]


@pytest.mark.parametrize(
    ("usual", "low", "high"),
    [((50.0, 20), 25.0, 100.0), ((50.0, 4), 0.0, None), ((0.0, 20), 0.0, None), (None, 0.0, None)],
    ids=["half to double of what is usual", "four dates are too few", "most nights nothing comes", "a new feed"],
)
def test_rows_of_a_date_are_held_against_the_usual_number(
    usual: tuple[float, int] | None, low: float, high: float | None
) -> None:
    limits = [Limit(unit="fraction", min=Decimal("0.5"), max=Decimal(2))]
    tolerances = Tolerances(rules=[rule("row_count", "row_count", limits=limits, severity="warn")])
    [count] = table_slice(profile_of({}, rows=105, largest=100), tolerances, usual, MONDAY).expected
    assert (count.observed, count.low, count.high) == (100.0, low, high)


def test_a_delivery_of_no_records_has_no_share_to_speak_of() -> None:
    share = [Limit(unit="share", max=Decimal("0.1"))]
    tolerances = Tolerances(rules=[rule("quarantined_share", "quarantined_share", limits=share)])
    source = ("acme", "brokerage", "brokerage_positions")
    [empty] = delivery_slice(source, records=0, quarantined=0, tolerances=tolerances, on=MONDAY).expected
    [bad] = delivery_slice(source, records=8, quarantined=2, tolerances=tolerances, on=MONDAY).expected
    assert (empty.observed, bad.observed) == (0.0, 0.25)


def test_each_rule_of_a_feed_holds_at_its_limit_and_is_missed_beyond() -> None:
    """One slice a measure and side, judged by one run of Great Expectations."""
    half = [Limit(unit="fraction", min=Decimal("0.5"), max=Decimal(2))]
    tenth = [Limit(unit="share", max=Decimal("0.1"))]
    fifth = Limit(unit="fraction", max=Decimal("0.2"))
    source = ("acme", "brokerage", "brokerage_positions")
    at, beyond = [], []
    rows: list[Measure] = ["empty_share", "repeated_keys", "outside_values", "wrong_sign", "unknown_currency"]
    for measure in rows:
        fact, one = Fact(measure, "market_value", "it is so"), Tolerances(rules=[rule(measure, measure)])
        share = Tolerances(rules=[rule(measure, measure, limits=tenth)])
        at += [
            table_slice(profile_of({fact: 0}), one, None, MONDAY),
            table_slice(profile_of({fact: 20}), share, None, MONDAY),
        ]
        beyond += [
            table_slice(profile_of({fact: 1}), one, None, MONDAY),
            table_slice(profile_of({fact: 21}), share, None, MONDAY),
        ]
    counts = Tolerances(rules=[rule("row_count", "row_count", limits=half, severity="warn")])
    for wanted, per_date in ((at, (50, 200)), (beyond, (49, 201))):
        wanted += [table_slice(profile_of({}, rows=n, largest=n), counts, (100.0, 20), MONDAY) for n in per_date]
    shares = Tolerances(rules=[rule("quarantined_share", "quarantined_share", limits=tenth)])
    for wanted, quarantined in ((at, 10), (beyond, 11)):
        wanted.append(delivery_slice(source, records=100, quarantined=quarantined, tolerances=shares, on=MONDAY))
    moved = Tolerances(rules=[rule("fx_move", "fx_move", limits=[fifth], severity="warn")])
    for wanted, largest in ((at, 0.2), (beyond, 0.2001)):
        wanted.append(rate_slice(source, Moves(1, largest, {Decimal("0.2"): int(largest > 0.2)}), moved, MONDAY))
    named = [
        replace(one, tenant_id=f"{side}{n}")
        for side, every in (("at", at), ("beyond", beyond))
        for n, one in enumerate(every)
    ]
    outcomes = validate(named, "night", None)
    assert len(outcomes) == len(at) + len(beyond) == 28
    assert [o.slice.suite_name for o in outcomes if o.success != o.slice.tenant_id.startswith("at")] == []


def test_a_finding_is_one_line_for_people() -> None:
    outcome = Outcome(Slice("acme", "v", "feed_a", "valuation", []), asserted(2, None, 0), False)
    assert outcome.in_words() == (
        "acme feed_a valuation: currency_known: it is so: not true in 2 of 10 rows, expected at most 0 rows"
    )


def test_great_expectations_sends_nothing_and_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = expectations._context(expectations._great_expectations())
    assert context.config.analytics_enabled is False
    assert (context.progress_bars.globally, context.progress_bars.metric_calculations) == (False, False)
    assert list(tmp_path.iterdir()) == []
