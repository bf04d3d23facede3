"""normalise: lines of bronze to typed rows of silver, by mapping; what does not fit to the quarantine, with reasons."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from functools import reduce

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.normalise import again
from jobs.normalise.batch import Batch
from jobs.normalise.lines import bronze_lines, lines_of_feed, look_at_controls, open_books, rows_of_feed
from jobs.normalise.load import load, load_decided
from jobs.normalise.renumbered import MOVED
from jobs.normalise.replay import Rows
from jobs.normalise.revalue import revalue
from jobs.normalise.targets import RULES_TYPE
from jobs.normalise.unknown_accounts import TABLE as UNKNOWN
from jobs.platform import account_decisions, schemas
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.logs import Workers, mask
from jobs.platform.settings import Settings

log = structlog.get_logger()

# Tables that others refer to, in this order; then the rest side by side.
FIRST = ["account", "account_xref"]
WAITS_FOR = {"transaction": "price"}  # a transfer in kind asks for the price
# A small night is Spark planning and compiling, one core a thread: while one table is planned, another is at work.
SIDE_BY_SIDE = 3


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Bring all ingested files into silver and quarantine, after the replays that were asked for, and with them what
    persons have decided about account numbers; returns records, silver, quarantined, skipped and refused.

    Raises AccountingError where a file's records do not add up; the file then stays where it was.
    """
    lake = Lake(spark, settings.lake_root)
    totals: Counter[str] = Counter(dict.fromkeys(("records", "silver", "quarantined", "skipped", "refused"), 0))
    decided = account_decisions.due(run.ledger.connection, run.run_no, run.tenant)
    accepted = account_decisions.accepted(run.ledger.connection)
    carried = [one for one in accepted if one in decided]
    for run_no, files in run.ledger.open_replays().items():
        batch = Batch(spark, lake, run.ledger, run.run_id, run_no, mended=files, accepted=accepted)
        try:
            _replay(batch)
            totals.update(_enter_replay(batch))
        finally:
            batch.release()
    taken_by: dict[int, list[FileRecord]] = defaultdict(list)
    for file in run.ledger.files(status=["ingested"]):
        taken_by[int(file.run_no or 0)].append(file)
    if carried:
        taken_by.setdefault(run.run_no, [])
    for run_no, files in sorted(taken_by.items()):
        own = carried if run_no == run.run_no else []
        batch = Batch(spark, lake, run.ledger, run.run_id, run_no, files, accepted=accepted, decided=own)
        try:
            normalise(batch)
        finally:
            batch.release()
        changes = {file.file_id: _counts(batch, file) for file in files}
        for change in changes.values():
            totals.update({name: int(str(change[name])) for name in ("records", "silver", "quarantined", "skipped")})
        totals["refused"] += len(batch.refused)
        waited = again.books_after(batch)
        with run.ledger.connection.transaction():
            if own:  # carried once: a second attempt finds the files done, and must leave the run's slices alone
                replayed = [file for found in batch.replayed_files.values() for file in found]
                _decide_anew(run.ledger, replayed, waited)
                account_decisions.taken_up(run.ledger.connection, own, run.run_no)
            run.ledger.update_files({**changes, **waited})
    account_decisions.taken_up(run.ledger.connection, decided, run.run_no)
    return dict(totals)


def _counts(batch: Batch, file: FileRecord) -> dict[str, object]:
    books, refused = batch.accounts[file.file_id], batch.refused.get(file.file_id)
    first, last = batch.dates.get(file.file_id, (None, None))
    return {
        "status": "refused" if refused else "normalised",
        "message": refused.in_words() if refused else "; ".join(batch.stopped[file.file_id]) or file.message,
        "records": books.records,
        "silver": books.silver,
        "quarantined": books.quarantined,
        "skipped": books.skipped,
        "first_date": first,
        "last_date": last,
    }


def normalise(batch: Batch) -> None:
    """All tables and the quarantine from the batch's lines; its books are checked. Raises AccountingError."""
    bronze = None
    if batch.files:
        bronze = batch.keep(bronze_lines(batch, batch.files, [batch.run_no]))
        open_books(batch, bronze)
    with Workers(SIDE_BY_SIDE) as pool:
        feeds = sorted(batch.by_feed.items(), key=lambda feed: not _fills_first(batch, feed[0]))
        prepared = {feed: pool.submit(_prepared, batch, feed, files, bronze) for feed, files in feeds}
        first = _by_table([made.result() for feed, made in prepared.items() if _fills_first(batch, feed)])
        for name in FIRST:
            if name in first:
                load(batch, name, first[name])
        load_decided(batch, ["account_xref"])
        _load_rest(batch, pool, _by_table([made.result() for made in prepared.values()]))
    load_decided(batch, MOVED)
    _write_quarantine(batch)
    for books in batch.accounts.values():
        books.check()
    _say_what_did_not_fit(batch)


def _replay(batch: Batch) -> None:
    """Take the waiting rows of `batch.mended` through; the run's slices of the tables are theirs alone."""
    by_table = _by_table([again.rows_of_mended_files(batch)])
    for name in FIRST:
        if name in by_table:
            load(batch, name, by_table[name])
    with Workers(SIDE_BY_SIDE) as pool:
        _load_rest(batch, pool, by_table)
    for described in schemas.tables("silver"):  # what an attempt before this one wrote, by other mappings perhaps
        name = described.table
        if name not in {*batch.loaded, "quarantine"} and batch.lake.wrote_lately(name, batch.run_no):
            batch.lake.write_run(batch.lake.read(name).where("false"), name, batch.run_no, batch.run_id)
    _write_quarantine(batch)
    _say_what_did_not_fit(batch)


def _enter_replay(batch: Batch) -> Counter[str]:
    """Enter what became of the waiting rows in the ledger, all at once. Returns it as counts."""
    changes = again.books_after(batch)
    ledger = batch.entered_in
    with ledger.connection.transaction():
        _decide_anew(ledger, batch.mended, changes)
        ledger.update_files(changes, replayed_by=batch.run_no)
    went: Counter[str] = sum(batch.replayed.values(), Counter())
    skipped = sum(count for name, count in went.items() if name.startswith("skipped"))
    skipped += sum(read.no_record for read in batch.readings.values())
    counts = {"silver": went["silver"], "quarantined": went["quarantined"], "skipped": skipped}
    refused = sum(file.file_id in batch.refused for file in batch.mended)
    return Counter({"records": sum(counts.values()), **counts, "refused": refused})


def _decide_anew(ledger: Ledger, files: list[FileRecord], changes: dict[str, dict[str, object]]) -> None:
    """Let the gate decide again on those of the files that it has withheld, and on what it decided about with them; all
    that came since is due again."""
    for file in files:
        if file.status == "withheld" and changes.get(file.file_id, {}).get("status") == "normalised":
            # The gate decided on a feed's files of a run together, and so it will again.
            for other in ledger.files(status=["withheld"]):
                if (other.tenant_id, other.feed, other.run_no) == (file.tenant_id, file.feed, file.run_no):
                    changes.setdefault(other.file_id, {}).update({"status": "normalised", "message": None})
            ledger.due_again(file.tenant_id, int(file.run_no or 0))


def _load_rest(batch: Batch, pool: Workers, by_table: dict[str, list[DataFrame]]) -> None:
    """Load all tables but FIRST; rows that waited for an account or a price come along where such have come."""
    accounts_came, prices = [name for name in FIRST if by_table.pop(name, None)], by_table.get("price")
    if accounts_came or prices or batch.decided:
        for table, rows in again.rows_that_waited(batch, prices):
            by_table[table].append(rows)
    loading: dict[str, Future[None]] = {}
    for name in sorted(by_table, key=lambda name: name in WAITS_FOR):
        loading[name] = pool.submit(_load_after, loading.get(WAITS_FOR.get(name, "")), batch, name, by_table[name])
    for done in loading.values():
        done.result()
    if prices and "transaction" not in by_table:
        revalue(batch)


def _fills_first(batch: Batch, feed: str) -> bool:
    return any(target.table in FIRST for target in batch.mappings[feed].targets)


def _by_table(parts: Iterable[Rows]) -> dict[str, list[DataFrame]]:
    by_table: dict[str, list[DataFrame]] = defaultdict(list)
    for part in parts:
        for table, rows in part:
            by_table[table].append(rows)
    return by_table


def _prepared(batch: Batch, feed: str, files: list[FileRecord], bronze: DataFrame | None) -> Rows:
    """One feed's canonical rows by table; its control totals are looked at on the way."""
    assert bronze is not None
    mapping = batch.mappings[feed]
    lines = lines_of_feed(batch, feed, files, bronze)
    look_at_controls(batch, lines, mapping, files)
    return list(rows_of_feed(lines, mapping, files))


def _load_after(other: Future[None] | None, batch: Batch, name: str, parts: list[DataFrame]) -> None:
    if other is not None:
        other.result()
    load(batch, name, parts)


def _write_quarantine(batch: Batch) -> None:
    _replace_slice(batch, UNKNOWN, batch.unknown)
    _replace_slice(batch, "quarantine", batch.quarantined)


def _replace_slice(batch: Batch, name: str, parts: list[DataFrame]) -> None:
    """Write the run's rows of a table that is left alone on a night without any."""
    if parts:
        batch.lake.write_run(reduce(DataFrame.unionByName, parts), name, batch.run_no, batch.run_id)
    elif batch.lake.last_run(name) >= batch.run_no:
        # An earlier attempt of this run may have written rows that fit now.
        earlier = batch.lake.read(name).where(F.col("run_no") == batch.run_no)
        if not earlier.isEmpty():
            batch.lake.write_run(earlier.where("false"), name, batch.run_no, batch.run_id)


def _say_what_did_not_fit(batch: Batch) -> None:
    """One line for each of the first few misfits of a file; the rest is counted and stands in the quarantine."""
    if not batch.quarantined:
        return
    reasons = (
        batch.lake.read("quarantine")
        .where((F.col("run_no") == batch.run_no) & (F.col("state") == "open"))
        .select("file_id", "line_no", F.explode(F.from_json("failed_rules", RULES_TYPE)).alias("failed"))
        .select("file_id", "line_no", "failed.*")
    )
    each = reasons.groupBy("file_id", "rule", "column").agg(
        F.count("*").alias("rows"), F.min_by(F.struct("line_no", "value", "expected"), "line_no").alias("first")
    )
    for row in each.orderBy("file_id", "rule", "column").limit(200).collect():
        file, first = batch.file(row["file_id"]), row["first"]
        value = mask(first["value"] or "") if "account" in str(row["column"]) else first["value"]
        log.warning(
            "rows_quarantined",
            file_id=file.file_id,
            file=file.path,
            rule=row["rule"],
            column=row["column"],
            rows=row["rows"],
            first_line=first["line_no"],
            value=value,
            expected=first["expected"],
        )


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("normalise")
