"""One table's rows of a batch into silver: resolved, judged against what is there, written, and counted by file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import reduce

import structlog
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.normalise import quarantine, references, renumbered, replay, stopped, unknown_accounts
from jobs.normalise.batch import Batch
from jobs.normalise.in_kind import valued_in_kind
from jobs.normalise.records import rule_struct
from jobs.normalise.retire import retired_rows
from jobs.normalise.revalue import revalued_rows
from jobs.normalise.versions import with_outcome
from jobs.platform import schemas
from jobs.platform.errors import AccountingError
from jobs.platform.lake import latest

log = structlog.get_logger()


def load(batch: Batch, name: str, parts: list[DataFrame]) -> None:
    """Write the table's rows of the batch to silver, keep what did not fit, and enter both in the files' books.

    parts: canonical rows (`targets.canonical_rows`) of the feeds that fill the table. Raises AccountingError where
    another number of rows was written than fits.
    """
    described = schemas.table(name)
    rows = reduce(DataFrame.unionByName, parts)
    rows = _with_refusals(batch, _resolved(batch, name, rows))
    # The quarantine rows of a replay are worked out at the end, from rows that must not be typed once more for that.
    with nullcontext(batch.keep(rows)) if batch.waiting is not None else _persisted(rows) as read:
        date = F.col(described.date) if described.date else F.lit(None).cast("date")
        seen = read.groupBy("file_id").agg(
            F.count("*").alias("rows"),
            F.min(date).alias("first"),
            F.max(date).alias("last"),
            *stopped.counted(described),
        )
        per_file = seen.collect()
        if not per_file:
            return
        if described.date in {"as_of_date", "performance_date"}:  # not those from which on a fact holds
            for row in per_file:
                if row["first"] is not None:
                    batch.enter_dates(row["file_id"], row["first"], row["last"])
        typed = stopped.without(read, _stop(batch, described, per_file))
        bounds = [row["first"] for row in per_file if row["first"]], [row["last"] for row in per_file if row["last"]]
        before = _before(batch, described, typed, *((min(bounds[0]), max(bounds[1])) if bounds[0] else (None, None)))
        judged = with_outcome(typed, described, before, stamped=_stamped(batch, name))
        written = _write(batch, described, judged, before)
        batch.loaded.add(name)
        if written == sum(row["rows"] for row in per_file):
            judged = typed.withColumn("outcome", F.lit("silver"))
            counted = [(row["file_id"], "silver", row["rows"]) for row in per_file]
        else:
            judged = batch.judged[name] = batch.keep(judged)
            unknown = F.count_if((F.col("outcome") == "quarantined") & unknown_accounts.is_unknown())
            outcomes = judged.groupBy("file_id", "outcome").agg(F.count("*"), unknown).collect()
            counted = [tuple(row)[:3] for row in outcomes]
            misfits = judged.where((F.col("outcome") == "quarantined") & ~F.col("file_id").isin(batch.replayed_ids))
            batch.quarantined.append(quarantine.quarantine_rows(misfits, name))
            if batch.ledger is not None and any(row[3] for row in outcomes):
                batch.unknown += filter(None, [unknown_accounts.seen(misfits, described)])
        if batch.waiting is not None and any(file_id not in batch.accounts for file_id, _, _ in counted):
            again = judged.where(F.col("file_id").isin(batch.replayed_ids))
            batch.quarantined.append(replay.settled(batch.waiting, again, name, batch.run_no))
        batch.enter(counted)
        in_silver = sum(count for _, outcome, count in counted if outcome == "silver")
        if in_silver != written:
            raise AccountingError(f"{name}: {in_silver} rows fit, but {written} were written to silver")


def _stamped(batch: Batch, name: str) -> bool:
    feeds = {*batch.by_feed, *batch.replayed_files}
    return any(t.newest_by for feed in feeds for t in batch.mappings[feed].targets if t.table == name)


def _stop(batch: Batch, described: schemas.Table, per_file: list[Row]) -> dict[str, dict[str, str]]:
    """Stop the columns whose type has changed in a file, and say so; returns {file_id: {column: why}}."""
    found = {row["file_id"]: stopped.columns_to_stop(row.asDict(), described) for row in per_file}
    found = {file_id: columns for file_id, columns in found.items() if columns}
    for file_id, columns in found.items():
        for column, why in columns.items():
            log.error("column_stopped", file_id=file_id, table=described.table, column=column, reason=why)
        batch.stop(file_id, columns.values())
    return found


def _write(batch: Batch, described: schemas.Table, judged: DataFrame, before: DataFrame | None) -> int:
    """Rows to silver in one commit, with those that follow from them: retired by full files, or of another worth by new
    prices. Returns how many the files brought."""
    rows, retired = judged.where("outcome = 'silver'"), retired_rows(batch, described, judged, before)
    decided = decided_rows(batch, described)
    further = {"later full files list them no more": retired, "a person said whose they are": decided}
    if described.table == "transaction":
        replaced = rows if decided is None else rows.select(*described.names).unionByName(decided)
        further["their security has another price"] = revalued_rows(batch, replaced)
    beside = 0
    for reason, found in further.items():
        if found is None:
            continue
        kept = batch.keep(found)
        count = kept.count()
        if count:
            log.info("rows_beside_the_files", table=described.table, rows=count, reason=reason)
            rows = rows.select(*described.names).unionByName(kept)
        beside += count
    return batch.lake.write_run(rows, described.table, batch.run_no, batch.run_id) - beside


def decided_rows(batch: Batch, described: schemas.Table) -> DataFrame | None:
    """What a person's decisions about account numbers make of a table; None where there is nothing to carry into it."""
    if not batch.decided:
        return None
    if described.table == "account_xref":
        return renumbered.xref_rows(_earlier(batch, described), batch.decided, batch.run_no)
    if described.table not in renumbered.MOVED or not batch.lake.exists(described.table):
        return None
    return renumbered.moved_rows(_earlier(batch, described), described, batch.decided, batch.run_no)


def load_decided(batch: Batch, names: list[str]) -> None:
    """Write such rows of these tables, as far as the batch has none of its own for them."""
    for name in names:
        rows = None if name in batch.loaded else decided_rows(batch, schemas.table(name))
        if rows is None:
            continue
        if name == "transaction" and (revalued := revalued_rows(batch, rows)) is not None:
            rows = rows.unionByName(revalued)
        kept = batch.keep(rows)
        if not kept.isEmpty() or batch.lake.wrote_lately(name, batch.run_no):
            batch.lake.write_run(kept, name, batch.run_no, batch.run_id)


def _earlier(batch: Batch, described: schemas.Table) -> DataFrame:
    rows = batch.lake.read(described.table).where(F.col("run_no") != batch.run_no)
    return rows.where(~F.col("file_id").isin(batch.withheld_ids)) if batch.withheld_ids else rows


def _resolved(batch: Batch, name: str, rows: DataFrame) -> DataFrame:
    columns = {column.name for column in schemas.table(name).columns}
    if "account_id" in columns and name != "account":
        on_date = next((d for d in ("as_of_date", "performance_date") if d in columns), None)
        feeds = {
            feed
            for feed in {*batch.by_feed, *batch.replayed_files}
            for t in batch.mappings[feed].targets
            if t.table == name
        }
        if any(s.looks_up_account for feed in feeds for t in batch.mappings[feed].targets for s in t.columns.values()):
            rows = references.with_account_of_number(rows, batch.lake.current("account_xref"), on_date)
        if batch.accepted and name in renumbered.MOVED:
            rows = renumbered.under_their_account(rows, batch.accepted, on_date)
        rows = references.with_known_account(rows, batch.lake.read("account"))
    if name == "transaction":
        rows = valued_in_kind(rows, batch.lake.current("price"))
    return rows


def _with_refusals(batch: Batch, rows: DataFrame) -> DataFrame:
    for file_id, result in batch.refused.items():
        failed = rule_struct("control_total", result.control, F.lit(f"line {result.line_no}"), result.message)
        concerned = (F.col("file_id") == file_id) & F.col("skip").isNull()
        rules = F.when(concerned, F.array_append("failed_rules", failed)).otherwise(F.col("failed_rules"))
        rows = rows.withColumn("failed_rules", rules)
    return rows


def _before(batch: Batch, described: schemas.Table, typed: DataFrame, first: object, last: object) -> DataFrame | None:
    """The rows of earlier runs that these may repeat or replace: those of the same dates, or of the same keys.

    Not those of a file that the gate withheld: they count for nothing, so that what repeats them is no repetition.
    """
    if not batch.lake.exists(described.table):
        return None
    earlier = _earlier(batch, described)
    if described.date in described.key and first is not None:
        date = F.col(str(described.date))
        return latest(earlier.where(date.between(F.lit(first), F.lit(last))), described)
    keys = typed.select(*described.key).distinct()
    return latest(earlier.join(keys, described.key, "left_semi"), described)


@contextmanager
def _persisted(frame: DataFrame) -> Iterator[DataFrame]:
    kept = frame.persist()
    try:
        yield kept
    finally:
        kept.unpersist()
