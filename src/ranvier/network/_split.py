"""How many synapses each target gets, when only their total is fixed.

The total is split over the targets along a binary tree: a node's synapses go to its left half by a
binomial law (draws with replacement) or a hypergeometric one (distinct pairs), which together give
the multinomial law, or its hypergeometric counterpart, over all targets. Each node draws by its own
counter, so a range of targets costs its own size and the depth of the tree.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false

from __future__ import annotations

from math import exp, floor, lgamma, log, log1p
from typing import Any

import numpy as np

from ranvier.network._draw import jit, philox

__all__ = ["split"]

_21, _11 = np.uint64(21), np.uint64(11)


@jit
def _stirling(n: float) -> float:
    """log(n!) less Stirling's formula (C. Loader: Fast and accurate computation of binomial
    probabilities, 2000)."""
    if n < 16:
        return lgamma(n + 1) - (n + 0.5) * log(n) + n - 0.9189385332046727 if n > 0 else 0.0
    s = 1 / (n * n)
    return (1 / 12 - (1 / 360 - (1 / 1260 - s / 1680) * s) * s) / n


@jit
def _deviance(x: float, mean: float) -> float:
    """x log(x / mean) + mean - x, without cancellation (Loader 2000)."""
    if abs(x - mean) >= 0.1 * (x + mean):
        return x * log(x / mean) + mean - x
    v = (x - mean) / (x + mean)
    total, term = (x - mean) * v, 2 * x * v
    for j in range(1, 1000):
        term *= v * v
        more = total + term / (2 * j + 1)
        if more == total:
            break
        total = more
    return total


@jit
def _binomial_mass(x: float, n: float, p: float, q: float) -> float:
    """P(X = x) of n draws with probability p = 1 - q (Loader 2000)."""
    if x == 0:
        return exp(n * log(q) if p > 0.1 else n * log1p(-p))
    if x == n:
        return exp(n * log(p) if q > 0.1 else n * log1p(-q))
    body = _stirling(n) - _stirling(x) - _stirling(n - x)
    body -= _deviance(x, n * p) + _deviance(n - x, n * q)
    return exp(body) / np.sqrt(6.283185307179586 * x * (n - x) / n)


@jit
def _left(n: int, good: int, bad: int, distinct: bool, u: float) -> int:
    """How many of n pairs lie among the ``good`` rather than the ``bad``: inversion of u from the
    mode outwards, about one standard deviation of steps."""
    if good == 0 or bad == 0:
        return n if bad == 0 else 0
    p, q = good / (good + bad), bad / (good + bad)
    low, high = 0, n
    if distinct:
        low, high = max(0, n - bad), min(n, good)
        if low == high:
            return low
        mode = floor((n + 1.0) * ((good + 1.0) / (good + bad + 2.0)))
        mode = min(max(mode, low), high)
        share, rest = n / (good + bad), (good + bad - n) / (good + bad)
        mass = (
            _binomial_mass(mode, good, share, rest)
            * _binomial_mass(n - mode, bad, share, rest)
            / _binomial_mass(n, good + bad, share, rest)
        )
    else:
        mode = min(floor((n + 1.0) * p), n)
        mass = _binomial_mass(mode, n, p, q)
    x = y = mode
    up = down = mass
    u -= mass
    while u >= 0 and (up > 0 or down > 0):
        if y < high:
            if distinct:
                up *= (good - y) / (y + 1.0) * ((n - y) / (bad - n + y + 1.0))
            else:
                up *= (n - y) / (y + 1.0) * (p / q)
            y += 1
            u -= up
            if u < 0:
                return y
        else:
            up = 0.0
        if x > low:
            if distinct:
                down *= x / (good - x + 1.0) * ((bad - n + x) / (n - x + 1.0))
            else:
                down *= x / (n - x + 1.0) * (q / p)
            x -= 1
            u -= down
            if u < 0:
                return x
        else:
            down = 0.0
    return mode


@jit
def _pairs(low: int, high: int, sources: int, autapses: bool) -> int:
    """Allowed pairs onto the targets low .. high - 1."""
    own = 0 if autapses else max(0, min(high, sources) - low)
    return (high - low) * sources - own


@jit
def split(
    total: int, first: int, last: int, sources: int, targets: int,
    autapses: bool, distinct: bool, k0: Any, k1: Any, out: Any,
) -> None:  # fmt: skip
    """Synapses of the targets first .. last - 1 into ``out`` (int64)."""
    lows, highs, held = np.empty(128, np.int64), np.empty(128, np.int64), np.empty(128, np.int64)
    out[:] = 0
    lows[0], highs[0], held[0], depth = 0, targets, total, 1
    zero, stream = np.uint64(0), np.uint64(1)
    while depth > 0:
        depth -= 1
        low, high, n = lows[depth], highs[depth], held[depth]
        if n == 0 or high <= first or low >= last:
            continue
        if high - low == 1:
            out[low - first] = n
            continue
        middle = (low + high) // 2
        a, _, _, d = philox(np.uint64(low), np.uint64(high), zero, stream, k0, k1)
        u = (np.float64((a << _21) | (d >> _11)) + 0.5) * 2.0**-53
        good = _pairs(low, middle, sources, autapses)
        left = _left(n, good, _pairs(middle, high, sources, autapses), distinct, u)
        lows[depth], highs[depth], held[depth] = low, middle, left
        lows[depth + 1], highs[depth + 1], held[depth + 1] = middle, high, n - left
        depth += 2
