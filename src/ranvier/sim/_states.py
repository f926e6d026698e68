"""Where the states of neurons lie in the arena.

A state of a block is a row of neighbouring neurons; of a block that may sleep, the states of a
neuron are neighbours, with the tick it is due at. Where a row goes on for another thread a gap is
left. How threads are cut is not seen from outside: :meth:`States.pack` gives all states in one
order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.neurons import Kernel
from ranvier.sim._layout import GAP, Layout, aligned_zeros, padded
from ranvier.sim._update_lazy import line_size

__all__ = ["States"]


class States:
    """``offset[k, name]`` is where a state of block k begins, ``due[k]`` where the ticks do at
    which neurons that may sleep are due; neighbours lie ``step[k]`` apart, rows ``stride[k]``.
    Neuron i of piece (row of the table of sub-blocks) r stands ``shift[r] + i*step`` further on.
    ``asleep`` says which blocks may sleep."""

    def __init__(
        self, program: Program, kernels: Sequence[Kernel], layout: Layout, asleep: Sequence[bool]
    ) -> None:
        self._blocks = program.blocks
        self.names = [tuple(kernel.state) for kernel in kernels]
        self.offset: dict[tuple[int, str], int] = {}
        self.due: dict[int, int] = {}
        self.base: list[int] = []
        self.step = [
            line_size(len(names)) if lies else 1
            for names, lies in zip(self.names, asleep, strict=True)
        ]
        self.stride: list[int] = []
        self._pieces = self._cut(layout)
        self.size = 0
        several = len(set(zip(layout.rank, layout.owner, strict=True))) > 1
        for k, (block, names) in enumerate(zip(program.blocks, self.names, strict=True)):
            self.base.append(self.size)
            shift = max((s for *_, s in self._pieces[k]), default=0)
            row = padded(block.n * self.step[k] + shift + (GAP if several else 0))
            self.stride.append(self.step[k] if asleep[k] else row)
            apart = 1 if asleep[k] else row
            for j, name in enumerate(names):
                self.offset[k, name] = self.size + j * apart
            if asleep[k]:
                self.due[k] = self.size + len(names)
            self.size += row if asleep[k] else len(names) * row

    def _cut(self, layout: Layout) -> list[list[tuple[int, int, int]]]:
        """First neuron, neurons and shift of the pieces of every block."""
        found: list[list[tuple[int, int, int]]] = [[] for _ in self._blocks]
        owner: dict[int, tuple[int, int]] = {}
        self.shift = np.zeros(sum(map(len, layout.subs)), np.int64)
        row = 0
        for p, pieces in enumerate(layout.subs):
            here = int(layout.rank[p]), int(layout.owner[p])
            for sub in pieces:
                known = found[sub.block]
                shift = known[-1][2] if known else 0
                if owner.setdefault(sub.block, here) != here:
                    shift += GAP
                    owner[sub.block] = here
                known.append((sub.first, sub.n, shift))
                self.shift[row] = shift
                row += 1
        return found

    def views(self, arena: NDArray[Any], block: int, at: int) -> Iterator[tuple[slice, Any]]:
        """Of the row that begins at ``at``: neurons, and where their values lie in ``arena``."""
        step = self.step[block]
        for first, n, shift in self._pieces[block]:
            low = at + shift + first * step
            yield slice(first, first + n), arena[low : low + n * step : step]

    def read(self, arena: NDArray[Any], block: int, at: int) -> NDArray[Any]:
        """A copy of the row that begins at ``at``, by neuron."""
        found = np.zeros(self._blocks[block].n, arena.dtype)
        for neurons, view in self.views(arena, block, at):
            found[neurons] = view
        return found

    def write(self, arena: NDArray[Any], block: int, at: int, values: Any) -> None:
        """``values`` [neurons], or one for all, into the row that begins at ``at``."""
        given = np.broadcast_to(np.asarray(values), (self._blocks[block].n,))
        for neurons, view in self.views(arena, block, at):
            view[:] = given[neurons]

    def initial(self, dtype: Any) -> NDArray[Any]:
        """An arena as a run begins with it."""
        arena = aligned_zeros(self.size, dtype)
        for (k, name), at in self.offset.items():
            self.write(arena, k, at, self._blocks[k].initial.get(name, 0))
        return arena

    # -- in one order, however threads are cut ----------------------------------------------
    def rows(self) -> Iterator[tuple[int, int, int]]:
        """Block, place in the arena and place in the packed order of every row."""
        at = 0
        for k, names in enumerate(self.names):
            places = [self.offset[k, name] for name in names]
            places += [self.due[k]] if k in self.due else []
            for place in places:
                yield k, place, at
                at += self._blocks[k].n

    def pack(self, arena: NDArray[Any]) -> NDArray[Any]:
        """All rows, one after the other."""
        rows = [self.read(arena, k, at) for k, at, _ in self.rows()]
        return np.concatenate([np.zeros(0, arena.dtype), *rows])

    def unpack(self, arena: NDArray[Any], packed: NDArray[Any]) -> None:
        """The inverse of :meth:`pack`."""
        for k, at, place in self.rows():
            self.write(arena, k, at, packed[place : place + self._blocks[k].n])
