"""What a session keeps while it runs: events, sampled values, counts by window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import fail, unknown
from ranvier.events import Events, Trace
from ranvier.sim._arrays import Arrays
from ranvier.sim._layout import LINE, aligned_zeros
from ranvier.sim._probes import Probes

__all__ = ["Recorder"]

IntArray = NDArray[np.int64]

MOST_EVENTS = 1 << 26
"""Places for events of one call of the worker; memory is only taken where events fall."""
TRACE_BYTES = 1 << 27
"""Memory for sampled values before they are taken out."""


class Recorder:
    """Buffers that the worker writes to, and what has been taken out of them."""

    def __init__(self, program: Program, arrays: Arrays, recorded: list[str]) -> None:
        self.program, self.recorded, self.watched = program, recorded, set[str]()
        self._arrays, self._dtype = arrays, arrays.state.dtype
        self.parts: list[tuple[IntArray, NDArray[Any], NDArray[Any] | None]] = []
        self.fresh: tuple[IntArray, NDArray[Any], NDArray[Any] | None]
        self.fresh = np.zeros(0, np.int64), np.zeros(0, np.int32), None
        self.where = np.zeros(program.sources, np.int64), np.zeros(program.sources, np.int64)
        for number, (_, slots) in enumerate(program.slots.items()):
            self.where[0][slots] = number
            self.where[1][slots] = np.arange(slots.size)
        self.numbers = {name: number for number, name in enumerate(program.slots)}
        self.graded = {b.population for b in program.blocks if b.output != "spike"}
        self.probes = Probes(program, arrays, self.where[1])
        self._tied = arrays.layout.tied
        self.allot()

    def allot(self) -> None:
        """Buffers for what is recorded and sampled now."""
        arrays = self._arrays
        self._flag(arrays)
        width = max(1, int(self._per_tick.sum()))
        self.chunk = max(1, MOST_EVENTS // width)
        if self.probes.columns:
            self.chunk = max(1, min(self.chunk, TRACE_BYTES // (8 * self.probes.columns)))
        size = self.chunk * int(self._per_tick.sum()) if self.chunk > 1 else width
        self.base = np.concatenate([[0], np.cumsum(self._per_tick * self.chunk)[:-1]])
        self.tick = np.empty(size, np.int32)
        self.slot = np.empty(size, np.int32)
        self.value = np.empty(size if arrays.make.graded else 1, self._dtype)
        # Each partition's count lies on cache lines of its own.
        self.filled = aligned_zeros((self.base.size, LINE), np.int64)

    def _flag(self, arrays: Arrays) -> None:
        """Mark what is recorded, and count it by partition."""
        self._per_tick = np.zeros(arrays.layout.parts, np.int64)
        row = 0
        for p, pieces in enumerate(arrays.layout.subs):
            for sub in pieces:
                name = self.program.blocks[sub.block].population
                kept = name in self.recorded or name in self.watched
                arrays.subs[row, 8] = kept
                self._per_tick[p] += sub.n * kept
                row += 1

    # -- while running ------------------------------------------------------------------------
    def room(self, ticks: int) -> NDArray[Any]:
        """Empty buffers for so many ticks; returns the array for sampled values."""
        self.filled[:, 0] = self.base
        columns = self.probes.columns
        return np.zeros((ticks if columns else 0, columns), self._dtype)

    def take(self, first: int, samples: NDArray[Any]) -> None:
        """Take out what the worker wrote from tick ``first`` on."""
        pieces = [slice(a, b) for a, b in zip(self.base, self.filled[:, 0], strict=True) if b > a]
        if pieces:
            tick = np.concatenate([self.tick[s] for s in pieces])
            slot = np.concatenate([self.slot[s] for s in pieces])
            value = None
            if self.value.size > 1:
                value = np.concatenate([self.value[s] for s in pieces])
            if len(pieces) > 1:  # each piece is in order already, and so are the pieces
                order = np.lexsort((slot, tick)) if self._tied else np.argsort(tick, kind="stable")
                tick, slot = tick[order], slot[order]
                value = None if value is None else value[order]
            self._keep(tick.astype(np.int64) + first, slot, value)
        else:
            self.fresh = np.zeros(0, np.int64), np.zeros(0, np.int32), None
        if len(samples):
            self.probes.take(first, samples)

    def _keep(self, tick: IntArray, slot: NDArray[Any], value: NDArray[Any] | None) -> None:
        """All of it for who watches, and what is recorded for good."""
        self.fresh = tick, slot, value
        if not self.watched <= set(self.recorded):
            numbers = [self.numbers[name] for name in self.recorded]
            mine = np.isin(self.where[0][slot], numbers)
            tick, slot = tick[mine], slot[mine]
            value = None if value is None else value[mine]
        self.parts.append((tick, slot, value))

    def mark(self) -> tuple[int, list[int]]:
        """How much has been taken out, for :meth:`rewind`."""
        return len(self.parts), self.probes.mark()

    def rewind(self, mark: tuple[int, list[int]]) -> None:
        """Forget what was taken out since."""
        del self.parts[mark[0] :]
        self.probes.rewind(mark[1])

    # -- results ------------------------------------------------------------------------------
    def events(self, known: int, start: int, ticks: int) -> dict[str, Events]:
        """Events of recorded neurons since ``parts[known]``; ticks count from ``start``."""
        parts = self.parts[known:]
        tick = np.concatenate([np.zeros(0, np.int64), *(p[0] for p in parts)]) - start
        slot = np.concatenate([np.zeros(0, np.int32), *(p[1] for p in parts)])
        value = [p[2] for p in parts if p[2] is not None]
        values = np.concatenate(value) if value else None
        owner, index = self.where[0][slot], self.where[1][slot]
        inputs = {b.population for b in self.program.inputs}
        found: dict[str, Events] = {}
        for name in self.recorded:
            if name in inputs:
                continue
            mine = owner == self.numbers[name]
            graded = name in self.graded
            found[name] = Events.sorted(
                tick[mine],
                index[mine],
                size=self.program.slots[name].size,
                ticks=ticks,
                dt=self.program.dt,
                payload=values[mine] if graded and values is not None else [] if graded else None,
            )
        return found

    def traces(self, start: int) -> Mapping[str, Trace]:
        """Sampled values by probe."""
        return self.probes.traces(start)


def choose(program: Program, record: Iterable[str] | None) -> list[str]:
    """Names of the populations to record; raises RanvierError with a did-you-mean."""
    if record is None:
        probed = [p.population for p in program.probes if p.variable == "spikes"]
        chosen = list(dict.fromkeys([*program.outputs, *probed]))
    else:
        if isinstance(record, str):
            raise fail("record", "record", "must be a list of names", got=repr(record),
                       hint=f"record=[{record!r}]")  # fmt: skip
        chosen = list(dict.fromkeys(record))
    for name in chosen:
        if name not in program.slots:
            raise unknown("population", name, program.slots, where="record")
    return chosen
