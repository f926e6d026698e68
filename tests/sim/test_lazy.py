"""Neurons that sleep: the spikes of those computed every tick, however many wake at once."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier import sim
from ranvier.apps.cuba import MODEL
from ranvier.compile import Program, compile, passes_from_text
from ranvier.errors import RanvierError
from ranvier.events import Events, Recording
from ranvier.network import Network, Population, Projection, Rule
from ranvier.neurons import get, with_poisson
from ranvier.sim._update import BLOCK

DT, TICKS, N, INPUTS = 1e-3, 220, 1500, 40
QUIET = {"v_leak": -60e-3}


def network() -> Network:
    """Two ports, a block that never sleeps beside those that do, and volleys that wake most."""

    def join(a: str, b: str, port: str, k: int, weight: float, seed: int, delay: float):
        sizes = {"in": INPUTS, "a": N, "b": N // 3, "n": 100}
        made = Rule("fixed_indegree", sizes[a], sizes[b], {"k": k}, weight, seed)
        return Projection(source=a, target=b, port=port, connectivity=made, delay=delay)

    noisy = {**nets.LIF, "poisson_rate": 200.0, "poisson_weight": 0.2}
    return Network(
        name="sleepy",
        populations=(
            Population(name="in", shape=(INPUTS,)),
            Population(name="a", shape=(N,), model=MODEL, parameters=QUIET),
            Population(name="n", shape=(100,), model=with_poisson(get("lif")), parameters=noisy),
            Population(name="b", shape=(N // 3,), model=MODEL, parameters=QUIET),
        ),
        projections=(
            join("in", "a", "exc", 3, 12e-3, 1, 2e-3),
            join("a", "b", "exc", 20, 4e-3, 2, 3e-3),
            join("b", "a", "inh", 10, -3e-3, 3, 1e-3),
            join("n", "a", "exc", 1, 9e-3, 4, 2e-3),
            join("a", "n", "jump", 5, 0.1, 5, 4e-3),
        ),
        outputs=("a", "b", "n"),
    )


@cache
def made(update: str, chip: str = "ideal") -> Program:
    return compile(network(), chip, dt=DT, passes=passes_from_text([f"update.method={update}"]))


def stimulus() -> Events:
    rng = np.random.default_rng(2)
    fires = rng.random((TICKS, INPUTS)) < 0.01
    fires[[30, 31, 90, 150], :] = True
    return Events.from_raster(fires, dt=DT)


def run(update: str, chip: str = "ideal", threads: int | None = None) -> Recording:
    return sim.run(
        made(update, chip), {"in": stimulus()}, ticks=TICKS, keep_state=True, threads=threads
    )


def test_the_same_spikes_as_without_sleep() -> None:
    lazy, dense = run("lazy"), run("dense")
    nets.same(lazy, dense)
    together = np.bincount(dense.output("a").tick)
    assert together.max() > BLOCK, "never were more awake than a block"
    assert len(dense.output("b")) > 100
    assert np.mean(together == 0) > 0.2, "all the time somebody is awake"
    assert lazy.state is not None
    awake = lazy.state.arrays["awake"]
    assert 0 < np.mean(awake[: N + 100]) < 1


@pytest.mark.parametrize("chip", ["ideal", "ideal32"])
def test_threads_and_checkpoints_change_no_bit(chip: str) -> None:
    whole = run("lazy", chip, threads=1)
    nets.same(whole, run("lazy", chip, threads=2))
    events = stimulus()
    half = sim.Session(made("lazy", chip), threads=2)
    half.advance({"in": events.window(0, 92)}, ticks=92)
    state = half.state()
    rest = sim.Session(made("lazy", chip), state, threads=1)
    rest.advance({"in": events.window(92, TICKS)}, ticks=TICKS - 92)
    mine, theirs = rest.state(), whole.state
    assert theirs is not None
    for name, array in theirs.arrays.items():
        assert np.array_equal(mine.arrays[name], array), name


def test_the_same_spikes_as_the_reference_engine() -> None:
    nets.same(
        run("lazy"),
        sim.run(made("dense"), {"in": stimulus()}, ticks=TICKS, engine="reference"),
    )


def test_float32_refuses_more_ticks_than_a_neuron_can_count() -> None:
    """The tick a neuron is due at has as many bits as its states."""
    session = sim.Session(made("lazy", "ideal32"), threads=1)
    session._tick = 2**31 - 2
    with pytest.raises(RanvierError, match=r"sleep in float32 count ticks in 32 bits"):
        session.advance(ticks=2)
