"""Each rule against the formula, the protocol or the differential equation of its paper."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ranvier.plasticity import PlasticityRule, get

sys.path.insert(0, str(Path(__file__).parent))
from lazy_rule import Lazy  # pyright: ignore[reportMissingImports]

DT = 1e-4


def free(name: str) -> PlasticityRule:
    return replace(get(name), w_min=None, w_max=None)


def change(rule, pre, post, *, w=0.5, dt=DT, rewards=None, until=None, **parameters):
    """Change of the weight of one synapse with a delay of one tick; spike times in seconds."""
    ticks = lambda times: {(round(t / dt), 0) for t in times}  # noqa: E731
    lazy = Lazy(rule, parameters, dt, [0], [0], [1], np.array([w]), numba=True, capacity=16)
    end = until or max([*pre, *post]) + 0.001
    arrivals = {(t - 1, n) for t, n in ticks(pre)}  # times are those of arrival
    given = {round(t / dt): x for t, x in (rewards or {}).items()}
    lazy.run(round(end / dt) + 1, arrivals, ticks(post), given)
    return lazy.now(round(end / dt))[0][0] - w


@pytest.mark.parametrize("distance", [0.0, 0.0001, 0.005, 0.0123, 0.06, 0.5])
def test_pair_window(distance):
    rule, a = free("stdp"), 0.1
    got = change(rule, [a], [a + distance])
    assert got == pytest.approx(0.01 * math.exp(-distance / 0.02), rel=1e-9)
    if distance:
        got = change(rule, [a + distance], [a])
        assert got == pytest.approx(-0.0105 * math.exp(-distance / 0.02), rel=1e-9)


def test_all_pairs_and_nearest_pairs():
    pre, post = [0.010, 0.025, 0.040, 0.0411], [0.012, 0.030, 0.0405, 0.060]
    pairs = [(b - a) for a in pre for b in post]
    want = sum(0.01 * math.exp(-d / 0.02) if d > 0 else -0.0105 * math.exp(d / 0.02) for d in pairs)
    assert change(free("stdp"), pre, post) == pytest.approx(want, rel=1e-9)
    near = [(b, max(a for a in pre if a < b), 1) for b in post]
    near += [(a, max((b for b in post if b < a), default=-9), -1) for a in pre]
    want = sum((0.01 if s > 0 else -0.0105) * math.exp(-(x - y) / 0.02) for x, y, s in near)
    assert change(free("stdp_nearest"), pre, post) == pytest.approx(want, rel=1e-9)


def test_bounds_hold():
    rule = get("stdp")
    train = [0.01 * i for i in range(1, 300)]
    assert change(rule, train, [t + 0.001 for t in train], w=0.5, a_minus=0.0) == 0.5
    assert change(rule, [t + 0.001 for t in train], train, w=0.5, a_plus=0.0) == -0.5


@pytest.mark.parametrize("mu", [0.0, 0.02, 0.5, 1.0])
def test_power_law(mu):
    rule, values = get("stdp_multiplicative"), {"mu": mu, "eta": 0.05, "w_max": 2.0}
    up = change(rule, [0.1], [0.11], w=0.6, **values)
    assert up == pytest.approx(0.05 * 2 * (1 - 0.3) ** mu * math.exp(-0.5), rel=1e-9)
    down = change(rule, [0.11], [0.1], w=0.6, **values)
    assert down == pytest.approx(-0.05 * 1.05 * 2 * 0.3**mu * math.exp(-0.5), rel=1e-9)


def triplet(pre: list[float], post: list[float], p: dict[str, float], nearest: bool) -> float:
    """Eq. 3 and 4 of Pfister & Gerstner as sums over spikes."""

    def trace(train: list[float], t: float, tau: float, with_now: bool) -> float:
        past = [s for s in train if s < t or (with_now and s == t)]
        past = past[-1:] if nearest else past
        return sum(math.exp(-(t - s) / tau) for s in past)

    total = 0.0
    for t in pre:
        o1 = trace(post, t, p["tau_minus"], False)
        total -= o1 * (p["a2_minus"] + p["a3_minus"] * trace(pre, t, p["tau_x"], False))
    for t in post:
        r1 = trace(pre, t, p["tau_plus"], True)
        total += r1 * (p["a2_plus"] + p["a3_plus"] * trace(post, t, p["tau_y"], False))
    return total


@pytest.mark.parametrize("name", ["stdp_triplet", "stdp_triplet_nearest"])
def test_triplets_and_the_pairing_protocol(name):
    rule = free(name)
    nearest = name.endswith("nearest")
    for d1, d2 in ((0.005, 0.005), (0.010, 0.005), (0.005, 0.015)):
        for pre, post in (([0.1, 0.1 + d1 + d2], [0.1 + d1]), ([0.1 + d1], [0.1, 0.1 + d1 + d2])):
            want = triplet(pre, post, rule.defaults, nearest)
            assert change(rule, pre, post) == pytest.approx(want, rel=1e-9)
    for rate in (1, 10, 40):  # 60 pairs at +10 ms and -10 ms (Sjoestrom et al. 2001)
        pre = [0.1 + i / rate for i in range(60)]
        for shift in (0.010, -0.010):
            post = [t + shift for t in pre]
            want = triplet(pre, post, rule.defaults, nearest)
            assert change(rule, pre, post, w=0.0) == pytest.approx(want, rel=1e-7)


def test_vogels_sprekeler():
    rng = np.random.default_rng(1)
    pre, post = (sorted(rng.choice(4000, 30, replace=False) * DT + 0.01) for _ in range(2))
    values = {"eta": 1e-3, "rate": 5.0, "tau": 0.02}
    want = -len(pre) * 1e-3 * 2 * 5 * 0.02
    want += sum(1e-3 * math.exp(-abs(a - b) / 0.02) for a in pre for b in post)
    assert change(free("vogels_sprekeler"), pre, post, **values) == pytest.approx(want, rel=1e-8)


def test_reward_is_the_differential_equation():
    """Eligibility and dopamine with rewards of both signs, against an integrator."""
    pre, post = [0.100, 0.300, 0.310, 0.900], [0.110, 0.305, 0.8, 0.905]
    rewards = {0.5: 0.5, 0.85: -0.2, 1.2: 0.4}
    p = get("stdp_reward").defaults
    kicks = sorted({*pre, *post, *rewards, 2.0})
    x = y = c = t0 = 0.0
    d, w = p["d_baseline"], 2.0

    def f(_t, s):
        return [s[1] * s[2], -s[1] / p["tau_c"], -(s[2] - p["d_baseline"]) / p["tau_d"]]

    for t in kicks:
        solved = solve_ivp(f, (t0, t), [w, c, d], rtol=1e-11, atol=1e-14)
        w, c, d = solved.y[:, -1]
        x, y, t0 = x * math.exp((t0 - t) / 0.02), y * math.exp((t0 - t) / 0.02), t
        d += rewards.get(t, 0.0)
        if t in pre:
            c, x = c - p["a_minus"] * y, x + 1
        if t in post:
            c, y = c + p["a_plus"] * x, y + 1
    got = change(get("stdp_reward"), pre, post, w=2.0, rewards=rewards, until=2.0)
    assert got == pytest.approx(w - 2.0, rel=1e-8)
    assert abs(got) > 1e-3


def test_stochastic_switching_has_its_probability():
    n, dt = 4000, 1e-3
    for pre, post, start, p, end in (
        ({(9, 0)}, {(20, j) for j in range(n)}, 0.0, 0.3 * math.exp(-0.5), 1.0),
        ({(19, 0)}, {(10, j) for j in range(n)}, 1.0, 0.4 * math.exp(-0.5), 0.0),
    ):
        lazy = Lazy(get("stdp_stochastic"), {"p_plus": 0.3, "p_minus": 0.4}, dt, [0] * n,
                    list(range(n)), [1] * n, np.full(n, start), seed=3, numba=True)  # fmt: skip
        lazy.run(30, pre, post)
        lazy.sweep(29)
        assert set(np.unique(lazy.weight)) == {0.0, 1.0}
        switched = np.sum(lazy.weight == end)
        assert abs(switched - n * p) < 4 * math.sqrt(n * p * (1 - p))


def test_random_numbers_are_uniform_and_independent():
    from ranvier.plasticity import discretise

    uniform = discretise(get("stdp_stochastic"), {}, 1e-3).kernel.python()["uniform"]
    for axis in range(4):  # seed, synapse, tick, side
        keys = [[5, 1000, 77, 0] for _ in range(4000)]
        for i, key in enumerate(keys):
            key[axis] += i
        u = np.array([uniform(*key) for key in keys])
        counts = np.histogram(u, 20, (0, 1))[0]
        assert np.sum((counts - 200.0) ** 2 / 200) < 43.8  # chi-square, 19 d.f., p = 0.001
        assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 4 / math.sqrt(4000)


def test_homeostatic_steps_have_the_sign_of_the_error():
    rule = get("homeostatic")
    slow, fast = ([0.01 + i / r for i in range(int(3 * r))] for r in (2, 50))
    assert change(rule, [0.005], slow, w=0.5) > 0 > change(rule, [0.005], fast, w=0.5)
    w, rate, last = 0.5, 0.0, None
    for t in slow:
        rate *= math.exp(-(t - last)) if last is not None else 0.0
        w += 1e-3 * w * (10 - rate) / 10
        rate, last = rate + 1.0, t
    assert change(rule, [0.005], slow, w=0.5) == pytest.approx(w - 0.5, rel=1e-6)
