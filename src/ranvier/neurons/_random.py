"""The random numbers of kernels, plainly: the reference that engines must equal bit for bit.

A number depends on (seed, population, neuron, tick, which draw) and on nothing else, so threads,
order of visiting and restarts cannot change it (Salmon et al. 2011, Parallel random numbers: as
easy as 1, 2, 3, SC11, doi:10.1145/2063384.2063405: Philox4x32-10).

The block of four words for draw number d of neuron i (its index in its population) has

- counter ``(i, tick >> 2, d + 0x40000000*j, seed >> 32)``,
- key ``(seed & 0xffffffff, crc32(name of the population in UTF-8))``,

and word number ``tick & 3`` of it belongs to the tick, so that a block serves four ticks. j is 0
except for the second word that a normal number takes (j = 1).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import fail
from ranvier.neurons._kernel import Kernel

__all__ = [
    "MAX_MEAN",
    "draw",
    "draws_of",
    "normal",
    "philox",
    "poisson",
    "poisson_table",
    "uniform",
    "words",
]

Words = NDArray[np.uint32]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
"""Salmon et al. 2011, section 4.3 and table 2: multipliers, key increments (golden ratio and
sqrt(3) - 1), rounds."""

SECOND_WORD = 0x40000000
"""Added to the draw's number in the counter for the second word of a draw."""

MAX_MEAN = 10_000.0
"""Largest mean of a Poisson count per tick: a table longer than the caches helps nobody."""


def philox(counter: Words, key: Words) -> Words:
    """Philox4x32-10 of counters [..., 4] under keys [..., 2]: words [..., 4] (all uint32)."""
    c0, c1, c2, c3 = (np.asarray(counter, np.uint64)[..., i] for i in range(4))
    k0, k1 = (np.asarray(key, np.uint64)[..., i] for i in range(2))
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(_ROUNDS):
        a, b = np.uint64(_MULTIPLIERS[0]) * c0, np.uint64(_MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (b >> shift) ^ c1 ^ k0, b & low, (a >> shift) ^ c3 ^ k1, a & low
        k0, k1 = (k0 + np.uint64(_WEYL[0])) & low, (k1 + np.uint64(_WEYL[1])) & low
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1).astype(np.uint32)


def words(
    seed: int, population: str, *, neurons: ArrayLike, tick: int, index: int, second: bool = False
) -> Words:
    """The 32-bit word of each of ``neurons`` at ``tick`` for draw number ``index``.

    ``seed``: 0 to 2**64 - 1. ``second``: the other word of a draw that takes two.
    """
    if not 0 <= seed < 2**64:
        raise fail("bad-seed", "random numbers", "the seed is out of range", got=seed,
                   limit="0 to 2**64 - 1")  # fmt: skip
    which = np.asarray(neurons, np.uint32)
    counter = np.empty((*which.shape, 4), np.uint32)
    counter[..., 0] = which
    counter[..., 1] = (tick >> 2) & 0xFFFFFFFF
    counter[..., 2] = index + (SECOND_WORD if second else 0)
    counter[..., 3] = seed >> 32
    key = np.array([seed & 0xFFFFFFFF, zlib.crc32(population.encode())], np.uint32)
    return philox(counter, key)[..., tick & 3]


def uniform(word: Words) -> NDArray[np.float64]:
    """(word + 1/2) / 2**32, which is neither 0 nor 1."""
    return (np.asarray(word, np.float64) + 0.5) * 2.0**-32


def normal(word: Words, second: Words) -> NDArray[np.float64]:
    """sqrt(-2 ln u) cos(2 pi u') of two uniform words (Box & Muller 1958, Ann. Math. Stat. 29:610).

    No number is beyond +-6.8: the smallest u is 2**-33.
    """
    return np.sqrt(-2.0 * np.log(uniform(word))) * np.cos(2.0 * np.pi * uniform(second))


@lru_cache(maxsize=4096)
def _table(mean: float) -> Words:
    limits: list[int] = []
    with localcontext() as context:  # decimal: the same table on every machine and library
        context.prec = 40
        m = Decimal(mean)
        term = total = (-m).exp()
        scale = Decimal(2**32)
        limit = int((total * scale).to_integral_value(ROUND_CEILING))
        while limit < 2**32:
            limits.append(limit)
            term = term * m / len(limits)
            total += term
            limit = int((total * scale).to_integral_value(ROUND_CEILING))
    table = np.array(limits, np.uint32)
    table.setflags(write=False)
    return table


def poisson_table(mean: float) -> Words:
    """Ascending limits uint32 [k]: the count of a uniform word w is the number of limits <= w.

    Limit k is ceil(2**32 * P(count <= k)); those that reach 2**32 are left out, so a mean of 0
    gives an empty table. Raises RanvierError for a mean per tick that is negative or above
    ``MAX_MEAN``.
    """
    if not 0.0 <= mean <= MAX_MEAN:
        raise fail("bad-poisson-mean", "random numbers", "the mean count per tick is out of range",
                   got=mean, limit=f"0 to {MAX_MEAN:g}",
                   hint="lower the rate, or use a normal noise of the same mean and variance",
                   )  # fmt: skip
    return _table(float(mean))


def poisson(word: Words, mean: ArrayLike) -> NDArray[np.float64]:
    """Counts of uniform words for a mean, or for a mean each."""
    word = np.asarray(word, np.uint32)
    means = np.broadcast_to(np.asarray(mean, np.float64), word.shape)
    counts = np.empty(word.shape)
    for value in np.unique(means):
        here = means == value
        counts[here] = np.searchsorted(poisson_table(float(value)), word[here], side="right")
    return counts


def draw(
    kind: str, seed: int, population: str, *, neurons: ArrayLike, tick: int, index: int,
    values: Mapping[str, Any] | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Entry ``kind`` = ``Kernel.draws[index]`` for each of ``neurons`` at ``tick``, float64 [n].

    ``values`` holds the kernel parameters (floats or [n]), of which a Poisson draw needs its mean.
    """
    word = words(seed, population, neurons=neurons, tick=tick, index=index)
    if kind == "uniform":
        return uniform(word)
    if kind == "normal":
        other = words(seed, population, neurons=neurons, tick=tick, index=index, second=True)
        return normal(word, other)
    return poisson(word, (values or {})[kind.partition(":")[2]])


def draws_of(
    kernel: Kernel, seed: int, population: str, *, neurons: ArrayLike, tick: int,
    values: Mapping[str, Any],
) -> list[NDArray[np.float64]]:  # fmt: skip
    """What the step takes after its params at ``tick``: float64 [n] for each of its draws."""
    return [
        draw(kind, seed, population, neurons=neurons, tick=tick, index=index, values=values)
        for index, kind in enumerate(kernel.draws)
    ]
