"""marts.twrr: any range at any knowledge date is what linking the published rows by hand gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import psycopg
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.daily import daily_performance
from jobs.calculate.epochs import first_differences, new_epochs, rows_to_write
from jobs.calculate.periods import period_returns
from jobs.platform.business_calendar import Calendar, calendar_days
from jobs.platform.ledger import Ledger
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.sample.reference import daily_rows
from tests import calculation
from tests.books import DAYS, FIRST, HOLIDAYS, Account, random_book
from tests.publishing import EMPTY_ROW, Bench

LAST = FIRST + timedelta(days=DAYS)
DAY = timedelta(days=1)
TWRR = "SELECT * FROM marts.twrr(%s, %s, %s, %s, %s)"
FRI, MON, TUE, WED = date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)
NOTHING = (None, None)


@dataclass
class Published:
    """A book published twice: the second time some accounts were restated. `rows`: the reference's, before and after;
    `moments`: a knowledge date before all, after the first and after the second publication."""

    bench: Bench
    rows: list[dict[str, list[dict[str, Any]]]]
    moments: list[datetime]
    frame: DataFrame

    def twrr(self, account_id: str, since: date, to: date, known_at: datetime | None = None) -> tuple[Any, ...]:
        arguments = ["acme", account_id, since, to, known_at or self.moments[2]]
        (found,) = self.bench.admin.execute(TWRR, arguments).fetchall()
        return found


@pytest.fixture(scope="module")
def published(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    home = tmp_path_factory.mktemp("ranges")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        settings = Settings()
    ledger = Ledger(settings)
    with psycopg.connect(database_url, autocommit=True) as admin:
        bench = Bench(spark, settings, ledger, admin)
        before, after = random_book(5, 45), random_book(5, 45)
        moments = [_now(admin)]
        first = _calculated(spark, before).withColumn("epoch", F.lit(1)).persist()
        literals = spark.createDataFrame(_literal_rows(), table("account_performance_daily").struct)
        twin = first.where("account_id < '5-0003'").withColumn("tenant_id", F.lit("zeta"))
        _publish(bench, [first, literals, twin], None)
        moments.append(_now(admin))
        restated = [_restated(account) for account in after[::3]]
        is_restated = F.col("account_id").isin([account.account_id for account in restated])
        second = _calculated(spark, restated)
        changed = first_differences(second, first.where(is_restated)).persist()
        _publish(bench, [rows_to_write(second, first.where(is_restated), changed, None)], new_epochs(changed, None))
        moments.append(_now(admin))
        frame = first.where(~is_restated).unionByName(second.withColumn("epoch", F.lit(2)))
        yield Published(bench, [_reference(before), _reference(after)], moments, frame)
    ledger.close()


def _now(admin: psycopg.Connection) -> datetime:
    row = admin.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]


def _restated(account: Account) -> Account:
    """A value in the middle corrected, the one after it withdrawn."""
    days = sorted(account.values)
    if len(days) > 10:
        account.values[days[len(days) // 2]] = Decimal("1234.5")
        del account.values[days[len(days) // 2 + 1]]
    return account


def _calculated(spark: SparkSession, book: list[Account]) -> DataFrame:
    rows = daily_performance(
        None,
        calculation.valuations(spark, [row for account in book for row in account.valuation_rows()]),
        calculation.transactions(spark, [row for account in book for row in account.transaction_rows()]),
        calculation.accounts(spark, [row for account in book for row in account.account_rows()]),
        calendar=calendar_days(spark, {"acme": Calendar(name="book", holidays=HOLIDAYS)}, LAST),
    )
    return rows.withColumns(
        {"quality_flags": F.lit(""), "run_id": F.lit(""), "run_no": F.lit(0).cast("long")}
    ).persist()


def _publish(bench: Bench, parts: list[DataFrame], epochs: DataFrame | None) -> None:
    run = bench.run(LAST)
    stamp = {"run_id": F.lit(run.run_id), "run_no": F.lit(run.run_no).cast("long")}
    names = table("account_performance_daily").names
    rows = parts[0].withColumns(stamp).select(*names)
    for part in parts[1:]:
        rows = rows.unionByName(part.withColumns(stamp).select(*names))
    bench.lake.write_run(rows, "account_performance_daily", run.run_no, run.run_id)
    if epochs is not None:
        bench.lake.write_run(epochs.withColumns(stamp).drop("run_id"), "account_epoch", run.run_no, run.run_id)
    bench.publish(run)


def _reference(book: list[Account]) -> dict[str, list[dict[str, Any]]]:
    return {
        account.account_id: daily_rows(
            account.values.items(),
            account.bookings,
            flow_timing=account.flow_timing,
            holidays=HOLIDAYS,
            in_performance=account.in_performance,
        )
        for account in book
    }


def _by_hand(rows: list[dict[str, Any]], since: date, to: date) -> tuple[Any, ...]:
    """(twrr, twrr_gross, status, start_date, end_date) by multiplying the returns of the range's rows."""
    inside = [row for row in rows if since < row["as_of_date"] <= to]
    chained = [row for row in inside if row["track_no"] is not None]
    if not chained:
        status = "no_period" if since >= to else inside[-1]["status"] if inside else "not_published"
        return None, None, status, None, None
    end = chained[-1]
    track = [row for row in rows if row["track_no"] == end["track_no"]]
    week = [row for row in track if since - 7 * DAY <= row["as_of_date"] <= since]
    if week:
        start = week[-1]["as_of_date"]
    elif track[0]["status"] != "opening" and track[0]["inception_date"] - DAY == since:
        start = since
    else:
        return None, None, "insufficient_history", None, end["as_of_date"]
    linked = [row for row in track if since < row["as_of_date"] <= end["as_of_date"]]
    net, gross = (float(math.prod(_factor(row, with_fees) for row in linked) - 1) for with_fees in (False, True))
    return net, gross, "ok", start, end["as_of_date"]


def _factor(row: dict[str, Any], with_fees: bool) -> Fraction:
    """max(0, 1 + r) as an exact fraction: after a loss of nearly all the rounding of 1 + r would show."""
    if row["twrr_daily"] is None:
        return Fraction(1)
    gain = Fraction(row["gain_loss"]) + (Fraction(row["fees"]) if with_fees else 0)
    return max(Fraction(0), 1 + gain / Fraction(row["weighted_capital"]))


def _same(got: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    close = all(
        (a is None) == (b is None) and (a is None or math.isclose(a, b, rel_tol=1e-10, abs_tol=1e-10))
        for a, b in zip(got[:2], wanted[:2], strict=True)
    )
    return close and got[2:] == wanted[2:]


def test_random_ranges_are_what_linking_by_hand_gives(published: Published) -> None:
    random = Random(11)
    wrong, seen = [], dict[str, int]()
    for _ in range(4000):
        known = random.choice([0, 1])
        account_id = random.choice(sorted(published.rows[known]))
        since = FIRST + timedelta(days=random.randrange(-5, DAYS))
        days = [row["as_of_date"] for row in published.rows[known][account_id]]
        starts = [row["inception_date"] - DAY for row in published.rows[known][account_id] if row["inception_date"]]
        since = random.choice([since, random.choice(days or [since]), random.choice(starts or [since])])
        to = since + timedelta(days=random.choice([0, 1, 5, 30, 90, 400]))
        wanted = _by_hand(published.rows[known][account_id], since, to)
        got = published.twrr(account_id, since, to, published.moments[known + 1])
        seen[got[2]] = seen.get(got[2], 0) + 1
        if not _same(got, wanted):
            wrong.append((account_id, since, to, known, got, wanted))
    assert wrong == []
    # A book without these would prove little.
    assert seen["ok"] > 1000
    assert min(seen.get(status, 0) for status in ("insufficient_history", "not_published", "no_period", "excluded")) > 2


def test_the_book_holds_total_losses_several_tracks_and_restated_ranges(published: Published) -> None:
    """What the random ranges must have met."""
    after = [row for rows in published.rows[1].values() for row in rows]
    assert sum(row["status"] == "wiped_out" for row in after) > 3
    assert sum(row["track_no"] is not None and row["track_no"] > 1 for row in after) > 20
    assert published.bench.marts("SELECT count(DISTINCT account_id) > 10 FROM history.account_performance_daily") == [
        (True,)
    ]


def test_ranges_are_what_the_period_mart_says(published: Published) -> None:
    starts = [FIRST + timedelta(days=days) for days in (-1, 20, 61, 100)]
    chained = published.frame.where("track_no IS NOT NULL")
    last = chained.groupBy("tenant_id", "account_id").agg(F.max("as_of_date").alias("as_of_date"))
    ends = published.frame.join(last, ["tenant_id", "account_id", "as_of_date"], "left_semi")
    ranges = [(str(start), start) for start in starts]
    compared = 0
    for row in period_returns(ends, published.frame, ranges=ranges).collect():
        if row["period"] not in dict(ranges) or row["as_of_date"] <= date.fromisoformat(row["period"]):
            continue
        got = published.twrr(row["account_id"], date.fromisoformat(row["period"]), LAST)
        wanted = (row["twrr"], row["twrr_gross"], row["status"], row["start_date"], row["as_of_date"])
        assert _same(got, wanted), (row["account_id"], row["period"])
        compared += row["status"] == "ok"
    assert compared > 30


def test_before_the_first_publication_nothing_is_known(published: Published) -> None:
    account_id = next(iter(published.rows[0]))
    assert published.twrr(account_id, FIRST, LAST, published.moments[0]) == (*NOTHING, "not_published", None, None)


def _literal_rows() -> list[tuple[Any, ...]]:
    """Accounts of tenant `firm`, one row a line: account, date, status, track, inception, chain net and gross, total
    loss."""
    lines: list[tuple[Any, ...]] = [
        ("plain", FRI, "ok", 1, FRI, 1.10, 1.11, None),
        ("plain", MON, "ok", 1, FRI, 1.21, 1.25, None),
        ("plain", TUE, "ok", 1, FRI, 1.331, 1.40, None),
        ("plain", WED, "no_fx", None, None, None, None, None),
        ("opened", MON, "opening", 1, MON, 1.0, 1.0, None),
        ("opened", TUE, "ok", 1, MON, 1.5, 1.6, None),
        ("lost", FRI, "ok", 1, FRI, 1.1, 1.1, None),
        ("lost", MON, "wiped_out", 1, FRI, 1.1, 1.1, MON),
        ("lost", TUE, "ok", 1, FRI, 1.32, 1.32, MON),
        ("refunded", FRI, "ok", 1, FRI, 1.2, 1.2, None),
        ("refunded", MON, "no_capital", 1, FRI, 1.2, 1.2, None),
        ("refunded", TUE, "ok", 2, TUE, 1.05, 1.05, None),
        ("out", MON, "excluded", None, None, None, None, None),
        ("old", MON, "ok", 1, MON, None, None, None),
    ]
    columns = ("account_id", "as_of_date", "status", "track_no", "inception_date", "chain_net", "chain_gross")
    names = table("account_performance_daily").names
    rows = []
    for *values, lost in lines:
        row = EMPTY_ROW | dict(zip(columns, values, strict=True)) | {"wiped_out_on": lost, "wiped_out_gross_on": lost}
        rows.append(tuple(({"run_id": "", "run_no": 0} | row | {"tenant_id": "firm"}).get(name) for name in names))
    return rows


@pytest.mark.parametrize(
    ("account_id", "since", "to", "wanted"),
    [
        ("plain", FRI, TUE, (0.21, 1.40 / 1.11 - 1, "ok", FRI, TUE)),
        ("plain", FRI - DAY, TUE, (0.331, 0.40, "ok", FRI - DAY, TUE)),  # where the track begins
        ("plain", FRI - 2 * DAY, TUE, (*NOTHING, "insufficient_history", None, TUE)),
        ("plain", MON, date(2027, 1, 1), (0.1, 1.40 / 1.25 - 1, "ok", MON, TUE)),  # the row without a rate is passed
        ("plain", date(2026, 1, 4), MON, (0.1, 1.25 / 1.11 - 1, "ok", FRI, MON)),  # from a Sunday
        ("plain", TUE, WED, (*NOTHING, "no_fx", None, None)),
        ("plain", WED, date(2026, 2, 1), (*NOTHING, "not_published", None, None)),
        ("plain", TUE, TUE, (*NOTHING, "no_period", None, None)),
        ("opened", MON - DAY, TUE, (*NOTHING, "insufficient_history", None, TUE)),  # there was no capital on Sunday
        ("opened", MON, TUE, (0.5, 0.6, "ok", MON, TUE)),
        ("lost", FRI, TUE, (-1.0, -1.0, "ok", FRI, TUE)),
        ("lost", MON, TUE, (0.2, 0.2, "ok", MON, TUE)),  # after it
        ("refunded", FRI, TUE, (*NOTHING, "insufficient_history", None, TUE)),  # never across two tracks
        ("refunded", MON, TUE, (0.05, 0.05, "ok", MON, TUE)),
        ("refunded", FRI, MON, (0.0, 0.0, "ok", FRI, MON)),
        ("out", FRI, MON, (*NOTHING, "excluded", None, None)),
        ("old", MON - DAY, MON, (*NOTHING, "not_published", None, MON)),  # a row without its chain is no 0 %
        ("nobody", FRI, MON, (*NOTHING, "not_published", None, None)),
    ],
)
def test_worked_ranges(published: Published, account_id: str, since: date, to: date, wanted: tuple[Any, ...]) -> None:
    (got,) = published.bench.admin.execute(
        "SELECT * FROM marts.twrr('firm', %s, %s, %s)", [account_id, since, to]
    ).fetchall()
    assert _same(got, wanted), got


def test_a_week_before_the_start_is_near_enough_and_a_day_more_is_not(published: Published) -> None:
    def status(since: date) -> str:
        sql = "SELECT status FROM marts.twrr('firm', 'gaps', %s, '2026-02-02')"
        return published.bench.marts(sql.replace("%s", f"'{since}'"))[0][0]

    published.bench.admin.execute(
        "INSERT INTO marts.account_performance_daily (tenant_id, account_id, as_of_date, status, track_no,"
        " inception_date, chain_net, chain_gross, quality_flags, epoch, run_id, published_at) VALUES"
        " ('firm', 'gaps', '2026-01-05', 'ok', 1, '2025-12-01', 1.1, 1.1, '', 1, '', now()),"
        " ('firm', 'gaps', '2026-02-02', 'ok', 1, '2025-12-01', 1.2, 1.2, '', 1, '', now())"
    )
    assert [status(date(2026, 1, 12)), status(date(2026, 1, 13))] == ["ok", "insufficient_history"]


def test_an_analyst_gets_the_returns_of_own_tenants_only(published: Published, database_url: str) -> None:
    admin, account_id = published.bench.admin, "5-0001"
    rows = published.rows[0][account_id]
    ok = next(row["as_of_date"] for row in rows if _by_hand(rows, row["as_of_date"], LAST)[2] == "ok")
    admin.execute("DROP ROLE IF EXISTS rae_of_acme")
    admin.execute("CREATE ROLE rae_of_acme LOGIN IN ROLE dietz_analyst")
    admin.execute("INSERT INTO security.tenant_member VALUES ('rae_of_acme', 'acme')")
    try:
        with psycopg.connect(database_url.replace("postgres@", "rae_of_acme@"), autocommit=True) as rae:
            for tenant, status in (("acme", "ok"), ("zeta", "not_published")):
                for moment in (published.moments[1], published.moments[2]):
                    found = rae.execute(TWRR, [tenant, account_id, ok, LAST, moment]).fetchone()
                    assert (found or NOTHING)[2:3] == (status,), (tenant, moment)
        there = admin.execute(TWRR, ["zeta", account_id, ok, LAST, published.moments[2]]).fetchone()
        assert (there or NOTHING)[2:3] == ("ok",)
    finally:
        admin.execute("TRUNCATE security.tenant_member")
        admin.execute("DROP ROLE rae_of_acme")


def test_groups_have_the_same_ranges(published: Published) -> None:
    """A household restated between two publications, and one of another type with its name."""
    admin = published.bench.admin
    admin.execute(
        "CREATE TABLE marts.of_groups PARTITION OF marts.group_performance_daily"
        " FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
    )
    row = (
        "INSERT INTO {} (tenant_id, group_type, group_id, as_of_date, status, track_no, inception_date, chain_net,"
        " chain_gross, wiped_out_on, quality_flags, epoch, run_id, published_at{}) VALUES"
        " ('firm', '{}', 'h1', '{}', 'ok', 1, '2026-01-02', {}, {}, NULL, '', 1, '', '2026-02-0{}'{})"
    )
    daily, history = "marts.group_performance_daily", "history.group_performance_daily"
    try:
        admin.execute(row.format(daily, "", "household", FRI, 1.1, 1.2, 1, ""))
        admin.execute(row.format(daily, "", "household", MON, 1.32, 1.5, 3, ""))
        admin.execute(row.format(daily, "", "advisor", MON, 9, 9, 1, ""))
        known = ", '2026-02-01', '2026-02-03'"
        admin.execute(row.format(history, ", known_from, known_to", "household", MON, 1.21, 1.3, 1, known))
        sql = "SELECT * FROM marts.group_twrr('firm', '{}', 'h1', '2026-01-02', '2026-01-31'{})"
        now, before, anon = (
            published.bench.marts(sql.format(*given))[0]
            for given in (("household", ""), ("household", ", '2026-02-02'"), ("model", ""))
        )
        assert _same(now, (0.2, 0.25, "ok", FRI, MON)), now
        assert _same(before, (0.1, 1.3 / 1.2 - 1, "ok", FRI, MON)), before
        assert anon[2] == "not_published"
    finally:
        admin.execute("DROP TABLE marts.of_groups")
        admin.execute(f"TRUNCATE {history}")
