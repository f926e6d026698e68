"""The random numbers: published vectors, scipy's distributions, and what a draw depends on."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ranvier.errors import RanvierError
from ranvier.neurons import _random as rnd

KNOWN = [  # Random123's kat_vectors, philox 4x32 with 10 rounds
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]  # fmt: skip


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_vectors(counter: tuple[int], key: tuple[int], expected: tuple[int]) -> None:
    found = rnd.philox(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert found.dtype == np.uint32
    assert tuple(found.tolist()) == expected


def test_blocks_in_bulk_are_the_single_ones() -> None:
    counter = np.arange(40, dtype=np.uint32).reshape(10, 4)
    key = np.array([3, 4], np.uint32)
    bulk = rnd.philox(counter, key)
    assert all(np.array_equal(bulk[i], rnd.philox(counter[i], key)) for i in range(10))


def test_layout_of_counter_and_key() -> None:
    seed, tick, index = (7 << 32) + 5, 4 * 1000 + 3, 2
    key = np.array([5, zlib.crc32("Süd".encode())], np.uint32)
    for second in (False, True):
        counter = np.array([9, 1000, index + 0x40000000 * second, 7], np.uint32)
        word = rnd.words(seed, "Süd", neurons=[9], tick=tick, index=index, second=second)
        assert word[0] == rnd.philox(counter, key)[3]
    with pytest.raises(RanvierError, match="seed"):
        rnd.words(2**64, "a", neurons=[0], tick=0, index=0)


def test_uniform_and_normal_in_distribution() -> None:
    neurons = np.arange(5000)
    for kind, law in (("uniform", stats.uniform), ("normal", stats.norm)):
        parts = [rnd.draw(kind, 1, "p", neurons=neurons, tick=t, index=1) for t in range(40)]
        x = np.concatenate(parts)
        assert stats.kstest(x, law.cdf).pvalue > 0.01
        assert abs(np.corrcoef(parts[0], parts[1])[0, 1]) < 0.05
    assert rnd.uniform(np.array([0, 2**32 - 1], np.uint32)).tolist() == [2.0**-33, 1 - 2.0**-33]
    largest = rnd.normal(np.zeros(1, np.uint32), np.zeros(1, np.uint32))
    assert 6.7 < largest[0] < 6.8


@pytest.mark.parametrize("mean", [1e-4, 0.08, 0.8, 5.0, 300.0, 10_000.0])
def test_poisson_table_is_the_distribution_function(mean: float) -> None:
    table = rnd.poisson_table(mean)
    cdf = stats.poisson.cdf(np.arange(table.size), mean) * 2.0**32
    assert np.all(np.abs(table - np.ceil(cdf)) <= 1 + 1e-9 * cdf)
    assert np.all(np.diff(table.astype(np.int64)) >= 0)
    assert stats.poisson.cdf(table.size, mean) > 1 - 2.0**-31
    words = np.random.default_rng(5).integers(0, 2**32, 200_000, dtype=np.uint32)
    counts = rnd.poisson(words, mean)
    assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / words.size))
    assert counts.var() == pytest.approx(mean, rel=0.02 + 5 / np.sqrt(mean * words.size))


@given(st.floats(0, 30), st.integers(0, 2**32 - 1))
def test_a_count_is_the_number_of_limits_passed(mean: float, word: int) -> None:
    table = rnd.poisson_table(mean)
    count = int(rnd.poisson(np.array([word], np.uint32), mean)[0])
    assert count == sum(int(limit) <= word for limit in table)
    u = word / 2**32  # the inverse of the distribution function, but for rounding at its steps
    assert stats.poisson.cdf(count - 1, mean) <= u + 1e-12 if count else True
    assert stats.poisson.cdf(count, mean) > u - 1e-12


def test_means_out_of_range() -> None:
    assert rnd.poisson_table(0.0).size == 0
    for bad in (-1.0, 10_001.0, float("nan"), float("inf")):
        with pytest.raises(RanvierError, match="mean count per tick"):
            rnd.poisson_table(bad)


def test_one_mean_for_each_neuron() -> None:
    means = np.tile([0.0, 0.5, 4.0], 20_000)
    kind = "poisson:m"
    x = rnd.draw(
        kind, 3, "p", neurons=np.arange(60_000), tick=8, index=0, values={"m": means}
    ).reshape(-1, 3)
    assert x.mean(axis=0) == pytest.approx([0, 0.5, 4.0], abs=0.05)
