"""exp(-k*dt/tau) for whole k, the same bits on every machine and in every engine.

A table has three parts: ``exp(-i*dt/tau)`` for i < 4096, for multiples of 4096 and for multiples of
4096**2. A decay is their product; that of the zeroth multiple, 1, changes no bit. So no engine
calls exp, and its result does not depend on a maths library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECAY", "FINE", "LAST", "TABLE", "decay", "decay_table"]

FINE = 4096
TABLE = FINE + 4096 + 128
"""Entries of a table."""
LAST = 2**31 - 1
"""Longest distance in ticks; longer ones count as this one."""

DECAY = f"""\
def decay(table, k):
    if k < {FINE * 4096}:
        return table[k & 4095] * table[{FINE} + ((k >> 12) & 4095)]
    k = min(k, {LAST})
    return table[k & 4095] * table[{FINE} + ((k >> 12) & 4095)] * table[{FINE + 4096} + (k >> 24)]
"""
"""Text of ``decay(table, k)`` for a row of the table and k >= 0 ticks."""


def decay_table(taus: Sequence[float], dt: float) -> NDArray[np.float64]:
    """Tables [len(taus), TABLE] of the decays with these time constants at ticks of ``dt`` (s)."""
    result = np.zeros((len(taus), TABLE))
    for row, tau in enumerate(taus):
        for start, count, stride in ((0, FINE, 1), (FINE, 4096, 4096), (FINE + 4096, 128, 2**24)):
            result[row, start : start + count] = [
                math.exp(-(i * stride) * dt / tau) for i in range(count)
            ]
    return result


def decay(table: Sequence[float] | NDArray[np.float64], k: int) -> float:
    """What DECAY says, for plain use."""
    k = min(k, LAST)
    product = table[k & 4095] * table[FINE + ((k >> 12) & 4095)]
    return float(product * table[FINE + 4096 + (k >> 24)])
