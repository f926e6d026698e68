"""Electrical synapses: every target reads the states of its sources as they were a tick ago."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.sim._layout import Layout
from ranvier.sim._states import States

__all__ = ["Gaps"]

IntArray = NDArray[np.int64]


class Gaps:
    """By partition, the accumulators that gap currents flow to and what they read.

    Row g adds ``sum over j in ptr[g]:ptr[g+1] of weight[j] * (signal[source[j]] - signal[own[g]])``
    to accumulator ``acc[g]`` of its partition. ``signal`` [2, names * neurons] holds the states by
    slot, of even and odd ticks; ``copies`` rows (state offset, n, place) say what a partition hands
    on. ``rows`` and ``handed`` [partitions + 1] are where a partition's begin.
    """

    def __init__(self, program: Program, layout: Layout, states: States, dtype: Any) -> None:
        self.used = bool(program.gaps)
        names = list(dict.fromkeys(table.state for table in program.gaps))
        neurons = program.neurons
        none = np.zeros(0, np.int64)
        columns: list[list[NDArray[Any]]] = [[none], [none], [none], [none], [np.zeros(0)]]
        for number, table in enumerate(program.gaps):
            shift = names.index(table.state) * neurons
            for column, values in zip(
                columns,
                (
                    layout.place[table.ring],
                    np.full(table.pre.size, number),
                    table.post + shift,
                    table.pre + shift,
                    table.weight,
                ),
                strict=True,
            ):
                column.append(values)
        place, number, own, source, weight = (np.concatenate(c) for c in columns)
        order = np.lexsort((source, number, place))
        place, own, source, weight = (x[order] for x in (place, own, source, weight))
        number = number[order]
        new = np.ones(place.size, bool)
        new[1:] = (np.diff(place) != 0) | (np.diff(number) != 0)
        starts = np.flatnonzero(new)
        self.ptr = np.append(starts, place.size).astype(np.int64)
        part = np.searchsorted(layout.acc, place[starts], side="right") - 1
        self.acc = place[starts] - layout.acc[part] if starts.size else none
        self.own, self.source = own[starts].astype(np.int64), source.astype(np.int64)
        self.weight = weight.astype(dtype)
        self.rows = np.searchsorted(part, np.arange(layout.parts + 1)).astype(np.int64)
        self.signal = np.zeros((2, max(1, len(names) * neurons)), dtype)
        sends = {
            (program.blocks.index(b), table.state)
            for table in program.gaps
            for slots in (table.pre, table.post)
            for b in program.blocks
            if np.any((slots >= b.start) & (slots < b.start + b.n))
        }
        copies: list[tuple[int, int, int]] = []
        handed = [0]
        row = 0
        for pieces in layout.subs:
            for sub in pieces:
                shift, row = int(states.shift[row]), row + 1
                for k, name in sorted(sends):
                    if k == sub.block:
                        start = program.blocks[k].start + sub.first
                        offset = states.offset[k, name] + sub.first + shift
                        copies.append((offset, sub.n, names.index(name) * neurons + start))
            handed.append(len(copies))
        self.copies = np.array(copies, np.int64).reshape(-1, 3)
        self.handed = np.array(handed, np.int64)

    def refresh(self, state: NDArray[Any], tick: int) -> None:
        """What the first tick of a run reads."""
        for offset, n, place in self.copies:
            self.signal[tick & 1, place : place + n] = state[offset : offset + n]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """For the worker, in its order."""
        return (
            self.rows, self.ptr, self.acc, self.own, self.source, self.weight, self.handed,
            self.copies, self.signal,
        )  # fmt: skip
