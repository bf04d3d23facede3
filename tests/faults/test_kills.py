"""A night that one thing after the other happens to, and in the end the marts of an undisturbed one.

The same night is begun again after each fault: its process killed at every step, the disk full, a Spark executor
killed, the database's own process killed while rows are copied and while the night becomes visible. A reader looks on
all the while and never sees half of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from pyspark.sql import SparkSession

from jobs.pipeline import run_all
from jobs.platform import database
from jobs.platform.ledger import Ledger
from jobs.platform.settings import PROJECT_ROOT, Settings
from tests.conftest import SMALL_SPARK, interpret_in
from tests.faults.killed_night import FILLER, plant

pytestmark = pytest.mark.system

DAYS = [date(2026, 3, day) for day in (26, 27, 30, 31)]
NIGHT = date(2026, 4, 1)
ACCOUNTS = [f"A{number}" for number in range(20)]
CLUSTER = "local-cluster[1,1,1024]"
FULL = ("calculate", "disk full")
FAULTS = [
    ("detect", "killed"),
    ("ingest", "killed"),
    ("normalise", "killed"),
    ("check", "killed"),
    FULL,
    ("calculate", "killed"),
    ("reconcile", "killed"),
    ("normalise", "executor killed"),
    ("publish", "backend killed in COPY"),
    ("publish", "backend killed in the transaction"),
    ("publish", "killed in the transaction"),
    ("publish", "killed after the commit"),
]
# The process lives on where it meets these: they need none of its own.
LIVED_THROUGH = {"disk full", "backend killed in COPY", "backend killed in the transaction"}
TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('marts', 'history') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
AND c.relname NOT IN ('data_quality_result', 'run_control')  -- each run says what it found, and which controls ran
"""
OF_THE_RUN = {"run_id", "run_no", "file_id", "published_at", "known_from", "known_to"}
# One statement, so one snapshot: rows of the night, restated rows, periods, and whether the night is said to be done.
SEEN = f"""
SELECT (SELECT count(*) FROM marts.account_performance_daily WHERE as_of_date = '{NIGHT}'),
       (SELECT count(*) FROM marts.account_performance_daily WHERE epoch > 1),
       (SELECT count(*) FROM history.account_performance_daily),
       (SELECT count(*) FROM marts.account_performance_period WHERE as_of_date = '{NIGHT}'),
       (SELECT count(*) FROM marts.night_status WHERE business_date = '{NIGHT}')
"""


def first_files() -> dict[str, str]:
    values = [f"{account},{day},{1000 + 10 * n + day.day}" for n, account in enumerate(ACCOUNTS) for day in DAYS]
    return {
        "canonical_accounts_1.csv": "account_id,base_currency\n" + "".join(f"{one},USD\n" for one in ACCOUNTS),
        "canonical_valuations_1.csv": "account_id,as_of_date,market_value\n" + "\n".join(values) + "\n",
        "canonical_transactions_1.csv": "transaction_id,account_id,trade_date,type,amount,status\n"
        "T1,A1,2026-03-27,DEPOSIT,5,new\nT2,A2,2026-03-30,DEPOSIT,5,new\n",
    }


def files_of_the_night() -> dict[str, str]:
    """The night's values, one of the past corrected, a deposit cancelled and one moved, a row that does not fit."""
    values = [f"{account},{NIGHT},{1100 + n}" for n, account in enumerate(ACCOUNTS)] + ["A3,2026-03-27,999", "A4,x,1"]
    return {
        "canonical_valuations_2.csv": "account_id,as_of_date,market_value\n" + "\n".join(values) + "\n",
        "canonical_transactions_2.csv": "transaction_id,account_id,trade_date,type,amount,status\n"
        "T1,A1,2026-03-27,DEPOSIT,5,cancel\nT2,A5,2026-03-30,DEPOSIT,5,correct\n",
        # a difference, so that reconcile has something to write
        "canonical_reported_performance_2.csv": f"account_id,as_of_date,end_market_value\nA7,{NIGHT},1\n",
    }


@dataclass
class Workspace:
    home: Path

    @property
    def env(self) -> dict[str, str]:
        own = {"DIETZ_HOME": str(self.home), "DIETZ_CONF": str(self.home / "conf" / "local.yaml")}
        inherited = {name: value for name, value in os.environ.items() if name != "DIETZ_DATABASE_URL"}
        return {**inherited, **own, "PYTHONPATH": str(PROJECT_ROOT)}

    @property
    def settings(self) -> Settings:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("DIETZ_DATABASE_URL", raising=False)
            for name in ("DIETZ_HOME", "DIETZ_CONF"):
                patch.setenv(name, self.env[name])
            return Settings()

    def put(self, files: dict[str, str]) -> None:
        folder = self.home / "landing" / "acme"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")

    def night(self, spark: SparkSession, on: date) -> dict[str, dict[str, Any]]:
        ledger = Ledger(self.settings)
        try:
            return run_all(spark, self.settings, ledger.open_run(on))
        finally:
            ledger.close()

    def marts(self) -> dict[str, list[Any]]:
        """Every row that analysts can read, sorted, less what is of the run and not of the result."""
        found = {}
        with psycopg.connect(database.url(self.settings)) as connection:
            for name in [*(row[0] for row in connection.execute(TABLES).fetchall()), "marts.account_assurance"]:
                columns = connection.execute(f"SELECT * FROM {name} LIMIT 0").description or []
                kept = [column.name for column in columns if column.name not in OF_THE_RUN]
                rows = connection.execute(f"SELECT {', '.join(kept)} FROM {name}").fetchall()
                found[name] = sorted(rows, key=repr)
        return found

    def copy(self, name: str) -> Workspace:
        database.stop(self.settings)
        other = self.home.parent / name
        subprocess.run(["cp", "-a", str(self.home), str(other)], check=True)
        return Workspace(other)

    def ended(self, spark: SparkSession, step: str, fault: str) -> int:
        """How the night ended that the fault came to: its process's status, or 1 where only the night ended."""
        if fault in LIVED_THROUGH:
            with pytest.MonkeyPatch.context() as patch:
                plant(step, fault, self.settings, patch)
                try:
                    self.night(spark, NIGHT)
                except Exception as error:  # what ended it is the fault's: a full disk, a lost connection
                    print(step, fault, repr(error)[:1500])
                    return 1
            return 0
        master = {"SPARK_MASTER": CLUSTER} if fault == "executor killed" else {}
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.killed_night", str(NIGHT), step, fault],
            env={**self.env, **master}, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        print(step, fault, done.returncode, done.stdout[-300:], done.stderr[-1500:])
        return done.returncode


@dataclass
class Reader:
    """Asks again and again, and goes on after the server has thrown it out."""

    workspace: Workspace
    seen: set[tuple[Any, ...]] = field(default_factory=set)
    times: int = 0

    @contextmanager
    def looking(self) -> Iterator[None]:
        address, end = database.url(self.workspace.settings), threading.Event()

        def look() -> None:
            while not end.is_set():
                try:
                    with psycopg.connect(address, autocommit=True) as connection:
                        while not end.wait(0.05):
                            self.seen.add(connection.execute(SEEN).fetchone() or ())
                            self.times += 1
                except psycopg.OperationalError:
                    end.wait(0.2)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


@dataclass
class Story:
    undisturbed: dict[str, list[Any]]
    after_faults: dict[str, list[Any]]
    ends: dict[tuple[str, str], int]
    seen: set[tuple[Any, ...]]
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    last: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def story(spark: SparkSession, database_home: Path) -> Iterator[Story]:
    """The two workspaces; the lake of the one with the faults lies on a disk of its own that can be filled."""
    base = Workspace(database_home / "base")
    shutil.copytree(PROJECT_ROOT / "conf", base.home / "conf")
    conf = {"spark": SMALL_SPARK, "file_settle_seconds": 0}
    (base.home / "conf" / "local.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    interpret_in(base.home / "conf" / "local.yaml")
    base.put(first_files())
    base.night(spark, DAYS[-1])
    calm, faulted = base.copy("calm"), base.copy("faulted")
    lake = faulted.home / "lake"
    lake.rename(faulted.home / "lake_files")
    lake.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(lake)]
    may_mount = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    shutil.copytree(faulted.home / "lake_files", lake, dirs_exist_ok=True)
    try:
        for one in (calm, faulted):
            one.put(files_of_the_night())
        with psycopg.connect(database.url(calm.settings)) as connection:
            before = connection.execute(SEEN).fetchone() or ()
        calm.night(spark, NIGHT)
        with psycopg.connect(database.url(calm.settings)) as connection:
            after = connection.execute(SEEN).fetchone() or ()
        reader, ends = Reader(faulted), {}
        with reader.looking():
            for step, fault in FAULTS if may_mount else [one for one in FAULTS if one != FULL]:
                ends[step, fault] = faulted.ended(spark, step, fault)
                (lake / FILLER).unlink(missing_ok=True)
            last = faulted.night(spark, NIGHT)
        assert reader.times > len(ends)
        yield Story(calm.marts(), faulted.marts(), ends, reader.seen, before, after, last)
    finally:
        for one in (base, calm, faulted):
            database.stop(one.settings)
        subprocess.run(["umount", "-l", str(lake)], check=False)


def test_each_fault_ended_its_run(story: Story) -> None:
    killed = {key: -signal.SIGKILL for key in FAULTS if key[1].startswith(("killed", "executor"))}
    failed = {key: 1 for key in FAULTS if key not in killed and key != FULL}
    assert {key: end for key, end in story.ends.items() if key != FULL} == killed | failed


def test_a_full_disk_ended_its_run(story: Story) -> None:
    if FULL not in story.ends:
        pytest.skip("a disk to fill needs the right to mount one")
    assert story.ends[FULL] == 1


def test_run_again_the_marts_are_those_of_an_undisturbed_night(story: Story) -> None:
    assert len(story.undisturbed["marts.account_performance_daily"]) == len(ACCOUNTS) * (len(DAYS) + 1)
    for name, rows in story.undisturbed.items():
        assert story.after_faults[name] == rows, name


def test_what_was_published_before_the_kill_is_not_published_again(story: Story) -> None:
    assert (story.last["publish"]["rows"], story.last["publish"]["to_history"]) == (0, 0)


def test_a_reader_saw_the_night_whole_or_not_at_all(story: Story) -> None:
    assert story.before != story.after
    assert story.seen == {story.before, story.after}
