"""Materiality: half-open classes without gaps; a file that leaves one or lets the larger change through is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.check.materiality import Materiality, in_force
from jobs.check.tolerances import Tolerances, load_tolerances
from jobs.platform.errors import ConfigError
from jobs.platform.settings import Settings
from jobs.platform.yaml_model import load_yaml

GOOD = """\
rules: []
materiality:
  - classes:
      - {name: small, below: {money: 1, bps: 0.5}}
      - {name: middle, below: {money: 10, bps: 2}, publish: false}
      - {name: large, publish: false}
    reason: What is large waits.
"""


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("{name: large, publish: false}", "{name: large, below: {bps: 9, money: 99}}", "'large' is the last: without"),
        ("{name: small, below: {money: 1, bps: 0.5}}", "{name: small}", "'small' needs `below`"),
        ("money: 10, bps: 2", "money: 10", "'middle' is bounded in other measures"),
        ("money: 10, bps: 2", "money: 1, bps: 2", "'middle': money 1 is not above the class before it"),
        ("money: 1,", "money: 0,", "greater than 0"),
        ("large, publish: false", "large, publish: true", "'middle' waits, so the larger 'large' must wait too"),
        ("name: large", "name: small", "two classes have one name"),
        ("publish: false}\n    reason", "publsh: false}\n    reason", "did you mean 'publish'?"),
        ("What is large waits.", "What is large waits.\n  - {classes: [{name: all}], reason: the same scope}", "twice"),
    ],
)
def test_a_file_that_leaves_a_gap_is_refused(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    path = tmp_path / "tolerances.yaml"
    path.write_text(GOOD, encoding="utf-8")
    load_yaml(path, Tolerances)
    assert right in GOOD
    path.write_text(GOOD.replace(right, wrong), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tolerances\.yaml:") as failure:
        load_yaml(path, Tolerances)
    assert says in str(failure.value)


def test_a_limit_belongs_to_the_next_class_in_every_measure(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "tolerances.yaml"
    path.write_text(GOOD, encoding="utf-8")
    (classes,) = load_yaml(path, Tolerances).materiality
    cases = {
        ("0", 0.0): ("small", True), ("-0.99999999", 0.49): ("small", True), ("-1", 0.0): ("middle", False),
        ("0", -0.5): ("middle", False), ("9.99999999", 1.99): ("middle", False), ("0", 2.0): ("large", False),
        ("10", 0.0): ("large", False), (None, 0.0): ("large", False), ("0", None): ("large", False),
    }  # fmt: skip
    rows = [(money and Decimal(money), bps) for money, bps in cases]
    found = spark.createDataFrame(rows, "money decimal(28,8), bps double").selectExpr(
        f"{classes.class_sql('money', 'bps')} AS c"
    )
    assert [(row.c.name, row.c.publish) for row in found.collect()] == list(cases.values())


def test_a_tenant_s_own_classes_take_the_place_of_those_for_all() -> None:
    def entry(name: str, **scope: str) -> Materiality:
        return Materiality.model_validate({"classes": [{"name": name}], "reason": "as the test has it", **scope})

    entries = [entry("all"), entry("ours", tenant="acme")]
    chosen = [in_force(entries, tenant) for tenant in ("acme", "zeta")]
    assert [one and one.classes[0].name for one in chosen] == ["ours", "all"]
    assert in_force([], "acme") is None


def test_as_shipped_everything_goes_out() -> None:
    (shipped,) = load_tolerances(Settings()).materiality
    assert all(one.publish for one in shipped.classes)
