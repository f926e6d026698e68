"""Nearest neighbours on a grid: what resistive sheets and shared dendrites are made of."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ranvier.errors import fail
from ranvier.network._connectivity import Sparse
from ranvier.network._given import is_number, shape_tuple

__all__ = ["neighbours"]


def neighbours(shape: Any, weight: float, *, periodic: bool = False) -> Sparse:
    """Both directions between all nearest neighbours of a grid of cells, each with ``weight``.

    ``shape`` is the number of cells along 1 to 3 axes; cells are numbered in row-major order, as
    the neurons of a population of that shape. ``periodic`` joins the two ends of every axis of more
    than two cells (on an axis of two they are neighbours already). Synapses are sorted by source,
    then target. Raises RanvierError for another number of axes and a weight that is not a number.

    With ``gap`` this is a grid of resistors of conductance ``weight`` [S], such as the dendrites
    that neighbours share on Neurogrid (Benjamin et al. 2014, Proc. IEEE 102:699)::

        Projection(source="cells", target="cells", connectivity=neighbours((64, 64), 20e-9),
                   gap="v_d", port="dendrite_current")

    On a line whose cells leak with ``g`` a steady current into one cell leaves ``V_k = V_0 L**|k|``
    at its k-th neighbour, where ``L + 1/L = 2 + g/weight``: the length constant is ``-1/ln(L)``
    cells, ``sqrt(weight/g)`` when that is long (the cable equation: Rall 1959, Exp. Neurol. 1:491).
    For ``two_compartment`` with passive somata ``g = g_d + g_c*g_s/(g_c + g_s)``.
    """
    sizes = shape_tuple("neighbours.shape", shape, 1)
    if len(sizes) not in (1, 2, 3):
        raise fail("space-axes", "neighbours.shape", "needs 1 to 3 axes", got=sizes)
    if not is_number(weight):
        raise fail("weights-dtype", "neighbours.weight", "must be a number", got=repr(weight)[:60])
    cell = np.arange(prod(sizes), dtype=np.int64).reshape(sizes)
    none = np.zeros(0, np.int64)
    low, high = [none], [none]
    for axis, n in enumerate(sizes):
        along = np.moveaxis(cell, axis, 0)
        low.append(along[:-1].ravel())
        high.append(along[1:].ravel())
        if periodic and n > 2:
            low.append(along[-1].ravel())
            high.append(along[0].ravel())
    pre, post = np.concatenate([*low, *high]), np.concatenate([*high, *low])
    order = np.lexsort((post, pre))
    return Sparse(pre[order], post[order], np.full(pre.size, float(weight)), (cell.size, cell.size))
