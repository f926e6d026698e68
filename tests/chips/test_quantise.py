"""What the quantisers of the real chips promise: true labels, and values per neuron."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import compile
from ranvier.errors import RanvierError
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Projection

REAL = ["loihi1", "spinnaker1"]


def _network(weights: np.ndarray, model: str = "lif", **parameters: Any) -> Network:
    values = {"v_threshold": 1.0, **({"tau": 0.01} if model == "lif" else {}), **parameters}
    return Network(
        populations=(
            Population(name="in", shape=(weights.shape[1],)),
            Population(name="n", shape=(weights.shape[0],), model=model, parameters=values),  # type: ignore[arg-type]
        ),
        projections=(
            Projection(source="in", target="n", connectivity=Dense(weights), port="jump"),
        ),
        outputs=("n",),
    )


def _stimulus(n: int) -> Events:
    return Events.from_raster(np.random.default_rng(0).random((150, n)) < 0.2, dt=1e-3)


def _weights() -> np.ndarray:
    return np.random.default_rng(1).normal(0.15, 0.2, (12, 20))


@pytest.mark.parametrize("chip", REAL)
@pytest.mark.parametrize("model", ["lif", "cuba_lif"])
def test_equal_values_for_every_neuron_are_the_scalar(chip: str, model: str) -> None:
    name = "tau" if model == "lif" else "tau_mem"
    gain = 1.0 if model == "lif" else 5.0
    one = compile(_network(gain * _weights(), model, **{name: 0.015}), chip, dt=1e-3)
    many = compile(_network(gain * _weights(), model, **{name: np.full(12, 0.015)}), chip, dt=1e-3)
    stimulus = _stimulus(20)
    a, b = (sim.run(p, stimulus).output("n") for p in (one, many))
    assert len(a) > 0
    assert a.same_as(b)


@pytest.mark.parametrize("chip", REAL)
def test_values_that_differ_between_neurons_stay_close_to_ideal(chip: str) -> None:
    rng = np.random.default_rng(2)
    network = _network(
        _weights(),
        tau=rng.choice([0.008, 0.012, 0.02], 12),
        v_threshold=rng.choice([0.8, 1.0, 1.3], 12),
        bias=rng.choice([0.0, 0.2], 12),
        t_ref=rng.choice([0.0, 2e-3], 12),
    )
    stimulus = _stimulus(20)
    ideal = sim.run(compile(network, "ideal", dt=1e-3), stimulus).totals("n")
    real = sim.run(compile(network, chip, dt=1e-3), stimulus).totals("n")
    assert ideal.sum() > 200
    assert np.abs(real - ideal).sum() <= 0.05 * ideal.sum()


def _labels(weights: np.ndarray, chip: str) -> dict[str, str]:
    return {i.code: str(i) for i in compile(_network(weights), chip, dt=1e-3).all_issues}


@pytest.mark.parametrize("chip", REAL)
def test_lost_weights_are_counted(chip: str) -> None:
    weights = _weights()
    weights[:, 0] = 1e-9
    said = _labels(weights, chip)["weights-rounded"]
    told = re.search(r"(\d+) of 240 became 0", said)
    assert told is not None
    program = compile(_network(weights), chip, dt=1e-3)
    assert int(told[1]) == 240 - program.synapses >= 12
    assert "projection's largest weight" in said


@pytest.mark.parametrize("chip", REAL)
def test_an_outlier_that_drowns_the_rest_is_a_finding(chip: str) -> None:
    weights = _weights()
    weights[3, 4] = 1e5
    try:
        found = _labels(weights, chip)
    except RanvierError as error:
        found = {i.code: str(i) for i in error.issues}
    assert {"weights-lost", "threshold-lost"} & set(found), found


def test_a_threshold_that_cannot_be_told_is_refused() -> None:
    weights = _weights()
    weights[0, 0] = 1e6
    with pytest.raises(RanvierError, match="threshold cannot be told") as caught:
        compile(_network(weights), "loihi1", dt=1e-3)
    assert "clip the largest weights" in str(caught.value)


@pytest.mark.parametrize("chip", REAL)
@pytest.mark.parametrize("dt", [1e-300, 1e-9, 10.0, 1e300])
def test_ticks_far_from_the_time_constant(chip: str, dt: float) -> None:
    """Refused with help, or compiled with a warning: never a fault."""
    codes: set[str] = set()
    hints: list[tuple[str, ...]] = []
    try:
        codes = {i.code for i in compile(_network(_weights()), chip, dt=dt).all_issues}
    except RanvierError as error:
        hints = [issue.hint for issue in error.issues]
    assert all(hints)
    # A tick far longer than the time constant must be told; a far shorter one loses the leak.
    told = {"tick-too-long"} if dt > 1 else {"decay-rounded", "weights-rounded"}
    assert hints or codes & told


def test_a_refused_model_names_what_the_chip_has() -> None:
    other = Network(
        populations=(
            Population(name="in", shape=(2,)),
            Population(name="n", shape=(2,), model="izhikevich"),  # type: ignore[arg-type]
        ),
        outputs=("n",),
    )
    with pytest.raises(RanvierError, match="lif, if, cuba_lif"):
        compile(other, "loihi1", dt=1e-3)


@pytest.mark.parametrize("tau", [0.0, -1.0, np.array([0.01, 0.0])])
def test_time_constants_are_positive(tau: Any) -> None:
    with pytest.raises(RanvierError, match="time constant must be positive"):
        Population(name="n", shape=(2,), model="lif", parameters={"tau": tau})  # type: ignore[arg-type]
    with pytest.raises(RanvierError, match="must not be negative"):
        Population(name="n", shape=(2,), model="lif", parameters={"t_ref": -1e-3})  # type: ignore[arg-type]
