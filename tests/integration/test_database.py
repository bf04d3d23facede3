"""The embedded database: it outlives the process that started it, and many may start and migrate it at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from jobs.platform import database, migrations
from jobs.platform.errors import DietzError
from jobs.platform.settings import Settings

OPEN_LEDGER = "from jobs.platform.ledger import Ledger; from jobs.platform.settings import Settings; Ledger(Settings())"


@pytest.fixture(scope="module")
def embedded(database_home: Path) -> Iterator[Settings]:
    """A workspace with a server of its own, not started yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(database_home / "embedded"))
        patch.delenv("DIETZ_DATABASE_URL", raising=False)
        yield (settings := Settings())
        database.stop(settings)


def test_processes_that_start_and_migrate_at_once_all_succeed_and_leave_it_running(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIETZ_HOME", str(embedded.home))
    monkeypatch.delenv("DIETZ_DATABASE_URL", raising=False)
    command = [sys.executable, "-c", OPEN_LEDGER]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=False), range(3)))
    assert [(one.returncode, one.stderr.decode()) for one in done] == [(0, "")] * 3
    address = database.url(embedded)
    with psycopg.connect(address) as connection:  # the three processes are gone, the server is not
        assert connection.execute("SELECT version_num FROM ops.schema_version").fetchall() == [(migrations.newest(),)]
    assert database.stop(embedded)
    assert not database.stop(embedded)
    assert database.start(embedded) == address  # the port stays: a URI noted once goes on working


def test_a_pid_file_that_a_crash_left_does_not_keep_it_from_starting(embedded: Settings) -> None:
    database.start(embedded)
    pid_file = embedded.home / "postgres" / "postmaster.pid"
    left_behind = pid_file.read_bytes()
    database.stop(embedded)
    pid_file.write_bytes(left_behind)
    with database.open_url(database.start(embedded)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_lets_nobody_in_is_waited_for(embedded: Settings) -> None:
    """As one does that reads its log again after a crash; this one ends with its last connection."""
    address = database.start(embedded)
    server = int((embedded.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(address):
            os.kill(server, signal.SIGTERM)
            started = pool.submit(database.start, embedded)
            time.sleep(1)
            assert not started.done()
        assert started.result(timeout=60) == address


def test_analysts_log_in_by_the_role_in_the_uri(embedded: Settings) -> None:
    address = database.start(embedded)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE ROLE alice LOGIN")
    with psycopg.connect(address.replace("postgres@", "alice@")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("alice",)


def test_an_unreachable_database_is_one_line_without_the_password() -> None:
    with pytest.raises(DietzError) as failure:
        database.open_url("postgresql://loader:hidden@127.0.0.1:1/marts")
    assert str(failure.value).startswith("database 127.0.0.1:1/marts cannot be reached: ")
    assert "hidden" not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_the_pipeline_acts_as_the_loader(settings: Settings) -> None:
    with database.connect(settings) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("dietz_loader",)
