"""Columns for the CSV writers: whole hundredths to decimals, rows to identifiers, all in Arrow, none row by row."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sample.market import Ints


def decimals(values: Ints, scale: int = 2, missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Integers as decimals with `scale` places, NULL where `missing`."""
    words = np.empty((len(values), 2), dtype=np.int64)
    words[:, 0] = values
    words[:, 1] = values >> 63  # the sign, carried into the upper half of Arrow's 128 bits
    array = pa.Array.from_buffers(pa.decimal128(20, scale), len(values), [None, pa.py_buffer(words)])
    return array if missing is None else pc.if_else(pa.array(missing), pa.scalar(None, array.type), array)


def identifiers(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """prefix-000123 for 123."""
    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, padded, "-")


def words(indexes: Ints, vocabulary: tuple[str, ...] | list[str]) -> pa.Array:
    """The words that the indexes point at; NULL for an index below 0 or an empty word."""
    known = pa.array([word or None for word in vocabulary], type=pa.string())
    positions = pa.array(indexes, mask=np.asarray(indexes) < 0)
    return known.take(positions)


def dates(day: date, count: int) -> pa.Array:
    return pa.array(np.full(count, np.datetime64(day)), type=pa.date32())
