"""publish: what gold holds becomes visible once, whole, to those who may see it; what it replaces goes to history."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.settings import Settings
from jobs.publish import job, partitions
from jobs.publish.maintenance import fold_days_into_months
from tests.publishing import Bench, value

MON, TUE, WED, THU = (date(2026, 1, day) for day in (5, 6, 7, 8))
VALUES = "SELECT account_id, as_of_date, end_market_value, epoch FROM {} ORDER BY 1, 2, 4"
DAILY, HISTORY = "marts.account_performance_daily", "history.account_performance_daily"


@pytest.fixture
def bench(spark: SparkSession, settings: Settings, database_url: str) -> Iterator[Bench]:
    ledger = Ledger(settings)
    with psycopg.connect(database_url, autocommit=True) as admin:
        for name in partitions.existing_ranges(admin, DAILY).values():
            admin.execute(f"DROP TABLE {name}")
        partitions.clear_stage(admin)
        admin.execute(
            "TRUNCATE ops.run, ops.step_run, ops.file, ops.tenant_progress, ops.publication, ops.account_epoch,"
            " ops.held_back, history.account_performance_daily, marts.account, marts.reconciliation_break,"
            " marts.quarantined_row, marts.held_account, marts.data_quality_result, marts.night_status,"
            " marts.restatement"
        )
        yield Bench(spark, settings, ledger, admin)
    ledger.close()


def test_money_and_returns_arrive_exactly_and_publishing_again_changes_nothing(bench: Bench) -> None:
    run = bench.run(MON)
    bench.daily(
        run,
        value("A", MON, "12345678901234567890.12345678", twrr_daily=0.1 + 0.2, gain_loss=Decimal("-0.00000001")),
        value("B", MON, "0", status="opening", begin_market_value=None),
    )
    first = bench.publish(run)
    everything = bench.marts(f"SELECT * FROM {DAILY} ORDER BY account_id")
    assert (first["rows"], first["partitions"]) == (2, 1)
    assert bench.marts(
        f"SELECT end_market_value, gain_loss, twrr_daily, begin_market_value FROM {DAILY} ORDER BY 1"
    ) == [
        (Decimal("0E-8"), None, None, None),
        (Decimal("12345678901234567890.12345678"), Decimal("-1E-8"), 0.1 + 0.2, None),
    ]
    again = bench.publish(bench.run(MON))
    assert (again["rows"], again["to_history"]) == (0, 0)
    assert bench.marts(f"SELECT * FROM {DAILY} ORDER BY account_id") == everything
    assert len(bench.marts("SELECT * FROM ops.publication WHERE table_name = 'marts.account_performance_daily'")) == 1


def test_a_history_goes_into_months_and_each_night_into_a_day(bench: Bench) -> None:
    run = bench.run(date(2026, 2, 3))
    bench.daily(run, *(value("A", day, "1") for day in (date(2025, 12, 31), MON, WED, date(2026, 2, 3))))
    bench.publish(run)
    run = bench.run(date(2026, 2, 4))
    bench.daily(run, value("A", date(2026, 2, 4), "2"), value("B", TUE, "3"))
    bench.publish(run)
    assert sorted(name for name in partitions.existing_ranges(bench.admin, DAILY).values()) == [
        "marts.account_performance_daily_20251231",
        "marts.account_performance_daily_20260105_20260107",
        "marts.account_performance_daily_20260203",
        "marts.account_performance_daily_20260204",
    ]
    assert [row[:2] for row in bench.marts(VALUES.format(DAILY))][-1] == ("B", TUE)  # by key, into the month


def test_a_restatement_replaces_rows_and_history_says_what_was_known_when(bench: Bench) -> None:
    first = bench.run(TUE)
    bench.daily(first, value("A", MON, "10"), value("A", TUE, "11"), value("B", TUE, "5"))
    bench.publish(first)
    seen = bench.marts(f"SELECT * FROM {DAILY} ORDER BY account_id, as_of_date")
    ((then,),) = bench.marts("SELECT clock_timestamp()")
    second = bench.run(WED)  # a new Monday; Tuesday's valuation was withdrawn
    bench.write("account_epoch", second, [{"tenant_id": "acme", "account_id": "A", "epoch": 2, "from_date": MON}])
    bench.daily(second, value("A", MON, "20", epoch=2), value("A", WED, "21", epoch=2), value("B", WED, "6"))
    assert bench.publish(second)["to_history"] == 2
    assert bench.marts(VALUES.format(DAILY)) == [
        ("A", MON, Decimal(20), 2),
        ("A", WED, Decimal(21), 2),
        ("B", TUE, Decimal(5), 1),
        ("B", WED, Decimal(6), 1),
    ]
    assert bench.marts(VALUES.format(HISTORY)) == [("A", MON, Decimal(10), 1), ("A", TUE, Decimal(11), 1)]
    (told,) = bench.marts(
        "SELECT h.known_from = old.published_at, h.known_to = d.published_at, h.known_from < h.known_to"
        " FROM history.account_performance_daily h JOIN marts.account_performance_daily d"
        " USING (account_id, as_of_date)"
        " JOIN ops.publication old ON old.run_id = h.run_id AND old.table_name = 'marts.account_performance_daily'"
    )
    assert told == (True, True, True)
    known = "SELECT * FROM marts.account_performance_as_known('{}') ORDER BY account_id, as_of_date"
    assert bench.marts(known.format(then)) == seen
    now = bench.marts(f"SELECT * FROM {DAILY} ORDER BY account_id, as_of_date")
    assert bench.marts(known.format("infinity")) == now
    assert bench.marts(known.format("2026-01-01")) == []


def test_the_state_goes_back_where_an_account_s_last_row_is_no_more(bench: Bench) -> None:
    """Else the next night would be chained to a row that no longer exists."""
    first = bench.run(TUE)
    bench.daily(first, *(value(name, day, "1") for name in "AB" for day in (MON, TUE)))
    bench.publish(first)
    second = bench.run(WED)
    bench.write("account_epoch", second, [{"tenant_id": "acme", "account_id": "A", "epoch": 2, "from_date": TUE}])
    bench.daily(second, value("B", WED, "2"))
    bench.publish(second)
    state = {(row.account_id, row.as_of_date) for row in bench.lake.read("account_state").collect()}
    assert state == {("A", MON), ("B", WED)}


def test_rows_of_an_older_epoch_never_come_back(bench: Bench) -> None:
    new = bench.run(MON)
    bench.write("account_epoch", new, [{"tenant_id": "acme", "account_id": "A", "epoch": 3, "from_date": MON}])
    bench.daily(new, value("A", MON, "30", epoch=3))
    bench.publish(new)
    late = bench.run(TUE)  # calculated before, published after: an attempt that had hung
    bench.daily(late, value("A", MON, "20", epoch=2), value("A", TUE, "21", epoch=2), value("B", MON, "1"))
    counters = bench.publish(late)
    assert counters["rows_superseded"] == 2
    assert bench.marts(VALUES.format(DAILY)) == [("A", MON, Decimal(30), 3), ("B", MON, Decimal(1), 1)]
    assert bench.marts(VALUES.format(HISTORY)) == []


def test_held_accounts_are_left_out_until_they_are_released(bench: Bench) -> None:
    hold = {"tenant_id": "acme", "account_id": "A", "as_of_date": TUE, "rule": "jump", "reason": "+900 %"}
    night = bench.run(TUE)
    bench.daily(night, value("A", MON, "1"), value("A", TUE, "10"), value("B", TUE, "5"))
    bench.write("held_account", night, [{**hold, "severity": "hold", "state": "held"}])
    assert bench.publish(night)["accounts_held"] == 1
    assert [row[:2] for row in bench.marts(VALUES.format(DAILY))] == [("A", MON), ("B", TUE)]
    state = {(row.account_id, row.as_of_date) for row in bench.lake.read("account_state").collect()}
    assert state == {("A", MON), ("B", TUE)}  # tomorrow does not build on a held row

    release = bench.run(WED)
    bench.write("held_account", release, [{**hold, "severity": "hold", "state": "released"}])
    bench.daily(release, value("B", WED, "6"))
    bench.publish(release)
    assert [row[:2] for row in bench.marts(VALUES.format(DAILY))] == [("A", MON), ("A", TUE), ("B", TUE), ("B", WED)]
    assert bench.marts("SELECT account_id, state FROM marts.held_account") == [("A", "released")]


def test_a_day_that_is_released_is_published_though_the_next_one_is_held(bench: Bench) -> None:
    hold = {"tenant_id": "acme", "account_id": "A", "rule": "jump", "reason": "+900 %", "severity": "hold"}
    tuesday, wednesday = {**hold, "as_of_date": TUE}, {**hold, "as_of_date": WED}
    night = bench.run(TUE)
    bench.daily(night, value("A", MON, "1"), value("A", TUE, "10"))
    bench.write("held_account", night, [{**tuesday, "state": "held"}])
    bench.publish(night)

    later = bench.run(WED)
    bench.daily(later, value("A", WED, "100"))
    bench.write("held_account", later, [{**tuesday, "state": "released"}, {**wednesday, "state": "held"}])
    bench.publish(later)
    assert [row[:2] for row in bench.marts(VALUES.format(DAILY))] == [("A", MON), ("A", TUE)]
    assert [row.as_of_date for row in bench.lake.read("account_state").collect()] == [TUE]
    [held_from] = bench.marts("SELECT held_from FROM ops.held_back")
    assert held_from == (WED,)

    last = bench.run(THU)
    bench.write("held_account", last, [{**wednesday, "state": "released"}])
    bench.publish(last)
    assert [row[:2] for row in bench.marts(VALUES.format(DAILY))] == [("A", MON), ("A", TUE), ("A", WED)]
    assert bench.marts("SELECT * FROM ops.held_back") == []


def test_of_one_run_the_later_step_says_whether_an_account_is_held(bench: Bench) -> None:
    night = bench.run(MON)
    found = {"tenant_id": "acme", "as_of_date": MON, "rule": "jump", "reason": "half as much again", "severity": "hold"}
    let_through, held = {**found, "state": "released", "step": "check"}, {**found, "state": "held", "step": "reconcile"}
    rows = [{**one, "account_id": account} for account in ("A", "B") for one in (let_through, held)]
    bench.write("held_account", night, rows[:2] + rows[:1:-1])  # in either order
    bench.publish(night)
    assert bench.marts("SELECT account_id, state FROM marts.held_account ORDER BY 1") == [("A", "held"), ("B", "held")]


def test_a_login_sees_its_tenants_only_by_every_road(bench: Bench, database_url: str) -> None:
    first = bench.run(MON)
    bench.daily(first, value("A", MON, "1"), value("Z", MON, "9", tenant_id="zeta"))
    bench.publish(first)
    second = bench.run(TUE)
    epochs = [("acme", "A"), ("zeta", "Z")]
    bench.write(
        "account_epoch",
        second,
        [{"tenant_id": tenant, "account_id": name, "epoch": 2, "from_date": MON} for tenant, name in epochs],
    )
    bench.daily(second, value("A", MON, "2", epoch=2), value("Z", MON, "8", tenant_id="zeta", epoch=2))
    bench.publish(second)
    bench.admin.execute("DROP ROLE IF EXISTS alice_of_acme")
    bench.admin.execute("CREATE ROLE alice_of_acme LOGIN IN ROLE dietz_analyst")
    bench.admin.execute("INSERT INTO security.tenant_member VALUES ('alice_of_acme', 'acme'), ('dietz_loader', 'zeta')")
    bench.admin.execute(f"CREATE VIEW marts.test_view WITH (security_invoker = true) AS SELECT * FROM {DAILY}")
    bench.admin.execute("GRANT SELECT ON marts.test_view TO dietz_analyst")
    partition = partitions.existing_ranges(bench.admin, DAILY).popitem()[1]
    try:
        with psycopg.connect(database_url.replace("postgres@", "alice_of_acme@"), autocommit=True) as alice:
            as_known = "marts.account_performance_as_known(now())"
            for relation in (DAILY, HISTORY, "marts.test_view", "security.tenant_member", as_known):
                assert alice.execute(f"SELECT DISTINCT tenant_id FROM {relation}").fetchall() == [("acme",)], relation
            for closed in (partition, "ops.file", "ops.account_epoch"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    alice.execute(f"SELECT * FROM {closed}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                alice.execute("SET ROLE dietz_loader")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                alice.execute("INSERT INTO security.tenant_member VALUES ('alice_of_acme', 'zeta')")
            # Should someone grant a partition by mistake, its own policy still holds.
            bench.admin.execute(f"GRANT SELECT ON {partition} TO dietz_analyst")
            assert alice.execute(f"SELECT DISTINCT tenant_id FROM {partition}").fetchall() == [("acme",)]
    finally:
        bench.admin.execute("DROP VIEW marts.test_view")
        bench.admin.execute("TRUNCATE security.tenant_member")
        bench.admin.execute("DROP ROLE alice_of_acme")


def test_a_reader_sees_all_of_a_night_or_nothing(bench: Bench, database_url: str) -> None:
    """All of it: the new day, the restated rows, the breaks and the night's status."""
    first = bench.run(MON)
    bench.daily(first, *(value(f"A{number}", MON, "1") for number in range(50)))
    bench.publish(first)
    night = bench.run(TUE)
    bench.write(
        "account_epoch",
        night,
        [{"tenant_id": "acme", "account_id": f"A{n}", "epoch": 2, "from_date": MON} for n in range(50)],
    )
    bench.daily(night, *(value(f"A{n}", day, "2", epoch=2) for n in range(50) for day in (MON, TUE)))
    query = f"""SELECT count(*) FILTER (WHERE as_of_date = '{TUE}'), count(*) FILTER (WHERE epoch = 2),
        (SELECT count(*) FROM {HISTORY}), (SELECT count(*) FROM ops.publication WHERE run_id = '{night.run_id}'
        AND table_name = '{DAILY}') FROM {DAILY}"""
    seen: set[tuple[int, ...]] = set()
    stop = threading.Event()

    def poll() -> None:
        with psycopg.connect(database_url, autocommit=True) as reader:
            while not stop.is_set():
                seen.add(reader.execute(query).fetchone())  # type: ignore[arg-type]

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        bench.publish(night)
    finally:
        while not stop.is_set() and len(seen) < 2 and thread.is_alive():
            stop.wait(0.05)
        stop.set()
        thread.join()
    assert seen == {(0, 0, 0, 0), (50, 100, 50, 1)}


def test_an_open_reader_does_not_keep_a_night_from_being_published(bench: Bench, database_url: str) -> None:
    first = bench.run(MON)
    bench.daily(first, value("A", MON, "1"))
    bench.publish(first)
    with psycopg.connect(database_url) as reader:  # a long report: its transaction holds ACCESS SHARE on the marts
        reader.execute(f"SELECT * FROM {DAILY}")
        night = bench.run(TUE)
        bench.daily(night, value("A", TUE, "2"))
        bench.publish(night)
        assert reader.execute(f"SELECT count(*) FROM {DAILY}").fetchone() == (2,)


def killed_in(name: str, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a function of the job by one that does its work and then loses every connection of the pipeline."""
    module, function = {
        "copy": (job, "copy_files"),
        "finish": (partitions, "finish"),
        "attach": (partitions, "attach"),
        "state": (job.Publication, "_advance_state"),
    }[name]
    real = getattr(module, function)

    def then_die(*arguments: Any) -> Any:
        result = real(*arguments)
        bench.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'dietz' AND pid <> %s",
            [bench.ledger.connection.info.backend_pid],
        )
        return result

    monkeypatch.setattr(module, function, then_die)


def test_a_publication_that_is_killed_and_run_again_ends_like_an_undisturbed_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.run(MON)
    bench.daily(first, value("A", MON, "1"), value("B", MON, "2"))
    bench.publish(first)
    night = bench.run(TUE)
    bench.write("account_epoch", night, [{"tenant_id": "acme", "account_id": "A", "epoch": 2, "from_date": MON}])
    bench.daily(night, value("A", MON, "3", epoch=2), value("A", TUE, "4", epoch=2), value("B", TUE, "5"))
    for moment in ("copy", "finish", "state", "attach"):
        with monkeypatch.context() as patch:
            killed_in(moment, bench, patch)
            with pytest.raises(psycopg.Error):
                bench.publish(night)
        assert bench.marts(VALUES.format(DAILY)) == [("A", MON, Decimal(1), 1), ("B", MON, Decimal(2), 1)], moment
    bench.publish(night)
    assert bench.marts(VALUES.format(DAILY)) == [
        ("A", MON, Decimal(3), 2),
        ("A", TUE, Decimal(4), 2),
        ("B", MON, Decimal(2), 1),
        ("B", TUE, Decimal(5), 1),
    ]
    assert bench.marts(VALUES.format(HISTORY)) == [("A", MON, Decimal(1), 1)]
    assert bench.marts("SELECT relname FROM pg_class WHERE relnamespace = 'stage'::regnamespace") == []


def test_days_fold_into_months_under_the_readers_eyes(bench: Bench) -> None:
    for night in (MON, TUE, date(2026, 2, 2)):
        run = bench.run(night)
        bench.daily(run, value("A", night, "1"), value("B", night, "2"))
        bench.publish(run)
    before = bench.marts(f"SELECT * FROM {DAILY} ORDER BY account_id, as_of_date")
    assert fold_days_into_months(bench.settings, date(2026, 2, 28)) == 1
    assert bench.marts(f"SELECT * FROM {DAILY} ORDER BY account_id, as_of_date") == before
    assert sorted(partitions.existing_ranges(bench.admin, DAILY).values()) == [
        "marts.account_performance_daily_20260105_20260106",
        "marts.account_performance_daily_20260202",
    ]
    unprotected = (
        "SELECT oid::regclass FROM pg_class WHERE relispartition AND relkind = 'r' AND NOT relforcerowsecurity"
    )
    assert bench.marts(unprotected) == []
    assert fold_days_into_months(bench.settings, date(2026, 2, 28)) == 0


def test_small_marts_take_the_latest_run_s_row_and_leave_equal_rows_alone(bench: Bench) -> None:
    found = {
        "tenant_id": "acme",
        "break_id": "b1",
        "account_id": "A",
        "as_of_date": MON,
        "source_vendor": "canonical",
        "type": "end_value",
        "difference": Decimal("1.5"),
        "state": "open",
        "first_seen_on": MON,
        "last_seen_on": MON,
        "reason": "differs",
    }
    first = bench.run(MON)
    bench.write("reconciliation_break", first, [found, {**found, "break_id": "b2"}])
    bench.publish(first)
    second = bench.run(TUE)
    bench.write("reconciliation_break", second, [{**found, "state": "resolved", "last_seen_on": TUE}])
    assert bench.publish(second)["reconciliation_break"] == 1
    assert bench.marts(
        "SELECT break_id, state, difference, published_at = (SELECT max(published_at) FROM ops.publication)"
        " FROM marts.reconciliation_break ORDER BY 1"
    ) == [("b1", "resolved", Decimal("1.50000000"), True), ("b2", "open", Decimal("1.50000000"), False)]


def test_accounts_are_published_as_of_files_that_are_used(bench: Bench) -> None:
    """On Tuesday a file that the gate withholds moves A to another household, and a file of `beta` waits for its gate
    while a run of `acme` alone publishes. By Wednesday a row of the first is mended, and both are accepted: without
    another row of accounts."""
    account = {"vendor": "canonical", "effective_from": date(2026, 1, 1), "base_currency": "USD", "account_id": "A"}
    account |= {"tenant_id": "acme", "in_performance": True, "household_id": "first"}
    account |= {"feed": "canonical_accounts", "line_no": 2, "record_no": 1, "mapping_version": "m"}
    of_file = {"size_bytes": 1, "modified_at": bench.marts("SELECT now()")[0][0], "vendor": "canonical"}

    def came(file_id: str, night: date, status: str, **row: Any) -> Run:
        run = bench.run(night)
        filled = account | row
        file = FileRecord(file_id, filled["tenant_id"], file_id, status=status, run_no=run.run_no, **of_file)
        bench.ledger.register_files([file])
        bench.write("account", run, [{**filled, "file_id": file_id, "arrival_no": run.run_no}])
        return run

    households = "SELECT account_id, household_id FROM marts.account ORDER BY 1"
    members = "SELECT account_id, group_id FROM marts.group_member WHERE group_type = 'household' ORDER BY 1"
    bench.publish(came("f1", MON, "accepted"))
    came("f2", TUE, "withheld", household_id="wrong")
    came("f3", TUE, "normalised", tenant_id="beta", account_id="B")

    bench.publish(bench.run(TUE, tenant="acme"))
    assert bench.marts(households)[0] == ("A", "first")
    assert bench.marts(members)[0] == ("A", "first")

    night = bench.run(WED)
    bench.ledger.update_files({"f2": {"status": "accepted"}, "f3": {"status": "accepted"}})
    bench.admin.execute("INSERT INTO ops.replay VALUES (%s, 'f2', now())", [night.run_no])
    bench.publish(night)
    assert bench.marts(households) == bench.marts(members) == [("A", "wrong"), ("B", "first")]


def test_progress_and_the_night_s_status_move_with_the_night(bench: Bench) -> None:
    night = bench.run(MON)
    noon = bench.marts("SELECT now()")[0][0]
    shared = {"tenant_id": "acme", "size_bytes": 1, "modified_at": noon, "vendor": "canonical", "run_no": night.run_no}
    bench.ledger.register_files(
        [
            FileRecord(file_id="f1", path="acme/a", status="accepted", feed="canonical_accounts", **shared),
            FileRecord(file_id="f2", path="acme/v", status="withheld", feed="canonical_valuations", **shared),
        ]
    )
    bench.daily(night, value("A", MON, "1"), value("B", MON, "1"))
    bench.write(
        "reconciliation_break",
        night,
        [
            {
                **{"tenant_id": "acme", "break_id": "b1", "account_id": "A", "as_of_date": MON, "reason": "differs"},
                **{"source_vendor": "canonical", "type": "twrr_daily", "state": "open"},
                **{"first_seen_on": MON, "last_seen_on": MON},
            }
        ],
    )
    bench.publish(night)
    status = "SELECT source, expected, received, reconciled, held, published FROM marts.night_status"
    assert bench.marts(status) == [("canonical", 2, 1, 1, 0, 2)]
    assert bench.ledger.progress("acme").calculated_through == MON


def test_a_run_of_one_vendor_passes_no_tenant_over_that_it_has_not_calculated(bench: Bench) -> None:
    night = bench.run(MON, vendor="brokerage")
    noon = bench.marts("SELECT now()")[0][0]
    of_file = {"status": "accepted", "size_bytes": 1, "modified_at": noon, "run_no": night.run_no}
    theirs = {"tenant_id": "zenith", "vendor": "canonical", "feed": "canonical_valuations"}
    own = {"tenant_id": "acme", "vendor": "brokerage", "feed": "brokerage_positions"}
    bench.ledger.register_files(
        [FileRecord(file_id=one["tenant_id"], path=one["tenant_id"], **of_file, **one) for one in (own, theirs)]
    )
    bench.daily(night, value("A", MON, "1"))
    bench.publish(night)
    through = [bench.ledger.progress(tenant).calculated_through for tenant in ("acme", "zenith")]
    assert through == [MON, None]
