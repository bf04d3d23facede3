"""A night in a process of its own that something happens to: python -m tests.faults.killed_night DATE STEP FAULT.

The fault comes at a moment of the step that is as bad as can be: files entered but not read, one table of several
written, rows being copied, the publishing transaction at work.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import psycopg
from pyspark.sql import SparkSession

from jobs import pipeline
from jobs.cli.run import run_night
from jobs.platform import database
from jobs.platform.lake import Lake
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.publish import binary_copy, job, restate

FILLER = "filler"
at_work = {"step": ""}


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_executors() -> None:
    for process in psutil.Process().children(recursive=True):
        if any("CoarseGrainedExecutorBackend" in word for word in process.cmdline()):
            process.kill()


def fill_the_disk() -> None:
    with Path(Settings().lake_root, FILLER).open("wb") as filler:
        try:
            while True:
                filler.write(bytes(1 << 16))
                filler.flush()
        except OSError:
            return


def kill_backends(doing: str) -> None:
    """SIGKILL the server's processes that are at work on such a statement, as the kernel does when memory ends."""
    with psycopg.connect(database.url(Settings()), autocommit=True) as admin:
        found = admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state <> 'idle' AND query LIKE %s",
            [f"{doing}%"],
        ).fetchall()
    for (pid,) in found:
        os.kill(pid, signal.SIGKILL)


def once(function: Callable[..., Any], before: Callable[[], None] | None, after: Callable[[], None] | None) -> Any:
    """The function, with something happening just before or after its first call in the step."""
    done: list[bool] = []

    def faulted(*arguments: Any, **named: Any) -> Any:
        is_it = at_work["step"] == STEP and not done
        if is_it:
            done.append(True)
        if is_it and before:
            before()
        result = function(*arguments, **named)
        if is_it and after:
            after()
        return result

    return faulted


def plant(fault: str) -> None:
    if fault == "killed":
        if STEP == "detect":
            Ledger.register_files = once(Ledger.register_files, None, kill_me)  # type: ignore[method-assign]
        Lake._commit = once(Lake._commit, None, kill_me)  # type: ignore[method-assign]
    elif fault == "disk full":
        Lake._commit = once(Lake._commit, fill_the_disk, None)  # type: ignore[method-assign]
    elif fault == "executor killed":
        Lake._commit = once(Lake._commit, kill_executors, None)  # type: ignore[method-assign]
        job.in_one_transaction = once_in("publish", kill_me)  # type: ignore[attr-defined]
    elif fault == "backend killed in COPY":
        binary_copy._fit = once(binary_copy._fit, lambda: kill_backends("COPY"), None)
    elif fault == "backend killed in the transaction":
        restate.upsert = once(restate.upsert, None, lambda: kill_backends("INSERT"))
    elif fault == "killed in the transaction":
        job.Publication._keep_books = once(job.Publication._keep_books, kill_me, None)  # type: ignore[method-assign]
    elif fault == "killed after the commit":
        job.in_one_transaction = once(job.in_one_transaction, None, kill_me)  # type: ignore[attr-defined]


def once_in(step: str, happens: Callable[[], None]) -> Any:
    def faulted(*arguments: Any, **named: Any) -> Any:
        assert at_work["step"] == step
        happens()

    return faulted


def noted(step: str, spark: SparkSession | None, settings: Settings, run: Any) -> dict[str, Any]:
    at_work["step"] = step
    return run_step(step, spark, settings, run)


if __name__ == "__main__":
    night, STEP, FAULT = date.fromisoformat(sys.argv[1]), sys.argv[2], sys.argv[3]
    run_step = pipeline.run_step
    pipeline.run_step = noted
    plant(FAULT)
    own = Settings()
    run_night(own, Ledger(own).open_run(night))
