"""Loihi 1's integers: what a mantissa weighs and what a compartment does in a step.

See :mod:`ranvier.chips.loihi1` for the equations and tests/golden/loihi1/README.md for where the
public emulators part, with file and line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.chips._arith import Rounding, clip, decay_toward_zero, shift_right, wrap
from ranvier.neurons import Kernel

__all__ = ["BRIAN2", "KERNEL", "LAVA", "NENGO", "NO_LIMIT", "UNIT", "Rules", "actual_weight"]

UNIT = 64
"""Weights and thresholds are shifted left by 6 (nengo-loihi discretize.py, Lava weightutils.py)."""
NO_LIMIT = 1 << 61
"""Stands for a register without bounds in an emulator that has none."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One side of every corner in which public emulators of Loihi 1 disagree.

    The default follows nengo-loihi's register widths (the only emulator that models them all) and
    writes only mantissas that the chip can store, with exponents >= 0, so that the corners of
    weight rounding are never met. Brian2Loihi bounds neither q, u nor v; Lava folds u once and
    clips v. ``weight``, ``shift``, ``saturate`` and ``weight_limit`` decide what a mantissa that
    cannot be stored becomes. See tests/golden/loihi1/README.md for each peer's file and line.
    """

    q_bits: int | None = 21
    u_bits: int | None = 23
    in_bits: int | None = 23
    u_fold: bool = False
    v_bits: int | None = 23
    weight: Rounding = "toward_zero"
    shift: Rounding = "floor"
    saturate: bool = False
    weight_limit: int | None = None


NENGO = Rules(weight="half_even", shift="half_even", saturate=True)
BRIAN2 = Rules(q_bits=None, u_bits=None, in_bits=None, v_bits=None, weight_limit=2**21 - 64)
LAVA = Rules(q_bits=None, u_bits=None, in_bits=None, u_fold=True, weight="floor")


def actual_weight(
    mantissa: NDArray[np.int64], exponent: int, bits: int, mode: str, rules: Rules
) -> NDArray[np.int64]:
    """What one spike adds to q: the mantissa as stored, scaled by 2**(6 + exponent).

    ``mantissa`` -256..255; ``bits`` 0..8, of which mixed weights spend one on the sign; the result
    is a multiple of 64. The formula is the emulators' common one; ``rules`` decides lost bits.
    """
    drop = 8 - bits + (mode == "mixed")
    top = (1 << max(8 - drop, 0)) - 1
    by_magnitude = mode == "inhibitory" and rules.weight == "floor"
    stored = shift_right(mantissa, drop, "toward_zero" if by_magnitude else rules.weight)
    if rules.saturate:
        stored = np.clip(stored, -top, top)
    lost = -(drop + exponent)
    units = shift_right(stored, lost, rules.shift)
    if rules.saturate and lost > 0:
        units = np.clip(units << lost, -top, top) >> lost
    if rules.weight_limit is not None:
        return np.clip(units * UNIT, -rules.weight_limit, rules.weight_limit)
    return units * UNIT


def _fold(u: int, fold: int) -> int:
    return u + fold if u <= -8388608 else (u - fold if u > 8388608 else u)


def _step(
    u: int, v: int, count: int, x: int,
    fu: int, fv: int, vth: int, bias: int, refract: int,
    vmin: int, vmax: int, half_q: int, half_u: int, half_in: int, fold: int,
):  # fmt: skip
    q = wrap(x, half_q)
    raw = _fold(decay_toward_zero(u, fu) + q, fold)
    un = wrap(raw, half_u)
    total = decay_toward_zero(v, fv) + wrap(un + bias, half_in)
    vn = clip(total, vmin, vmax)
    over = 1 if (q != x or un != raw or vn != total) else 0
    vn = 0 if count > 0 else vn
    spike = 1 if vn > vth else 0
    vn = 0 if spike == 1 else vn
    left = refract if spike == 1 else count
    left = left - 1 if left > 0 else 0
    active = 1 if x != 0 else 0
    return un, vn, left, spike, active, over


KERNEL = Kernel.from_function(
    _step,
    name="loihi1_compartment",
    state=("u", "v", "count"),
    ports=("x",),
    params=(
        "fu", "fv", "vth", "bias", "refract", "vmin", "vmax", "half_q", "half_u", "half_in", "fold",
    ),
    helpers=(decay_toward_zero, wrap, clip, _fold),
    dtype="i8",
    counters=("active_updates", "overflows"),
)  # fmt: skip
