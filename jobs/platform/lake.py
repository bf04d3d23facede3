"""The lake: Delta tables by name, written so that a step run twice ends in the same tables."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.platform import fencing
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import Table, table

PARTITIONS = {"line": ["feed"]}
# A row per account, pair or benchmark and change: small, and looked at in a dozen queries of a run. Each look at a
# Delta table is a Spark job over its log before the first row is read, so these are read once per version.
LOOKED_AT_OFTEN = {
    "account", "account_group_member", "fx_rate", "benchmark_level", "benchmark_return", "held_account",
    "account_epoch", "account_reporting_epoch", "group_epoch",
}  # fmt: skip
KEY_PROPERTY = "dietz.key"  # of a table: its natural key, which no later schema may change
RECENT_COMMITS = 50  # how far back a run's own commit is looked for before the whole table is asked


@dataclass(frozen=True)
class AddedFile:
    """One data file that a commit added: where it is and how many rows it holds."""

    path: str
    rows: int
    version: int


class Lake:
    """Reads and writes the tables of `schemas/` under one root (a folder or an s3a:// prefix)."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.spark = spark
        self.root = root.rstrip("/")
        self._known: set[str] = set()
        self._read: dict[str, tuple[int, DataFrame]] = {}

    def path(self, name: str) -> str:
        """Location of a table: <root>/<layer>/<table>."""
        return f"{self.root}/{table(name).layer}/{name}"

    def exists(self, name: str) -> bool:
        """Whether the table has ever been written."""
        return self._is_there(name)

    def _is_there(self, name: str) -> bool:
        if name not in self._known and DeltaTable.isDeltaTable(self.spark, self.path(name)):
            self._known.add(name)
        return name in self._known

    def read(self, name: str) -> DataFrame:
        """All rows, every version of them; no rows where nothing was written yet."""
        if not self._is_there(name):
            return local_rows(self.spark, [], table(name).struct)
        if name not in LOOKED_AT_OFTEN or "://" in self.root:
            return self._delta(name)
        version = self.version(name)
        if name not in self._read or self._read[name][0] != version:
            self._read[name] = version, self._delta(name).localCheckpoint()
        return self._read[name][1]

    def _delta(self, name: str) -> DataFrame:
        return self.spark.read.format("delta").load(self.path(name))

    def files(self, name: str) -> list[str]:
        """The data files whose rows count now; none of a table where nothing was written yet."""
        return self._delta(name).inputFiles() if self._is_there(name) else []

    def current(self, name: str, where: Column | None = None) -> DataFrame:
        """The rows that count: per natural key the one that arrived last. `where` may only test key columns."""
        rows = self.read(name)
        return latest(rows if where is None else rows.where(where), table(name))

    def written_by(self, name: str, run_nos: list[int]) -> DataFrame:
        """The rows of these runs, read from the data files that their last commits added.

        A night reads back what it has just written: its files are known, so nothing asks Delta to list the table's.
        """
        rows = F.col("run_no").isin(run_nos)
        paths = self._paths_of(name, set(run_nos))
        if paths is None:
            return self.read(name).where(rows)
        if not paths:
            return local_rows(self.spark, [], table(name).struct)
        reader = self.spark.read.schema(table(name).struct).option("basePath", self.path(name))
        return reader.parquet(*paths).where(rows)

    def wrote_lately(self, name: str, run_no: int) -> bool:
        """Whether one of the table's recent commits is the run's."""
        newest = self.version(name)
        recent = range(newest, max(-1, newest - RECENT_COMMITS), -1)
        return any(_run_of([json.loads(line) for line in self._log(name, version)]) == run_no for version in recent)

    def write_run(self, rows: DataFrame, name: str, run_no: int, run_id: str, *, part: str = "") -> int:
        """Put a run's rows in place of what an earlier attempt of the same run wrote; other runs' rows stay. `part`:
        SQL that all of `rows` meet, where another step of the run writes other rows of the table, which stay.

        `rows` has the table's columns, run_no among them. One atomic commit, or none where there is nothing to put and
        nothing to replace. Returns how many rows the commit says it wrote.
        """
        self._create(table(name))
        before = self.version(name)
        writer = self._writer(rows, name, run_no, run_id)
        if self.last_run(name) < run_no:  # nothing of this run can be there: no need to look for what to replace
            writer = writer.mode("append")
        else:
            own = f"run_no = {run_no}" + (f" AND {part}" if part else "")
            writer = writer.mode("overwrite").option("replaceWhere", own)
        after = self._commit(writer, name, before)
        if after == before:
            return 0
        added = [json.loads(line) for line in self._log(name, after)]
        return sum(json.loads(a["add"]["stats"])["numRecords"] for a in added if "add" in a)

    def overwrite(self, rows: DataFrame, name: str, run_no: int, run_id: str) -> None:
        """Rewrite a table that is small by nature (one row per account)."""
        self._create(table(name))
        self._commit(self._writer(rows, name, run_no, run_id).mode("overwrite"), name, self.version(name))

    def _writer(self, rows: DataFrame, name: str, run_no: int, run_id: str) -> DataFrameWriter:
        writer = rows.select(*table(name).names).write.format("delta")
        fence = fencing.present()
        options = fence.delta_options() if fence else {}
        return writer.options(userMetadata=json.dumps({"run_id": run_id, "run_no": run_no}), **options)

    def _commit(self, writer: DataFrameWriter, name: str, before: int) -> int:
        """Write, and return the table's version after it; `before`: the version until then.

        Raises DietzError where the step was overtaken: Delta refuses then, or passes over what is to be written.
        """
        try:
            writer.save(self.path(name))
        except Exception:
            fencing.check()  # also where what was to be read has been tidied away
            raise
        after = self.version(name)
        if after == before:
            fencing.check()
        return after

    def version(self, name: str) -> int:
        """The last commit's number; -1 for a table that does not exist."""
        if not self._is_there(name):
            return -1
        if "://" not in self.root:  # a look at the folder costs no Spark job
            commits = Path(self.path(name), "_delta_log").glob("*.json")
            return max(int(commit.stem) for commit in commits if commit.stem.isdigit())
        return DeltaTable.forPath(self.spark, self.path(name)).history(1).select("version").collect()[0][0]

    def added_files(self, name: str, after: int, through: int) -> list[AddedFile]:
        """Data files added by the commits in (after, through] that no commit among them removed again.

        Files that compaction only rearranged (dataChange false) are left out.
        """
        alive: dict[str, AddedFile] = {}
        for version in range(after + 1, through + 1):
            for line in self._log(name, version):
                action = json.loads(line)
                if "remove" in action and action["remove"].get("dataChange", True):
                    alive.pop(action["remove"]["path"], None)
                elif "add" in action and action["add"].get("dataChange", True):
                    add = action["add"]
                    rows = json.loads(add.get("stats") or "{}").get("numRecords", -1)
                    alive[add["path"]] = AddedFile(f"{self.path(name)}/{add['path']}", rows, version)
        return list(alive.values())

    def _paths_of(self, name: str, run_nos: set[int]) -> list[str] | None:
        """Data files of the last commit of each run; None where one is not among the recent commits."""
        wanted: set[float] = set(run_nos)
        paths: list[str] = []
        newest = self.version(name)
        for version in range(newest, max(-1, newest - RECENT_COMMITS), -1):
            if not wanted:
                break
            actions = [json.loads(line) for line in self._log(name, version)]
            found = _run_of(actions)
            if found in wanted:
                wanted.remove(found)
                paths += [f"{self.path(name)}/{unquote(a['add']['path'])}" for a in actions if "add" in a]
        return None if wanted and newest >= RECENT_COMMITS else paths

    def last_run(self, name: str) -> float:
        """The run that made the last commit, which is the latest of all: run numbers grow. Infinite if unknown, 0 for a
        table that does not exist."""
        if not self._is_there(name):
            return 0
        return _run_of([json.loads(line) for line in self._log(name, self.version(name))])

    def _log(self, name: str, version: int) -> list[str]:
        path = f"{self.path(name)}/_delta_log/{version:020d}.json"
        if "://" not in path:
            return Path(path).read_text(encoding="utf-8").splitlines()
        return [row.value for row in self.spark.read.text(path).collect()]

    def _create(self, described: Table) -> None:
        if self._is_there(described.table):
            return
        builder = DeltaTable.createIfNotExists(self.spark).location(self.path(described.table))
        builder = builder.comment(described.meaning).addColumns(described.struct)
        partitions = PARTITIONS.get(described.table)
        if partitions:
            builder = builder.partitionedBy(*partitions)
        builder = builder.property(KEY_PROPERTY, ",".join(described.key))
        builder.property("delta.enableDeletionVectors", "false").execute()
        self._known.add(described.table)


def _run_of(actions: list[dict[str, Any]]) -> float:
    """The run that a commit was made by; 0 for the table's creation, infinite where it does not say."""
    info: dict[str, str] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    if info.get("operation") == "CREATE TABLE":
        return 0
    return json.loads(info.get("userMetadata") or "{}").get("run_no", math.inf)


def latest(rows: DataFrame, described: Table) -> DataFrame:
    """Per natural key the row of the file that arrived last (in a log, its last line), unless that retires it; same
    columns."""
    by_arrival = Window.partitionBy(*described.key).orderBy(
        F.desc("arrival_no"), F.desc("line_no"), F.desc("record_no")
    )
    return (
        rows.withColumn("_rank", F.row_number().over(by_arrival))
        .where("_rank = 1 AND NOT coalesce(retired, false)")
        .drop("_rank")
    )
