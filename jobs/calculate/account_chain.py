"""The due accounts' rows from the row before the first change on, appended to one of the accounts' chains in gold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.gold import Gold, Proposal
from jobs.calculate.holds import flags
from jobs.calculate.inputs import ACCOUNT, Span
from jobs.calculate.night import Night
from jobs.calculate.restatement_rows import Restatements


@dataclass(frozen=True)
class AccountChain:
    """`calculate` is `daily.daily_performance`, or a function with its arguments: what the rows are in; `restatements`
    of the chain that is judged by them."""

    night: Night
    gold: Gold
    calculate: Callable[..., DataFrame]
    restatements: Restatements | None = None

    def write(self, affected: DataFrame) -> dict[str, int | str]:
        """Calculate the affected accounts (see `due.affected_accounts`) and write what gold does not hold already."""
        due = self.gold.with_state(affected).localCheckpoint()
        counts = _counted(due)
        if counts["accounts"]:
            return {**counts, **self._written(due, counts)}
        if self.restatements is not None:
            self.restatements.clear()
        return {**counts, "rows": 0, "restated": 0}

    def proposed(self, affected: DataFrame) -> Proposal:
        """What `write` would append to the chain."""
        due = self.gold.with_state(affected).localCheckpoint()
        return self.gold.proposed(*self._calculated(due, _counted(due)))

    def _written(self, due: DataFrame, counts: dict[str, int]) -> dict[str, int]:
        return self.gold.write(*self._calculated(due, counts), self.restatements)

    def _calculated(self, due: DataFrame, counts: dict[str, int]) -> tuple[DataFrame, DataFrame | None]:
        """The rows of the due accounts after their opening row, and those that gold holds for the same time."""
        night, silver = self.night, self.night.silver
        opening = self.gold.opening(
            due,
            known=counts["accounts"] > counts["new_accounts"],
            going_back=counts["accounts_going_back"] > 0,
        )
        begin = self.gold.begin(due, opening).localCheckpoint()
        span = Span.of(begin, night.through, going_back=counts["accounts_going_back"] > 0)
        calendar = night.calendar()
        rates = night.rates(span, calendar)
        calculated = self.calculate(
            opening,
            silver.valuations(begin, span),
            silver.transactions(begin, span, night.policies),
            silver.accounts(begin),
            calendar=calendar,
            rates=rates,
            policies=night.policies,
        )
        rows = self.gold.stamped(self._with_flags(calculated, span))
        if night.run.from_date is not None:
            rows = rows.where(F.col("as_of_date") >= night.run.from_date)
        return rows, self.gold.existing(begin, span.holds("as_of_date"))

    def _with_flags(self, rows: DataFrame, span: Span) -> DataFrame:
        """quality_flags: the rules that flag the account's inputs of that date."""
        lake = self.night.lake
        if lake.exists("held_account"):
            caught = lake.read("held_account")
            if span.after is not None:
                caught = caught.where(F.col("as_of_date") > span.after)
            if not caught.where("state = 'flagged'").isEmpty():
                joined = rows.join(flags(caught), [*ACCOUNT, "as_of_date"], "left")
                return joined.withColumn("quality_flags", F.coalesce("quality_flags", F.lit("")))
        return rows.withColumn("quality_flags", F.lit(""))


def _counted(due: DataFrame) -> dict[str, int]:
    row = due.agg(
        F.count("*").alias("accounts"),
        F.count_if(F.col("state").isNull()).alias("new_accounts"),
        F.count_if("goes_back").alias("accounts_going_back"),
    ).first()
    assert row is not None
    return row.asDict()
