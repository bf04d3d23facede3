"""A feed that did not come: alert, report and night_status say the same of it, also where files come on their own
evening, with a run of the day before, and the night's own run takes none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobs.platform.settings import Settings
from jobs.publish.status import write_night_status
from jobs.report.alert import write_alert
from jobs.report.read import read_night

MON, TUE, WED, THU, FRI = (date(2026, 3, day) for day in (9, 10, 11, 12, 13))
DAY_BEFORE = {MON: date(2026, 3, 6), TUE: MON, WED: TUE, THU: WED, FRI: THU}
AT = datetime(2026, 3, 9, 22, tzinfo=UTC)


class Nights:
    """The ledger's files and runs, written by hand."""

    def __init__(self, connection: psycopg.Connection, settings: Settings) -> None:
        self.connection, self.settings = connection, settings

    def evening(self, day: date, *feeds: str, **others: Any) -> None:
        """Files of a day that a run of the day before takes, on that day's evening."""
        self.take(DAY_BEFORE[day], day, *feeds, **others)

    def take(
        self, night: date, day: date, *feeds: str, undated: tuple[str, ...] = (), back_dated: tuple[str, ...] = (),
        status: str = "accepted", run: str = "done", tenant: str | None = None, content: str | None = None,
    ) -> None:  # fmt: skip
        """Files of a day that a run of a night takes, which ends as `run` says (`replayed`: done, and has not looked
        for files); `content`: all that is in them."""
        dates: dict[str, tuple[date | None, date | None]] = dict.fromkeys(feeds, (day, day))
        dates |= dict.fromkeys(undated, (None, None)) | dict.fromkeys(back_dated, (day - timedelta(days=3), day))
        [run_no] = self.connection.execute(
            "INSERT INTO ops.run (run_id, business_date, status, tenant, code_version)"
            " VALUES (gen_random_uuid(), %s, %s, %s, 'test') RETURNING run_no",
            [night, "done" if run == "replayed" else run, tenant],
        ).fetchone() or (0,)
        if run == "done":
            self.detected(run_no)
        for feed, (first, last) in dates.items():
            self.connection.execute(
                "INSERT INTO ops.file (file_id, tenant_id, path, size_bytes, modified_at, vendor, feed, status, run_no,"
                " sha256, arrival_no, first_date, last_date) VALUES (%s, 'acme', %s, 1, %s, 'custodian', %s, %s, %s,"
                " %s, nextval('ops.arrival_no'), %s, %s)",
                [f"{feed}-{day}-{run_no}", f"acme/{feed}-{day}", AT, feed, status, run_no, content, first, last],
            )

    def detected(self, run_no: int) -> None:
        """A run has looked for files."""
        self.connection.execute(
            "INSERT INTO ops.step_run (run_id, step, attempt, status, started_at)"
            " SELECT run_id, 'detect', 1, 'done', now() FROM ops.run WHERE run_no = %s",
            [run_no],
        )

    def alert(self, day: date) -> list[str]:
        """The feeds of which the message of the night says that they did not come."""
        message = write_alert(self.settings, day) or ""
        return [line.rsplit(": ", 1)[1] for line in message.splitlines() if "did not come" in line]

    def report(self, day: date) -> list[tuple[str, int, int]]:
        return [(row["feed"], row["came"], row["nights"]) for row in read_night(self.connection, day, {}).overdue]

    def status(self, day: date) -> str:
        """What night_status has against the night, of feeds."""
        write_night_status(self.connection, ["acme"], day, "n", AT, row_counts=[])
        [(reason,)] = self.connection.execute(
            "SELECT reason FROM marts.night_status WHERE business_date = %s", [day]
        ).fetchall()
        return reason.split("; no account has a row")[0]


@pytest.fixture
def nights(database_url: str, settings: Settings) -> Iterator[Nights]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE ops.run, ops.file, ops.alert_cause, ops.alert_message, marts.night_status,"
            " marts.data_quality_result CASCADE"
        )
        yield Nights(connection, settings)


def test_a_feed_of_its_own_evening_came_and_nobody_is_told_otherwise(nights: Nights) -> None:
    for day in (MON, TUE, WED, THU):
        nights.evening(day, "valuations", undated=("canonical_accounts",), back_dated=("transactions",))
        assert nights.alert(DAY_BEFORE[day]) == []  # at the end of the evening's run
        assert nights.alert(day) == []  # at midnight
        assert nights.report(day) == []
        assert nights.status(day).startswith("no account has a row")
    [row] = nights.connection.execute("SELECT expected, received FROM marts.night_status WHERE business_date = %s", [
        THU]).fetchall()  # fmt: skip
    assert row == (3, 3)


def test_what_is_absent_is_told_once_and_is_over_when_the_feed_is_back(nights: Nights) -> None:
    for day in (MON, TUE, WED):
        nights.evening(day, "valuations", "prices", undated=("canonical_accounts",))
        assert nights.alert(day) == []
    nights.evening(THU, "valuations")
    assert nights.alert(THU) == ["canonical_accounts", "prices"]
    assert nights.report(THU) == [("canonical_accounts", 3, 4), ("prices", 3, 4)]
    assert nights.status(THU) == "not received: canonical_accounts, prices"
    nights.evening(FRI, "valuations", "prices", undated=("canonical_accounts",))
    assert nights.alert(THU) == []  # the evening's run: told before
    assert nights.alert(FRI) == []
    assert nights.report(FRI) == []


def test_of_two_uploads_of_an_evening_the_first_is_of_the_same_night(nights: Nights) -> None:
    for day in (MON, TUE, WED):
        nights.evening(day, undated=("canonical_accounts",))
        nights.evening(day, "valuations")
        assert nights.alert(day) == []


def test_what_the_night_before_has_taken_is_not_of_tonight(nights: Nights) -> None:
    """Files come with the night's own run, until on Wednesday the values alone come on their evening."""
    for day in (MON, TUE):
        nights.take(day, day, "valuations", undated=("canonical_accounts",))
        assert nights.alert(day) == []
    nights.evening(WED, "valuations")
    assert nights.alert(WED) == ["canonical_accounts"]


def test_a_feed_that_came_once_is_not_missed(nights: Nights) -> None:
    """One night says nothing of what comes on most nights."""
    nights.evening(MON, "valuations", "securities")
    assert nights.alert(TUE) == []
    assert nights.report(TUE) == []
    assert nights.status(TUE).startswith("no account has a row")


def test_a_file_refused_on_its_own_evening_is_refused_of_its_night_not_missed(nights: Nights) -> None:
    for day in (MON, TUE):
        nights.evening(day, "valuations", "prices")
    nights.evening(WED, "valuations")
    nights.evening(WED, undated=("prices",), status="refused")
    assert nights.status(WED) == "refused: prices"
    assert nights.report(WED) == []


@pytest.mark.parametrize("dated", [False, True])
def test_the_same_content_again_has_come_where_it_has_no_dates(nights: Nights, *, dated: bool) -> None:
    """A header alone on a day without bookings is byte by byte that of Monday; yesterday's values are not tonight's."""
    for day in (MON, TUE, WED):
        nights.take(day, day, "valuations")
        feeds = (("canonical_transactions",), ()) if dated else ((), ("canonical_transactions",))
        status = "accepted" if day == MON else "duplicate"
        nights.take(day, MON if dated else day, *feeds[0], undated=feeds[1], status=status, content="same")
    assert nights.alert(WED) == []  # dated, it came once: nobody waits for it
    assert nights.status(WED).startswith("no account has a row")
    [row] = nights.connection.execute(
        "SELECT received FROM marts.night_status WHERE business_date = %s", [WED]
    ).fetchall()
    assert row == (1 if dated else 2,)


@pytest.mark.parametrize("run", ["done", "failed"])
def test_the_same_content_as_of_a_list_that_the_gate_has_warned_of_has_not_come(nights: Nights, run: str) -> None:
    """Where the run that took it died, the next one has judged it."""
    for day in (MON, TUE):
        nights.take(day, day, "valuations", undated=("canonical_accounts",), content=f"{day}")
    nights.take(WED, WED, undated=("canonical_accounts",), content="short", run=run)
    nights.take(WED, WED, "valuations")
    nights.connection.execute(
        "INSERT INTO marts.data_quality_result SELECT 'acme', 'custodian', 'canonical_accounts', 'account',"
        " 'account_count', '', 'warn', false, 1, 'at least 9', 1, 0, max(run_no), 'n', %s, %s FROM ops.run"
        " WHERE business_date = %s AND status = 'done'",
        [WED, AT, WED],
    )
    nights.take(THU, THU, "valuations")
    nights.take(THU, THU, undated=("canonical_accounts",), status="duplicate", content="short")
    assert nights.status(THU) == "not received: canonical_accounts"


def test_an_empty_file_again_has_not_come_but_of_bookings_alone(nights: Nights) -> None:
    """That of a vendor's first days, which no rule has looked at, comes again when its system is down."""
    nights.take(DAY_BEFORE[MON], DAY_BEFORE[MON], undated=("canonical_positions",), content="header")
    for day in (MON, TUE):
        nights.take(day, day, "valuations", "canonical_positions")
    nights.take(WED, WED, "valuations")
    nights.take(WED, WED, undated=("canonical_positions",), status="duplicate", content="header")
    assert nights.status(WED) == "not received: canonical_positions"


def test_the_same_content_as_what_is_refused_has_not_come(nights: Nights) -> None:
    for day in (MON, TUE):
        nights.take(day, day, "valuations", undated=("canonical_accounts",))
    nights.take(WED, WED, "valuations")
    nights.take(TUE, TUE, undated=("canonical_accounts",), status="refused", content="bad")
    nights.take(WED, WED, undated=("canonical_accounts",), status="duplicate", content="bad")
    assert nights.status(WED) == "not received: canonical_accounts"


@pytest.mark.parametrize("evening", [False, True])
@pytest.mark.parametrize(
    ("again", "against"),
    [(WED, ""), (THU, "withheld by the gate: prices"), (None, "withheld by the gate: prices")],
)
def test_what_came_whole_on_the_same_night_is_not_held_against_it(
    nights: Nights, again: date | None, against: str, *, evening: bool
) -> None:
    """The same path on the next day, taken on the evening before it, is another delivery; a header alone is not whole.
    evening: what was withheld came on the day's own, with a run of the day before."""
    for day in (MON, TUE):
        nights.take(day, day, "valuations", "prices")
    (nights.evening if evening else partial(nights.take, WED))(WED, "prices", status="withheld")
    nights.take(WED, WED, "valuations")
    nights.take(WED, again or WED, *(["prices"] if again else []), undated=() if again else ("prices",))
    nights.connection.execute("UPDATE ops.file SET path = 'acme/prices' WHERE feed = 'prices'")
    assert nights.status(WED).startswith(against or "no account has a row")


def test_of_a_run_that_was_stopped_only_what_it_has_looked_for_is_missed(nights: Nights) -> None:
    for day in (MON, TUE):
        nights.take(day, day, "valuations", "prices", "bookings")
    for run in ("failed", "replayed"):  # what a replay takes up again has been here
        nights.take(WED, WED, run=run)
        assert nights.report(WED) == []
    [(stopped,)] = nights.connection.execute(
        "SELECT max(run_no) FROM ops.run WHERE business_date = %s", [WED]
    ).fetchall()
    nights.detected(stopped)
    nights.take(WED, WED, "valuations", status="ingested", run="failed")
    nights.take(WED, WED, "bookings", status="normalised", run="failed")
    assert [feed for feed, _, _ in nights.report(WED)] == ["prices"]
    assert nights.alert(WED) == ["prices"]


def test_what_was_told_to_be_missing_has_not_ended_where_a_run_was_stopped_before_it_looked(nights: Nights) -> None:
    for day in (DAY_BEFORE[MON], MON):
        nights.take(day, day, "valuations", "prices", "bookings")
    nights.take(TUE, TUE, "valuations", "bookings")
    assert nights.alert(TUE) == ["prices"]
    nights.take(WED, WED, run="failed")
    said = write_alert(nights.settings, WED) or ""
    assert "ended" not in said.replace("not ended", "")
    nights.take(WED, WED, "valuations")
    assert nights.alert(WED) == ["bookings"]  # nor is it news


def test_a_run_of_one_tenant_has_not_looked_for_the_files_of_another(nights: Nights) -> None:
    for day in (MON, TUE):
        nights.take(day, day, "valuations")
    nights.take(WED, WED, tenant="globex")
    assert nights.alert(WED) == []
    nights.take(WED, WED, tenant="acme")
    assert nights.alert(WED) == ["valuations"]


def test_a_mapping_that_cannot_be_read_does_not_keep_the_message_back(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops every run: just then somebody must be told."""
    for day in (MON, TUE):
        nights.take(day, day, "valuations")
    (tmp_path / "new_vendor.yaml").write_text("fead: positions\n", encoding="utf-8")
    monkeypatch.setenv("DIETZ_MAPPINGS", str(tmp_path))
    assert nights.alert(WED) == ["valuations"]
