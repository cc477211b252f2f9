"""Rows of the store as Arrow, with the types that the columns have: nothing is guessed from what is in them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa

from chatreel.analytics.columns import READ
from chatreel.store.usual import usage_of

_TYPES: Final = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int64(),  # DuckDB narrows it, and says so where it does not fit
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.int8(),
    "TIMESTAMP": pa.float64(),  # seconds since the epoch
}
"""As the store has what becomes of a type of DuckDB."""

SCHEMA: Final = pa.schema([(column.source, _TYPES[column.type]) for column in READ])


_READ: Final = {"usage": usage_of}
"""Columns that the store has in another form, and what gives theirs again."""


def as_batch(rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows with the columns of `SCHEMA`, in its order."""
    columns = zip(*rows, strict=True)
    read = [_values(name, found) for name, found in zip(SCHEMA.names, columns, strict=True)]
    arrays = [pa.array(values, type=kind) for values, kind in zip(read, SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _values(column: str, found: Iterable[Any]) -> Iterable[Any]:
    read = _READ.get(column)
    return found if read is None else [None if value is None else read(bytes(value)) for value in found]
