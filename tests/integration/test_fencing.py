"""Two at work at once: whoever began first loses, in ledger, lake and marts, with a line that says so."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.ingest.job import own_folder
from jobs.platform import fencing
from jobs.platform.errors import DietzError
from jobs.platform.lake import Lake
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.platform.turns import alive
from jobs.publish import job, visible
from tests.publishing import Bench, value

DAY = date(2026, 3, 31)
NAME = "account_epoch"


@pytest.fixture
def ledgers(settings: Settings) -> Iterator[tuple[Ledger, Ledger]]:
    """Two processes' connections to one ledger."""
    first, second = Ledger(settings), Ledger(settings)
    yield first, second
    first.close()
    second.close()


def test_a_step_of_an_older_run_is_refused_while_a_newer_one_is_at_work(ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    older, newer = mine.open_run(DAY), theirs.open_run(DAY)
    with alive(newer), pytest.raises(DietzError, match=rf"overtaken by run '{newer.run_id}'"):
        fencing.claim(older, "calculate")
    assert fencing.claim(older, "calculate").number > 0  # the newer one is dead: somebody has to go on


def test_an_attempt_that_its_scheduler_took_for_dead_changes_nothing_any_more(ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    run = mine.open_run(DAY, run_id="tried again")
    with suppress(DietzError), fencing.claimed(run, "check"):
        fencing.claim(theirs.open_run(DAY, run_id="tried again"), "check")
        with pytest.raises(DietzError, match="a later attempt of 'check'"):
            mine.update_files({})


def test_nobody_begins_between_the_look_at_the_fence_and_the_commit(ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    run = mine.open_run(DAY)
    fence, other = fencing.claim(run, "publish"), theirs.open_run(DAY)
    with mine.connection.transaction():
        fence.check()
        theirs.connection.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            fencing.claim(other, "detect")
    assert fencing.claim(other, "detect").number == fence.number + 1


def test_an_attempt_that_was_overtaken_tidies_up_none_of_the_files_that_the_next_one_reads(
    settings: Settings, ledgers: tuple[Ledger, Ledger]
) -> None:
    mine, theirs = ledgers
    with suppress(DietzError), fencing.claimed(mine.open_run(DAY), "ingest"):
        first = own_folder(settings, 7)
        first.mkdir()
        with fencing.claimed(theirs.open_run(DAY), "ingest"):
            second = own_folder(settings, 7)
            assert not first.exists()  # nobody will publish what it read
            second.mkdir()
            shutil.rmtree(first, ignore_errors=True)
            assert second.exists()


@pytest.fixture
def lake(spark: SparkSession, settings: Settings, ledgers: tuple[Ledger, Ledger]) -> Lake:
    return Lake(spark, settings.lake_root)


def rows(lake: Lake, run_no: int, epoch: int) -> Any:
    text = f"SELECT 'acme' AS tenant_id, 'A' AS account_id, {epoch} AS epoch, DATE '2026-03-31' AS from_date"
    return lake.spark.sql(f"{text}, CAST({run_no} AS BIGINT) AS run_no")


def test_the_lake_passes_over_a_write_of_an_overtaken_attempt(lake: Lake, ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    older, newer = mine.open_run(DAY), theirs.open_run(DAY)
    stale = fencing.claim(older, "calculate")
    with fencing.claimed(newer, "calculate"):
        lake.write_run(rows(lake, newer.run_no, 3), NAME, newer.run_no, newer.run_id)
    fencing._held.append(stale)  # the older one, which knows nothing of it
    try:
        with pytest.raises(DietzError, match="is overtaken by run"):
            lake.write_run(rows(lake, older.run_no, 2), NAME, older.run_no, older.run_id)
    finally:
        fencing._held.clear()
    assert [row["epoch"] for row in lake.read(NAME).collect()] == [3]


def test_of_two_attempts_that_write_at_once_the_later_one_is_in_the_lake(
    lake: Lake, ledgers: tuple[Ledger, Ledger], tmp_path: Path
) -> None:
    """The first attempt has begun to write when the second writes the same slice: appended twice it counts twice."""
    mine, theirs = ledgers
    first, again = mine.open_run(DAY, run_id="slow"), theirs.open_run(DAY, run_id="slow")
    lake.write_run(rows(lake, 0, 9).limit(0), NAME, 0, "table made")
    begun, go = tmp_path / "begun", tmp_path / "go"

    def slowly(batches: Any) -> Any:
        for batch in batches:
            begun.touch()
            while not go.exists():
                time.sleep(0.05)
            yield batch

    frame = rows(lake, first.run_no, 2)
    slow = frame.mapInArrow(slowly, frame.schema)
    stale = fencing.claim(first, "calculate")
    failed: list[BaseException] = []

    def write() -> None:
        try:
            lake.write_run(slow, NAME, first.run_no, first.run_id)
        except BaseException as error:
            failed.append(error)

    fencing._held.append(stale)
    thread = threading.Thread(target=write)
    thread.start()
    while not begun.exists():
        time.sleep(0.05)
    fencing._held.clear()
    with fencing.claimed(again, "calculate"):
        Lake(lake.spark, lake.root).write_run(rows(lake, again.run_no, 2), NAME, again.run_no, again.run_id)
    fencing._held.append(stale)
    go.touch()
    thread.join()
    fencing._held.clear()
    assert len(failed) == 1
    assert "is overtaken by a later attempt" in str(failed[0])
    assert lake.read(NAME).count() == 1


@pytest.fixture
def bench(spark: SparkSession, settings: Settings, database_url: str) -> Iterator[Bench]:
    ledger = Ledger(settings)
    with psycopg.connect(database_url, autocommit=True) as admin:
        yield Bench(spark, settings, ledger, admin)
    ledger.close()


def test_a_publication_that_was_overtaken_shows_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zombie has staged its night when the retry begins; then hangs with the publishers' lock in its hands."""
    run = bench.run(DAY, run_id="zombie")
    bench.daily(run, value("A", DAY, "100"))
    other = Ledger(bench.settings)
    monkeypatch.setattr(visible, "LONGEST_PUBLICATION", 0.0)
    with psycopg.connect(bench.settings.database_url or "") as zombie:
        zombie.autocommit = True
        zombie.execute("SELECT pg_advisory_lock(%s)", [visible.ONE_PUBLISHER])
        real = job.Publication.stage

        def overtaken(night: job.Publication) -> None:
            real(night)
            fencing.claim(other.open_run(DAY, run_id="zombie"), "publish")

        monkeypatch.setattr(job.Publication, "stage", overtaken)
        told = pytest.raises(DietzError, match="a later attempt of 'publish'")
        with suppress(DietzError), fencing.claimed(run, "publish"), told:
            job.run(bench.spark, bench.settings, run)
        with pytest.raises(psycopg.OperationalError):
            zombie.execute("SELECT 1")
    assert bench.marts("SELECT count(*) FROM marts.account_performance_daily") == [(0,)]
    monkeypatch.undo()
    bench.publish(run)
    assert bench.marts("SELECT count(*) FROM marts.account_performance_daily") == [(1,)]
    other.close()
