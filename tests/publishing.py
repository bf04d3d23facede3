"""A workspace with a lake and a database, and gold written as the earlier steps would: for tests of publish."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
from pyspark.sql import SparkSession

from jobs.platform.lake import Lake
from jobs.platform.ledger import Ledger, Run
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.publish import job

EMPTY_ROW: dict[str, Any] = {
    "tenant_id": "acme",
    "currency": "USD",
    "days": 1,
    "method": "daily",
    "status": "ok",
    "quality_flags": "",
    "epoch": 1,
    "begin_date": date(2026, 1, 2),
}


@dataclass
class Bench:
    """One workspace; `daily` and `write` put a run's rows into gold, `marts` asks the database as its superuser."""

    spark: SparkSession
    settings: Settings
    ledger: Ledger
    admin: psycopg.Connection

    @property
    def lake(self) -> Lake:
        return Lake(self.spark, self.settings.lake_root)

    def run(self, night: date, **scope: Any) -> Run:
        return self.ledger.open_run(night, **scope)

    def write(self, name: str, run: Run, rows: list[dict[str, Any]]) -> None:
        struct = table(name).struct
        known = {"run_no": run.run_no, "run_id": run.run_id}
        filled = [tuple({**known, **row}.get(column) for column in struct.names) for row in rows]
        self.lake.write_run(self.spark.createDataFrame(filled, struct), name, run.run_no, run.run_id)

    def daily(self, run: Run, *rows: dict[str, Any]) -> None:
        self.write("account_performance_daily", run, [{**EMPTY_ROW, **row} for row in rows])

    def publish(self, run: Run) -> dict[str, int | str]:
        counters = job.run(self.spark, self.settings, run)
        self.ledger.close_run(run, "done", {})
        return counters

    def marts(self, query: str) -> list[tuple[Any, ...]]:
        return self.admin.execute(query).fetchall()


def value(account_id: str, day: date, end: str, **columns: Any) -> dict[str, Any]:
    return {"account_id": account_id, "as_of_date": day, "end_market_value": Decimal(end), **columns}
