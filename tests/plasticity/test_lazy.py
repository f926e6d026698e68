"""The lazy algorithm gives the bits of the dense one, whenever sweeps happen."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranvier.plasticity import (
    RULES,
    Parameter,
    PlasticityRule,
    SynapseVariable,
    ThirdFactor,
    Trace,
    from_sum_of_products,
    get,
)

sys.path.insert(0, str(Path(__file__).parent))
from brute_rule import Brute  # pyright: ignore[reportMissingImports]
from lazy_rule import Lazy  # pyright: ignore[reportMissingImports]

DT = 1e-3
HARD = PlasticityRule(  # everything at once: reads after the jump, bounds, a drift of three terms
    name="hard",
    parameters=(
        *(Parameter(name=n, unit="s", default=t) for n, t in
          (("ta", 0.011), ("tb", 0.03), ("tc", 0.2), ("td", 0.1), ("te", 0.05))),
        Parameter(name="k", unit="1", default=0.9),
        Parameter(name="base", unit="1", default=-0.3),
        Parameter(name="rate", unit="w/s", default=0.01),
        Parameter(name="unit_w", unit="w", default=1.0),
        Parameter(name="low", unit="w", default=-1.0),
        Parameter(name="high", unit="w", default=2.0),
    ),
    traces=(
        Trace(name="a", side="pre", tau="ta", read="after", bound="2*k"),
        Trace(name="b", side="post", tau="tb", read="after", increment="k"),
        Trace(name="c", side="post", tau="tc", jump="set"),
        Trace(name="d", side="pre", tau="ta", jump="set"),
    ),
    variables=(
        SynapseVariable(name="e", tau="td", unit="w/s", initial=0.5),
        SynapseVariable(name="g", initial=1.0),
    ),
    third_factor=ThirdFactor(name="n", tau="te", baseline="base"),
    on_pre=("e = e - rate*b*exp(-a)", "g = where(u < 0.3, -g, g*0.9)", "w = w + unit_w*0.01*n*d"),
    on_post=("w = w + unit_w*0.02*b*min(a, c, 1.5)", "e = e + rate*a*c*g"),
    drift="dw/dt = e*(n - k) + rate*g + rate*0.1",
    w_min="low", w_max="high",
)  # fmt: skip
LOIHI = from_sum_of_products(
    "dw = 2^-4*x1*y0 - 2^-4*y1*x0*w + 2^-3*r*t*y0", name="loihi", tag="dt = x1*y0 - 2^-2*t*x0",
    taus={"x1": 0.02, "y1": 0.03, "r": 0.1}, w_min=-4, w_max=4,
)  # fmt: skip
ALL = [*(rule for _, rule in RULES.items()), HARD, LOIHI]
PRE, POST, TICKS = 5, 4, 400


def network(seed: int, dtype: type = np.float64):
    rng = np.random.default_rng(seed)
    n = 24
    wires = {
        "pre": rng.integers(0, PRE, n).tolist(), "post": rng.integers(0, POST, n).tolist(),
        "delay": rng.integers(1, 6, n).tolist(), "weight": rng.uniform(0.2, 0.9, n).astype(dtype),
    }  # fmt: skip
    rates = rng.uniform(0, 0.15, PRE + POST)
    spikes = [{(t, i) for t in range(TICKS) for i in range(count) if rng.random() < rate[i]}
              for count, rate in ((PRE, rates), (POST, rates[PRE:]))]  # fmt: skip
    rewards = {int(t): float(rng.normal()) for t in rng.integers(0, TICKS, 12)}
    return wires, spikes[0], spikes[1], rewards


def brute_run(rule: PlasticityRule, seed: int, dtype: type = np.float64):
    wires, pre, post, rewards = network(seed, dtype)
    # random numbers are keyed by the place in the rows
    order = sorted(range(len(wires["pre"])),
                   key=lambda s: (wires["pre"][s], wires["delay"][s], wires["post"][s], s))  # fmt: skip
    ident = np.argsort(order).tolist()
    brute = Brute(rule, {}, DT, **{**wires, "weight": wires["weight"].copy()}, seed=7, ident=ident)
    brute.run(TICKS, pre, post, rewards)
    return brute


def lazy_run(rule: PlasticityRule, seed: int, dtype: type = np.float64, **options):
    wires, pre, post, rewards = network(seed, dtype)
    sweeps = options.pop("sweeps", ())
    lazy = Lazy(rule, {}, DT, **wires, seed=7, **options)
    lazy.run(TICKS, pre, post, rewards, sweeps)
    lazy.sweep(TICKS - 1)
    return lazy


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.name)
def test_lazy_is_brute_bit_for_bit(rule, seed, dtype):
    brute, lazy = brute_run(rule, seed, dtype), lazy_run(rule, seed, dtype)
    assert lazy.sweeps > 1
    np.testing.assert_array_equal(lazy.weight, brute.weight)
    assert np.any(brute.weight != network(seed, dtype)[0]["weight"])
    for row, variable in enumerate(rule.variables):
        want = [v[variable.name].value for v in brute.vars]
        np.testing.assert_array_equal(lazy.syn[row], want)


@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.name)
def test_what_is_transmitted_is_the_weight_after_on_pre(rule):
    brute, lazy = brute_run(rule, 3), lazy_run(rule, 3)
    want: dict[int, np.ndarray] = {}
    wires = network(3)[0]
    key = lambda e: (e[0], wires["pre"][e[1]], wires["delay"][e[1]], wires["post"][e[1]], e[1])  # noqa: E731
    for t, s, w in sorted(brute.sent, key=key):
        want.setdefault(t, np.zeros(lazy.neurons))[wires["post"][s]] += w
    assert want.keys() >= lazy.acc.keys()
    for t, acc in want.items():
        np.testing.assert_array_equal(lazy.acc.get(t, np.zeros(lazy.neurons)), acc)


@pytest.mark.parametrize("rule", [HARD, LOIHI, get("stdp"), get("stdp_reward")],
                         ids=lambda r: r.name)  # fmt: skip
def test_sweeps_change_no_bit(rule):
    rng = np.random.default_rng(5)
    runs = [lazy_run(rule, 2, np.float32, capacity=capacity, sweeps=sweeps)
            for capacity, sweeps in ((1000, ()), (4, ()), (8, range(TICKS)),
                                     (64, set(rng.integers(0, TICKS, 30).tolist())))]  # fmt: skip
    assert runs[0].sweeps == 1
    for run in runs[1:]:
        np.testing.assert_array_equal(run.weight, runs[0].weight)
        np.testing.assert_array_equal(run.syn, runs[0].syn)
        assert all(np.array_equal(run.acc[t], runs[0].acc[t]) for t in runs[0].acc)
    early, late = lazy_run(rule, 2, capacity=1000), lazy_run(rule, 2, capacity=4)
    for got, want in zip(early.now(TICKS + 300), late.now(TICKS + 300), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("rule", [HARD, get("stdp_stochastic"), get("stdp_multiplicative")],
                         ids=lambda r: r.name)  # fmt: skip
def test_numba_has_the_bits_of_python(rule):
    plain, fast = lazy_run(rule, 4, np.float32), lazy_run(rule, 4, np.float32, numba=True)
    np.testing.assert_array_equal(fast.weight, plain.weight)
    np.testing.assert_array_equal(fast.syn, plain.syn)


def test_long_silence():
    """Distances beyond the fine table, where a decay is a product of three."""
    rule = replace(get("stdp"), w_min=None, w_max=None)
    wires = {"pre": [0], "post": [0], "delay": [3], "weight": np.array([0.5])}
    pre, post = {(0, 0), (9000, 0)}, {(4200, 0), (18000, 0)}
    slow = {"tau_plus": 10.0, "tau_minus": 12.0}
    brute = Brute(rule, slow, DT, **{**wires, "weight": np.array([0.5])})
    brute.run(18001, pre, post)
    lazy = Lazy(rule, slow, DT, **wires)
    lazy.run(18001, pre, post)
    lazy.sweep(18000)
    assert lazy.weight[0] == brute.weight[0]
    plus = 0.01 * (np.exp(-4.197 / 10) + np.exp(-17.997 / 10) + np.exp(-8.997 / 10))
    assert brute.weight[0] == pytest.approx(0.5 + plus - 0.0105 * np.exp(-4.803 / 12), rel=1e-12)
