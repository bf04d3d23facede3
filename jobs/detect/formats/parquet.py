"""A first look into a Parquet file: how many rows it has, and the first of them as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.detect.formats import FormatError

MAGIC = b"PAR1"
PARQUET_HEAD = b"PAR1\n"  # stands before the first lines, as it does in the file


def first_look(path: Path, rows: int) -> tuple[int, bytes]:
    """(number of rows, PARQUET_HEAD and the first `rows` as JSON lines; of none an object of NULLs, for the names).

    Raises FormatError where the file is damaged or cut: its schema stands at its end.
    """
    import pyarrow
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        first = next(file.iter_batches(batch_size=rows), None)
    except (pyarrow.ArrowException, OSError) as error:
        raise FormatError(f"not readable as Parquet: {' '.join(str(error).split())[:200]}") from error
    records = [] if first is None else first.to_pylist()
    names = dict.fromkeys(file.schema_arrow.names)
    lines = [json.dumps({name.lower(): one[name] for name in one}, default=str) for one in records or [names]]
    return file.metadata.num_rows, PARQUET_HEAD + "\n".join(lines).encode()
