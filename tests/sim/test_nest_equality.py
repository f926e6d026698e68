"""Spike for spike with NEST: the same network, synapse by synapse, gives the same spikes.

The networks and NEST's spikes come from tests/golden/nest/make_golden.py. Every spike of a second
must agree, up to the horizon stored with each network; only aeif_cond_exp, which NEST resets inside
a step, is compared more loosely.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import compile
from ranvier.events import Events

sys.path.insert(0, str(Path(__file__).parents[1]))
from nest_networks import (  # pyright: ignore[reportMissingImports]
    Foreign,
    find_model,
    first_difference,
)

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "nest"
EXACT = ("iaf_psc_exp", "iaf_psc_alpha", "iaf_psc_delta", "izhikevich", "iaf_cond_exp")


def run(name: str) -> tuple[Foreign, np.ndarray]:
    model = find_model(name)
    if model is None:
        pytest.skip(f"there is no neuron model {name!r} yet")
    foreign = Foreign.load(GOLDEN / f"{name}.npz")
    program = compile(foreign.network(model), "ideal", dt=foreign.dt)
    events: Events = sim.run(program, foreign.stimulus()).output("neurons")
    return foreign, np.stack([events.tick, events.id])


@pytest.mark.parametrize("name", EXACT)
def test_every_spike_is_the_one_of_nest(name: str) -> None:
    foreign, ours = run(name)
    theirs = foreign.spikes
    assert theirs.shape[1] > 1000
    assert first_difference(ours, theirs, foreign.plain["horizon"]) is None
    assert abs(ours.shape[1] / theirs.shape[1] - 1) < 0.02


def test_adaptive_exponential_neurons_fire_as_those_of_nest() -> None:
    """NEST resets them inside a step, so every interval may differ by a tick, and they add up."""
    foreign, ours = run("aeif_cond_exp")
    neurons, theirs = foreign.plain["neurons"], foreign.spikes
    early = 1000
    first = [_first_spikes(x, neurons) for x in (ours, theirs)]
    soon = first[1] < early
    assert soon.sum() > 200
    late = np.abs(first[0] - first[1])[soon]
    assert np.mean(late <= 1) > 0.9
    assert np.median(late) == 0
    counts = [np.bincount(x[1], minlength=neurons) for x in (ours, theirs)]
    assert np.abs(counts[0] - counts[1]).max() <= 3
    assert abs(counts[0].sum() / counts[1].sum() - 1) < 0.01


def _first_spikes(spikes: np.ndarray, neurons: int) -> np.ndarray:
    first = np.full(neurons, 10**6)
    np.minimum.at(first, spikes[1], spikes[0])
    return first


@pytest.mark.parametrize("name", [*EXACT, "aeif_cond_exp"])
def test_a_golden_network_is_whole(name: str) -> None:
    foreign = Foreign.load(GOLDEN / f"{name}.npz")
    neurons, ticks = foreign.plain["neurons"], foreign.plain["ticks"]
    for key in ("pre", "post"):
        assert 0 <= foreign.arrays[key].min() <= foreign.arrays[key].max() < neurons
    assert foreign.arrays["delay"].min() >= 1
    tick, who = foreign.spikes
    assert np.all(np.diff(tick) >= 0)
    assert 0 <= tick.min() <= tick.max() < ticks
    assert who.max() < neurons
    steps = foreign.arrays["weight"] * 2.0**10  # exact in binary: sums do not depend on the order
    assert np.array_equal(steps, np.round(steps))
