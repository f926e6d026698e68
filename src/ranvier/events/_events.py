"""Address events: the one type for stimuli, recordings and streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import fail

__all__ = ["Events", "chosen_ids", "concatenate"]


def _index_array(name: str, values: ArrayLike) -> NDArray[np.int64]:
    try:
        array = np.asarray(values)
    except ValueError as error:  # a ragged list
        raise fail("events-shape", f"Events.{name}", "must be one-dimensional") from error
    if array.ndim != 1:
        raise fail("events-shape", f"Events.{name}", "must be one-dimensional", got=array.shape)
    if array.size and array.dtype.kind not in "iu":
        raise fail(
            "events-dtype",
            f"Events.{name}",
            "must hold integers",
            got=array.dtype,
            hint="round to whole ticks first, or use Events.from_seconds",
        )
    return array.astype(np.int64)


def _payload_array(values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A copy, one finite value per event."""
    try:
        payload = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise fail(
            "events-payload", "Events.payload", "must hold numbers", got=str(error)[:80]
        ) from error
    if payload.shape != shape:
        raise fail(
            "events-shape",
            "Events.payload",
            "must have one value per event",
            got=payload.shape,
            limit=shape,
        )
    finite = np.isfinite(payload)
    if not np.all(finite):
        at = int(np.flatnonzero(~finite)[0])
        raise fail(
            "events-payload",
            f"Events.payload[{at}]",
            "must be a finite number",
            got=payload[at],
            hint="drop the event, or send 0",
        )
    return payload


def _whole(name: str, value: Any) -> int:
    """A whole number of at least 0."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0:
        return int(value)
    raise fail("events-range", f"Events.{name}", "must be a whole number of at least 0", got=value)


def _check_dt(dt: Any) -> float:
    if isinstance(dt, (int, float, np.number)) and np.isfinite(dt) and dt > 0:
        return float(dt)
    raise fail("events-dt", "Events.dt", "must be positive seconds", got=repr(dt))


@dataclass(frozen=True, eq=False)
class Events:
    """Events of ``size`` sources over ``ticks`` ticks of ``dt`` seconds.

    ``tick`` and ``id`` are int64 arrays of equal length, sorted by tick, then id; ``payload`` is a
    float64 array of the same length, or None where every event counts as one spike. Arrays are
    read-only. Raises RanvierError when a tick or id is out of range, or ticks are unsorted.
    """

    tick: NDArray[np.int64]
    id: NDArray[np.int64]
    size: int
    ticks: int
    dt: float
    payload: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        tick, index = _index_array("tick", self.tick), _index_array("id", self.id)
        if tick.shape != index.shape:
            raise fail(
                "events-shape",
                "Events",
                "tick and id must have equal length",
                got=f"{tick.size} and {index.size}",
            )
        for name, value in (
            ("dt", _check_dt(self.dt)),
            ("size", _whole("size", self.size)),
            ("ticks", _whole("ticks", self.ticks)),
        ):
            object.__setattr__(self, name, value)
        _check_range("tick", tick, self.ticks, "raise `ticks`, or cut the events with .window()")
        _check_range("id", index, self.size, "raise `size`, or map the addresses first")
        if tick.size and np.any(np.diff(tick) < 0):
            at = int(np.flatnonzero(np.diff(tick) < 0)[0]) + 1
            raise fail(
                "events-unsorted",
                f"Events.tick[{at}]",
                "ticks must not decrease",
                got=f"{tick[at]} after {tick[at - 1]}",
                hint="build with Events.sorted(...)",
            )
        payload = None if self.payload is None else _payload_array(self.payload, tick.shape)
        if np.any((np.diff(tick) == 0) & (np.diff(index) < 0)):
            order = np.lexsort((index, tick))
            tick, index = tick[order], index[order]
            payload = None if payload is None else payload[order]
        if payload is not None:
            payload.setflags(write=False)
            object.__setattr__(self, "payload", payload)
        for name, array in (("tick", tick), ("id", index)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    # -- making -------------------------------------------------------------------------------
    @classmethod
    def empty(cls, *, size: int, ticks: int, dt: float) -> Events:
        """No events at all."""
        none = np.empty(0, np.int64)
        return cls(none, none, size, ticks, dt)

    @classmethod
    def sorted(
        cls,
        tick: ArrayLike,
        id: ArrayLike,
        *,
        size: int,
        ticks: int,
        dt: float,
        payload: ArrayLike | None = None,
    ) -> Events:
        """From events in any order (stable sort by tick, then id)."""
        t, i = _index_array("tick", tick), _index_array("id", id)
        if t.shape != i.shape:
            raise fail(
                "events-shape", "Events", "tick and id differ in length", got=f"{t.size}, {i.size}"
            )
        order = np.lexsort((i, t))
        values = None if payload is None else _payload_array(payload, t.shape)[order]
        return cls(t[order], i[order], size, ticks, dt, values)

    @classmethod
    def from_seconds(
        cls, time: ArrayLike, id: ArrayLike, *, size: int, duration: float, dt: float
    ) -> Events:
        """From times in seconds: an event at time s falls into tick ``floor(s/dt + 0.5)``.

        There are ``ceil(duration/dt)`` ticks, and one more where an event before the end rounds up
        to it. Raises RanvierError for times outside 0 <= s < duration.
        """
        step = _check_dt(dt)
        try:
            seconds, length = np.asarray(time, np.float64), float(duration)
        except (TypeError, ValueError) as error:
            raise fail("events-time", "Events.from_seconds", "times must be numbers") from error
        if not np.all(np.isfinite(seconds)) or not np.isfinite(length) or length < 0:
            raise fail(
                "events-time",
                "Events.from_seconds",
                "times and duration must be finite seconds, the duration not negative",
            )
        if seconds.size and not (seconds.min() >= 0 and seconds.max() < length):
            at = int(np.flatnonzero((seconds < 0) | (seconds >= length))[0])
            raise fail(
                "events-time",
                f"Events.from_seconds time[{at}]",
                "lies outside the duration",
                got=f"{seconds.ravel()[at]:g} s",
                limit=f"0 <= time < {length:g} s",
                hint="raise `duration`, or cut the events",
            )
        if length / step > 2**53:
            raise fail(
                "events-time", "Events.from_seconds", "has too many ticks", got=length / step
            )
        tick = np.floor(seconds / step + 0.5).astype(np.int64)
        ticks = int(np.ceil(length / step - 1e-9))
        ticks = max(ticks, int(tick.max()) + 1 if tick.size else 0)
        return cls.sorted(tick, id, size=size, ticks=ticks, dt=step)

    @classmethod
    def from_raster(cls, raster: ArrayLike, *, dt: float) -> Events:
        """From a dense array [ticks, size]; values other than 0 and 1 become payloads."""
        dense = np.asarray(raster)
        if dense.ndim != 2:
            raise fail("events-shape", "Events.from_raster", "needs [ticks, size]", got=dense.shape)
        tick, index = np.nonzero(dense)
        values = dense[tick, index].astype(np.float64)
        payload = None if np.all(values == 1) else values
        return cls(tick, index, dense.shape[1], dense.shape[0], dt, payload)

    # -- reading ------------------------------------------------------------------------------
    def __len__(self) -> int:
        return int(self.tick.size)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.ticks * self.dt

    def raster(self) -> NDArray[np.float64]:
        """Dense array [ticks, size]; several events of one source in one tick add up."""
        dense = np.zeros((self.ticks, self.size))
        np.add.at(dense, (self.tick, self.id), 1.0 if self.payload is None else self.payload)
        return dense

    def counts(self, window: int | None = None) -> NDArray[np.int64]:
        """Events per window and source, [ceil(ticks/window), size]; one window by default."""
        length = max(1, self.ticks) if window is None else _whole("counts window", window)
        if length < 1:
            raise fail("events-window", "Events.counts", "a window needs at least 1 tick", got=0)
        rows = max(1, -(-self.ticks // length))
        flat = np.bincount((self.tick // length) * self.size + self.id, minlength=rows * self.size)
        return flat.reshape(rows, self.size).astype(np.int64)

    def window(self, start: int, stop: int) -> Events:
        """Events with start <= tick < stop, with ticks counted from ``start``."""
        a, b = np.searchsorted(self.tick, [start, stop])
        payload = None if self.payload is None else self.payload[a:b]
        return Events(
            self.tick[a:b] - start, self.id[a:b], self.size, stop - start, self.dt, payload
        )

    def select(self, ids: ArrayLike) -> Events:
        """Only the sources ``ids`` (renumbered in that order)."""
        chosen = chosen_ids(ids, self.size)
        table = np.full(self.size, -1, np.int64)
        table[chosen] = np.arange(chosen.size)
        new = table[self.id]
        keep = new >= 0
        payload = None if self.payload is None else self.payload[keep]
        return Events.sorted(
            self.tick[keep],
            new[keep],
            size=int(chosen.size),
            ticks=self.ticks,
            dt=self.dt,
            payload=payload,
        )

    def shift(self, ticks: int) -> Events:
        """The same events ``ticks`` later (or earlier); the duration grows by as much."""
        return Events(
            self.tick + ticks, self.id, self.size, self.ticks + ticks, self.dt, self.payload
        )

    def same_as(self, other: Events) -> bool:
        """True when ticks, ids and payloads are equal, whatever the duration."""
        if len(self) != len(other) or not np.array_equal(self.tick, other.tick):
            return False
        if not np.array_equal(self.id, other.id):
            return False
        mine = np.ones(len(self)) if self.payload is None else self.payload
        theirs = np.ones(len(other)) if other.payload is None else other.payload
        return bool(np.array_equal(mine, theirs))

    def __repr__(self) -> str:
        return f"Events({len(self)} events of {self.size} sources in {self.ticks} x {self.dt:g} s)"


def concatenate(parts: Sequence[Events] | Iterable[Events]) -> Events:
    """Join in time, one after the other; sources and dt must be the same."""
    items = list(parts)
    if not items:
        raise fail("events-empty", "concatenate", "needs at least one Events")
    first, start = items[0], 0
    ticks: list[NDArray[np.int64]] = []
    payloads: list[Any] = []
    for part in items:
        if part.size != first.size or part.dt != first.dt:
            raise fail(
                "events-mismatch",
                "concatenate",
                "all parts need the same size and dt",
                got=f"size {part.size}, dt {part.dt:g}",
                limit=f"size {first.size}, dt {first.dt:g}",
            )
        ticks.append(part.tick + start)
        payloads.append(np.ones(len(part)) if part.payload is None else part.payload)
        start += part.ticks
    plain = all(part.payload is None for part in items)
    return Events(
        np.concatenate(ticks),
        np.concatenate([part.id for part in items]),
        first.size,
        start,
        first.dt,
        None if plain else np.concatenate(payloads),
    )


def chosen_ids(ids: ArrayLike, size: int) -> NDArray[np.int64]:
    """Different sources out of ``size``, checked."""
    chosen = _index_array("select", ids)
    _check_range("select", chosen, size, "ids are counted from 0")
    if np.unique(chosen).size != chosen.size:
        raise fail("events-range", "Events.select", "names a source twice")
    return chosen


def _check_range(name: str, array: NDArray[np.int64], limit: int, hint: str) -> None:
    if array.size and (int(array.min()) < 0 or int(array.max()) >= limit):
        at = int(np.flatnonzero((array < 0) | (array >= limit))[0])
        raise fail(
            "events-range",
            f"Events.{name}[{at}]",
            "out of range",
            got=int(array[at]),
            limit=f"0..{limit - 1}",
            hint=hint,
        )
