"""One run of the tenant that every format describes, with a fault of each kind in it, for all tests of this folder."""

from __future__ import annotations

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.pipeline import run_all, run_step
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger
from jobs.platform.settings import Settings
from jobs.sample.faults.fault import FAULTED
from jobs.sample.trust import TRUST
from jobs.sample.write import FORMATS, write_sample
from tests.nights import STEPS

START, END = date(2026, 3, 26), date(2026, 4, 3)


@dataclass
class Night:
    """The sample, and what the steps and the marts made of it."""

    spark: SparkSession
    settings: Settings
    ledger: Ledger
    lake: Lake
    sample: Path
    faults: dict[str, dict[str, str]]
    files: dict[str, list[FileRecord]]
    quarantined: dict[str, list[dict[str, Any]]]
    rows: list[dict[str, Any]]
    breaks: list[dict[str, Any]]

    def of(self, kind: str) -> tuple[dict[str, str], FileRecord]:
        """A planted fault and the ledger's word on its file."""
        fault = self.faults[kind]
        [file] = self.files[fault["path"]]
        return fault, file

    def current(self, table: str) -> DataFrame:
        """Silver's current rows, but those of the account that the faults are about."""
        rows = self.lake.current(table)
        return rows.where(F.col("account_id") != FAULTED) if "account_id" in rows.columns else rows

    def take(self, on: date) -> None:
        """A further run as far as silver."""
        run = self.ledger.open_run(on)
        for step in STEPS:
            run_step(step, self.spark, self.settings, run)


@pytest.fixture(scope="package")
def night(spark: SparkSession, _server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Seven days in all formats from landing to the marts, in one night."""
    home = tmp_path_factory.mktemp("every_format")
    sample = home / "sample"
    write_sample(2, START, END, 3, sample, formats=FORMATS, with_faults=True)
    (home / "landing").mkdir()
    shutil.copytree(sample / TRUST, home / "landing" / TRUST)
    url = f"{_server.rsplit('/', 1)[0]}/every_format"
    with psycopg.connect(_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS every_format WITH (FORCE)")
        connection.execute("CREATE DATABASE every_format TEMPLATE template")
    settings = _settings(home, url)
    ledger, lake = Ledger(settings), Lake(spark, settings.lake_root)
    run_all(spark, settings, ledger.open_run(END))
    files: defaultdict[str, list[FileRecord]] = defaultdict(list)
    for file in ledger.files():
        files[file.path.removeprefix(f"{TRUST}/")].append(file)
    quarantined: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in lake.read("quarantine").collect():
        quarantined[row["file_id"]].append(row.asDict() | {"failed": json.loads(row["failed_rules"])})
    with (sample / "_expected" / "planted_faults.csv").open(encoding="utf-8", newline="") as lines:
        faults = {row["kind"]: row for row in csv.DictReader(lines)}
    with psycopg.connect(url, row_factory=dict_row) as connection:
        rows = connection.execute("SELECT * FROM marts.account_performance_daily").fetchall()
        breaks = connection.execute("SELECT * FROM marts.reconciliation_break").fetchall()
    yield Night(spark, settings, ledger, lake, sample, faults, files, quarantined, rows, breaks)
    with psycopg.connect(_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE every_format WITH (FORCE)")


def _settings(home: Path, url: str) -> Settings:
    """A workspace that takes a delivery even where most of it does not fit, as the few files of a custodian here."""
    conf = home / "conf"
    conf.mkdir()
    shutil.copy("conf/currencies.yaml", conf)
    tolerances = Path("conf/tolerances.yaml").read_text(encoding="utf-8")
    lenient = tolerances.replace("{unit: share, max: 0.10}", "{unit: share, max: 1}")
    assert lenient != tolerances
    (conf / "tolerances.yaml").write_text(lenient, encoding="utf-8")
    (conf / "local.yaml").write_text("file_settle_seconds: 0\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_DATABASE_URL", url)
        patch.setenv("DIETZ_CONF", str(conf / "local.yaml"))
        return Settings()
