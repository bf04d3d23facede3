"""Committed parquet files -> Arrow batches -> binary COPY, on a few connections; rows never pass through the JVM."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import pgpq
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg import sql

from jobs.platform.errors import DietzError

BATCH_ROWS = 32_768  # bounds memory: connections x batches x the width of a row
Accounts = frozenset[tuple[str, str]]

# Binary COPY casts nothing: what is sent must have the target column's type.
ARROW_TYPES = {
    "text": pa.string(),
    "date": pa.date32(),
    "numeric(28,8)": pa.decimal128(28, 8),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Source:
    """A committed parquet file; of `only` these (tenant_id, account_id) where given."""

    path: str
    only: Accounts | None = None


def copy_files(
    sources: list[Source], target: str, columns: list[str], connect: Callable[[], psycopg.Connection], connections: int
) -> int:
    """Copy the columns of all files into a table of `stage`. Returns the number of rows.

    Each connection commits its own part: a failure leaves rows behind, which is why the target is a staging table.
    Raises DietzError where a value does not fit the target column.
    """
    groups = [(source, group) for source in sources for group in range(_open(source.path).num_row_groups)]
    work = deque(groups)

    def one_connection() -> int:
        with connect() as connection:
            types = column_types(connection, target)
            schema = pa.schema([pa.field(name, ARROW_TYPES[types[name]]) for name in columns])
            encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(_identifier(target), names)
            rows = 0
            with connection.cursor() as cursor, cursor.copy(command) as copy:
                copy.write(encoder.write_header())
                for batch in _take(work, columns):
                    copy.write(encoder.write_batch(_fit(batch, schema, target)))
                    rows += batch.num_rows
                copy.write(encoder.finish())
            return rows

    if not groups:
        return 0
    with ThreadPoolExecutor(max_workers=connections) as pool:
        parts = [pool.submit(one_connection) for _ in range(min(connections, len(groups)))]
        return sum(part.result() for part in parts)


def dates_in(sources: list[Source], column: str) -> set[date]:
    """The distinct dates of a column over all files."""
    found: set[date] = set()
    for source in sources:
        groups = deque((source, group) for group in range(_open(source.path).num_row_groups))
        for batch in _take(groups, [column]):
            found.update(pc.unique(batch.column(0)).to_pylist())
    return found


def rows_in(sources: list[Source]) -> int:
    """Rows that the files' footers promise, for files that are taken whole."""
    return sum(_open(source.path).metadata.num_rows for source in sources if source.only is None)


def column_types(connection: psycopg.Connection, table: str) -> dict[str, str]:
    """Column -> type of a table, in its order."""
    found = connection.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    )
    return dict(found.fetchall())


def _take(work: deque[tuple[Source, int]], columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
    wanted = list(columns)
    while work:
        try:
            source, group = work.popleft()
        except IndexError:  # another connection took the last one
            return
        read = wanted if source.only is None else list(dict.fromkeys([*wanted, "tenant_id", "account_id"]))
        for batch in _open(source.path).iter_batches(BATCH_ROWS, row_groups=[group], columns=read):
            chosen = batch if source.only is None else batch.filter(_is_one_of(batch, source.only))
            if chosen.num_rows:
                yield _with_missing(chosen, wanted).select(wanted)


def _with_missing(batch: pa.RecordBatch, wanted: list[str]) -> pa.RecordBatch:
    """A file that is older than a column does not have it."""
    for name in set(wanted).difference(batch.schema.names):
        batch = batch.append_column(name, pa.nulls(batch.num_rows))
    return batch


def _is_one_of(batch: pa.RecordBatch, accounts: Accounts) -> Any:
    tenants, names = batch.column("tenant_id").to_pylist(), batch.column("account_id").to_pylist()
    return pa.array([pair in accounts for pair in zip(tenants, names, strict=True)], pa.bool_())


def _fit(batch: pa.RecordBatch, schema: pa.Schema, target: str) -> pa.RecordBatch:
    try:
        return batch.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DietzError(f"{target}: a value of the lake does not fit its column: {error}") from error


def _open(path: str) -> pq.ParquetFile:
    if "://" not in path:
        return pq.ParquetFile(path, memory_map=True)
    from pyarrow import fs

    system, inner = fs.FileSystem.from_uri(path.replace("s3a://", "s3://", 1))
    return pq.ParquetFile(system.open_input_file(inner), pre_buffer=True)


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))
