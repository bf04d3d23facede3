"""A file run dry: the very steps of a night (detect, ingest, normalise) against what the lake holds; nothing is kept.

The answers are the real run's, since they come from the same functions: only the lake is a trial's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.detect import landing
from jobs.detect.job import examined
from jobs.ingest.job import bronze, stage
from jobs.normalise.accounting import FileAccount
from jobs.normalise.batch import Batch
from jobs.normalise.controls import ControlResult
from jobs.normalise.job import normalise
from jobs.normalise.targets import RULES_TYPE
from jobs.platform import schemas
from jobs.platform.errors import DietzError
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import Mapping
from jobs.platform.settings import Settings
from jobs.vendor.trial_lake import TrialLake

TRIAL_RUN = 2**40  # later than every run there is
SHOWN = 3


@dataclass
class Checked:
    """What would become of one file (or member, or sheet); `rows` yields the answer for each of its records."""

    file: FileRecord
    mapping: Mapping | None = None
    books: FileAccount | None = None
    broken: list[ControlResult] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def held_controls(self) -> list[str]:
        """Names of the declared controls that are met."""
        broken = {result.control for result in self.broken}
        return [one.name for one in self.mapping.controls if one.name not in broken] if self.mapping else []


@contextmanager
def checked(
    spark: SparkSession, settings: Settings, path: Path, tenant_id: str, mappings: dict[str, Mapping], *, rows: bool
) -> Iterator[list[Checked]]:
    """What a run would make of the file for this tenant. `rows`: every record's answer too (it comes to the driver).

    Raises DietzError where there is no such file.
    """
    if not path.is_file():
        raise DietzError(f"{path}: no such file")
    stat = path.stat()
    delivery = landing.Delivery(tenant_id, path, str(path.resolve()), stat.st_size, landing.modified(stat))
    with tempfile.TemporaryDirectory(prefix="dietz-check-") as folder:
        lake = TrialLake(Lake(spark, settings.lake_root), folder)
        found = []
        for number, file in enumerate(examined(settings, TRIAL_RUN, delivery, mappings)):
            trial = replace(file, run_no=TRIAL_RUN + number, arrival_no=TRIAL_RUN + number)
            if file.status != "detected":
                found.append(Checked(trial, mappings.get(str(file.feed))))
            else:
                stage(settings, [trial], Path(folder, "incoming"), mappings)
                lines = bronze(spark, [trial], Path(folder, "incoming"), mappings)
                lake.write_run(lines, "line", TRIAL_RUN + number, "check")
                found.append(_one(lake, trial, mappings, rows))
        yield found


def _one(lake: TrialLake, file: FileRecord, mappings: dict[str, Mapping], rows: bool) -> Checked:
    run_no = int(file.run_no or 0)
    batch = Batch(lake.spark, lake, None, "check", run_no, [file], mappings=mappings)
    mapping = mappings[str(file.feed)]
    try:
        normalise(batch)
        said = replace(file, message="; ".join(batch.stopped[file.file_id]) or file.message)
        outcome = Checked(said, mapping, batch.accounts[file.file_id], batch.controls)
        outcome.reasons = _reasons(lake, run_no)
        tables = sorted({target.table for target in mapping.targets})
        outcome.examples = [one for name in tables for one in _silver(lake, name, run_no, SHOWN)]
        if rows:
            outcome.rows = [one for name in tables for one in _answers(batch, lake, name, run_no)]
    finally:
        batch.release()
    return outcome


def _reasons(lake: TrialLake, run_no: int) -> list[dict[str, Any]]:
    """Why records do not fit: rule, column, rows, first line with its value, what was expected."""
    if not lake.exists("quarantine"):
        return []
    each = lake.own("quarantine").where(F.col("run_no") == run_no)
    each = each.select("line_no", F.explode(F.from_json("failed_rules", RULES_TYPE)).alias("failed"))
    first = F.min_by(F.struct("line_no", "failed.value", "failed.expected"), "line_no")
    counted = each.groupBy("failed.rule", "failed.column").agg(F.count("*").alias("rows"), first.alias("first"))
    return [
        {"rule": row["rule"], "column": row["column"], "rows": row["rows"], **row["first"].asDict()}
        for row in counted.orderBy("rule", "column").collect()
    ]


def _silver(lake: TrialLake, name: str, run_no: int, limit: int | None = None) -> list[dict[str, Any]]:
    """Records of a table as they would stand in silver, with the text that they were made of."""
    if not lake.exists(name):
        return []
    lines = lake.own("line").select("file_id", "line_no", "raw")
    rows = (
        lake.own(name).where((F.col("run_no") == run_no) & (F.col("line_no") > 0)).join(lines, ["file_id", "line_no"])
    )
    return _as_answers(rows.orderBy("line_no", "record_no"), name, F.lit("silver"), limit)


def _answers(batch: Batch, lake: TrialLake, name: str, run_no: int) -> list[dict[str, Any]]:
    """Every record of a table with its outcome."""
    if name not in batch.judged:
        return _silver(lake, name, run_no)
    return _as_answers(batch.judged[name].orderBy("line_no", "record_no"), name, F.col("outcome"), None)


def _as_answers(rows: DataFrame, name: str, outcome: Any, limit: int | None) -> list[dict[str, Any]]:
    values = [column.name for column in schemas.table(name).columns]
    failed = F.col("failed_rules") if "failed_rules" in rows.columns else F.array()
    chosen = rows.select("line_no", "record_no", "raw", outcome.alias("_outcome"), failed.alias("_failed"), *values)
    return [
        {
            "table": name,
            "line_no": row["line_no"],
            "record_no": row["record_no"],
            "outcome": row["_outcome"],
            "failed_rules": [one.asDict() for one in row["_failed"]],
            "raw": row["raw"],
            "row": {column: row[column] for column in values if row[column] is not None},
        }
        for row in (chosen.limit(limit) if limit else chosen).collect()
    ]
