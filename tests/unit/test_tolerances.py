"""Tolerances as data: a typo names its line and the nearest right word; the most specific entry counts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from jobs.check.tolerances import (
    ANY,
    TABLES,
    UNITS,
    Rule,
    Tolerances,
    load_currencies,
    load_tolerances,
)
from jobs.platform import schemas
from jobs.platform.errors import ConfigError
from jobs.platform.settings import PROJECT_ROOT, Settings
from jobs.platform.yaml_model import load_yaml

GOOD = """\
rules:
  - name: sign
    measure: wrong_sign
    applies_to: price
    limits: [{unit: rows, max: 0}]
    severity: fail
    reason: A price is positive.
"""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "says"),
    [
        ("severity:", "severty:", 6, "unknown key 'severty' at rules.0.severty; did you mean 'severity'?"),
        ("fail", "fial", 6, "did you mean 'fail'?"),
        ("wrong_sign", "wrong_sing", 3, "did you mean 'wrong_sign'?"),
        ("applies_to: price", "applies_to: prise", 4, "no table or feed 'prise'; did you mean 'price'?"),
        ("applies_to: price", "vendor: cannonical", 4, "no vendor 'cannonical'; did you mean 'canonical'?"),
        ("unit: rows", "unit: bps", 2, "measure wrong_sign is in share or rows, not in bps"),
        (", max: 0", "", 5, "a limit needs min or max"),
        ("max: 0", "min: 2, max: 0", 5, "min 2 is above max 0"),
        ("max: 0", "min: -0.3, max: 1", 5, "min -0.3 is negative: every measure is a size, gains and losses alike"),
        (
            "severity: fail",
            "severity: fail\n    valid_from: 2026-07-01\n    valid_to: 2026-06-30",
            2,
            "valid_from 2026-07-01 is after valid_to 2026-06-30",
        ),
        ("severity: fail", "severity: hold", 2, "about a feed, not an account: severity is warn or fail, not hold"),
        (
            "severity: fail",
            "severity: fail\n    account_class: cash",
            2,
            "the measure is about a feed, not an account: account_class means nothing",
        ),
    ],
)
def test_a_typo_is_one_line_with_file_line_and_the_nearest_word(
    tmp_path: Path, right: str, wrong: str, line: int, says: str
) -> None:
    path = tmp_path / "tolerances.yaml"
    path.write_text(GOOD, encoding="utf-8")
    load_yaml(path, Tolerances)
    path.write_text(GOOD.replace(right, wrong), encoding="utf-8")

    with pytest.raises(ConfigError) as error:
        load_yaml(path, Tolerances)

    [named] = [message for message in str(error.value).splitlines() if says in message]
    assert named.startswith(f"{path}:{line}: ")


def rule(severity: str = "fail", **scope: object) -> Rule:
    values = {"limits": [{"unit": "rows", "max": 0}], "reason": "a price is positive", "severity": severity}
    return Rule.model_validate({"name": "sign", "measure": "wrong_sign", **values, **scope})


def of_measure(measure: str, applies_to: str) -> Rule:
    limits = [{"unit": UNITS[measure][0], "max": 1}]
    values = {"name": "one", "measure": measure, "limits": limits, "severity": "warn", "reason": "of some table"}
    return Rule.model_validate({**values, "applies_to": applies_to})


@pytest.mark.parametrize(
    ("measure", "units"), [("row_count", ["fraction"]), ("return_beyond", ["fraction", "deviations"])]
)
def test_an_average_needs_no_more_dates_than_are_looked_back_on(measure: str, units: list[str]) -> None:
    limits = [{"unit": unit, "max": 1} for unit in units]
    rule = {"name": "r", "measure": measure, "limits": limits, "severity": "warn"}
    rule |= {"reason": "an average of some dates", "over_dates": 3}
    with pytest.raises(ValueError, match="at_least_dates 5 is above over_dates 3: there is never an average"):
        Tolerances.model_validate({"rules": [rule]})
    Tolerances.model_validate({"rules": [rule | {"at_least_dates": 3}]})
    if measure == "return_beyond":  # a fixed limit looks at no average
        Tolerances.model_validate({"rules": [rule | {"limits": limits[:1]}]})


@pytest.mark.parametrize("measure", UNITS)
def test_a_rule_names_a_table_that_its_measure_is_of(measure: str) -> None:
    """Of any other table it would never be looked at, however many holds its owner counts on. The delivery as a whole
    and its rows are of every table; what is quarantined is of none."""
    tables = [table.table for table in schemas.tables("silver")]
    named = TABLES.get(measure, [] if measure == "quarantined_share" else tables)
    for one in [*named, ANY, "canonical_valuations"]:
        assert of_measure(measure, one).applies_to == one
    for other in {*tables, "account_performance_daily"} - {*named}:
        with pytest.raises(ValueError, match=f"measure {measure} is of .*, not of {other}|applies_to is a feed or any"):
            of_measure(measure, other)


def in_force(tolerances: Tolerances, on: date = date(2026, 1, 5), **case: str) -> list[str]:
    scope = {"table": "price", "tenant": "acme", "vendor": "canonical", "feed": "canonical_prices", **case}
    return [found.severity for found in tolerances.in_force("wrong_sign", on=on, **scope)]


def test_the_most_specific_entry_of_a_name_counts() -> None:
    """Feed before vendor before tenant before table; an entry of another scope does not count at all."""
    ladder = [
        rule("fail"),
        rule("warn", applies_to="price"),
        rule("fail", tenant="acme"),
        rule("warn", vendor="canonical"),
        rule("fail", feed="canonical_prices"),
    ]
    expected = ["fail", "warn", "fail", "warn", "fail"]
    for number, severity in enumerate(expected, start=1):
        assert in_force(Tolerances(rules=ladder[:number])) == [severity]
    assert in_force(Tolerances(rules=[rule("fail"), rule("warn", tenant="other")])) == ["fail"]


def test_an_entry_counts_on_its_dates_only() -> None:
    january = rule("warn", tenant="acme", valid_from="2026-01-01", valid_to="2026-01-31")
    both = Tolerances(rules=[rule("fail"), january])
    assert in_force(both, on=date(2026, 1, 31)) == ["warn"]
    assert in_force(both, on=date(2026, 2, 1)) == ["fail"]


def test_a_ceiling_lowers_what_a_rule_does_in_its_scope() -> None:
    ceiling = {"vendor": "canonical", "severity": "warn", "reason": "prepared by the firm"}
    bounded = Tolerances.model_validate({"rules": [rule("fail")], "ceilings": [ceiling]})
    assert in_force(bounded) == ["warn"]
    assert in_force(bounded, vendor="brokerage", feed="brokerage_positions") == ["fail"]


def test_two_entries_for_one_case_are_refused() -> None:
    with pytest.raises(ValueError, match="rule 'sign' stands twice for the same scope and dates"):
        Tolerances(rules=[rule("fail"), rule("warn")])
    Tolerances(rules=[rule("fail", valid_to="2026-01-31"), rule("warn", valid_from="2026-02-01")])


def test_the_shipped_tolerances_only_warn_for_canonical_files() -> None:
    shipped = load_yaml(PROJECT_ROOT / "conf" / "tolerances.yaml", Tolerances)
    measures = {found.measure for found in shipped.rules}
    for measure in measures:
        tables = {found.applies_to for found in shipped.rules if found.measure == measure} - {"any"} or {"valuation"}
        for table in tables:
            case = {"table": table, "tenant": "acme", "vendor": "canonical", "feed": "canonical_valuations"}
            found = shipped.in_force(measure, on=date(2026, 1, 5), **case)
            assert [one.severity for one in found] == ["warn"] * len(found)
            assert found


def test_the_shipped_currencies_hold_what_the_ecb_quotes(workspace: Path) -> None:
    codes = load_currencies(Settings())
    assert len(codes) == len(set(codes))
    assert {"USD", "EUR", "JPY", "TRL", "ROL", "CYP", "NAD"} <= set(codes)
    assert "USX" not in codes


def test_settings_find_the_workspaces_own_tolerances(workspace: Path) -> None:
    path = workspace / "conf" / "tolerances.yaml"
    path.write_text(GOOD.replace("price\n", "prise\n"), encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean 'price'"):
        load_tolerances(Settings())
