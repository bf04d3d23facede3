"""What no publication has shown yet: of the run, and of runs before it that died."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.due import is_fresh
from jobs.platform.lake import Lake
from jobs.platform.ledger import Progress, Run


@dataclass(frozen=True)
class Unpublished:
    """`progress`: how far each tenant of the run is published."""

    run: Run
    progress: dict[str, Progress]

    @classmethod
    def of(cls, run: Run) -> Unpublished:
        # A folder of which nothing ever came would have all runs since the first count as unpublished.
        tenants = [run.tenant] if run.tenant else sorted({file.tenant_id for file in run.ledger.files(run=run)})
        return cls(run, {tenant: run.ledger.progress(tenant) for tenant in tenants})

    @property
    def first(self) -> int:
        """The first run that may have written such rows."""
        return min([self.run.run_no, *(done.run_no + 1 for done in self.progress.values())])

    @property
    def is_so(self) -> Column:
        """Whether a row's run is among them, of the row's tenant."""
        return (F.col("run_no") == self.run.run_no) | is_fresh(self.progress)

    def of_table(self, lake: Lake, name: str) -> DataFrame:
        """The table's rows that are so, read from the files of their runs."""
        return lake.written_by(name, list(range(self.first, self.run.run_no + 1))).where(self.is_so)
