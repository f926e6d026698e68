"""The drawing loops: a counter-based generator, and weights, delays and sources out of its words.

Generator: Philox 4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy
as 1, 2, 3, SC 2011, doi:10.1145/2063384.2063405). The key is the 64-bit digest of a seed, see
``key_of``. The counter says what is drawn:

=================  ==============================  =============  ==========  ======
word of counter    0                               1              2           3
=================  ==============================  =============  ==========  ======
SYNAPSE            index in the target's own list  target         0           0
SPLIT              first target of a node          target after   0           1
BY_SOURCE          index in the source's own list  source         0           2
SAMPLE             position, low 32 bits           position high  0           3
NEAR               candidate of the target         target         0           4
=================  ==============================  =============  ==========  ======

A synapse takes the four words of one call: 0 and 3 choose its source (or target), 1 its weight and
2 its delay. Loaded only where something is drawn, since it brings numba.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "ALL",
    "DISTINCT",
    "ONE",
    "REPLACED",
    "draw_bernoulli",
    "draw_counted",
    "draw_outgoing",
    "key_of",
    "philox",
    "sample_words",
    "words",
]

ALL, REPLACED, DISTINCT, ONE = 0, 1, 2, 3
"""How ``draw_counted`` chooses sources: each once, with or without replacement, the same index."""

BLOCK = 256
"""Synapses whose words are made together: they fit the first cache and are many for SIMD."""

SYNAPSE, SPLIT, BY_SOURCE, SAMPLE, NEAR = 0, 1, 2, 3, 4

INDEX, OWNER, W0, W1, W2, W3 = (BLOCK * i for i in range(6))
"""Where the counters and the four words of a block lie in its scratch, uint32 [6 * BLOCK]. They are
one array since LLVM gives up SIMD where it would have to compare too many pointers."""

jit: Any = njit(cache=True, nogil=True, error_model="numpy")

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_K0, _K1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _32, _11 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(11)
_21 = np.uint64(21)
_ULP32, _ULP53 = 2.0**-32, 2.0**-53


def key_of(seed: int) -> tuple[np.uint64, np.uint64]:
    """The two 32-bit words of the key of a seed (0 .. 2^128 - 1).

    Seeds below 2^64 are their own key; the upper half of a longer one is folded in by BLAKE2b.
    """
    low, high = seed & (2**64 - 1), seed >> 64
    if high:
        low ^= int.from_bytes(blake2b(high.to_bytes(8, "little"), digest_size=8).digest(), "little")
    return np.uint64(low & 0xFFFFFFFF), np.uint64(low >> 32)


@jit
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four 32-bit words (each in a uint64) of a counter of four and a key of two."""
    for _ in range(10):
        a, b = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (b >> _32) ^ c1 ^ k0, b & _LOW, (a >> _32) ^ c3 ^ k1, a & _LOW
        k0, k1 = (k0 + _K0) & _LOW, (k1 + _K1) & _LOW
    return c0, c1, c2, c3


@jit
def words(n: int, stream: Any, k0: Any, k1: Any, w: Any) -> None:
    """Words of the counters (index, owner, 0, stream) of n <= BLOCK synapses in the scratch.

    The rounds of ``philox``, repeated here so that the loop over synapses becomes SIMD.
    """
    zero = np.uint64(0)
    for i in range(n):
        c0, c1, c2, c3 = np.uint64(w[i + INDEX]), np.uint64(w[i + OWNER]), zero, stream
        ka, kb = k0, k1
        for _ in range(10):
            a, b = _M0 * c0, _M1 * c2
            c0, c1, c2, c3 = (b >> _32) ^ c1 ^ ka, b & _LOW, (a >> _32) ^ c3 ^ kb, a & _LOW
            ka, kb = (ka + _K0) & _LOW, (kb + _K1) & _LOW
        w[i + W0] = np.uint32(c0)
        w[i + W1] = np.uint32(c1)
        w[i + W2] = np.uint32(c2)
        w[i + W3] = np.uint32(c3)


@jit
def below(w0: Any, w3: Any, n: Any) -> Any:
    """Uniform on 0 .. n - 1 out of 64 bits: the high half of their product with n < 2^32."""
    bound = np.uint64(n)
    return (np.uint64(w0) * bound + ((np.uint64(w3) * bound) >> _32)) >> _32


# Coefficients a0..a7 and b1..b7 of AS241, as printed there.
# fmt: off
@jit
def _tail(q: float, p: float) -> float:
    """The outer branches of AS241's PPND16; q = p - 1/2."""
    r = np.sqrt(-np.log(min(p, 1.0 - p)))
    if r <= 5.0:
        r -= 1.6
        a = ((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r
                 + 2.41780725177450611770e-1) * r + 1.27045825245236838258) * r
               + 3.64784832476320460504) * r + 5.76949722146069140550) * r
             + 4.63033784615654529590) * r + 1.42343711074968357734
        b = ((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r
                 + 1.51986665636164571966e-2) * r + 1.48103976427480074590e-1) * r
               + 6.89767334985100004550e-1) * r + 1.67638483018380384940) * r
             + 2.05319162663775882187) * r + 1.0
    else:
        r -= 5.0
        a = ((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r
                 + 1.24266094738807843860e-3) * r + 2.65321895265761230930e-2) * r
               + 2.96560571828504891230e-1) * r + 1.78482653991729133580) * r
             + 5.46378491116411436990) * r + 6.65790464350110377720
        b = ((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r
                 + 1.84631831751005468180e-5) * r + 7.86869131145613259100e-4) * r
               + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r
             + 5.99832206555887937690e-1) * r + 1.0
    return -a / b if q < 0.0 else a / b


@jit
def normals(n: int, w: Any, low: float, span: float, out: Any) -> None:
    """Standard normal quantiles of ``low + span * u``, u = (word + 1/2) / 2^32, of words 1.

    M. J. Wichura: Algorithm AS 241: the percentage points of the normal distribution, Applied
    Statistics 37 (1988) 477-484, PPND16 (relative error about 1e-16). The central branch is
    computed for all, so that it runs as SIMD, and the 15 % in the tails are put right after. Those
    are listed first, since a branch that nobody can predict costs more than the listing.
    """
    base, step = low + 0.5 * _ULP32 * span - 0.5, _ULP32 * span
    for i in range(n):
        q = base + step * np.float64(w[i + W1])
        r = 0.180625 - q * q
        a = ((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r
                 + 6.7265770927008700853e4) * r + 4.5921953931549871457e4) * r
               + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r
             + 1.3314166789178437745e2) * r + 3.3871328727963666080
        b = ((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r
                 + 3.9307895800092710610e4) * r + 2.1213794301586595867e4) * r
               + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r
             + 4.2313330701600911252e1) * r + 1.0
        out[i] = q * a / b
    late = 0
    for i in range(n):
        w[late + INDEX] = np.uint32(i)
        late += 1 if abs(base + step * np.float64(w[i + W1])) > 0.425 else 0
    for j in range(late):
        i = w[j + INDEX]
        u = (np.float64(w[i + W1]) + 0.5) * _ULP32
        out[i] = _tail(base + step * np.float64(w[i + W1]), min(max(low + span * u, 1e-300), 1.0))
# fmt: on


@jit
def values(n: int, law: int, number: Any, w: Any, out: Any) -> None:
    """Draws of a law (see ``Distribution.code``) out of words 1; uses INDEX up."""
    a, b, low, span, least, most = (
        number[0], number[1], number[2], number[3], number[4], number[5],
    )  # fmt: skip
    if law == 1 or law == 2:
        normals(n, w, low, span, out)
        if law == 1:
            for i in range(n):
                out[i] = min(max(a + b * out[i], least), most)
        else:
            for i in range(n):
                out[i] = min(max(a * np.exp(b * out[i]), least), most)
    elif law == 3:
        for i in range(n):
            out[i] = min(max(a + b * ((np.float64(w[i + W1]) + 0.5) * _ULP32), least), most)
    else:
        for i in range(n):
            u = low + span * ((np.float64(w[i + W1]) + 0.5) * _ULP32)
            out[i] = min(max(a - b * np.log1p(-u), least), most)


@jit
def lookup(n: int, w: Any, first: int, edge: Any, guide: Any, shift: int, out: Any) -> None:
    """Ticks: ``first`` + the number of ``edge`` (cumulative, of 2^32) at or below word 2."""
    move = np.uint32(shift)
    for i in range(n):
        word = w[i + W2]
        k = guide[word >> move]
        while edge[k] <= np.uint64(word):
            k += 1
        out[i] = first + k


@jit
def draw_counted(
    mode: int, first: int, counts: Any, sources: int, autapses: bool, k0: Any, k1: Any,
    law: int, number: Any, tick: int, edge: Any, guide: Any, shift: int,
    pre: Any, post: Any, weight: Any, ticks: Any, stamp: Any,
) -> None:  # fmt: skip
    """All synapses of the targets first, first + 1, ... that have counts[i] of them each.

    Empty ``weight`` or ``ticks`` are not drawn. ``stamp`` [sources] int32 holds no target at first
    (mode DISTINCT only): R. W. Floyd's sampling without replacement (Bentley, Floyd: Programming
    pearls, CACM 30 (1987) 754), one draw a synapse.
    """
    w = np.empty(6 * BLOCK, np.uint32)
    stream, n = np.uint64(0), pre.size
    drawn = mode == 1 or mode == 2 or weight.size > 0 or ticks.size > 0
    at = t = i = 0
    while at < n:
        m = min(BLOCK, n - at)
        j = 0
        while j < m:
            while i >= counts[t]:
                t += 1
                i = 0
            run = min(m - j, counts[t] - i)
            for r in range(run):
                w[j + r + INDEX] = np.uint32(i + r)
                w[j + r + OWNER] = np.uint32(first + t)
                post[at + j + r] = np.int32(first + t)
            i += run
            j += run
        if drawn:
            words(m, stream, k0, k1, w)
        if mode == 1 and autapses:
            for j in range(m):
                pre[at + j] = np.int32(below(w[j + W0], w[j + W3], sources))
        elif mode == 1:
            for j in range(m):
                own = np.int64(w[j + OWNER])
                s = np.int64(below(w[j + W0], w[j + W3], sources - (1 if own < sources else 0)))
                pre[at + j] = np.int32(s + (1 if s >= own else 0))
        elif mode == 2:
            for j in range(m):
                own = np.int64(w[j + OWNER])
                inside = not autapses and own < sources
                most = sources - (1 if inside else 0) - counts[own - first] + np.int64(w[j + INDEX])
                s = np.int64(below(w[j + W0], w[j + W3], most + 1))
                place = s + (1 if inside and s >= own else 0)
                if stamp[place] == own:
                    place = most + (1 if inside and most >= own else 0)
                stamp[place] = np.int32(own)
                pre[at + j] = np.int32(place)
        elif mode == 0:
            for j in range(m):
                own, s = np.int64(w[j + OWNER]), np.int64(w[j + INDEX])
                pre[at + j] = np.int32(s + (1 if not autapses and s >= own else 0))
        else:
            for j in range(m):
                pre[at + j] = np.int32(w[j + OWNER])
        if weight.size > 0:
            values(m, law, number, w, weight[at : at + m])
        if ticks.size > 0:
            lookup(m, w, tick, edge, guide, shift, ticks[at : at + m])
        at += m


@jit
def draw_bernoulli(
    first: int, last: int, sources: int, p: float, autapses: bool, k0: Any, k1: Any,
    law: int, number: Any, tick: int, edge: Any, guide: Any, shift: int,
    pre: Any, post: Any, weight: Any, ticks: Any,
) -> Any:  # fmt: skip
    """Every pair with probability p, source by source in geometric steps (0 < p <= 1).

    Stops before the first target that does not fit whole; returns (synapses, next target). Steps:
    L. Devroye: Non-uniform random variate generation (1986), X.2; C. T. Fan et al. (1962).
    """
    w = np.empty(6 * BLOCK, np.uint32)
    step = np.empty(BLOCK, np.float64)
    weighted, timed = weight.size > 0, ticks.size > 0
    stream, room = np.uint64(0), pre.size
    scale = 1.0 / np.log1p(-p) if p < 1.0 else 0.0
    at = 0
    for target in range(first, last):
        begin, source, drawn = at, -1, 0
        while source < sources:
            left = p * (sources - source)
            m = min(BLOCK, int(left + 2.0 * np.sqrt(left)) + 2)
            for j in range(m):
                w[j + INDEX] = np.uint32(drawn + j)
                w[j + OWNER] = np.uint32(target)
            drawn += m
            words(m, stream, k0, k1, w)
            for j in range(m):
                u = (np.uint64(w[j + W0]) << _21) | (np.uint64(w[j + W3]) >> _11)
                step[j] = np.log((np.float64(u) + 0.5) * _ULP53) * scale
            used = 0
            for j in range(m):
                if step[j] >= sources - source:
                    source = sources
                    break
                source += 1 + int(step[j])
                if source >= sources:
                    break
                if autapses or source != target:
                    if at + used >= room:
                        return begin, target
                    pre[at + used] = np.int32(source)
                    post[at + used] = np.int32(target)
                    # Words of synapses left out are passed over.
                    w[used + W1] = w[j + W1]
                    w[used + W2] = w[j + W2]
                    used += 1
            if weighted:
                values(used, law, number, w, weight[at : at + used])
            if timed:
                lookup(used, w, tick, edge, guide, shift, ticks[at : at + used])
            at += used
    return at, last


@jit
def draw_outgoing(
    first: int, last: int, sources: int, targets: int, k: int, distinct: bool, autapses: bool,
    k0: Any, k1: Any, law: int, number: Any, tick: int, edge: Any, guide: Any, shift: int,
    place: Any, pre: Any, weight: Any, ticks: Any, stamp: Any,
) -> None:  # fmt: skip
    """k targets of every source; kept are those in first .. last - 1, sorted by target.

    With an empty ``pre`` they are counted into ``place`` [last - first]; otherwise ``place`` says
    where each target's synapses begin, and is moved on.
    """
    w = np.empty(6 * BLOCK, np.uint32)
    drawn, late, to = np.empty(BLOCK), np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int64)
    stream, counting = np.uint64(2), pre.size == 0
    for source in range(sources):
        legal = targets - (1 if not autapses and source < targets else 0)
        skip = not autapses and source < targets
        for begin in range(0, k, BLOCK):
            m = min(BLOCK, k - begin)
            for j in range(m):
                w[j + INDEX] = np.uint32(begin + j)
                w[j + OWNER] = np.uint32(source)
            words(m, stream, k0, k1, w)
            used = 0
            for j in range(m):
                if distinct:
                    most = legal - k + begin + j
                    t = np.int64(below(w[j + W0], w[j + W3], most + 1))
                    t += 1 if skip and t >= source else 0
                    if stamp[t] == source:
                        t = most + (1 if skip and most >= source else 0)
                    stamp[t] = np.int32(source)
                else:
                    t = np.int64(below(w[j + W0], w[j + W3], legal))
                    t += 1 if skip and t >= source else 0
                if first <= t < last:
                    if counting:
                        place[t - first] += 1
                    else:
                        to[used] = place[t - first]
                        place[t - first] += 1
                        w[used + W1] = w[j + W1]
                        w[used + W2] = w[j + W2]
                        used += 1
            for j in range(used):
                pre[to[j]] = np.int32(source)
            if weight.size > 0:
                values(used, law, number, w, drawn)
                for j in range(used):
                    weight[to[j]] = drawn[j]
            if ticks.size > 0:
                lookup(used, w, tick, edge, guide, shift, late)
                for j in range(used):
                    ticks[to[j]] = late[j]


@jit
def _sample(n: int, k0: Any, k1: Any, out: Any) -> None:
    zero, stream = np.uint64(0), np.uint64(3)
    for i in range(n):
        c = np.uint64(i)
        out[i] = np.uint32(philox(c & _LOW, c >> _32, zero, stream, k0, k1)[1])


def sample_words(n: int, k0: np.uint64, k1: np.uint64) -> NDArray[np.uint32]:
    """n words of the stream SAMPLE."""
    out = np.empty(n, np.uint32)
    _sample(n, k0, k1, out)
    return out
