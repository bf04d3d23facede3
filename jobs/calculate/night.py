"""What the parts of the step share: the lake, the run, how far the tenants are published, calendars and rates."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, SparkSession

from jobs.calculate.currency import usable_rates
from jobs.calculate.due import is_published
from jobs.calculate.inputs import Silver, Span
from jobs.calculate.policies import Policies
from jobs.platform.business_calendar import calendar_days, calendars_of
from jobs.platform.lake import Lake
from jobs.platform.ledger import Progress, Run
from jobs.platform.settings import Settings


@dataclass(frozen=True)
class Night:
    """One run of the step for some tenants."""

    silver: Silver
    settings: Settings
    run: Run
    policies: Policies
    progress: dict[str, Progress]

    @property
    def lake(self) -> Lake:
        return self.silver.lake

    @property
    def spark(self) -> SparkSession:
        return self.lake.spark

    @property
    def through(self) -> date:
        """The last date that is calculated: an account that goes back is calculated through to the last published
        date, also by a run of an earlier one."""
        done = [one.calculated_through for one in self.progress.values()]
        return max([self.run.business_date, *[day for day in done if day is not None]])

    @property
    def has_history(self) -> bool:
        """Whether anything of the tenants is published."""
        return any(done.calculated_through is not None for done in self.progress.values())

    def wrote_since(self, name: str) -> bool:
        """Whether a run after the published one may have written rows of the table."""
        return self.lake.last_run(name) > min(done.run_no for done in self.progress.values())

    def is_published(self, day: str) -> Column:
        """Whether the date `day` of a row is among those that its tenant has published."""
        return is_published(self.progress, day)

    def calendar(self) -> DataFrame | None:
        """To the end of the month, since whether a row is a month-end depends on the business days after it."""
        return calendar_days(self.spark, calendars_of(self.settings, self.silver.tenants), end_of_month(self.through))

    def rates(self, span: Span, calendar: DataFrame | None) -> DataFrame | None:
        """Worked out, since several legs look rates up: planned once, and a small table."""
        delivered = self.silver.fx_rates(span)
        return None if delivered is None else usable_rates(delivered, calendar, self.policies).localCheckpoint()


def end_of_month(day: date) -> date:
    """The last day of the date's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])
