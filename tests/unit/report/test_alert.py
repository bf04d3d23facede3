"""The night's message: each cause once as long as it lasts, again when it comes back, and no client in clear."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import psycopg
import pytest

from jobs.platform.settings import Settings
from jobs.report.alert import LINES, Cause, GivenUp, in_words, send_unsent, write_alert
from jobs.report.read import read_night
from jobs.report.words import verdict
from tests.unit.report.test_report import EMPTY_NIGHT, NIGHT, fill

FIRST = """\
dietz, night of 2026-03-31: 3 accounts of 2 tenants published; needs you now
  northwind: may not be read: brokerage (1 account withheld)
  northwind: may not be read: canonical (did not run: check; 1 account withheld)
  northwind: account held: return_out_of_range
  northwind: file unrecognised: brokerage_transactions
  northwind: file with rows in quarantine: brokerage_transactions, too_long
  northwind: 40 times open break: twrr_daily
  northwind: open break: end_value
"""


@pytest.fixture(scope="module")
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    """A database with the night that the report is tested on."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        with connection.cursor() as cursor:
            fill(cursor)
        yield connection


@pytest.fixture(autouse=True)
def anew(admin: psycopg.Connection) -> None:
    admin.execute("TRUNCATE ops.alert_cause, ops.alert_message CASCADE")


def test_a_night_is_told_once(admin: psycopg.Connection, settings: Settings) -> None:
    assert write_alert(settings, NIGHT) == FIRST
    assert write_alert(settings, NIGHT) is None
    assert (settings.folder("alerts") / f"{NIGHT}.txt").read_text(encoding="utf-8") == FIRST
    keys = [key for (key,) in admin.execute("SELECT cause FROM ops.alert_cause").fetchall()]
    for secret in ("NW-", "Rigby", "U12345678", "Trust_XX876"):
        assert [text for text in (FIRST, *keys) if secret in text] == []


def test_what_was_told_is_not_told_again_on_the_next_night(settings: Settings, admin: psycopg.Connection) -> None:
    write_alert(settings, NIGHT)
    assert write_alert(settings, EMPTY_NIGHT) == (
        "dietz, night of 2026-04-01: nothing is published; nothing new\n  44 matters told before and not ended yet\n"
    )


def test_what_ended_is_counted_and_told_anew_when_it_comes_back(settings: Settings, admin: psycopg.Connection) -> None:
    write_alert(settings, NIGHT)
    admin.execute("UPDATE marts.held_account SET state = 'released'")
    assert write_alert(settings, EMPTY_NIGHT) == (
        "dietz, night of 2026-04-01: nothing is published; nothing new\n"
        "  43 matters told before and not ended yet\n"
        "  1 matter ended\n"
    )
    admin.execute("UPDATE marts.held_account SET state = 'held'")
    assert write_alert(settings, EMPTY_NIGHT) == (
        "dietz, night of 2026-04-01: nothing is published; needs you now\n"
        "  northwind: account held: return_out_of_range\n"
        "  43 matters told before and not ended yet\n"
    )
    both = (settings.folder("alerts") / f"{EMPTY_NIGHT}.txt").read_text(encoding="utf-8")
    assert both.count("night of 2026-04-01") == 2


def failed_rule(admin: psycopg.Connection, night: date, rule: str) -> None:
    [run_no] = admin.execute(
        "INSERT INTO ops.run (run_id, business_date, status, code_version) VALUES (%s, %s, 'done', 'test')"
        " RETURNING run_no",
        [f"{rule}-{night}", night],
    ).fetchone() or (0,)
    admin.execute(
        "INSERT INTO marts.data_quality_result (tenant_id, vendor, feed, table_name, rule, column_name, severity,"
        " success, expected_value, rows_checked, rows_failed, run_no, run_id, business_date, published_at)"
        " VALUES ('acme', 'v', 'prices', 'price', %s, '', 'fail', false, 'none', 9, 9, %s, %s, %s, now())",
        [rule, run_no, f"{rule}-{night}", night],
    )


@pytest.mark.parametrize(
    ("status", "content", "ended"),
    [("duplicate", "f2", False), ("duplicate", "last week", True), ("accepted", "", True)],
)
def test_a_file_that_is_held_back_is_told_until_another_content_comes_in_its_place(
    settings: Settings, admin: psycopg.Connection, status: str, content: str, *, ended: bool
) -> None:
    """The vendor sends the unrecognised statement once more as it is, or last week's, which was in order."""
    write_alert(settings, NIGHT)
    again = (
        "INSERT INTO ops.file (file_id, tenant_id, path, size_bytes, modified_at, status, sha256, run_no, arrival_no)"
        " SELECT %s, tenant_id, %s || path, size_bytes, modified_at, %s, %s, run_no, nextval('ops.arrival_no')"
        " FROM ops.file WHERE file_id = 'f2'"
    )
    admin.execute(again, ["before", "last-week/", "accepted", "last week"])
    admin.execute(again, ["again", "", status, content])
    try:
        told = write_alert(settings, NIGHT)
        with admin.transaction():
            page = read_night(admin, NIGHT, {})
    finally:
        admin.execute("DELETE FROM ops.file WHERE file_id IN ('before', 'again')")
    if ended:
        assert "file unrecognised" not in str(told)
    else:
        assert told is None
    assert [row["path"] for row in page.files.rows] == ([] if ended else ["northwind/statement_U12345678.csv"])


def test_a_backfill_of_old_nights_neither_forgets_nor_tells_anew_what_is_told(
    settings: Settings, admin: psycopg.Connection
) -> None:
    """What fails on the 10th lasts to the 11th; that the backfilled 2nd does not have it ends nothing, and what the 2nd
    had is known there."""
    old, night, after, later = (date(2026, 2, day) for day in (2, 10, 11, 12))
    failed_rule(admin, old, "old_rule")
    for failing in (night, after):
        failed_rule(admin, failing, "new_rule")

    def told(on: date) -> list[str]:
        return [line for line in (write_alert(settings, on) or "").splitlines() if "rule failed" in line]

    assert told(old) == ["  acme: rule failed: prices, old_rule"]
    assert told(night) == ["  acme: rule failed: prices, new_rule"]
    assert told(old) == []  # the backfill
    assert told(night) == []  # run again
    assert told(after) == []  # it lasts
    assert told(later) == []
    failed_rule(admin, later, "new_rule")
    assert told(later) == ["  acme: rule failed: prices, new_rule"]  # it was gone, and is back


def begin(admin: psycopg.Connection, run_id: str, night: date, **steps: str) -> None:
    """A run under way, with the status of the only attempt of each step that has begun."""
    admin.execute("INSERT INTO ops.run (run_id, business_date, code_version) VALUES (%s, %s, 'test')", [run_id, night])
    for step, status in steps.items():
        admin.execute(
            "INSERT INTO ops.step_run (run_id, step, attempt, status) VALUES (%s, %s, 1, %s)", [run_id, step, status]
        )


def failures(message: str | None) -> list[str]:
    return [line for line in (message or "").splitlines() if "step failed" in line or "night of" in line]


def test_a_step_that_was_killed_each_time_is_told_and_stands_on_the_page(
    settings: Settings, admin: psycopg.Connection
) -> None:
    """Its last attempt is still called running, as nobody is left to say how it ended."""
    night = date(2026, 2, 16)
    begin(admin, "killed", night, detect="done", calculate="running")
    write_alert(settings, night)
    assert failures(write_alert(settings, night, GivenUp("killed", "calculate", "error code 137"))) == [
        "dietz, night of 2026-02-16: nothing is published; needs you now",
        "  step failed: calculate, run killed",
    ]
    assert write_alert(settings, night) is None
    page = read_night(admin, night, {})
    assert verdict(page, []).word == "Failed"
    assert [(row["step"], row["status"], row["error"]) for row in page.steps] == [
        ("detect", "done", None),
        ("calculate", "failed", "error code 137"),
    ]


def test_a_step_that_never_began_is_told(settings: Settings, admin: psycopg.Connection) -> None:
    night, before = date(2026, 2, 18), date(2026, 2, 17)
    begin(admin, "waited", night, detect="done")
    assert failures(write_alert(settings, night, GivenUp("waited", "ingest", "another run hangs")))[1:] == [
        "  step failed: ingest, run waited"
    ]
    assert failures(write_alert(settings, before, GivenUp("unheard_of", "detect", "no spark-submit")))[1:] == [
        "  step failed: detect, run unheard_of"
    ]


def test_a_run_that_published_and_could_not_send_its_message_has_not_failed(
    settings: Settings, admin: psycopg.Connection
) -> None:
    night = date(2026, 2, 19)
    begin(admin, "told_nobody", night, publish="done")
    admin.execute("UPDATE ops.run SET status = 'done' WHERE run_id = 'told_nobody'")
    assert failures(write_alert(settings, night, GivenUp("told_nobody", "publish", "mail is down")))[1:] == []
    assert failures(write_alert(settings, night, GivenUp("told_nobody", "detect", "no spark-submit")))[1:] == [
        "  step failed: detect, run told_nobody"  # cleared, to be run again
    ]


def test_a_failed_run_of_all_is_not_ended_by_a_run_of_one_tenant(settings: Settings, admin: psycopg.Connection) -> None:
    night = date(2026, 2, 20)
    begin(admin, "everybody", night, calculate="failed")
    admin.execute("UPDATE ops.run SET status = 'failed' WHERE run_id = 'everybody'")
    assert failures(write_alert(settings, night))[1:] == ["  step failed: calculate, run everybody"]
    remembered = "SELECT cause FROM ops.alert_cause WHERE cause LIKE 'step/%'"
    begin(admin, "alone", night, publish="done")
    admin.execute("UPDATE ops.run SET tenant = 'acme', status = 'done' WHERE run_id = 'alone'")
    write_alert(settings, night)
    assert admin.execute(remembered).fetchall() == [("step/everybody/calculate",)]
    begin(admin, "again", night, publish="done")
    admin.execute("UPDATE ops.run SET status = 'done' WHERE run_id = 'again'")
    write_alert(settings, night)
    assert admin.execute(remembered).fetchall() == []


class Channel:
    """Takes messages, or fails as long as it is down."""

    def __init__(self) -> None:
        self.down, self.got = False, list[str]()

    def __call__(self, text: str) -> None:
        if self.down:
            raise ConnectionRefusedError("the server is down")
        self.got.append(text)


def test_what_one_channel_could_not_send_it_sends_later_and_the_other_never_twice(settings: Settings) -> None:
    email, webhook = Channel(), Channel()
    channels = {"email": email, "webhook": webhook}
    email.down = True
    write_alert(settings, NIGHT)
    with pytest.raises(ExceptionGroup, match="a message to operators was not sent"):
        send_unsent(settings, channels)
    assert (email.got, webhook.got) == ([], [FIRST])
    assert write_alert(settings, NIGHT) is None
    email.down = False
    send_unsent(settings, channels)
    send_unsent(settings, channels)
    assert (email.got, webhook.got) == ([FIRST], [FIRST])


def test_what_a_run_by_hand_has_told_is_sent_by_the_next_that_sends(settings: Settings) -> None:
    by_hand, channel = write_alert(settings, NIGHT), Channel()
    assert write_alert(settings, NIGHT) is None  # Airflow's run of the same night
    nothing_new = write_alert(settings, EMPTY_NIGHT)
    send_unsent(settings, {"webhook": channel})
    assert channel.got == [f"{by_hand}\n{nothing_new}"]


def test_what_was_said_more_than_a_week_ago_is_not_sent(settings: Settings, admin: psycopg.Connection) -> None:
    channel = Channel()
    write_alert(settings, NIGHT)
    admin.execute("UPDATE ops.alert_message SET said_at = said_at - interval '8 days'")
    send_unsent(settings, {"webhook": channel})
    assert channel.got == []


def test_a_long_message_says_how_much_it_leaves_out() -> None:
    many = [Cause(f"file/{n}", "acme", "bad", "file refused", f"feed_{n:02}") for n in range(LINES + 3)]
    lines = in_words(NIGHT, (1, 5), many, many, 0).splitlines()
    assert len(lines) == LINES + 2
    assert lines[-1] == "  and 3 more lines: see the report"
