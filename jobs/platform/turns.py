"""One run at a time, where a scheduler may start several: a backfill's runs must not mix their steps on one lake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from jobs.platform.errors import DietzError
from jobs.platform.ledger import Ledger, Run
from jobs.platform.logs import get_log

# Between two tasks of a run no process of it lives: for this long after its last step it still has the turn, which is
# longer than a scheduler's pause before it tries a failed task again.
PAUSE = timedelta(minutes=5)
PATIENCE = timedelta(hours=2)

_TURN, _ALIVE = 0x64_69_65_74, 0x64_69_65_75  # names of advisory locks

_UNDER_WAY = """
SELECT run.run_id FROM ops.run run
WHERE run.status = 'running' AND run.run_id <> %(run_id)s
  AND (EXISTS (SELECT FROM pg_locks held WHERE held.locktype = 'advisory' AND held.granted
                AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND held.classid = %(alive)s AND held.objid = run.run_no)
       OR greatest(run.started_at, (SELECT max(coalesce(step.ended_at, step.started_at))
                                    FROM ops.step_run step WHERE step.run_id = run.run_id))
          > clock_timestamp() - %(pause)s)
ORDER BY run.run_no LIMIT 1
"""


_NEWER_AT_WORK = """
SELECT run.run_id FROM ops.run run
WHERE run.status = 'running' AND run.run_no > %(run_no)s
  AND EXISTS (SELECT FROM pg_locks held WHERE held.locktype = 'advisory' AND held.granted
              AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND held.classid = %(alive)s AND held.objid = run.run_no)
ORDER BY run.run_no DESC LIMIT 1
"""


def take_turn(
    ledger: Ledger,
    run_id: str,
    open_run: Callable[[], Run],
    *,
    patience: timedelta = PATIENCE,
    pause: timedelta = PAUSE,
    look_every: float = 5.0,
) -> Run:
    """Wait until no other run is under way, then open this one. Raises DietzError where patience ends first."""
    deadline, other = time.monotonic() + patience.total_seconds(), None
    while True:
        with ledger.connection.transaction():
            ledger.connection.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
            before, other = other, _under_way(ledger, run_id, pause)
            if other is None:
                return open_run()
        if other != before:
            get_log().info("waits for its turn", run_id=run_id, under_way=other)
        if time.monotonic() > deadline:
            raise DietzError(f"run '{other}' is still under way after {patience}: see dietz status")
        time.sleep(look_every)


@contextmanager
def alive(run: Run) -> Iterator[None]:
    """While the block runs, everybody sees that a process works on the run; a kill ends that at once."""
    key = [_ALIVE, run.run_no]
    run.ledger.connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", key)
    try:
        yield
    finally:
        run.ledger.connection.execute("SELECT pg_advisory_unlock_shared(%s, %s)", key)


def newer_run_at_work(run: Run) -> str | None:
    """A run that began after this one and that a process works on."""
    values = {"run_no": run.run_no, "alive": _ALIVE}
    found = run.ledger.connection.execute(_NEWER_AT_WORK, values).fetchone()
    return found[0] if found else None


def _under_way(ledger: Ledger, run_id: str, pause: timedelta) -> str | None:
    found = ledger.connection.execute(_UNDER_WAY, {"run_id": run_id, "alive": _ALIVE, "pause": pause}).fetchone()
    return found[0] if found else None
