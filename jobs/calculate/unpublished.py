"""What no publication has shown yet: of the run, of runs before it that died, and what came before its date was due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.due import is_fresh
from jobs.platform.lake import Lake
from jobs.platform.ledger import Progress, Run


@dataclass(frozen=True)
class Unpublished:
    """`progress`: how far each tenant of the run is published. `ahead`: by tenant the runs in it that loaded rows of
    later dates, as those of a file do that comes on its own evening."""

    run: Run
    progress: dict[str, Progress]
    ahead: Mapping[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run) -> Unpublished:
        # A folder of which nothing ever came would have all runs since the first count as unpublished.
        tenants = [run.tenant] if run.tenant else run.ledger.tenants(run.vendor)
        progress = {tenant: run.ledger.progress(tenant) for tenant in tenants}
        ahead = {tenant: run.ledger.runs_ahead(tenant, done, run.run_no) for tenant, done in progress.items()}
        return cls(run, progress, {tenant: runs for tenant, runs in ahead.items() if runs})

    @property
    def first(self) -> int:
        """The first run that may have written such rows."""
        return min([self.run.run_no, *(done.run_no + 1 for done in self.progress.values())])

    @property
    def is_so(self) -> Column:
        """Whether a row's run is among them, of the row's tenant."""
        return (F.col("run_no") == self.run.run_no) | is_fresh(self.progress)

    @property
    def runs_ahead(self) -> list[int]:
        """The runs before this one that loaded rows of dates that are not published."""
        return sorted({run_no for runs in self.ahead.values() for run_no in runs})

    def is_ahead(self, day: str) -> Column:
        """Whether such a run loaded the row, which is dated by `day`, and its date is not published."""
        return reduce(or_, [self._is_ahead_of(tenant, day) for tenant in sorted(self.ahead)], F.lit(False))

    def _is_ahead_of(self, tenant: str, day: str) -> Column:
        through = self.progress[tenant].calculated_through
        of_runs = (F.col("tenant_id") == tenant) & F.col("run_no").isin(self.ahead[tenant])
        return of_runs if through is None else of_runs & (F.col(day) > F.lit(through))

    def is_new(self, day: str) -> Column:
        """Whether a row of input, which is dated by `day`, is so, or came before its date was due."""
        return self.is_so | self.is_ahead(day)

    def came(self, lake: Lake, name: str) -> bool:
        """Whether a dated table may have rows that are so: a look at its last commit."""
        return lake.last_run(name) >= min([self.first, *self.runs_ahead])

    def of_table(self, lake: Lake, name: str, day: str | None = None) -> DataFrame:
        """The table's rows that are so, read from the files of their runs; of input that is dated by `day` also those
        that came before their date was due."""
        runs = list(range(self.first, self.run.run_no + 1))
        if day is None or not self.ahead:
            return lake.written_by(name, runs).where(self.is_so)
        return lake.written_by(name, sorted({*runs, *self.runs_ahead})).where(self.is_new(day))
