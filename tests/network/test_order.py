"""Many synapses are sorted by counting: the same order as numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.network import Sparse, _order


@given(st.data())
def test_the_order_is_lexsorts(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    high = st.sampled_from([1, 2, 7, 50, 2**40])
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    keys: list[np.ndarray] = []
    for _ in range(data.draw(st.integers(1, 4))):
        key = rng.integers(0, data.draw(high), n)
        if data.draw(st.booleans()):
            key.sort()
        keys.append(key - data.draw(st.integers(0, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_order, "MANY", 0)
        found = _order.stable_order(*keys)
    assert np.array_equal(found, np.lexsort(keys))


@pytest.mark.parametrize("ascending", [True, False])
def test_many_synapses(ascending: bool) -> None:
    n: Any = _order.MANY + 5
    rng = np.random.default_rng(0)
    pre, post = rng.integers(0, 300, n), rng.integers(0, 200, n, dtype=np.int32)
    pre = np.sort(pre) if ascending else pre
    s = Sparse(pre, post, rng.random(n), (300, 200)).synapses()
    order = np.argsort(pre, kind="stable")
    assert np.array_equal(s.origin, order)
    assert np.array_equal(s.post, post[order])
    assert s.pre.dtype == s.post.dtype == s.origin.dtype == np.int64
