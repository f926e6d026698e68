"""Files of a recording: written whole and synced, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import RanvierError, fail

__all__ = [
    "ROWS",
    "Group",
    "as_raw",
    "cannot_write",
    "damaged",
    "events_table",
    "from_raw",
    "parquet_options",
    "remove",
    "series_table",
    "sync_directory",
    "write_synced",
]

ROWS = 131072
"""Rows of a row group: a window of the events is read without the rest."""

Group = tuple[int, int, int, int]
"""A row group: number of the population or series, rows, first and last tick."""


def damaged(place: Path | str, message: str, got: object = "", limit: object = "") -> RanvierError:
    """Make the error for a file that is not what was written."""
    return fail(
        "damaged-recording", str(place), message, got=got, limit=limit,
        hint="get a fresh copy, or record again; nothing was loaded",
    )  # fmt: skip


def cannot_write(path: Path, error: OSError) -> RanvierError:
    """Make the error for a full disk and the like, in a recording under way."""
    return fail(
        "cannot-write",
        str(path),
        f"could not be written ({error.strerror or error}); what was flushed before is safe",
        hint="free some disk space and flush again, or go on later from the last checkpoint",
    )


def write_synced(target: Path, data: Any) -> None:
    """A file that appears complete and synced, or not at all."""
    temporary = target.with_name(f".{target.name}.new")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_directory(folder: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def parquet_options(columns: Iterable[str]) -> dict[str, Any]:
    """How tables are written: integers as packed differences, zstd, a checksum for every page."""
    packed = {n: "DELTA_BINARY_PACKED" for n in columns if n not in ("payload", "raw")}
    return {
        "compression": "zstd",
        "use_dictionary": False,
        "column_encoding": packed,
        "write_page_checksum": True,
    }


def as_raw(rows: NDArray[Any]) -> Any:
    """Rows [k, n] as k byte strings, little-endian: a column of a Parquet file."""
    import pyarrow as pa

    rows = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
    width = rows.shape[1] * rows.dtype.itemsize
    offsets = pa.py_buffer(np.arange(len(rows) + 1, dtype=np.int64) * width)
    return pa.Array.from_buffers(pa.large_binary(), len(rows), [None, offsets, pa.py_buffer(rows)])


def from_raw(column: Any, size: int, dtype: str) -> NDArray[Any]:
    """The inverse of :func:`as_raw`: [k, size]; ValueError where the widths do not fit."""
    width = size * np.dtype(dtype).itemsize
    data = b"".join(v for v in column.to_pylist())
    if len(data) != width * len(column):
        raise ValueError("rows of another width")
    rows = np.frombuffer(data, f"<{dtype}").astype(dtype, copy=False)
    return rows.reshape(len(column), size)


class _Table:
    """A Parquet file in memory: blocks of rows of one number each, and what its row groups hold."""

    def __init__(self, fields: list[Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema, self._stream = pa.schema(fields), pa.BufferOutputStream()
        options = parquet_options(self._schema.names)
        self._writer = pq.ParquetWriter(self._stream, self._schema, **options)
        self._groups: list[Group] = []

    def add(self, number: int, tick: NDArray[Any], columns: list[Any], rows: int) -> None:
        """Rows of one number, in row groups of ``rows``."""
        import pyarrow as pa

        table = pa.table([np.full(tick.size, number, np.int32), *columns], schema=self._schema)
        self._writer.write_table(table, row_group_size=rows)
        for at in range(0, tick.size, rows):
            last = min(at + rows, tick.size) - 1
            self._groups.append((number, last - at + 1, int(tick[at]), int(tick[last])))

    def done(self) -> tuple[Any, list[Group]]:
        """The bytes of the file, and its row groups."""
        self._writer.close()
        return self._stream.getvalue(), self._groups


def events_table(
    pending: Mapping[int, list[tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]]],
    graded: bool,
) -> tuple[Any, list[Group]]:
    """A Parquet file of events, (tick, id, payload) in pieces by number of the population.

    ``graded`` gives it a column for payloads. Returns its bytes and row groups.
    """
    import pyarrow as pa

    fields: list[Any] = [("population", pa.int32()), ("tick", pa.int64()), ("id", pa.int64())]
    table = _Table([*fields, ("payload", pa.float64())] if graded else fields)
    for number, pieces in sorted(pending.items()):
        columns: list[Any] = [np.concatenate([p[0] for p in pieces])]
        columns.append(np.concatenate([p[1] for p in pieces]))
        values = [p[2] for p in pieces if p[2] is not None]
        if graded:
            none = pa.nulls(columns[0].size, pa.float64())
            columns.append(np.concatenate(values) if values else none)
        table.add(number, columns[0], columns, ROWS)
    return table.done()


def series_table(
    pending: Mapping[int, list[tuple[NDArray[Any], NDArray[Any]]]], piece: int
) -> tuple[Any, list[Group]]:
    """A Parquet file of series, (ticks, rows) in pieces by number of the series.

    A row group has about ``piece`` bytes. Returns its bytes and row groups.
    """
    import pyarrow as pa

    table = _Table([("series", pa.int32()), ("tick", pa.int64()), ("raw", pa.large_binary())])
    for number, pieces in sorted(pending.items()):
        tick, raw = (np.concatenate(c) for c in zip(*pieces, strict=True))
        rows = max(1, min(ROWS, piece // max(1, raw.itemsize * raw.shape[1])))
        table.add(number, tick, [tick, as_raw(raw)], rows)
    return table.done()


def remove(place: Path) -> None:
    """A file or directory, if it is there."""
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
