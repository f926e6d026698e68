"""Nearest neighbours on grids."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.network import neighbours


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), periodic=st.booleans())
def test_all_pairs_at_distance_one(shape: tuple[int, ...], periodic: bool) -> None:
    def apart(a: tuple[int, ...], b: tuple[int, ...]) -> int:
        steps = [abs(i - j) for i, j in zip(a, b, strict=True)]
        if periodic:
            steps = [min(d, n - d) for d, n in zip(steps, shape, strict=True)]
        return sum(steps)

    cells = list(product(*(range(n) for n in shape)))
    wanted = [(i, j) for i, a in enumerate(cells) for j, b in enumerate(cells) if apart(a, b) == 1]
    found = neighbours(shape, 2.5, periodic=periodic)
    assert list(zip(found.pre.tolist(), found.post.tolist(), strict=True)) == wanted
    assert found.shape == (len(cells), len(cells))
    assert np.all(found.weights == 2.5)


def test_one_number_is_a_line() -> None:
    found = neighbours(4, 1.0)
    pairs = set(zip(found.pre.tolist(), found.post.tolist(), strict=True))
    assert pairs == {p for a, b in pairwise(range(4)) for p in ((a, b), (b, a))}


@pytest.mark.parametrize(
    ("shape", "weight", "message"),
    [
        ((2, 2, 2, 2), 1.0, "1 to 3 axes"),
        ((), 1.0, "1 to 3 axes"),
        ((0, 3), 1.0, "neighbours.shape"),
        ((3,), "a", "must be a number"),
        ((3,), float("nan"), "number|finite|NaN"),
    ],
)
def test_refused(shape: Any, weight: Any, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        neighbours(shape, weight)
