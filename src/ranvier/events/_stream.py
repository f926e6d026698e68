"""Recording to disk while a run goes on: memory stays bounded, and a killed run stays readable."""

from __future__ import annotations

import hashlib
import os
import time
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import RanvierError, fail, unknown
from ranvier.events._directory import is_complete, locked, make, sequence, sweep
from ranvier.events._files import (
    cannot_write,
    events_table,
    remove,
    series_table,
    sync_directory,
    write_synced,
)
from ranvier.events._parts import (
    BUNDLE,
    LOG,
    Entry,
    Header,
    Log,
    Part,
    PopulationInfo,
    TraceInfo,
    payload_values,
    read_log,
    refuse_disorder,
    sealed,
    whole_numbers,
)
from ranvier.events._recording import State

__all__ = ["StreamWriter"]

PENDING = 64 * 2**20
"""Bytes held in memory before they go to disk."""
PIECE = 16 * 2**20
"""Bytes taken from one large array at a time, and of one row group of a series."""
KEPT = 2
"""Checkpoints that are kept: should the newest be damaged, there is one more."""

Column = NDArray[Any]


class StreamWriter:
    """Writes a recording to the directory ``path``, piece by piece.

    Ticks are the machine's own, ``start`` that of the first. ``populations`` are those whose events
    or counts are given, ``traces`` the sampled states; ``counters`` names what the chip counts, for
    each of ``blocks``. ``window`` cuts the run for counting (None: one window).

    Give what happened with :meth:`append`, :meth:`append_trace` and :meth:`append_counts`, then say
    with :meth:`advance` or :meth:`flush` up to where that is everything. At most about ``pending``
    bytes stay in memory, and at most ``seconds`` of an advancing run are lost when it is killed.
    :meth:`close` makes the directory what ``Recording.save`` writes. As a context manager it closes
    at the end, or, after an exception, leaves what can be resumed.

    Raises RanvierError when something is in the way (``overwrite=True`` replaces a recording), what
    is given does not fit, or the disk is full. A full disk loses nothing: what was flushed stays
    readable, and what was given, in the call that failed too, is kept: flush again once there is
    space.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        dt: float,
        program_hash: str,
        populations: Mapping[str, PopulationInfo],
        traces: Mapping[str, TraceInfo] | None = None,
        counters: Iterable[str] = (),
        blocks: Iterable[tuple[str, int]] = (),
        window: int | None = None,
        start: int = 0,
        overwrite: bool = False,
        pending: int = PENDING,
        seconds: float = 10.0,
    ) -> None:
        header = Header(
            dt=dt,
            program_hash=program_hash,
            populations=dict(populations),
            traces=dict(traces or {}),
            window=window,
            start=start,
            counters=tuple(counters),
            blocks=tuple(blocks),
        )
        place = Path(path)
        make(place, header, overwrite)
        handle = locked(place)
        self._begin(place, handle, read_log(place), pending, seconds)

    @classmethod
    def resume(
        cls, path: str | Path, *, pending: int = PENDING, seconds: float = 10.0
    ) -> StreamWriter:
        """Go on from the newest checkpoint; what was recorded after it is dropped.

        ``checkpoint`` of the result is the state to go on from, ``tick`` its tick. Raises
        RanvierError when the recording has no checkpoint, is complete, damaged or being written.
        """
        from ranvier.events._sources import load_checkpoint

        place = Path(path)
        if (place / BUNDLE).exists():
            raise is_complete(place)
        if not (place / LOG).is_file():
            raise fail(
                "no-such-file", str(place), "is not a recording under way", hint="check the path"
            )
        handle = locked(place)
        try:
            log = read_log(place)
            if log.complete:
                raise is_complete(place)
            found = load_checkpoint(place, log)
            if found is None:
                raise fail(
                    "no-checkpoint", str(place), "has no checkpoint to go on from",
                    hint="record again, with flush(tick, state=...) now and then",
                )  # fmt: skip
            number, state = found
            log = log.upto(number + 1)
            try:
                os.ftruncate(handle, log.ends[-1])
                os.fsync(handle)
                sweep(place, log)
            except OSError as error:
                raise cannot_write(place, error) from error
        except BaseException:
            os.close(handle)
            raise
        self = cls.__new__(cls)
        self._begin(place, handle, log, pending, seconds)
        self._checkpoint = state
        return self

    def _begin(self, path: Path, handle: int, log: Log, pending: int, seconds: float) -> None:
        self._path, self._handle, self._header = path, handle, log.header
        self._release = weakref.finalize(self, os.close, handle)
        self._limit, self._seconds = pending, seconds
        self._check, self._end = log.checks[-1], log.ends[-1]
        self._next = 1 + max((sequence(p.name) for p in path.iterdir()), default=0)
        self._checkpoints = [e.checkpoint for e in log.entries if e.checkpoint]
        self._checkpoint: State | None = None
        self._recorded = {
            n: k for k, (n, p) in enumerate(log.header.populations.items()) if p.recorded
        }
        self._series = {(s.kind, s.name): (k, s) for k, s in enumerate(log.header.series())}
        self._tick = self._committed = self._counted = log.tick
        self._latest = log.tick - 1
        self._reached: dict[tuple[str, str], int] = {}
        self._events: dict[int, list[tuple[Column, Column, Column | None]]] = {}
        self._rows: dict[int, list[tuple[Column, Column]]] = {}
        self._bytes = self._spilled = 0
        self._trouble: RanvierError | None = None
        self._busy = False
        self._written = time.monotonic()

    # -- what there is ------------------------------------------------------------------------
    @property
    def populations(self) -> Mapping[str, PopulationInfo]:
        """What can be appended, by name."""
        return self._header.populations

    @property
    def traces(self) -> Mapping[str, TraceInfo]:
        """Sampled states that can be appended, by name."""
        return self._header.traces

    @property
    def start(self) -> int:
        """The machine's tick at which the recording begins."""
        return self._header.start

    @property
    def path(self) -> Path:
        """The directory."""
        return self._path

    @property
    def tick(self) -> int:
        """Everything before this tick of the machine was given."""
        return self._tick

    @property
    def flushed(self) -> int:
        """Everything before this tick of the machine is on disk."""
        return self._committed

    @property
    def checkpoint(self) -> State | None:
        """The state that this writer was resumed from."""
        return self._checkpoint

    # -- giving -------------------------------------------------------------------------------
    def append(
        self, population: str, tick: ArrayLike, id: ArrayLike, payload: ArrayLike | None = None
    ) -> None:
        """Events of a population: ``tick`` and ``id`` [n] whole numbers, ``payload`` [n] if graded.

        Ticks must not decrease, within a call or from call to call; ids of a tick may come in any
        order. The arrays are copied. Raises RanvierError when they do not fit.
        """
        self._is_open()
        number = self._recorded.get(population)
        if number is None:
            raise unknown("recorded population", population, self._recorded, where="append")
        info = self._header.populations[population]
        where = f"append {population}"
        when, index = whole_numbers(where, "tick", tick), whole_numbers(where, "id", id)
        if when.shape != index.shape:
            raise fail("events-shape", where, "tick and id must have equal length",
                       got=f"{when.size} and {index.size}")  # fmt: skip
        value = payload_values(where, payload, when.shape, info.graded)
        if not when.size:
            return
        if index.min() < 0 or index.max() >= info.size:
            at = int(np.flatnonzero((index < 0) | (index >= info.size))[0])
            raise fail("events-range", f"{where} id[{at}]", "out of range",
                       got=int(index[at]), limit=f"0..{info.size - 1}")  # fmt: skip
        self._ascends(where, ("events", population), when)
        step = PIECE // 16
        for at in range(0, when.size, step):
            part = slice(at, at + step)
            values = None if value is None else value[part].astype(np.float64)
            columns = when[part].astype(np.int64), index[part].astype(np.int64), values
            self._events.setdefault(number, []).append(columns)
            self._bytes += sum(c.nbytes for c in columns if c is not None)
            self._spill()
        self._tell()

    def append_trace(self, name: str, ticks: ArrayLike, raw: ArrayLike) -> None:
        """Samples of a state: ``raw`` [k, size] in the machine's own numbers, at ``ticks`` [k].

        Ticks must increase. Raises RanvierError when shape or number format do not fit.
        """
        self._is_open()
        if ("trace", name) not in self._series:
            raise unknown("recorded state", name, self._header.traces, where="append_trace")
        number, info = self._series["trace", name]
        where = f"append_trace {name}"
        when, rows = whole_numbers(where, "ticks", ticks), np.asarray(raw)
        if rows.shape != (when.size, info.size):
            raise fail("recording-shape", where, "needs one row a tick, one column a neuron",
                       got=rows.shape, limit=(when.size, info.size))  # fmt: skip
        if not np.can_cast(rows.dtype, info.dtype):
            raise fail("recording-dtype", where, "does not fit the number format of the trace",
                       got=rows.dtype, limit=info.dtype)  # fmt: skip
        if not when.size:
            return
        self._ascends(where, ("trace", name), when, strictly=True)
        step = max(1, PIECE // max(1, info.size * rows.dtype.itemsize))
        for at in range(0, when.size, step):
            part = slice(at, at + step)
            columns = when[part].astype(np.int64), rows[part].astype(info.dtype)
            self._rows.setdefault(number, []).append(columns)
            self._bytes += columns[0].nbytes + columns[1].nbytes
            self._spill()
        self._tell()

    def append_counts(
        self,
        tick: int,
        counts: Mapping[str, ArrayLike],
        counters: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Events of each source [size] and counters [blocks] since the last call, before ``tick``.

        They are added up by window, so give them where a window ends, and before a flush. Raises
        RanvierError when a shape does not fit, or a window ended on the way.
        """
        self._is_open()
        whole = isinstance(tick, (int, np.integer)) and not isinstance(tick, bool)
        if not whole or tick <= self._counted or tick < self._tick:
            raise fail("recording-order", "append_counts", "counts of these ticks were given",
                       got=tick, limit=f"above {max(self._counted, self._tick - 1)}")  # fmt: skip
        length = self._header.window
        if length and self._counted // length != (tick - 1) // length:
            raise fail(
                "recording-window", "append_counts", "a window ended on the way",
                got=f"ticks {self._counted}..{tick - 1}", limit=f"windows of {length} ticks",
                hint="call it at the end of every window",
            )  # fmt: skip
        given: list[tuple[int, Column]] = []
        for kind, mapping in (("counts", counts), ("counters", counters or {})):
            for name, values in mapping.items():
                if (kind, name) not in self._series:
                    legal = [n for k, n in self._series if k == kind]
                    raise unknown(kind, name, legal, where="append_counts")
                number, info = self._series[kind, name]
                row = np.asarray(values)
                if row.shape != (info.size,) or row.dtype.kind not in "iu":
                    raise fail("recording-shape", f"append_counts {name}", "needs whole numbers",
                               got=f"{row.dtype} {row.shape}", limit=(info.size,))  # fmt: skip
                given.append((number, row))
        for number, row in given:
            self._count(number, tick, row)
        self._counted, self._latest = tick, max(self._latest, tick - 1)
        self._spill()
        self._tell()

    def _count(self, number: int, tick: int, row: Column) -> None:
        rows = self._rows.setdefault(number, [])
        length = self._header.length(2**62)
        if rows and (int(rows[-1][0][0]) - 1) // length == (tick - 1) // length:
            rows[-1][0][0] = tick
            rows[-1][1][0] += row.astype(np.int64)
            return
        rows.append((np.array([tick], np.int64), row.astype(np.int64)[None]))
        self._bytes += 8 + rows[-1][1].nbytes

    def advance(self, tick: int) -> None:
        """Say that everything before ``tick`` was given; flushes when it is time to."""
        self._reach(tick)
        due = time.monotonic() - self._written >= self._seconds
        if due or self._bytes + self._spilled >= self._limit:
            self._commit(Entry(self._tick))

    def flush(self, tick: int, state: State | None = None) -> None:
        """Everything before ``tick`` was given, and is on disk when this returns.

        ``state`` at just that tick becomes a checkpoint; the newest two are kept. Raises
        RanvierError when the disk is full: what was flushed before stays readable.
        """
        self._reach(tick, state)
        if state is None and self._committed == self._tick and not (self._bytes or self._spilled):
            return
        self._commit(Entry(self._tick), state)

    def close(
        self, tick: int | None = None, *, state: State | None = None, compact: bool = True
    ) -> Path:
        """End the recording at ``tick`` (by default as far as it advanced) and return its path.

        Makes the directory what ``Recording.save`` writes, unless ``compact=False``. Does nothing
        when closed already. Raises RanvierError when the disk is full: all parts stay readable.
        """
        if not self._release.alive:
            return self._path
        if tick is None and self._latest >= self._tick:
            raise fail(
                "recording-order", "close", "something was given after the last tick advanced to",
                got=self._latest, limit=f"below {self._tick}", hint="give close(tick)",
            )  # fmt: skip
        self._reach(self._tick if tick is None else tick, state)
        self._commit(Entry(self._tick, end=True), state)
        try:
            if compact:
                from ranvier.events._compact import compact_parts

                compact_parts(self._path)
        finally:
            self._release()
        return self._path

    def abandon(self) -> None:
        """Stop without closing: what was flushed stays readable, and can be resumed."""
        self._release()

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        usable = self._release.alive and not self._busy  # Ctrl-C may have come while it wrote
        if usable and self._counted <= self._tick != self._committed:
            # Whatever was given is worth keeping, but what went wrong comes first.
            with suppress(RanvierError, OSError):
                self._commit(Entry(self._tick))
        self.abandon()

    # -- checks -------------------------------------------------------------------------------
    def _is_open(self) -> None:
        if not self._release.alive:
            raise fail("recording-closed", str(self._path), "the recording was closed")

    def _ascends(
        self, where: str, key: tuple[str, str], when: Column, *, strictly: bool = False
    ) -> None:
        least = max(self._tick, self._reached.get(key, -1) + strictly)
        refuse_disorder(where, when, least, strictly)
        self._reached[key] = int(when[-1])
        self._latest = max(self._latest, int(when[-1]))

    def _reach(self, tick: int, state: State | None = None) -> None:
        self._is_open()
        if not isinstance(tick, (int, np.integer)) or isinstance(tick, bool) or tick < self._tick:
            raise fail("recording-order", "tick", "must be a whole number that does not decrease",
                       got=repr(tick), limit=f"{self._tick} or later")  # fmt: skip
        if self._latest >= tick:
            raise fail("recording-order", "tick", "something of this tick or later was given",
                       got=int(tick), limit=f"{self._latest + 1} or later")  # fmt: skip
        self._tick = int(tick)
        known = (self._tick, self._header.program_hash)
        if state is not None and (state.tick, state.program_hash) != known:
            raise fail(
                "other-state", "flush", "the state is of another tick or program",
                got=f"tick {state.tick}, program {state.program_hash[:12]}",
                limit=f"tick {self._tick}, program {self._header.program_hash[:12]}",
            )  # fmt: skip

    # -- writing ------------------------------------------------------------------------------
    def _spill(self) -> None:
        """Make room. What is written may go beyond the tick that everything is known up to: a
        reader leaves that out until a line with a later tick follows."""
        if self._bytes >= self._limit and self._trouble is None:
            try:
                self._commit(Entry(self._committed), spill=True)
            except RanvierError as error:
                self._trouble = error

    def _tell(self) -> None:
        """Raise what went wrong, now that everything given was taken."""
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    def _commit(self, entry: Entry, state: State | None = None, *, spill: bool = False) -> None:
        made: list[Path] = []
        self._busy = True
        try:
            parts = tuple(self._write_parts(made))
            checkpoint = ""
            if state is not None:
                checkpoint = f"state-{self._next:06d}"
                made.append(self._path / checkpoint)
                state.save(made[-1])
            sync_directory(self._path)
            entry = Entry(entry.tick, parts, checkpoint, entry.end)
            self._write_line(entry)
        except BaseException as error:
            for place in made:
                remove(place)
            self._busy = False
            if isinstance(error, OSError):
                raise cannot_write(self._path, error) from error
            raise
        self._next += 1
        self._spilled = self._spilled + self._bytes if spill else 0
        self._events, self._rows, self._bytes = {}, {}, 0
        self._committed, self._written = entry.tick, time.monotonic()
        if checkpoint:
            self._checkpoints.append(checkpoint)
            for old in self._checkpoints[:-KEPT]:
                remove(self._path / old)
            del self._checkpoints[:-KEPT]
        self._busy = False

    def _write_line(self, entry: Entry) -> None:
        line, check = sealed(entry.to_document(), self._check)
        try:
            os.lseek(self._handle, self._end, os.SEEK_SET)
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.fsync(self._handle)
        except BaseException:
            os.ftruncate(self._handle, self._end)
            raise
        self._check, self._end = check, self._end + len(line)

    def _write_parts(self, made: list[Path]) -> Iterable[Part]:
        for kind, pending in (("events", self._events), ("series", self._rows)):
            if not pending:
                continue
            place = self._path / f"part-{self._next:06d}-{kind}.parquet"
            graded = any(p.graded for p in self._header.populations.values())
            table = events_table(self._events, graded) if kind == "events" else None
            data, groups = table or series_table(self._rows, PIECE)
            made.append(place)
            write_synced(place, data)
            digest = hashlib.sha256(data).hexdigest()
            yield Part(
                place.name,
                len(memoryview(data)),
                digest,
                [number for group in groups for number in group],
            )
