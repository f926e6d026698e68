"""Synapses whose weights change: their rows, histories and traces, by partition.

The texts of a rule (:mod:`ranvier.plasticity`) do the work, when a spike arrives and when a target
fires; here stand the arrays they work on and what the worker says to call them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import PlasticTable, Program
from ranvier.errors import RanvierError, about, fail
from ranvier.generated import load_module
from ranvier.plasticity import BLOCK, IMPORTS, DiscreteRule, PlasticityRule, RuleKernel, discretise
from ranvier.sim._layout import Layout

__all__ = ["ARGUMENTS", "CAPACITY", "CHANGING", "TICKS", "Plastic", "kernel_numbers"]

IntArray = NDArray[np.int64]

CAPACITY = 64
"""Spikes of a target that are remembered; one less makes a sweep due."""
TICKS = 2**31 - 1
"""Ticks of the longest run: 59 hours at 0.1 ms."""
CHANGING = (
    "weight", "syn", "row_last", "row_trace", "post_trace", "hist_since", "hist_tick",
    "hist_trace", "mod_count", "mod_tick", "mod_value",
)  # fmt: skip
"""Arrays of a plastic projection that a run changes."""
ARGUMENTS = (
    "table", "delays", "row_of", "start", "ident", "target", "weight", "syn", "row_last",
    "row_trace", "post_trace", "hist_since", "hist_tick", "hist_trace", "mod_count", "mod_tick",
    "mod_value", "params", "decays", "scalars", "work",
)  # fmt: skip
"""What the worker is given of each plastic projection, in order. ``table`` [partitions, 7] has the
row of its sub-block (-1: none), begin of its accumulators, neurons, first neuron, first row, last
row and place in ``row_of``; ``scalars``: seed, first source, sources, whether they are inputs,
first and last source of the reward, first and last partition that sends. ``hist_tick`` and
``hist_trace`` are flat: one table [capacity, neurons] after the other, by partition; ``work`` has
one a thread."""


@dataclass(frozen=True)
class _Listed:
    """All synapses of a projection in its canonical order."""

    pre: NDArray[Any]
    post: NDArray[Any]
    tick: NDArray[Any]
    weight: NDArray[Any]
    packed: IntArray | None


class Plastic:
    """One plastic projection: those of its ``count`` synapses whose targets this rank computes.

    ``order`` [stored] is the canonical number of each. What is read by synapse or by neuron is 0
    for those of other ranks, so that the bits of all ranks together are the whole.
    """

    def __init__(
        self, program: Program, layout: Layout, subs: IntArray, table: PlasticTable, dtype: Any
    ) -> None:
        self.table, self._program = table, program
        rule = PlasticityRule.from_dict(table.rule)
        with about(table.name):
            self.discrete: DiscreteRule = discretise(rule, table.parameters, program.dt)
        kernel = self.kernel
        block = program.blocks[table.block]
        listed = self._list()
        self.count = listed.pre.size
        self.delays = np.unique(listed.tick).astype(np.int64)
        nd = max(1, self.delays.size)
        column = np.searchsorted(self.delays, listed.tick)
        key = listed.pre.astype(np.int64) * nd + column
        rows: list[NDArray[Any]] = []
        orders: list[NDArray[Any]] = []
        targets: list[NDArray[Any]] = []
        counts: list[NDArray[Any]] = []
        keys: list[NDArray[Any]] = []
        places: list[tuple[int, ...]] = []
        before = np.zeros(table.sources * nd, np.int64)
        idents: list[NDArray[Any]] = []
        whole = np.bincount(key, minlength=before.size)
        base = np.concatenate([[0], np.cumsum(whole)[:-1]])
        row_at = at_sub = 0
        widest = max((sub.n for pieces in layout.subs for sub in pieces), default=0)
        narrow = np.uint16 if widest <= 1 << 16 else np.uint32
        for p, pieces in enumerate(layout.subs):
            place = (-1, 0, 0, 0, row_at, row_at, 0)
            for k, sub in enumerate(pieces):
                if sub.block != table.block:
                    continue
                inside = np.flatnonzero(
                    (listed.post >= sub.first) & (listed.post < sub.first + sub.n)
                )
                if layout.owner[p] < 0:
                    before += np.bincount(key[inside], minlength=before.size)
                    continue
                # by target within a row, so that no partition changes a synapse's identity
                whole_key = key[inside] * block.n + listed.post[inside]
                inside = inside[np.argsort(whole_key, kind="stable")]
                found, count = np.unique(key[inside], return_counts=True)
                row_of = np.full(before.size, -1, np.int32)
                row_of[found] = row_at + np.arange(found.size)
                acc = int(subs[at_sub + k, 7]) + table.port * sub.pitch
                place = (
                    at_sub + k, acc, sub.n, sub.first, row_at, row_at + found.size,
                    sum(r.size for r in rows),
                )  # fmt: skip
                rows.append(row_of)
                orders.append(inside)
                targets.append((listed.post[inside] - sub.first).astype(narrow))
                counts.append(count)
                keys.append(found)
                idents.append(base[found] + before[found])
                before[found] += count
                row_at += found.size
            places.append(place)
            at_sub += len(pieces)
        none = np.zeros(0, np.int64)
        self.places = np.array(places, np.int64).reshape(-1, 7)
        self.order: IntArray = np.concatenate([none, *orders])
        self.row_key: IntArray = np.concatenate([none, *keys])
        self.packed = listed.packed
        self._listed = None if listed.packed is not None else np.argsort(listed.pre, kind="stable")
        size = self.order.size
        lengths = np.concatenate([none, *counts])
        self.start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.row_of = np.concatenate([np.zeros(0, np.int32), *rows])
        self.ident = np.concatenate([none, *idents]).astype(np.int64)
        self.target = np.concatenate([np.zeros(0, narrow), *targets])
        self.weight = listed.weight[self.order].astype(dtype)
        self.syn = np.repeat(self.discrete.initial[:, None], size, axis=1)
        n, parts = block.n, layout.parts
        self.row_last = np.zeros(row_at, np.int64)
        self.row_trace = np.zeros((row_at, len(kernel.pre)))
        self.post_trace = np.zeros((n, len(kernel.post)))
        self.hist_since = np.zeros((parts, 2), np.int64)
        self.hist_tick = np.full(n * CAPACITY, -1, np.int32)
        self.hist_trace = np.zeros(n * CAPACITY * len(kernel.history))
        self.mod_count = np.ones(parts, np.int64)
        self.mod_tick = np.zeros((parts, CAPACITY), np.int64)
        self.mod_value = np.zeros((parts, CAPACITY))
        reward = next((b for b in program.inputs if b.population == table.reward), None)
        first, last = (reward.start, reward.start + reward.n) if reward else (0, 0)
        self.scalars = np.array(
            [program.seed, table.source, table.sources, table.source >= program.neurons, first,
             last, *_senders(layout, table)], np.int64,
        )  # fmt: skip
        self.work = np.zeros((layout.threads, 2 * CAPACITY, BLOCK + 1), np.uint32)
        self.fresh = 0

    @property
    def kernel(self) -> RuleKernel:
        """The texts of its rule."""
        return self.discrete.kernel

    @property
    def arguments(self) -> tuple[Any, ...]:
        """For the worker, as ARGUMENTS."""
        return (
            self.places, self.delays, self.row_of, self.start, self.ident, self.target,
            self.weight, self.syn, self.row_last, self.row_trace, self.post_trace, self.hist_since,
            self.hist_tick, self.hist_trace, self.mod_count, self.mod_tick, self.mod_value,
            self.discrete.params, self.discrete.table, self.scalars, self.work,
        )  # fmt: skip

    def _list(self) -> _Listed:
        program, table = self._program, self.table
        rule = next((r for r in program.rules if r.name == table.name), None)
        if rule is not None:
            chunks = list(rule.chunks(0, rule.make().n_post, program.dt))
            sizes = [c.pre.size for c in chunks]
            tick = [np.full(n, rule.delay) if c.ticks is None else c.ticks
                    for c, n in zip(chunks, sizes, strict=True)]  # fmt: skip
            weight = [np.broadcast_to(c.weight, n) for c, n in zip(chunks, sizes, strict=True)]
            return _Listed(
                np.concatenate([np.zeros(0, np.int32), *(c.pre for c in chunks)]),
                np.concatenate([np.zeros(0, np.int32), *(c.post for c in chunks)]),
                np.concatenate([np.zeros(0, np.int64), *tick]),
                np.concatenate([np.zeros(0), *weight]),
                None,
            )
        own = next(p for p in program.projections if p.name == table.name)
        origin = program.synapse_origin
        packed = np.flatnonzero((origin >= own.first) & (origin < own.first + own.count))
        packed = packed[np.argsort(origin[packed], kind="stable")]
        row = np.searchsorted(program.row_ptr, packed, side="right") - 1
        route = np.empty(program.route_row.size, np.int64)
        route[program.route_row] = np.repeat(np.arange(program.sources), np.diff(program.route_ptr))
        block = program.blocks[table.block]
        ring = block.ring + table.port * block.n
        return _Listed(
            route[row] - table.source,
            program.synapse_target[packed] - ring,
            program.row_delay[row],
            program.synapse_weight[packed],
            packed,
        )

    # -- reading ------------------------------------------------------------------------------
    def weights(self, tick: int) -> NDArray[Any]:
        """Weights as they are after all ticks before ``tick``, in canonical order; changes
        nothing."""
        weight, _ = self._swept("advance_rows", tick)
        found = np.zeros(self.count, np.float64)
        found[self.order] = weight
        return found

    def _histories(self, p: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ticks [capacity, neurons] and traces [traces, capacity, neurons] of a partition."""
        low, n, kept = int(self.places[p, 3]), int(self.places[p, 2]), len(self.kernel.history)
        first, last = CAPACITY * low, CAPACITY * (low + n)
        return (
            self.hist_tick[first:last].reshape(CAPACITY, n),
            self.hist_trace[kept * first : kept * last].reshape(kept, CAPACITY, n),
        )

    def _swept(self, function: str, tick: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weights and variables in stored order, every synapse up to date at the start of
        ``tick``: at its last event (sweep_rows), or at the tick before (advance_rows)."""
        weight, syn = self.weight.copy(), self.syn.copy()
        if tick <= self.fresh:
            return weight, syn
        run = _compiled(self.kernel)[function]
        for p, place in enumerate(self.places):
            if place[0] < 0:
                continue
            low, high = place[3], place[3] + place[2]
            run(
                self.start, place[4], place[5], tick - 1, self.ident, int(self.scalars[0]),
                self.target, weight, syn, self.row_last, self.row_trace, self.post_trace[low:high],
                self.hist_since[p], *self._histories(p), self.mod_count[p : p + 1],
                self.mod_tick[p], self.mod_value[p], self.discrete.params, self.discrete.table,
                self.work[0],
            )  # fmt: skip
        return weight, syn

    def sweep(self, tick: int) -> None:
        """Catch every synapse up with its last event before ``tick``, the next to be computed."""
        if tick > self.fresh:
            self.weight[:], self.syn[:] = self._swept("sweep_rows", tick)
            self._settle(tick)

    def write(self, weights: NDArray[Any], tick: int) -> None:
        """New weights in canonical order from ``tick`` on."""
        if tick > self.fresh:
            self.syn[:] = self._swept("advance_rows", tick)[1]
            self.hist_since[:, 1] = tick - 1
            self._settle(tick)
        self.weight[:] = weights[self.order]

    def reset(self, tick: int) -> None:
        """Everything but the weights, which stay as they are after all ticks before ``tick``, is
        as at the start of a run that begins with ``tick``."""
        self.weight[:] = self._swept("advance_rows", tick)[0]
        self.syn[:] = self.discrete.initial[:, None]
        for array in (self.row_trace, self.post_trace, self.hist_trace, self.mod_value):
            array[:] = 0.0
        self.hist_tick[:] = -1
        self.row_last[:] = self.hist_since[:] = self.mod_tick[:] = self.fresh = tick
        self.mod_count[:] = 1

    def _settle(self, tick: int) -> None:
        """Everything before ``tick`` is in weights and variables."""
        swept = _compiled(self.kernel)["swept"]
        for p in range(len(self.hist_since)):
            swept(tick - 1, self.hist_since[p], self.mod_count[p : p + 1], self.mod_tick[p],
                  self.mod_value[p])  # fmt: skip

    def profile(self, p: int, counts: IntArray) -> tuple[int, int]:
        """Synapses of partition ``p`` that ``counts`` [sources] events reached, and their bytes."""
        low, high = self.places[p, 4:6]
        lengths = np.diff(self.start[low : high + 1])
        source = self.row_key[low:high] // max(1, self.delays.size)
        each = self.target.itemsize + self.weight.itemsize + self.syn.itemsize * len(self.syn)
        return int(lengths @ counts[source + self.table.source]), int(lengths.sum()) * each

    def in_order(self, weights: NDArray[Any]) -> NDArray[Any]:
        """From the order of building to that of the network: by source, then as they were made."""
        return weights if self._listed is None else weights[self._listed]

    def from_order(self, weights: NDArray[Any]) -> NDArray[Any]:
        """The inverse of :meth:`in_order`."""
        if self._listed is None:
            return weights
        found = np.empty_like(weights)
        found[self._listed] = weights
        return found

    # -- checkpoints --------------------------------------------------------------------------
    def state(self, tick: int) -> dict[str, NDArray[Any]]:
        """Independent of the layout: by synapse, by (source, delay), by neuron. ``tick`` is the
        next to be computed."""
        self.sweep(tick)
        width = self.table.sources * max(1, self.delays.size)
        weight = np.zeros(self.count, self.weight.dtype)
        syn = np.zeros((len(self.syn), self.count))
        weight[self.order] = self.weight
        syn[:, self.order] = self.syn
        row_last = np.zeros(width, np.int64)
        row_trace = np.zeros((width, self.row_trace.shape[1]))
        row_last[self.row_key] = self.row_last
        row_trace[self.row_key] = self.row_trace
        n, kept = len(self.post_trace), len(self.kernel.history)
        hist_tick, hist_trace = np.zeros((CAPACITY, n), np.int32), np.zeros((kept, CAPACITY, n))
        post_trace = np.zeros_like(self.post_trace)
        mine = np.flatnonzero(self.places[:, 0] >= 0).tolist()
        for p in mine:
            part = slice(self.places[p, 3], self.places[p, 3] + self.places[p, 2])
            post_trace[part] = self.post_trace[part]
            hist_tick[:, part], hist_trace[:, :, part] = self._histories(p)
        used = mine[:1]  # they are alike in all partitions that have synapses
        return {
            "weight": weight, "syn": syn, "row_last": row_last, "row_trace": row_trace,
            "post_trace": post_trace, "hist_tick": hist_tick, "hist_trace": hist_trace,
            "hist_since": self.hist_since[used].sum(0), "fresh": np.array([self.fresh]),
            "mod_tick": self.mod_tick[used, :1].sum(0),
            "mod_value": self.mod_value[used, :1].sum(0),
        }  # fmt: skip

    def restore(self, given: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`state`; raises RanvierError where it does not fit."""
        for name, mine in self.state(0).items():
            there = given.get(name)
            if there is None or there.shape != mine.shape or there.dtype != mine.dtype:
                raise _damaged(f"{self.table.name}/{name}")
        self.weight[:] = given["weight"][self.order]
        self.syn[:] = given["syn"][:, self.order]
        self.row_last[:] = given["row_last"][self.row_key]
        self.row_trace[:] = given["row_trace"][self.row_key]
        self.post_trace[:] = given["post_trace"]
        self.fresh = int(given["fresh"][0])
        for p in np.flatnonzero(self.places[:, 0] >= 0).tolist():
            tick, trace = self._histories(p)
            part = slice(self.places[p, 3], self.places[p, 3] + self.places[p, 2])
            tick[:], trace[:] = given["hist_tick"][:, part], given["hist_trace"][:, :, part]
        self.hist_since[:] = given["hist_since"]
        self.mod_count[:] = 1
        self.mod_tick[:, 0] = given["mod_tick"][0]
        self.mod_value[:, 0] = given["mod_value"][0]


def _senders(layout: Layout, table: PlasticTable) -> tuple[int, int]:
    """First and last lane with neurons that send to a projection."""
    ends = layout.lane_at[1:]
    first = int(np.searchsorted(ends, table.source, side="right"))
    last = int(np.searchsorted(ends, table.source + table.sources - 1, side="right"))
    return first, min(last + 1, layout.lanes)


def _damaged(name: str) -> RanvierError:
    return fail("damaged-bundle", "checkpoint", f"{name} is missing or misshapen")


def _compiled(kernel: RuleKernel) -> dict[str, Any]:
    """The functions of a rule under numba, compiled when first called."""
    jit = '@njit(cache=True, nogil=True, fastmath=False, error_model="numpy")'
    head = '"""Generated by ranvier; safe to delete."""\n'
    source = f"{head}{IMPORTS}from numba import njit\n\n\n{kernel.module(decorator=jit)}"
    return vars(load_module(source))


def kernel_numbers(plastic: Sequence[Plastic]) -> list[int]:
    """For each projection the number of its rule among the distinct ones."""
    known: list[str] = []
    numbers: list[int] = []
    for p in plastic:
        if p.kernel.key not in known:
            known.append(p.kernel.key)
        numbers.append(known.index(p.kernel.key))
    return numbers
