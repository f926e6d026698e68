"""Networks, stimuli and small machines that several folders of tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ranvier import chips
from ranvier.chips import Chip
from ranvier.compile import Program
from ranvier.events import Events, Recording
from ranvier.network import Conv, Dense, Network, OneToOne, Population, Projection, Sparse

LIF = {"tau": 20e-3, "r": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0}


def lif(name: str, shape: Any, **more: Any) -> Population:
    return Population(name=name, shape=shape, model="lif", parameters=LIF, **more)  # type: ignore[arg-type]


def source(name: str = "in", shape: Any = 16) -> Population:
    return Population(name=name, shape=shape)


def join(a: str, b: str, connectivity: Any, **more: Any) -> Projection:
    return Projection(source=a, target=b, connectivity=connectivity, port="jump", **more)


def small_network(seed: int = 0, *, hidden: int = 24, delay: float = 3e-3) -> Network:
    """in -> h (recurrent) -> o, with delays: enough to go wrong in every way that matters."""
    rng = np.random.default_rng(seed)
    return Network(
        name="small",
        populations=(source(), lif("h", hidden), lif("o", 5)),
        projections=(
            join("in", "h", Dense(rng.normal(0.1, 0.4, (hidden, 16)))),
            join("h", "h", Dense(rng.normal(0, 0.15, (hidden, hidden))), delay=delay),
            join("h", "o", Dense(rng.normal(0.1, 0.3, (5, hidden))),
                 delay=rng.integers(1, 6, (5, hidden)) * 1e-3),
        ),
        outputs=("o", "h"),
    )  # fmt: skip


def random_network(seed: int) -> Network:
    """Conv, sparse, dense and one-to-one projections, forward and back, delays of any kind."""
    rng = np.random.default_rng(seed)
    side = int(rng.integers(4, 7))
    conv = Conv(rng.normal(0.2, 0.6, (2, 1, 3, 3)), input_shape=(1, side, side), padding=1)
    maps, hidden = 2 * side * side, int(rng.integers(5, 40))

    def sparse(pre: int, post: int, degree: int, scale: float) -> Sparse:
        n = degree * post
        return Sparse(
            rng.integers(0, pre, n), rng.integers(0, post, n), rng.normal(0.05, scale, n),
            (pre, post),
        )  # fmt: skip

    def delay(shape: tuple[int, ...]) -> Any:
        kind = rng.integers(0, 3)
        ticks = rng.integers(1, 9, shape) if kind == 2 else int(rng.integers(1, 9))
        return None if kind == 0 else ticks * 1e-3

    given = [
        ("in", "maps", conv),
        ("maps", "hidden", sparse(maps, hidden, int(rng.integers(2, 12)), 0.5)),
        ("hidden", "hidden", sparse(hidden, hidden, int(rng.integers(1, 6)), 0.3)),
        ("hidden", "copy", OneToOne(rng.normal(0.8, 0.4, hidden), hidden)),
        ("copy", "maps", Dense(rng.normal(0, 0.1, (maps, hidden)))),
    ]
    return Network(
        name=f"random{seed}",
        populations=(
            source("in", (1, side, side)), lif("maps", (2, side, side)), lif("hidden", hidden),
            lif("copy", hidden),
        ),
        projections=tuple(
            join(a, b, c, delay=delay(c.delay_shape()))
            for a, b, c in given
        ),
        outputs=("maps", "hidden", "copy"),
    )  # fmt: skip


def stimulus(size: int, ticks: int, *, rate: float = 0.15, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    return Events.from_raster(rng.random((ticks, size)) < rate, dt=1e-3)


def shrunk(name: str, **limits: float) -> Chip:
    """A chip with some capacities made small; ``_`` stands for a space."""
    chip = chips.get(name)
    wanted = {k.replace("_", " "): v for k, v in limits.items()}
    assert wanted.keys() <= {limit.resource for limit in chip.limits}
    return replace(
        chip,
        limits=tuple(
            replace(limit, limit=wanted.get(limit.resource, limit.limit)) for limit in chip.limits
        ),
    )


def small_chip(name: str, neurons: int = 8) -> Chip:
    if name.startswith("loihi1"):
        return shrunk(name, compartments=neurons)
    return shrunk(name, neurons=neurons)


def same(a: Recording, b: Recording, program: Program | None = None) -> None:
    """Events and counts of two recordings are equal (where both have them)."""
    shared = a.events.keys() & b.events.keys()
    assert shared
    for name in shared:
        assert a.output(name).same_as(b.output(name)), name
    for name in a.counts.keys() & b.counts.keys():
        assert np.array_equal(a.counts[name], b.counts[name]), name
