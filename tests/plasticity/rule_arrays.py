"""The arrays that the texts of a rule work on, at the start of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.plasticity import BLOCK, DiscreteRule
from ranvier.plasticity._decay import LAST

__all__ = ["RuleArrays", "allocate"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class RuleArrays:
    """State of the plastic synapses of a projection, as :mod:`ranvier.plasticity._rows` says."""

    row_start: Array
    ident: Array
    seed: int
    target: Array
    weight: Array
    syn: Array
    row_last: Array
    row_trace: Array
    post_trace: Array
    hist_since: Array
    hist_tick: Array
    hist_trace: Array
    mod_count: Array
    mod_tick: Array
    mod_value: Array
    params: Array
    table: Array
    work: Array

    @property
    def row_arguments(self) -> tuple[Any, ...]:
        """What process_row, sweep_rows and advance_rows take after their first arguments."""
        return (self.ident, self.seed, self.target, self.weight, self.syn, self.row_last,
                self.row_trace, self.post_trace, self.hist_since, self.hist_tick, self.hist_trace,
                self.mod_count, self.mod_tick, self.mod_value, self.params, self.table,
                self.work)  # fmt: skip

    @property
    def post_arguments(self) -> tuple[Any, ...]:
        """What post_spike takes after (neuron, tick)."""
        return (self.post_trace, self.hist_since, self.hist_tick, self.hist_trace, self.params,
                self.table)  # fmt: skip

    @property
    def pre_arguments(self) -> tuple[Any, ...]:
        """What pre_spike takes after (row, tick)."""
        return (self.row_last, self.row_trace, self.params, self.table)

    @property
    def swept_arguments(self) -> tuple[Any, ...]:
        """What swept takes after (tick,)."""
        return (self.hist_since, self.mod_count, self.mod_tick, self.mod_value)

    @property
    def modulate_arguments(self) -> tuple[Any, ...]:
        """What modulate takes after (tick, amount)."""
        return (self.mod_count, self.mod_tick, self.mod_value, self.params, self.table)


def allocate(
    rule: DiscreteRule,
    row_start: Sequence[int] | Array,
    target: Array,
    weight: Array,
    *,
    neurons: int,
    capacity: int = 16,
    seed: int = 0,
    ident: Array | None = None,
    ticks: int | None = None,
) -> RuleArrays:
    """Arrays at tick 0. ``target`` and ``weight`` are taken, not copied; ``weight`` changes.

    A sweep is due when a neuron has spiked ``capacity - 1`` times since the last one. ``ticks``:
    the length of the run if it is known, for smaller histories.
    """
    starts = np.asarray(row_start, dtype=np.int64)
    dtype = np.int32 if ticks is not None and ticks < LAST else np.int64
    rows, kernel = len(starts) - 1, rule.kernel
    syn = np.repeat(rule.initial[:, None], len(weight), axis=1)
    return RuleArrays(
        row_start=starts, ident=starts[:-1].copy() if ident is None else ident, seed=seed,
        target=target, weight=weight, syn=syn,
        row_last=np.zeros(rows, np.int64), row_trace=np.zeros((rows, len(kernel.pre))),
        post_trace=np.zeros((neurons, len(kernel.post))), hist_since=np.zeros(2, np.int64),
        hist_tick=np.full((capacity, neurons), -1, dtype),
        hist_trace=np.zeros((len(kernel.history), capacity, neurons)),
        mod_count=np.ones(1, np.int64), mod_tick=np.zeros(capacity, np.int64),
        mod_value=np.zeros(capacity), params=rule.params, table=rule.table,
        work=np.zeros((2 * capacity, BLOCK + 1), np.uint32),
    )  # fmt: skip
