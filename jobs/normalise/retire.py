"""A full file replaces: rows of its feed, within what it covers, that it lists no more are retired, never deleted."""

from __future__ import annotations

import json
import re
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.normalise.batch import Batch
from jobs.platform.lake import latest
from jobs.platform.ledger import FileRecord
from jobs.platform.local_rows import local_rows
from jobs.platform.mapping import Mapping, Replaces
from jobs.platform.schemas import Table

ALIKE = "_alike"
PROVENANCE = ["file_id", "mapping_version", "arrival_no", "run_no"]

ALIKE_FACTS = T.StructType([T.StructField("file_id", T.StringType()), T.StructField(ALIKE, T.StringType())])


def retired_rows(batch: Batch, described: Table, judged: DataFrame, before: DataFrame | None) -> DataFrame | None:
    """The rows that take others out: equal to them but for `retired` and the full file that lists them no more (its
    line 0). None where nothing can be replaced.

    judged: the table's rows of the batch with outcome; `before`: the rows of earlier runs that count, of the same
    dates. What a full file covers is given by the columns `replaces.within` of its rows. Where one of its rows there
    did not fit, nothing is retired: the file does not say all that it holds.
    """
    parts = []
    for feed, files in batch.by_feed.items():
        mapping = batch.mappings[feed]
        full = [file for file in files if is_full(file, mapping)]
        if mapping.replaces and described.table in {t.table for t in mapping.targets} and _may_replace(batch, full):
            of_feed = F.col("feed") == feed
            earlier = None if before is None else before.where(of_feed)
            parts.append(_of_feed(batch, described, mapping.replaces, judged.where(of_feed), earlier, full))
    return reduce(DataFrame.unionByName, parts) if parts else None


def is_full(file: FileRecord, mapping: Mapping) -> bool:
    """Whether the file lists all there is, rather than what has changed."""
    if mapping.replaces is None:
        return False
    context = (file.detection or {}).get("context", {})
    return all(re.fullmatch(test, context.get(name, "")) for name, test in mapping.replaces.only_when.items())


def _alike(batch: Batch, names: list[str], before: DataFrame | None) -> DataFrame:
    """(file_id, ALIKE) of the batch's files and of those that the earlier rows stand in: what was captured of each."""
    files = {file.file_id: file for file in batch.files}
    if before is not None and batch.ledger is not None:
        earlier = [row["file_id"] for row in before.select("file_id").distinct().collect()]
        files |= {file.file_id: file for file in batch.ledger.files_by_id(earlier)}
    captured = {key: (file.detection or {}).get("context", {}) for key, file in files.items()}
    rows = [(key, json.dumps([context.get(name) for name in names])) for key, context in captured.items()]
    return local_rows(batch.spark, rows, ALIKE_FACTS)


def _may_replace(batch: Batch, full: list[FileRecord]) -> bool:
    """Whether a file of the same day came before any of these: the ledger knows, and a common night ends here."""
    if not full:
        return False
    days = [(file.tenant_id, file.business_date) for file in full]
    return (
        batch.ledger is None
        or None in {day for _, day in days}
        or len(set(days)) < len(days)
        or any(batch.ledger.has_earlier(file) for file in full)
    )


def _of_feed(  # noqa: PLR0917
    batch: Batch,
    described: Table,
    replaces: Replaces,
    judged: DataFrame,
    before: DataFrame | None,
    full: list[FileRecord],
) -> DataFrame:
    listed = judged.where(F.col("file_id").isin([file.file_id for file in full]))
    scope = ["tenant_id", *replaces.within]
    standing = judged.where("outcome = 'silver'").select(*described.names)
    if before is not None:
        standing = standing.unionByName(before.select(*described.names))
    if replaces.same:
        kinds = _alike(batch, replaces.same, before)
        listed, standing = (rows.join(F.broadcast(kinds), "file_id") for rows in (listed, standing))
        scope.append(ALIKE)
    files = listed.groupBy(*scope, *PROVENANCE).agg(F.bool_and(F.col("outcome") != "quarantined").alias("fits"))
    last = files.groupBy(*scope).agg(F.max_by(F.struct(*PROVENANCE, "fits"), "arrival_no").alias("by"))
    covered = latest(standing, described).join(F.broadcast(last), scope).where("by.fits AND arrival_no < by.arrival_no")
    keys = listed.select(*described.key, F.col("file_id").alias("_listed_in")).distinct()
    on = [covered[name].eqNullSafe(keys[name]) for name in described.key]
    gone = covered.join(keys, [*on, F.col("by.file_id") == F.col("_listed_in")], "left_anti")
    return gone.withColumns(
        {
            **{name: F.col(f"by.{name}") for name in PROVENANCE},
            "line_no": F.lit(0).cast("long"),
            "record_no": F.lit(0),
            "retired": F.lit(True),
        }
    ).select(*described.names)
