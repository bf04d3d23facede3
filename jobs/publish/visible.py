"""The moment of publication: one transaction that readers see whole or not at all, and the locks around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from jobs.platform.database import PUBLISH_LOCK
from jobs.platform.errors import DietzError
from jobs.platform.logs import get_log

ONE_PUBLISHER = PUBLISH_LOCK + 1
ATTEMPTS = 20


@contextmanager
def one_publisher(connection: psycopg.Connection) -> Iterator[None]:
    """Only one process stages and publishes at a time; another one waits here."""
    connection.execute("SELECT pg_advisory_lock(%s)", [ONE_PUBLISHER])
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", [ONE_PUBLISHER])


def in_one_transaction(
    connection: psycopg.Connection, change: Callable[[], None], *, lock_timeout: str = "5s", pause: float = 0.5
) -> None:
    """Run `change` in one transaction under the publish lock, again from the start where a lock is not to be had.

    The lock timeout keeps readers moving: who waits for a table lock makes every later reader wait as well.
    Raises DietzError where the lock stays taken.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", [lock_timeout])
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
                change()
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            get_log().warning("publish waits for a lock", attempt=attempt, error=str(error).strip())
            if attempt == ATTEMPTS:
                raise DietzError(
                    f"the marts are locked by another session; gave up after {ATTEMPTS} attempts"
                ) from error
            time.sleep(pause)
