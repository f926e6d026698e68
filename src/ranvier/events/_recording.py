"""What a run leaves behind: events, sampled values, counts, counters and, if asked, the state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.bundle import read_bundle, write_bundle
from ranvier.errors import RanvierError, fail, unknown
from ranvier.events._events import Events

__all__ = ["Recording", "State", "Trace", "load_recording"]


@dataclass(frozen=True, eq=False)
class Trace:
    """A state sampled at ``ticks`` [k]: ``raw`` [k, n] in the machine's own numbers.

    SI values are ``raw * scale + offset``.
    """

    ticks: NDArray[np.int64]
    raw: NDArray[Any]
    scale: Any = 1.0
    offset: Any = 0.0

    @property
    def values(self) -> NDArray[np.float64]:
        """SI values, [k, n]."""
        return self.raw * np.asarray(self.scale) + np.asarray(self.offset)


@dataclass(frozen=True, eq=False)
class State:
    """Everything a session needs to go on: the tick and its arrays, of one program (by hash)."""

    tick: int
    arrays: Mapping[str, NDArray[Any]]
    program_hash: str

    def save(self, path: str | Path) -> Path:
        """Write a checkpoint bundle, atomically."""
        document = {"tick": self.tick, "program": self.program_hash}
        return write_bundle(path, "state", document, dict(self.arrays))

    @classmethod
    def load(cls, path: str | Path) -> State:
        """Read a checkpoint; raises RanvierError when it is missing or damaged."""
        document, arrays = read_bundle(path, "state")
        try:
            tick, program = document["tick"], document["program"]
        except (KeyError, TypeError) as error:
            raise fail("damaged-bundle", str(path), "does not describe a checkpoint") from error
        if type(tick) is not int or tick < 0 or not isinstance(program, str):
            raise fail("damaged-bundle", str(path), "does not describe a checkpoint")
        return cls(tick, arrays, program)


@dataclass(frozen=True, eq=False, kw_only=True)
class Recording:
    """The outcome of a run of ``ticks`` ticks of ``dt`` seconds, cut into windows of ``window``.

    ``start`` is the machine's tick at which it begins (not 0 after a checkpoint); windows end where
    the machine's tick is a multiple of ``window``, so the first may be shorter.
    ``events[population]`` are the events of probed populations and outputs; ``traces`` map
    ``"population.state"`` to sampled values; ``counts[population]`` [windows, size] are events per
    window of every population, inputs included; ``counters[name]`` [windows, blocks] are what the
    chip asked to be counted, ``blocks`` naming (population, core) of each column.
    """

    dt: float
    ticks: int
    window: int
    program_hash: str
    start: int = 0
    events: Mapping[str, Events] = field(default_factory=dict[str, Any])
    traces: Mapping[str, Trace] = field(default_factory=dict[str, Any])
    counts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict[str, Any])
    counters: Mapping[str, NDArray[np.int64]] = field(default_factory=dict[str, Any])
    blocks: tuple[tuple[str, int], ...] = ()
    state: State | None = None

    @property
    def windows(self) -> int:
        """Number of windows."""
        first = self.start % self.window
        return max(1, -(-(first + self.ticks) // self.window))

    def output(self, population: str) -> Events:
        """Events of a population; raises RanvierError with a did-you-mean."""
        if population not in self.events:
            raise unknown("recorded population", population, self.events)
        return self.events[population]

    def trace(self, name: str) -> Trace:
        """A sampled state, ``"population.state"``; raises RanvierError with a did-you-mean."""
        if name not in self.traces:
            raise unknown("recorded state", name, self.traces)
        return self.traces[name]

    def totals(self, population: str) -> NDArray[np.int64]:
        """Events of each source over the whole run, [size]."""
        if population not in self.counts:
            raise unknown("population", population, self.counts)
        return self.counts[population].sum(0)

    def activity(self) -> dict[str, NDArray[np.float64]]:
        """Events per tick of every source: what ``compile(activity=...)`` takes."""
        return {k: v.sum(0) / max(1, self.ticks) for k, v in self.counts.items()}

    def save(self, path: str | Path) -> Path:
        """Write to a directory: events as Parquet (by population), the rest as a bundle inside it.

        The directory appears complete or not at all.
        """
        from ranvier.events._storage import save_recording

        return save_recording(self, Path(path))

    def to_document(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything except the events, as plain data and arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, trace in self.traces.items():
            arrays[f"trace/{name}/ticks"] = trace.ticks
            arrays[f"trace/{name}/raw"] = trace.raw
            arrays[f"trace/{name}/scale"] = np.atleast_1d(np.asarray(trace.scale, np.float64))
            arrays[f"trace/{name}/offset"] = np.atleast_1d(np.asarray(trace.offset, np.float64))
        for kind, mapping in (("counts", self.counts), ("counters", self.counters)):
            for name, array in mapping.items():
                arrays[f"{kind}/{name}"] = array
        if self.state is not None:
            for name, array in self.state.arrays.items():
                arrays[f"state/{name}"] = array
        document = {
            "dt": self.dt,
            "ticks": self.ticks,
            "window": self.window,
            "start": self.start,
            "program": self.program_hash,
            "traces": list(self.traces),
            "counts": list(self.counts),
            "counters": list(self.counters),
            "blocks": [list(b) for b in self.blocks],
            "events": {
                name: {"size": e.size, "ticks": e.ticks, "graded": e.payload is not None}
                for name, e in self.events.items()
            },
            "state": None if self.state is None else self.state.tick,
        }
        return json.loads(json.dumps(document)), arrays

    @classmethod
    def from_document(
        cls, document: Any, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, Events]
    ) -> Recording:
        """The inverse of :meth:`to_document`; raises ValueError where it makes no sense."""
        if not all(type(document[k]) is int for k in ("ticks", "window", "start")):
            raise ValueError("ticks, window and start must be whole numbers")
        if document["ticks"] < 0 or document["window"] < 1 or document["start"] < 0:
            raise ValueError("ticks, window or start is out of range")
        if type(document["dt"]) not in (int, float) or not document["dt"] > 0:
            raise ValueError("dt must be positive seconds")
        state = None
        if document["state"] is not None:
            kept = {
                name.removeprefix("state/"): array
                for name, array in arrays.items()
                if name.startswith("state/")
            }
            state = State(int(document["state"]), kept, document["program"])
        return cls(
            dt=document["dt"],
            ticks=document["ticks"],
            window=document["window"],
            program_hash=document["program"],
            start=document["start"],
            events=events,
            traces={
                name: Trace(
                    arrays[f"trace/{name}/ticks"],
                    arrays[f"trace/{name}/raw"],
                    arrays[f"trace/{name}/scale"],
                    arrays[f"trace/{name}/offset"],
                )
                for name in document["traces"]
            },
            counts={name: arrays[f"counts/{name}"] for name in document["counts"]},
            counters={name: arrays[f"counters/{name}"] for name in document["counters"]},
            blocks=tuple((b[0], b[1]) for b in document["blocks"]),
            state=state,
        )


def load_recording(path: str | Path) -> Recording:
    """Read a recording directory; raises RanvierError when it is missing or damaged."""
    from ranvier.events._storage import read_recording

    try:
        return read_recording(Path(path))
    except RanvierError:
        raise
    except Exception as error:  # a stranger's file: whatever is wrong, one clear error
        raise fail(
            "damaged-recording",
            str(path),
            "cannot be read",
            got=str(error)[:200],
            hint="record again; nothing was loaded",
        ) from error
