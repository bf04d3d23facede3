"""A real scheduler takes a backfill to its end, each step a spark-submit of its own: the marts are those that
`dietz run` gives, and one of the dates again changes nothing in them."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.pipeline import STEPS, run_all
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.sample.write import write_sample
from tests.conftest import interpret_in
from tests.scheduling import Airflow, marts

pytestmark = pytest.mark.system

DATES = [date(2026, 3, 5), date(2026, 3, 6)]
KINDS = ["accounts", "valuations", "transactions", "reported_performance"]
PATIENCE_SECONDS = 2400


@pytest.fixture
def airflow_url(settings: Settings) -> str:
    """That of Airflow's nights; those by hand have the one of `settings`."""
    mine = str(settings.database_url)
    with psycopg.connect(mine, autocommit=True) as connection:
        connection.execute("CREATE DATABASE by_airflow TEMPLATE template")
    return mine.rsplit("/", 1)[0] + "/by_airflow"


@pytest.fixture
def airflow(settings: Settings, airflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """API server, scheduler and DAG processor on a workspace with the files of `settings`. They are of five business
    days, a few of each: the test is about runs and their order."""
    write_sample(10, date(2026, 3, 2), DATES[-1], 7, settings.landing, tenants=1, formats=["canonical"], kinds=KINDS)
    workspace = tmp_path_factory.mktemp("airflow-workspace")
    shutil.copytree(settings.landing, workspace / "landing")
    shutil.copytree(settings.conf_folder, workspace / "conf")
    interpret_in(workspace / "conf" / "local.yaml")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    found = Airflow.on(
        workspace,
        airflow_url,
        AIRFLOW__CORE__EXECUTOR="LocalExecutor",
        AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE="False",  # else last night's run comes too as soon as the DAG is let loose
        AIRFLOW__API__PORT=port,
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://localhost:{port}/execution/",
        AIRFLOW__API__BASE_URL=f"http://localhost:{port}",
    )
    api, scheduler, processor = ("api-server", "--port", port, "--workers", "1"), ("scheduler",), ("dag-processor",)
    with found.service(*api), found.service(*scheduler), found.service(*processor):
        wait_until(lambda: "nightly_performance" in found("dags", "list"), "the DAG processor to find the DAGs", found)
        found("dags", "unpause", "nightly_performance")
        yield found


def wait_until(happened: Callable[[], bool], what: str, airflow: Airflow) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            logs = sorted(Path(airflow.env["DIETZ_HOME"]).glob("airflow-*.log"))
            tails = "\n".join(f"{log.name}: {log.read_text(errors='replace')[-2000:]}" for log in logs)
            pytest.fail(f"waited {PATIENCE_SECONDS} s for {what}\n{tails}")
        time.sleep(5)


def backfill(airflow: Airflow, database_url: str, dates: list[date], *words: str) -> list[tuple[date, str]]:
    """Create the backfill of `dates` and wait for its end; returns (date, status) of all runs that backfills made."""

    def runs() -> list[tuple[date, str]]:
        with psycopg.connect(database_url) as connection:
            return connection.execute(
                "SELECT business_date, status FROM ops.run WHERE run_id LIKE 'backfill%' ORDER BY business_date, run_no"
            ).fetchall()

    before = len(runs())
    spanned = ("--from-date", str(dates[0]), "--to-date", str(dates[-1]))
    airflow("backfill", "create", "--dag-id", "nightly_performance", *spanned, *words)
    wait_until(
        lambda: sum(status == "done" for _, status in runs()) == before + len(dates),
        f"{len(dates)} runs to be done",
        airflow,
    )
    # Airflow itself takes a moment longer to call the backfill done, and allows one at a time.
    wait_until(lambda: not airflow.backfills_under_way(), "the backfill to be complete", airflow)
    return runs()


def by_hand(spark: SparkSession, settings: Settings, dates: list[date]) -> dict[str, list[tuple[object, ...]]]:
    """The marts of the nights by `dietz run`, in the order of `dates`."""
    ledger = Ledger(settings)
    for day in dates:
        run_all(spark, settings, ledger.open_run(day))
    ledger.close()
    return marts(str(settings.database_url))


def test_a_backfill_publishes_what_dietz_run_publishes_and_a_date_again_changes_nothing(
    spark: SparkSession, settings: Settings, airflow: Airflow, airflow_url: str
) -> None:
    # More than one run at a time is asked for: they must take turns all the same, which of them first is not said.
    first = backfill(airflow, airflow_url, DATES, "--max-active-runs", "2")
    assert first == [(day, "done") for day in DATES]
    with psycopg.connect(airflow_url) as connection:
        order = [day for (day,) in connection.execute("SELECT business_date FROM ops.run ORDER BY run_no").fetchall()]
    expected = by_hand(spark, settings, order)  # an epoch, and the day on which a break is first seen, are of the order
    assert len(expected["account_performance_daily"]) >= 10 * 4
    assert marts(airflow_url) == expected

    # The one that has published dates before and behind it.
    published = marts(airflow_url, without=set())  # run_id, epoch and published_at too
    second = backfill(airflow, airflow_url, DATES[:1], "--max-active-runs", "1", "--reprocess-behavior", "completed")
    assert second == sorted([*first, (DATES[0], "done")])
    assert marts(airflow_url, without=set()) == published
    with psycopg.connect(airflow_url) as connection:
        overlaps = connection.execute(
            "SELECT a.run_id, b.run_id FROM ops.run a JOIN ops.run b ON a.run_no < b.run_no"
            " AND b.started_at < a.ended_at"
        ).fetchall()
        steps = connection.execute("SELECT step, count(*), min(status) FROM ops.step_run GROUP BY step").fetchall()
    assert overlaps == [], "two runs were under way at the same time"
    assert sorted(steps) == sorted((step, len(DATES) + 1, "done") for step in STEPS)
