"""Running kernels in plain Python, tick by tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from ranvier.neurons import Discrete
from ranvier.neurons._random import draws_of

Trace = dict[str, Any]


def run_kernel(
    discrete: Discrete,
    ticks: int,
    inputs: Mapping[str, Any] | None = None,
    start: Mapping[str, float] | None = None,
    step: Callable[..., tuple[Any, ...]] | None = None,
    neuron: int | None = None,
) -> Trace:
    """Every state and ``out`` after each tick; inputs are constants or sequences by port."""
    kernel = discrete.kernel
    step = step or kernel.python()

    def pick(value: Any) -> float:
        return float(value if np.ndim(value) == 0 else value[neuron])

    state = [pick((start or {}).get(s, discrete.initial[s])) for s in kernel.state]
    values = [pick(discrete.values[p]) for p in kernel.params]
    given = {p: np.broadcast_to(x, (ticks,)) for p, x in (inputs or {}).items()}
    rows: list[tuple[float, ...]] = []
    for t in range(ticks):
        arriving = [float(given[p][t]) if p in given else 0.0 for p in kernel.ports]
        drawn = [
            float(x[0])
            for x in draws_of(kernel, 1, "run", neurons=[0], tick=t, values=discrete.values)
        ]
        rows.append(step(*state, *arriving, *values, *drawn))
        state = list(rows[-1][: len(kernel.state)])
    table = np.array(rows).reshape(ticks, -1)
    trace = {name: table[:, i] for i, name in enumerate((*kernel.state, "out"))}
    return {**trace, "spikes": np.flatnonzero(trace["out"]).tolist()}


@pytest.fixture(scope="session")
def run() -> Callable[..., Trace]:
    return run_kernel
