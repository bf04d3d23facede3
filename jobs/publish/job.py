"""publish: gold -> Postgres. The night is staged on several connections, then becomes visible in one transaction.

What is published is what the Delta commits since the last publication have added, so publishing again finds nothing
to do, and a publication that was killed starts over with an empty staging area.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import psycopg
from psycopg import sql
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.calculate.holds import holds
from jobs.calculate.policies import Policies
from jobs.calculate.state import next_state
from jobs.check.holds import RECONCILE, latest_findings
from jobs.check.tolerances import load_tolerances
from jobs.platform import database, fencing, tenant_policy
from jobs.platform.errors import AccountingError
from jobs.platform.lake import Lake
from jobs.platform.ledger import Run
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.publish import assurance, break_desk, members, monthly, partitions, restate, small
from jobs.publish.binary_copy import Source, column_types, copy_files, dates_in, rows_in
from jobs.publish.chains import ACCOUNTS, CHAINS, GROUPS, Chain
from jobs.publish.partitions import Range, named
from jobs.publish.state import after_restatements, publishable
from jobs.publish.status import write_night_status
from jobs.publish.visible import in_one_transaction, one_publisher, wait_for_readers

ACCOUNT = T.StructType([T.StructField(name, T.StringType()) for name in ("tenant_id", "account_id")])
HOLDS, FLAGS = "stage.hold", "stage.flag"


@dataclass(frozen=True)
class Slice:
    """The files of a lake table that are not published yet: those of its commits after `after` up to `through`."""

    target: str
    after: int
    through: int
    sources: list[Source]


@dataclass(frozen=True)
class Staged:
    """A chain's staged epochs and daily rows: those of new dates by range, all others in the staging table's rest."""

    chain: Chain
    slice: Slice
    epochs: Slice
    staging: str
    ranges: list[Range]
    kept: int


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Publish what gold holds and Postgres does not. Returns counters: rows by their fate, and what changed beside."""
    with database.connect(settings, autocommit=True) as connection, one_publisher(connection):
        night = Publication(spark, settings, run, connection)
        night.stage()
        in_one_transaction(connection, night.make_visible)
        partitions.clear_stage(connection)
        return night.counters


class Publication:
    """One publication: `stage` gathers everything beside the published tables, `make_visible` runs in a transaction."""

    def __init__(self, spark: SparkSession, settings: Settings, run: Run, connection: psycopg.Connection) -> None:
        self.spark, self.settings, self.run, self.connection = spark, settings, run, connection
        self.address = database.url(settings)
        self.lake = Lake(spark, settings.lake_root)
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        self.published_at: datetime = row[0]
        self.counters: dict[str, int | str] = {}
        self.copied: dict[str, int] = {}  # published table -> rows that came from the lake

    def stage(self) -> None:
        """Bring everything that is new into `stage`; nothing of it is visible."""
        partitions.clear_stage(self.connection)
        self.smalls: list[tuple[small.Small, Slice]] = [
            (one, self._stage_small(one, self._slice(one.source, one.table))) for one in small.SMALL
        ]
        accounts = self._slice("account", small.ACCOUNT.table)
        self.smalls.append((small.ACCOUNT, self._stage_small(small.ACCOUNT, self._account_master(accounts))))
        self.members = self._stage_members(accounts)
        self._stage_holds()
        self.has_flags = self._stage_flags()
        self.released = self._released()
        self.held: list[tuple[str, str]] = []
        self.chains = [self._stage_chain(chain) for chain in CHAINS]
        self.monthlies = [(one, self._stage_monthly(one)) for one in monthly.MONTHLY]
        for staged in self.chains:
            if staged.slice.sources or staged.epochs.sources or (self.released and staged.chain.of_accounts):
                self._advance_state(staged)

    def make_visible(self) -> None:
        """Everything of the night, in the transaction of the caller; may be called again after a rollback.

        Raises DietzError where a later run has begun: until the commit none can."""
        fencing.check(self.connection)
        rows, superseded = 0, 0
        for staged in self.chains:
            restate.open_epochs(self.connection, staged.chain)
            rest = partitions.rest_of(staged.staging)
            superseded += restate.supersede(self.connection, staged.chain, rest, self.published_at)
            rows += staged.kept + restate.insert_new(self.connection, staged.chain.table, rest)
        changed = {
            one.table: restate.upsert(self.connection, one, _staging(one), self.published_at)
            for one, part in self.smalls
            if part.sources
        }
        changed |= {
            one.table: monthly.bring_in(self.connection, one, _staging(one), self.published_at)
            for one, _ in self.monthlies
        }
        if self.members.sources:
            changed[members.MEMBERS] = members.replace(self.connection)
        self._attach()
        self._keep_books()
        self.counters |= {
            "rows": rows,
            "to_history": superseded,
            "partitions": sum(len(staged.ranges) for staged in self.chains),
            "accounts_held": len(self.held),
            **{name.split(".")[1]: count for name, count in changed.items()},
        }

    def _attach(self) -> None:
        """The new partitions, late in the transaction, since statements on their tables wait from here to its end."""
        wait_for_readers(self.connection, [one.chain.table for one in self.chains if one.ranges])
        for staged in self.chains:
            for one in staged.ranges:
                partitions.attach(self.connection, staged.chain.table, staged.staging, one)

    # What is new

    def _slice(self, source: str, target: str) -> Slice:
        """Files of a lake table that were added since `target` was published last; of the first time, all of them."""
        through = self.lake.version(source)
        row = self.connection.execute(
            "SELECT max(lake_version) FROM ops.publication WHERE table_name = %s", [target]
        ).fetchone()
        after = row[0] if row else None
        if through < 0 or after == through:
            return Slice(target, through, through, [])
        if after is None:  # the log may be cleaned or compacted by now; the snapshot is not
            return Slice(target, -1, through, self._snapshot(source))
        added = self.lake.added_files(source, after, through)
        return Slice(target, after, through, [Source(file.path) for file in added])

    def _snapshot(self, source: str) -> list[Source]:
        return [Source(_local(path)) for path in self.lake.files(source)]

    def _account_master(self, slice_: Slice) -> Slice:
        """The account master as files, where accounts have changed or attributes known before have begun since."""
        as_of = F.lit(self.run.business_date)
        begun = self.connection.execute("SELECT max(calculated_through) FROM ops.tenant_progress").fetchone()
        if begun and begun[0]:
            as_of = F.lit(max(begun[0], self.run.business_date))
        if slice_.through < 0:
            return slice_
        accounts = members.current(self.lake, "account", self._withheld())
        if not (slice_.sources or self._taken_through):
            since = F.col("effective_from") > F.lit(begun[0] if begun else None)
            if accounts.where(since & (F.col("effective_from") <= as_of)).isEmpty():
                return slice_
        master = small.account_master(accounts, as_of, self._policies())
        return Slice(slice_.target, slice_.after, slice_.through, self._as_files(master, "account"))

    def _withheld(self) -> list[str]:
        """Files that accounts and memberships are not taken from. Of what no gate has looked at yet they are: it is
        accepted without a commit to the lake, by which they are found to be new."""
        return self.run.ledger.withheld_files()

    @cached_property
    def _taken_through(self) -> bool:
        """Whether files that waited for a mended row may be withheld no longer: without a commit as well."""
        return bool(self.run.ledger.unpublished_replays(self.run))

    def _policies(self) -> Policies:
        tenants = self.connection.execute("SELECT DISTINCT tenant_id FROM ops.file").fetchall()
        return {tenant_id: self.settings.tenant(tenant_id) for (tenant_id,) in tenants}

    def _as_files(self, frame: DataFrame, name: str) -> list[Source]:
        """Write a derived frame beside the lake, so that it takes the same road as committed files."""
        path = self._beside(name)
        frame.write.mode("overwrite").parquet(path)
        return [Source(_local(file)) for file in self.spark.read.parquet(path).inputFiles()]

    def _beside(self, name: str) -> str:
        return f"{self.lake.root}/_publish/{name}"

    # Staging

    def _stage_small(self, one: small.Small, part: Slice) -> Slice:
        if part.sources:
            self._stage_like(one.table, _staging(one), one.further)
            self.copied[one.table] = self._copy(part.sources, _staging(one))
            for name in one.key:  # a key column may be empty in the lake, not in a primary key
                if column_types(self.connection, _staging(one))[name] == "text":
                    self.connection.execute(
                        sql.SQL("UPDATE {} SET {column} = '' WHERE {column} IS NULL").format(
                            named(_staging(one)), column=sql.Identifier(name)
                        )
                    )
        return part

    def _stage_members(self, accounts: Slice) -> Slice:
        """All memberships, where accounts (whose new files are `accounts`) or memberships have come."""
        part = self._slice(members.SOURCE, members.MEMBERS)
        is_first = accounts.through >= 0 and members.is_empty(self.connection)
        if not (accounts.sources or part.sources or self._taken_through or is_first):
            return part
        found = self._as_files(members.members(self.lake, self._withheld(), self._policies()), "group_member")
        self._stage_like(members.MEMBERS, members.STAGING, {})
        self.copied[members.MEMBERS] = self._copy(found, members.STAGING)
        return Slice(part.target, part.after, part.through, found)

    def _stage_monthly(self, one: monthly.Monthly) -> Slice:
        """As a small table, with the rows of accounts that are held no longer."""
        part = self._slice(one.source, one.table)
        self._stage_like(one.table, _staging(one), one.further)
        self.copied[one.table] = self._copy([*part.sources, *self._late(one.chain, one.source, part)], _staging(one))
        monthly.settle(self.connection, one, _staging(one), HOLDS)
        return part

    def _stage_like(self, model: str, staging: str, further: dict[str, str]) -> None:
        """An unlogged table with the columns of `model` but published_at, all nullable, and `further` ones."""
        types = {**further, **column_types(self.connection, model)}
        types.pop("published_at", None)
        columns = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in types.items())
        self.connection.execute(sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(named(staging), columns))

    def _copy(self, sources: list[Source], staging: str) -> int:
        columns = [name for name in column_types(self.connection, staging) if name != "published_at"]
        return copy_files(
            sources,
            staging,
            columns,
            lambda: database.connect_to(self.address),
            self.settings.conf.publish.connections,
        )

    def _stage_chain(self, chain: Chain) -> Staged:
        """Stage the new daily rows, without those that are held or superseded; every row is accounted for."""
        epochs = self._slice(chain.epochs, chain.fence)
        self._stage_like(chain.fence, chain.staged_epochs, {})
        self.copied[chain.fence] = self._copy(epochs.sources, chain.staged_epochs)
        part = self._slice(chain.source, chain.table)
        late = self._late(chain, chain.source, part)
        published = partitions.existing_ranges(self.connection, chain.table)
        dates = dates_in([*part.sources, *late], chain.date)
        ranges = partitions.new_ranges(dates, published)
        staging = partitions.stage(self.connection, chain, ranges, self.published_at)
        entry = partitions.entry(staging, ranges, dates)
        copied = self._copy(part.sources, entry)
        if copied != rows_in(part.sources):
            raise AccountingError(f"{chain.table}: {rows_in(part.sources)} rows in the lake's files, {copied} copied")
        copied += self._copy(late, entry)
        if chain.of_accounts:
            held = restate.drop_held(self.connection, staging, HOLDS)
            if chain is ACCOUNTS:
                self.held = held
            if self.has_flags:
                restate.add_flags(self.connection, staging, FLAGS)
        superseded = restate.drop_superseded(self.connection, chain, staging)
        self.copied[chain.table] = copied
        for name, count in (("rows_copied", copied), ("rows_superseded", superseded)):
            self.counters[name] = int(self.counters.get(name, 0)) + count
        with ThreadPoolExecutor(self.settings.conf.publish.connections) as pool:
            kept = sum(pool.map(lambda one: self._finish(chain, staging, one), ranges))
        partitions.detach(self.connection, staging, ranges)
        return Staged(chain, part, epochs, staging, ranges, kept)

    def _finish(self, chain: Chain, staging: str, one: Range) -> int:
        with database.connect_to(self.address, autocommit=True) as connection:
            return partitions.finish(connection, chain, staging, one)

    def _stage_holds(self) -> None:
        self.connection.execute(
            sql.SQL("CREATE UNLOGGED TABLE {} (tenant_id text, account_id text, held_from date)").format(named(HOLDS))
        )
        if self.lake.exists("held_account"):
            self._copy(self._as_files(holds(self.lake.read("held_account")), "hold"), HOLDS)

    def _stage_flags(self) -> bool:
        """What `reconcile` flagged after the rows were written; whether there is anything."""
        if not self.lake.exists("held_account"):
            return False
        flagged = latest_findings(self.lake.read("held_account")).where(
            F.col("step").eqNullSafe(RECONCILE) & (F.col("state") == "flagged")
        )
        if flagged.isEmpty():
            return False
        self.connection.execute(
            sql.SQL("CREATE UNLOGGED TABLE {} (tenant_id text, account_id text, as_of_date date, rule text)").format(
                named(FLAGS)
            )
        )
        names = ["tenant_id", "account_id", "as_of_date", "rule"]
        self._copy(self._as_files(flagged.select(*names).distinct().coalesce(1), "flag"), FLAGS)
        return True

    def _released(self) -> list[tuple[str, str]]:
        """Accounts whose rows an earlier publication left out and that are held no longer, or from a later day on."""
        return self.connection.execute(
            sql.SQL(
                "SELECT tenant_id, account_id FROM ops.held_back b WHERE table_name = %s AND NOT EXISTS ("
                "SELECT FROM {} h WHERE h.tenant_id = b.tenant_id AND h.account_id = b.account_id"
                " AND h.held_from <= b.held_from)"
            ).format(named(HOLDS)),
            [ACCOUNTS.table],
        ).fetchall()

    def _late(self, chain: Chain, source: str, part: Slice) -> list[Source]:
        """Rows of the accounts that are let through, in the files that were published without them."""
        if not self.released or not chain.of_accounts:
            return []
        new, released = {one.path for one in part.sources}, frozenset(self.released)
        return [Source(one.path, released) for one in self._snapshot(source) if one.path not in new]

    # The state that the next night builds on

    def _advance_state(self, staged: Staged) -> None:
        """Rewrite the chain's state in gold before the commit in Postgres.

        In this order a kill in between is harmless: the next run finds the state ahead of ops.tenant_progress, takes
        the opening rows from gold instead, and arrives at equal rows. The other way round it would chain tomorrow to
        the day before yesterday.
        """
        chain = staged.chain
        state, gold = self.lake.read(chain.state), self.lake.read(chain.source)
        held = None
        if chain.of_accounts and self.lake.exists("held_account"):
            held = self.spark.read.parquet(self._beside("hold"))
        epochs = self.lake.read(chain.epochs) if self.lake.exists(chain.epochs) else None
        rows = self.spark.read.schema(table(chain.source).struct).parquet(*(one.path for one in staged.slice.sources))
        if self.released and chain.of_accounts:
            accounts = local_rows(self.spark, self.released, ACCOUNT)
            rows = rows.unionByName(gold.join(F.broadcast(accounts), chain.owner, "left_semi"))
        published = publishable(rows, held, epochs, chain.owner)
        if epochs is None:
            following = next_state(state, published, chain.owner)
        else:
            following = after_restatements(
                state, published, publishable(gold, held, epochs, chain.owner), epochs, chain.owner
            )
        self.lake.overwrite(following, chain.state, self.run.run_no, self.run.run_id)

    # Books

    def _keep_books(self) -> None:
        """ops.publication, ops.held_back, ops.tenant_progress and the night's status."""
        slices = [part for staged in self.chains for part in (staged.slice, staged.epochs)]
        slices += [part for _, part in [*self.smalls, *self.monthlies]] + [self.members]
        for part in slices:
            if part.through > part.after:
                self.connection.execute(
                    "INSERT INTO ops.publication VALUES (%s, %s, %s, %s, %s)",
                    [part.target, part.through, self.run.run_id, self.copied.get(part.target, 0), self.published_at],
                )
        self.connection.execute(
            "DELETE FROM ops.held_back WHERE table_name = %s AND (tenant_id, account_id) IN ("
            "SELECT * FROM unnest(%s::text[], %s::text[]))",
            [ACCOUNTS.table, *_columns(self.released)],
        )
        self.connection.execute(
            sql.SQL(
                "INSERT INTO ops.held_back AS b SELECT %s, a.*, %s, h.held_from FROM unnest(%s::text[], %s::text[])"
                " a (tenant_id, account_id) JOIN {} h USING (tenant_id, account_id)"
                " ON CONFLICT (table_name, tenant_id, account_id)"
                " DO UPDATE SET held_from = least(b.held_from, excluded.held_from)"
            ).format(named(HOLDS)),
            [ACCOUNTS.table, self.chains[0].slice.after, *_columns(self.held)],
        )
        found = self.connection.execute(
            "SELECT DISTINCT tenant_id FROM ops.file WHERE status = 'accepted'"
            " AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s)"
            " AND (%(vendor)s::text IS NULL OR vendor = %(vendor)s) ORDER BY 1",
            {"tenant": self.run.tenant, "vendor": self.run.vendor},
        )
        tenants = [tenant_id for (tenant_id,) in found]
        anew = self.run.from_date is not None
        for tenant_id in tenants:
            if not anew:
                self.run.ledger.advance(tenant_id, self.run.business_date, self.run.run_no, connection=self.connection)
            tenant_policy.note(
                self.connection, self.settings, tenant_id, self.run.business_date, self.run.run_id, anew=anew
            )
        break_desk.bring_up_to_date(self.connection, self.settings, tenants)
        self._say_what_it_is_worth(tenants)

    def _say_what_it_is_worth(self, tenants: list[str]) -> None:
        """Which controls ran, what stands against the groups' rows, and whether the night may be read."""
        publishing = assurance.Publishing(self.run.run_id, self.run.business_date, self.published_at, tenants)
        tolerances = load_tolerances(self.settings)
        assurance.note_controls(self.connection, publishing, tolerances)
        [groups] = [staged for staged in self.chains if staged.chain is GROUPS]
        assurance.tell_groups(self.connection, publishing, dates_in(groups.slice.sources, GROUPS.date))
        row_counts = [rule.name for rule in tolerances.of("row_count")]
        night = self.run.business_date
        write_night_status(self.connection, tenants, night, self.run.run_id, self.published_at, row_counts=row_counts)


def _columns(accounts: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Tenants and account_ids apart, as arrays for Postgres."""
    return [tenant_id for tenant_id, _ in accounts], [account_id for _, account_id in accounts]


def _staging(one: small.Small) -> str:
    return f"stage.{one.table.split('.')[1]}"


def _local(path: str) -> str:
    """A path as Spark gives it (a URI), as pyarrow takes it."""
    return str(Path(unquote(path.removeprefix("file:")))) if path.startswith("file:") else path


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("publish")
