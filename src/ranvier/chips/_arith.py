"""Fixed-point blocks that several chips share.

The scalar functions are written for kernels: straight-line, integers only, the same text in plain
Python and under numba. The array functions are the quantisers that compile, emulation and training
share.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Rounding",
    "clip",
    "decay_toward_zero",
    "floor_shift",
    "mul_floor",
    "mul_nearest",
    "shift_right",
    "wrap",
    "wrap32",
]

Rounding = Literal["toward_zero", "half_even", "floor"]


# -- for kernels ------------------------------------------------------------------------------
def decay_toward_zero(x: int, factor: int) -> int:
    """x * factor / 4096, magnitude truncated (Loihi; Davies et al. 2018, as in three emulators)."""
    return (x * factor) >> 12 if x >= 0 else -((-x * factor) >> 12)


def wrap(x: int, half: int) -> int:
    """Two's complement in [-half, half); half is a power of two."""
    return ((x + half) & (half + half - 1)) - half


def clip(x: int, low: int, high: int) -> int:
    """Limit x to [low, high]."""
    return low if x < low else (high if x > high else x)


def wrap32(x: int) -> int:
    """Two's complement in 32 bits."""
    return ((x + 2147483648) & 4294967295) - 2147483648


def floor_shift(x: int, y: int) -> int:
    """(x * y) >> 32, rounded toward minus infinity: s16.15 times an unsigned 0.32 fraction."""
    return (x * y) >> 32


def mul_floor(a: int, b: int) -> int:
    """s16.15 product as ARM's compiler makes it for ``accum * accum``: p >> 15, wrapping."""
    return ((((a * b) >> 15) + 2147483648) & 4294967295) - 2147483648


def mul_nearest(a: int, b: int) -> int:
    """s16.15 product, round half up, saturating."""
    p = a * b
    r = (p >> 15) + ((p >> 14) & 1)
    return -2147483648 if r < -2147483648 else (2147483647 if r > 2147483647 else r)


# -- for arrays -------------------------------------------------------------------------------
def shift_right(x: NDArray[np.int64], shift: int, rule: Rounding) -> NDArray[Any]:
    """x / 2**shift as integers, rounded by ``rule``; a negative shift multiplies."""
    if shift <= 0:
        return x << -shift
    low, rest = x >> shift, x & ((1 << shift) - 1)
    if rule == "toward_zero":
        return low + ((x < 0) & (rest != 0))
    if rule == "half_even":
        half = 1 << (shift - 1)
        return low + ((rest > half) | ((rest == half) & (low & 1 == 1)))
    return low
