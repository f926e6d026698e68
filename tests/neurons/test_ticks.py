"""The order of a tick: jumps, resets at once and delayed, refractory counts, discrete equations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.neurons import (
    NeuronModel,
    Parameter,
    Port,
    discretise,
    get,
    with_reset,
    with_threshold,
)

LEAKY = NeuronModel(
    name="leaky",
    equations=("v[n+1] = beta*v + x : 1",),
    parameters=(Parameter(name="beta", unit="1", default=0.9),
                Parameter(name="v_threshold", unit="1", default=1.0)),
    ports=(Port(name="input", variable="x", kind="hold", unit="1"),),
    threshold="v > v_threshold",
    reset=("v = v - v_threshold",),
    reset_delay=1,
)  # fmt: skip
SYNAPTIC = replace(
    LEAKY,
    name="synaptic",
    equations=("syn[n+1] = alpha*syn + x : 1", "v[n+1] = beta*v + syn[n+1] : 1"),
    parameters=(*LEAKY.parameters, Parameter(name="alpha", unit="1", default=0.8)),
)
INPUT = np.random.default_rng(5).uniform(0, 0.6, 200)


@pytest.mark.parametrize("kind", ["subtract", "value", "none"])
@pytest.mark.parametrize("model", [LEAKY, SYNAPTIC])
def test_delayed_reset_is_that_of_snntorch(run: Any, model: NeuronModel, kind: str) -> None:
    """snnTorch's Leaky and Synaptic, written out: the reset of a spike is taken from the membrane
    before the update, applied after it (snntorch 0.9: _base_state_function, mem_reset)."""
    varied = with_reset(model, kind, delay=1)  # pyright: ignore[reportArgumentType]
    trace = run(discretise(varied, {}, 1e-3), 200, {"input": INPUT})
    mem = syn = 0.0
    for t, x in enumerate(INPUT):
        reset = 1.0 if mem - 1.0 > 0 else 0.0
        syn = 0.8 * syn + x
        base = 0.9 * mem + (x if model is LEAKY else syn)
        mem = {"subtract": base - reset * 1.0, "value": base - reset * base, "none": base}[kind]
        assert trace["v"][t] == pytest.approx(mem, rel=1e-14)
        assert trace["out"][t] == (mem - 1.0 > 0)
    assert trace["spikes"]


@pytest.mark.parametrize("kind", ["subtract", "value"])
def test_reset_at_once(run: Any, kind: str) -> None:
    varied = with_reset(LEAKY, kind)  # pyright: ignore[reportArgumentType]
    trace = run(discretise(varied, {}, 1e-3), 200, {"input": INPUT})
    mem = 0.0
    for t, x in enumerate(INPUT):
        mem = 0.9 * mem + x
        spike = mem > 1.0
        mem = (mem - 1.0 if kind == "subtract" else 0.0) if spike else mem
        assert trace["v"][t] == mem
        assert trace["out"][t] == spike


def test_discrete_models_have_one_method() -> None:
    assert discretise(LEAKY, {}, 1e-3).method == "discrete"
    assert discretise(LEAKY, {}, 1e-3).values == discretise(LEAKY, {}, 7e-3).values
    with pytest.raises(RanvierError, match="no other method"):
        discretise(LEAKY, {}, 1e-3, "euler")
    with pytest.raises(RanvierError, match="not discrete"):
        discretise(get("lif"), {}, 1e-3, "discrete")


def test_strict_and_inclusive_thresholds(run: Any) -> None:
    x = [1.0, 0.0, 1.0 + 2**-52, 0.0]
    assert run(discretise(get("threshold"), {}, 1.0), 4, {"input": x})["spikes"] == [2]
    inclusive = with_threshold(get("threshold"), comparison=">=")
    assert run(discretise(inclusive, {}, 1.0), 4, {"input": x})["spikes"] == [0, 2]


@given(st.integers(0, 12), st.sampled_from(["round", "ceil"]), st.sampled_from([1e-4, 1e-3, 0.1]))
def test_refractory_ticks(ticks: int, rounding: str, dt: float) -> None:
    """A spike at t with n refractory ticks: held at t+1 .. t+n, next spike at t+n+1."""
    from itertools import pairwise

    model = replace(get("if"), refractory_rounding=rounding)
    discrete = discretise(model, {"t_ref": ticks * dt}, dt)  # products of decimals are not exact
    step = discrete.kernel.python()
    state = [discrete.initial[s] for s in discrete.kernel.state]
    values = [discrete.values[p] for p in discrete.kernel.params]
    spikes: list[int] = []
    for t in range(60):
        *state, out = step(*state, 0.0, 2.0, *values)  # every free tick jumps over the threshold
        if out:
            spikes.append(t)
        assert state[0] == 0.0
    assert spikes[0] == 0
    assert {b - a for a, b in pairwise(spikes)} == {ticks + 1}


def nest_lif(inputs: Any, decay: float, n_ref: int) -> list[int]:
    """The update of NEST's iaf_psc_delta (without currents), as in its source: if r_ == 0 integrate
    and add spikes, else --r_; if V >= theta: r_ = RefractoryCounts, V = reset."""
    v, r, spikes = 0.0, 0, []
    for t, x in enumerate(inputs):
        if r == 0:
            v = decay * v + x
        else:
            r -= 1
        if v >= 1.0:
            r, v = n_ref, 0.0
            spikes.append(t)
    return spikes


@pytest.mark.parametrize("n_ref", [0, 1, 2, 7])
def test_refractory_as_nest(run: Any, n_ref: int) -> None:
    model = with_threshold(get("lif"), comparison=">=")
    discrete = discretise(model, {"t_ref": n_ref * 1e-3}, 1e-3)
    jumps = INPUT * 2
    decay = float(np.exp(-1e-3 / 20e-3))
    assert run(discrete, 200, {"jump": jumps})["spikes"] == nest_lif(jumps, decay, n_ref)


def test_refractory_rounding_is_labelled() -> None:
    exact = discretise(get("lif"), {"t_ref": 2e-3}, 1e-4)
    assert exact.label.severity == "exact"
    assert exact.values["refractory_ticks"] == 20
    rounded = discretise(get("lif"), {"t_ref": 2.04e-3}, 1e-4)
    assert rounded.label.severity == "approximate"
    assert "4e-05 s" in str(rounded.label)
    assert rounded.values["refractory_ticks"] == 20
    up = discretise(replace(get("lif"), refractory_rounding="ceil"), {"t_ref": 2.04e-3}, 1e-4)
    assert up.values["refractory_ticks"] == 21
    mixed = discretise(get("lif"), {"t_ref": np.array([0.0, 1e-3])}, 1e-4)
    assert np.array_equal(mixed.values["refractory_ticks"], [0, 10])
    with pytest.raises(RanvierError, match="negative"):
        discretise(get("lif"), {"t_ref": -1e-3}, 1e-4)


def test_held_states_are_deaf_and_others_are_not(run: Any) -> None:
    discrete = discretise(get("cuba_lif"), {"t_ref": 3e-3, "tau_syn": 10e-3}, 1e-3)
    trace = run(discrete, 30, {"jump": [30.0, *[0.5] * 29]})
    t = trace["spikes"][0]
    assert trace["v"][t : t + 4].tolist() == [0.0] * 4
    assert trace["i"][t + 1] == pytest.approx(trace["i"][t] * np.exp(-0.1) + 0.5)
    assert trace["refractory_left"][t : t + 4].tolist() == [3, 2, 1, 0]
    assert trace["spikes"][1] == t + 4


def test_delayed_reset_with_refractoriness(run: Any) -> None:
    model = with_reset(get("if"), "subtract", delay=1)
    trace = run(discretise(model, {"t_ref": 2.0}, 1.0), 8, {"jump": [1.5, *[0.25] * 7]})
    assert trace["v"].tolist() == [1.5, 0.5, 0.5, 0.75, 1.0, 1.25, 0.25, 0.25]
    assert trace["spikes"] == [0, 5]


def test_ports_can_be_left_out(run: Any) -> None:
    whole, part = (discretise(get("lif"), {}, 1e-3, ports=p) for p in (None, ["jump"]))
    assert part.kernel.ports == ("jump",)
    assert "v__from__x" in whole.values
    assert "v__from__x" not in part.values
    jumps = {"jump": INPUT * 2}
    assert run(whole, 200, jumps)["spikes"] == run(part, 200, jumps)["spikes"]
    with pytest.raises(RanvierError, match="unknown port"):
        discretise(get("lif"), {}, 1e-3, ports=["exc"])


def test_graded_spikes_and_several_jumps(run: Any) -> None:
    """A sigma-delta encoder: sends the change of its input when it exceeds theta."""
    model = NeuronModel(
        name="sigma_delta",
        equations=("level[n+1] = level + x : 1", "sent[n+1] = sent : 1",
                   "error = level - sent : 1"),
        parameters=(Parameter(name="theta", unit="1", default=1.0),),
        ports=(Port(name="input", variable="x", kind="hold", unit="1"),
               Port(name="up", variable="level", kind="jump", unit="1"),
               Port(name="down", variable="level", kind="jump", unit="1")),
        threshold="abs(error) > theta",
        reset=("sent = level",),
        output="graded",
        output_expression="error",
    )  # fmt: skip
    inputs = {"input": [0.6, 0.6, 0, 0, 0], "up": [0, 0, 0, 3, 0], "down": [0, 0, -2.5, -1, 0]}
    trace = run(discretise(model, {}, 1.0), 5, inputs)
    assert trace["out"] == pytest.approx([0, 1.2, -2.5, 2.0, 0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tua": 1.0}, "did you mean 'tau'"),
        ({"tau": "x"}, "not a number"),
        ({"tau": float("nan")}, "finite"),
        ({"tau": np.ones((2, 2))}, "vector"),
        ({"tau": np.ones(3), "r": np.ones(4)}, "different length"),
        ({"tau": 0.0}, r"'1.0 / tau' is not finite.*zero"),
        ({"tau": 1e-320}, "not finite"),
        ({"tau": None}, "no default"),
    ],
)
@pytest.mark.parametrize("method", ["exact", "rk4"])
def test_parameter_errors(parameters: dict[str, Any], message: str, method: str) -> None:
    with pytest.raises(RanvierError, match=message):
        discretise(get("lif"), parameters, 1e-3, method)


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan"), float("inf"), "1 ms"])
def test_bad_dt(dt: Any) -> None:
    with pytest.raises(RanvierError, match="dt must be"):
        discretise(get("lif"), {}, dt)


def test_method_errors() -> None:
    with pytest.raises(RanvierError, match="did you mean 'euler'"):
        discretise(get("lif"), {}, 1e-3, "eular")
    with pytest.raises(RanvierError, match=r"needs linear equations.*v \* v|v \*\* 2"):
        discretise(get("izhikevich"), {}, 1e-3, "exact")
    assert discretise(get("izhikevich"), {}, 1e-4).method == "exponential_euler"


def test_a_users_own_model_end_to_end(run: Any) -> None:
    """Quadratic integrate-and-fire: v' = v**2 + x reaches infinity after pi/sqrt(x)."""
    qif = NeuronModel(
        name="qif",
        equations=("dv/dt = (v**2 + x)/tau : 1",),
        parameters=(Parameter(name="tau", unit="s", default=1.0),
                    Parameter(name="v_peak", unit="1", default=1e4)),
        ports=(Port(name="drive", variable="x", kind="hold", unit="1"),),
        threshold="v >= v_peak",
        reset=("v = -v_peak",),
        initial={"v": "-v_peak"},
    )  # fmt: skip
    dt = 1e-4
    for method, tolerance in [("exponential_euler", 0.01), ("rk4", 0.01)]:
        spikes = run(discretise(qif, {}, dt, method), 70000, {"drive": 1.0})["spikes"]
        assert np.diff(spikes)[0] * dt == pytest.approx(np.pi, rel=tolerance)
