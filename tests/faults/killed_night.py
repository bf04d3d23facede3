"""A night that something happens to; in a process of its own: python -m tests.faults.killed_night DATE STEP FAULT.

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
import pytest

from jobs import pipeline
from jobs.cli.run import run_night
from jobs.platform import database
from jobs.platform.lake import Lake
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.publish import binary_copy, job, restate

FILLER = "filler"


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_executors() -> None:
    for process in psutil.Process().children(recursive=True):
        if any("CoarseGrainedExecutorBackend" in word for word in process.cmdline()):
            process.kill()


def fill_the_disk(settings: Settings) -> None:
    with Path(settings.lake_root, FILLER).open("wb") as filler:
        try:
            while True:
                filler.write(bytes(1 << 16))
                filler.flush()
        except OSError:
            return


def kill_backends(settings: Settings, doing: str) -> None:
    """SIGKILL the server's processes that are at work on such a statement, as the kernel does when memory ends."""
    with psycopg.connect(database.url(settings), autocommit=True) as admin:
        found = admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state <> 'idle' AND query LIKE %s",
            [f"{doing}%"],
        ).fetchall()
    for (pid,) in found:
        os.kill(pid, signal.SIGKILL)


def plant(step: str, fault: str, settings: Settings, patch: pytest.MonkeyPatch) -> None:
    """Let the fault happen in the step, once."""
    at_work = {"step": ""}
    run_step = pipeline.run_step

    def noted(name: str, *of: Any) -> dict[str, Any]:
        at_work["step"] = name
        return run_step(name, *of)

    def once(owner: Any, name: str, before: Callable[[], None] | None, after: Callable[[], None] | None) -> None:
        """Something happens just before or after the function's first call in the step."""
        done: list[bool] = []
        function = getattr(owner, name)

        def faulted(*arguments: Any, **named: Any) -> Any:
            is_it = at_work["step"] == step and not done
            if is_it:
                done.append(True)
            if is_it and before:
                before()
            result = function(*arguments, **named)
            if is_it and after:
                after()
            return result

        patch.setattr(owner, name, faulted)

    patch.setattr(pipeline, "run_step", noted)
    if fault == "killed":
        if step == "detect":
            once(Ledger, "register_files", None, kill_me)
        once(Lake, "_commit", None, kill_me)
    elif fault == "disk full":
        once(Lake, "_commit", lambda: fill_the_disk(settings), None)
    elif fault == "executor killed":
        once(Lake, "_commit", kill_executors, None)
        patch.setattr(job, "in_one_transaction", lambda *_, **__: kill_me())  # it has gone on without the executor
    elif fault == "backend killed in COPY":
        once(binary_copy, "_fit", lambda: kill_backends(settings, "COPY"), None)
    elif fault == "backend killed in the transaction":
        once(restate, "upsert", None, lambda: kill_backends(settings, "INSERT"))
    elif fault == "killed in the transaction":
        once(job.Publication, "_keep_books", kill_me, None)
    elif fault == "killed after the commit":
        once(job, "in_one_transaction", None, kill_me)


if __name__ == "__main__":
    night, in_step, what = date.fromisoformat(sys.argv[1]), sys.argv[2], sys.argv[3]
    own = Settings()
    with pytest.MonkeyPatch.context() as planted:
        plant(in_step, what, own, planted)
        run_night(own, Ledger(own).open_run(night))
