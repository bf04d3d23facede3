"""Files landing start the night's DAG: the look-out over landing, and one task that asks for a run."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, AssetWatcher

from jobs.detect.watcher import LandingWatcher
from jobs.platform.settings import Settings

DOC = """
### Files have landed

Whenever new files lie in landing and nothing has changed there for a minute, `nightly_performance` is asked for one
more run, for the last business day that has ended. That DAG takes one run at a time, so an upload waits for the night.

The look-out needs Airflow's triggerer. It reads names, sizes and times; it never opens, moves or deletes a file.

Owner: performance-operations. Runbook: `docs/operate.md`.
"""

landing = Asset(
    name="landing",
    uri="x-dietz://landing",
    watchers=[AssetWatcher(name="landing", trigger=LandingWatcher(str(Settings().home.resolve() / "landing")))],
)

with DAG(
    "performance_on_upload",
    description="Run nightly_performance when vendor files land.",
    doc_md=DOC,
    schedule=[landing],
    catchup=False,
    max_active_runs=1,
    tags=["performance", "impact/tier_2"],
    default_args={
        "owner": "performance-operations",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(minutes=10),
    },
) as dag:
    TriggerDagRunOperator(
        task_id="ask_for_a_run",
        trigger_dag_id="nightly_performance",
        # A retry must not ask twice.
        trigger_run_id="upload__{{ run_id }}",
        skip_when_already_exists=True,
    )
