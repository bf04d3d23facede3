"""The seven steps in order, in one Spark session, each entered in the ledger from its beginning to its end."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

from jobs.platform import fencing, lake_schema
from jobs.platform.errors import RetriedError
from jobs.platform.ledger import Run
from jobs.platform.logs import bind, unbind
from jobs.platform.settings import Settings
from jobs.platform.turns import alive

STEPS = ["detect", "ingest", "normalise", "check", "calculate", "reconcile", "publish"]

Watcher = Callable[[str, dict[str, Any] | None], None]


def run_step(step: str, spark: SparkSession | None, settings: Settings, run: Run) -> dict[str, Any]:
    """Run one step of `STEPS`; returns its counters with `seconds` added. Raises what the step raises."""
    job = importlib.import_module(f"jobs.{step}.job")
    bind(step=step)
    began = time.monotonic()
    try:
        with alive(run), run.ledger.step(run, step) as details, fencing.claimed(run, step):
            if spark is not None:
                lake_schema.ensure(spark, settings)
            details.update(job.run(spark, settings, run))
            details["seconds"] = round(time.monotonic() - began, 2)
            return dict(details)
    finally:
        unbind("step")


def run_all(
    spark: SparkSession | None, settings: Settings, run: Run, watch: Watcher | None = None
) -> dict[str, dict[str, Any]]:
    """Run the steps one after the other and close the run; returns each step's counters.

    `watch(step, None)` is called before and `watch(step, counters)` after each step.
    """
    done: dict[str, dict[str, Any]] = {}
    try:
        with alive(run):
            for step in STEPS:
                if watch:
                    watch(step, None)
                done[step] = run_step(step, spark, settings, run)
                if watch:
                    watch(step, done[step])
    except RetriedError:
        raise
    except BaseException:
        run.ledger.close_run(run, "failed", done)
        raise
    run.ledger.close_run(run, "done", done)
    return done
