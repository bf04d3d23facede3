"""The ledger keeps what a run needs to be run again: its number, its files' states, each tenant's progress."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from jobs.platform.errors import DietzError
from jobs.platform.ledger import FileRecord, Ledger, Progress
from jobs.platform.settings import Settings

NIGHT = date(2026, 1, 5)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    found = Ledger(settings)
    found.connection.execute("TRUNCATE ops.run, ops.step_run, ops.file, ops.tenant_progress, ops.publication")
    yield found
    found.close()


def a_file(file_id: str, **columns: object) -> FileRecord:
    known = {"tenant_id": "acme", "path": f"acme/{file_id}.csv", "size_bytes": 10, "modified_at": NOON}
    return FileRecord(file_id=file_id, **{"status": "detected", **known, **columns})  # type: ignore[arg-type]


def test_a_run_that_did_not_end_is_gone_on_with_under_its_number(ledger: Ledger) -> None:
    first = ledger.open_run(NIGHT, tenant="acme", run_id="nightly")
    ledger.close_run(first, "failed", {})
    assert ledger.open_run(NIGHT, tenant="acme", run_id="nightly") == first
    assert ledger.latest_run(NIGHT, tenant="acme") == first
    assert ledger.latest_run(NIGHT) is None


def test_a_run_that_is_done_gets_a_new_number_so_that_its_rows_stay(ledger: Ledger) -> None:
    first = ledger.open_run(NIGHT, run_id="nightly")
    ledger.close_run(first, "done", {"files": 3})
    second = ledger.open_run(NIGHT, run_id="nightly")
    assert (second.run_id, second.run_no > first.run_no) == ("nightly.2", True)
    assert ledger.open_run(NIGHT, run_id="nightly") == second  # the next step of the same scheduler run


def test_a_run_that_was_killed_just_after_it_published_is_done(ledger: Ledger) -> None:
    run = ledger.open_run(NIGHT, run_id="nightly")
    ledger.connection.execute("INSERT INTO ops.publication VALUES ('marts.x', 1, 'nightly', 0, now())")
    assert ledger.latest_run(NIGHT) is None
    assert ledger.open_run(NIGHT, run_id="nightly").run_no > run.run_no


def test_a_run_id_belongs_to_one_date(ledger: Ledger) -> None:
    ledger.open_run(NIGHT, run_id="nightly")
    with pytest.raises(DietzError, match="run 'nightly' is of 2026-01-05, not of 2026-01-06"):
        ledger.open_run(date(2026, 1, 6), run_id="nightly")


def test_a_step_is_recorded_from_its_beginning_and_after_a_failure(ledger: Ledger) -> None:
    run = ledger.open_run(NIGHT)
    rows = "SELECT attempt, status, ended_at IS NOT NULL, details FROM ops.step_run ORDER BY attempt"

    def fails() -> None:
        with ledger.step(run, "ingest"):
            assert ledger.connection.execute(rows).fetchall() == [(1, "running", False, {})]
            raise DietzError("disk full")

    with pytest.raises(DietzError, match="disk full"):
        fails()
    with ledger.step(run, "ingest") as details:
        details["lines"] = 7
    assert ledger.connection.execute(rows).fetchall() == [
        (1, "failed", True, {"error": "disk full"}),
        (2, "done", True, {"lines": 7}),
    ]


def test_an_attempt_that_was_killed_is_marked_when_the_step_begins_again(ledger: Ledger) -> None:
    run = ledger.open_run(NIGHT)
    ledger.connection.execute("INSERT INTO ops.step_run (run_id, step, attempt) VALUES (%s, 'check', 1)", [run.run_id])
    with ledger.step(run, "check"):
        pass
    found = ledger.connection.execute("SELECT status FROM ops.step_run ORDER BY attempt").fetchall()
    assert found == [("failed",), ("done",)]


def test_files_arrive_in_the_order_of_the_list_and_change_state_together(ledger: Ledger) -> None:
    accounts, values = ledger.register_files([a_file("f2", vendor="canonical"), a_file("f1", detection={"score": 1})])
    assert accounts.arrival_no is not None
    assert values.arrival_no is not None
    assert accounts.arrival_no < values.arrival_no
    ledger.update_files({"f1": {"status": "ingested", "lines": 4}})
    assert ledger.files(status=["ingested"]) == [
        a_file("f1", status="ingested", lines=4, detection={"score": 1}, arrival_no=values.arrival_no)
    ]
    with pytest.raises(DietzError, match="no file 'f9'"):
        ledger.update_files({"f1": {"status": "refused"}, "f9": {"status": "refused"}})
    assert [file.status for file in ledger.files()] == ["detected", "ingested"]


def test_a_run_sees_the_files_of_its_scope(ledger: Ledger) -> None:
    ledger.register_files(
        [a_file("f1", vendor="canonical"), a_file("f2", vendor="ecb"), a_file("f3", tenant_id="zeta")]
    )
    scoped = ledger.open_run(NIGHT, tenant="acme", vendor="ecb")
    assert [file.file_id for file in ledger.files(run=scoped)] == ["f2"]
    assert [file.file_id for file in ledger.files(run=ledger.open_run(NIGHT))] == ["f1", "f2", "f3"]


def test_a_content_is_known_once_it_was_taken(ledger: Ledger) -> None:
    ledger.register_files(
        [
            a_file("f1", sha256="aa", status="unrecognised"),
            a_file("f2", sha256="bb", status="accepted"),
            a_file("f3", sha256="bb", status="duplicate"),
        ]
    )
    assert ledger.known_contents("acme", ["aa", "bb", "cc"]) == {"bb": "f2"}
    assert ledger.known_contents("zeta", ["bb"]) == {}


def test_the_newest_record_of_a_path_tells_whether_the_file_changed(ledger: Ledger) -> None:
    ledger.register_files([a_file("f1", path="acme/v.csv"), a_file("f2", path="acme/v.csv", size_bytes=11)])
    assert ledger.seen_paths("acme") == {("acme/v.csv", ""): (11, NOON)}


def test_progress_goes_forward_and_waits_for_unfinished_files(ledger: Ledger) -> None:
    assert ledger.progress("acme") == Progress(None, 0)
    ledger.advance("acme", NIGHT, 5)
    ledger.advance("acme", date(2026, 1, 2), 6)  # a run of an earlier date has not looked at NIGHT's inputs
    assert ledger.progress("acme") == Progress(NIGHT, 5)
    ledger.register_files([a_file("f1", status="normalised", run_no=7)])
    ledger.advance("acme", NIGHT, 9)
    assert ledger.progress("acme") == Progress(NIGHT, 6)


def test_a_run_is_ahead_of_a_tenant_by_the_dates_of_its_files(ledger: Ledger) -> None:
    """Published through NIGHT: a file without dates, as an empty one is, is ahead of nothing; a tenant that was never
    published has every run before it."""
    loads = [date(2026, 1, 6), NIGHT, None, date(2026, 1, 6)]
    runs = [ledger.open_run(NIGHT).run_no for _ in loads]
    given = zip(runs, loads, ("accepted", "accepted", "accepted", "withheld"), strict=True)
    ledger.register_files([a_file(f"f{no}", run_no=no, last_date=day, status=status) for no, day, status in given])
    tonight = ledger.open_run(date(2026, 1, 6)).run_no
    assert ledger.runs_ahead("acme", Progress(NIGHT, runs[-1]), tonight) == runs[:1]
    assert ledger.runs_ahead("acme", Progress(), tonight) == runs[:3]
    assert ledger.runs_ahead("acme", Progress(NIGHT, 0), runs[0]) == []
