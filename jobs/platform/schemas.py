"""The tables as data: `schemas/<table>.yaml` gives types, keys, meaning and PII; all else is derived from it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from pyspark.sql import types as T

from jobs.platform.settings import PROJECT_ROOT
from jobs.platform.yaml_model import StrictModel, load_yaml

ColumnType = Literal["string", "date", "decimal", "integer", "long", "double", "boolean", "timestamp"]
Layer = Literal["bronze", "silver", "gold", "marts"]

MONEY = T.DecimalType(28, 8)

SPARK_TYPES: dict[str, T.DataType] = {
    "string": T.StringType(),
    "date": T.DateType(),
    "decimal": MONEY,
    "integer": T.IntegerType(),
    "long": T.LongType(),
    "double": T.DoubleType(),
    "boolean": T.BooleanType(),
    "timestamp": T.TimestampType(),
}
POSTGRES_TYPES: dict[str, str] = {
    "string": "text",
    "date": "date",
    "decimal": "numeric(28,8)",
    "integer": "integer",
    "long": "bigint",
    "double": "double precision",
    "boolean": "boolean",
    "timestamp": "timestamp with time zone",
}


class Column(StrictModel):
    """One column: what it is, in which unit, and what a valid value looks like."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    type: ColumnType
    meaning: str
    nullable: bool = True
    values: list[str] = Field(default=[], description="allowed values; empty: any")
    sign: Literal["positive", "not_negative"] | None = None
    pattern: str | None = Field(default=None, description="a regular expression that the whole value matches")
    default: str | None = Field(default=None, description="value where a file leaves the column out or empty")
    pii: bool = False
    published: bool = Field(
        default=True, description="whether the tables of published_as have it; false: it stays in the lake"
    )
    stoppable: bool = Field(
        default=False, description="whether no figure depends on it: a file in which its type has changed goes on"
    )


class Table(StrictModel):
    """One table of the lake and, where published, of the marts."""

    table: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    layer: Layer
    meaning: str
    key: list[str]
    date: str | None = Field(default=None, description="the column that bounds a night's slice")
    published_as: list[str] = Field(default=[], description="Postgres tables that hold these columns, schema.table")
    like: str | None = Field(default=None, description="another table, whose columns stand before the own ones")
    columns: list[Column] = []

    @model_validator(mode="before")
    @classmethod
    def _with_columns_of_the_other(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("like"), str):
            return data
        return {**data, "columns": [*table(data["like"]).columns, *(data.get("columns") or [])]}

    @model_validator(mode="after")
    def _key_names_columns(self) -> Table:
        names = {column.name for column in self.all_columns}
        if lost := [column.name for column in self.columns if column.stoppable and not column.nullable]:
            raise ValueError(f"a column that is always there cannot be stoppable: {', '.join(lost)}")
        unknown = [name for name in [*self.key, *([self.date] if self.date else [])] if name not in names]
        if unknown:
            raise ValueError(f"key or date names no column: {', '.join(unknown)}")
        return self

    @property
    def all_columns(self) -> list[Column]:
        """The columns with, for silver, the lineage that every row carries."""
        carries_lineage = self.layer == "silver" and self.table != "quarantine"
        return [*self.columns, *LINEAGE] if carries_lineage else list(self.columns)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.all_columns]

    @property
    def stoppable(self) -> list[str]:
        """Columns that a file may lose without any figure being another."""
        return [column.name for column in self.columns if column.stoppable]

    def column(self, name: str) -> Column:
        return next(column for column in self.all_columns if column.name == name)

    @property
    def struct(self) -> T.StructType:
        """The table's Spark schema, in the order of the YAML file."""
        return T.StructType([T.StructField(c.name, SPARK_TYPES[c.type], c.nullable) for c in self.all_columns])


LINEAGE = [
    Column(name="tenant_id", type="string", nullable=False, meaning="The client firm: the folder in landing."),
    Column(name="vendor", type="string", nullable=False, published=False, meaning="Who delivered the row."),
    Column(name="feed", type="string", nullable=False, published=False, meaning="The mapping that read it."),
    Column(name="file_id", type="string", nullable=False, published=False, meaning="The file, as in ops.file."),
    Column(
        name="line_no",
        type="long",
        nullable=False,
        published=False,
        meaning="Line of the file, from 1; 0 in a row that retires another.",
    ),
    Column(
        name="record_no", type="integer", nullable=False, published=False, meaning="Record within the line, from 1."
    ),
    Column(
        name="mapping_version",
        type="string",
        nullable=False,
        published=False,
        meaning="Fingerprint of the mapping file.",
    ),
    Column(
        name="arrival_no",
        type="long",
        nullable=False,
        published=False,
        meaning="Order of arrival of the file: the greatest per key is the row that counts, the others are history.",
    ),
    Column(
        name="run_no",
        type="long",
        nullable=False,
        published=False,
        meaning="The run that loaded the row, as in ops.run.",
    ),
    Column(
        name="retired",
        type="boolean",
        published=False,
        meaning="True: a later full file of the feed lists the row no more, so that it counts no more.",
    ),
]


def schemas_folder() -> Path:
    return PROJECT_ROOT / "schemas"


def fingerprint() -> str:
    """Of all that `schemas/` says: another one means that tables may have to be migrated."""
    whole = hashlib.sha256()
    for path in sorted(schemas_folder().glob("*.yaml")):
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


@cache
def table(name: str) -> Table:
    """The table of that name. Raises ConfigError where its file is missing or wrong."""
    found = load_yaml(schemas_folder() / f"{name}.yaml", Table)
    if found.table != name:
        raise ValueError(f"schemas/{name}.yaml describes '{found.table}'")
    return found


@cache
def tables(layer: Layer | None = None) -> list[Table]:
    """All tables, by name; with `layer`, only that layer's."""
    every = [table(path.stem) for path in sorted(schemas_folder().glob("*.yaml"))]
    return [one for one in every if layer is None or one.layer == layer]
