# ruff: noqa: B905  (zip has no strict= in the peers' Python 3.9)
"""Random and deliberate Loihi 1 networks in chip integers; what the peers are driven with.

A case is a dict of arrays; every field is described in README.md. Nothing here
knows how a peer works, so the same case can be given to both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MIXED, EXC, INH = 1, 2, 3
VMIN, VMAX = -(2**23) + 1, 2**23 - 1
Case = dict[str, Any]


def neurons(n: int, **fields: Any) -> Case:
    """Per-neuron arrays with the quiet defaults of a chip, each replaceable."""
    base = {
        "du": 4095,
        "dv": 0,
        "vth": 100,
        "bias_mant": 0,
        "bias_exp": 0,
        "refract": 1,
        "vmin": VMIN,
        "vmax": VMAX,
        "block": 0,
    }
    unknown = set(fields) - set(base)
    if unknown:
        raise KeyError(f"neurons: unknown field {sorted(unknown)}; known: {sorted(base)}")
    base.update(fields)
    return {k: np.broadcast_to(np.asarray(x, np.int32), (n,)).copy() for k, x in base.items()}


def raster(rng: np.random.RandomState, steps: int, n: int, p: float) -> np.ndarray:
    """Input spikes, independent with probability p."""
    return (rng.rand(steps, n) < p).astype(np.uint8)


class Synapses:
    """Collects synapses; one configuration per call."""

    FIELDS = ("is_input", "pre", "post", "w", "wexp", "bits", "sign", "delay")

    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []

    def add(self, is_input: int, pre: int, post: int, w: int, wexp: int = 0, bits: int = 8,
            sign: int = MIXED, delay: int = 0) -> None:  # fmt: skip
        """One synapse."""
        self.rows.append((is_input, pre, post, w, wexp, bits, sign, delay))

    def random(self, rng: np.random.RandomState, is_input: int, n_pre: int, n_post: int, p: float,
               low: int = -250, high: int = 250, odd: bool = False,
               **cfg: int) -> None:  # fmt: skip
        """Bernoulli connectivity, uniform mantissas in [low, high].

        Mixed synapses store no lowest bit, and the peers round odd mantissas differently;
        so mantissas are even unless ``odd``, and only the weight cases ask for that.
        """
        for i, j in zip(*np.nonzero(rng.rand(n_pre, n_post) < p)):
            w = int(rng.randint(low, high + 1))
            self.add(is_input, int(i), int(j), w if odd else w - w % 2, **cfg)

    def arrays(self) -> Case:
        """The table by column, named ``syn_*``."""
        table = np.array(self.rows, np.int32).reshape(-1, len(self.FIELDS))
        return {"syn_" + k: table[:, j].copy() for j, k in enumerate(self.FIELDS)}


def case(cells: Case, syn: Synapses, spikes: np.ndarray) -> Case:
    """Everything a peer needs."""
    return {**cells, **syn.arrays(), "in_spikes": spikes}


def plain(rng: np.random.RandomState) -> Case:
    """One parameter set, inputs only."""
    s = Synapses()
    s.random(rng, 1, 10, 16, 0.4, -80, 120)
    return case(neurons(16, du=409, dv=200, vth=400), s, raster(rng, 150, 10, 0.15))


def random_decays(rng: np.random.RandomState) -> Case:
    """Three groups of (du, dv, vth, refract): Brian2Loihi has scalars per group."""
    s = Synapses()
    s.random(rng, 1, 12, 18, 0.4, -90, 130)
    g = np.repeat(np.arange(3), 6)
    du, dv = rng.randint(0, 4095, 3)[g], rng.randint(0, 2000, 3)[g]
    return case(
        neurons(18, du=du, dv=dv, vth=rng.randint(50, 600, 3)[g]), s, raster(rng, 200, 12, 0.15)
    )


def recurrent(rng: np.random.RandomState) -> Case:
    """Inputs and recurrent synapses."""
    s = Synapses()
    s.random(rng, 1, 8, 20, 0.4, -60, 130)
    s.random(rng, 0, 20, 20, 0.25, -120, 110)
    return case(neurons(20, du=1200, dv=300, vth=350), s, raster(rng, 200, 8, 0.2))


def sign_modes(rng: np.random.RandomState) -> Case:
    """Excitatory, inhibitory and mixed synapses side by side."""
    s = Synapses()
    s.random(rng, 1, 10, 14, 0.3, 0, 255, odd=True, sign=EXC)
    s.random(rng, 1, 10, 14, 0.2, -255, 0, odd=True, sign=INH)
    s.random(rng, 0, 14, 14, 0.2, -250, 250, sign=MIXED)
    s.random(rng, 0, 14, 14, 0.2, -255, 0, odd=True, sign=INH)
    return case(neurons(14, du=1500, dv=400, vth=450), s, raster(rng, 200, 10, 0.2))


def wexp_negative(rng: np.random.RandomState) -> Case:
    """Units below 64 are lost: both signs, all three sign modes, exponents down to -7."""
    s = Synapses()
    for wexp in (-1, -2, -3, -5, -7):
        s.random(rng, 1, 10, 12, 0.4, -254, 254, wexp=wexp)
        s.random(rng, 1, 10, 12, 0.2, 0, 255, odd=True, wexp=wexp, sign=EXC)
        s.random(rng, 1, 10, 12, 0.2, -255, 0, odd=True, wexp=wexp, sign=INH)
    return case(neurons(12, du=800, dv=100, vth=120), s, raster(rng, 200, 10, 0.15))


def wexp_minus8(rng: np.random.RandomState) -> Case:
    """The lowest exponent of the register; nengo-loihi's validation rejects it."""
    s = Synapses()
    s.random(rng, 1, 10, 8, 0.8, -256, 254, odd=True, wexp=-8)
    s.random(rng, 1, 10, 8, 0.4, 0, 255, odd=True, wexp=-8, sign=EXC)
    s.random(rng, 1, 10, 8, 0.8, 0, 250, wexp=-4)
    return case(neurons(8, du=800, dv=50, vth=30), s, raster(rng, 150, 10, 0.3))


def wexp_positive(rng: np.random.RandomState) -> Case:
    """Exponents 1 to 7."""
    s = Synapses()
    for wexp in (1, 3, 5, 7):
        s.random(rng, 1, 12, 12, 0.12, -60, 130, wexp=wexp)
        s.random(rng, 0, 12, 12, 0.08, -60, 100, wexp=wexp)
    return case(neurons(12, du=2000, dv=600, vth=9000), s, raster(rng, 200, 12, 0.08))


def weight_bits(
    rng: np.random.RandomState, widths: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
) -> Case:
    """Fewer stored bits, negative and odd mantissas: the truncation corner."""
    s = Synapses()
    for bits in widths:
        s.random(rng, 1, 10, 14, 0.25, -254, 254, odd=True, bits=bits)
        s.random(rng, 1, 10, 14, 0.12, 0, 255, odd=True, bits=bits, sign=EXC)
        s.random(rng, 1, 10, 14, 0.12, -255, 0, odd=True, bits=bits, sign=INH)
    return case(neurons(14, du=1000, dv=300, vth=500), s, raster(rng, 200, 10, 0.12))


def bits_and_exponents(rng: np.random.RandomState) -> Case:
    """Few bits and negative exponents together, the two losses in a row."""
    s = Synapses()
    for bits in (4, 5, 6, 8):
        for wexp in (-6, -4, -2, 2):
            s.random(rng, 1, 8, 10, 0.2, -254, 254, odd=True, bits=bits, wexp=wexp)
    return case(neurons(10, du=700, dv=200, vth=300), s, raster(rng, 200, 8, 0.15))


def refractory(rng: np.random.RandomState) -> Case:
    """Refractory registers 1, 2, 7 and 63."""
    s = Synapses()
    s.random(rng, 1, 8, 16, 0.5, 40, 200)
    delay = np.repeat([1, 2, 7, 63], 4)
    return case(neurons(16, du=2000, dv=300, vth=200, refract=delay), s, raster(rng, 250, 8, 0.25))


def threshold(rng: np.random.RandomState) -> Case:
    """v lands exactly on 64 * vth (no spike), one unit of 64 above it (spike), and exactly on 0."""
    del rng
    s = Synapses()
    for j, w in enumerate((100, 102, 50, -100)):
        s.add(1, j, j, w)
    s.add(1, 4, 3, 100)
    spikes = np.zeros((12, 5), np.uint8)
    spikes[1, :] = spikes[4, :] = spikes[5, 2] = 1
    return case(neurons(4, vth=[100, 100, 100, 0]), s, spikes)


def u_overflow(rng: np.random.RandomState) -> Case:
    """du = 0 and large weights drive |u| past 2**23 on both signs."""
    s = Synapses()
    for j, w in enumerate((250, -250, 200, -200)):
        s.add(1, 0, j, w, wexp=6)
        s.add(1, 1, j, w, wexp=5)
    s.random(rng, 1, 4, 4, 0.5, -100, 100, wexp=4)
    cells = neurons(4, du=[0, 0, 3, 3], dv=[4000, 4000, 3000, 3000], vth=131071)
    return case(cells, s, raster(rng, 80, 4, 0.5))


def u_boundary(rng: np.random.RandomState) -> Case:
    """u is driven onto 2**23 and -2**23 exactly, and 128 to either side.

    du = 4095 forgets u at once, so one step's sum is u: 64 * (4 * 254 * 128 + 8 * 128 + rest).
    """
    del rng
    s = Synapses()
    for j in range(6):
        for i in range(4):
            s.add(1, i, j, 254 if j < 3 else -254, wexp=7)
        s.add(1, 4, j, 8 if j < 3 else -8, wexp=7)
        s.add(1, 5, j, (-2, 0, 2, 2, 0, -2)[j])
    spikes = np.zeros((10, 6), np.uint8)
    spikes[2] = spikes[5] = 1
    return case(neurons(6, du=4095, dv=4095, vth=131071), s, spikes)


def v_overflow(rng: np.random.RandomState) -> Case:
    """No voltage decay: v runs past +-2**23 while u stays small."""
    s = Synapses()
    for j, w in enumerate((250, -250, 120, -120)):
        s.add(1, 0, j, w, wexp=5)
    s.random(rng, 1, 3, 4, 0.8, -60, 60, wexp=3)
    return case(neurons(4, du=2500, dv=[0, 0, 1, 1], vth=131071), s, raster(rng, 120, 3, 0.4))


def q_overflow(rng: np.random.RandomState) -> Case:
    """Several exponent-7 weights in one step: the sum passes +-2**21."""
    s = Synapses()
    for i in range(6):
        for j in range(6):
            s.add(1, i, j, 2 * int(rng.randint(90, 128)) * (1 if j % 2 else -1), wexp=7)
    return case(neurons(6, du=4000, dv=4000, vth=131071), s, raster(rng, 60, 6, 0.4))


def weight_limit(rng: np.random.RandomState) -> Case:
    """-256 and 254 at exponents 6 and 7."""
    s = Synapses()
    for j, (w, wexp) in enumerate(((-256, 7), (254, 7), (-256, 6), (-255, 6), (-256, 0), (254, 0))):
        s.add(1, 0, j, w, wexp=wexp)
    return case(neurons(6, du=3000, dv=3500, vth=60000), s, raster(rng, 40, 1, 0.3))


def extreme_decays(rng: np.random.RandomState) -> Case:
    """du and dv at the ends of the register; |v| above 4096, so dv = 4095 leaves a rest."""
    s = Synapses()
    s.random(rng, 1, 6, 9, 0.8, -35, 70, wexp=1)
    du, dv = np.repeat([0, 2048, 4095], 3), np.tile([0, 1, 4095], 3)
    return case(neurons(9, du=du, dv=dv, vth=3000), s, raster(rng, 150, 6, 0.08))


def bias(rng: np.random.RandomState) -> Case:
    """Bias mantissas and exponents of both signs and at the ends."""
    s = Synapses()
    s.random(rng, 1, 6, 16, 0.4, -100, 100)
    mant = np.r_[4095, -4095, 1, -1, rng.randint(-300, 4096, 12)]
    cells = neurons(
        16,
        du=1000,
        dv=200,
        vth=2000,
        bias_mant=mant,
        bias_exp=np.r_[7, 7, 0, 0, rng.randint(0, 6, 12)],
    )
    cells["vth"][:2] = 100000
    return case(cells, s, raster(rng, 200, 6, 0.15))


def input_overflow(rng: np.random.RandomState) -> Case:
    """u stays inside 23 bits, u + bias does not."""
    s = Synapses()
    for j, w in enumerate((254, -254)):
        s.add(1, 0, j, w, wexp=7)
    spikes = np.zeros((40, 1), np.uint8)
    spikes[[1, 2, 3, 4, 12, 20], 0] = 1
    cells = neurons(2, du=5, dv=4000, vth=131071, bias_mant=[4095, -4095], bias_exp=7)
    del rng
    return case(cells, s, spikes)


def v_clip(rng: np.random.RandomState) -> Case:
    """vmin and vmax at several exponents, one block each; block 3 can never reach its threshold."""
    s = Synapses()
    s.random(rng, 1, 8, 20, 0.5, -120, 120)
    s.random(rng, 0, 20, 20, 0.1, -100, 100)
    block = np.repeat(np.arange(5), 4)
    vmin = np.array([0, -1, -(2**10) + 1, 0, -(2**23) + 1])[block]
    vmax = np.array([2**13 - 1, 2**15 - 1, 2**11 - 1, 2**9 - 1, 2**23 - 1])[block]
    vth = np.array([120, 200, 20, 8, 200])[block]
    return case(
        neurons(20, du=1500, dv=100, vth=vth, vmin=vmin, vmax=vmax, block=block),
        s,
        raster(rng, 200, 8, 0.2),
    )


def delays(rng: np.random.RandomState) -> Case:
    """Axonal delays 0 to 62, from inputs and between neurons."""
    s = Synapses()
    for d in (0, 1, 2, 8, 31, 62):
        s.random(rng, 1, 6, 12, 0.15, -40, 140, delay=d)
        s.random(rng, 0, 12, 12, 0.06, -100, 120, delay=d)
    return case(neurons(12, du=1200, dv=300, vth=250), s, raster(rng, 220, 6, 0.15))


def beyond_register(rng: np.random.RandomState) -> Case:
    """decay_I = 0 (du = -1) and decay_v = 4096: Brian2Loihi takes them, no register holds them."""
    s = Synapses()
    s.random(rng, 1, 6, 8, 0.7, -150, 150)
    du, dv = np.repeat([-1, 900], 4), np.tile([4096, 4096, 300, 300], 2)
    return case(
        neurons(8, du=du, dv=dv, vth=2000, refract=np.repeat([1, 64], 4)),
        s,
        raster(rng, 150, 6, 0.1),
    )


def everything(rng: np.random.RandomState) -> Case:
    """All that both peers can express at once, with recurrence."""
    g = np.repeat(np.arange(3), 8)
    s = Synapses()
    s.random(rng, 1, 12, 24, 0.3, -140, 200, odd=True, wexp=1, bits=6)
    s.random(rng, 1, 12, 24, 0.1, 0, 255, odd=True, wexp=-2, sign=EXC)
    s.random(rng, 0, 24, 24, 0.15, -200, 180, odd=True, wexp=-1)
    s.random(rng, 0, 24, 24, 0.1, -255, 0, odd=True, bits=5, sign=INH)
    cells = neurons(
        24,
        du=rng.randint(200, 3500, 3)[g],
        dv=rng.randint(20, 900, 3)[g],
        vth=np.array([300, 700, 500])[g],
        refract=np.array([1, 3, 5])[g],
    )
    return case(cells, s, raster(rng, 200, 12, 0.15))


def everything_nengo(rng: np.random.RandomState) -> Case:
    """The same with per-neuron values, bias and two blocks."""
    c = everything(rng)
    n = len(c["du"])
    c["du"], c["dv"] = (
        rng.randint(0, 4096, n).astype(np.int32),
        rng.randint(0, 1500, n).astype(np.int32),
    )
    c["vth"], c["refract"] = (
        rng.randint(1, 900, n).astype(np.int32),
        rng.randint(1, 9, n).astype(np.int32),
    )
    c["bias_mant"], c["bias_exp"] = (
        rng.randint(-200, 201, n).astype(np.int32),
        rng.randint(0, 4, n).astype(np.int32),
    )
    c["block"] = (np.arange(n) >= n // 2).astype(np.int32)
    c["vmin"] = np.where(c["block"] == 0, 0, VMIN).astype(np.int32)
    c["vmax"] = np.where(c["block"] == 0, 2**17 - 1, VMAX).astype(np.int32)
    return c


# All peers run the first group and agree bit for bit, but for the one step of input latency.
# They run the second group and differ. Lava's bit-accurate LIF has no refractory period.
AGREE: tuple[Callable[..., Case], ...] = (
    plain, random_decays, recurrent, sign_modes, wexp_positive, refractory, threshold,
    extreme_decays,
)  # fmt: skip
DIFFER: tuple[Callable[..., Case], ...] = (
    wexp_negative, weight_bits, bits_and_exponents, u_overflow, v_overflow, q_overflow,
    weight_limit, everything,
)  # fmt: skip
REFRACTORY = (refractory, everything, beyond_register)
EXTRA: dict[str, tuple[Callable[..., Case], ...]] = {
    "nengo": (bias, input_overflow, v_clip, everything_nengo),
    "brian2": (wexp_minus8, delays, beyond_register),
    "lava": (wexp_minus8, delays, bias, input_overflow, u_boundary),
}


def makers_for(peer: str) -> list[Callable[..., Case]]:
    """What a peer can run."""
    makers = [*AGREE, *DIFFER, *EXTRA[peer]]
    return [f for f in makers if peer != "lava" or f not in REFRACTORY]


def cases_for(peer: str) -> dict[str, Case]:
    """All cases of one peer by name; the seed is a function of the name alone."""
    return {
        f.__name__: f(np.random.RandomState(sum(map(ord, f.__name__)))) for f in makers_for(peer)
    }
