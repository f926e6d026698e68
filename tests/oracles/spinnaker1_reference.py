"""Reference of SpiNNaker 1's s16.15 leaky integrate-and-fire arithmetic, in plain Python integers.

For clarity, not speed. The README beside this file gives the equations, their sources and the
format of `run`'s network. s16.15 is an int32 in units of 2^-15, u0.32 a uint32 in units of 2^-32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

INT32_MAX, INT32_MIN, UINT32_MAX, UINT16_MAX = 2**31 - 1, -(2**31), 2**32 - 1, 0xFFFF
ONE = 1 << 15


def wrap32(x: int) -> int:
    """Two's complement wrap: what ADD, SUB and shifts do on the chip."""
    return ((x - INT32_MIN) & UINT32_MAX) + INT32_MIN


def multiply(x: int, y: int, rounding: str) -> int:
    """s16.15 product: `floor` wraps (the compiler's `*`), `nearest` saturates (round.h's RN15)."""
    p = x * y
    nearest = min(max((p >> 15) + ((p >> 14) & 1), INT32_MIN), INT32_MAX)
    return nearest if rounding == "nearest" else wrap32(p >> 15)


def decay(x: int, fraction: int) -> int:
    """s16.15 times u0.32, toward minus infinity: decay.h's decay_s1615."""
    return wrap32((x * fraction) >> 32)


# --- from the user's numbers to raw ones -----------------------------------------------------


def s1615(x: float) -> int:
    """Host conversion: the shortest decimal of x, times 2^15, half to even; never saturates."""
    d = Decimal(str(x))
    if not Decimal(-65536) <= d <= Decimal(INT32_MAX) / ONE:
        raise ValueError(f"{x} does not fit s16.15")
    return int((d * ONE).to_integral_value(ROUND_HALF_EVEN))


def divide(a: int, b: int) -> int:
    """maths-util.h's kdivk for positive operands: s16.15 quotient, truncated."""
    return wrap32((a << 15) // b)


def _scaled_exp(x: Decimal) -> int:
    with localcontext() as context:
        context.prec = 50
        return int((x.exp() * 2**32).to_integral_value(ROUND_HALF_EVEN))


# stdfix-exp.c: exp of whole numbers -13..12, 1 - exp(-k/16), and a fitted quadratic for the rest.
_WHOLE = [_scaled_exp(Decimal(k)) for k in range(-13, 13)]
_SIXTEENTHS = [2**32 - _scaled_exp(Decimal(-k) / 16) for k in range(16)]
_TAIL = (5294, 4293434720, 2081624032)


def _scale64(x: int, y: int) -> int:
    low = (x & UINT32_MAX) * y
    return (low >> 32) + ((low & UINT32_MAX) >= INT32_MAX) + (x >> 32) * y


def _exp_u3232(n: int) -> int:
    whole, rest = -(-n >> 15), -n & (ONE - 1)  # n = whole - rest, rounded up to whole
    value = _WHOLE[13 + whole]
    if not rest:
        return value
    value -= _scale64(value, _SIXTEENTHS[rest >> 11])
    y = (rest & 0x7FF) << 17
    return value - _scale64(value, (((_TAIL[1] - (_TAIL[2] * y >> 32)) * y) >> 32) + _TAIL[0])


def expk(n: int) -> int:
    """The chip's exp: s16.15 to s16.15, truncated."""
    return INT32_MAX if n > 363408 else 0 if n < -340695 else _exp_u3232(n) >> 17


def expulr(n: int) -> int:
    """The chip's exp of a negative s16.15, as u0.32 (it wraps at one: expulr(0) is 0)."""
    return INT32_MAX if n > 363408 else 0 if n < -340695 else _exp_u3232(n) & UINT32_MAX


def synapse_constants(tau: float, dt: float, by: str = "chip") -> tuple[int, int]:
    """(decay, init) of an exponential synapse: exp(-dt/tau) and tau/dt*(1-exp(-dt/tau)), u0.32."""
    if by == "host":  # older releases: doubles on the host, truncated
        e = math.exp(-dt / tau)
        return int(e * 2**32), int(tau / dt * (1.0 - e) * 2**32)
    t, d = s1615(tau), s1615(dt)
    e32 = expulr(-divide(d, t))
    return e32, divide(t, d) * (UINT32_MAX - e32) >> 15 & UINT32_MAX


def membrane_constants(
    tau: float, c: float, t_ref: float, dt: float, by: str = "chip"
) -> tuple[int, int, int]:
    """(R, exp_TC, T_refract): tau/c and exp(-dt/tau) as s16.15, ceil(t_ref/dt) in ticks."""
    if by == "host":
        return s1615(tau / c), s1615(math.exp(-dt / tau)), math.ceil(t_ref / dt)
    t, d = s1615(tau), s1615(dt)
    return divide(t, s1615(c)), expk(-divide(d, t)), -(-divide(s1615(t_ref), d) >> 15)


def expected_upper_bound(
    mean: float, std: float, rate_hz: float, synapses: int, dt: float, sigma: float = 5.0
) -> float:
    """Mean + sigma SD of the weight that Poisson trains add to one neuron in one tick."""
    n = synapses * rate_hz * dt / 1000.0
    if n <= 0:
        return 0.0
    upper = round(n + 3.0 * math.sqrt(n))
    spread, log_last = 0.0, upper * math.log(n) - math.lgamma(1 + upper)
    if std > 0 and -701.0 < log_last < 701.0 and log_last != 0.0:
        below = (math.exp(k * math.log(n) - n - math.lgamma(1 + k)) for k in range(upper))
        spread = std**2 * n * sum(below)  # = sum of k * P(k) * std^2 over k <= upper
    return n * mean + sigma * math.sqrt(n * mean**2 + spread)


def max_summed_weight(bound: float, total: float, biggest: float, delays_vary: bool) -> float:
    """`bound` clipped to [biggest, total]; without spread of delays all may arrive at once."""
    return max(min(bound, total) if delays_vary else total, biggest)


def left_shift(w_max: float) -> int:
    """Smallest shift whose 2^shift is above w_max; zero at least."""
    shift = math.ceil(max(0.0, math.log2(w_max))) if w_max > 0 else 0
    return shift + 1 if 2**shift <= w_max else shift


def weight16(w: float, shift: int) -> int:
    """rint(|w| * 2^(15-shift)), low 16 bits: out-of-range weights wrap, they do not saturate."""
    return round(abs(w) * 2.0 ** (15 - shift)) & UINT16_MAX


# --- the chip --------------------------------------------------------------------------------


@dataclass
class Lif:
    """One neuron; every field is a raw integer (README: Fields of a neuron)."""

    v: int
    v_rest: int
    v_reset: int
    v_thresh: int
    r: int
    exp_tc: int
    t_refract: int
    i_offset: int = 0
    refract: int = 0
    synapse: str = "exp"
    decays: Sequence[int] = (0, 0)
    inits: Sequence[int] = (0, 0)
    scale: int = ONE
    syn: list[int] = field(default_factory=lambda: [0, 0])

    def add(self, kind: int, weight: int) -> None:
        """Take the shifted content of a ring-buffer slot; kind 0 excites, 1 inhibits."""
        gain = decay(weight, self.inits[kind]) if self.synapse == "exp" else weight
        self.syn[kind] = wrap32(self.syn[kind] + gain)

    def shape(self) -> None:
        """Let one tick pass in the synapses."""
        exp = self.synapse == "exp"
        self.syn = [decay(self.syn[k], self.decays[k]) if exp else 0 for k in range(2)]

    def update(self, rounding: str) -> bool:
        """Advance the membrane one tick: did it spike?"""
        if self.refract <= 0:
            exc, inh = self.syn
            if self.synapse == "delta":  # always the compiler's `*`, in every release
                exc, inh = (multiply(x, self.scale, "floor") for x in (exc, inh))
            current = wrap32(exc - inh + self.i_offset)
            alpha = wrap32(multiply(current, self.r, rounding) + self.v_rest)
            gap = multiply(self.exp_tc, wrap32(alpha - self.v), rounding)
            self.v = wrap32(alpha - gap)
        else:
            self.refract -= 1
        if self.v < self.v_thresh:
            return False
        self.v, self.refract = self.v_reset, self.t_refract
        return True


class Core:
    """Neurons with their ring buffers: ring[slot][type][neuron], uint16, saturating."""

    def __init__(
        self, neurons: list[Lif], shifts: Sequence[int], rounding: str, order: str, slots: int
    ) -> None:
        words = {rounding, order, *(n.synapse for n in neurons)}
        if unknown := words - {"floor", "nearest", "current", "older", "exp", "delta"}:
            raise ValueError(f"unknown {', '.join(sorted(unknown))}")
        self.neurons, self.shifts, self.rounding, self.order = neurons, shifts, rounding, order
        self.ring = [[[0] * len(neurons) for _ in range(2)] for _ in range(slots)]
        self.saturations = 0

    def transfer(self, tick: int) -> None:
        """Move this tick's slot into the synapses and clear it."""
        slot = self.ring[tick % len(self.ring)]
        for i, neuron in enumerate(self.neurons):
            if self.order == "older":
                neuron.shape()
            for kind in range(2):
                neuron.add(kind, wrap32(slot[kind][i] << self.shifts[kind]))
                slot[kind][i] = 0

    def update(self) -> list[int]:
        """Advance every neuron one tick; the indices that spiked."""
        fired = [i for i, neuron in enumerate(self.neurons) if neuron.update(self.rounding)]
        if self.order == "current":
            for neuron in self.neurons:
                neuron.shape()
        return fired

    def receive(self, tick: int, row: Iterable[Mapping[str, int]]) -> None:
        """Add the synapses of a spike emitted at `tick`."""
        for synapse in row:
            if not 1 <= synapse["delay"] <= len(self.ring):
                raise ValueError(f"delay {synapse['delay']} outside 1..{len(self.ring)}")
            slot = self.ring[(tick + synapse["delay"]) % len(self.ring)][synapse["type"]]
            total = slot[synapse["post"]] + synapse["weight16"]
            self.saturations += total > UINT16_MAX
            slot[synapse["post"]] = min(total, UINT16_MAX)


def run(network: Mapping[str, Any], raster: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Run for len(raster) ticks; README gives the format of the network and of the result."""
    neurons = [Lif(**{**n, "syn": list(n.get("syn", (0, 0)))}) for n in network["neurons"]]
    extra = network["multiply"], network.get("order", "current"), network.get("slots", 16)
    core = Core(neurons, network["left_shift"], *extra)
    rows: dict[int, list[Mapping[str, int]]] = {}
    for synapse in network["synapses"]:
        rows.setdefault(synapse["pre"], []).append(synapse)
    out: dict[str, Any] = {"spikes": [], "v": [], "exc": [], "inh": []}
    for tick, sources in enumerate(raster):
        core.transfer(tick)
        out["exc"].append([n.syn[0] for n in neurons])
        out["inh"].append([n.syn[1] for n in neurons])
        fired = core.update()
        out["v"].append([n.v for n in neurons])
        out["spikes"] += [(tick, i) for i in fired]
        for pre in [*fired, *(len(neurons) + s for s, on in enumerate(sources) if on)]:
            core.receive(tick, rows.get(pre, ()))
    return {**out, "saturations": core.saturations}
