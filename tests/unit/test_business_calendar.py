"""Business days: what counts as one, and that Spark and plain Python count alike."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from jobs.platform.business_calendar import (
    Calendar,
    calendar_days,
    calendar_of,
    with_business_days,
)
from jobs.platform.errors import ConfigError
from jobs.platform.settings import PROJECT_ROOT, Settings
from jobs.platform.yaml_model import load_yaml

EASTER = Calendar(name="Easter", holidays=[date(2026, 4, 3), date(2026, 4, 6)])


def test_good_friday_and_the_weekend_are_no_business_days(spark: SparkSession) -> None:
    days = calendar_days(spark, {"acme": EASTER}, date(2026, 4, 7), since=date(2026, 4, 2))
    assert days is not None
    first = EASTER.business_day_no(date(2026, 4, 2))
    expected = spark.createDataFrame(
        [
            ("acme", date(2026, 4, 2), first, True),
            ("acme", date(2026, 4, 3), first, False),  # Good Friday
            ("acme", date(2026, 4, 4), first, False),
            ("acme", date(2026, 4, 5), first, False),
            ("acme", date(2026, 4, 6), first, False),  # Easter Monday
            ("acme", date(2026, 4, 7), first + 1, True),
        ],
        "tenant_id string, calendar_date date, business_day_no int, is_business_day boolean",
    )
    assert_df_equality(days, expected, ignore_nullable=True, ignore_row_order=True)


def test_spark_counts_every_day_like_python_before_in_and_after_the_holidays(spark: SparkSession) -> None:
    start, through = date(1969, 12, 1), date(2026, 12, 31)
    dates = [start + timedelta(days=37 * i) for i in range(560)] + [date(2026, 4, d) for d in range(1, 9)]
    rows = spark.createDataFrame([("acme", d) for d in dates], "tenant_id string, day date")
    counted = with_business_days(rows, "day", calendar_days(spark, {"acme": EASTER}, through)).collect()
    assert {r.day: (r.business_day_no, r.is_business_day) for r in counted} == {
        d: (EASTER.business_day_no(d), EASTER.is_business_day(d)) for d in dates
    }


def test_a_tenant_without_holidays_needs_no_calendar(spark: SparkSession) -> None:
    assert calendar_days(spark, {"acme": Calendar(name="none")}, date(2026, 4, 7)) is None
    rows = spark.createDataFrame([("acme", date(2026, 4, 3))], "tenant_id string, day date")
    assert with_business_days(rows, "day", None).first()["is_business_day"] is True  # type: ignore[index]


def test_next_and_previous_business_day_step_over_holidays_and_weekends() -> None:
    assert EASTER.next_business_day(date(2026, 4, 2)) == date(2026, 4, 7)
    assert EASTER.previous_business_day(date(2026, 4, 7)) == date(2026, 4, 2)


@pytest.mark.parametrize(("name", "business_days_of_2026"), [("us_nyse", 251), ("target2", 256)])
def test_shipped_calendars_have_the_known_number_of_business_days(name: str, business_days_of_2026: int) -> None:
    calendar = load_yaml(PROJECT_ROOT / "conf" / "calendars" / f"{name}.yaml", Calendar)
    first, last = date(2025, 12, 31), date(2026, 12, 31)
    assert calendar.business_day_no(last) - calendar.business_day_no(first) == business_days_of_2026


def test_a_holiday_given_twice_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("name: twice\nholidays: [2026-04-03, 2026-04-03]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"twice\.yaml:2: holidays: holiday given twice: 2026-04-03"):
        load_yaml(path, Calendar)


def test_a_calendar_without_a_file_names_those_there_are(workspace: Path) -> None:
    tenants = workspace / "conf" / "tenants"
    tenants.mkdir(exist_ok=True)
    (tenants / "acme.yaml").write_text("calendar: us_nise\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"calendar 'us_nise' has no file .*there are: .*us_nyse"):
        calendar_of(Settings(), "acme")
