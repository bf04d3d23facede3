"""The night's message: each cause once as long as it lasts, again when it comes back, and no client in clear."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from jobs.platform.settings import Settings
from jobs.report.alert import LINES, Cause, in_words, write_alert
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
    admin.execute("TRUNCATE ops.alert_cause, ops.alert_message")


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


def test_a_long_message_says_how_much_it_leaves_out() -> None:
    many = [Cause(f"file/{n}", "acme", "bad", "file refused", f"feed_{n:02}") for n in range(LINES + 3)]
    lines = in_words(NIGHT, (1, 5), many, many, 0).splitlines()
    assert len(lines) == LINES + 2
    assert lines[-1] == "  and 3 more lines: see the report"
