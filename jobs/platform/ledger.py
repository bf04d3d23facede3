"""The run ledger in Postgres (`ops.*`): runs and their steps, files and their fate, how far each tenant has come."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from jobs.platform import database, fencing, migrations
from jobs.platform.errors import DietzError
from jobs.platform.logs import bind, configure, get_log
from jobs.platform.settings import Settings

# A file in one of these states has been taken by a run that has not brought it to an end.
UNFINISHED = ["detected", "ingested", "normalised"]
# A file in one of these states has not been taken: the same content may come again.
NOT_TAKEN = ["waiting", "unrecognised", "duplicate"]
# A run that was killed just after it published is done, whatever its status says.
PUBLISHED = "EXISTS (SELECT FROM ops.publication p WHERE p.run_id = run.run_id)"


@dataclass
class FileRecord:
    """One delivered file, or member of an archive: a row of ops.file."""

    file_id: str
    tenant_id: str
    path: str
    size_bytes: int
    modified_at: datetime
    status: str
    member: str = ""
    sha256: str | None = None
    vendor: str | None = None
    feed: str | None = None
    mapping_version: str | None = None
    business_date: date | None = None
    first_date: date | None = None
    last_date: date | None = None
    run_no: int | None = None
    arrival_no: int | None = None
    detection: dict[str, Any] = field(default_factory=dict)
    lines: int | None = None
    records: int | None = None
    silver: int | None = None
    quarantined: int | None = None
    skipped: int | None = None
    message: str | None = None


@dataclass(frozen=True)
class Progress:
    """Every input dated up to calculated_through and loaded by runs up to run_no is in the published numbers."""

    calculated_through: date | None = None
    run_no: int = 0


@dataclass(frozen=True)
class Run:
    """One run of the pipeline, as every step gets it."""

    run_id: str
    run_no: int
    business_date: date
    from_date: date | None
    tenant: str | None
    vendor: str | None
    ledger: Ledger = field(compare=False, repr=False)


COLUMNS = [column.name for column in fields(FileRecord)]


class Ledger:
    """The ledger over one connection that commits each statement."""

    def __init__(self, settings: Settings) -> None:
        """Starts the embedded database and migrates where needed."""
        configure(settings)
        migrations.ensure(settings)
        self.connection = database.connect(settings, autocommit=True)

    def close(self) -> None:
        self.connection.close()

    # Runs and steps

    def open_run(
        self,
        business_date: date,
        *,
        from_date: date | None = None,
        tenant: str | None = None,
        vendor: str | None = None,
        run_id: str | None = None,
    ) -> Run:
        """Begin a run, or go on with the one of that run_id.

        A run that is done or has published stays as it is, since running its steps again under its number would
        replace its rows in the lake: going on with `nightly` then means a new run `nightly.2`. Raises DietzError where
        the run_id belongs to another date.
        """
        wanted = run_id or f"{business_date}-{secrets.token_hex(4)}"
        with self.connection.transaction():
            # Steps that start at the same time under one run_id must agree on the run.
            self.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [wanted])
            known = self.connection.execute(
                f"SELECT run_id, business_date, status = 'done' OR {PUBLISHED} FROM ops.run"  # noqa: S608
                " WHERE run_id = %s OR regexp_replace(run_id, '\\.[0-9]+$', '') = %s ORDER BY run_no DESC",
                [wanted, wanted],
            ).fetchall()
            if known and known[0][1] != business_date:
                raise DietzError(f"run '{wanted}' is of {known[0][1]}, not of {business_date}: choose another run id")
            if known and not known[0][2]:
                name = known[0][0]
                self.connection.execute(
                    "UPDATE ops.run SET status = 'running', ended_at = NULL WHERE run_id = %s", [name]
                )
            else:
                name = wanted if not known else f"{wanted}.{len(known) + 1}"
                self.connection.execute(
                    "INSERT INTO ops.run (run_id, business_date, from_date, tenant, vendor, code_version)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
                    [name, business_date, from_date, tenant, vendor, code_version()],
                )
        run = self._run("run_id = %s", [name])
        assert run is not None
        bind(run_id=run.run_id)
        return run

    def latest_run(self, business_date: date, *, tenant: str | None = None, vendor: str | None = None) -> Run | None:
        """The newest run of that date and scope that has neither ended nor published."""
        return self._run(
            f"status = 'running' AND NOT {PUBLISHED} AND business_date = %s AND tenant IS NOT DISTINCT FROM %s"
            " AND vendor IS NOT DISTINCT FROM %s",
            [business_date, tenant, vendor],
        )

    def _run(self, condition: str, values: list[Any]) -> Run | None:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(
                "SELECT run_id, run_no, business_date, from_date, tenant, vendor FROM ops.run"  # noqa: S608
                f" WHERE {condition} ORDER BY run_no DESC LIMIT 1",
                values,
            ).fetchone()
        return Run(**found, ledger=self) if found else None

    def close_run(self, run: Run, status: Literal["done", "failed"], summary: dict[str, Any]) -> None:
        """Write down how the run ended; `summary` is what `dietz run` shows at its end."""
        self.connection.execute(
            "UPDATE ops.run SET status = %s, ended_at = clock_timestamp(), summary = %s WHERE run_id = %s",
            [status, Jsonb(summary), run.run_id],
        )
        get_log().info("run ended", run_id=run.run_id, status=status)

    def summary(self, run: Run) -> dict[str, dict[str, Any]]:
        """What each step of the run that is done has counted: step -> details of its last attempt."""
        found = self.connection.execute(
            "SELECT step, details FROM ops.step_run WHERE run_id = %s AND status = 'done' ORDER BY started_at",
            [run.run_id],
        )
        return dict(found.fetchall())

    def summary_of(self, business_date: date) -> dict[str, dict[str, Any]] | None:
        """What the first run of a business date that was done had to say at its end; None without one."""
        found = self.connection.execute(
            "SELECT summary FROM ops.run WHERE business_date = %s AND status = 'done' ORDER BY run_no LIMIT 1",
            [business_date],
        ).fetchone()
        return found[0] if found else None

    @contextmanager
    def step(self, run: Run, step: str) -> Iterator[dict[str, Any]]:
        """A row of ops.step_run from the beginning of the step to its end; what the block puts in the dict is kept.

        An attempt of the same step that never ended was killed: it is marked as failed.
        """
        with self.connection.transaction():
            self.connection.execute(
                "UPDATE ops.step_run SET status = 'failed', ended_at = clock_timestamp(),"
                ' details = details || \'{"error": "ended without a word"}\''
                " WHERE run_id = %s AND step = %s AND status = 'running'",
                [run.run_id, step],
            )
            row = self.connection.execute(
                "INSERT INTO ops.step_run (run_id, step, attempt, started_at)"
                " SELECT %s, %s, coalesce(max(attempt), 0) + 1, clock_timestamp()"
                " FROM ops.step_run WHERE run_id = %s AND step = %s RETURNING attempt",
                [run.run_id, step, run.run_id, step],
            ).fetchone()
        assert row is not None
        end = (
            "UPDATE ops.step_run SET status = %s, ended_at = clock_timestamp(), details = %s"
            " WHERE run_id = %s AND step = %s AND attempt = %s"
        )
        key = [run.run_id, step, row[0]]
        log = get_log().bind(run_id=run.run_id, step=step)
        log.info("step began")
        details: dict[str, Any] = {}
        try:
            yield details
        except BaseException as error:
            log.error("step failed", error=str(error), exc_info=not isinstance(error, DietzError))
            with suppress(psycopg.Error):  # the error that matters is the step's own
                self.connection.execute(end, ["failed", Jsonb({**details, "error": str(error)}), *key])
            raise
        self.connection.execute(end, ["done", Jsonb(details), *key])
        log.info("step ended", **details)

    # Files

    def files(self, *, status: list[str] | None = None, run: Run | None = None) -> list[FileRecord]:
        """Files in order of arrival; of the given states, within the run's tenant and vendor."""
        with self.connection.cursor(row_factory=class_row(FileRecord)) as cursor:
            return cursor.execute(
                f"SELECT {', '.join(COLUMNS)} FROM ops.file"  # noqa: S608
                " WHERE (%(status)s::text[] IS NULL OR status = ANY (%(status)s))"
                " AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s)"
                " AND (%(vendor)s::text IS NULL OR vendor = %(vendor)s) ORDER BY arrival_no",
                {"status": status, "tenant": run.tenant if run else None, "vendor": run.vendor if run else None},
            ).fetchall()

    def tenants(self, vendor: str | None) -> list[str]:
        """Tenants of whom anything ever came, where a vendor is named from that."""
        rows = self.connection.execute(
            "SELECT DISTINCT tenant_id FROM ops.file WHERE %(vendor)s::text IS NULL OR vendor = %(vendor)s"
            " ORDER BY tenant_id",
            {"vendor": vendor},
        )
        return [tenant_id for (tenant_id,) in rows]

    def withheld_files(self, run: Run | None = None) -> list[str]:
        """file_id of the files whose rows nobody may use: of those that the gate withholds. In a run also of those that
        no gate has looked at and this run's will not, since they are of others than its tenant and vendor: a run that
        died has left them."""
        withheld = [file.file_id for file in self.files(status=["withheld"])]
        if run is None or (run.tenant is None and run.vendor is None):
            return withheld
        own = {file.file_id for file in self.files(status=["normalised"], run=run)}
        return withheld + [file.file_id for file in self.files(status=["normalised"]) if file.file_id not in own]

    def files_by_id(self, file_ids: list[str]) -> list[FileRecord]:
        """These files, in order of arrival."""
        with self.connection.cursor(row_factory=class_row(FileRecord)) as cursor:
            return cursor.execute(
                f"SELECT {', '.join(COLUMNS)} FROM ops.file WHERE file_id = ANY (%s) ORDER BY arrival_no",  # noqa: S608
                [file_ids],
            ).fetchall()

    def has_earlier(self, file: FileRecord) -> bool:
        """Whether another file of the tenant, feed and business date came before this one."""
        row = self.connection.execute(
            "SELECT EXISTS (SELECT FROM ops.file WHERE tenant_id = %s AND feed = %s AND business_date = %s"
            " AND arrival_no < %s)",
            [file.tenant_id, file.feed, file.business_date, file.arrival_no],
        ).fetchone()
        return bool(row and row[0])

    def register_files(self, records: list[FileRecord]) -> list[FileRecord]:
        """Write down files that were found, in one transaction; their arrival numbers follow the list's order.

        A file_id that is known is brought up to date and keeps its arrival number.
        """
        given = [name for name in COLUMNS if name != "arrival_no"]
        changing = [f"{name} = excluded.{name}" for name in given if name != "file_id"]
        statement = (
            f"INSERT INTO ops.file ({', '.join(given)}, arrival_no)"  # noqa: S608
            f" VALUES ({', '.join(f'%({name})s' for name in given)}, nextval('ops.arrival_no'))"
            f" ON CONFLICT (file_id) DO UPDATE SET {', '.join(changing)} RETURNING arrival_no"
        )
        with self.connection.transaction(), self.connection.cursor() as cursor:
            fencing.check(self.connection)
            for record in records:
                row = cursor.execute(statement, {**vars(record), "detection": Jsonb(record.detection)}).fetchone()
                assert row is not None
                record.arrival_no = row[0]
        return records

    def update_files(self, changes: dict[str, dict[str, Any]], *, replayed_by: int | None = None) -> None:
        """Set columns of files (file_id -> {column: value}) together. Raises DietzError for an unknown one.

        `replayed_by` is the run whose replays of files are done with that, in the same transaction.
        """
        with self.connection.transaction(), self.connection.cursor() as cursor:
            fencing.check(self.connection)
            if replayed_by is not None:
                cursor.execute(
                    "UPDATE ops.replay SET done_at = clock_timestamp() WHERE run_no = %s AND done_at IS NULL",
                    [replayed_by],
                )
            for file_id, change in changes.items():
                unknown = set(change) - set(COLUMNS)
                if unknown:
                    raise DietzError(f"ops.file has no column {', '.join(sorted(unknown))}")
                values = {name: Jsonb(value) if name == "detection" else value for name, value in change.items()}
                cursor.execute(
                    f"UPDATE ops.file SET {', '.join(f'{name} = %({name})s' for name in values)}"  # noqa: S608
                    " WHERE file_id = %(_file_id)s",
                    {**values, "_file_id": file_id},
                )
                if cursor.rowcount != 1:
                    raise DietzError(f"ops.file has no file '{file_id}'")

    # Replays of waiting rows

    def begin_replay(self, run: Run, changes: dict[str, dict[str, Any]]) -> None:
        """Enter the files (file_id -> columns to set) whose waiting rows the run is going to take through again."""
        with self.connection.transaction():
            self.update_files(changes)
            self.connection.execute(
                "INSERT INTO ops.replay (run_no, file_id) SELECT %s, unnest(%s::text[])", [run.run_no, list(changes)]
            )

    def open_replays(self) -> dict[int, list[FileRecord]]:
        """Run number -> files whose replay has begun and is not done; a dead run's among them."""
        found = self.connection.execute(
            "SELECT run_no, array_agg(file_id) FROM ops.replay WHERE done_at IS NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return {run_no: self.files_by_id(file_ids) for run_no, file_ids in found}

    def replays_of(self, file_ids: list[str]) -> dict[str, list[int]]:
        """file_id -> the runs that took waiting rows of it through, oldest first; without those that none did."""
        found = self.connection.execute(
            "SELECT file_id, array_agg(run_no ORDER BY run_no) FROM ops.replay WHERE file_id = ANY (%s) GROUP BY 1",
            [file_ids],
        )
        return dict(found.fetchall())

    def unpublished_replays(self, run: Run) -> list[int]:
        """The runs, within the run's tenant, that took waiting rows through which are not published yet."""
        found = self.connection.execute(
            "SELECT DISTINCT r.run_no FROM ops.replay r JOIN ops.file f USING (file_id)"
            " LEFT JOIN ops.tenant_progress p USING (tenant_id)"
            " WHERE r.done_at IS NOT NULL AND r.run_no > coalesce(p.run_no, 0)"
            " AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s) ORDER BY 1",
            {"tenant": run.tenant},
        )
        return [row[0] for row in found]

    def seen_paths(self, tenant_id: str) -> dict[tuple[str, str], tuple[int, datetime]]:
        """Per (path, member) of the tenant: size and modification time of the newest record."""
        found = self.connection.execute(
            "SELECT DISTINCT ON (path, member) path, member, size_bytes, modified_at FROM ops.file"
            " WHERE tenant_id = %s ORDER BY path, member, arrival_no DESC",
            [tenant_id],
        )
        return {(path, member): (size_bytes, modified_at) for path, member, size_bytes, modified_at in found}

    def last_header(self, tenant_id: str, feed: str) -> list[str]:
        """The titles of the feed's file that was taken last; none of the first one."""
        row = self.connection.execute(
            "SELECT detection -> 'header' FROM ops.file WHERE tenant_id = %s AND feed = %s AND status <> ALL (%s)"
            " AND detection ? 'header' ORDER BY arrival_no DESC LIMIT 1",
            [tenant_id, feed, NOT_TAKEN],
        ).fetchone()
        return row[0] if row else []

    def known_contents(self, tenant_id: str, sha256s: Iterable[str]) -> dict[str, str]:
        """Which of these contents the tenant has delivered before: sha256 -> file_id of the file that was taken."""
        found = self.connection.execute(
            "SELECT DISTINCT ON (sha256) sha256, file_id FROM ops.file WHERE tenant_id = %s AND sha256 = ANY (%s)"
            " AND status <> ALL (%s) ORDER BY sha256, arrival_no",
            [tenant_id, list(sha256s), NOT_TAKEN],
        )
        return dict(found.fetchall())

    # Restatements

    def restatement_approvals(self, tenant_ids: list[str]) -> list[tuple[str, str, int]] | None:
        """Of the restatements that are not out yet each one's last approval: restatement_id, the class that was
        approved, the number of the run that had judged it. None where no restatement of these tenants waits at all."""
        not_out = "r.tenant_id = ANY (%s) AND r.state IN ('waiting', 'approved')"
        if not self.connection.execute(
            f"SELECT FROM marts.restatement r WHERE {not_out} LIMIT 1",
            [tenant_ids],
        ).rowcount:
            return None
        return self.connection.execute(
            "SELECT DISTINCT ON (a.tenant_id, a.restatement_id) a.restatement_id, a.materiality, u.run_no"  # noqa: S608
            " FROM ops.restatement_approval a JOIN ops.run u USING (run_id)"
            f" JOIN marts.restatement r USING (tenant_id, restatement_id) WHERE {not_out}"
            " ORDER BY a.tenant_id, a.restatement_id, a.approved_at DESC",
            [tenant_ids],
        ).fetchall()

    # Progress

    def progress(self, tenant_id: str) -> Progress:
        """How far the tenant is published; Progress(None, 0) at the beginning."""
        found = self.connection.execute(
            "SELECT calculated_through, run_no FROM ops.tenant_progress WHERE tenant_id = %s", [tenant_id]
        ).fetchone()
        return Progress(*found) if found else Progress()

    def runs_ahead(self, tenant_id: str, done: Progress, run_no: int) -> list[int]:
        """The runs before this one that loaded rows of dates after `done`: what came on its own evening, before its
        night, and what a run has accepted that died, or was of an earlier date."""
        rows = self.connection.execute(
            "SELECT DISTINCT run_no FROM ops.file WHERE tenant_id = %(tenant)s AND status = 'accepted'"
            " AND (%(through)s::date IS NULL OR last_date > %(through)s) AND run_no < %(run_no)s ORDER BY run_no",
            {"tenant": tenant_id, "through": done.calculated_through, "run_no": run_no},
        ).fetchall()
        return [run_no for (run_no,) in rows]

    def due_again(self, tenant_id: str, run_no: int) -> None:
        """Make everything due that this run and later ones loaded, since rows of it could not be used until now."""
        self.connection.execute(
            "UPDATE ops.tenant_progress SET run_no = %s WHERE tenant_id = %s AND run_no >= %s",
            [run_no - 1, tenant_id, run_no],
        )

    def advance(
        self, tenant_id: str, calculated_through: date, run_no: int, *, connection: psycopg.Connection | None = None
    ) -> None:
        """Set the tenant's progress, in the transaction of `connection` where one is given.

        A run of an earlier date changes nothing: it has looked at its own dates only, so the inputs loaded since
        stay due for the later dates. For the same reason run_no stays below that of a file, and of a replay, that no
        run has finished.
        """
        (connection or self.connection).execute(
            """
            INSERT INTO ops.tenant_progress AS known (tenant_id, calculated_through, run_no)
            SELECT %(tenant)s, %(through)s, least(%(run_no)s, (
                SELECT min(run_no) - 1 FROM ops.file WHERE tenant_id = %(tenant)s AND status = ANY (%(unfinished)s)), (
                SELECT min(r.run_no) - 1 FROM ops.replay r JOIN ops.file f USING (file_id)
                WHERE f.tenant_id = %(tenant)s AND r.done_at IS NULL))
            ON CONFLICT (tenant_id) DO UPDATE
            SET calculated_through = excluded.calculated_through, run_no = greatest(known.run_no, excluded.run_no)
            WHERE excluded.calculated_through >= known.calculated_through
            """,
            {"tenant": tenant_id, "through": calculated_through, "run_no": run_no, "unfinished": UNFINISHED},
        )


def give_up(connection: psycopg.Connection, run_id: str, step: str, error: str) -> str | None:
    """Write down that a scheduler has given up a step of its run, which may have been killed, or never have begun: what
    stands there as running has failed, and the step has an attempt that did.

    Returns the run as the ledger names it. A run that is done or has published stays as it is; None where its `publish`
    is given up, which then failed after its work: what could not be sent made it fail.
    """
    with connection.transaction():
        known = connection.execute(
            f"SELECT run_id, status = 'done' OR {PUBLISHED} FROM ops.run WHERE run_id = %s"  # noqa: S608
            " OR regexp_replace(run_id, '\\.[0-9]+$', '') = %s ORDER BY run_no DESC LIMIT 1",
            [run_id, run_id],
        ).fetchone()
        if known is None:
            return run_id
        name, is_done = known
        if is_done:
            return None if step == "publish" else name
        details = Jsonb({"error": error})
        connection.execute(
            "UPDATE ops.step_run SET status = 'failed', ended_at = clock_timestamp(), details = details || %s"
            " WHERE run_id = %s AND status = 'running'",
            [details, name],
        )
        connection.execute(
            "INSERT INTO ops.step_run (run_id, step, attempt, started_at, ended_at, status, details)"
            " SELECT %s, %s, coalesce(max(attempt), 0) + 1, clock_timestamp(), clock_timestamp(), 'failed', %s"
            " FROM ops.step_run WHERE run_id = %s AND step = %s"
            " HAVING (array_agg(status ORDER BY attempt DESC))[1] IS DISTINCT FROM 'failed'",
            [name, step, details, name, step],
        )
        connection.execute(
            "UPDATE ops.run SET status = 'failed', ended_at = clock_timestamp()"
            " WHERE run_id = %s AND status = 'running'",
            [name],
        )
    return name


def code_version() -> str:
    """Version of the installed package."""
    try:
        return version("dietz")
    except PackageNotFoundError:
        return "unknown"
