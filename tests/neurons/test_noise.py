"""Random draws in models, Poisson background at a port, and scales of ports."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranvier.errors import RanvierError
from ranvier.neurons import (
    METHODS,
    Kernel,
    NeuronModel,
    Noise,
    Parameter,
    Port,
    discretise,
    get,
    torch_step,
    with_poisson,
)
from ranvier.neurons._parts import METHOD_NAMES


def noisy(**changes: Any) -> NeuronModel:
    parts: dict[str, Any] = {
        "name": "noisy",
        "equations": ("dv/dt = (r*(x + sigma*z) - v)/tau : V",),
        "parameters": (
            Parameter(name="tau", unit="s", default=0.01),
            Parameter(name="r", unit="ohm", default=1e8),
            Parameter(name="sigma", unit="A", default=1e-10),
            Parameter(name="rate", unit="1/s", default=100.0),
        ),
        "ports": (Port(name="current", variable="x", kind="hold", unit="A"),),
        "noises": (Noise(name="z", kind="normal"),),
        "output": "continuous",
    }
    return NeuronModel(**{**parts, **changes})


def test_methods_are_the_ones_a_statement_may_name() -> None:
    assert set(METHODS) == set(METHOD_NAMES)


def test_a_noise_is_constant_over_the_tick() -> None:
    discrete = discretise(noisy(), {}, 1e-3)
    assert discrete.method == "exact"
    assert discrete.kernel.draws == ("normal",)
    step, values = discrete.kernel.python(), [discrete.values[p] for p in discrete.kernel.params]
    v, _ = step(0.0, 2e-10, *values, 1.5)
    assert v == pytest.approx(1e8 * (2e-10 + 1.5e-10) * -math.expm1(-0.1), rel=1e-14)


def test_an_unused_noise_is_not_drawn() -> None:
    model = noisy(noises=(Noise(name="z", kind="normal"), Noise(name="u", kind="uniform")))
    assert discretise(model, {}, 1e-3).kernel.draws == ("normal",)


def test_poisson_background_comes_after_the_synapses() -> None:
    model = with_poisson(get("cuba_lif"), "jump")
    values = {"poisson_rate": 8000.0, "poisson_weight": 0.1}
    both = discretise(model, values, 1e-4)
    assert both.kernel.draws == ("poisson:poisson_count__mean",)
    assert both.values["poisson_count__mean"] == pytest.approx(0.8)
    step = both.kernel.python()
    given = [both.values[p] for p in both.kernel.params]
    i = step(0.0, 0.0, 0.0, 0.3, *given, 3.0)[0]  # state i, v; ports current, jump; count
    assert i == 0.3 + 0.1 * 3.0
    alone = discretise(model, values, 1e-4, ports=[])
    assert alone.kernel.ports == ()
    given = [alone.values[p] for p in alone.kernel.params]
    assert alone.kernel.python()(0.0, 0.0, *given, 3.0)[0] == 0.1 * 3.0
    held = with_poisson(get("cuba_lif"), "current")
    kernel = discretise(held, {**values, "tau_syn": 1e9}, 1.0, "euler", ports=["jump"]).kernel
    assert "x_current" not in kernel.source
    assert kernel.draws


def test_background_at_two_ports_and_files() -> None:
    once = with_poisson(get("cuba_lif"), "jump")
    twice = with_poisson(once, "current")
    names = [p.name for p in twice.parameters][-4:]
    assert names == ["poisson_rate", "poisson_weight", "poisson_rate_current",
                     "poisson_weight_current"]  # fmt: skip
    assert NeuronModel.from_dict(twice.to_dict()) == twice != once
    assert twice.to_dict()["noises"]
    assert not {"noises", "method"} & set(get("lif").to_dict())
    with pytest.raises(RanvierError, match="already the name"):
        with_poisson(twice, "current")
    with pytest.raises(RanvierError, match="rate is negative"):
        discretise(once, {"poisson_rate": -1.0, "poisson_weight": 1.0}, 1e-3)
    with pytest.raises(RanvierError, match="no torch step"):
        torch_step(discretise(once, {"poisson_weight": 1.0}, 1e-3))


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ({"kind": "pink"}, "not one of the choices"),
        ({"kind": "poisson"}, "rate="),
        ({"kind": "normal", "rate": "rate"}, "rate="),
        ({"kind": "poisson", "rate": "rat"}, "did you mean 'rate'"),
        ({"kind": "poisson", "rate": "tau"}, "wrong unit"),
        ({"kind": "poisson", "rate": "rate", "port": "current"}, "go together"),
        ({"kind": "uniform", "port": "current", "weight": "sigma"}, "go together"),
        ({"kind": "poisson", "rate": "rate", "port": "current", "weight": "r"}, "wrong unit"),
        ({"kind": "poisson", "rate": "rate", "port": "no", "weight": "r"}, "unknown port"),
        ({"kind": "normal", "name": "tau"}, "already the name"),
    ],
)
def test_noises_that_are_refused(noise: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        noisy(noises=(Noise(**{"name": "z", **noise}),))


def test_kernels_check_their_draws() -> None:
    def f(v: float, x: float, p: float, u: float, k: float) -> tuple[float, float]:
        return v + x + p + u + k, 0.0

    kernel = Kernel.from_function(f, ports=["x"], params=["p"], draws=["uniform", "poisson:p"])
    assert kernel.state == ("v",)
    assert kernel.draws == ("uniform", "poisson:p")
    assert kernel.key != replace(kernel, draws=("normal", "poisson:p")).key
    for bad in (("uniform", "poisson:q"), ("uniform", "gauss"), ("uniform",)):
        with pytest.raises(RanvierError, match=r"not a draw|wrong arguments"):
            replace(kernel, draws=bad)


def test_scale_is_one_multiplication_after_the_sum() -> None:
    model = NeuronModel(
        name="alpha",
        equations=("dk/dt = -k/tau : A/s", "di/dt = k - i/tau : A"),
        parameters=(Parameter(name="tau", unit="s", default=2e-3),),
        ports=(Port(name="p", variable="k", kind="jump", unit="A", scale="exp(1)/tau"),),
        output="continuous",
        output_expression="i",
    )
    discrete = discretise(model, {}, 1e-4)
    assert discrete.values["p__scale"] == math.e / 2e-3
    step, values = discrete.kernel.python(), [discrete.values[p] for p in discrete.kernel.params]
    k, i, _ = step(0.0, 0.0, 0.3, *values)
    assert (k, i) == (0.3 * (math.e / 2e-3), 0.0)
    trace = []
    for _ in range(100):
        k, i, out = step(k, i, 0.0, *values)
        trace.append(out)
    t = np.arange(1, 101) * 1e-4
    assert trace == pytest.approx(0.3 * t / 2e-3 * np.exp(1 - t / 2e-3), rel=1e-12)
    assert max(trace) == pytest.approx(0.3, rel=1e-12)  # the weight is the peak, at tau
    assert NeuronModel.from_dict(model.to_dict()) == model
    with pytest.raises(RanvierError, match="wrong unit"):
        replace(model, ports=(replace(model.ports[0], scale="1"),))
    with pytest.raises(RanvierError, match="unknown name"):
        replace(model, ports=(replace(model.ports[0], scale="exp(1)/tav"),))
    with pytest.raises(RanvierError, match="not finite"):
        discretise(model, {"tau": 0.0}, 1e-4, ports=[])


def test_rates_weights_and_scales_for_each_neuron() -> None:
    model = with_poisson(get("iaf_psc_alpha"), "exc")
    values = {
        "poisson_rate": np.array([0.0, 1000.0, 20_000.0]),
        "poisson_weight": np.array([1e-12, 2e-12, 3e-12]),
        "tau_syn_ex": np.array([1e-3, 2e-3, 4e-3]),
    }
    many = discretise(model, values, 1e-4)
    assert many.values["poisson_count__mean"] == pytest.approx([0.0, 0.1, 2.0])
    assert many.values["exc__scale"] == pytest.approx(math.e / values["tau_syn_ex"])
    for i in range(3):
        one = discretise(model, {n: float(x[i]) for n, x in values.items()}, 1e-4)
        assert one.kernel.key == many.kernel.key
        for name, value in one.values.items():
            assert value == pytest.approx(np.broadcast_to(many.values[name], 3)[i], rel=1e-14)
