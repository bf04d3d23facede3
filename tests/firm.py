"""A firm's lake without files: silver written as normalise would, `calculate` run for real, its state advanced."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.calculate import job
from jobs.calculate.epochs import ACCOUNT, current_rows, owner_of
from jobs.calculate.group_rows import GROUPS
from jobs.calculate.period_rows import month_ends
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Progress, Run
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.publish.state import after_restatements, publishable

DAILY, EPOCH = "account_performance_daily", "account_epoch"
DEFAULTS: dict[str, dict[str, Any]] = {
    "transaction": {"status": "new", "type": "DEPOSIT"},
    "account": {"in_performance": True, "effective_from": date(1900, 1, 1)},
}


@dataclass
class Books:
    """What the step asks the ledger, kept in memory."""

    withheld: list[str] = field(default_factory=list)
    done: Progress = field(default_factory=Progress)

    def tenants(self, vendor: str | None) -> list[str]:
        return ["acme"]

    def withheld_files(self, run: Run | None = None) -> list[str]:
        return self.withheld

    def runs_ahead(self, tenant_id: str, done: Progress, run_no: int) -> list[int]:
        return []

    def files_by_id(self, file_ids: list[str]) -> list[FileRecord]:
        return []

    def restatement_approvals(self, tenant_ids: list[str]) -> list[tuple[str, str, int]] | None:
        return None

    def progress(self, tenant_id: str) -> Progress:
        return self.done


class Firm:
    """A firm's lake: deliver rows, run a night, look at gold."""

    def __init__(self, spark: SparkSession, settings: Settings | None = None) -> None:
        self.spark, self.settings = spark, settings or Settings()
        self.lake = Lake(spark, self.settings.lake_root)
        self.books, self.run_no = Books(), 0
        self.delivered: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)  # all that was ever loaded

    def deliver(self, name: str, **row: Any) -> None:
        """A row that the next run loads."""
        self.delivered[name].append({**DEFAULTS.get(name, {}), **row})

    def values(self, day: date, **worth: str) -> None:
        for account, value in worth.items():
            self.deliver("valuation", account_id=account, as_of_date=day, market_value=Decimal(value))

    def flow(self, account: str, day: date, amount: str, *, known_as: str | None = None, status: str = "new") -> None:
        name = known_as or f"{account}-{day}"
        dates = {"trade_date": day, "performance_date": day}
        self.deliver(
            "transaction", transaction_id=name, account_id=account, amount=Decimal(amount), status=status, **dates
        )

    def night(self, day: date, *, since: date | None = None) -> dict[str, int | str]:
        """Load what was delivered, run the step, and advance what publishing its rows would advance."""
        self.run_no += 1
        for name, rows in self.delivered.items():
            described = table(name)
            lineage = {"tenant_id": "acme", "vendor": "canonical", "feed": name, "mapping_version": "1"}
            numbers = {"record_no": 1, "arrival_no": self.run_no, "run_no": self.run_no, "file_id": f"f{self.run_no}"}
            full = [{**lineage, **numbers, "line_no": line, **row} for line, row in enumerate(rows, 1)]
            self.rows[name] += full
            values = [tuple(row.get(column) for column in described.names) for row in full]
            self.lake.write_run(self.spark.createDataFrame(values, described.struct), name, self.run_no, "test")
        self.delivered.clear()
        counters = self.again(day, since=since)
        self.advance(day)
        return counters

    def advance(self, day: date) -> None:
        """What publishing the run's rows would advance: the accounts' state, and how far the tenant is published."""
        for daily, state, epoch in (job.ACCOUNTS, job.CONVERTED, GROUPS):
            if not self.lake.exists(daily):
                continue
            owner, gold, epochs = owner_of(daily), self.lake.read(daily), self.lake.read(epoch)
            rows = publishable(gold.where(F.col("run_no") == self.run_no), None, epochs, owner)
            before, every = self.lake.read(state), publishable(gold, None, epochs, owner)
            self.lake.overwrite(after_restatements(before, rows, every, epochs, owner), state, self.run_no, "test")
        self.books.done = Progress(max(day, self.books.done.calculated_through or day), self.run_no)

    def again(self, day: date, *, since: date | None = None) -> dict[str, int | str]:
        """The latest run once more."""
        run = Run(f"run-{self.run_no}", self.run_no, day, since, None, None, self.books)  # type: ignore[arg-type]
        return job.run(self.spark, self.settings, run)

    def gold(self) -> dict[str, list[dict[str, Any]]]:
        """Current rows of each account by date."""
        rows = current_rows(self.lake.read(DAILY), self.lake.read(EPOCH)).orderBy("as_of_date").collect()
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            found[row["account_id"]].append(row.asDict())
        return found

    def groups(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Current rows of groups by their key."""
        daily, _, epochs = GROUPS
        rows = current_rows(self.lake.read(daily), self.lake.read(epochs), owner_of(daily)).collect()
        return {tuple(row[name] for name in table(daily).key): row.asDict() for row in rows}

    def published(self, name: str, *key: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Rows of a table of month-ends as its mart would have them: of each account and month those of its last daily
        row, by account, date and `key`."""
        ends = month_ends(current_rows(self.lake.read(DAILY), self.lake.read(EPOCH))).select(*ACCOUNT, "as_of_date")
        rows = current_rows(self.lake.read(name), self.lake.read(EPOCH)).join(ends, [*ACCOUNT, "as_of_date"])
        by_key = {}
        for row in rows.orderBy("run_no").collect():
            by_key[row["account_id"], row["as_of_date"], *(row[one] for one in key)] = row.asDict()
        return by_key

    def from_scratch(self, settings: Settings) -> Firm:
        """Another firm, which gets in one night the version of each row that arrived last."""
        other = Firm(self.spark, settings)
        for name, rows in self.rows.items():
            last: dict[tuple[Any, ...], dict[str, Any]] = {}
            for row in sorted(rows, key=lambda row: (row["arrival_no"], row["line_no"])):
                if row["file_id"] not in self.books.withheld:
                    last[tuple(row.get(column) for column in table(name).key)] = row
            other.delivered[name] = [{**row, "run_no": 1} for row in last.values() if not row.get("retired")]
        assert self.books.done.calculated_through is not None
        other.night(self.books.done.calculated_through)
        return other
