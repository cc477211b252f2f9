"""Rows of the store as Arrow, with the types that the columns have: nothing is guessed from what is in them."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from chatreel.analytics.columns import STORED

_TYPES: Final = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int64(),  # DuckDB narrows it, and says so where it does not fit
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.int8(),
    "TIMESTAMP": pa.float64(),  # seconds since the epoch
}
"""As the store has what becomes of a type of DuckDB."""

SCHEMA: Final = pa.schema([(column.source, _TYPES[column.type]) for column in STORED])


def as_batch(rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows with the columns of `SCHEMA`, in its order."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, type=kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
