"""Generated kernels against formulas on paper and against scipy's solvers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm as scipy_expm

from ranvier.neurons import MODELS, NeuronModel, Parameter, Port, discretise, get, with_reset
from ranvier.neurons._linear import expm

MV, MS, PA, MOHM = 1e-3, 1e-3, 1e-12, 1e6


def test_every_built_in_model_makes_a_kernel(run: Any) -> None:
    assert {"adex", "cuba_li", "cuba_lif", "if", "integrator", "izhikevich", "li", "lif", "relay",
            "relu", "threshold"} <= set(MODELS.names())  # fmt: skip
    for name, model in MODELS.items():
        assert model.name == name
        assert model.doc
        assert model.source
        assert all(p.doc for p in (*model.parameters, *model.ports))
        inputs = {p.name: 1e-9 for p in model.ports[:1]}
        trace = run(discretise(model, {}, 1e-4), 20, inputs)
        assert all(np.all(np.isfinite(v)) for v in trace.values())


@pytest.mark.parametrize("dt", [1e-3, 1e-4])
@pytest.mark.parametrize("t_ref", [0.0, 2e-3])
def test_lif_with_constant_current(run: Any, dt: float, t_ref: float) -> None:
    tau, r, rest, threshold, reset, current = (
        20 * MS,
        100 * MOHM,
        -70 * MV,
        -50 * MV,
        -65 * MV,
        300 * PA,
    )
    values = {"tau": tau, "r": r, "v_leak": rest, "v_threshold": threshold, "v_reset": reset,
              "t_ref": t_ref}  # fmt: skip
    discrete = discretise(get("lif"), values, dt)
    assert discrete.method == "exact"
    assert discrete.label.severity == "exact"
    ticks = round(0.2 / dt)
    trace = run(discrete, ticks, {"current": current})
    end = rest + r * current

    def ticks_to_spike(v: float) -> int:  # first tick at which v(t) > threshold
        return math.floor(tau * math.log((end - v) / (end - threshold)) / dt) + 1

    expected = [ticks_to_spike(rest) - 1]
    period = ticks_to_spike(reset) + round(t_ref / dt)
    while expected[-1] + period < ticks:
        expected.append(expected[-1] + period)
    assert trace["spikes"] == expected
    k = np.arange(1, expected[0] + 1)
    v = end + (rest - end) * np.exp(-k * dt / tau)
    assert trace["v"][: expected[0]] == pytest.approx(v, rel=1e-13)


@pytest.mark.parametrize("tau_syn", [5 * MS, 20 * MS, 20 * MS * (1 + 1e-9), 80 * MS])
def test_cuba_lif_double_exponential(run: Any, tau_syn: float) -> None:
    tau, r, q, dt = 20 * MS, 100 * MOHM, 100 * PA, 1e-4
    values = {"tau_mem": tau, "tau_syn": tau_syn, "r": r}
    trace = run(discretise(get("cuba_lif"), values, dt), 1000, {"jump": [q, *[0.0] * 999]})
    t = np.arange(1000) * dt  # the jump is there at the end of tick 0
    if abs(tau_syn / tau - 1) < 1e-6:
        v = r * q * t / tau * np.exp(-t / tau)
    else:
        v = r * q * tau_syn / (tau - tau_syn) * (np.exp(-t / tau) - np.exp(-t / tau_syn))
    assert trace["i"] == pytest.approx(q * np.exp(-t / tau_syn), rel=1e-11)
    assert trace["v"] == pytest.approx(v, rel=1e-8, abs=1e-12 * r * q)


def test_held_port_and_bias_are_exact(run: Any) -> None:
    """A cuba neuron driven by a held input against a fine-grained solution."""
    p = {"tau_mem": 10 * MS, "tau_syn": 4 * MS, "r": 2e8, "w_in": 0.5, "bias": 20 * PA,
         "v_leak": -60 * MV}  # fmt: skip
    x = np.random.default_rng(1).normal(0, 100 * PA, 50)
    trace = run(discretise(get("cuba_li"), p, 1 * MS), 50, {"current": x})

    def slope(t: float, y: Any) -> list[float]:
        i, v = y
        now = x[min(int(t / MS), 49)]
        return [(p["w_in"] * now - i) / p["tau_syn"],
                (p["v_leak"] - v + p["r"] * (i + p["bias"])) / p["tau_mem"]]  # fmt: skip

    y = [0.0, p["v_leak"]]
    for k in range(50):
        y = solve_ivp(slope, (k * MS, (k + 1) * MS * (1 - 1e-15)), y, rtol=1e-11, atol=1e-18).y[
            :, -1
        ]
        assert trace["i"][k] == pytest.approx(y[0], rel=1e-8, abs=1e-18)
        assert trace["v"][k] == pytest.approx(y[1], rel=1e-8)
    assert trace["out"].tolist() == trace["v"].tolist()


def test_integrate_and_fire_counts(run: Any) -> None:
    trace = run(discretise(get("if"), {}, 1.0), 10, {"current": 0.4})
    assert trace["spikes"] == [2, 5, 8]
    assert trace["v"][:4] == pytest.approx([0.4, 0.8, 0.0, 0.4])
    subtract = with_reset(get("if"), "subtract")
    assert run(discretise(subtract, {}, 1.0), 8, {"current": 0.375})["spikes"] == [2, 5]


def test_stateless_models(run: Any) -> None:
    x = [-1.0, 0.0, 0.5, 1.0, 1.5]
    assert run(discretise(get("relay"), {}, 1.0), 5, {"input": x})["out"].tolist() == x
    relu = discretise(get("relu"), {"gain": 2.0, "bias": -0.5}, 1.0)
    assert run(relu, 5, {"input": x})["out"].tolist() == [0, 0, 0.5, 1.5, 2.5]
    assert run(discretise(get("threshold"), {}, 1.0), 5, {"input": x})["spikes"] == [4]


def _reference(slope: Any, start: list[float], until: float, peak: float | None = None) -> Any:
    def event(t: float, y: Any) -> float:
        return y[0] - (peak if peak is not None else math.inf)

    event.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    return solve_ivp(slope, (0, until), start, rtol=1e-10, atol=1e-16, method="DOP853",
                     events=event if peak is not None else None)  # fmt: skip


def test_izhikevich_against_a_solver(run: Any) -> None:
    def slope(t: float, y: Any) -> list[float]:
        v, u = y
        return [(0.04 * v * v + 5 * v + 140 - u + x) / MS, 0.02 * (0.2 * v - u) / MS]

    x, dt = 3.0, 1e-4  # below rheobase
    for method, tolerance in [("rk4", 1e-6), ("exponential_euler", 0.05), ("euler", 0.2)]:
        trace = run(discretise(get("izhikevich"), {}, dt, method), 500, {"current": x})
        end = _reference(slope, [-65.0, -13.0], 500 * dt).y[:, -1]
        assert [trace["v"][-1], trace["u"][-1]] == pytest.approx(end, abs=tolerance)
    x = 10.0
    first = _reference(slope, [-65.0, -13.0], 0.1, peak=30.0).t_events[0][0]
    spikes = run(discretise(get("izhikevich"), {}, dt, "rk4"), 200, {"current": x})["spikes"]
    assert (spikes[0] + 1) * dt == pytest.approx(first, abs=2 * dt)


def test_adex_against_a_solver(run: Any) -> None:
    p = get("adex").defaults

    def slope(t: float, y: Any) -> list[float]:
        v, w = y
        upswing = p["g_leak"] * p["delta_t"] * np.exp((v - p["v_threshold"]) / p["delta_t"])
        return [(p["g_leak"] * (p["v_leak"] - v) + upswing - w + x) / p["c"],
                (p["a"] * (v - p["v_leak"]) - w) / p["tau_w"]]  # fmt: skip

    x, dt = 400 * PA, 1e-4
    end = _reference(slope, [p["v_leak"], 0.0], 0.05).y[:, -1]
    for method, tolerance in [("rk4", 1e-9), ("exponential_euler", 1e-4)]:
        trace = run(discretise(get("adex"), {}, dt, method), 500, {"current": x})
        assert trace["v"][-1] == pytest.approx(end[0], rel=tolerance)
        assert trace["w"][-1] == pytest.approx(end[1], rel=100 * tolerance)
    x = 1000 * PA
    # from -30 mV to the peak takes less than a microsecond, and solvers stall on the divergence
    first = _reference(slope, [p["v_leak"], 0.0], 0.1, peak=-30 * MV).t_events[0][0]
    for method in ("rk4", "exponential_euler"):
        trace = run(discretise(get("adex"), {}, dt, method), 2000, {"current": x})
        assert (trace["spikes"][0] + 1) * dt == pytest.approx(first, abs=2 * dt)
        assert len(trace["spikes"]) > 5  # the upswing left w alone
        assert np.abs(trace["w"]).max() < 1e-9


@pytest.mark.parametrize("method", ["euler", "euler_sequential", "exponential_euler", "rk4"])
def test_runaway_states_stay_finite(run: Any, method: str) -> None:
    for name, x in [("adex", 1e-6), ("izhikevich", 1e6)]:
        for model in (get(name), with_reset(get(name), "value", delay=1)):
            trace = run(discretise(model, {}, 1e-3, method), 200, {"current": x})
            assert np.isfinite(trace["v"]).all()
            assert len(trace["spikes"]) > 5


def test_orders_of_convergence(run: Any) -> None:
    """Halving dt halves the error of the first-order schemes and divides that of RK4 by 16."""
    values = {"tau_mem": 20 * MS, "tau_syn": 7 * MS}
    start, inputs = {"i": 1.0, "v": 0.5}, {"current": 0.3}
    exact = run(discretise(get("cuba_li"), values, 2 * MS), 10, inputs, start)["v"][-1]

    def error(method: str, dt: float) -> float:
        discrete = discretise(get("cuba_li"), values, dt, method)
        assert discrete.label.severity == "approximate"
        return abs(run(discrete, round(20 * MS / dt), inputs, start)["v"][-1] - exact)

    for method, factor in [
        ("euler", 2),
        ("euler_sequential", 2),
        ("exponential_euler", 2),
        ("rk4", 16),
    ]:
        assert error(method, 0.5 * MS) / error(method, 0.25 * MS) == pytest.approx(factor, rel=0.15)


def test_exponential_euler_is_exact_where_states_do_not_couple(run: Any) -> None:
    exact = run(discretise(get("li"), {}, 1e-3), 50, {"current": 2.0})["v"]
    other = run(discretise(get("li"), {}, 1e-3, "exponential_euler"), 50, {"current": 2.0})["v"]
    assert other == pytest.approx(exact, rel=1e-13)


def test_per_neuron_parameters(run: Any) -> None:
    rng = np.random.default_rng(3)
    tau = rng.choice([5 * MS, 20 * MS, 11 * MS], 30)
    values: dict[str, Any] = {"tau_mem": tau, "tau_syn": 5 * MS, "r": rng.uniform(1e7, 1e9, 30)}
    many = discretise(get("cuba_lif"), values, 1e-4)
    assert np.shape(many.values["v__from__v"]) == (30,)
    assert isinstance(many.values["i__from__i"], float)
    for k in (0, 7, 29):
        one = {n: v[k] if np.ndim(v) else v for n, v in values.items()}
        single = discretise(get("cuba_lif"), one, 1e-4)
        assert single.kernel == many.kernel
        for name, value in single.values.items():  # the same bits, alone or among others
            assert value == np.broadcast_to(many.values[name], 30)[k]


def test_values_change_and_the_kernel_does_not() -> None:
    first = discretise(get("cuba_lif"), {}, 1e-3)
    second = discretise(get("cuba_lif"), {"tau_mem": 5e-3, "tau_syn": 5e-3, "bias": 1.0}, 1e-4)
    assert first.kernel == second.kernel
    assert first.kernel.key == second.kernel.key
    assert first.values != second.values


RING = NeuronModel(
    name="ring",
    equations=("da/dt = (x - a + g*b)/tau : 1", "db/dt = (-b - g*c)/tau : 1", "dc/dt = a/tau : 1"),
    parameters=(Parameter(name="tau", unit="s"), Parameter(name="g", unit="1", default=0.7)),
    ports=(Port(name="input", variable="x", kind="hold", unit="1"),),
    output="continuous",
    output_expression="c",
    initial={"a": 1.0, "b": -0.5},
)


def test_a_cycle_of_three_states(run: Any) -> None:
    g, tau, dt = 0.7, 0.01, 0.002
    matrix = np.array([[-1, g, 0, 1], [0, -1, -g, 0], [1, 0, 0, 0], [0, 0, 0, 0]]) / tau
    trace = run(discretise(RING, {"tau": tau}, dt), 10, {"input": 0.3})
    y = np.array([1.0, -0.5, 0.0, 0.3])
    y = scipy_expm(matrix * dt * 10) @ y
    assert [trace[s][-1] for s in "abc"] == pytest.approx(y[:3], rel=1e-12)


def test_a_free_state_feels_that_another_is_held(run: Any) -> None:
    """w follows v; while v is refractory, w must relax towards the v that stands still."""
    model = replace(
        get("lif"),
        name="follower",
        equations=("dv/dt = (x*r - v)/tau : V", "dw/dt = (v - w)/tau : V"),
        parameters=tuple(p for p in get("lif").parameters if p.name not in ("v_leak", "bias")),
        initial={},
    )
    values = {"tau": 0.01, "v_reset": 0.5, "t_ref": 0.005}
    trace = run(discretise(model, values, 1e-3), 300, {"current": 2.0})
    t = trace["spikes"][0]
    w = 0.5 + (trace["w"][t] - 0.5) * np.exp(-np.arange(1, 6) * 1e-3 / 0.01)
    assert trace["v"][t : t + 6].tolist() == [0.5] * 6
    assert trace["w"][t + 1 : t + 6] == pytest.approx(w, rel=1e-12)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_expm_agrees_with_scipy(k: int, seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    matrices = rng.normal(size=(4, k, k)) * 10 ** rng.uniform(-abs(spread), spread / 3, (4, k, k))
    matrices *= rng.random((4, k, k)) < 0.7
    ours = expm(matrices)
    for m, e in zip(matrices, ours, strict=True):
        theirs = scipy_expm(m)
        assert np.abs(e - theirs).max() <= 1e-11 * np.abs(theirs).max()
        assert np.array_equal(expm(m[None])[0], e)
