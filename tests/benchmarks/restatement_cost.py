"""What a night and a restatement cost, by the length of the history and the number of accounts concerned.

    python -m tests.benchmarks.restatement_cost --accounts 20000 --days 21 252 --restated 1 100 10000

For each length of history a book is made in silver and calculated, some days a run; then the step `calculate` is timed
for an ordinary night and for a value corrected half-way back, for so many accounts each. Prints a line per measurement
as JSON: seconds and processor seconds, of which nothing is publication. DIETZ_HOME is not touched; the data goes at the
end.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.platform.spark import get_spark
from tests.benchmarks.processor import seconds_below
from tests.firm import Firm

LAST = date(2026, 2, 27)
ROWS_OF_A_RUN = 2_500_000  # of the history: as much as one machine takes at once


def batched(days: list[date], number: int) -> list[list[date]]:
    return [days[first : first + number] for first in range(0, len(days), number)]


def business_days(number: int) -> list[date]:
    """So many, the last of which is LAST."""
    days: list[date] = []
    day = LAST
    while len(days) < number:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


class Book:
    """`accounts` accounts with a value a day and two flows a year."""

    def __init__(self, spark: SparkSession, settings: Settings, accounts: int, days: list[date]) -> None:
        self.firm, self.accounts = Firm(spark, settings), accounts
        self._load("account", self._rows("1 AS line_no, DATE '1900-01-01' AS effective_from, true AS in_performance"))
        for dates in batched(days, max(1, ROWS_OF_A_RUN // accounts)):
            self.values(dates)
            self.firm.again(dates[-1])
            self.firm.advance(dates[-1])

    def _rows(self, columns: str, number: int | None = None) -> DataFrame:
        """One of each account, or of so many, spread over the book."""
        step = self.accounts // (number or self.accounts)
        rows = self.firm.spark.range(0, step * (number or self.accounts), step)
        return rows.selectExpr("concat('A', lpad(id, 7, '0')) AS account_id", "id", *columns.split(", "))

    def _load(self, name: str, rows: DataFrame) -> None:
        lineage = {
            "tenant_id": "'acme'", "vendor": "'canonical'", "feed": f"'{name}'", "file_id": "'f'", "record_no": "1",
            "mapping_version": "'1'", "arrival_no": f"{self.firm.run_no + 1}L", "run_no": f"{self.firm.run_no + 1}L",
        }  # fmt: skip
        kinds = {field.name: field.dataType.simpleString() for field in table(name).struct}
        known = {**{column: column for column in rows.columns}, **lineage}
        full = rows.selectExpr(*[f"CAST({known.get(n, 'NULL')} AS {kind}) AS {n}" for n, kind in kinds.items()])
        self.firm.lake.write_run(full, name, self.firm.run_no + 1, "benchmark")

    def values(self, days: list[date], *, number: int | None = None, factor: str = "1") -> None:
        """A run's values of these days, of all accounts or of `number`."""
        listed = ", ".join(f"DATE '{day}'" for day in days)
        rows = self._rows("1 AS line_no", number).selectExpr("*", f"explode(array({listed})) AS as_of_date")
        value = f"CAST((1000 + id % 997 + dayofyear(as_of_date) % 31) * {factor} AS DECIMAL(28,8)) AS market_value"
        self._load("valuation", rows.selectExpr("*", value))
        flows = rows.where("(id + unix_date(as_of_date)) % 126 = 0 AND id >= 0") if factor == "1" else rows.limit(0)
        self._load("transaction", flows.selectExpr(
            "account_id", "line_no", "concat(account_id, as_of_date) AS transaction_id", "as_of_date AS trade_date",
            "as_of_date AS performance_date", "'DEPOSIT' AS type", "'new' AS status", "10 AS amount",
        ))  # fmt: skip
        self.firm.run_no += 1

    def measured(self, day: date) -> dict[str, int | str | float]:
        began, used = time.monotonic(), seconds_below(os.getpid())
        counters = self.firm.again(day)
        seconds, processor = time.monotonic() - began, seconds_below(os.getpid()) - used
        self.firm.advance(day)
        told = {name: counters.get(name, 0) for name in ("rows", "restated", "group_rows", "groups_restated")}
        return {"seconds": round(seconds, 1), "processor_seconds": round(processor, 1), **told}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--accounts", type=int, default=2000)
    words.add_argument("--days", type=int, nargs="+", default=[21, 252])
    words.add_argument("--restated", type=int, nargs="+", default=[1, 100])
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="dietz-benchmark-") as folder:
        for number in chosen.days:
            os.environ["DIETZ_HOME"] = str(Path(folder) / str(number))
            settings = Settings()
            days = business_days(number)
            book = Book(get_spark(settings), settings, chosen.accounts, days)
            night = LAST + timedelta(days=3)
            for what in ("first night, cold", "night"):
                book.values([night])
                tell(what, number, chosen.accounts, book.measured(night))
                night += timedelta(days=1)
            night -= timedelta(days=1)
            for restated in chosen.restated:
                book.values([days[len(days) // 2]], number=restated, factor="1.01")
                tell(f"restatement of {restated}", number, chosen.accounts, book.measured(night))


def tell(what: str, days: int, accounts: int, found: dict[str, int | str | float]) -> None:
    print(json.dumps({"what": what, "days": days, "accounts": accounts, **found}), flush=True)


if __name__ == "__main__":
    main()
