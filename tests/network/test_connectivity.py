"""Connectivity enumerates what torch and plain loops compute; bad geometry gets a clear error."""

# pyright: reportArgumentType=false

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.network import Connectivity, Conv, Dense, Normal, OneToOne, Pool, Rule, Sparse


def dense(c: Connectivity) -> np.ndarray:
    s = c.synapses()
    matrix = np.zeros(c.sizes()[::-1])
    np.add.at(matrix, (s.post, s.pre), s.weight)
    return matrix


def canonical(c: Connectivity) -> None:
    """Sorted by source; every origin is a place in the user's weights."""
    s = c.synapses()
    assert np.all(np.diff(s.pre) >= 0)
    assert s.pre.dtype == s.post.dtype == s.origin.dtype == np.int64
    assert c.count() == s.pre.size <= c.most()
    assert isinstance(c, Rule) or c.expected() == s.pre.size
    weights = getattr(c, "weights", None)
    if weights is not None:
        assert np.array_equal(np.asarray(weights).ravel()[s.origin], s.weight)


@given(st.data())
def test_convolution_is_torchs(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    axes = data.draw(st.sampled_from([1, 2]))
    groups = data.draw(st.sampled_from([1, 2]))
    channels = (data.draw(st.integers(1, 2)) * groups, data.draw(st.integers(1, 2)) * groups)
    per_axis = st.tuples(*[st.integers(1, 3)] * axes)
    kernel, stride, dilation = (data.draw(per_axis) for _ in range(3))
    padding = data.draw(st.tuples(*[st.integers(0, 2)] * axes))
    size = tuple(data.draw(st.integers(7, 9)) for _ in range(axes))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    weights = rng.normal(size=(channels[1], channels[0] // groups, *kernel))
    conv = Conv(weights, (channels[0], *size), stride, padding, dilation, groups)
    canonical(conv)
    x = rng.normal(size=(channels[0], *size))
    function = torch.nn.functional.conv1d if axes == 1 else torch.nn.functional.conv2d
    expected = function(
        torch.tensor(x)[None], torch.tensor(weights), None, stride, padding, dilation, groups
    )[0].numpy()
    assert conv.output_shape == expected.shape
    assert np.allclose(dense(conv) @ x.ravel(), expected.ravel(), atol=1e-12)


@given(st.data())
def test_pooling_is_torchs(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    axes = data.draw(st.sampled_from([1, 2]))
    kernel = data.draw(st.tuples(*[st.integers(2, 3)] * axes))
    stride = data.draw(st.none() | st.tuples(*[st.integers(1, 3)] * axes))
    padding = data.draw(st.tuples(*[st.integers(0, 1)] * axes))
    shape = (data.draw(st.integers(1, 3)), *(data.draw(st.integers(4, 7)) for _ in range(axes)))
    mode = data.draw(st.sampled_from(["sum", "average"]))
    pool = Pool(shape, kernel, mode, stride, padding, 0.5)
    canonical(pool)
    x = np.random.default_rng(0).normal(size=shape)
    function = torch.nn.functional.avg_pool1d if axes == 1 else torch.nn.functional.avg_pool2d
    expected = function(torch.tensor(x)[None], kernel, stride, padding)[0].numpy()
    scale = 0.5 * (np.prod(kernel) if mode == "sum" else 1)
    assert pool.output_shape == expected.shape
    assert np.allclose(dense(pool) @ x.ravel(), scale * expected.ravel())


def test_asymmetric_padding_is_an_explicit_border() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, 1, 3, 2))
    given_pairs = Conv(weights, (1, 4, 4), padding=((0, 2), (1, 0)))
    x = rng.normal(size=(4, 4))
    wide = np.pad(x, ((0, 2), (1, 0)))
    plain = Conv(weights, (1, *wide.shape))
    assert given_pairs.output_shape == plain.output_shape
    assert np.allclose(dense(given_pairs) @ x.ravel(), dense(plain) @ wide.ravel())


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 30), st.integers(0, 99))
def test_dense_and_sparse_and_one_to_one(pre: int, post: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(post, pre))
    full = Dense(weights)
    canonical(full)
    assert np.array_equal(dense(full), weights)
    some = Sparse(
        rng.integers(0, pre, n), rng.integers(0, post, n), rng.normal(size=n), (pre, post)
    )
    canonical(some)
    by_hand = np.zeros((post, pre))
    for a, b, w in zip(some.pre, some.post, some.weights, strict=True):
        by_hand[b, a] += w
    assert np.allclose(dense(some), by_hand)
    each = OneToOne(rng.normal(size=pre), pre)
    canonical(each)
    assert np.array_equal(dense(each), np.diag(each.weights))
    shared = OneToOne(0.5, pre)
    assert np.array_equal(dense(shared), 0.5 * np.eye(pre))
    scipy = pytest.importorskip("scipy.sparse")
    csr = scipy.csr_array(weights * (np.abs(weights) > 0.5))
    assert np.array_equal(dense(Sparse.from_csr(csr)), csr.toarray())


@given(
    st.sampled_from(["all_to_all", "fixed_probability", "fixed_outdegree"]),
    st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**128 - 1), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_rules_count_what_they_promise(
    rule: str, pre: int, post: int, seed: int, autapses: bool, spread: bool
) -> None:
    parameters = {"all_to_all": {}, "fixed_probability": {"p": 0.4}, "fixed_outdegree": {"k": 25}}
    weight = Normal(0.5, 0.1) if spread else 0.5
    if rule == "fixed_outdegree" and post == 1 and not autapses:
        with pytest.raises(RanvierError, match="no targets to draw from"):
            Rule(rule, pre, post, parameters[rule], weight, seed, autapses)
        return
    made = Rule(rule, pre, post, parameters[rule], weight, seed, autapses)
    canonical(made)
    s = made.synapses()
    again = Rule(**{k: v for k, v in made.to_dict().items() if k != "kind"}).synapses()
    assert all(np.array_equal(a, b) for a, b in zip(s, again, strict=True))
    assert spread or np.all(s.weight == 0.5)
    assert autapses or not np.any(s.pre == s.post)
    if rule == "all_to_all":
        assert s.pre.size == pre * post - (0 if autapses else min(pre, post))
    if rule == "fixed_outdegree":
        assert np.all(np.bincount(s.pre, minlength=pre) == 25)
    listed = made.with_weights(s.weight * 2)
    assert np.allclose(dense(listed), 2 * dense(made))


def test_weights_are_copied_and_frozen() -> None:
    mine = np.ones((2, 2))
    c = Dense(mine)
    mine[0, 0] = 9
    assert c.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        c.weights[0, 0] = 2


NAN, INF = float("nan"), float("inf")
BAD: list[tuple[Any, str]] = [
    (lambda: Dense([[1, NAN], [INF, 2]]), "Dense.weights[0, 1]: weights hold NaN or infinity "
     "(2 of 4); got nan. check the training run"),
    (lambda: Dense([1, 2]), "wrong number of dimensions; got 1; allowed: (2,)"),
    (lambda: Dense("x"), "Dense.weights: must hold numbers"),
    (lambda: Dense([[1, 2], [3]]), "Dense.weights: must hold numbers"),
    (lambda: Sparse([0, 3], [0, 0], [1, 1], (3, 2)), "Sparse.pre[1]: out of range; got 3; "
     "allowed: 0..2"),
    (lambda: Sparse([0, -1], [0, 0], [1, 1], (3, 2)), "Sparse.pre[1]: out of range; got -1"),
    (lambda: Sparse([0, 1], [0], [1, 1], (3, 2)), "Sparse.post: must hold one integer per weight"),
    (lambda: Sparse([0.5], [0], [1], (3, 2)), "Sparse.pre: must hold one integer per weight"),
    (lambda: Sparse([0], [0], [NAN], (3, 2)), "Sparse.weights[0]: weights hold NaN"),
    (lambda: Sparse([0], [0], [1], (3, 2, 1)), "must be (sources, targets)"),
    (lambda: Sparse([0], [0], [1], (3, -2)), "needs a whole number of at least 0; got -2"),
    (lambda: OneToOne([1, 2], 3), "needs one weight per pair; got 2; allowed: 3"),
    (lambda: OneToOne(1.0, 2.5), "OneToOne.n: needs a whole number of at least 0; got 2.5"),
    (lambda: Conv(np.ones((1, 1, 3)), (1, 2)), "Conv: the kernel is larger than the padded input"),
    (lambda: Conv(np.ones((1, 2, 3)), (1, 5)), "input channels do not match input_shape; got 2; "
     "allowed: 1"),
    (lambda: Conv(np.ones((3, 1, 3)), (2, 5), groups=2), "must divide the input and output"),
    (lambda: Conv(np.ones((1, 1, 3)), (1, 5, 5)), "needs (channels, 1 sizes)"),
    (lambda: Conv(np.ones((1, 1, 3)), (1, 5), stride=0), "whole number of at least 1; got 0"),
    (lambda: Conv(np.ones((1, 1, 3)), (1, 5), stride=1.5), "whole number of at least 1; got 1.5"),
    (lambda: Conv(np.ones((1, 1, 3)), (1, 5), padding="same"), "Conv.padding: needs a whole"),
    (lambda: Conv(np.ones((1, 1, 3)), (1, 5), padding=((1, 2), (3, 4))), "needs 1 pairs"),
    (lambda: Conv(np.ones((1, 1, 0)), (1, 5)), "needs a channel and a tap"),
    (lambda: Conv(np.ones((1, 1)), (1, 5)), "wrong number of dimensions; got 2"),
    (lambda: Pool((1, 4), 5), "Pool: the window is larger than the padded input"),
    (lambda: Pool((1, 4), 2, "averge"), "unknown pooling mode; got 'averge'; allowed: average, "
     "sum. did you mean 'average'?"),
    (lambda: Pool((4,), 2), "needs (channels, 1 or 2 sizes)"),
    (lambda: Pool((1, 4), 2, weight=NAN), "Pool.weight: is not a finite number"),
    (lambda: Rule("fixed_prob", 2, 2, {}, 1.0, 0), "did you mean 'fixed_probability'?"),
    (lambda: Rule("fixed_probability", 2, 2, {"q": 1}, 1.0, 0), "got ['q']; allowed: ['p']"),
    (lambda: Rule("fixed_probability", 2, 2, {"p": 1.5}, 1.0, 0), "must be a probability; got 1.5"),
    (lambda: Rule("fixed_probability", 2, 2, {"p": NAN}, 1.0, 0), "Rule.p"),
    (lambda: Rule("fixed_outdegree", 2, 2, {"k": 1.5}, 1.0, 0), "must be a whole number; got 1.5"),
    (lambda: Rule("fixed_outdegree", 2, 2, {"k": INF}, 1.0, 0), "Rule.k"),
    (lambda: Rule("all_to_all", 2, 2, {}, INF, 0), "Rule.weight"),
    (lambda: Rule("all_to_all", 2, 2, {}, 1.0, -1), "Rule.seed: needs a whole number"),
    (lambda: Rule("all_to_all", -2, 2, {}, 1.0, 0), "Rule.n_pre: needs a whole number"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_connectivity_is_told(number: int) -> None:
    make, message = BAD[number]
    with pytest.raises(RanvierError) as caught:
        make()
    assert message in str(caught.value)
    assert len(caught.value.issues) == 1
