"""Each built-in model against something independent: a formula, scipy's solvers, statistics."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ranvier.errors import RanvierError
from ranvier.neurons import (
    MODELS,
    NeuronModel,
    Parameter,
    Port,
    discretise,
    get,
    multisynapse,
    with_reset,
)
from ranvier.neurons import _random as rnd
from ranvier.neurons._expr import evaluate, parse

MV, MS, PA, NS = 1e-3, 1e-3, 1e-12, 1e-9


def course(
    model: Any,
    values: dict[str, float],
    inputs: dict[str, float],
    until: float,
    start: dict[str, float] | None = None,
    rtol: float = 1e-10,
) -> Any:
    """The model's equations, as parsed, integrated by LSODA with constant held inputs."""
    known: dict[str, Any] = {**model.defaults, **values}
    known |= {p.variable: inputs.get(p.name, 0.0) for p in model.ports if p.kind == "hold"}
    slopes = [model.expand(e.expr) for e in model.parsed if e.kind == "ode"]
    begin = discretise(model, values, 1e-4).initial | (start or {})

    def slope(t: float, y: Any) -> list[float]:
        now = {**known, **dict(zip(model.states, y, strict=True))}
        return [float(evaluate(s, now)) for s in slopes]

    y0 = [float(begin[s]) for s in model.states]
    result = solve_ivp(slope, (0, until), y0, "LSODA", rtol=rtol, atol=1e-16, dense_output=True,
                       max_step=until / 200)  # fmt: skip
    return lambda t: dict(zip(model.states, result.sol(t), strict=True))


@pytest.mark.parametrize(
    ("name", "values", "inputs", "until", "tolerance"),
    [
        ("iaf_psc_delta", {}, {"current": 300 * PA}, 20 * MS, 1e-11),
        ("iaf_psc_exp", {}, {"current": 300 * PA}, 20 * MS, 1e-11),
        ("two_compartment", {}, {"dendrite_current": 150 * PA}, 50 * MS, 1e-11),
        ("gif", {"a": 5.0}, {"current": 60 * PA}, 40 * MS, 1e-11),
        ("alif", {"v_threshold": 1.0}, {"current": 0.5}, 40 * MS, 1e-11),
        ("qif", {"r": 1e8}, {"current": 20 * PA}, 50 * MS, 1e-9),
        ("eif", {}, {"current": 60 * PA}, 30 * MS, 1e-9),
        ("iaf_cond_exp", {}, {"current": 200 * PA}, 20 * MS, 1e-9),
        ("aeif_cond_exp", {}, {"current": 400 * PA}, 20 * MS, 1e-9),
        ("dpi", {}, {"current": 20 * PA}, 60 * MS, 1e-16),
        ("hh", {}, {"current": 200 * PA}, 20 * MS, 5e-5),
    ],
)
def test_below_threshold_against_lsoda(
    name: str, values: Any, inputs: Any, until: float, tolerance: float, run: Any
) -> None:
    """``tolerance`` in V (dpi: A) at dt = 0.1 ms, after inputs held constant."""
    model = get(name)
    ticks = round(until / 1e-4)
    trace = run(discretise(model, values, 1e-4), ticks, inputs)
    assert not trace["spikes"]
    exact = course(model, values, inputs, until)(np.arange(1, ticks + 1) * 1e-4)
    first = model.states[0]
    assert np.ptp(trace[first]) > 100 * tolerance
    assert np.abs(trace[first] - exact[first]).max() < tolerance


@pytest.mark.parametrize("dt", [1e-4, 2.5e-5])
def test_hodgkin_huxley_fires_like_the_equations(dt: float, run: Any) -> None:
    """1 nA (10 uA/cm**2): times are off by 0.14 ms an interval at 0.1 ms, a tenth at 0.025."""
    model, until = get("hh"), 100 * MS
    ticks = round(until / dt)
    trace = run(discretise(model, {}, dt), ticks, {"current": 1e-9})
    t = np.arange(1, ticks + 1) * dt
    exact = course(model, {}, {"current": 1e-9}, until)(t)["v"]
    crossings = np.flatnonzero((exact[1:] >= 0) & (exact[:-1] < 0)) + 1
    assert len(trace["spikes"]) == len(crossings) == 7
    off = np.abs(np.array(trace["spikes"]) - crossings) * dt
    assert off.max() <= (1e-3 if dt == 1e-4 else 1e-4)
    assert abs(trace["v"].max() - exact.max()) < 2 * MV


def test_hodgkin_huxley_survives_anything(run: Any) -> None:
    discrete = discretise(get("hh"), {}, 1e-4)
    rng = np.random.default_rng(2)
    trace = run(discrete, 5000, {"exc": rng.random(5000) * 100 * NS, "inh": 50 * NS * rng.random(),
                                 "syn": rng.normal(0, 5e-9, 5000)})  # fmt: skip
    assert np.all(np.abs(trace["v"]) < 0.2)
    for gate in "mhn":
        assert np.all((trace[gate] >= 0) & (trace[gate] <= 1))
    assert 10 < len(trace["spikes"]) < 160


@pytest.mark.parametrize(("method", "order"), [("exponential_midpoint", 2), ("rk4_split", 4)])
def test_orders_of_the_methods(method: str, order: int, run: Any) -> None:
    """Halving dt divides the error by 2**order, with a synapse as fast as the ticks are long."""
    model, values, t = get("aeif_cond_exp"), {"tau_syn_ex": 2e-4}, 4 * MS
    start = {"g_ex": 40 * NS}
    exact = course(model, values, {"current": 100 * PA}, t, start, 1e-12)(t)["V_m"]
    errors = []
    for dt in (2e-4, 1e-4, 5e-5):
        ticks = round(t / dt)
        trace = run(discretise(model, values, dt, method), ticks, {"current": 100 * PA}, start)
        errors.append(abs(trace["V_m"][-1] - exact))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.6)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.6)
    assert errors[1] < (2e-5 if order == 2 else 1e-7)


@pytest.mark.parametrize("conductance", [False, True])
@pytest.mark.parametrize("kind", ["exp", "alpha", "beta"])
def test_synapses_peak_at_their_weight(kind: Any, conductance: bool, run: Any) -> None:
    model = multisynapse(3, kind, conductance=conductance)
    times = [1 * MS, 2 * MS, 4 * MS]
    values: dict[str, float] = {}
    for k, tau in enumerate(times, 1):
        if kind == "beta":
            values |= {f"tau_rise_{k}": 1 * MS, f"tau_decay_{k}": tau}
        else:
            values[f"tau_syn_{k}"] = tau
    weight = [1 * NS, 2 * NS, 3 * NS] if conductance else [1 * PA, 2 * PA, 3 * PA]
    pulses = {f"syn_{k + 1}": [w, *[0.0] * 4999] for k, w in enumerate(weight)}
    trace = run(discretise(model, values, 1e-5), 5000, pulses)
    t = np.arange(5000) * 1e-5
    for k, (w, tau) in enumerate(zip(weight, times, strict=True), 1):
        y = trace[f"{'g' if conductance else 'I'}_{k}"]
        if kind == "exp":
            shape = np.exp(-t / tau)
        elif kind == "alpha" or tau == 1 * MS:
            shape = t / tau * np.exp(1 - t / tau)
        else:
            shape = np.exp(-t / tau) - np.exp(-t / MS)
            peak = tau * MS / (tau - MS) * math.log(tau / MS)
            shape /= math.exp(-peak / tau) - math.exp(-peak / MS)
        assert y / w == pytest.approx(shape, rel=1e-9, abs=1e-12)
        assert y.max() / w == pytest.approx(1.0, abs=1e-4)
    assert trace["V_m"].max() > -70 * MV + 1e-6


@pytest.mark.parametrize("near", [1.0, 1 + 1e-12, 1 - 9e-6, 1 + 1.1e-5, 1 + 1e-3])
def test_double_exponential_is_continuous_in_its_times(near: float) -> None:
    q = {"tau_rise_1": 2e-3 * near, "tau_decay_1": 2e-3}
    scale = discretise(multisynapse(1, "beta"), q, 1e-4).values["syn_1__scale"]
    assert scale == pytest.approx(math.e / 2e-3, rel=1.2 * abs(near - 1) + 1e-10)


def test_multisynapse_against_the_two_port_models(run: Any) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(2000) * 200 * PA, -rng.random(2000) * 100 * PA
    two = run(discretise(get("iaf_psc_exp"), {}, 1e-4), 2000, {"exc": a, "inh": b})
    many = run(discretise(multisynapse(2), {}, 1e-4), 2000, {"syn_1": a, "syn_2": b})
    assert two["spikes"] == many["spikes"] != []
    assert two["V_m"] == pytest.approx(many["V_m"], rel=1e-12)
    for bad in (0, 13, True, 1.5):
        with pytest.raises(RanvierError, match="number of receptors"):
            multisynapse(bad)  # type: ignore[arg-type]
    with pytest.raises(RanvierError, match="shape of synapse"):
        multisynapse(1, "gamma")  # type: ignore[arg-type]
    assert multisynapse(12, "beta", conductance=True).ports[11].name == "syn_12"


def test_reset_by_value_keeps_the_models_own() -> None:
    model = with_reset(with_reset(get("iaf_psc_exp"), "value"), "value", delay=1)
    assert model.reset == ("V_m = V_reset",)
    assert with_reset(get("alif"), "value").reset == ("v = 0", "a = a + 1")
    assert with_reset(get("lif"), "value").reset == ("v = v_reset",)


def test_resonance(run: Any) -> None:
    """A pair of pulses a period apart fires, half a period apart it does not."""
    model, period = get("resonate_and_fire"), 2 * math.pi / 100
    discrete = discretise(model, {}, 1e-3)
    alone = run(discrete, 300, {"jump": [1.0, *[0.0] * 299]})
    t = np.arange(300) * 1e-3
    assert alone["u"] == pytest.approx(np.exp(-10 * t) * np.cos(100 * t), abs=1e-12)
    assert alone["v"] == pytest.approx(np.exp(-10 * t) * np.sin(100 * t), abs=1e-12)
    fired = []
    for gap in (round(period * 1e3), round(period * 5e2)):
        pulses = np.zeros(300)
        pulses[[0, gap]] = 0.9
        fired.append(bool(run(discrete, 300, {"jump": pulses})["spikes"]))
    assert fired == [True, False]


def test_sigma_delta_follows_its_input(run: Any) -> None:
    changes = np.random.default_rng(4).normal(0, 0.1, 500)
    trace = run(discretise(get("sigma_delta"), {"v_threshold": 0.25, "bias": 0.1}, 1.0), 500,
                {"input": changes})  # fmt: skip
    target = np.maximum(np.cumsum(changes) + 0.1, 0)
    assert np.abs(np.cumsum(trace["out"]) - target).max() < 0.25
    sent = trace["out"][trace["out"] != 0]
    assert 0 < sent.size < 250
    assert np.abs(sent).min() >= 0.25


def test_adaptive_threshold(run: Any) -> None:
    trace = run(discretise(get("alif"), {"tau": 1e9, "beta": 0.005, "tau_a": 0.1}, 1e-3), 400,
                {"jump": 2e-3})  # fmt: skip
    gaps = np.diff(trace["spikes"])
    assert gaps[0] < gaps[-1]  # spikes of what arrives: 2 mV a tick, at a threshold that rises
    level = 0.01 + 0.005 * trace["a"]
    assert np.all(trace["v"] <= level)


def test_mihalas_niebur_adapts(run: Any) -> None:
    """Figure 1B of the paper, spike frequency adaptation: a = 5/s, input 2 V/s."""
    trace = run(discretise(get("gif"), {"a": 5.0}, 1e-4), 5000, {"current": 200 * PA})
    gaps = np.diff(trace["spikes"])
    assert len(gaps) > 3
    assert np.all(np.diff(gaps) >= 0)
    assert gaps[-1] > 1.2 * gaps[0]


def test_dpi_neuron(run: Any) -> None:
    """At rest i_mem is where its slope is zero; it fires, and slower as i_ahp grows."""
    trace = run(discretise(get("dpi"), {}, 1e-4), 5000, {"current": 60 * PA})
    gaps = np.diff(trace["spikes"])
    assert len(gaps) > 5
    assert gaps[-1] > gaps[0]
    quiet = run(discretise(get("dpi"), {"i_gain": 0.0}, 1e-4), 20_000,
                {"current": 30 * PA})["i_mem"][-1]  # fmt: skip
    assert quiet == pytest.approx(10 / 5 * (30 - 5) * PA, rel=1e-9)  # gain i_th/i_tau


def with_draws(name: str, values: dict[str, Any], n: int, ticks: int, inputs: Any = None) -> Any:
    """``out`` [ticks, n] of n neurons, drawn by the reference generator."""
    discrete = discretise(get(name), values, 1e-3)
    kernel, step = discrete.kernel, discrete.kernel.python()
    state = [[float(discrete.initial[s])] * n for s in kernel.state]
    given = [float(discrete.values[p]) for p in kernel.params]
    ids, out = np.arange(n), np.empty((ticks, n))
    for t in range(ticks):
        drawn = [
            rnd.draw(kind, 7, "p", neurons=ids, tick=t, index=i, values=discrete.values)
            for i, kind in enumerate(kernel.draws)
        ]
        ports = [float((inputs or {}).get(p, np.zeros(ticks))[t]) for p in kernel.ports]
        for i in range(n):
            row = step(*(s[i] for s in state), *ports, *given, *(float(d[i]) for d in drawn))
            for s, value in zip(state, row, strict=False):
                s[i] = value
            out[t, i] = row[len(state)]
    return out


def test_poisson_sources() -> None:
    out = with_draws("poisson", {"rate": 1500.0}, 200, 200)
    assert out.mean() == pytest.approx(1.5, abs=5 * math.sqrt(1.5 / out.size))
    assert out.var() == pytest.approx(1.5, rel=0.05)
    change = np.zeros(300)
    change[100], change[200] = 150.0, -200.0
    out = with_draws("poisson_inhomogeneous", {"rate_0": 50.0}, 200, 300, {"rate": change})
    for part, rate in ((out[:100], 50), (out[100:200], 200)):
        p = -math.expm1(-rate * 1e-3)
        assert part.mean() == pytest.approx(p, abs=5 * math.sqrt(p / part.size))
    assert not out[200:].any()


def test_current_sources() -> None:
    out = with_draws("noise_current", {"mean": 2e-10, "std": 1e-10}, 200, 100)
    assert out.mean() == pytest.approx(2e-10, abs=5e-12)
    assert out.std() == pytest.approx(1e-10, rel=0.03)
    change = np.zeros(30)
    change[10], change[20] = 1e-10, -3e-10
    out = with_draws("step_current", {"i_0": 5e-11}, 1, 30, {"step": change})[:, 0]
    assert out == pytest.approx(np.cumsum(change) + 5e-11, abs=1e-24)


def test_escape_noise_has_its_rate() -> None:
    """With v clamped by a huge tau the intervals are geometric with the stated probability."""
    values = {"tau": 1e9, "v_leak": 0.9, "v_reset": 0.9, "tau_0": 0.02}
    out = with_draws("stochastic_lif", values, 200, 200)
    p = -math.expm1(-1e-3 * math.exp(-1.0) / 0.02)
    assert out.mean() == pytest.approx(p, abs=5 * math.sqrt(p / out.size))
    gaps = np.concatenate([np.diff(np.flatnonzero(row)) for row in out.T])
    assert (gaps == 1).mean() == pytest.approx(p, rel=0.6)


def test_every_model_that_names_a_method_lists_where_it_is_exact() -> None:
    for name, model in MODELS.items():
        discrete = discretise(model, {}, 1e-4)
        assert discrete.method == (model.method or discrete.method), name
        if discrete.method in ("exact", "discrete"):
            assert discrete.label.severity == "exact"
    assert parse("exprel(0)", where="").op == "expm1_over"  # type: ignore[union-attr]
    assert replace(get("lif"), method="euler").to_dict()["method"] == "euler"


PINSKY_RINZEL = NeuronModel(
    name="pinsky_rinzel",
    doc="The paper's units: mV from rest, ms, uA/cm**2.",
    source="Pinsky & Rinzel 1994, J. Comput. Neurosci. 1:39, appendix",
    equations=(
        "a_m = 1.28/exprel((13.1 - v_s)/4) : 1",
        "b_m = 1.4/exprel((v_s - 40.1)/5) : 1",
        "m = a_m/(a_m + b_m) : 1",
        "a_n = 0.08/exprel((35.1 - v_s)/5) : 1",
        "b_n = 0.25*exp(0.5 - 0.025*v_s) : 1",
        "a_h = 0.128*exp((17 - v_s)/18) : 1",
        "b_h = 4/(1 + exp((40 - v_s)/5)) : 1",
        "a_s = 1.6/(1 + exp(-0.072*(v_d - 65))) : 1",
        "b_s = 0.1/exprel((v_d - 51.1)/5) : 1",
        "fall = 2*exp((6.5 - v_d)/27) : 1",
        "a_c = where(v_d <= 50, exp((v_d - 10)/11 - (v_d - 6.5)/27)/18.975, fall) : 1",
        "b_c = where(v_d <= 50, fall - a_c, 0) : 1",
        "i_ca = 10*s**2*(v_d - 140) : 1",
        "dv_s/dt = (-0.1*v_s - 30*m**2*h*(v_s - 120) - 15*n*(v_s + 15) + 2.1/p*(v_d - v_s)"
        " + x/p)/3/ms : 1",
        "dv_d/dt = (-0.1*v_d - i_ca - 0.8*q*(v_d + 15) - 15*c*min(ca/250, 1)*(v_d + 15)"
        " + 2.1/(1 - p)*(v_s - v_d))/3/ms : 1",
        "dh/dt = (a_h*(1 - h) - b_h*h)/ms : 1",
        "dn/dt = (a_n*(1 - n) - b_n*n)/ms : 1",
        "ds/dt = (a_s*(1 - s) - b_s*s)/ms : 1",
        "dc/dt = (a_c*(1 - c) - b_c*c)/ms : 1",
        "dq/dt = (min(0.00002*ca, 0.01)*(1 - q) - 0.001*q)/ms : 1",
        "dca/dt = (-0.13*i_ca - 0.075*ca)/ms : 1",
    ),
    parameters=(
        Parameter(name="p", unit="1", default=0.5, doc="share of the soma"),
        Parameter(name="ms", unit="s", default=1e-3, doc="the paper's unit of time"),
        Parameter(name="t_ref", unit="s", default=3e-3, doc="least interval"),
    ),
    ports=(Port(name="current", variable="x", kind="hold", unit="1", doc="into the soma"),),
    threshold="v_s > 60",
    refractory="t_ref",
    method="exponential_midpoint",
    initial={"h": 0.999, "n": 0.001, "s": 0.009, "c": 0.007, "q": 0.01, "ca": 0.2},
)


def test_pinsky_and_rinzel_bursts_like_its_equations(run: Any) -> None:
    """100 ms with 2.5 uA/cm**2 at a tick of 0.02 ms: the same spikes within 0.4 ms, the
    first three within a tick."""
    dt, until = 2e-5, 0.1
    ticks = round(until / dt)
    trace = run(discretise(PINSKY_RINZEL, {}, dt), ticks, {"current": 2.5})
    t = np.arange(1, ticks + 1) * dt
    v = course(PINSKY_RINZEL, {}, {"current": 2.5}, until)(t)["v_s"]
    ups = np.flatnonzero((v[1:] > 60) & (v[:-1] <= 60)) + 1
    ups = ups[np.insert(np.diff(ups) > 150, 0, True)]
    assert len(ups) >= 2
    assert len(trace["spikes"]) == len(ups)
    assert np.abs(np.array(trace["spikes"]) - ups).max() * dt < 4e-4
