"""A night that Airflow runs, each step a spark-submit of its own, gives the marts that `dietz run` gives."""

from __future__ import annotations

import json
import shutil
from datetime import date

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.pipeline import STEPS, run_all
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.sample.write import write_sample
from tests.scheduling import Airflow, marts

pytestmark = pytest.mark.system


def test_a_night_by_airflow_publishes_what_dietz_run_publishes(
    spark: SparkSession, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    last = date(2026, 3, 6)
    write_sample(12, date(2026, 3, 4), last, 7, settings.landing, tenants=1)
    other = tmp_path_factory.mktemp("airflow-workspace")
    shutil.copytree(settings.home / "landing", other / "landing")
    shutil.copytree(settings.conf_folder, other / "conf")
    mine = str(settings.database_url)
    theirs = mine.rsplit("/", 1)[0] + "/by_airflow"
    with psycopg.connect(mine, autocommit=True) as connection:
        connection.execute("CREATE DATABASE by_airflow TEMPLATE template")

    ledger = Ledger(settings)
    run_all(spark, settings, ledger.open_run(last))
    ledger.close()
    Airflow.on(other, theirs)("dags", "test", "nightly_performance", "--conf", json.dumps({"date": str(last)}))

    by_hand, by_airflow = marts(mine), marts(theirs)
    assert len(by_hand["account_performance_daily"]) >= 12 * 2
    assert by_airflow == by_hand
    with psycopg.connect(theirs) as connection:
        runs = connection.execute("SELECT business_date, status FROM ops.run").fetchall()
        steps = connection.execute("SELECT step, attempt, status FROM ops.step_run ORDER BY started_at").fetchall()
    assert runs == [(last, "done")]
    assert steps == [(step, 1, "done") for step in STEPS]
