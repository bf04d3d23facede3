"""Fixtures that all tests share: one small Spark session, one Postgres, and a workspace of the test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml
from pyspark.sql import SparkSession

from jobs.platform import database
from jobs.platform.migrations import migrate_url
from jobs.platform.settings import PROJECT_ROOT, Settings
from jobs.platform.spark import get_spark

SMALL_SPARK = {
    "master": "local[2]",
    "driver_memory": "4g",
    "shuffle_partitions": 1,
    "conf": {
        # What one test has had compiled the next one finds again.
        "spark.sql.codegen.cache.maxEntries": "5000",
        "spark.default.parallelism": "1",
        "spark.sql.adaptive.enabled": "false",
    },
}
DEALT_FIRST = [
    "test_airflow_backfill", "test_every_format", "test_kills", "test_planted_faults",  # of the system tests
    "test_files_to_marts", "test_calculate", "test_publish", "test_breaks", "test_properties", "test_group_properties",
]  # fmt: skip
# To compile each plan costs more than it saves on a few rows: a quarter of the suite. The nights of tests/end_to_end
# and tests/system are compiled, as real ones are.
INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers share the tests file by file: first these, the longest. Of the system tests they take turns, so that
    the run of tests/faults/conftest.py is made once."""

    def place(item: pytest.Item) -> int:
        return DEALT_FIRST.index(item.path.stem) if item.path.stem in DEALT_FIRST else len(DEALT_FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one Spark session of the test run."""
    home = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_CONF", str(_small_conf(home)))
        patch.delenv("SPARK_MASTER", raising=False)
        session = get_spark(Settings(), "tests")
    interpret(session)
    yield session
    session.stop()


def interpret_in(conf: Path) -> None:
    """Processes with this local.yaml interpret their plans."""
    known = yaml.safe_load(conf.read_text(encoding="utf-8"))
    known["spark"]["conf"] |= INTERPRETED
    conf.write_text(yaml.safe_dump(known), encoding="utf-8")


def interpret(spark: SparkSession) -> None:
    """From now on plans are interpreted."""
    for name, value in INTERPRETED.items():
        spark.conf.set(name, value)


@contextmanager
def compiled(spark: SparkSession) -> Iterator[None]:
    """Plans are compiled meanwhile, as on a real night."""
    for name in INTERPRETED:
        spark.conf.unset(name)
    try:
        yield
    finally:
        interpret(spark)


@pytest.fixture(scope="session")
def database_home() -> Iterator[Path]:
    """A folder for embedded servers. Not below pytest's own, which is closed to other users while PostgreSQL, where
    root runs the tests, is another user."""
    with tempfile.TemporaryDirectory(prefix="dietz-tests-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def _server(database_home: Path) -> Iterator[str]:
    """URI of an embedded Postgres whose database `template` is migrated."""
    home = database_home / "shared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.delenv("DIETZ_DATABASE_URL", raising=False)
        settings = Settings()
    admin = database.start(settings)
    try:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("CREATE DATABASE template")
        migrate_url(admin.rsplit("/", 1)[0] + "/template")
        yield admin
    finally:
        database.stop(settings)


@pytest.fixture(scope="module")
def database_url(_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URI (of the superuser) of a migrated, empty database for the tests of one module."""
    name = request.module.__name__.replace(".", "_")[-60:]
    with psycopg.connect(_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template')
    yield f"{_server.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DIETZ_HOME with its own copy of conf/, which the test may change."""
    monkeypatch.setenv("DIETZ_HOME", str(tmp_path))
    monkeypatch.setenv("DIETZ_CONF", str(_small_conf(tmp_path)))
    monkeypatch.delenv("SPARK_MASTER", raising=False)
    monkeypatch.delenv("DIETZ_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def settings(workspace: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of the workspace, with the module's database."""
    monkeypatch.setenv("DIETZ_DATABASE_URL", database_url)
    return Settings()


def _small_conf(home: Path) -> Path:
    folder = home / "conf"
    shutil.copytree(PROJECT_ROOT / "conf", folder)
    path = folder / "local.yaml"
    conf = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**conf, "spark": SMALL_SPARK, "file_settle_seconds": 0}), encoding="utf-8")
    return path
