"""Products with matrices that are mostly zero: what spikes send, without multiplying the silence.

``x @ w.T`` and ``g.T @ x`` for spikes x [rows, m] are both sums of rows of a dense matrix, chosen
by the entries of x that are not 0 (read by row, or by column). The order of every sum is that of
rows and columns, so the number of threads changes no bit.
"""

# pyright: reportMissingTypeStubs=false, reportUntypedFunctionDecorator=false
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ranvier.learn._scan import in_threads

__all__ = ["CSR", "csr_of", "sum_now", "sum_rows", "transposed"]

Array = NDArray[Any]
BLOCK = 512
"""Columns at a time: eight rows of them and the sums stay in the first cache (32 KiB)."""
_jit = njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


@dataclass(frozen=True)
class CSR:
    """Compressed sparse rows, as scipy has them, but for ``data``: empty where all of it is 1."""

    indptr: Array
    indices: Array
    data: Array


@_jit
def _count(x: Array, ones: Array) -> int:
    total = 0
    alike = True
    for r in range(x.shape[0]):
        row = x[r]
        for i in range(row.shape[0]):
            total += row[i] != 0
            alike &= (row[i] == 0) | (row[i] == 1)
    ones[0] = alike
    return total


@_jit
def _by_row(x: Array, start: Array, at: Array, value: Array) -> None:
    n = 0
    for r in range(x.shape[0]):
        row = x[r]
        start[r] = n
        if value.shape[0]:
            for i in range(row.shape[0]):
                at[n] = i
                value[n] = row[i]
                n += row[i] != 0
        else:  # no branch on what fires; ``at`` has room for one more
            for i in range(row.shape[0]):
                at[n] = i
                n += row[i] != 0
    start[x.shape[0]] = n


@_jit
def _transposed(start: Array, at: Array, value: Array, to: Array, by: Array, kept: Array) -> None:
    for k in range(at.shape[0]):
        to[at[k] + 1] += 1
    for i in range(to.shape[0] - 1):
        to[i + 1] += to[i]
    for r in range(start.shape[0] - 1):
        for k in range(start[r], start[r + 1]):
            place = to[at[k]]
            by[place] = r
            if value.shape[0]:
                kept[place] = value[k]
            to[at[k]] = place + 1
    for i in range(to.shape[0] - 1, 0, -1):
        to[i] = to[i - 1]
    to[0] = 0


def csr_of(x: Array, most: float = 1.0) -> CSR | None:
    """Of ``x`` [rows, m], C-contiguous; None where more than the share ``most`` is not 0."""
    ones = np.zeros(1, np.bool_)
    total = _count(x, ones)
    if total > most * x.size:
        return None
    start, at = np.empty(x.shape[0] + 1, np.int64), np.empty(total + 1, np.int32)
    value = np.empty(0 if ones[0] else total + 1, x.dtype)
    _by_row(x, start, at, value)
    return CSR(start, at[:total], value[:total])


def transposed(x: CSR, columns: int) -> CSR:
    """Of a matrix with so many ``columns``."""
    indptr, indices = np.zeros(columns + 1, np.int64), np.empty_like(x.indices)
    data = np.empty_like(x.data)
    _transposed(x.indptr, x.indices, x.data, indptr, indices, data)
    return CSR(indptr, indices, data)


@_jit
def _sum_rows(
    low: int, high: int, indptr: Array, indices: Array, data: Array, dense: Array, out: Array,
    more: bool,
) -> None:  # fmt: skip
    for first in range(low, high, BLOCK):
        last = min(first + BLOCK, high)
        for r in range(out.shape[0]):
            o = out[r, first:last]
            if not more:
                for j in range(last - first):
                    o[j] = 0
            a, z = indptr[r], indptr[r + 1]
            if data.shape[0] == 0:  # ones: nothing to multiply by
                while a + 8 <= z:
                    d0, d1 = dense[indices[a], first:last], dense[indices[a + 1], first:last]
                    d2, d3 = dense[indices[a + 2], first:last], dense[indices[a + 3], first:last]
                    d4, d5 = dense[indices[a + 4], first:last], dense[indices[a + 5], first:last]
                    d6, d7 = dense[indices[a + 6], first:last], dense[indices[a + 7], first:last]
                    for j in range(last - first):
                        o[j] += ((d0[j] + d1[j]) + (d2[j] + d3[j])) + (
                            (d4[j] + d5[j]) + (d6[j] + d7[j])
                        )
                    a += 8
                while a + 2 <= z:
                    d0, d1 = dense[indices[a], first:last], dense[indices[a + 1], first:last]
                    for j in range(last - first):
                        o[j] += d0[j] + d1[j]
                    a += 2
                if a < z:
                    d0 = dense[indices[a], first:last]
                    for j in range(last - first):
                        o[j] += d0[j]
                continue
            while a + 4 <= z:
                d0, d1 = dense[indices[a], first:last], dense[indices[a + 1], first:last]
                d2, d3 = dense[indices[a + 2], first:last], dense[indices[a + 3], first:last]
                v0, v1, v2, v3 = data[a], data[a + 1], data[a + 2], data[a + 3]
                for j in range(last - first):
                    o[j] += (v0 * d0[j] + v1 * d1[j]) + (v2 * d2[j] + v3 * d3[j])
                a += 4
            while a < z:
                d0, v0 = dense[indices[a], first:last], data[a]
                for j in range(last - first):
                    o[j] += v0 * d0[j]
                a += 1


@_jit
def sum_now(low: int, high: int, x: Array, dense: Array, out: Array, found: Array) -> None:
    """``out[r] += x[r] @ dense`` for rows low..high-1, listing what is not 0 on the way.

    For a few rows: one call instead of three. ``found[r]`` is how many entries were not 0.
    """
    at = np.empty(x.shape[1], np.int64)
    for r in range(low, high):
        row, o = x[r], out[r]
        n = 0
        alike = True
        for i in range(row.shape[0]):
            at[n] = i
            n += row[i] != 0
            alike &= (row[i] == 0) | (row[i] == 1)
        found[r] = n
        a = 0
        if alike:
            while a + 4 <= n:
                d0, d1, d2, d3 = dense[at[a]], dense[at[a + 1]], dense[at[a + 2]], dense[at[a + 3]]
                for j in range(o.shape[0]):
                    o[j] += (d0[j] + d1[j]) + (d2[j] + d3[j])
                a += 4
        while a < n:
            d0, v0 = dense[at[a]], row[at[a]]
            for j in range(o.shape[0]):
                o[j] += v0 * d0[j]
            a += 1


def _in_blocks(low: int, high: int, width: int, *rest: Any) -> None:
    _sum_rows(low * width, min(high * width, rest[3].shape[1]), *rest)


def sum_rows(x: CSR, dense: Array, out: Array, *, add: bool) -> None:
    """``out (+)= x @ dense``; threads share columns."""
    width = 64
    blocks = -(-dense.shape[1] // width)
    in_threads(_in_blocks, blocks, width, x.indptr, x.indices, x.data, dense, out, add)
