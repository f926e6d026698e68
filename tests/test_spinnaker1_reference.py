"""Self-checks of the SpiNNaker 1 reference against closed forms and hand-computed numbers."""

from __future__ import annotations

import importlib.util
import math
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

_PATH = Path(__file__).parent / "oracles" / "spinnaker1_reference.py"
_SPEC = importlib.util.spec_from_file_location("spinnaker1_reference", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
ref = importlib.util.module_from_spec(_SPEC)
sys.modules["spinnaker1_reference"] = ref
_SPEC.loader.exec_module(ref)

ONE = 1 << 15
HALF = 1 << 14
MAX, MIN = 2**31 - 1, -(2**31)
int32 = st.integers(MIN, MAX)


def neuron(**changes: Any) -> dict[str, Any]:
    """tau_m 20 ms, 1 nF, tau_syn 5 ms, dt 1 ms, in raw numbers."""
    r, exp_tc, t_refract = ref.membrane_constants(20.0, 1.0, 2.0, 1.0)
    decay, init = ref.synapse_constants(5.0, 1.0)
    rest = ref.s1615(-65.0)
    base = {
        "v": rest, "v_rest": rest, "v_reset": rest, "v_thresh": ref.s1615(-50.0),
        "r": r, "exp_tc": exp_tc, "t_refract": t_refract,
        "decays": [decay, decay], "inits": [init, init],
    }  # fmt: skip
    return base | changes


def net(neurons: list[Any], synapses: list[Any], **changes: Any) -> dict[str, Any]:
    return {
        "neurons": neurons,
        "synapses": synapses,
        "left_shift": [0, 0],
        "multiply": "floor",
    } | changes


def synapse(pre: int, post: int, weight16: int, delay: int = 1, kind: int = 0) -> dict[str, int]:
    return {"pre": pre, "post": post, "weight16": weight16, "delay": delay, "type": kind}


def pulse(ticks: int, at: int = 0) -> list[list[int]]:
    return [[int(t == at)] for t in range(ticks)]


# --- multiplication --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "nearest", "floor"),
    [
        (3 * ONE, 5 * ONE, 15 * ONE, 15 * ONE),
        (-3 * ONE, 5 * ONE, -15 * ONE, -15 * ONE),
        (1, HALF, 1, 0),  # +1/2 of the last bit: up
        (3, HALF, 2, 1),  # +3/2: up
        (-1, HALF, 0, -1),  # -1/2: half up is toward +infinity
        (-3, HALF, -1, -2),  # -3/2
        (-5, HALF, -2, -3),  # -5/2
        (-1, HALF - 1, 0, -1),  # just above -1/2
        (-1, HALF + 1, -1, -1),  # just below
        (MAX, 2 * ONE, MAX, -2),  # saturates against wraps
        (MIN, 2 * ONE, MIN, 0),
        (MIN, -ONE, MAX, MIN),
        (MIN, MIN, MAX, 0),
        (MAX, MAX, MAX, -131072),  # (2^31-1)^2 >> 15 = 2^47 - 2^17
    ],
)
def test_products_by_hand(x: int, y: int, nearest: int, floor: int) -> None:
    assert ref.multiply(x, y, "nearest") == nearest
    assert ref.multiply(x, y, "floor") == floor


@given(int32, int32)
def test_products_are_floors(x: int, y: int) -> None:
    rounded = math.floor(Fraction(x * y, ONE) + Fraction(1, 2))
    assert ref.multiply(x, y, "nearest") == min(max(rounded, MIN), MAX)
    floor = math.floor(Fraction(x * y, ONE))
    assert (ref.multiply(x, y, "floor") - floor) % 2**32 == 0
    assert MIN <= ref.multiply(x, y, "floor") <= MAX


# --- conversions and constants ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "raw"),
    [
        (0.1, 3277),
        (-0.1, -3277),
        (-65.0, -2129920),
        (0.5 / ONE, 0),  # halves go to the even neighbour
        (1.5 / ONE, 2),
        (-1.5 / ONE, -2),
        (-65536.0, MIN),
        (MAX / ONE, MAX),
    ],
)
def test_host_conversion(x: float, raw: int) -> None:
    assert ref.s1615(x) == raw


@pytest.mark.parametrize("x", [65536.0, -65536.0001])
def test_host_conversion_refuses_what_does_not_fit(x: float) -> None:
    with pytest.raises(ValueError, match=r"s16\.15"):
        ref.s1615(x)


# n, expk(n), expulr(n): printed by spinn_common's own stdfix-exp.c.
GOLDEN_EXP = [
    (-1, 32766, 4294830979),
    (-32, 32735, 4290771180),
    (-327, 32442, 4252324052),
    (-1638, 31170, 4085544196),
    (-2047, 30783, 4034876763),
    (-2048, 30782, 4034743409),
    (-6553, 26828, 3516490311),
    (-16384, 19874, 2605026136),
    (-32768, 12054, 1580030169),
    (-65536, 4434, 581260615),
    (-98305, 1631, 213827043),
    (-340695, 1, 131075),
    (-340696, 0, 0),
    (0, 32768, 0),
]


@pytest.mark.parametrize(("n", "k", "ulr"), GOLDEN_EXP)
def test_chip_exponential_matches_its_source(n: int, k: int, ulr: int) -> None:
    assert ref.expk(n) == k
    assert ref.expulr(n) == ulr


def test_chip_exponential_is_close_to_the_exponential() -> None:
    for n in range(-340695, 0, 97):
        exact = math.exp(n / ONE)
        assert -1.041 < ref.expk(n) - exact * ONE < 0.041  # truncation, and the fit's 1.24e-6
        assert abs(ref.expulr(n) / 2**32 - exact) < 1.24e-6


def test_constants_by_chip_and_by_host_agree_within_their_bounds() -> None:
    for tau in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0):
        chip, host = ref.synapse_constants(tau, 1.0), ref.synapse_constants(tau, 1.0, "host")
        assert host[0] == int(math.exp(-1.0 / tau) * 2**32)
        # dt/tau is cut to 2^-15, then the fit's error; init magnifies both by tau/dt.
        error = 2**-15 + 1.3e-6
        assert abs(chip[0] - host[0]) / 2**32 < error
        assert abs(chip[1] - host[1]) / 2**32 < tau * error


def test_long_time_constants_break_the_chips_own_init() -> None:
    # tau = 1024 dt: dt/tau = 32 exactly, and the fit's error lifts init past one: it wraps to ~0.
    assert ref.synapse_constants(1024.0, 1.0)[1] / 2**32 < 0.001
    assert ref.synapse_constants(1024.0, 1.0, "host")[1] / 2**32 > 0.999


@pytest.mark.parametrize(
    ("t_ref", "dt", "ticks"),
    [(0.0, 1.0, 0), (0.1, 1.0, 1), (1.0, 1.0, 1), (2.0, 1.0, 2), (2.5, 1.0, 3), (2.0, 0.1, 20)],
)
def test_refractory_ticks(t_ref: float, dt: float, ticks: int) -> None:
    assert ref.membrane_constants(20.0, 1.0, t_ref, dt)[2] == ticks


# --- weights ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("w_max", "shift"),
    [(0.0, 0), (-1.0, 0), (0.01, 0), (0.99, 0), (1.0, 1), (1.5, 1), (2.0, 2), (2.1, 2), (300.0, 9)],
)
def test_left_shift(w_max: float, shift: int) -> None:
    assert ref.left_shift(w_max) == shift
    assert w_max < 2**shift


def test_weights_round_to_even_and_wrap() -> None:
    assert ref.weight16(1.0, 1) == 1 << 14
    assert ref.weight16(-1.0, 1) == 1 << 14
    assert ref.weight16(0.5 / ONE, 0) == 0
    assert ref.weight16(1.5 / ONE, 0) == 2
    assert ref.weight16(2.0, 0) == 0  # 65536 keeps its low 16 bits
    for shift in range(16):  # what the ring buffer hands on is the weight to 2^-(16-shift)
        raw = ref.weight16(0.7, shift) << shift
        assert abs(raw / ONE - 0.7) <= 2.0 ** (shift - 16)


def test_ring_buffer_bound() -> None:
    # 100 synapses at 30 Hz in 1 ms: 3 spikes; equal weights leave Poisson's own variance.
    assert ref.expected_upper_bound(0.5, 0.0, 30.0, 100, 1.0) == pytest.approx(
        1.5 + 5 * 0.5 * math.sqrt(3)
    )
    # One spike a tick: upper = round(1 + 3) = 4 and P(N <= 3) = (1 + 1 + 1/2 + 1/6)/e.
    below = (1 + 1 + 1 / 2 + 1 / 6) / math.e
    assert ref.expected_upper_bound(0.5, 0.2, 1000.0, 1, 1.0) == pytest.approx(
        0.5 + 5 * math.sqrt(0.25 + 0.04 * below)
    )
    assert ref.expected_upper_bound(0.5, 0.2, 0.0, 100, 1.0) == 0.0
    assert ref.max_summed_weight(4.0, 9.0, 0.5, delays_vary=True) == 4.0
    assert ref.max_summed_weight(4.0, 3.0, 0.5, delays_vary=True) == 3.0
    assert ref.max_summed_weight(4.0, 3.0, 5.0, delays_vary=True) == 5.0
    assert ref.max_summed_weight(4.0, 9.0, 0.5, delays_vary=False) == 9.0


# --- synapses --------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [1.0, 5.0, 20.0])
def test_decay_follows_the_geometric_series(tau: float) -> None:
    d, _ = ref.synapse_constants(tau, 1.0, "host")
    ratio = Fraction(d, 2**32)
    x = start = 100 * ONE
    exact = Fraction(start)
    for n in range(1, 1001):
        x = ref.decay(x, d)
        exact *= ratio
        # Each floor loses less than one unit, and the losses decay too.
        assert -1 / (1 - ratio) < x - exact <= 0
        # The constant is itself cut by less than 2^-32.
        ideal = start * math.exp(-n / tau)
        assert x - ideal < 1e-6
        assert x - ideal > -float(1 / (1 - ratio)) - n * 2.0**-32 * start - 1e-6
        exact = Fraction(round(exact * 2**64), 2**64)  # keep the fractions short


def test_decay_is_toward_minus_infinity() -> None:
    assert ref.decay(-1, 2**31) == -1
    assert ref.decay(-3, 2**31) == -2
    assert ref.decay(3, 2**31) == 1


def test_exponential_synapse_trace() -> None:
    n = neuron()
    out = ref.run(net([n], [synapse(1, 0, 20000, 3, 1)]), pulse(8))
    first = (20000 * n["inits"][1]) >> 32
    trace = [first]
    for _ in range(4):
        trace.append((trace[-1] * n["decays"][1]) >> 32)
    assert [row[0] for row in out["inh"]] == [0, 0, 0, *trace]
    assert [row[0] for row in out["exc"]] == [0] * 8


@pytest.mark.parametrize("rounding", ["floor", "nearest"])
def test_delta_synapse_is_a_jump(rounding: str) -> None:
    n = neuron(synapse="delta")
    out = ref.run(net([n], [synapse(1, 0, ONE, 1)], multiply=rounding), pulse(5))
    assert [row[0] for row in out["exc"]] == [0, ONE, 0, 0, 0]
    v = [row[0] for row in out["v"]]
    assert v[0] == n["v_rest"]
    # alpha = rest + 20 mV; V = alpha - exp_TC * 20 mV, and 31170 * 20 needs no rounding.
    assert n["exp_tc"] == 31170
    assert v[1] == n["v_rest"] + 20 * ONE - 31170 * 20
    assert (v[1] - n["v_rest"]) / ONE == pytest.approx(20 * (1 - math.exp(-1 / 20)), abs=1e-3)


def test_delta_synapse_scales_by_one_over_dt() -> None:
    scale = ref.divide(ONE, ref.s1615(0.1))
    assert scale == 327660  # 2^30 // 3277, where 0.1 has become 3277/2^15
    r, exp_tc, _ = ref.membrane_constants(20.0, 1.0, 0.0, 0.1)
    n = neuron(synapse="delta", scale=scale, r=r, exp_tc=exp_tc)
    v = ref.run(net([n], [synapse(1, 0, ONE)]), pulse(2))["v"][1][0]
    assert (v - n["v_rest"]) / ONE == pytest.approx(1.0, abs=0.01)  # 1 nA*ms on 1 nF: 1 mV


# --- membrane --------------------------------------------------------------------------------


@pytest.mark.parametrize(("rounding", "unit"), [("floor", 1.0), ("nearest", 0.5)])
def test_membrane_stays_within_its_bound_of_the_real_recursion(rounding: str, unit: float) -> None:
    # Same constants, exact arithmetic. Each tick the rounding of alpha enters with weight 1 - e
    # and that of the product with weight 1, at most `unit` each; the sum over the past is
    # unit * (1 + 1/(1 - e)) units of 2^-15: 6.6e-4 mV for floor at tau_m = 20 ms.
    n = neuron(i_offset=ref.s1615(0.3))
    raster = [[int(t % 7 == 0), int(t % 11 == 3)] for t in range(400)]
    synapses = [synapse(1, 0, 9000, 2, 0), synapse(2, 0, 7000, 5, 1)]
    out = ref.run(net([n], synapses, multiply=rounding), raster)
    assert not out["spikes"]
    e, r = n["exp_tc"] / ONE, n["r"] / ONE
    bound = unit * (1 + 1 / (1 - e)) + 1e-6
    v = float(n["v"])
    for t in range(400):
        alpha = (out["exc"][t][0] - out["inh"][t][0] + n["i_offset"]) * r + n["v_rest"]
        v = alpha - e * (alpha - v)
        assert abs(out["v"][t][0] - v) <= bound


@pytest.mark.parametrize("by", ["chip", "host"])
@pytest.mark.parametrize("rounding", ["floor", "nearest"])
def test_neuron_follows_the_ideal_lif(by: str, rounding: str) -> None:
    # Doubles and ideal constants against the whole chain; 0.02 mV on a 10 mV excursion: exp_TC is
    # cut at 2^-15 (tau_m off by up to 20 * 2^-15 / e, 0.07 %) and dt/tau to 2^-15.
    r, exp_tc, t_ref = ref.membrane_constants(20.0, 1.0, 2.0, 1.0, by)
    d, i = ref.synapse_constants(5.0, 1.0, by)
    n = neuron(r=r, exp_tc=exp_tc, t_refract=t_ref, decays=[d, d], inits=[i, i])
    shift = ref.left_shift(1.5)
    w = ref.weight16(1.5, shift)
    raster = [[int(t % 13 == 0)] for t in range(300)]
    out = ref.run(net([n], [synapse(1, 0, w)], left_shift=[shift, 0], multiply=rounding), raster)
    assert not out["spikes"]
    v, current, worst = -65.0, 0.0, 0.0
    for t in range(300):
        current *= math.exp(-1 / 5)
        if t and raster[t - 1][0]:
            current += 1.5 * 5 * (1 - math.exp(-1 / 5))
        alpha = current * 20 - 65.0
        v = alpha - math.exp(-1 / 20) * (alpha - v)
        worst = max(worst, abs(out["v"][t][0] / ONE - v))
    assert worst < 0.02
    assert max(row[0] for row in out["v"]) / ONE > -56.0


def test_threshold_includes_equality_and_refractory_freezes_the_membrane() -> None:
    # exp_TC = 0 and R = 1: V is V_rest + I at once, exactly the threshold here.
    n = neuron(v=0, v_rest=0, v_reset=-ONE, v_thresh=ONE, r=ONE, exp_tc=0, i_offset=ONE)
    out = ref.run(net([n], []), [[]] * 7)
    assert [t for t, _ in out["spikes"]] == [0, 3, 6]  # two ticks frozen, the next one fires
    assert [row[0] for row in out["v"]] == [-ONE] * 7
    below = ref.run(net([n | {"i_offset": ONE - 1}], []), [[]] * 7)
    assert not below["spikes"]


def test_a_reset_above_threshold_fires_while_refractory() -> None:
    n = neuron(v=0, v_rest=0, v_reset=ONE, v_thresh=ONE, r=ONE, exp_tc=0, i_offset=ONE)
    out = ref.run(net([n], []), [[]] * 4)
    assert [t for t, _ in out["spikes"]] == [0, 1, 2, 3]


# --- ring buffers ----------------------------------------------------------------------------


@pytest.mark.parametrize("delay", range(1, 17))
@pytest.mark.parametrize("at", [0, 9, 15])
def test_a_delay_lands_once_and_only_then(delay: int, at: int) -> None:
    n = neuron(synapse="delta")
    out = ref.run(net([n], [synapse(1, 0, 5, delay)]), pulse(64, at))
    assert [t for t in range(64) if out["exc"][t][0]] == [at + delay]


def test_a_neurons_own_spike_arrives_after_its_delay() -> None:
    a = neuron(i_offset=ref.s1615(2.0))
    b = neuron(synapse="delta")
    out = ref.run(net([a, b], [synapse(0, 1, 7, 16)]), [[]] * 80)
    fired = [t for t, i in out["spikes"] if i == 0]
    assert len(fired) >= 2
    arrived = [t for t in range(80) if out["exc"][t][1]]
    assert arrived == [t + 16 for t in fired if t + 16 < 80]


@pytest.mark.parametrize("delay", [0, 17])
def test_delays_outside_the_ring_are_refused(delay: int) -> None:
    with pytest.raises(ValueError, match="delay"):
        ref.run(net([neuron()], [synapse(1, 0, 5, delay)]), pulse(3))


def test_ring_buffer_saturates_and_counts() -> None:
    n = neuron(synapse="delta")
    one_over = [synapse(1, 0, 40000), synapse(1, 0, 25535), synapse(1, 0, 0)]
    exact = ref.run(net([n], one_over), pulse(3))
    assert (exact["exc"][1][0], exact["saturations"]) == (65535, 0)
    over = ref.run(net([n], [*one_over, synapse(1, 0, 1), synapse(1, 0, 9)]), pulse(3))
    assert (over["exc"][1][0], over["saturations"]) == (65535, 2)
    # The other type and the next slot are untouched.
    assert over["inh"][1][0] == 0
    assert over["exc"][2][0] == 0
    shifted = ref.run(net([n], one_over, left_shift=[15, 0]), pulse(3))
    assert shifted["exc"][1][0] == 65535 << 15
    wrapped = ref.run(net([n], one_over, left_shift=[16, 0]), pulse(3))
    assert wrapped["exc"][1][0] == -65536  # the sixteenth shift reaches the sign


# --- orders ----------------------------------------------------------------------------------


@st.composite
def networks(draw: st.DrawFn) -> tuple[dict[str, Any], list[list[int]]]:
    size = draw(st.integers(1, 4))
    kinds = st.sampled_from(["exp", "delta"])
    neurons = [
        neuron(synapse=draw(kinds), i_offset=draw(st.integers(0, 30000)), t_refract=draw(refracts))
        for _ in range(size)
    ]
    synapses = [
        synapse(
            draw(st.integers(0, size + 1)),
            draw(st.integers(0, size - 1)),
            draw(st.integers(0, 65535)),
            draw(st.integers(1, 16)),
            draw(st.integers(0, 1)),
        )
        for _ in range(draw(st.integers(0, 12)))
    ]
    raster = draw(st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), max_size=40))
    shifts = [draw(st.integers(0, 3)), draw(st.integers(0, 3))]
    rounding = draw(st.sampled_from(["floor", "nearest"]))
    return net(neurons, synapses, left_shift=shifts, multiply=rounding), raster


refracts = st.integers(0, 3)


@settings(max_examples=60, deadline=None)
@given(networks())
def test_both_orders_of_shaping_give_the_same_run(case: tuple[dict[str, Any], Any]) -> None:
    network, raster = case
    assert ref.run(network | {"order": "current"}, raster) == ref.run(
        network | {"order": "older"}, raster
    )


def test_orders_differ_only_by_a_first_decay_of_the_initial_current() -> None:
    n = neuron(syn=[30000, 0])
    current = ref.run(net([n], []), [[]] * 5)
    older = ref.run(net([n], [], order="older"), [[]] * 4)
    assert current["exc"][0] == [30000]
    assert current["exc"][1:] == older["exc"]


def test_runs_leave_the_network_untouched_and_refuse_unknown_words() -> None:
    network = net([neuron(syn=[500, 0])], [synapse(1, 0, 900)])
    first = ref.run(network, pulse(20))
    assert ref.run(network, pulse(20)) == first
    for word in ("order", "multiply"):
        with pytest.raises(ValueError, match="sideways"):
            ref.run(network | {word: "sideways"}, pulse(2))
