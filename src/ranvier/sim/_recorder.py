"""What a session keeps while it runs: events, sampled values, counts by window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import unknown
from ranvier.events import Events, Trace
from ranvier.sim._arrays import Arrays

__all__ = ["Recorder"]

IntArray = NDArray[np.int64]

MOST_EVENTS = 1 << 24
"""Places for events of one call of the worker; memory is only taken where events fall."""
TRACE_BYTES = 1 << 27
"""Memory for sampled values before they are taken out."""


class Recorder:
    """Buffers that the worker writes to, and what has been taken out of them."""

    def __init__(self, program: Program, arrays: Arrays, recorded: list[str]) -> None:
        self.program, self.recorded = program, recorded
        self._dtype = arrays.state.dtype
        self._flag(arrays)
        self._probe_rows(arrays)
        width = max(1, int(self._per_tick.sum()))
        self.chunk = max(1, MOST_EVENTS // width)
        if self.columns:
            self.chunk = max(1, min(self.chunk, TRACE_BYTES // (8 * self.columns)))
        size = self.chunk * int(self._per_tick.sum()) if self.chunk > 1 else width
        self.base = np.concatenate([[0], np.cumsum(self._per_tick * self.chunk)[:-1]])
        self.tick = np.empty(size, np.int32)
        self.slot = np.empty(size, np.int32)
        self.value = np.empty(size if arrays.make.graded else 1, self._dtype)
        self.filled = self.base.astype(np.int64)
        self.parts: list[tuple[IntArray, NDArray[Any], NDArray[Any] | None]] = []
        self.samples: list[tuple[int, NDArray[Any]]] = []
        self.where = np.zeros(program.sources, np.int64), np.zeros(program.sources, np.int64)
        for number, (_, slots) in enumerate(program.slots.items()):
            self.where[0][slots] = number
            self.where[1][slots] = np.arange(slots.size)
        self.graded = {b.population for b in program.blocks if b.output != "spike"}

    def _flag(self, arrays: Arrays) -> None:
        """Mark what is recorded, and count it by partition."""
        self._per_tick = np.zeros(arrays.layout.parts, np.int64)
        row = 0
        for p, pieces in enumerate(arrays.layout.subs):
            for sub in pieces:
                kept = self.program.blocks[sub.block].population in self.recorded
                arrays.subs[row, 8] = kept
                self._per_tick[p] += sub.n * kept
                row += 1

    def _probe_rows(self, arrays: Arrays) -> None:
        """Rows (state or out, offset, n, column, every) by partition, for the worker."""
        first: dict[tuple[int, str], int] = {}
        self.probes: list[tuple[str, int, int, int]] = []  # name, block, every, column
        column = 0
        for probe in self.program.probes:
            if probe.variable == "spikes":
                continue
            for k, block in enumerate(self.program.blocks):
                if block.population == probe.population:
                    first[k, str(probe)] = column
                    self.probes.append((str(probe), k, probe.every, column))
                    column += block.n
        self.columns = column
        rows: list[tuple[int, int, int, int, int]] = []
        for p, pieces in enumerate(arrays.layout.subs):
            arrays.parts[p, 9] = len(rows)
            for sub in pieces:
                block = self.program.blocks[sub.block]
                for name, k, every, column in self.probes:
                    if k != sub.block:
                        continue
                    out, offset = self._place(arrays, k, name.rsplit(".", 1)[1], name)
                    rows.append((out, offset + sub.first, sub.n, column + sub.first, every))
            arrays.parts[p, 10] = len(rows)
        self.rows = np.array(rows, np.int64).reshape(-1, 5)

    def _place(self, arrays: Arrays, k: int, variable: str, probe: str) -> tuple[int, int]:
        block = self.program.blocks[k]
        if variable == "output":
            return 1, block.start
        key = (k, block.aliases.get(variable, variable))
        if key not in arrays.state_offset:
            legal = sorted(name for b, name in arrays.state_offset if b == k)
            raise unknown("state", variable, legal, where=f"probe {probe}")
        return 0, arrays.state_offset[key]

    # -- while running ------------------------------------------------------------------------
    def room(self, ticks: int) -> NDArray[Any]:
        """Empty buffers for so many ticks; returns the array for sampled values."""
        self.filled[:] = self.base
        return np.zeros((ticks if self.columns else 0, self.columns), self._dtype)

    def take(self, first: int, samples: NDArray[Any]) -> None:
        """Take out what the worker wrote from tick ``first`` on."""
        pieces = [slice(a, b) for a, b in zip(self.base, self.filled, strict=True) if b > a]
        if pieces:
            tick = np.concatenate([self.tick[s] for s in pieces])
            slot = np.concatenate([self.slot[s] for s in pieces])
            value = None
            if self.value.size > 1:
                value = np.concatenate([self.value[s] for s in pieces])
            if len(pieces) > 1:  # each piece is in order already
                order = np.argsort(tick, kind="stable")
                tick, slot = tick[order], slot[order]
                value = None if value is None else value[order]
            self.parts.append((tick.astype(np.int64) + first, slot, value))
        if len(samples):
            self.samples.append((first, samples))

    # -- results ------------------------------------------------------------------------------
    def events(self, known: int, start: int, ticks: int) -> dict[str, Events]:
        """Events of recorded neurons since ``parts[known]``; ticks count from ``start``."""
        parts = self.parts[known:]
        tick = np.concatenate([np.zeros(0, np.int64), *(p[0] for p in parts)]) - start
        slot = np.concatenate([np.zeros(0, np.int32), *(p[1] for p in parts)])
        value = [p[2] for p in parts if p[2] is not None]
        values = np.concatenate(value) if value else None
        owner, index = self.where[0][slot], self.where[1][slot]
        numbers = {name: k for k, name in enumerate(self.program.slots)}
        inputs = {b.population for b in self.program.inputs}
        found: dict[str, Events] = {}
        for name in self.recorded:
            if name in inputs:
                continue
            mine = owner == numbers[name]
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
        if not self.probes:
            return {}
        empty = np.zeros((0, self.columns), self._dtype)
        data = np.concatenate([empty, *(part for _, part in self.samples)])
        when = np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(t, t + len(part)) for t, part in self.samples)]
        )
        found: dict[str, Trace] = {}
        for name in dict.fromkeys(n for n, *_ in self.probes):
            rows = [row for row in self.probes if row[0] == name]
            blocks = [self.program.blocks[row[1]] for row in rows]
            variable = name.rsplit(".", 1)[1]
            size = self.program.slots[blocks[0].population].size
            keep = when % rows[0][2] == 0
            raw = np.zeros((int(keep.sum()), size), self._dtype)
            scale, offset = np.ones(size), np.zeros(size)
            for (_, _, _, column), block in zip(rows, blocks, strict=True):
                index = self.where[1][block.start : block.start + block.n]
                raw[:, index] = data[keep, column : column + block.n]
                register = block.aliases.get(variable, variable)
                by, plus = block.state_scale.get(register, (1.0, 0.0))
                scale[index], offset[index] = by, plus
            found[name] = Trace(when[keep] - start, raw, scale, offset)
        return found


def choose(program: Program, record: Iterable[str] | None) -> list[str]:
    """Names of the populations to record; raises RanvierError with a did-you-mean."""
    if record is None:
        probed = [p.population for p in program.probes if p.variable == "spikes"]
        chosen = list(dict.fromkeys([*program.outputs, *probed]))
    else:
        chosen = list(dict.fromkeys(record))
    for name in chosen:
        if name not in program.slots:
            raise unknown("population", name, program.slots, where="record")
    return chosen
