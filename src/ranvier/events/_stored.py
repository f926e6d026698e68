"""Reading a recording by window: only the row groups needed, each checked as it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import RanvierError, fail, unknown
from ranvier.events._events import Events, chosen_ids
from ranvier.events._parts import (
    BUNDLE,
    PopulationInfo,
    Series,
    TraceInfo,
    damaged,
)
from ranvier.events._recording import Recording, State, Trace
from ranvier.events._sources import (
    Chunk,
    CompactSource,
    Source,
    TickSorter,
    open_source,
    read_event_rows,
    read_series_rows,
)

__all__ = ["StoredRecording", "open_recording"]


class StoredRecording:
    """A recording on disk, read by window. Made by :func:`open_recording`.

    It is a view of what was flushed when it was opened; open it again to see more. Ticks count from
    the recording's first, or from ``first`` where one is given. Methods raise RanvierError when
    a name is unknown, a window is out of range, or a file is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._source: Source = open_source(self._path)
        self._header, self._end = self._source.header, self._source.end

    # -- what there is ------------------------------------------------------------------------
    @property
    def path(self) -> Path:
        """The directory."""
        return self._path

    @property
    def complete(self) -> bool:
        """Whether the run came to its end and closed the recording."""
        return self._source.complete

    @property
    def dt(self) -> float:
        """Seconds of a tick."""
        return self._header.dt

    @property
    def ticks(self) -> int:
        """Ticks that are known: so far, where it is not complete."""
        return self._end - self._header.start

    @property
    def start(self) -> int:
        """The machine's tick at which the recording begins."""
        return self._header.start

    @property
    def window(self) -> int:
        """Ticks of a window of the counts."""
        return self._header.length(self._end)

    @property
    def windows(self) -> int:
        """Number of windows; the last may not be over."""
        return self._header.windows(self._end)

    @property
    def program_hash(self) -> str:
        """The program that ran."""
        return self._header.program_hash

    @property
    def populations(self) -> Mapping[str, PopulationInfo]:
        """What is known of each population."""
        return self._header.populations

    @property
    def traces(self) -> Mapping[str, TraceInfo]:
        """What is known of each sampled state."""
        return self._header.traces

    @property
    def counters(self) -> tuple[str, ...]:
        """Names of the counters."""
        return self._header.counters

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        """(population, core) of each column of a counter."""
        return self._header.blocks

    # -- by window ----------------------------------------------------------------------------
    def events(
        self,
        population: str,
        first: int | None = None,
        last: int | None = None,
        ids: ArrayLike | None = None,
    ) -> Events:
        """Events with first <= tick < last, ticks counted from ``first``.

        ``ids`` chooses sources and renumbers them in that order. The same as
        ``output(population).window(first, last).select(ids)`` of the whole Recording.
        """
        a, b = self._bounds(first, last)
        info = self._recorded(population)
        chosen = None if ids is None else chosen_ids(ids, info.size)
        return self._try(lambda: self._events(population, info, a, b, chosen))

    def chunks(
        self, population: str, first: int | None = None, last: int | None = None
    ) -> Iterator[Chunk]:
        """The same events in pieces of bounded size, (tick, id, payload or None), in order."""
        a, b = self._bounds(first, last)
        info, at = self._recorded(population), a
        while at <= b:
            sorter, source = TickSorter(), self._source
            try:
                refs = source.events(population)
                for rows in chain(read_event_rows(source, refs, at, b, info), [None]):
                    for piece in sorter.end() if rows is None else sorter.add(_columns(rows)):
                        at = int(piece[0][-1]) + 1
                        yield piece[0] - a, piece[1], piece[2] if info.graded else None
                return
            except FileNotFoundError as error:
                self._follow(error)  # and go on from the first tick that was not given

    def trace(self, name: str, first: int | None = None, last: int | None = None) -> Trace:
        """Samples of a state with first <= tick < last, ticks counted from ``first``."""
        if name not in self._header.traces:
            raise unknown("recorded state", name, self._header.traces)
        a, b = self._bounds(first, last)
        info = self._header.traces[name]
        ticks, raw = self._try(lambda: self._trace(name, info, a, b))
        return Trace(ticks - a, raw, info.scale, info.offset)

    def counts(self, population: str) -> NDArray[np.int64]:
        """Events of each source by window, [windows, size]; inputs included.

        Of a run that was killed the last window has what was flushed. Where no counts were given
        the events are counted; raises RanvierError where there are neither.
        """
        if population not in self._header.populations:
            raise unknown("population", population, self._header.populations)
        if not self._try(lambda: self._counted(population)):
            if self._header.populations[population].recorded:
                return self._count(population)
            raise fail(
                "not-counted", population, "has neither counts nor events in this recording",
                hint="give its counts with StreamWriter.append_counts",
            )  # fmt: skip
        return self._try(lambda: self._table("counts", population))

    def counter(self, name: str) -> NDArray[np.int64]:
        """What the chip counted by window and block, [windows, blocks]."""
        if name not in self._header.counters:
            raise unknown("counter", name, self._header.counters)
        return self._try(lambda: self._table("counters", name))

    def rates(self) -> dict[str, NDArray[np.float64]]:
        """Mean rate of each source over the whole recording in Hz, [size], by population."""
        seconds = max(1, self.ticks) * self.dt
        return {name: self.counts(name).sum(0) / seconds for name in self._known()}

    def checkpoint(self) -> State | None:
        """The newest state that was kept, or None. One that is damaged gives way to the one before
        it; raises RanvierError when there is no other."""
        return self._try(lambda: self._source.checkpoint())

    def load(self) -> Recording:
        """All of it, in memory. ``state`` is that at the end, where it was kept."""
        header, names = self._header, self._header.populations
        state = self.checkpoint()
        return Recording(
            dt=self.dt,
            ticks=self.ticks,
            window=self.window,
            program_hash=self.program_hash,
            start=self.start,
            events={name: self.events(name) for name, info in names.items() if info.recorded},
            traces={name: self.trace(name) for name in header.traces},
            counts={name: self.counts(name) for name in self._known()},
            counters={name: self.counter(name) for name in header.counters},
            blocks=header.blocks,
            state=state if state is not None and state.tick == self._end else None,
        )

    def __repr__(self) -> str:
        how = "" if self.complete else " so far"
        return f"StoredRecording({str(self._path)!r}, {self.ticks} x {self.dt:g} s{how})"

    # -- inside -------------------------------------------------------------------------------
    def _bounds(self, first: int | None, last: int | None) -> tuple[int, int]:
        """The machine's ticks of a window."""
        a, b = 0 if first is None else first, self.ticks if last is None else last
        whole = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in (a, b))
        if not whole or not 0 <= a <= b <= self.ticks:
            raise fail(
                "recording-range", str(self._path), "there is no such window",
                got=f"{first}..{last}", limit=f"0 <= first <= last <= {self.ticks}",
            )  # fmt: skip
        return int(a) + self.start, int(b) + self.start

    def _recorded(self, population: str) -> PopulationInfo:
        there = {name: p for name, p in self._header.populations.items() if p.recorded}
        if population not in there:
            raise unknown("recorded population", population, there)
        return there[population]

    def _try(self, read: Any) -> Any:
        """Read; where the parts are gone because the recording was closed since, read again."""
        try:
            return read()
        except RanvierError:
            raise
        except FileNotFoundError as error:
            self._follow(error)
            return self._try(read)
        except Exception as error:  # a stranger's file: whatever is wrong, one clear error
            raise damaged(self._path, "cannot be read", got=str(error)[:200]) from error

    def _follow(self, error: FileNotFoundError) -> None:
        """Turn to the final files where the recording was closed; otherwise a file is missing."""
        if self._source.compact or not (self._path / BUNDLE).exists():
            raise damaged(error.filename or self._path, "is missing") from error
        self._source = open_source(self._path)

    def _events(
        self, name: str, info: PopulationInfo, a: int, b: int, chosen: NDArray[np.int64] | None
    ) -> Events:
        ticks, ids, payloads = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
        order = None if chosen is None else np.argsort(chosen)
        for tick, index, payload in read_event_rows(
            self._source, self._source.events(name), a, b, info
        ):
            if chosen is not None and order is not None:
                new, keep = _renumbered(chosen, order, index)
                tick, index = tick[keep], new
                payload = None if payload is None else payload[keep]
            ticks.append(tick - a)
            ids.append(index)
            if payload is not None:
                payloads.append(payload)
        tick, index = np.concatenate(ticks), np.concatenate(ids)
        return Events(
            tick,
            index,
            info.size if chosen is None else chosen.size,
            b - a,
            self.dt,
            np.concatenate(payloads) if info.graded else None,
        )

    def _trace(self, name: str, info: TraceInfo, a: int, b: int) -> tuple[Any, Any]:
        source = self._source
        if isinstance(source, CompactSource) and not source.streamed:
            ticks = source.arrays[f"trace/{name}/ticks"] + self.start
            x, y = np.searchsorted(ticks, [a, b])
            return ticks[x:y], source.arrays[f"trace/{name}/raw"][x:y]
        number, series = self._number("trace", name)
        pairs = list(read_series_rows(source, source.series(number), a, b, series))
        none = np.zeros(0, np.int64), np.zeros((0, info.size), info.dtype)
        ticks, raw = (np.concatenate(c) for c in zip(none, *pairs, strict=True))
        return ticks, raw

    def _table(self, kind: str, name: str) -> NDArray[np.int64]:
        source, header = self._source, self._header
        if isinstance(source, CompactSource) and not source.streamed:
            return source.arrays[f"{kind}/{name}"]
        number, series = self._number(kind, name)
        table = np.zeros((self.windows, series.size), np.int64)
        length = header.length(self._end)
        if self._grown() and self._end % length:
            raise fail(
                "recording-closed", str(self._path),
                "was closed while it was read, and its last window is not known apart any more",
                hint="open it again",
            )  # fmt: skip
        # A row has what happened before its tick, so it belongs to a recording that ends there.
        for ticks, rows in read_series_rows(
            source, source.series(number), self.start + 1, self._end + 1, series
        ):
            np.add.at(table, (ticks - 1) // length - self.start // length, rows)
        return table

    def _grown(self) -> bool:
        """Was the recording closed, at a later tick, since it was opened?"""
        source = self._source
        return isinstance(source, CompactSource) and source.end > self._end

    def _counted(self, name: str) -> bool:
        """Whether counts of a population were given."""
        source = self._source
        if isinstance(source, CompactSource) and not source.streamed:
            return name in source.document["counts"]
        return not self.ticks or bool(source.series(self._number("counts", name)[0]))

    def _known(self) -> list[str]:
        """Populations of which there are counts or events."""
        names = self._header.populations
        return [n for n, info in names.items() if info.recorded or self._counted(n)]

    def _count(self, name: str) -> NDArray[np.int64]:
        table = np.zeros((self.windows, self._header.populations[name].size), np.int64)
        length, first = self.window, self.start // self.window
        for tick, index, _ in self.chunks(name):
            np.add.at(table, ((tick + self.start) // length - first, index), 1)
        return table

    def _number(self, kind: str, name: str) -> tuple[int, Series]:
        for number, series in enumerate(self._header.series()):
            if (series.kind, series.name) == (kind, name):
                return number, series
        raise unknown(kind, name, ())


def _columns(rows: Chunk) -> list[NDArray[Any]]:
    return [column for column in rows if column is not None]


def open_recording(path: str | Path) -> StoredRecording:
    """Open a recording to read it by window: a closed one, one under way, or what a kill left.

    Takes well under a second whatever the size: files are checked as they are read. Raises
    RanvierError when it is missing, damaged or something else.
    """
    return StoredRecording(path)


def _renumbered(
    chosen: NDArray[np.int64], order: NDArray[np.int64], index: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Places of the ids in ``chosen``, and which events have one."""
    if not chosen.size:
        return index[:0], np.zeros(index.size, bool)
    at = np.minimum(np.searchsorted(chosen, index, sorter=order), chosen.size - 1)
    keep = chosen[order[at]] == index
    return order[at][keep], keep
