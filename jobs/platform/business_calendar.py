"""Business days: Monday to Friday less the holidays of `conf/calendars/<name>.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from jobs.platform.errors import ConfigError
from jobs.platform.settings import Settings
from jobs.platform.yaml_model import StrictModel, load_yaml

if TYPE_CHECKING:  # the scheduler asks for business days without starting Spark
    from pyspark.sql import DataFrame, SparkSession

MONDAY = date(1969, 12, 29)  # the Monday before day 0 of Spark's dates: business days are counted from here


class Calendar(StrictModel):
    """Model of `conf/calendars/<name>.yaml`."""

    name: str
    holidays: list[date] = Field(default=[], description="days from Monday to Friday on which nothing is valued")

    @field_validator("holidays")
    @classmethod
    def _each_once(cls, holidays: list[date]) -> list[date]:
        twice = sorted({day for day in holidays if holidays.count(day) > 1})
        if twice:
            raise ValueError(f"holiday given twice: {', '.join(map(str, twice))}")
        return sorted(holidays)

    @cached_property
    def weekday_holidays(self) -> list[date]:
        """The holidays that take a business day away."""
        return [day for day in self.holidays if day.weekday() < 5]

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.weekday_holidays

    def business_day_no(self, day: date) -> int:
        """Number of business days up to and including `day`, counted from a fixed Monday."""
        weeks, weekday = divmod((day - MONDAY).days, 7)
        return 5 * weeks + min(weekday + 1, 5) - sum(holiday <= day for holiday in self.weekday_holidays)

    def next_business_day(self, day: date) -> date:
        """The first business day after `day`."""
        following = day + timedelta(days=1)
        while not self.is_business_day(following):
            following += timedelta(days=1)
        return following

    def previous_business_day(self, day: date) -> date:
        """The last business day before `day`."""
        preceding = day - timedelta(days=1)
        while not self.is_business_day(preceding):
            preceding -= timedelta(days=1)
        return preceding


NO_HOLIDAYS = Calendar(name="Monday to Friday")


def calendar_of(settings: Settings, tenant_id: str) -> Calendar:
    """The calendar that the tenant's file names; Monday to Friday where it names none.

    Raises ConfigError where the calendar has no file in `conf/calendars/`, or the file is wrong.
    """
    name = settings.tenant(tenant_id).calendar
    if name is None:
        return NO_HOLIDAYS
    path = settings.conf_folder / "calendars" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"conf/tenants/{tenant_id}.yaml: calendar '{name}' has no file {path} (there are: {known})")
    return load_yaml(path, Calendar)


def calendars_of(settings: Settings, tenant_ids: Iterable[str]) -> dict[str, Calendar]:
    """The calendar of each tenant."""
    return {tenant_id: calendar_of(settings, tenant_id) for tenant_id in tenant_ids}


def calendar_days(
    spark: SparkSession, calendars: Mapping[str, Calendar], through: date, since: date | None = None
) -> DataFrame | None:
    """One row per tenant and day: tenant_id, calendar_date, business_day_no (business days up to and including the
    date), is_business_day. Small, to be broadcast.

    From `since` (default: each calendar's first holiday, before which weekdays alone decide) to `through`. Tenants
    without holidays have no rows; None where no tenant has any, so that there is nothing to join.
    """
    rows = [
        (tenant_id, calendar.weekday_holidays, since or calendar.weekday_holidays[0])
        for tenant_id, calendar in sorted(calendars.items())
        if calendar.weekday_holidays and (since or calendar.weekday_holidays[0]) <= through
    ]
    if not rows:
        return None
    from pyspark.sql import types as T

    from jobs.platform.local_rows import local_rows

    struct = T.StructType(
        [
            T.StructField("tenant_id", T.StringType()),
            T.StructField("holidays", T.ArrayType(T.DateType())),
            T.StructField("since", T.DateType()),
        ]
    )
    tenants = local_rows(spark, rows, struct)
    days = tenants.selectExpr("tenant_id", "holidays", f"explode(sequence(since, DATE '{through}')) AS calendar_date")
    return days.selectExpr(
        "tenant_id",
        "calendar_date",
        f"{weekday_no('calendar_date')} - size(filter(holidays, day -> day <= calendar_date)) AS business_day_no",
        "weekday(calendar_date) < 5 AND NOT array_contains(holidays, calendar_date) AS is_business_day",
    )


def with_business_days(rows: DataFrame, day: str, calendar: DataFrame | None) -> DataFrame:
    """`rows` with business_day_no and is_business_day of the date column `day`, by tenant_id.

    `calendar` is what `calendar_days` gave; dates and tenants that it does not hold have no holidays.
    """
    from pyspark.sql import functions as F

    if calendar is None:
        return rows.selectExpr("*", f"{weekday_no(day)} AS business_day_no", f"weekday({day}) < 5 AS is_business_day")
    days = calendar.selectExpr(
        "tenant_id AS day_tenant", "calendar_date AS day_date", "business_day_no AS day_no", "is_business_day AS day_is"
    )
    joined = rows.join(F.broadcast(days), F.expr(f"tenant_id = day_tenant AND {day} = day_date"), "left")
    return joined.selectExpr(
        *rows.columns,
        f"coalesce(day_no, {weekday_no(day)}) AS business_day_no",
        f"coalesce(day_is, weekday({day}) < 5) AS is_business_day",
    )


def weekday_no(day: str) -> str:
    """SQL for the business days up to and including the date where there are no holidays."""
    since_monday = f"(unix_date({day}) + {(date(1970, 1, 1) - MONDAY).days})"
    week = f"CAST(floor({since_monday} / 7D) AS INT)"
    return f"({week} * 5 + least({since_monday} - {week} * 7 + 1, 5))"
