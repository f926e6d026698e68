"""A run that is written piece by piece, and what it should come to: for tests of recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.events import (
    Events,
    PopulationInfo,
    Recording,
    State,
    StreamWriter,
    Trace,
    TraceInfo,
)

POPULATIONS = {
    "a": PopulationInfo(5),
    "g": PopulationInfo(3, graded=True),
    "in": PopulationInfo(4, recorded=False),
}
TRACES = {"a.v": TraceInfo(5, "f8", 2, 2.0, np.arange(5.0)), "g.n": TraceInfo(3, "i4")}


@dataclass
class Run:
    """A run that can be written piece by piece, and what it should come to."""

    ticks: int
    start: int = 0
    window: int | None = None
    seed: int = 0
    rate: float = 0.3
    dense: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        rng, n = np.random.default_rng(self.seed), self.ticks
        self.dense = {
            "a": rng.random((n, 5)) < self.rate,
            "g": np.where(rng.random((n, 3)) < self.rate, rng.normal(size=(n, 3)), 0),
            "in": rng.random((n, 4)) < self.rate,
            "a.v": rng.normal(size=(n, 5)),
            "g.n": rng.integers(-9, 9, (n, 3)).astype(np.int32),
            "sops": rng.integers(0, 9, (n, 2)),
        }

    def writer(self, path: Path, **more: Any) -> StreamWriter:
        return StreamWriter(
            path, dt=1e-3, program_hash="abc", populations=POPULATIONS, traces=TRACES,
            counters=["sops"], blocks=[("a", 0), ("a", 1)], window=self.window, start=self.start,
            **more,
        )  # fmt: skip

    def state(self, tick: int) -> State:
        return State(tick, {"v": np.full(3, float(tick))}, "abc")

    def give(self, writer: StreamWriter, stop: int, seed: int = 0) -> None:
        """Everything from where the writer is up to the machine's tick ``stop``."""
        rng = np.random.default_rng(seed)
        first = writer.tick
        while first < stop:
            end = stop if self.window is None else min(
                stop, (first // self.window + 1) * self.window
            )  # fmt: skip
            part = slice(first - self.start, end - self.start)
            for name in ("a", "g"):
                tick, index = np.nonzero(self.dense[name][part])
                value = self.dense[name][part][tick, index] if name == "g" else None
                order = np.lexsort((rng.random(tick.size), tick))  # any order within a tick
                value = None if value is None else value[order]
                cut = int(rng.integers(0, tick.size + 1))
                for piece in (slice(0, cut), slice(cut, None)):
                    writer.append(
                        name, tick[order][piece] + first, index[order][piece],
                        None if value is None else value[piece],
                    )  # fmt: skip
            when = np.arange(first, end)
            even = when[when % 2 == 0]
            writer.append_trace("a.v", even, self.dense["a.v"][even - self.start])
            writer.append_trace("g.n", when, self.dense["g.n"][part])
            counts = {n: np.count_nonzero(self.dense[n][part], axis=0) for n in POPULATIONS}
            writer.append_counts(end, counts, {"sops": self.dense["sops"][part].sum(0)})
            writer.advance(end)
            first = end

    def expected(self, end: int | None = None, state: State | None = None) -> Recording:
        """The recording in memory of the ticks before the machine's ``end``."""
        end = self.start + self.ticks if end is None else end
        n = end - self.start
        length = self.window or max(1, end)
        when = np.arange(self.start, end)
        rows = max(1, -(-(self.start % length + n) // length))
        tables: dict[str, Any] = {}
        for name in (*POPULATIONS, "sops"):
            dense = self.dense[name][:n]
            values = dense if name == "sops" else (dense != 0)
            tables[name] = np.zeros((rows, dense.shape[1]), np.int64)
            np.add.at(tables[name], when // length - self.start // length, values.astype(np.int64))
        events = {k: Events.from_raster(self.dense[k][:n], dt=1e-3) for k in ("a", "g")}
        if events["g"].payload is None:
            g = events["g"]
            events["g"] = Events(g.tick, g.id, g.size, g.ticks, g.dt, np.ones(len(g)))
        even = when[when % 2 == 0] - self.start
        return Recording(
            dt=1e-3, ticks=n, window=length, program_hash="abc", start=self.start, events=events,
            traces={
                "a.v": Trace(even, self.dense["a.v"][even], 2.0, np.arange(5.0)),
                "g.n": Trace(when - self.start, self.dense["g.n"][:n]),
            },
            counts={name: tables[name] for name in POPULATIONS},
            counters={"sops": tables["sops"]}, blocks=(("a", 0), ("a", 1)), state=state,
        )  # fmt: skip


def same(one: Recording, two: Recording) -> None:
    for name in ("dt", "ticks", "window", "program_hash", "start", "blocks", "windows"):
        assert getattr(one, name) == getattr(two, name), name
    assert list(one.events) == list(two.events)
    for name, events in one.events.items():
        other = two.events[name]
        assert events.same_as(other)
        assert (events.size, events.ticks, events.dt) == (other.size, other.ticks, other.dt)
        assert (events.payload is None) == (other.payload is None)
    assert list(one.traces) == list(two.traces)
    for name, trace in one.traces.items():
        other = two.traces[name]
        assert np.array_equal(trace.ticks, other.ticks)
        assert np.array_equal(trace.raw, other.raw)
        assert trace.raw.dtype == other.raw.dtype
        assert np.array_equal(trace.values, other.values)
    for mine, theirs in ((one.counts, two.counts), (one.counters, two.counters)):
        assert set(mine) == set(theirs)
        for name in mine:
            assert np.array_equal(mine[name], theirs[name]), name
            assert mine[name].dtype == theirs[name].dtype
    assert (one.state is None) == (two.state is None)
    if one.state is not None and two.state is not None:
        assert one.state.tick == two.state.tick
        assert np.array_equal(one.state.arrays["v"], two.state.arrays["v"])
