"""ingest: every line of every detected file into bronze, as it came, with its number."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.detect.containers import decrypted, is_wrapped, open_member
from jobs.detect.formats import as_lines
from jobs.ingest.bronze import decoded, numbered_lines
from jobs.ingest.parquet import parquet_lines
from jobs.platform import fencing
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Run
from jobs.platform.local_rows import local_rows
from jobs.platform.mapping import Mapping, load_mappings
from jobs.platform.mapping_reader import CONVERTED
from jobs.platform.settings import Settings

log = structlog.get_logger()

OWNER = T.StructType(
    [T.StructField(name, T.StringType()) for name in ("file_name", "tenant_id", "vendor", "feed")]
    + [T.StructField("run_no", T.LongType())]
)


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Write the lines of all files in status `detected` to bronze; returns files and lines (as counted at detection).

    Files that a dead run left behind are written under that run's number, so its half-done work is replaced.
    """
    lake = Lake(spark, settings.lake_root)
    taken_by: dict[int, list[FileRecord]] = defaultdict(list)
    for file in run.ledger.files(status=["detected", "ingested", "normalised"]):
        taken_by[int(file.run_no or 0)].append(file)
    files = lines = 0
    mappings = load_mappings()
    for run_no, group in sorted(taken_by.items()):
        fresh = [file for file in group if file.status == "detected"]
        if not fresh:
            continue
        # The whole group is written again, since one replaceWhere covers everything that the run took.
        incoming = own_folder(settings, run_no)
        try:
            stage(settings, group, incoming, mappings)
            lake.write_run(bronze(spark, group, incoming, mappings), "line", run_no, run.run_id)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        run.ledger.update_files({file.file_id: {"status": "ingested"} for file in fresh})
        files += len(fresh)
        lines += sum(file.lines or 0 for file in fresh)
    log.info("ingested", files=files, lines=lines)
    return {"files": files, "lines": lines}


def own_folder(settings: Settings, run_no: int) -> Path:
    """A folder of this attempt of the step alone: one that was overtaken tidies up while the next is reading. What
    earlier attempts left behind, which none of them will publish, goes."""
    fence = fencing.present()
    own = f"{run_no}-{fence.number if fence else 0}"
    for left in settings.folder("incoming").iterdir():
        if left.name != own:
            shutil.rmtree(left, ignore_errors=True)
    return settings.folder("incoming") / own


def stage(settings: Settings, group: list[FileRecord], incoming: Path, mappings: dict[str, Mapping]) -> None:
    """Give each file the name of its file_id in a folder of the run: a link, the decompressed member, or the lines that
    its format makes of it."""
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    for file in group:
        source, target, mapping = settings.landing / file.path, incoming / file.file_id, mappings[str(file.feed)]
        if mapping.format not in CONVERTED and not is_wrapped(source):
            os.symlink(source, target)
            continue
        with decrypted(source, settings.conf.decrypt) as path, open_member(path, file.member) as stream:
            if mapping.format in CONVERTED:
                with target.open("w", encoding="utf-8", newline="\n") as out:
                    out.writelines(f"{line}\n" for line in as_lines(stream, file.member, mapping))
            else:
                with target.open("wb") as binary:
                    shutil.copyfileobj(stream, binary)


def bronze(spark: SparkSession, group: list[FileRecord], incoming: Path, mappings: dict[str, Mapping]) -> DataFrame:
    """Rows of the table `line` of staged files."""
    alike: dict[str, list[FileRecord]] = defaultdict(list)
    for file in group:
        mapping = mappings[str(file.feed)]
        as_utf8 = mapping.format in CONVERTED or (file.detection or {}).get("utf16")
        alike["parquet" if mapping.format == "parquet" else "utf-8" if as_utf8 else mapping.reader.encoding].append(
            file
        )
    parts = []
    for encoding, files in alike.items():
        owners = local_rows(spark, [(f.file_id, f.tenant_id, f.vendor, f.feed, f.run_no) for f in files], OWNER)
        paths = [str(incoming / f.file_id) for f in files]
        lines = (
            parquet_lines(spark, paths) if encoding == "parquet" else decoded(numbered_lines(spark, paths), encoding)
        )
        parts.append(lines.join(F.broadcast(owners), "file_name").withColumnRenamed("file_name", "file_id"))
    every = parts[0]
    for part in parts[1:]:
        every = every.unionByName(part)
    return every


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("ingest")
