"""Small random networks that every chip with a LIF neuron can run."""

from __future__ import annotations

import numpy as np

from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Projection, Sparse

__all__ = ["random_network", "random_stimulus"]

DT = 1e-3
INPUTS = 12


def random_network(seed: int, *, size: int = 24, longest: int = 4) -> Network:
    """Input -> recurrent hidden layer -> output, LIF, delays of 1 to ``longest`` ticks of 1 ms."""
    rng = np.random.default_rng(seed)
    parameters = {"tau": 0.01, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0, "r": 1.0}

    def delays(shape: tuple[int, ...]) -> np.ndarray:
        return rng.integers(1, longest + 1, shape) * DT

    first = rng.normal(0.25, 0.4, (size, INPUTS))
    keep = rng.random((size, size)) < 0.3
    post, pre = np.nonzero(keep)
    recurrent = rng.normal(0.0, 0.3, pre.size)
    last = rng.normal(0.2, 0.4, (5, size))
    return Network(
        name="random",
        populations=(
            Population(name="in", shape=(INPUTS,)),
            Population(name="hidden", shape=(size,), model="lif", parameters=parameters),  # type: ignore[arg-type]
            Population(name="out", shape=(5,), model="lif", parameters=parameters),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(
                source="in",
                target="hidden",
                connectivity=Dense(first),
                port="jump",
                delay=delays(first.shape),
            ),
            Projection(
                source="hidden",
                target="hidden",
                connectivity=Sparse(pre, post, recurrent, (size, size)),
                port="jump",
                delay=delays((pre.size,)),
            ),
            Projection(source="hidden", target="out", connectivity=Dense(last), port="jump"),
        ),
        outputs=("hidden", "out"),
    )


def random_stimulus(seed: int, *, ticks: int = 60, rate: float = 0.2) -> Events:
    """Independent spikes for :func:`random_network`."""
    rng = np.random.default_rng([seed, 1])
    return Events.from_raster(rng.random((ticks, INPUTS)) < rate, dt=DT)
