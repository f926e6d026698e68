"""Drives the texts of a rule as an engine would: arrivals, spikes, sweeps when full or asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from rule_arrays import RuleArrays, allocate  # pyright: ignore[reportMissingImports]

from ranvier.plasticity import PlasticityRule, RuleKernel, discretise


@cache
def compiled(kernel: RuleKernel) -> dict[str, Callable[..., Any]]:
    """The functions under numba."""
    space: dict[str, Any] = {}
    exec(
        "import math\nimport numpy as np\nfrom numba import njit\n"
        + kernel.module(decorator="@njit"),
        space,
    )
    return space


class Lazy:
    """Rows are made from (source, delay); synapse order is kept in ``order``."""

    def __init__(
        self,
        rule: PlasticityRule,
        parameters: Mapping[str, float],
        dt: float,
        pre: Sequence[int],
        post: Sequence[int],
        delay: Sequence[int],
        weight: np.ndarray,
        *,
        seed: int = 0,
        capacity: int = 8,
        numba: bool = False,
        ticks: int | None = None,
    ) -> None:
        self.discrete = discretise(rule, parameters, dt)
        keys = list(zip(pre, delay, post, range(len(pre)), strict=True))
        self.order = [k[3] for k in sorted(keys)]
        heads = sorted({k[:2] for k in keys})
        self.rows = {head: r for r, head in enumerate(heads)}
        counts = [sum(k[:2] == head for k in keys) for head in heads]
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        target = np.array([post[s] for s in self.order], np.uint32)
        self.neurons = max(post) + 1
        self.arrays: RuleArrays = allocate(
            self.discrete, start, target, weight[self.order].copy(), neurons=self.neurons,
            capacity=capacity, seed=seed,
            ticks=ticks,
        )  # fmt: skip
        kernel = self.discrete.kernel
        self.f = compiled(kernel) if numba else kernel.python()
        self.acc: dict[int, np.ndarray] = {}
        self.sweeps = 0

    def sweep(self, t: int) -> None:
        a = self.arrays
        self.f["sweep_rows"](a.row_start, 0, len(self.rows), t, *a.row_arguments)
        self.f["swept"](t, *a.swept_arguments)
        self.sweeps += 1

    def run(
        self,
        ticks: int,
        pre_spikes: Collection[tuple[int, int]],
        post_spikes: Collection[tuple[int, int]],
        rewards: Mapping[int, float] | None = None,
        sweeps: Collection[int] = (),
    ) -> None:
        a, rewards = self.arrays, rewards or {}
        for t in range(ticks):
            full = False
            if self.discrete.kernel.third and t in rewards:
                full = self.f["modulate"](t, rewards[t], *a.modulate_arguments)
            acc = np.zeros(self.neurons)
            for (source, delay), row in self.rows.items():
                if (t - delay, source) in pre_spikes:
                    ends = a.row_start[row], a.row_start[row + 1]
                    self.f["process_row"](row, *ends, t, acc, *a.row_arguments)
                    self.f["pre_spike"](row, t, *a.pre_arguments)
            if acc.any():
                self.acc[t] = acc
            for neuron in range(self.neurons):
                if (t, neuron) in post_spikes:
                    full = self.f["post_spike"](neuron, t, *a.post_arguments) or full
            if full or t in sweeps:
                self.sweep(t)

    def now(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights and variables as they are at tick t, in the caller's order; changes nothing."""
        a = replace(self.arrays, weight=self.arrays.weight.copy(), syn=self.arrays.syn.copy())
        self.f["advance_rows"](a.row_start, 0, len(self.rows), t, *a.row_arguments)
        back = np.argsort(self.order)
        return a.weight[back], a.syn[:, back]

    @property
    def weight(self) -> np.ndarray:
        """After a sweep: weights at their last event, in the caller's order."""
        return self.arrays.weight[np.argsort(self.order)]

    @property
    def syn(self) -> np.ndarray:
        return self.arrays.syn[:, np.argsort(self.order)]
