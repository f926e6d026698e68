"""Sliding windows: the geometry that convolution and pooling share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail
from ranvier.network._given import is_list, shape_tuple

__all__ = [
    "int_pairs",
    "int_tuple",
    "tap_positions",
    "window_shape",
]

IntArray = NDArray[np.int64]


def window_shape(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """Sizes of the result, one per axis; below 1 where the window does not fit."""
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
    """``n`` integers from one number or one per axis; RanvierError when any is below ``low``."""
    items = shape_tuple(where, value, low)
    items = items if is_list(value) else items * n
    if len(items) != n:
        raise fail("conv-geometry", where, f"needs {n} whole numbers", got=value)
    return items


def int_pairs(where: str, value: Any, n: int) -> tuple[tuple[int, int], ...]:
    """``n`` (low, high) paddings from one number, one per axis, or pairs."""
    if is_list(value) and any(is_list(row) for row in value):
        rows = [shape_tuple(where, row, 0) for row in value]
        if len(rows) != n or any(len(row) != 2 for row in rows):
            raise fail("conv-geometry", where, f"needs {n} pairs (low, high)", got=value)
        return tuple((row[0], row[1]) for row in rows)
    return tuple((v, v) for v in int_tuple(where, value, n, 0))
