"""Closing a recording: its parts become one Parquet file a population, and a bundle."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.bundle import write_bundle
from ranvier.errors import RanvierError, fail
from ranvier.events._files import (
    ROWS,
    Group,
    as_raw,
    cannot_write,
    from_raw,
    parquet_options,
    sync_directory,
)
from ranvier.events._parts import BUNDLE, LOG, SERIES, Header
from ranvier.events._sources import PartsSource, TickSorter, footer_hash, open_source

__all__ = ["compact_parts", "compact_recording"]

TOGETHER = 16
"""Populations written in one pass over the parts."""
BUFFERED = 32 * 2**20
"""Bytes of series that wait until there are enough for row groups worth having."""

Column = NDArray[Any]


def compact_recording(path: str | Path) -> Path:
    """Make a closed recording that is still in parts what ``Recording.save`` writes.

    ``StreamWriter.close`` does it by itself; this is for when it could not (a full disk, a kill).
    Does nothing to one that is compact. Memory stays bounded, and whatever happens the directory
    is readable. Raises RanvierError when the run did not end, a part is damaged, or the disk is
    full.
    """
    place = Path(path)
    source = open_source(place)
    if isinstance(source, PartsSource):
        if not source.complete:
            raise fail(
                "recording-incomplete", str(place), "did not come to its end",
                hint=("go on with StreamWriter.resume",
                      "open_recording(path).load().save(...) keeps what there is"),
            )  # fmt: skip
        compact_parts(place)
    return place


def compact_parts(place: Path) -> None:
    """Write the final files beside the parts, then the bundle that makes them count."""
    source = PartsSource(place)
    recorded = sorted(name for name, info in source.header.populations.items() if info.recorded)
    files = [f"events-{k}.parquet" for k in range(len(recorded))]
    try:
        for at in range(0, len(recorded), TOGETHER):
            part = slice(at, at + TOGETHER)
            _write_events(source, dict(zip(recorded[part], files[part], strict=True)))
        groups = _write_series(source)
        made = [*files, *([SERIES] if groups else [])]
        sync_directory(place)
        document = _document(source, recorded)
        hashes = (_file_hash(place / file) for file in files)
        document["hashes"] = dict(zip(recorded, hashes, strict=True))
        document["files"] = {SERIES: _file_hash(place / SERIES)} if groups else {}
        document["footers"] = {file: footer_hash(place / file) for file in made}
        document["series"] = [list(group) for group in groups]
        write_bundle(place / BUNDLE, "recording", document, {})
    except BaseException as error:
        if not (place / BUNDLE).exists():
            with suppress(OSError):
                for file in (*files, SERIES):
                    (place / file).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(place, error) from error
        if isinstance(error, RanvierError) and error.issues[0].code == "cannot-write":
            raise cannot_write(place, OSError(error.issues[0].message)) from error
        raise
    # From here on the directory is a closed recording; what is left of the parts does no harm.
    with suppress(OSError):
        sync_directory(place)
        for file in (LOG, *source.files()):
            (place / file).unlink(missing_ok=True)
        sync_directory(place)


def _document(source: PartsSource, recorded: list[str]) -> dict[str, Any]:
    header, ticks = source.header, source.end - source.header.start
    counted = [(k, s.name) for k, s in enumerate(header.series()) if s.kind == "counts"]
    kept = [e.checkpoint for e in source.log.entries if e.checkpoint]
    kept = [name for name in kept if (source.folder / name).exists()]
    return {
        "dt": float(header.dt),
        "ticks": ticks,
        "window": header.length(source.end),
        "start": header.start,
        "program": header.program_hash,
        "traces": list(header.traces),
        "counts": [n for k, n in counted if source.series(k) or header.populations[n].recorded],
        "counters": list(header.counters),
        "blocks": [list(b) for b in header.blocks],
        "events": {
            name: {"size": header.populations[name].size, "ticks": ticks,
                   "graded": header.populations[name].graded}
            for name in recorded
        },
        "state": None,
        "checkpoint": kept[-1] if kept else "",
        "stream": header.to_document(),
    }  # fmt: skip


def _file_hash(place: Path) -> str:
    with open(place, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _File:
    """A Parquet file of full row groups, written piece by piece."""

    def __init__(self, stack: ExitStack, place: Path, schema: Any) -> None:
        import pyarrow.parquet as pq

        # Left in this order: the end of the file is written, then synced, then closed.
        self._stream = stack.enter_context(open(place, "wb"))  # noqa: SIM115
        stack.callback(self._sync)
        options = parquet_options(schema.names)
        self._writer = stack.enter_context(pq.ParquetWriter(self._stream, schema, **options))
        self._schema = schema

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def write(self, columns: list[Any]) -> None:
        """One row group."""
        import pyarrow as pa

        table = pa.table(columns, schema=self._schema)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))


# -- events ---------------------------------------------------------------------------------------
class _Events:
    """Fills row groups with the events of a population."""

    def __init__(self, file: _File) -> None:
        self._file, self._sorter = file, TickSorter()
        self._waiting: list[list[Column]] = []
        self._rows = 0

    def add(self, columns: list[Column]) -> None:
        """More events, in order of their ticks."""
        for piece in self._sorter.add(columns):
            self._take(piece)

    def _take(self, piece: list[Column]) -> None:
        self._waiting.append(piece)
        self._rows += piece[0].size
        if self._rows >= ROWS:
            self._write(self._rows - self._rows % ROWS)

    def _write(self, rows: int) -> None:
        columns = [np.concatenate(c) for c in zip(*self._waiting, strict=True)]
        for at in range(0, rows, ROWS):
            self._file.write([c[at : min(at + ROWS, rows)] for c in columns])
        self._waiting = [[c[rows:].copy() for c in columns]]
        self._rows -= rows

    def end(self) -> None:
        """Write what waits."""
        for piece in self._sorter.end():
            self._take(piece)
        if self._rows:
            self._write(self._rows)


def _write_events(source: PartsSource, files: Mapping[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    header = source.header
    names = list(header.populations)
    with ExitStack() as stack:
        sinks: dict[int, _Events] = {}
        for name, file in files.items():
            info = header.populations[name]
            fields: list[Any] = [("tick", pa.int64()), ("id", pa.int64())]
            fields += [("payload", pa.float64())] if info.graded else []
            meta = {
                "size": str(info.size),
                "ticks": str(source.end - header.start),
                "dt": repr(float(header.dt)),
            }
            written = _File(stack, source.folder / file, pa.schema(fields, metadata=meta))
            sinks[names.index(name)] = _Events(written)
        for file in source.files():
            wanted = [(g, number) for g, number in source.groups(file) if number in sinks]
            if not file.endswith("-events.parquet") or not wanted:
                continue
            source.check(file)
            with pq.ParquetFile(source.folder / file, page_checksum_verification=True) as opened:
                for group, number in wanted:
                    graded = header.populations[names[number]].graded
                    columns = ["tick", "id", *(["payload"] if graded else [])]
                    table = opened.read_row_group(group, columns=columns)
                    tick, *more = (table[name].to_numpy() for name in columns)
                    keep = slice(0, int(np.searchsorted(tick, source.end)))
                    sinks[number].add([tick[keep] - header.start, *(c[keep] for c in more)])
        for sink in sinks.values():
            sink.end()


# -- series ---------------------------------------------------------------------------------------
class _Series:
    """Collects rows of every series, and writes them in row groups worth having."""

    def __init__(self, file: _File, header: Header, end: int) -> None:
        self._file, self._length = file, header.length(end)
        self._kinds = [s.kind for s in header.series()]
        self._waiting: dict[int, list[tuple[Column, Column]]] = {}
        self._bytes = 0
        self.groups: list[Group] = []

    def add(self, number: int, tick: Column, raw: Column) -> None:
        """More rows; those of counts are added up by window."""
        waiting = self._waiting.setdefault(number, [])
        if self._kinds[number] == "trace":
            waiting.append((tick, raw))
            self._bytes += raw.nbytes + tick.nbytes
        else:
            for when, row in zip(tick, raw, strict=True):
                window = (when - 1) // self._length
                if waiting and (waiting[-1][0][0] - 1) // self._length == window:
                    waiting[-1][0][0] = when
                    waiting[-1][1][0] += row
                else:
                    waiting.append((np.array([when]), row[None].copy()))
                    self._bytes += row.nbytes + 8
        if self._bytes >= BUFFERED:
            self.write(keep=True)

    def write(self, *, keep: bool = False) -> None:
        """Write what waits; ``keep`` the window that may not be over."""
        self._bytes = 0
        for number, pieces in sorted(self._waiting.items()):
            last = keep and self._kinds[number] != "trace"
            left = pieces[-1:] if last else []
            pieces = pieces[:-1] if last else pieces
            self._waiting[number] = left
            if not pieces:
                continue
            tick, raw = (np.concatenate(c) for c in zip(*pieces, strict=True))
            self._file.write([np.full(tick.size, number, np.int32), tick, as_raw(raw)])
            self.groups.append((number, tick.size, int(tick[0]), int(tick[-1])))


def _write_series(source: PartsSource) -> list[Group]:
    """The file of all series, if there are rows, and what its row groups hold."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [file for file in source.files() if file.endswith("-series.parquet")]
    if not files:
        return []
    series = source.header.series()
    schema = pa.schema([("series", pa.int32()), ("tick", pa.int64()), ("raw", pa.large_binary())])
    with ExitStack() as stack:
        written = _File(stack, source.folder / SERIES, schema)
        sink = _Series(written, source.header, source.end)
        for file in files:
            source.check(file)
            with pq.ParquetFile(source.folder / file, page_checksum_verification=True) as opened:
                for group, number in source.groups(file):
                    table = opened.read_row_group(group, columns=["tick", "raw"])
                    info = series[number]
                    limit = source.end + (info.kind != "trace")
                    rows = slice(0, int(np.searchsorted(table["tick"].to_numpy(), limit)))
                    tick = table["tick"].to_numpy()[rows]
                    raw = from_raw(table["raw"].slice(0, tick.size), info.size, info.dtype)
                    if tick.size:
                        sink.add(number, tick, raw)
        sink.write()
    return sink.groups
