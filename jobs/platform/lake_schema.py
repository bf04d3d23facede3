"""The lake's tables brought to what `schemas/` says: columns added or widened; any other change is refused."""

from __future__ import annotations

from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from jobs.platform.errors import DietzError
from jobs.platform.lake import KEY_PROPERTY, Lake
from jobs.platform.logs import get_log
from jobs.platform.schemas import SPARK_TYPES, Table, fingerprint, tables
from jobs.platform.settings import Settings

# What a type may become, without another value for any row that is there.
WIDER: dict[str, tuple[str, ...]] = {"integer": ("long", "double")}
NAMES = {kind.simpleString(): name for name, kind in SPARK_TYPES.items()}
STAMP = "_schemas"  # file beside the layers: the fingerprint of the schemas/ that the tables were last brought to


def ensure(spark: SparkSession, settings: Settings) -> list[str]:
    """Bring all tables of the lake to the present `schemas/`; returns what was changed, in words.

    Costs the look at one small file where the schemas are those of the last time. Raises DietzError where a table
    would have to lose or narrow something; nothing is changed then.
    """
    lake, present = Lake(spark, settings.lake_root), fingerprint()
    folder = _Folder(spark, lake.root)
    if folder.read(STAMP) == present:
        return []
    there = [one for one in tables() if one.table in folder.names(one.layer) and lake.exists(one.table)]
    wanted = [(one, _changes(one, DeltaTable.forPath(spark, lake.path(one.table)))) for one in there]
    done = []
    for described, changes in wanted:
        for words, statement in changes:
            spark.sql(statement.format(table=f"delta.`{lake.path(described.table)}`"))
            if words:
                done.append(f"{described.table}: {words}")
                get_log().info("lake table migrated", table=described.table, change=words)
    folder.write(STAMP, present)
    return done


def _changes(described: Table, table: DeltaTable) -> list[tuple[str, str]]:
    """(in words, SQL) for each difference between the table as it is and as it is described."""
    where = f"schemas/{described.table}.yaml"
    facts = table.detail().select("properties").collect()[0][0]
    key = ",".join(described.key)
    if facts.get(KEY_PROPERTY, key) != key:
        raise DietzError(
            f"{where}: the key was {facts[KEY_PROPERTY]} and is {key} now, which would make other rows of those that"
            " are there; give the table another name, or build the lake anew from landing"
        )
    present: dict[str, T.StructField] = {field.name: field for field in table.toDF().schema}
    names = described.names
    if gone := [name for name in present if name not in names]:
        raise DietzError(
            f"{where}: column {', '.join(gone)} is gone, but the lake has it; put it back (a column that nobody fills"
            " stays NULL), or build the lake anew from landing"
        )
    found: list[tuple[str, str]] = []
    for column in described.all_columns:
        wanted = SPARK_TYPES[column.type].simpleString()
        if column.name not in present:
            if not column.nullable:
                raise DietzError(
                    f"{where}: new column {column.name} must be nullable: rows that are there have no value"
                )
            found.append((f"column {column.name} added", f"ALTER TABLE {{table}} ADD COLUMNS ({column.name} {wanted})"))
            continue
        field = present[column.name]
        if field.dataType.simpleString() != wanted:
            before = NAMES.get(field.dataType.simpleString(), field.dataType.simpleString())
            if column.type not in WIDER.get(before, ()):
                raise DietzError(
                    f"{where}: column {column.name} was {before} and is {column.type} now, which does not hold every"
                    f" {before}; put {before} back and add a column of another name"
                )
            found += [
                ("", "ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"),
                (f"column {column.name} widened from {before} to {column.type}",
                 f"ALTER TABLE {{table}} ALTER COLUMN {column.name} TYPE {wanted}"),
            ]  # fmt: skip
        if field.nullable and not column.nullable:
            raise DietzError(f"{where}: column {column.name} may be NULL in the lake; leave it nullable")
        if column.nullable and not field.nullable:
            statement = f"ALTER TABLE {{table}} ALTER COLUMN {column.name} DROP NOT NULL"
            found.append((f"column {column.name} may be NULL", statement))
    if KEY_PROPERTY not in facts:
        found.append(("key noted", f"ALTER TABLE {{table}} SET TBLPROPERTIES ('{KEY_PROPERTY}' = '{key}')"))
    return found


class _Folder:
    """The lake's folder, wherever that is, through Hadoop's file systems."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        assert spark._jvm is not None
        self.jvm = spark._jvm
        self.root = self._path(root)
        self.files = self.root.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
        self._names: dict[str, set[str]] = {}

    def _path(self, *parts: Any) -> Any:
        return self.jvm.org.apache.hadoop.fs.Path(*parts)

    def names(self, layer: str) -> set[str]:
        """What lies in a folder; nothing where there is none."""
        if layer not in self._names:
            path = self._path(self.root, layer)
            found = self.files.listStatus(path) if self.files.exists(path) else []
            self._names[layer] = {status.getPath().getName() for status in found}
        return self._names[layer]

    def read(self, name: str) -> str | None:
        """Text of a small file; None without it."""
        path = self._path(self.root, name)
        if not self.files.exists(path):
            return None
        stream = self.files.open(path)
        try:
            return str(self.jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write(self, name: str, text: str) -> None:
        stream = self.files.create(self._path(self.root, name), True)
        try:
            stream.write(text.encode())
        finally:
            stream.close()
