"""Rules: the laws of their degrees, and that nothing but the seed decides a synapse."""

# pyright: reportArgumentType=false

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))
import nets  # pyright: ignore[reportMissingImports]
from ranvier.errors import RanvierError
from ranvier.network import (
    Chunk,
    Exponential,
    Grid,
    LogNormal,
    Network,
    Normal,
    Projection,
    Rule,
    Space,
    Uniform,
    _space,
    estimate,
    load,
    refuse_too_large,
)
from ranvier.network._space import probability

NAMES = [
    "all_to_all", "one_to_one", "fixed_probability", "fixed_indegree", "fixed_outdegree",
    "fixed_total_number", "distance_gaussian", "distance_box",
]  # fmt: skip


def make(
    name: str, pre: int, post: int, seed: int = 0, *, autapses: bool = True, multapses: bool = True,
    weight: Any = 1.0, size: int = 3, p: float = 0.3,
) -> Rule:  # fmt: skip
    """A rule of a sensible size; k and n are cut to what is possible."""
    own = 0 if autapses else 1
    post = pre if name == "one_to_one" else post
    pairs = pre * post - own * min(pre, post)
    k = {"fixed_indegree": pre - own, "fixed_outdegree": post - own}.get(name, 0)
    parameters = {
        "fixed_probability": {"p": p},
        "fixed_indegree": {"k": min(size, k)},
        "fixed_outdegree": {"k": min(size, k)},
        "fixed_total_number": {"n": min(size * post, pairs)},
        "distance_gaussian": {"p_max": p, "sigma": 0.2},
        "distance_box": {"p_max": p, "radius": 0.4},
    }.get(name, {})
    space = None
    if name.startswith("distance"):
        rng = np.random.default_rng(seed % 1000)
        space = Space(rng.random((pre, 2)), rng.random((post, 2)), 1.0 if seed % 2 else None)
    return Rule(name, pre, post, parameters, weight, seed, autapses, multapses, space)


def joined(chunks: list[Chunk]) -> list[np.ndarray]:
    none = np.zeros(0, np.int32)
    return [
        np.concatenate([none, *(c.pre for c in chunks)]),
        np.concatenate([none, *(c.post for c in chunks)]),
        np.concatenate([none, *(np.broadcast_to(c.weight, c.pre.shape) for c in chunks)]),
        np.concatenate([none, *(np.asarray(c.ticks) for c in chunks)]),
    ]


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(NAMES), pre=st.integers(1, 40), post=st.integers(1, 40),
    seed=st.integers(0, 2**128 - 1), autapses=st.booleans(), multapses=st.booleans(),
    size=st.integers(0, 12), most=st.integers(1, 200), data=st.data(),
)  # fmt: skip
def test_nothing_but_the_seed_decides(
    name: str, pre: int, post: int, seed: int, autapses: bool, multapses: bool, size: int,
    most: int, data: st.DataObject,
) -> None:  # fmt: skip
    """Any range, any size of chunk, with or without weights and delays: the same synapses."""
    rule = make(name, pre, post, seed, autapses=autapses, multapses=multapses,
                weight=Normal(1.0, 0.5), size=size)  # fmt: skip
    post = rule.n_post
    delay = Exponential(1e-3, low=1e-3, high=9e-3)
    whole = joined(list(rule.chunks(0, post, delay=delay, dt=1e-3)))
    chunks = list(rule.chunks(0, post, delay=delay, dt=1e-3, most=most))
    for a, b in zip(whole, joined(chunks), strict=True):
        assert np.array_equal(a, b)
    for chunk in chunks:
        assert chunk.pre.size
        assert chunk.pre.size <= most or np.unique(chunk.post).size == 1
    for a, b in pairwise(chunks):
        assert a.post[-1] < b.post[0]
    first = data.draw(st.integers(0, post))
    last = data.draw(st.integers(first, post))
    some = joined(list(rule.chunks(first, last, delay=delay, dt=1e-3, most=most)))
    inside = (whole[1] >= first) & (whole[1] < last)
    for a, b in zip(whole, some, strict=True):
        assert np.array_equal(a[inside], b)
    light = joined(list(rule.chunks(first, last, delay=delay, dt=1e-3, weights=False)))
    for a, b in zip((some[0], some[1], some[3]), (light[0], light[1], light[3]), strict=True):
        assert np.array_equal(a, b)
    assert light[2].size == 0 or np.isnan(light[2]).all()
    pre_, post_, _, ticks = whole
    assert np.all(np.diff(post_) >= 0)
    assert rule.count() == pre_.size <= rule.most()
    if pre_.size:
        assert 0 <= pre_.min() <= pre_.max() < pre
        assert 1 <= ticks.min() <= ticks.max() <= 9
    assert autapses or not np.any(pre_ == post_)
    if not multapses or name not in ("fixed_indegree", "fixed_outdegree", "fixed_total_number"):
        assert np.unique(pre_ * np.int64(post) + post_).size == pre_.size
    k = int(rule.parameters.get("k", 0))
    if name == "fixed_indegree":
        assert np.all(np.bincount(post_, minlength=post) == k)
    if name == "fixed_outdegree":
        assert np.all(np.bincount(pre_, minlength=pre) == k)
    if name == "fixed_total_number":
        assert pre_.size == rule.parameters["n"]
    if name in ("all_to_all", "one_to_one"):
        assert pre_.size == rule.most()
    listed = rule.synapses()
    order = np.argsort(pre_, kind="stable")
    assert np.array_equal(listed.pre, pre_[order])
    assert np.array_equal(listed.post, post_[order])
    assert np.array_equal(listed.weight, whole[2][order])


@pytest.mark.parametrize("name", NAMES)
def test_threads_draw_at_once(name: str) -> None:
    rule = make(name, 300, 400, 5, weight=Normal(1.0, 0.5), size=40)
    ranges = [(a, min(rule.n_post, a + 57)) for a in range(0, rule.n_post, 57)]
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda r: list(rule.chunks(*r, delay=Uniform(0, 1), dt=0.1)), ranges))
    one = joined(list(rule.chunks(0, rule.n_post, delay=Uniform(0, 1), dt=0.1)))
    for a, b in zip(one, joined([c for part in parts for c in part]), strict=True):
        assert np.array_equal(a, b)


def fits(counts: np.ndarray, probability: np.ndarray) -> bool:
    """Chi-square with rare classes put together at both ends."""
    expected = probability * counts.sum()
    keep = expected >= 8
    c, e = counts[keep], expected[keep]
    c = np.append(c, counts.sum() - c.sum())
    e = np.append(e, max(counts.sum() - e.sum(), 1e-9))
    if e[-1] < 5:
        c, e = np.append(c[:-2], c[-2] + c[-1]), np.append(e[:-2], e[-2] + e[-1])
    return bool(stats.chisquare(c, e * c.sum() / e.sum()).pvalue > 1e-3)


def degrees(rule: Rule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    s = rule.synapses()
    return (
        np.bincount(s.post, minlength=rule.n_post),
        np.bincount(s.pre, minlength=rule.n_pre),
        np.bincount(s.pre * rule.n_post + s.post, minlength=rule.n_pre * rule.n_post),
    )


@pytest.mark.parametrize("p", [0.002, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("autapses", [True, False])
def test_pairwise_bernoulli(p: float, autapses: bool) -> None:
    """In- and out-degrees are binomial."""
    n = 1500
    rule = Rule("fixed_probability", n, n, {"p": p}, 1.0, 3, autapses)
    into, out, pairs = degrees(rule)
    assert pairs.max() == 1
    for found in (into, out):
        law = stats.binom.pmf(np.arange(n + 1), n - (not autapses), p)
        if p < 1:
            assert fits(np.bincount(found, minlength=n + 1), law)
        else:
            assert np.all(found == n - (not autapses))
    assert abs(rule.expected() - into.sum()) <= 5 * np.sqrt(rule.expected() * (1 - p))


@pytest.mark.parametrize("autapses", [True, False])
def test_fixed_degrees_choose_uniformly(autapses: bool) -> None:
    n, k = 400, 300
    own = 0 if autapses else 1
    for name, side in (("fixed_indegree", 1), ("fixed_outdegree", 0)):
        found = degrees(Rule(name, n, n, {"k": k}, 1.0, 4, autapses))
        law = stats.binom.pmf(np.arange(n * k + 1), n * k - own * k, 1 / (n - own))
        assert fits(np.bincount(found[side], minlength=n * k + 1), law)
        # Pairs: Poisson-like multapses, each with the binomial law of k draws.
        pairs = found[2].reshape(n, n)[~np.eye(n, dtype=bool)]
        pair = stats.binom.pmf(np.arange(k + 1), k, 1 / (n - own))
        assert fits(np.bincount(pairs, minlength=k + 1), pair)


@pytest.mark.parametrize("autapses", [True, False])
@pytest.mark.parametrize("name", ["fixed_indegree", "fixed_outdegree", "fixed_total_number"])
def test_without_replacement_every_set_is_as_likely(name: str, autapses: bool) -> None:
    """All C(5, 2) (or C(4, 2)) sets of one target, and all pairs of the total, alike."""
    counts: dict[tuple[int, ...], int] = {}
    parameters = {"n": 2} if name == "fixed_total_number" else {"k": 2}
    for seed in range(3000):
        s = Rule(name, 5, 5, parameters, 1.0, seed, autapses, False).synapses()
        pair = s.pre * 5 + s.post
        if name == "fixed_indegree":
            pair = pair[s.post == 1]
        if name == "fixed_outdegree":
            pair = pair[s.pre == 1]
        key = tuple(sorted(pair.tolist()))
        assert len(set(key)) == 2
        counts[key] = counts.get(key, 0) + 1
    choices = 25 - 5 * (not autapses) if name == "fixed_total_number" else 5 - (not autapses)
    sets = choices * (choices - 1) // 2
    if sets < 100:
        assert len(counts) == sets
    found = np.array([*counts.values(), *[0] * (sets - len(counts))])
    assert stats.chisquare(found).pvalue > 1e-3


@pytest.mark.parametrize("multapses", [True, False])
@pytest.mark.parametrize("autapses", [True, False])
@pytest.mark.parametrize("n", [700, 30_000])
def test_the_total_is_spread_as_by_drawing_pairs(n: int, autapses: bool, multapses: bool) -> None:
    """Into and out of each neuron: binomial (distinct pairs: hypergeometric)."""
    pre, post = 300, 500
    rule = Rule("fixed_total_number", pre, post, {"n": n}, 1.0, 8, autapses, multapses)
    into, out, pairs = degrees(rule)
    assert into.sum() == n
    assert multapses or pairs.max() == 1
    all_pairs = pre * post - (0 if autapses else min(pre, post))
    # Only targets beyond the sources have all of them where autapses are forbidden.
    for found, choices in (
        (into[pre:], pre), (into[:pre], pre - (not autapses)), (out, post - (not autapses)),
    ):  # fmt: skip
        support = np.arange(n + 1)
        law = (
            stats.binom.pmf(support, n, choices / all_pairs) if multapses
            else stats.hypergeom.pmf(support, all_pairs, choices, n)
        )  # fmt: skip
        assert fits(np.bincount(found, minlength=n + 1), np.nan_to_num(law))


def test_small_totals_are_multinomial() -> None:
    """Counts of 3 targets with 4 synapses, over seeds: the joint law, cell by cell."""
    for multapses in (True, False):
        counts: dict[tuple[int, ...], int] = {}
        for seed in range(4000):
            rule = Rule("fixed_total_number", 3, 3, {"n": 4}, 1.0, seed, multapses=multapses)
            key = tuple(rule.indegrees(0, 3).tolist())
            counts[key] = counts.get(key, 0) + 1
        keys = [(a, b, 4 - a - b) for a in range(5) for b in range(5 - a)]
        law = [
            stats.multinomial.pmf(k, 4, [1 / 3] * 3) if multapses
            else stats.multivariate_hypergeom.pmf(k, [3, 3, 3], 4)
            for k in keys
        ]  # fmt: skip
        assert fits(np.array([counts.get(k, 0) for k in keys]), np.nan_to_num(np.array(law)))


def test_large_totals_are_split_exactly() -> None:
    n = 3 * 10**8
    rule = Rule("fixed_total_number", 77_000, 20_000, {"n": n}, 1.0, 1)
    into = rule.indegrees(0, 20_000)
    assert into.sum() == n
    z = (into - n / 20_000) / np.sqrt(n / 20_000)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert np.array_equal(rule.indegrees(777, 1000), into[777:1000])


@pytest.mark.parametrize("period", [None, 1.0])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("distance_gaussian", {"sigma": 0.15}), ("distance_exponential", {"lambda": 0.1}),
     ("distance_linear", {"radius": 0.5}), ("distance_box", {"radius": 0.3}),
     ("distance_gaussian", {"sigma": 2.0, "radius": 0.4})],
)  # fmt: skip
def test_distances(
    name: str, parameters: dict[str, float], axes: int, period: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each pair is connected as often as its distance says, over seeds and pairs."""
    monkeypatch.setattr(_space, "PER_CELL", 4)  # so that few neurons lie in many cells
    rng = np.random.default_rng(1)
    pre, post = rng.random((90, axes)), rng.random((70, axes)) * 1.2 - 0.1
    space, parameters = Space(pre, post, period), {"p_max": 0.8, **parameters}
    step = pre[None] - post[:, None]
    if period:
        step -= np.rint(step)
    p = probability(name, parameters, np.sqrt((step**2).sum(axis=2)))
    found = np.zeros((70, 90))
    seeds = 60
    for seed in range(seeds):
        rule = Rule(name, 90, 70, parameters, 1.0, seed, space=space)
        s = rule.synapses()
        assert np.unique(s.pre * 70 + s.post).size == s.pre.size
        np.add.at(found, (s.post, s.pre), 1)
    assert np.all(found[p == 0] == 0)
    assert np.all(found[p == 1] == seeds)
    assert np.isclose(rule.expected(), p.sum())
    # Pairs of about the same probability together.
    edges = np.quantile(p[p > 0], np.linspace(0, 1, 12))
    for low, high in pairwise(edges):
        inside = (p >= low) & (p <= high) & (p > 0)
        mean, var = p[inside].sum() * seeds, (p * (1 - p))[inside].sum() * seeds
        assert abs(found[inside].sum() - mean) < 4.5 * np.sqrt(var + 1)


def test_certain_neighbours_on_a_torus() -> None:
    grid = Grid((6, 5), (6.0, 5.0))
    rule = Rule("distance_box", 30, 30, {"p_max": 1.0, "radius": 1.1}, 1.0, 0, False,
                space=Space(grid, grid, (6.0, 5.0)))  # fmt: skip
    s = rule.synapses()
    assert s.pre.size == 30 * 4 == rule.expected()
    near = rule.chunks(0, 1)
    assert sorted(next(near).pre.tolist()) == [1, 4, 5, 25]


def test_weights_and_delays_and_sources_are_independent() -> None:
    rule = Rule("fixed_indegree", 1000, 1000, {"k": 100}, Normal(0, 1), 2)
    pre, post, weight, ticks = joined(list(rule.chunks(0, 1000, delay=Uniform(1e-3, 0.1), dt=1e-3)))
    table = np.corrcoef([pre, post, weight, ticks])
    lag = [np.corrcoef(v[:-1], v[1:])[0, 1] for v in (pre, weight, ticks)]
    assert np.abs(table - np.eye(4)).max() < 5 / np.sqrt(pre.size)
    assert np.abs(lag).max() < 5 / np.sqrt(pre.size)


def test_a_rule_needs_no_loops_to_be_written_down() -> None:
    import subprocess

    text = (
        "import sys; from ranvier.network import *;"
        "Rule('fixed_total_number', 9, 9, {'n': 5}, Normal(1, 1), 0).most();"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


GRID = Grid((2, 2))
BAD: list[tuple[Any, str]] = [
    (lambda: Rule("fixed_indegree", 2, 2, {"K": 1}, 1.0, 0), "got ['K']; allowed: ['k']. did you"),
    (lambda: Rule("fixed_total_number", 2, 2, {"n": -1}, 1.0, 0), "Rule.n: must be a whole number"),
    (lambda: Rule("fixed_indegree", 0, 2, {"k": 1}, 1.0, 0), "there are no sources to draw from"),
    (lambda: Rule("fixed_indegree", 1, 1, {"k": 1}, 1.0, 0, False), "allow autapses=True"),
    (lambda: Rule("fixed_indegree", 5, 2, {"k": 6}, 1.0, 0, True, False),
     "cannot be drawn without multapses; got 6; allowed: 5 sources. allow multapses=True"),
    (lambda: Rule("fixed_indegree", 5, 2, {"k": 5}, 1.0, 0, False, False), "allowed: 4 sources"),
    (lambda: Rule("fixed_outdegree", 5, 2, {"k": 3}, 1.0, 0, True, False), "allowed: 2 targets"),
    (lambda: Rule("fixed_total_number", 5, 2, {"n": 11}, 1.0, 0, True, False), "10 pairs"),
    (lambda: Rule("fixed_total_number", 5, 0, {"n": 1}, 1.0, 0), "no pairs to draw from"),
    (lambda: Rule("one_to_one", 3, 4, {}, 1.0, 0), "needs as many targets as sources; got 3 -> 4"),
    (lambda: Rule("all_to_all", 3, 4, {}, 1.0, 0, 1), "Rule.autapses: must be True or False"),
    (lambda: Rule("all_to_all", 2**31, 4, {}, 1.0, 0), "Rule.n_pre: is too large"),
    (lambda: Rule("all_to_all", 3, 4, {}, 1.0, 2**128), "Rule.seed: is too large"),
    (lambda: Rule("all_to_all", 3, 4, 7, 1.0, 0), "must map names to numbers"),
    (lambda: Rule("all_to_all", 3, 4, {}, {"distribution": "normal"}, 0), "lacks a parameter"),
    (lambda: Rule("distance_box", 4, 4, {"p_max": 1, "radius": 1}, 1.0, 0), "needs the positions"),
    (lambda: Rule("distance_box", 4, 3, {"p_max": 1, "radius": 1}, 1.0, 0, space=Space(GRID, GRID)),
     "Rule.space.post: needs one position per neuron; got 4; allowed: 3"),
    (lambda: Rule("distance_box", 4, 4, {"p_max": 1, "radius": 0}, 1.0, 0, space=Space(GRID, GRID)),
     "Rule.radius: must be positive"),
    (lambda: Rule("distance_box", 4, 4, {"p_max": 1, "radus": 2}, 1.0, 0, space=Space(GRID, GRID)),
     "did you mean 'radius'?"),
    (lambda: Rule("distance_box", 4, 4, {"p_max": 1, "radius": 1}, 1.0, 0, space=9),
     "Rule.space: must be a Space; got int"),
    (lambda: Rule("all_to_all", 4, 4, {}, 1.0, 0, space=Space(GRID, GRID)), "does not depend on"),
    (lambda: Space(GRID, [[1.0], [2.0]]), "has other axes than Space.pre; got 1; allowed: 2"),
    (lambda: Space(GRID, [[1.0, float("nan")]]), "Space.post[0]: holds NaN or infinity"),
    (lambda: Space(GRID, GRID, -1), "Space.period: needs 2 positive lengths"),
    (lambda: Space(GRID, "x"), "Space.post: must hold numbers"),
    (lambda: Grid((1, 2, 3, 4)), "Grid.shape: needs 1 to 3 axes"),
    (lambda: Grid((2, 2), (1.0,)), "Grid.extent: needs 2 positive lengths"),
    (lambda: list(Rule("all_to_all", 3, 4, {}, 1.0, 0).chunks(0, 5)),
     "asks for targets that are not there; got 0..5; allowed: 0..4"),
    (lambda: list(Rule("all_to_all", 3, 4, {}, 1.0, 0).chunks(0, 4, delay=Uniform(0, 1))),
     "needs dt"),
    (lambda: list(Rule("all_to_all", 3, 4, {}, 1.0, 0).chunks(0, 4, most=0)), "at least 1; got 0"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_rules_are_told(number: int) -> None:
    make, message = BAD[number]
    with pytest.raises(RanvierError) as caught:
        make()
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1


def drawn_network() -> Network:
    grid, ring = Grid((4, 5), (2.0, 2.5)), (2.0, 2.5)
    rng = np.random.default_rng(0)
    rules = {
        "fixed": Rule("fixed_total_number", 20, 20, {"n": 90}, LogNormal(-0.1, 0.4, high=-1e-3), 3,
                      autapses=False, multapses=False),
        "near": Rule("distance_gaussian", 20, 20, {"p_max": 0.9, "sigma": 0.7}, 0.2, 2**100,
                     space=Space(grid, grid, ring)),
        "far": Rule("distance_linear", 20, 20, {"p_max": 0.5, "radius": 2.0}, Uniform(0.1, 0.2), 5,
                    space=Space(rng.random((20, 3)), rng.random((20, 3)))),
    }  # fmt: skip
    law = Normal(4e-3, 2e-3, low=1e-3)
    return Network(
        populations=(nets.source("in", 20), nets.lif("a", 20)),
        projections=tuple(
            Projection(source="in" if name == "far" else "a", target="a", connectivity=rule,
                       name=name, delay=law if name != "near" else 2e-3)
            for name, rule in rules.items()
        ),
        outputs=("a",),
    )  # fmt: skip


def test_bundles_keep_every_field(tmp_path: Path) -> None:
    net = drawn_network()
    net.save(tmp_path / "n")
    back = load(tmp_path / "n")
    assert back.hash == net.hash
    assert back.to_text() == net.to_text()
    assert back.projection("fixed").delay == Normal(4e-3, 2e-3, low=1e-3)
    for a, b in zip(net.projections, back.projections, strict=True):
        for x, y in zip(a.connectivity.synapses(), b.connectivity.synapses(), strict=True):
            assert np.array_equal(x, y)
    text = net.to_text()
    assert "delay normal(mean=0.004, sd=0.002, low=0.001)" in text
    assert "weight lognormal(median=-0.1, sigma=0.4, high=-0.001) seed 3 no autapses" in text
    assert "from grid (4, 5) of (2.0, 2.5) to grid" in text


HOSTILE: list[tuple[tuple[Any, ...], Any]] = [
    (("delay",), {"distribution": "normal", "mean": 1e-3}),
    (("delay",), {"distribution": "normal", "mean": 1e-3, "sd": 1.0}),
    (("delay",), {"distribution": "__class__"}),
    (("delay",), {"distribution": {}, "mean": 0}),
    (("delay",), {"mean": 1}),
    (("connectivity", "weight"), {"distribution": "uniform", "low": "a", "high": 2}),
    (("connectivity", "weight"), [1.0, 2.0]),
    (("connectivity", "parameters"), {"n": 1e300}),
    (("connectivity", "parameters"), {"n": {}}),
    (("connectivity", "parameters"), [1]),
    (("connectivity", "n_pre"), 10**30),
    (("connectivity", "multapses"), "no"),
    (("connectivity", "space"), {"pre": {"shape": [20], "extent": [1.0]}}),
    (("connectivity", "space"), {"pre": 1, "post": 2}),
    (("connectivity", "more"), 1),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_damaged_rule_is_told(number: int) -> None:
    """Plain data that says something else: one clear error, never a strange one."""
    from ranvier.network._bundle import decode, encode

    path, value = HOSTILE[number]
    document, arrays = encode(drawn_network())
    place = document["projections"][0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises((RanvierError, TypeError)):
        decode(document, arrays)


def test_distributions_of_delays_belong_to_rules() -> None:
    with pytest.raises(RanvierError, match=r"can be a distribution only where.*sample"):
        Projection(source="a", target="b", connectivity=np.ones((2, 2)), delay=Uniform(0, 1))
    rule = Rule("all_to_all", 2, 2, {}, 1.0, 0)
    with pytest.raises(RanvierError, match=r"may be negative.*truncate it"):
        Projection(source="a", target="b", connectivity=rule, delay=Normal(1e-3, 1e-3))


def test_estimates_need_no_drawing() -> None:
    rule = Rule("fixed_total_number", 10**6, 10**6, {"n": 10**10}, 1.0, 0)
    big = Projection(source="a", target="b", connectivity=rule)
    assert estimate(big, 10.0) == (1e10, 10**10, 1e11)
    net = drawn_network()
    assert estimate(net).most == 90 + 400 + 400
    assert refuse_too_large(net, 1e6).bytes < 1e6
    with pytest.raises(RanvierError, match=r"would not fit memory.*scale the network down"):
        refuse_too_large(net, 100)
