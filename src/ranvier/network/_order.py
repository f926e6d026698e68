"""Sorting many synapses by small whole numbers."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["stable_order"]

MANY = 1 << 16
"""From this many on, counting is worth loading its loop for."""


def stable_order(*keys: NDArray[Any]) -> NDArray[Any]:
    """The order that sorts by the keys, the last one first, equal ones as they stand.

    As ``numpy.lexsort``, but for many entries one counting pass a key (least significant first),
    which takes keys >= 0 and about 10 ns an entry; keys already in order are passed over. int32
    where the entries can be so numbered.
    """
    n = keys[0].size
    if n < MANY:
        return np.lexsort(keys)
    order: NDArray[Any] | None = None
    for key in keys:
        low, high = int(key.min()), int(key.max())
        if low == high:
            continue
        if order is None and bool(np.all(key[1:] >= key[:-1])):
            order = None  # the least significant keys are in order as they stand
            continue
        if low < 0 or high > 4 * n + (1 << 20):
            place = np.argsort(key if order is None else key[order], kind="stable")
            order = place if order is None else order[place]
            continue
        if order is None:
            order = np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)
        order = _loop()(key, order, high + 1)
    return np.arange(n, dtype=np.int32 if n < 2**31 else np.int64) if order is None else order


@cache
def _loop() -> Any:
    from numba import njit

    def count(key: Any, order: Any, n: int) -> Any:
        place = np.zeros(n + 1, np.int64)
        for k in key:
            place[k + 1] += 1
        for k in range(n):
            place[k + 1] += place[k]
        out = np.empty_like(order)
        for i in order:
            k = key[i]
            out[place[k]] = i
            place[k] += 1
        return out

    return cast("Any", njit)(cache=True, nogil=True)(count)
