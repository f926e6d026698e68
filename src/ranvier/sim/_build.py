"""Synapses as the engine wants them: by partition, source and delay, built in two parallel passes.

The first pass counts the synapses of every row (source, delay), the second puts each in its place,
so nothing is sorted and nothing larger than the result is ever held. Rules are drawn in chunks,
once per pass. A synapse takes 2 bytes for its target (a partition has at most 65,536 accumulators)
and its weight; a row takes 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program, RuleTable
from ranvier.errors import fail
from ranvier.network._ticks import TickTable
from ranvier.sim._fill import (
    count_listed,
    count_packed,
    fill_listed,
    fill_packed,
    reaches,
    sum_up,
)
from ranvier.sim._layout import MOST_WIDTH, Layout

__all__ = ["Synapses"]

IntArray = NDArray[np.int64]
_Six = tuple[Any, Any, Any, Any, Any, Any]
_Seven = tuple[Any, Any, Any, Any, Any, Any, Any]

CHUNK = 1 << 15
"""Synapses drawn at a time: they stay in the cache between drawing and placing."""
VECTOR = 24
"""Rows shorter than this are cheaper one synapse at a time."""
RUN_SPAN = 2.5
"""A row whose targets span at most this many times its synapses is filled up with zero weights, so
that it can be added as a vector. Adding zero changes no sum."""


@dataclass(frozen=True)
class _Stretch:
    """Packed synapses with origins first..last, or one rule: what is built in one go."""

    first: int
    last: int
    rule: RuleTable | None = None


@dataclass(eq=False)
class _Part:
    """One partition between the passes."""

    count: NDArray[np.uint32]
    lowest: NDArray[np.int32]
    run: NDArray[np.int32]
    synapses: int = 0


class Synapses:
    """All synapses of a session: ``row_ptr`` (per partition [sources*delays+1]), ``row_run``,
    ``target`` and ``weight``, one partition after the other; ``delays`` [n] in ticks, ascending.

    ``target``/``weight``/``origin`` of a Program's packed synapses stay reachable in packed order
    (:attr:`packed_target`, :meth:`packed_weight`), so that weights can be read and written.
    """

    def __init__(
        self, program: Program, layout: Layout, dtype: type, *, mine: Iterable[int] | None = None
    ) -> None:
        self._program, self._layout, self._dtype = program, layout, dtype
        self._mine = set(range(layout.parts) if mine is None else mine)
        self.origin: IntArray = program.synapse_origin
        self.packed_target: NDArray[Any] = program.synapse_target
        self._where: IntArray | None = None
        rules = [r for r in program.rules]
        ticks = set(np.unique(program.row_delay).tolist())
        for rule in rules:
            ticks.update(_rule_ticks(rule, program.dt))
        self.delays = np.array(sorted(ticks) or [1], np.int64)
        self._column = np.zeros(int(self.delays[-1]) + 1, np.int64)
        self._column[self.delays] = np.arange(self.delays.size)
        self._rows = program.sources * self.delays.size
        self._build(program.synapse_weight)

    # -- building -----------------------------------------------------------------------------
    def _stretches(self) -> list[_Stretch]:
        """Runs of packed projections and rules, in the canonical order of all synapses; plastic
        ones are kept elsewhere."""
        learning = {t.name for t in self._program.plastic}
        cuts = [(r.first, r.first, None if r.name in learning else r) for r in self._program.rules]
        cuts += [(p.first, p.first + p.count, None) for p in self._program.projections
                 if p.name in learning]  # fmt: skip
        found: list[_Stretch] = []
        last = 0
        for first, end, rule in sorted(cuts, key=lambda cut: cut[:2]):
            found.append(_Stretch(last, first))
            if rule is not None:
                found.append(_Stretch(first, first, rule))
            last = end
        return [*found, _Stretch(last, 1 << 62)]

    def _build(self, weight: NDArray[Any]) -> None:
        layout, rows = self._layout, self._rows
        packed = bool(self._program.synapse_target.size)
        parts: list[_Part] = [
            _Part(
                np.zeros(rows if p in self._mine else 0, np.uint32),
                np.zeros(rows if packed and p in self._mine else 1, np.int32),
                np.full(1, -1, np.int32),
            )
            for p in range(layout.parts)
        ]
        ptr = [np.zeros(part.count.size + 1, np.uint32) for part in parts]
        self._everywhere(lambda p: self._count(p, parts[p], packed, ptr[p]))
        sizes = [part.synapses for part in parts]
        self.synapse_at = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.row_at = np.concatenate([[0], np.cumsum([x.size for x in ptr])]).astype(np.int64)
        total = int(self.synapse_at[-1])
        widths = np.diff(layout.acc)
        narrow = not widths.size or int(widths.max()) <= MOST_WIDTH
        self.target = np.zeros(total, np.uint16 if narrow else np.uint32)
        self.weight = np.zeros(total, self._weight_type(weight))
        self.row_ptr = np.concatenate(ptr) if len(ptr) > 1 else ptr[0]
        runs = any(part.run.size > 1 for part in parts)
        self.row_run = np.full(self.row_ptr.size if runs else 1, -1, np.int32)
        for p, part in enumerate(parts):
            if part.run.size > 1:
                self.row_run[self.row_at[p] : self.row_at[p] + rows] = part.run
        self._everywhere(lambda p: self._fill(p, parts[p], weight, np.zeros(0, np.int64)))
        nd, sources = self.delays.size, self._program.sources
        self.reach = np.zeros((1, 1), np.uint16)
        if 1 < nd < 1 << 16:  # else a look at the row itself is as quick
            self.reach = np.zeros((layout.parts, max(2, sources)), np.uint16)
            for p in sorted(self._mine):
                reaches(ptr[p], nd, self.reach[p])

    def _weight_type(self, weight: NDArray[Any]) -> Any:
        """float32 on a float32 machine; the packed type otherwise."""
        return np.float32 if self._dtype is np.float32 else weight.dtype

    def _everywhere(self, work: Callable[[int], None]) -> None:
        mine = sorted(self._mine)
        if self._layout.threads == 1 or len(mine) < 2:
            for p in mine:
                work(p)
            return
        with ThreadPoolExecutor(self._layout.threads) as pool:
            list(pool.map(work, mine))

    def _packed(self, stretch: _Stretch, low: int, high: int) -> tuple[_Six, _Seven]:
        program = self._program
        return (
            program.route_ptr, program.route_row, program.row_ptr, program.row_delay,
            self.packed_target, self.origin,
        ), (self._layout.place, low, high, stretch.first, stretch.last, self._column,
            self.delays.size)  # fmt: skip

    def _count(self, p: int, part: _Part, packed: bool, ptr: NDArray[np.uint32]) -> None:
        low, high = self._layout.acc[p], self._layout.acc[p + 1]
        newest = np.zeros(part.lowest.size, np.int32)
        plain = np.ones(part.lowest.size, np.uint8)
        for stretch in self._stretches():
            if stretch.rule is not None:
                for pre, _, _, ticks, _ in self._chunks(p, stretch.rule, counting=True):
                    count_listed(
                        pre, stretch.rule.source, self.delays.size, ticks, self._column, part.count
                    )
                    if packed:
                        plain[:] = 0
            elif packed:
                head, tail = self._packed(stretch, int(low), int(high))
                count_packed(*head, *tail, part.count, newest, part.lowest, plain)
        length = part.count
        if packed:
            span = newest - part.lowest + 1
            vector = (plain == 1) & (span <= RUN_SPAN * length) & (length >= VECTOR)
            if vector.any():
                part.run = np.where(vector, part.lowest, -1).astype(np.int32)
                length = np.where(vector, span, length).astype(np.uint32)
        part.synapses = int(sum_up(length, ptr))
        if part.synapses < 0:
            raise fail(
                "too-many-synapses",
                self._program.name,
                "a partition has more synapses than 32 bits count",
                limit=2**32 - 2,
                hint="use more threads or ranks: they cut the network into more partitions",
            )

    def _fill(self, p: int, part: _Part, weight: NDArray[Any], where: IntArray) -> None:
        low, high = self._layout.acc[p], self._layout.acc[p + 1]
        begin, end = self.synapse_at[p], self.synapse_at[p + 1]
        at = self.row_at[p]
        cursor = self.row_ptr[at : at + self._rows].copy()
        run = self.row_run[at : at + self._rows] if self.row_run.size > 1 else self.row_run
        to_target, to_weight = self.target[begin:end], self.weight[begin:end]
        if run.size > 1:
            _fill_targets(run, self.row_ptr[at : at + self._rows + 1], to_target)
        for stretch in self._stretches():
            if stretch.rule is not None:
                for pre, post, values, ticks, acc in self._chunks(p, stretch.rule):
                    fill_listed(
                        pre, post, stretch.rule.source, self.delays.size, ticks, self._column, acc,
                        values, cursor, to_target, to_weight,
                    )  # fmt: skip
            elif self._program.synapse_target.size:
                head, tail = self._packed(stretch, int(low), int(high))
                fill_packed(
                    *head, weight, *tail, cursor, part.lowest, run, to_target, to_weight, where,
                    begin,
                )  # fmt: skip

    def _chunks(
        self, p: int, table: RuleTable, *, counting: bool = False
    ) -> Iterator[tuple[Any, Any, Any, Any, int]]:
        """(pre, post, weights, ticks, what to add to post) of a rule in a partition."""
        base, n_post = int(self._layout.acc[p]), table.make().n_post
        for sub in self._layout.subs[p]:
            block = self._program.blocks[sub.block]
            port, into = divmod(table.ring - block.ring, block.n)
            if not (
                block.ring <= table.ring and into == 0 and port * block.n < self._width(sub.block)
            ):
                continue
            assert block.n == n_post
            acc = sub.acc + port * sub.pitch - sub.first - base
            for chunk in table.chunks(
                sub.first, sub.first + sub.n, self._program.dt, weights=not counting, most=CHUNK
            ):
                ticks = np.array([table.delay], np.int32) if chunk.ticks is None else chunk.ticks
                values = np.atleast_1d(np.asarray(chunk.weight, np.float64))
                yield chunk.pre, chunk.post, values, ticks, acc

    def _width(self, block: int) -> int:
        """Accumulators of a block: none where nothing arrives, though another begins there too."""
        begins = [b.ring for b in self._program.blocks] + [self._program.ring]
        return begins[block + 1] - begins[block]

    # -- weights in packed order --------------------------------------------------------------
    @property
    def where(self) -> IntArray:
        """Position of every packed synapse in ``weight`` (-1: with another rank), made when first
        needed."""
        if self._where is None:
            self._where = np.full(self.packed_target.size, -1, np.int64)
            rows = self._rows
            for p in sorted(self._mine):
                at = self.row_at[p]
                run = self.row_run[at : at + rows] if self.row_run.size > 1 else self.row_run
                lowest = np.where(run >= 0, run, 0).astype(np.int32)
                part = _Part(np.zeros(0, np.uint32), lowest, run)
                weight = self.weight
                self.weight = np.zeros_like(weight)
                self._fill(p, part, self._program.synapse_weight, self._where)
                self.weight = weight
        return self._where

    def packed_weight(self) -> NDArray[Any]:
        """Weights in packed order (a copy), in the type of the program's own; 0 where another rank
        has them."""
        found = np.zeros(self.where.size, self._program.synapse_weight.dtype)
        here = self.where >= 0
        found[here] = self.weight[self.where[here]]
        return found

    def write(
        self, weight: NDArray[Any], target: NDArray[Any], chosen: NDArray[np.int64] | slice
    ) -> None:
        """Change weights, and targets where a sign chose another accumulator."""
        if np.array_equal(self.packed_target[chosen], target):
            where = self.where[chosen]
            here = where >= 0
            self.weight[where[here]] = np.asarray(weight)[here]
            return
        every = self.packed_weight()
        every[chosen] = weight
        self.packed_target = self.packed_target.copy()
        self.packed_target[chosen] = target
        self._where = None
        self._build(every)


def _fill_targets(run: Any, ptr: Any, target: Any) -> None:
    """Rows filled up to a vector name all their targets, for those who read them one by one."""
    for row in np.flatnonzero(run >= 0):
        a, b = int(ptr[row]), int(ptr[row + 1])
        target[a:b] = run[row] + np.arange(b - a)


def _rule_ticks(table: RuleTable, dt: float) -> list[int]:
    """Every delay a rule may draw."""
    drawn = table.delays()
    if drawn is None:
        return [table.delay]
    ticks = TickTable.of(drawn, dt)
    return list(range(ticks.first, ticks.last + 1))
