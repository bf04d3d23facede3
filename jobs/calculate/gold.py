"""Chains of daily rows in gold: what a calculation goes on from, and how its rows come to what is there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate import due as due_owners
from jobs.calculate.due import is_fresh
from jobs.calculate.epochs import current_rows, first_differences, new_epochs, owner_of, rows_to_write, with_epoch
from jobs.platform.lake import Lake
from jobs.platform.ledger import Progress, Run
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import table


class Judge(Protocol):
    """Who writes down the restatements of a chain and says which of them wait."""

    def judge(self, calculated: DataFrame, existing: DataFrame, opened: DataFrame, *, restated: int) -> int:
        """How many owners of `opened` (owner, from_date, epoch) wait."""

    def without_held(self, rows: DataFrame) -> DataFrame:
        """`rows` without those of owners that wait."""

    def clear(self) -> None:
        """Nothing is restated."""


@dataclass(frozen=True)
class Proposal:
    """Rows of a chain that a run has calculated and does not write, and the epochs (owner, epoch, from_date) that they
    would open."""

    rows: DataFrame
    opened: DataFrame


@dataclass(frozen=True)
class Gold:
    """One chain as a run sees it: `daily`, `state` (the last published rows) and `epochs` are tables of gold, read as
    they would be with the `proposal`."""

    lake: Lake
    run: Run
    daily: str
    state: str
    epochs: str
    proposal: Proposal | None = None

    @property
    def owner(self) -> list[str]:
        """The columns that say whose row it is."""
        return owner_of(self.daily)

    def with_state(self, affected: DataFrame) -> DataFrame:
        """What is due (owner, from_date, has_input) with the published state, see `due.with_state`."""
        return due_owners.with_state(affected, self.lake.read(self.state), self.state)

    def opening(self, due: DataFrame, *, known: bool, going_back: bool) -> DataFrame | None:
        """The rows to go on from; `due` as `with_state` gave it, of which owners are known, and some go back."""
        if not known:
            return None
        opening = due_owners.opening_from_state(due, self.state)
        if not going_back:
            return opening
        return opening.unionByName(due_owners.opening_from_gold(due, *self.earlier(), self.state))

    def begin(self, due: DataFrame, opening: DataFrame | None) -> DataFrame:
        """The owner and opened (date of the opening row; NULL: it begins with its first input)."""
        if opening is None:
            return due.select(*self.owner, F.lit(None).cast("date").alias("opened"))
        opened = opening.select(*self.owner, F.col("as_of_date").alias("opened"))
        return due.select(*self.owner).join(opened, self.owner, "left")

    def earlier(self) -> tuple[DataFrame, DataFrame]:
        """Rows and epochs of earlier runs: what an earlier attempt of this run wrote is about to be replaced."""
        is_earlier = F.col("run_no") != self.run.run_no
        return self.lake.read(self.daily).where(is_earlier), self.lake.read(self.epochs).where(is_earlier)

    def existing(self, begin: DataFrame, dated: Column) -> DataFrame | None:
        """Current rows of the due owners after their opening row; None where there are none, as on most nights.

        `dated`: whether a row's date can be after its owner's opening row.
        """
        if not self.lake.exists(self.daily):
            return None
        gold, epochs = self.earlier()
        gold = gold.where(dated)
        if self.run.from_date is not None:
            gold = gold.where(F.col("as_of_date") >= self.run.from_date)
        rows = current_rows(gold, epochs, self.owner).join(begin, self.owner)
        rows = rows.where("opened IS NULL OR as_of_date > opened").drop("opened").localCheckpoint()
        return None if rows.isEmpty() else rows

    def write(self, calculated: DataFrame, existing: DataFrame | None, judge: Judge | None = None) -> dict[str, int]:
        """Append what gold does not hold; where a date differs, the owner's next epoch begins, unless by `judge` it
        waits: then none of the owner's rows are written. Returns counters."""
        lake, run = self.lake, self.run
        known = lake.read(self.epochs).where(F.col("run_no") != run.run_no) if lake.exists(self.epochs) else None
        if existing is None:
            written = lake.write_run(with_epoch(calculated, known, self.owner), self.daily, run.run_no, run.run_id)
            if known is not None:
                clear(lake, self.epochs, run)
            if judge is not None:
                judge.clear()
            return {"rows": written, "restated": 0, **({"restatements_waiting": 0} if judge is not None else {})}
        calculated, waits = calculated.localCheckpoint(), 0
        differences = first_differences(calculated, existing, self.daily).localCheckpoint()
        restated = differences.count()
        opened = new_epochs(differences, known, self.owner).localCheckpoint()
        if judge is not None:
            waits = judge.judge(calculated, existing, opened, restated=restated)
            if waits:
                calculated, differences = judge.without_held(calculated), judge.without_held(differences)
                opened = judge.without_held(opened)
                restated -= waits
        new = rows_to_write(calculated, existing, differences, known, self.daily)
        written = lake.write_run(new, self.daily, run.run_no, run.run_id)
        if restated:
            lake.write_run(self.stamped(opened), self.epochs, run.run_no, run.run_id)
        else:
            clear(lake, self.epochs, run)
        return {"rows": written, "restated": restated, **({"restatements_waiting": waits} if judge is not None else {})}

    def proposed(self, calculated: DataFrame, existing: DataFrame | None) -> Proposal:
        """What `write` would append, and the epochs that it would open."""
        known = self.earlier()[1] if self.lake.exists(self.epochs) else None
        if existing is None:
            rows = with_epoch(calculated, known, self.owner)
            return Proposal(rows.localCheckpoint(), local_rows(self.lake.spark, [], table(self.epochs).struct))
        calculated = calculated.localCheckpoint()
        differences = first_differences(calculated, existing, self.daily).localCheckpoint()
        rows = rows_to_write(calculated, existing, differences, known, self.daily)
        return Proposal(rows.localCheckpoint(), new_epochs(differences, known, self.owner).localCheckpoint())

    def unpublished(self, progress: dict[str, Progress]) -> DataFrame:
        """Current rows that no publication has shown yet: the run's own, and those of runs that died before it."""
        rows = self.written(progress)
        return self.current(rows)

    def written(self, progress: dict[str, Progress]) -> DataFrame:
        """All rows that runs since the published one have written, also those that are superseded by now."""
        first = min(done.run_no for done in progress.values()) + 1
        return self.lake.written_by(self.daily, list(range(first, self.run.run_no + 1))).where(is_fresh(progress))

    def rows(self) -> DataFrame:
        """All daily rows, this run's among them, also those that are superseded."""
        rows = self.lake.read(self.daily)
        return rows if self.proposal is None else rows.unionByName(self.proposal.rows.select(*rows.columns))

    def current(self, rows: DataFrame) -> DataFrame:
        """The rows that no epoch supersedes, this run's among them."""
        if self.proposal is not None:
            opened = self.proposal.opened.select(*self.owner, "epoch", "from_date")
            known = self.lake.read(self.epochs).select(*opened.columns)
            return current_rows(rows, known.unionByName(opened), self.owner)
        return current_rows(rows, self.lake.read(self.epochs), self.owner) if self.lake.exists(self.epochs) else rows

    def stamped(self, rows: DataFrame) -> DataFrame:
        """`rows` with the run."""
        return rows.withColumns({"run_id": F.lit(self.run.run_id), "run_no": F.lit(self.run.run_no).cast("long")})


def clear(lake: Lake, name: str, run: Run) -> None:
    """Remove the run's own rows of a table, where it has any."""
    may_have = lake.exists(name) and lake.last_run(name) >= run.run_no
    if may_have and not lake.read(name).where(F.col("run_no") == run.run_no).isEmpty():
        lake.write_run(lake.read(name).limit(0), name, run.run_no, run.run_id)
