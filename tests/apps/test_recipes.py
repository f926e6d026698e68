"""Networks made when they are asked for: what they are made of, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier import apps, sim
from ranvier.apps.coba import coba
from ranvier.apps.cuba import cuba
from ranvier.apps.microcircuit import plan, weight_of_psp
from ranvier.bench import activity
from ranvier.compile import compile
from ranvier.errors import RanvierError


def test_the_microcircuit_has_the_published_numbers() -> None:
    full = plan()
    assert sum(full.sizes) == 77_169
    assert int(full.synapses.sum()) == 298_880_970
    assert weight_of_psp(0.15e-3) == pytest.approx(87.81e-12, rel=1e-4)
    assert full.weights[0, 2] == pytest.approx(2 * full.weights[0, 0])
    assert full.weights[3, 5] == pytest.approx(-4 * full.weights[0, 0])
    assert not full.bias.any()


def test_a_smaller_microcircuit_keeps_mean_and_variance_of_its_input() -> None:
    full, small = plan(), plan(0.1, 0.1)
    assert small.synapses.sum() == pytest.approx(full.synapses.sum() * 0.01, rel=1e-4)
    degree = [p.synapses / np.array(p.sizes)[:, None] for p in (full, small)]
    variance = [(d * p.weights**2).sum(1) for d, p in zip(degree, (full, small), strict=True)]
    assert variance[1] == pytest.approx(variance[0], rel=0.01)
    rates = np.array(list(apps.recipe("microcircuit").rates.values()))
    mean = [
        0.5e-3 * ((d * p.weights) @ rates + p.external_rate * p.external_weight) + p.bias
        for d, p in zip(degree, (full, small), strict=True)
    ]
    assert mean[1] == pytest.approx(mean[0], rel=0.01)


def test_a_constant_background_has_the_same_mean() -> None:
    poisson, dc = plan(0.5, 0.25), plan(0.5, 0.25, background="dc")
    assert not dc.external_rate.any()
    lost = 0.5e-3 * poisson.external_rate * poisson.external_weight
    assert dc.bias == pytest.approx(poisson.bias + lost)


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_an_impossible_scale_is_refused(scale: float) -> None:
    with pytest.raises(RanvierError, match="not a share"):
        plan(scale)
    with pytest.raises(RanvierError, match="not a share"):
        plan(1.0, scale)


@pytest.mark.parametrize(("make", "low", "high"), [(cuba, 4.0, 8.0), (coba, 10.0, 30.0)])
def test_the_random_networks_fire_as_they_should(make, low: float, high: float) -> None:
    program = compile(make(0.5, seed=3), "ideal", dt=1e-4)
    events = sim.run(program, ticks=2000).events
    for name in ("E", "I"):
        assert low < activity(events[name]).rate < high


def test_recipes_and_bundles_are_told_apart() -> None:
    assert {"cuba", "coba", "microcircuit"} <= set(apps.recipes())
    assert not set(apps.recipes()) & set(apps.names())
    with pytest.raises(RanvierError, match="made when it is asked for"):
        apps.load("microcircuit")
    with pytest.raises(RanvierError, match="did you mean 'microcircuit'"):
        apps.recipe("microcircuits")
    with pytest.raises(RanvierError):
        apps.recipe("digits")


def test_the_small_microcircuit_fires_at_its_rates() -> None:
    """Within 20 % of what NEST 3.10 gives at the same scale in one second."""
    nest = {"L4E": 3.87, "L4I": 4.95, "L5E": 6.36, "L6I": 7.05, "L23I": 2.04}
    network = apps.recipe("microcircuit").make(0.1, 0.1)
    assert network.neurons == 7717
    recording = sim.run(compile(network, "ideal", dt=1e-4), ticks=6000)
    for name, rate in nest.items():
        found = activity(recording.events[name].window(1000, 6000)).rate
        assert found == pytest.approx(rate, rel=0.2)
