"""The moment of publication: one transaction that readers see whole or not at all, and the locks around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from jobs.platform import fencing
from jobs.platform.database import PUBLISH_LOCK
from jobs.platform.errors import DietzError
from jobs.platform.logs import get_log

ONE_PUBLISHER = PUBLISH_LOCK + 1
ATTEMPTS = 20
LONGEST_PUBLICATION = 900.0  # seconds that another process may stage and publish


@contextmanager
def one_publisher(connection: psycopg.Connection) -> Iterator[None]:
    """Only one process stages and publishes at a time; another one waits here.

    Who holds the fence and has waited long knows that the other is no more than the rest of an overtaken attempt, which
    may hang for ever: its connection is ended, and with it its lock.
    """
    deadline = time.monotonic() + LONGEST_PUBLICATION
    while not _is_taken(connection):
        if time.monotonic() > deadline and fencing.present() is not None:
            fencing.check()
            _end_holder(connection)
        time.sleep(0.2)
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", [ONE_PUBLISHER])


def _is_taken(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [ONE_PUBLISHER]).fetchone()
    return bool(row and row[0])


def _end_holder(connection: psycopg.Connection) -> None:
    get_log().warning("ends the connection of a publication that was overtaken")
    connection.execute("RESET ROLE")  # the login may end its own connections
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND ((classid::bigint << 32) | objid::bigint) = %s"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [ONE_PUBLISHER],
    )
    connection.execute("SET ROLE dietz_loader")


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


def wait_for_readers(connection: psycopg.Connection, tables: list[str], *, longest: str = "3s") -> None:
    """Keep statements from being planned before the commit and executed after it: such a one would see all of the night
    but the rows of partitions that it does not know of. To be called before partitions are attached.

    A report that holds a table for longer is not waited for, and keeps nothing from being published; what is planned in
    the very moment of that commit may then lack the new dates.
    """
    for table in tables:
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", [longest])
                lock = sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE")
                connection.execute(lock.format(sql.Identifier(*table.split("."))))
        except psycopg.errors.LockNotAvailable:
            get_log().info("publishes beside an open report", table=table)
