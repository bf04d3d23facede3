"""The rows of silver that the account rules look at: the night's, and of some accounts or dates those before them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.due import is_published
from jobs.calculate.unpublished import Unpublished
from jobs.check.account_days import ACCOUNT
from jobs.check.releases import Release
from jobs.platform import schemas
from jobs.platform.business_calendar import calendar_days, calendars_of
from jobs.platform.lake import Lake, latest
from jobs.platform.ledger import Run
from jobs.platform.settings import Settings


@dataclass(frozen=True)
class Night:
    """What the step has to look at: the runs that wrote rows of its files (`run_nos`) and of replays (`replayed`), what
    came before its date was due (which `unpublished` knows), the accounts that somebody released (`waiting`), and the
    feeds that the gate withholds (`withheld`: tenant, vendor, feed), whose rows say nothing."""

    unpublished: Unpublished
    run_nos: list[int]
    replayed: list[int] = field(default_factory=list)
    waiting: list[Release] = field(default_factory=list)
    withheld: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def run(self) -> Run:
        return self.unpublished.run

    @property
    def came_now(self) -> list[int]:
        return [*self.run_nos, *self.replayed]


class NightRows:
    """One night's rows. `whole`, once it is known: accounts of which all counts that is dated on a day of each or later
    (tenant_id, account_id, since), and the first such day."""

    def __init__(self, lake: Lake, settings: Settings, night: Night) -> None:
        self.lake, self.settings, self.night = lake, settings, night
        self.whole: tuple[DataFrame, date] | None = None

    @property
    def in_scope(self) -> Column:
        tenant = self.night.run.tenant
        return F.lit(True) if tenant is None else F.col("tenant_id") == tenant

    @cached_property
    def calendar(self) -> DataFrame | None:
        tenants = [folder.name for folder in self.settings.landing.iterdir() if folder.is_dir()]
        return calendar_days(self.lake.spark, calendars_of(self.settings, tenants), self.night.run.business_date)

    @cached_property
    def knows_states(self) -> bool:
        """Whether anything was ever published: a firm's first files, its whole history, have nothing before them."""
        return self.lake.exists("account_state")

    def wrote(self, name: str) -> bool:
        """Whether one of the night's runs may have written rows of the table."""
        first = min([*self.night.came_now, *self.night.unpublished.runs_ahead])
        return self.lake.exists(name) and self.lake.last_run(name) >= first

    def fresh(self, name: str) -> DataFrame:
        """The night's rows of a table that count, of all vendors, since what is published is; of a firm's first files
        all rows, since sorting them costs more than what the few that were corrected on the same night are worth."""
        rows = self._usable(self._came(name)).where(self._is_judged(str(schemas.table(name).date)))
        if not self.knows_states:
            return rows.where("NOT coalesce(retired, false)")
        return latest(rows, schemas.table(name))

    def first_day(self, name: str) -> date | None:
        """The earliest day that a row of the night's is of, whether it counts or not; None without rows."""
        first: date | None = self._came(name).agg(F.min(str(schemas.table(name).date))).collect()[0][0]
        return first

    def _came(self, name: str) -> DataFrame:
        return self.lake.written_by(name, sorted({*self.night.came_now, *self.night.unpublished.runs_ahead}))

    def _is_judged(self, day: str) -> Column:
        """A row is judged on the night of its date, also where it came earlier, or when it comes after that."""
        night = self.night
        is_due = F.col(day) <= night.run.business_date
        is_late = is_published(night.unpublished.progress, day)
        # Of a tenant that is new all runs are unpublished: not those of the others.
        came_now = F.col("run_no").isin(night.came_now) & night.unpublished.is_so & (is_due | is_late)
        return came_now | (night.unpublished.is_ahead(day) & is_due)

    def current(self, name: str, where: Column) -> DataFrame:
        """The rows of a table that count, of the dates that `where` asks for."""
        return latest(self._usable(self.lake.read(name).where(where)), schemas.table(name))

    def judged(self, name: str, day: str) -> DataFrame:
        """The rows of a table that are judged: the night's, and of the accounts in `whole` all since their day. What is
        dated before it is judged as of any account, where it came tonight."""
        fresh = self.fresh(name)
        if self.whole is None:
            return fresh
        accounts, first = self.whole
        own = F.broadcast(accounts.withColumnRenamed("since", "_since"))
        of_whole = self.current(name, F.col(day) >= first).join(own, ACCOUNT).where(F.col(day) >= F.col("_since"))
        others = fresh.join(own, ACCOUNT, "left").where(F.col("_since").isNull() | (F.col(day) < F.col("_since")))
        return others.unionByName(of_whole).drop("_since")

    def recent(self, name: str, business_days: int) -> DataFrame:
        """The rows that count of the last business days, and of a week more."""
        last = self.night.run.business_date
        first = last - timedelta(days=business_days * 7 // 5 + 7)
        return self.current(name, F.col("as_of_date").between(first, last))

    @cached_property
    def _withheld_files(self) -> list[str]:
        return self.night.run.ledger.withheld_files(self.night.run)

    def _usable(self, rows: DataFrame) -> DataFrame:
        """Rows of files that are used: not of those that the gate has withheld or withholds tonight."""
        rows = rows.where(self.in_scope)
        if self._withheld_files:
            rows = rows.where(~F.col("file_id").isin(self._withheld_files))
        for tenant, vendor, feed in self.night.withheld:
            of_feed = (F.col("tenant_id") == tenant) & (F.col("vendor") == vendor) & (F.col("feed") == feed)
            rows = rows.where(~(of_feed & F.col("run_no").isin(self.night.run_nos)))
        return rows
