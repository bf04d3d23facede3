"""Airflow for tests: scripts/airflow.sh on a workspace of the test's own; and the marts, to compare."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from jobs.platform.settings import PROJECT_ROOT

# What is of the run and not of the result.
OF_THE_RUN = {"run_id", "published_at"}


@dataclass(frozen=True)
class Airflow:
    """Airflow's command line on one workspace; whatever Airflow the machine has set up is left out."""

    env: dict[str, str]

    @classmethod
    def on(cls, workspace: Path, database_url: str, **more: str) -> Airflow:
        """`workspace` holds conf/local.yaml and landing/; `more` is added to the environment."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW", "PYTEST"))
        }
        own = {
            "DIETZ_HOME": str(workspace),
            "DIETZ_CONF": str(workspace / "conf" / "local.yaml"),
            "DIETZ_DATABASE_URL": database_url,
            "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[2]"}',
        }
        airflow = cls({**inherited, **own, **more})
        airflow("db", "migrate")
        return airflow

    def __call__(self, *words: str, timeout: float = 1800) -> str:
        """Run `airflow WORDS`; returns what it printed. An exit status other than 0 fails the test with the output."""
        done = subprocess.run(
            self._command(words), env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"airflow {' '.join(words)}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def backfills_under_way(self) -> int:
        """How many backfills Airflow has not called complete, as its own database says."""
        path = Path(self.env["DIETZ_HOME"]) / "airflow" / "airflow.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM backfill WHERE completed_at IS NULL").fetchone()[0])

    @contextmanager
    def service(self, *words: str) -> Iterator[None]:
        """`airflow WORDS` as a process beside the test, ended when the block ends."""
        log = Path(self.env["DIETZ_HOME"]) / f"airflow-{words[0]}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(self._command(words), env=self.env, stdout=out, stderr=subprocess.STDOUT)
            try:
                yield
            finally:
                process.terminate()
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @staticmethod
    def _command(words: Sequence[str]) -> list[str]:
        return ["sh", str(PROJECT_ROOT / "scripts" / "airflow.sh"), *words]


def marts(database_url: str, *, without: set[str] = OF_THE_RUN) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables that publish fills, sorted, less the columns `without`."""
    tables = ["account", "account_performance_daily", "reconciliation_break", "held_account"]
    found = {}
    with psycopg.connect(database_url) as connection:
        for table in tables:
            columns = [
                column.name
                for column in connection.execute(f"SELECT * FROM marts.{table} LIMIT 0").description or []
                if column.name not in without
            ]
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM marts.{table}").fetchall()
            found[table] = sorted(rows, key=repr)
    return found
