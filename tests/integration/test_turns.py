"""Runs that a scheduler starts at the same time take turns; a dead run does not keep the turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta

import psycopg
import pytest

from jobs.platform.errors import DietzError
from jobs.platform.ledger import Ledger, Run
from jobs.platform.settings import Settings
from jobs.platform.turns import alive, take_turn

DAY = date(2026, 3, 31)
NO_PAUSE = timedelta(0)
AT_ONCE = timedelta(seconds=-1)


@pytest.fixture
def ledgers(settings: Settings) -> Iterator[tuple[Ledger, Ledger]]:
    """Two processes' views of one ledger without runs."""
    first, second = Ledger(settings), Ledger(settings)
    first.connection.execute("DELETE FROM ops.step_run")
    first.connection.execute("DELETE FROM ops.run")
    yield first, second
    first.close()
    second.close()


def turn(ledger: Ledger, run_id: str, *, pause: timedelta = NO_PAUSE, patience: timedelta = AT_ONCE) -> Run:
    return take_turn(
        ledger, run_id, lambda: ledger.open_run(DAY, run_id=run_id), pause=pause, patience=patience, look_every=0.05
    )


def test_a_run_that_a_process_works_on_keeps_the_turn_however_long_its_step_takes(
    ledgers: tuple[Ledger, Ledger],
) -> None:
    mine, theirs = ledgers
    with alive(turn(theirs, "backfill of the 30th")), pytest.raises(DietzError, match="backfill of the 30th"):
        turn(mine, "backfill of the 31st")


def test_between_two_steps_a_run_keeps_the_turn_for_the_pause(ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    with theirs.step(turn(theirs, "first"), "detect"):
        pass
    with pytest.raises(DietzError, match="'first' is still under way"):
        turn(mine, "second", pause=timedelta(minutes=5))


def test_a_run_whose_process_was_killed_gives_up_the_turn(ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    with suppress(psycopg.OperationalError), alive(turn(theirs, "killed")):
        killed = theirs.connection.info.backend_pid
        mine.connection.execute("RESET ROLE")
        mine.connection.execute("SELECT pg_terminate_backend(%s, 5000)", [killed])
        mine.connection.execute("SET ROLE dietz_loader")
        assert turn(mine, "next").run_id == "next"


def test_the_waiting_run_begins_when_the_other_is_done(ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    first = turn(theirs, "first")
    closing = threading.Timer(0.3, lambda: theirs.close_run(first, "done", {}))
    closing.start()
    second = turn(mine, "second", pause=timedelta(minutes=5), patience=timedelta(seconds=20))
    closing.join()
    assert second.run_no > first.run_no


def test_a_run_does_not_wait_for_itself(ledgers: tuple[Ledger, Ledger]) -> None:
    mine, theirs = ledgers
    assert turn(mine, "night").run_no == turn(theirs, "night", pause=timedelta(minutes=5)).run_no
