"""The worked groups: what the members' files give for them, all in one Spark run; money exactly, returns to 1e-10."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.currency import usable_rates
from tests import calculation
from tests.golden.cases import Case, cases, differences, silver_rows
from tests.grouping import Book, groups

CASES = [*cases("groups"), *(case for case in cases("known_wrong_answers") if case.kind == "groups")]


@pytest.fixture(scope="module")
def calculated(spark: SparkSession) -> dict[str, list[dict[str, object]]]:
    """Rows per case: a case is a tenant, its group the household `home`."""
    book = Book(
        valuations=calculation.valuations(spark, silver_rows(CASES, "valuations")),
        transactions=calculation.transactions(spark, silver_rows(CASES, "transactions")),
        accounts=calculation.accounts(spark, silver_rows(CASES, "accounts")),
        members=calculation.members(spark, silver_rows(CASES, "group_members")),
        rates=usable_rates(calculation.fx_rates(spark, silver_rows(CASES, "fx_rates")), None, {}),
    )
    rows = sorted(
        groups(book, {}).calculated().where("group_type = 'household'").collect(), key=lambda row: row["as_of_date"]
    )
    return {case.name: [row.asDict() for row in rows if row["tenant_id"] == case.name] for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, calculated: dict[str, list[dict[str, object]]]) -> None:
    rows = calculated[case.name]
    assert [row["as_of_date"] for row in rows] == [row["as_of_date"] for row in case.expected]
    assert [line for want, got in zip(case.expected, rows, strict=True) for line in differences(want, got)] == []
