"""Files of one tenant through detect, ingest and normalise, with a workspace and a ledger of their own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.pipeline import run_step
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.settings import PROJECT_ROOT, Settings

STEPS = ("detect", "ingest", "normalise")
TENANT = "acme"


def settings_for(home: Path, database_url: str, patch: pytest.MonkeyPatch, *, conf: str = "") -> Settings:
    """Settings of a workspace below `home`, for as long as `patch` holds for others; `conf`: more lines of its
    local.yaml."""
    (home / "conf").mkdir(exist_ok=True)
    conf_file = home / "conf" / "local.yaml"
    conf_file.write_text(f"file_settle_seconds: 0\n{conf}", encoding="utf-8")
    patch.setenv("DIETZ_HOME", str(home))
    patch.setenv("DIETZ_DATABASE_URL", database_url)
    patch.setenv("DIETZ_CONF", str(conf_file))
    return Settings()


def write_rules(home: Path, rules: str) -> None:
    """These tolerances for the workspace, with the currencies that are shipped."""
    (home / "conf").mkdir(exist_ok=True)
    (home / "conf" / "tolerances.yaml").write_text(rules, encoding="utf-8")
    shutil.copy(PROJECT_ROOT / "conf" / "currencies.yaml", home / "conf")


@dataclass
class Workspace:
    """A landing folder of one tenant, and what the steps made of the files in it."""

    spark: SparkSession
    settings: Settings
    ledger: Ledger
    lake: Lake

    @property
    def landing(self) -> Path:
        return self.settings.landing / TENANT

    @property
    def files(self) -> dict[str, FileRecord]:
        """What the ledger says of each file, by its name."""
        return {Path(one.path).name: one for one in self.ledger.files()}

    def put(self, files: dict[str, str | bytes]) -> None:
        """Write files into landing; a name may have folders."""
        for name, content in files.items():
            path = self.landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def take(self, on: date) -> Run:
        """A run of the steps over what is in landing."""
        run = self.ledger.open_run(on)
        for step in STEPS:
            run_step(step, self.spark, self.settings, run)
        return run


def taken(
    files: dict[str, str | bytes],
    spark: SparkSession,
    database_url: str,
    home: Path,
    *,
    on: date = date(2026, 3, 10),
    conf: str = "",
) -> Workspace:
    """A workspace below `home` whose landing has these files, after one run; `conf`: more lines of its local.yaml."""
    with pytest.MonkeyPatch.context() as patch:
        settings = settings_for(home, database_url, patch, conf=conf)
    workspace = Workspace(spark, settings, Ledger(settings), Lake(spark, settings.lake_root))
    workspace.put(files)
    workspace.take(on)
    return workspace
