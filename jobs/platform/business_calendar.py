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
    from pyspark.sql import Column, DataFrame, SparkSession

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
    from pyspark.sql import functions as F

    rows = [
        (tenant_id, calendar.weekday_holidays, since or calendar.weekday_holidays[0])
        for tenant_id, calendar in sorted(calendars.items())
        if calendar.weekday_holidays and (since or calendar.weekday_holidays[0]) <= through
    ]
    if not rows:
        return None
    tenants = spark.createDataFrame(rows, "tenant_id string, holidays array<date>, since date")
    days = tenants.withColumn("calendar_date", F.explode(F.sequence("since", F.lit(through))))
    day = F.col("calendar_date")
    holidays_so_far = F.size(F.filter("holidays", lambda holiday: holiday <= day))
    return days.select(
        "tenant_id",
        "calendar_date",
        (weekday_no(day) - holidays_so_far).alias("business_day_no"),
        (is_weekday(day) & ~F.array_contains("holidays", day)).alias("is_business_day"),
    )


def with_business_days(rows: DataFrame, day: str, calendar: DataFrame | None) -> DataFrame:
    """`rows` with business_day_no and is_business_day of the date column `day`, by tenant_id.

    `calendar` is what `calendar_days` gave; dates and tenants that it does not hold have no holidays.
    """
    from pyspark.sql import functions as F

    if calendar is None:
        return rows.withColumns({"business_day_no": weekday_no(F.col(day)), "is_business_day": is_weekday(F.col(day))})
    days = calendar.select(
        F.col("tenant_id").alias("_tenant"),
        F.col("calendar_date").alias("_day"),
        F.col("business_day_no").alias("_no"),
        F.col("is_business_day").alias("_is"),
    )
    joined = rows.join(
        F.broadcast(days), (F.col("tenant_id") == F.col("_tenant")) & (F.col(day) == F.col("_day")), "left"
    )
    return joined.withColumns(
        {
            "business_day_no": F.coalesce("_no", weekday_no(F.col(day))),
            "is_business_day": F.coalesce("_is", is_weekday(F.col(day))),
        }
    ).drop("_tenant", "_day", "_no", "_is")


def weekday_no(day: Column) -> Column:
    """Business days up to and including the date where there are no holidays."""
    from pyspark.sql import functions as F

    since_monday = F.unix_date(day) + F.lit((date(1970, 1, 1) - MONDAY).days)
    week = F.floor(since_monday / F.lit(7)).cast("int")
    return week * F.lit(5) + F.least(since_monday - week * F.lit(7) + F.lit(1), F.lit(5))


def is_weekday(day: Column) -> Column:
    """Whether the date is a Monday to Friday."""
    from pyspark.sql import functions as F

    return F.weekday(day) < F.lit(5)
