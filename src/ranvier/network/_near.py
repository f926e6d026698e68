"""The drawing loop of distance-dependent rules (loaded only where something is drawn)."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier.network._draw import BLOCK, INDEX, OWNER, W0, W1, W2, W3, jit, lookup, values, words

__all__ = ["draw_near"]


@jit
def _probability(code: int, p: float, length: float, cut2: float, d2: float) -> float:
    if d2 > cut2:
        return 0.0
    if code == 0:
        return p * np.exp(-0.5 * d2 / (length * length))
    if code == 1:
        return p * np.exp(-np.sqrt(d2) / length)
    if code == 2:
        return p * max(1.0 - np.sqrt(d2) / length, 0.0)
    return p


@jit
def _span(x: float, cut: float, origin: float, size: float, n: int, period: float) -> Any:
    """(first, number) of the cells of one axis within ``cut`` of x; beyond n they wrap."""
    low = max((x - cut - origin) / size, -1e9) - 1e-6
    high = min((x + cut - origin) / size, 1e9) + 1e-6
    first, last = int(np.floor(low)), int(np.floor(high))
    if period > 0.0:
        return (0, n) if last - first + 1 >= n else (first % n, last - first + 1)
    # The outermost cells hold what lies on their outer edges.
    first, last = min(max(first, 0), n - 1), min(max(last, 0), n - 1)
    return first, last - first + 1


@jit
def _gap(x: float, low: float, size: float, period: float) -> float:
    """Distance along one axis from x to a cell."""
    step = x - (low + 0.5 * size)
    if period > 0.0:
        step -= period * np.rint(step / period)
    return max(abs(step) - 0.5 * size * (1.0 + 1e-9), 0.0)


@jit
def draw_near(
    first: int, last: int, code: int, p: float, length: float, cut: float, targets: Any,
    order: Any, ptr: Any, position: Any, origin: Any, size: Any, shape: Any, period: Any,
    autapses: bool, k0: Any, k1: Any,
    law: int, number: Any, tick: int, edge: Any, guide: Any, shift: int,
    pre: Any, post: Any, weight: Any, ticks: Any,
) -> Any:  # fmt: skip
    """Every pair with a probability by distance; stops before the target that does not fit whole.

    Candidates come from an exponential walk over the cells near the target, each with the largest
    probability that it allows (thinning: Lewis and Shedler, Naval Research Logistics 26 (1979)
    403), and are taken with what is left of the probability. Returns (synapses, next target).
    """
    w = np.empty(6 * BLOCK, np.uint32)
    weighted, timed = weight.size > 0, ticks.size > 0
    stream, room, cut2 = np.uint64(4), pre.size, cut * cut
    at, guess = 0, 16
    a = np.empty(3, np.int64)
    n = np.empty(3, np.int64)
    for target in range(first, last):
        begin, drawn, used = at, 0, 0
        x, y, z = targets[target, 0], targets[target, 1], targets[target, 2]
        for axis in range(3):
            a[axis], n[axis] = _span(
                targets[target, axis], cut, origin[axis], size[axis], shape[axis], period[axis]
            )
        have = j = 0
        walk = -1.0
        for i0 in range(n[0]):
            c0 = (a[0] + i0) % shape[0]
            g0 = _gap(x, origin[0] + c0 * size[0], size[0], period[0]) if shape[0] > 1 else 0.0
            for i1 in range(n[1]):
                c1 = (a[1] + i1) % shape[1]
                g1 = _gap(y, origin[1] + c1 * size[1], size[1], period[1]) if shape[1] > 1 else 0.0
                for i2 in range(n[2]):
                    c2 = (a[2] + i2) % shape[2]
                    g2 = 0.0
                    if shape[2] > 1:
                        g2 = _gap(z, origin[2] + c2 * size[2], size[2], period[2])
                    cell = (c0 * shape[1] + c1) * shape[2] + c2
                    place, stop = ptr[cell], ptr[cell + 1]
                    if place == stop:
                        continue
                    most = _probability(code, p, length, cut2, g0 * g0 + g1 * g1 + g2 * g2)
                    if most <= 0.0:
                        continue
                    rate = -np.log1p(-most) if most < 1.0 else np.inf
                    while True:
                        if walk < 0.0:
                            if j == have:
                                if used > 0:
                                    if weighted:
                                        values(used, law, number, w, weight[at : at + used])
                                    if timed:
                                        lookup(
                                            used, w, tick, edge, guide, shift,
                                            ticks[at : at + used],
                                        )  # fmt: skip
                                    at += used
                                    used = 0
                                have, j = min(guess, BLOCK), 0
                                for i in range(have):
                                    w[i + INDEX] = np.uint32(drawn + i)
                                    w[i + OWNER] = np.uint32(target)
                                words(have, stream, k0, k1, w)
                                drawn += have
                            walk = -np.log((np.float64(w[j + W0]) + 0.5) * 2.0**-32)
                            j += 1
                        if walk >= rate * (stop - place):
                            walk -= rate * (stop - place)
                            break
                        place += int(walk / rate)
                        walk = -1.0
                        if place >= stop:
                            break
                        source, here = order[place], place
                        place += 1
                        d2 = 0.0
                        for axis in range(3):
                            step = position[here, axis] - targets[target, axis]
                            if period[axis] > 0.0:
                                step -= period[axis] * np.rint(step / period[axis])
                            d2 += step * step
                        chance = _probability(code, p, length, cut2, d2)
                        if (np.float64(w[j - 1 + W3]) + 0.5) * 2.0**-32 * most < chance and (
                            autapses or source != target
                        ):
                            if at + used >= room:
                                return begin, target
                            pre[at + used] = source
                            post[at + used] = np.int32(target)
                            w[used + W1] = w[j - 1 + W1]
                            w[used + W2] = w[j - 1 + W2]
                            used += 1
                        if place == stop:
                            break
        if used > 0:
            if weighted:
                values(used, law, number, w, weight[at : at + used])
            if timed:
                lookup(used, w, tick, edge, guide, shift, ticks[at : at + used])
            at += used
        guess = min(BLOCK, max(16, drawn + (drawn >> 3)))
    return at, last
