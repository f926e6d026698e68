"""Loihi 1 current-based LIF neuron in plain Python integers: the written rule, slow on purpose.

One step ``t`` of a compartment, the traces being read after its last line::

    q = sum of the actual weights whose spikes arrive at t      (wrapped to q_bits + sign)
    u = dec(u, 4095 - du) + q                                    (wrapped to u_bits + sign)
    v = dec(v, 4096 - dv) + wrap(u + bias)                       (clipped to [vmin, vmax])
    v = 0 while the refractory count is positive
    spike when v > 64 * vth ; then v = 0, count = refract ; count = max(count - 1, 0)

with ``dec(x, f) = sign(x) * ((|x| * f) >> 12)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MIXED, EXCITATORY, INHIBITORY = 1, 2, 3
Trace = list[list[int]]


@dataclass(frozen=True)
class Rules:
    """One side of every corner in which public Loihi 1 models disagree.

    weight : how a mantissa loses the low bits that its width and sign mode do not store:
        "toward_zero" | "half_even" | "floor" (inhibitory weights by magnitude).
    shift : how parts of one unit (64) are lost at negative exponents: "floor" | "half_even" |
        "sum" (floor of what one configuration delivers to one compartment in one step).
    saturate : the stored mantissa stays within +-(2**stored_bits - 1).
    weight_limit : clip of the actual weight.
    q_bits, u_bits, in_bits : bits without sign of the synaptic sum, of u, and of u + bias.
    u_fold : instead of u_bits, one fold by 2**24 above 2**23 and at or below -2**23.
    v_clip : clip v to the vmin and vmax of the compartment.
    input_latency : steps between a row of the input raster and the u it changes.
    refract_extra : dead steps are refract - 1 + refract_extra.
    """

    weight: str = "toward_zero"
    shift: str = "floor"
    saturate: bool = False
    weight_limit: int | None = None
    q_bits: int | None = None
    u_bits: int | None = None
    u_fold: bool = False
    in_bits: int | None = None
    v_clip: bool = False
    input_latency: int = 1
    refract_extra: int = 0


PRESETS = {
    "nengo": Rules("half_even", "half_even", True, q_bits=21, u_bits=23, in_bits=23, v_clip=True),
    "brian2": Rules(weight_limit=2**21 - 64, input_latency=0),
    "lava": Rules("floor", "sum", u_fold=True, v_clip=True),
}


def decay(x: int, factor: int) -> int:
    """Multiply by ``factor / 4096``, rounding toward zero."""
    return (x * factor) >> 12 if x >= 0 else -((-x * factor) >> 12)


def wrap(x: int, bits: int | None) -> int:
    """Two's complement with ``bits`` bits and a sign."""
    if bits is None:
        return x
    return ((x + (1 << bits)) & ((2 << bits) - 1)) - (1 << bits)


def divide(x: int, shift: int, rule: str) -> int:
    """``x / 2**shift`` as an integer, rounded by ``rule``."""
    if shift <= 0:
        return x << -shift
    low, rest = x >> shift, x & ((1 << shift) - 1)
    if rule == "toward_zero":
        return low + (x < 0 and rest != 0)
    if rule == "half_even":
        half = 1 << (shift - 1)
        return low + (rest > half or (rest == half and low & 1))
    return low


def actual_weight(w: int, wexp: int, bits: int, sign: int, rules: Rules) -> int:
    """What one spike adds to ``q``: the mantissa stored, scaled and shifted left by 6."""
    drop = 8 - bits + (sign == MIXED)
    top = (1 << max(8 - drop, 0)) - 1
    by_magnitude = sign == INHIBITORY and rules.weight == "floor"
    stored = divide(w, drop, "toward_zero" if by_magnitude else rules.weight)
    if rules.saturate:
        stored = max(-top, min(top, stored))
    lost = -(drop + wexp)
    units = divide(stored, lost, rules.shift)
    if rules.saturate and lost > 0:  # clipped once more, then floored: +127 >> 3 is 15, not 16
        units = max(-top, min(top, units << lost)) >> lost
    if rules.weight_limit is not None:
        return max(-rules.weight_limit, min(rules.weight_limit, units * 64))
    return units * 64


def run(case: Mapping[str, Any], rules: Rules) -> tuple[Trace, Trace, Trace]:
    """Simulate a golden case; spikes, u and v as ``[step][neuron]``."""
    c = {k: (x.tolist() if hasattr(x, "tolist") else x) for k, x in case.items()}
    steps, n = len(c["in_spikes"]), len(c["du"])
    fan: dict[tuple[int, int], list[tuple[int, int, int, tuple[int, ...]]]] = {}
    for k, pre in enumerate(c["syn_pre"]):
        fields = ("is_input", "wexp", "bits", "sign", "delay")
        is_input, wexp, bits, sign, delay = config = tuple(c["syn_" + f][k] for f in fields)
        late, config = (wexp, config) if rules.shift == "sum" else (0, (0, 0))
        w = actual_weight(c["syn_w"][k], wexp - late, bits, sign, rules)
        lag = delay + (rules.input_latency if is_input else 1)
        fan.setdefault((is_input, pre), []).append((c["syn_post"][k], w, lag, config))
    arriving: list[dict[tuple[int, tuple[int, ...]], int]] = [{} for _ in range(steps)]
    u, v, count = [0] * n, [0] * n, [0] * n
    out: tuple[Trace, Trace, Trace] = ([], [], [])

    def send(key: tuple[int, int], t: int) -> None:
        for post, w, lag, config in fan.get(key, ()):
            if t + lag < steps:
                slot = arriving[t + lag]
                slot[post, config] = slot.get((post, config), 0) + w

    for t in range(steps):
        for j, hit in enumerate(c["in_spikes"][t]):
            if hit:
                send((1, j), t)
        fired, q = [0] * n, [0] * n
        for (post, config), total in arriving[t].items():
            q[post] += divide(total >> 6, -config[1], "floor") << 6
        for i in range(n):
            u[i] = decay(u[i], 4095 - c["du"][i]) + wrap(q[i], rules.q_bits)
            if rules.u_fold:
                u[i] += ((u[i] <= -(1 << 23)) - (u[i] > 1 << 23)) * (1 << 24)
            u[i] = wrap(u[i], rules.u_bits)
            v[i] = decay(v[i], 4096 - c["dv"][i])
            v[i] += wrap(u[i] + (c["bias_mant"][i] << c["bias_exp"][i]), rules.in_bits)
            if rules.v_clip:
                v[i] = max(c["vmin"][i], min(c["vmax"][i], v[i]))
            if count[i] > 0:
                v[i] = 0
            if v[i] > c["vth"][i] * 64:
                fired[i], v[i], count[i] = 1, 0, c["refract"][i] + rules.refract_extra
                send((0, i), t)
            count[i] = max(count[i] - 1, 0)
        for trace, row in ((out[0], fired), (out[1], u), (out[2], v)):
            trace.append(list(row))
    return out
