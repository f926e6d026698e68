"""Partitions: which thread computes which neurons, and where their accumulators lie.

A partition holds neighbouring neurons (in the order of their slots) and all their incoming
synapses, so that only its own thread ever writes to them. Where neurons reach others within a tick
(:mod:`._ties`) it holds the same neurons of every block of a group. How a program is cut never
changes a result: every accumulator is summed in one order, whoever does it. Spikes are kept in
lanes for that: a lane holds neighbouring neurons of one partition, and lanes are read in the order
of their slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import fail

__all__ = ["GAP", "LINE", "Layout", "Sub", "aligned_zeros", "lay_out", "padded", "usable_cores"]

MOST_WIDTH = 1 << 16
"""Accumulators of a partition, so that 16 bits name each of them."""
GRAIN = 64
"""Neurons are cut at multiples of this: two threads then share no cache line."""
LINE = 16
"""Numbers to a cache line at least (of 64 bytes, of 4 each): what is computed begins at a line."""
PAGE = 4096
"""Bytes."""
GAP = 1024
"""Numbers between what two threads write: a page or two. Processors fetch ahead of what they read,
and would take lines away from their neighbours."""
WORTH_A_THREAD = 2000
"""Fewer neurons than this are computed faster by one thread than two take to meet."""


@dataclass(frozen=True)
class Sub:
    """Neurons ``first .. first+n`` of block ``block``; ``acc`` is their place in the arena of
    accumulators (port p of neuron i: ``acc + p*pitch + i - first``)."""

    block: int
    first: int
    n: int
    acc: int
    pitch: int


@dataclass(frozen=True, eq=False)
class Layout:
    """``subs[p]`` are the pieces of partition p, ``acc`` [partitions+1] where its accumulators
    begin, ``owner[p]`` its thread (-1: one of another rank), ``rank[p]`` its rank; ``place`` [ring]
    maps a program's accumulator to the arena.

    Lane q has the slots ``lane_at[q] .. lane_at[q+1]``, of partition ``lane_part[q]``. A partition
    is one lane, or, when blocks are ``tied``, each of its pieces is one: ``lane`` [pieces]."""

    threads: int
    subs: tuple[tuple[Sub, ...], ...]
    acc: NDArray[np.int64]
    owner: NDArray[np.int64]
    place: NDArray[np.int32]
    rank: NDArray[np.int64]
    tied: bool
    lane: NDArray[np.int64]
    lane_at: NDArray[np.int64]
    lane_part: NDArray[np.int64]

    @property
    def parts(self) -> int:
        """Number of partitions."""
        return len(self.subs)

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return self.lane_part.size

    @property
    def mine(self) -> list[int]:
        """Partitions of this rank."""
        return np.flatnonzero(self.owner >= 0).tolist()


def padded(n: int, to: int = LINE) -> int:
    """The next multiple."""
    return -(-n // to) * to


def aligned_zeros(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """As np.zeros, from the beginning of a page on: vectors that lie across two cache lines cost a
    quarter of an update, and arrays that by chance share places in the first cache a third."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + PAGE, np.uint8)
    first = -memory.ctypes.data % PAGE
    return memory[first : first + size].view(dtype).reshape(shape)


def usable_cores() -> int:
    """Cores this process may run on."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lay_out(
    program: Program,
    threads: int | None,
    ports: Sequence[int],
    *,
    groups: Sequence[Sequence[int]] | None,
    aligned: bool = False,
    ranks: tuple[int, int] = (0, 1),
) -> Layout:
    """Cut a program for ``threads`` threads (None: as many as are worth it).

    ``ports[k]`` is the number of ports of block k. ``groups`` are blocks to be cut at the same
    places (see :func:`ranvier.sim._ties.ties`); None keeps everything in one partition. ``aligned``
    lets every port begin at a multiple of GRAIN, so that one word of bits has neurons of one port
    only, and partitions be wider than 16 bits: where most neurons sleep few synapses are touched,
    and looking up a row costs more than what it holds. ``ranks`` are the number of this rank and
    how many share the work, with ``threads`` each.
    """
    me, size = ranks
    given: Any = threads
    if given is not None and (
        not isinstance(given, int | np.integer) or isinstance(given, bool) or given < 1
    ):
        raise fail("threads", "threads", "must be a whole number of at least 1",
                   got=repr(given)[:60], hint="leave it out: as many as are worth it")  # fmt: skip
    if threads is None:
        threads = max(1, min(usable_cores(), program.neurons // WORTH_A_THREAD))
    team = threads * size
    whole = groups is None
    if groups is None:
        groups = [[k] for k, _ in enumerate(program.blocks)]
    tied = any(len(group) > 1 for group in groups)
    if whole or program.neurons < 2 * GRAIN:
        team = 1
    # A neuron costs its update and the visits of its accumulators.
    cost = [block.n * (1 + p) for block, p in zip(program.blocks, ports, strict=True)]
    shares = 1 if whole or aligned else -(-program.ring // (team * (MOST_WIDTH - GAP - 8 * GRAIN)))
    wanted = 1 if whole else team * max(1, shares)
    target = sum(cost) / wanted if wanted else 0.0
    cuts: list[list[tuple[int, int, int]]] = [[]]
    room = target
    for group in groups:
        n, each = program.blocks[group[0]].n, sum(1 + ports[k] for k in group)
        at = 0
        while at < n:
            if len(cuts) == wanted:
                take = n - at
            else:
                fits = max(GRAIN, round(room / each / GRAIN) * GRAIN)
                take = min(n - at, fits)
            ends = [(k, a + n) for k, a, n in cuts[-1][-len(group) :]]
            if ends == [(k, at) for k in group]:  # goes on where the last piece ends
                grown = [(k, a, n + take) for k, a, n in cuts[-1][-len(group) :]]
                cuts[-1][-len(group) :] = grown
            else:
                cuts[-1] += [(k, at, take) for k in group]
            room -= take * each
            at += take
            if room < GRAIN / 2 and len(cuts) < wanted:
                cuts.append([])
                room += target
    cuts = [c for c in cuts if c] or [[]]
    subs: list[tuple[Sub, ...]] = []
    begin, place = [0], np.zeros(program.ring, np.int32)
    acc = 0
    for cut in cuts:
        pieces: list[Sub] = []
        for k, first, n in sorted(cut):
            pitch = padded(n, GRAIN if aligned else LINE)
            pieces.append(Sub(k, first, n, acc, pitch))
            for p in range(ports[k]):
                start = program.blocks[k].ring + p * program.blocks[k].n + first
                place[start : start + n] = np.arange(acc, acc + n)
                acc += pitch
        subs.append(tuple(pieces))
        acc += GAP if acc > begin[-1] else 0
        begin.append(acc)
    sizes, lane = [sum(s.n for s in pieces) for pieces in subs], np.arange(len(subs))
    lane_part = lane
    if tied:
        sizes, lane, lane_part = _lanes(program, subs)
    team = min(team, len(subs))
    owner = np.arange(len(subs)) * team // len(subs)
    rank = owner * size // team
    # Threads of a rank: its first is the lowest of its numbers.
    owner = np.where(rank == me, owner - -(-me * team // size), -1)
    return Layout(
        threads=max(1, int(owner.max()) + 1),
        subs=tuple(subs),
        acc=np.array(begin, np.int64),
        owner=owner.astype(np.int64),
        rank=rank.astype(np.int64),
        place=place,
        tied=tied,
        lane=lane,
        lane_at=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        lane_part=lane_part,
    )


def _lanes(
    program: Program, subs: Sequence[Sequence[Sub]]
) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Sizes of the lanes, the lane of every piece and the partition of every lane, where each
    piece is a lane."""
    pieces = [(program.blocks[s.block].start + s.first, s.n, p)
              for p, held in enumerate(subs) for s in held]  # fmt: skip
    start, n, part = np.array(pieces, np.int64).reshape(-1, 3).T
    order = np.argsort(start)
    lane = np.empty(order.size, np.int64)
    lane[order] = np.arange(order.size)
    return n[order].tolist(), lane, part[order]
