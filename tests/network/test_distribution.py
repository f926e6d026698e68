"""Distributions: their own functions agree with scipy's, and so do the draws of the fast loops."""

# pyright: reportArgumentType=false

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ranvier.errors import RanvierError
from ranvier.network import (
    Distribution,
    Exponential,
    LogNormal,
    Normal,
    Rule,
    TickTable,
    Uniform,
    distribution_from,
)
from ranvier.network._draw import key_of, philox

LAWS: list[tuple[Distribution, Any]] = [
    (Normal(2.0, 0.5), stats.norm(2.0, 0.5)),
    (Normal(87.8e-12, 8.78e-12, low=0.0), stats.truncnorm(-10, np.inf, 87.8e-12, 8.78e-12)),
    (Normal(1.0, 1.0, low=0.5, high=1.2), stats.truncnorm(-0.5, 0.2, 1.0, 1.0)),
    (Normal(0.0, 1.0, low=4.0), stats.truncnorm(4.0, np.inf)),
    (Normal(0.0, 1.0, high=-3.0), stats.truncnorm(-np.inf, -3.0)),
    (LogNormal(3.0, 0.7), stats.lognorm(0.7, scale=3.0)),
    (LogNormal(-3.0, 0.7), None),
    (LogNormal(1.0, 1.0, low=0.5, high=2.0), None),
    (LogNormal(1.0, 0.2, low=2.0), None),
    (Uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
    (Exponential(0.5, low=1.0), stats.expon(1.0, 0.5)),
    (Exponential(0.5, high=0.7), stats.truncexpon(1.4, 0.0, 0.5)),
]


@pytest.mark.parametrize("number", range(len(LAWS)))
def test_functions_are_scipys(number: int) -> None:
    law, scipys = LAWS[number]
    u = np.linspace(0.001, 0.999, 500)
    x = law.quantile(u)
    assert np.all(np.diff(x) >= 0)
    assert np.allclose(law.cdf(x), u, atol=1e-9)
    low, high = law.bounds()
    assert low <= x[0] <= x[-1] <= high
    assert np.isfinite([low, high]).all()
    if scipys is not None:
        assert np.allclose(x, scipys.ppf(u), rtol=1e-9)
        assert np.isclose(law.mean_value(), scipys.mean(), rtol=1e-3)


@pytest.mark.parametrize("number", range(len(LAWS)))
def test_the_loops_draw_the_same_law(number: int) -> None:
    law, _ = LAWS[number]
    rule = Rule("all_to_all", 200, 100, {}, law, 12)
    weight = rule.synapses().weight
    assert stats.kstest(weight, law.cdf).pvalue > 1e-3
    assert stats.kstest(law.sample(20_000, seed=5), law.cdf).pvalue > 1e-3
    low, high = law.bounds()
    assert low <= weight.min() < weight.max() <= high


def test_normals_reach_the_tails() -> None:
    from ranvier.network._draw import BLOCK, W1, normals

    scratch = np.zeros(6 * BLOCK, np.uint32)
    word = np.concatenate([2 ** np.arange(32), 2**32 - 2 ** np.arange(32)]).astype(np.uint32)
    scratch[W1 : W1 + word.size] = word
    out = np.empty(word.size)
    normals(word.size, scratch, 0.0, 1.0, out)
    expected = stats.norm.ppf((word.astype(np.float64) + 0.5) / 2**32)
    assert np.allclose(out, expected, rtol=1e-9)


def test_draws_are_numbered() -> None:
    law = Normal(0.0, 1.0)
    whole = law.sample((3, 5), seed=4)
    assert np.array_equal(law.sample(7, seed=4), whole.ravel()[:7])
    assert not np.array_equal(law.sample(7, seed=5), whole.ravel()[:7])


def test_the_generator_is_philox() -> None:
    """Known answers of Random123 (kat_vectors, philox4x32 with 10 rounds)."""
    full = 0xFFFFFFFF
    for counter, key, answer in (
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((full,) * 4, (full, full), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ):
        words = philox(*(np.uint64(v) for v in (*counter, *key)))
        assert " ".join(f"{int(w):08x}" for w in words) == answer


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_seeds_have_their_own_keys(a: int, b: int) -> None:
    assert (key_of(a) == key_of(b)) == (a == b)


@given(
    mean=st.floats(1e-4, 5e-3), spread=st.floats(0.0, 2.0), dt=st.sampled_from([1e-4, 1e-3, 3e-4])
)
def test_ticks_have_the_exact_probabilities(mean: float, spread: float, dt: float) -> None:
    law = Normal(mean, spread * mean, low=0.0)
    table = TickTable.of(law, dt)
    p = table.probability()
    assert np.isclose(p.sum(), 1)
    assert table.first >= 1
    tick = np.arange(table.first, table.last + 1)
    edges = law.cdf((tick + 0.5 - 1e-9) * dt) - np.where(
        tick == 1, 0.0, law.cdf((tick - 0.5 - 1e-9) * dt)
    )
    assert np.allclose(p, edges, atol=3e-9)
    assert p[0] > 0
    assert p[-1] > 0


@pytest.mark.parametrize(
    "law",
    [Normal(1.5e-3, 0.75e-3, low=1e-4), Uniform(1e-3, 1e-3), Uniform(0, 20e-3),
     Exponential(2e-3, low=1e-3), LogNormal(1e-3, 0.5)],
)  # fmt: skip
def test_delays_follow_the_table(law: Distribution) -> None:
    rule = Rule("fixed_indegree", 300, 200, {"k": 300}, 1.0, 3)
    ticks = np.concatenate([np.asarray(c.ticks) for c in rule.chunks(0, 200, delay=law, dt=1e-4)])
    table = TickTable.of(law, 1e-4)
    assert table.first <= ticks.min() <= ticks.max() <= table.last
    counts = np.bincount(ticks - table.first, minlength=table.edge.size)
    expected = table.probability() * ticks.size
    much = expected > 5
    assert np.isclose(counts[~much].sum(), expected[~much].sum(), atol=30)
    if much.sum() > 1:
        share = expected[much] * counts[much].sum() / expected[much].sum()
        assert stats.chisquare(counts[much], share).pvalue > 1e-3
    words = np.random.default_rng(0).integers(0, 2**32, 1000, dtype=np.uint32)
    assert np.all(np.diff(table.ticks(np.sort(words))) >= 0)


def test_half_a_tick_is_rounded_up() -> None:
    assert TickTable.of(Uniform(1.5e-4, 1.5e-4), 1e-4).first == 2
    assert TickTable.of(Uniform(0, 0), 1e-4).last == 1
    assert TickTable.of(Uniform(1e-3, 5e-3), 1e-4, most=20).last == 20


@given(st.sampled_from([law for law, _ in LAWS]))
def test_plain_data_and_back(law: Distribution) -> None:
    assert distribution_from(law.to_dict()) == law


NAN = float("nan")
BAD: list[tuple[Any, str]] = [
    (lambda: Normal(NAN, 1), "Normal.mean: must be a finite number; got nan"),
    (lambda: Normal("1", 1), "Normal.mean: must be a finite number; got '1'"),
    (lambda: Normal(0, True), "Normal.sd: must be a finite number; got True"),
    (lambda: Normal(0, -1), "Normal.sd: must not be negative; got -1"),
    (lambda: Normal(0, 1, low=2, high=1), "Normal.low: must not lie above high; got 2"),
    (lambda: Normal(1e-3, 1e-4, low=1), "the bounds leave nothing of the distribution"),
    (lambda: Normal(1, 0, low=2), "the bounds leave nothing"),
    (lambda: LogNormal(0, 1), "LogNormal.median: must not be 0"),
    (lambda: LogNormal(1, 1, high=-1), "the bounds leave nothing"),
    (lambda: Exponential(0), "Exponential.scale: must be positive; got 0"),
    (lambda: Exponential(1, low=1, high=1), "the bounds leave nothing"),
    (lambda: Uniform(2, 1), "Uniform.low: must not lie above high"),
    (lambda: distribution_from({"distribution": "nromal", "mean": 0, "sd": 1}),
     "did you mean 'normal'?"),
    (lambda: distribution_from({"distribution": "normal", "mean": 0, "std": 1}),
     "unknown parameter; got 'std'; allowed: high, low, mean, sd. did you mean 'sd'?"),
    (lambda: distribution_from({"distribution": "normal", "mean": 0}), "lacks a parameter"),
    (lambda: distribution_from({"distribution": ["normal"]}), "unknown distribution"),
    (lambda: distribution_from(7), "is not a distribution; got 7"),
    (lambda: Normal(0, 1).sample(-1, seed=0), "sample.size: needs a whole number"),
    (lambda: Normal(0, 1).sample(1, seed=-1), "sample.seed: needs a whole number"),
    (lambda: TickTable.of(Normal(1e-3, 1e-3), 1e-4), "may be negative"),
    (lambda: TickTable.of(Uniform(0, 1e6), 1e-4), "spreads over more ticks than can be kept"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_distributions_are_told(number: int) -> None:
    make, message = BAD[number]
    with pytest.raises(RanvierError) as caught:
        make()
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1
