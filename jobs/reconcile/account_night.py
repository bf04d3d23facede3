"""What a night's look at the account master is made of: the run, its tenants, what came, who delivered what lately."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.policies import Policies, literal
from jobs.calculate.unpublished import Unpublished
from jobs.check.tolerances import Tolerances
from jobs.platform.lake import Lake, latest
from jobs.platform.ledger import Progress, Run
from jobs.platform.schemas import table
from jobs.reconcile import deliveries


@dataclass
class AccountNight:
    """`unpublished` has the run's tenants and says how far each is published; `withheld` are files that do not
    count."""

    lake: Lake
    unpublished: Unpublished
    tolerances: Tolerances
    policies: Policies
    withheld: list[str] = field(default_factory=list)

    @property
    def run(self) -> Run:
        return self.unpublished.run

    @property
    def progress(self) -> dict[str, Progress]:
        return self.unpublished.progress

    @property
    def through(self) -> date:
        """The last date that is published or to be: an earlier night that is run again looks back from there."""
        done = [one.calculated_through for one in self.progress.values()]
        return max([self.run.business_date, *[day for day in done if day is not None]])

    def _fresh_from(self, progress: Progress) -> int:
        return min(progress.run_no + 1, self.run.run_no)

    def came(self, name: str) -> bool:
        """Whether rows of a table may have come that no reconciliation has seen: a look at its last commit."""
        return self.lake.exists(name) and self.lake.last_run(name) >= self.first

    @property
    def values_came(self) -> bool:
        """The same of values, which may also have come before their date."""
        return self.unpublished.came(self.lake, "valuation")

    @property
    def first(self) -> int:
        """The first run whose rows no reconciliation may have seen."""
        return self.unpublished.first

    @cached_property
    def since(self) -> Column:
        """The run from which on rows of the tenant are new."""
        cases = [f"WHEN {literal(name)} THEN {self._fresh_from(done)}" for name, done in sorted(self.progress.items())]
        return F.expr(f"CASE tenant_id {' '.join(cases)} END")

    @cached_property
    def published_through(self) -> Column:
        """The last date that the row's tenant has published; NULL where it has none."""
        days = {name: done.calculated_through for name, done in sorted(self.progress.items())}
        cases = [f"WHEN {literal(name)} THEN DATE '{day}'" for name, day in days.items() if day is not None]
        return F.expr(f"CASE tenant_id {' '.join(cases)} END" if cases else "CAST(NULL AS DATE)")

    def read(self, name: str) -> DataFrame:
        rows = self.lake.read(name).where(F.col("tenant_id").isin(list(self.progress)))
        return rows.where(~F.col("file_id").isin(self.withheld)) if self.withheld else rows

    @cached_property
    def pairs(self) -> DataFrame:
        day = F.col("as_of_date")
        recent = self.read("valuation").where(
            (day > F.lit(self.through - deliveries.LOOK_BACK)) & (day <= F.lit(self.through))
        )
        return deliveries.deliveries(latest(recent, table("valuation")))

    @cached_property
    def closed(self) -> DataFrame | None:
        """Closed accounts; None where our records have none."""
        known = "SELECT EXISTS (SELECT FROM marts.account WHERE tenant_id = ANY (%s) AND closed_on IS NOT NULL)"
        if not self.came("account") and not self.asked(known, list(self.progress)):
            return None
        accounts = latest(self.read("account"), table("account"))
        return deliveries.closed_accounts(accounts, self.through, self.policies)

    def asked(self, question: str, *values: object) -> bool:
        row = self.run.ledger.connection.execute(question, list(values)).fetchone()
        return bool(row and row[0])
