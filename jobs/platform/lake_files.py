"""Tables of the lake read by Arrow alone: for the verbs that must answer before Spark would have started."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql.pandas.types import to_arrow_schema

from jobs.platform.errors import DietzError
from jobs.platform.schemas import table
from jobs.platform.settings import Settings

# (table, columns, which rows) -> those columns of its rows; None where nothing was written yet.
Read = Callable[[str, list[str], pc.Expression | None], pa.Table | None]


def reader(settings: Settings) -> Read:
    """How tables of the workspace's lake are read; a lake in an object store does need Spark."""
    root = settings.lake_root
    if "://" not in root:
        return partial(read_columns, root)
    from jobs.platform.lake import Lake
    from jobs.platform.spark import get_spark

    lake = Lake(get_spark(settings), root)

    def read(name: str, columns: list[str], where: pc.Expression | None = None) -> pa.Table:
        rows = lake.read(name).select(*columns).toArrow()
        return rows if where is None else rows.filter(where)

    return read


def read_columns(root: str, name: str, columns: list[str], where: pc.Expression | None = None) -> pa.Table | None:
    """These columns of all rows (that meet `where`) of a table of the lake in the folder `root`.

    None where nothing was written yet. Raises DietzError where the log cannot be read this way.
    """
    folder = Path(root) / table(name).layer / name
    files = [str(path) for path in live_files(folder)]
    if not files:
        return None
    # Files that are older than a column do not have it. Without partitioning=None Arrow takes a folder "feed=x" for a
    # column and finds it twice.
    schema = to_arrow_schema(table(name).struct)
    return pq.read_table(files, columns=columns, filters=where, partitioning=None, schema=schema)


def live_files(folder: Path) -> list[Path]:
    """Data files of the newest version of a Delta table: its last checkpoint, and the commits since."""
    log = folder / "_delta_log"
    alive: dict[str, None] = {}
    after = -1
    if (log / "_last_checkpoint").exists():
        after = json.loads((log / "_last_checkpoint").read_text(encoding="utf-8"))["version"]
        parts = sorted(log.glob(f"{after:020d}.checkpoint*.parquet"))
        if not parts:
            raise DietzError(f"{log} has no checkpoint {after}")
        for part in parts:
            added = pc.struct_field(pq.ParquetFile(part).read(columns=["add.path"])["add"], "path")
            alive |= dict.fromkeys(added.drop_null().to_pylist())
    for commit in sorted(path for path in log.glob("*.json") if path.stem.isdigit() and int(path.stem) > after):
        for line in commit.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if "add" in action:
                alive[action["add"]["path"]] = None
            elif "remove" in action:
                alive.pop(action["remove"]["path"], None)
    return [folder / unquote(path) for path in alive]
