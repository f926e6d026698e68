"""Sliding windows: the geometry that convolution and pooling share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail

__all__ = ["int_pairs", "int_tuple", "tap_positions", "window_shape"]

IntArray = NDArray[np.int64]


def window_shape(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    return tuple(
        (n + low + high - d * (k - 1) - 1) // s + 1
        for n, k, s, (low, high), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def tap_positions(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
) -> tuple[IntArray, IntArray, IntArray]:
    """(input position, output position, kernel position) of every tap that hits the input."""
    out = window_shape(size, kernel, stride, padding, dilation)
    o = np.indices(out).reshape(len(out), -1)
    k = np.indices(kernel).reshape(len(kernel), -1)
    steps = np.array(stride)[:, None, None]
    gaps = np.array(dilation)[:, None, None]
    low = np.array([p[0] for p in padding])[:, None, None]
    position = o[:, :, None] * steps + k[:, None, :] * gaps - low
    limit = np.array(size)[:, None, None]
    inside = np.all((position >= 0) & (position < limit), axis=0)
    oi, ki = np.nonzero(inside)
    flat = np.ravel_multi_index(tuple(np.where(inside, p, 0) for p in position), size)
    return flat[oi, ki], oi, ki


def int_tuple(where: str, value: Any, n: int, low: int) -> tuple[int, ...]:
    items = tuple(int(v) for v in value) if np.ndim(value) else (int(value),) * n
    if len(items) != n or any(v < low for v in items):
        raise fail("conv-geometry", where, f"needs {n} integers of at least {low}", got=value)
    return items


def int_pairs(where: str, value: Any, n: int) -> tuple[tuple[int, int], ...]:
    if np.ndim(value) == 2:
        pairs = tuple((int(a), int(b)) for a, b in value)
    else:
        pairs = tuple((v, v) for v in int_tuple(where, value, n, 0))
    if len(pairs) != n or any(v < 0 for pair in pairs for v in pair):
        raise fail("conv-geometry", where, f"needs {n} paddings of at least 0", got=value)
    return pairs
