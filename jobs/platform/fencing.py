"""Who may write: the attempt of a step that began last. What began before it loses, in the lake and in Postgres.

Each attempt of a step takes the next number of the fence. Every commit to the lake carries it as Delta's transaction
version, which lets no older one in after a newer one, also where both were under way at once; every change of the
ledger and the publication look it up in the transaction that makes them. A run that is overtaken ends with one line.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from jobs.platform.errors import DietzError, RetriedError

if TYPE_CHECKING:
    from jobs.platform.ledger import Run

WRITES_OF_A_STEP = 1 << 20  # at most so many commits of one attempt, each with a version of its own


@dataclass
class Fence:
    """The number that an attempt of a step holds; `app_id` names the ledger that gave it."""

    number: int
    app_id: str
    run: Run
    _writes: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def delta_options(self) -> dict[str, str]:
        """Options of the next commit to the lake."""
        with self._lock:
            version = self.number * WRITES_OF_A_STEP + next(self._writes)
        return {"txnAppId": self.app_id, "txnVersion": str(version)}

    def check(self, connection: psycopg.Connection | None = None) -> None:
        """Raises DietzError where a later attempt has begun; until the caller's transaction ends, none can begin."""
        found = (connection or self.run.ledger.connection).execute(
            "SELECT fence, run_id, step FROM ops.writer FOR SHARE"
        ).fetchone()  # fmt: skip
        assert found is not None
        if found[0] != self.number:
            own = f"run '{self.run.run_id}' is overtaken by"
            if found[1] == self.run.run_id:
                raise RetriedError(f"{own} a later attempt of '{found[2]}': this one ends, and publishes nothing")
            raise DietzError(f"{own} run '{found[1]}', which began later: this one ends, and publishes nothing")


_held: list[Fence] = []  # of this process, which runs one step at a time; its threads share it


def present() -> Fence | None:
    """The fence of the step that this process runs; None outside of one."""
    return _held[-1] if _held else None


def check(connection: psycopg.Connection | None = None) -> None:
    """As `Fence.check` of the present one; nothing outside of a step."""
    if _held:
        _held[-1].check(connection)


@contextmanager
def claimed(run: Run, step: str) -> Iterator[Fence]:
    """Hold the fence while a step of the run is at work. Raises DietzError where a newer run is at work, and at the
    end where one has begun meanwhile."""
    fence = claim(run, step)
    _held.append(fence)
    try:
        yield fence
        fence.check()
    finally:
        _held.remove(fence)


def claim(run: Run, step: str) -> Fence:
    """Take the next number of the fence. Raises DietzError where a newer run is at work."""
    from jobs.platform.turns import newer_run_at_work

    connection = run.ledger.connection
    with connection.transaction():
        connection.execute("SELECT FROM ops.writer FOR UPDATE")  # two that claim take turns
        newer = newer_run_at_work(run)
        if newer is not None:
            raise DietzError(
                f"run '{run.run_id}' is overtaken by run '{newer}', which began later and is at work: run it again when"
                " that is done"
            )
        row = connection.execute(
            "UPDATE ops.writer SET (fence, run_id, step, claimed_at) = (fence + 1, %s, %s, clock_timestamp())"
            " RETURNING fence, ledger_id",
            [run.run_id, step],
        ).fetchone()
    assert row is not None
    return Fence(row[0], f"dietz {row[1]}", run)
