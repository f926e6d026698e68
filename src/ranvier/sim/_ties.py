"""Blocks whose neurons reach each other within a tick, one to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program

__all__ = ["instant", "ties"]


def _routes(program: Program) -> NDArray[np.int64]:
    """Routes of neurons to rows without delay."""
    routes = np.arange(program.route_ptr[program.neurons])
    return routes[program.row_delay[program.route_row[routes]] == 0]


def instant(program: Program) -> bool:
    """Do neurons send to others within the same tick?"""
    if not np.any(program.row_delay == 0):
        return False
    return bool(_routes(program).size)


def ties(program: Program) -> list[list[int]] | None:
    """Blocks by group, all in order: those of a group are cut at the same places, so that nothing
    sent within a tick leaves its partition.

    Blocks without such synapses are groups of their own. None where some synapse without delay goes
    from neuron i of a block to another number than i, or to a block of another size: then nothing
    can be cut.
    """
    group = np.arange(len(program.blocks))
    if instant(program):
        routes = _routes(program)
        source = np.searchsorted(program.route_ptr, routes, side="right") - 1
        row = program.route_row[routes]
        length = np.diff(program.row_ptr)[row]
        before = np.cumsum(length) - length
        index = np.arange(int(length.sum())) + np.repeat(program.row_ptr[row] - before, length)
        source = np.repeat(source, length)
        target = program.synapse_target[index]
        size = np.array([b.n for b in program.blocks])
        start = np.array([b.start for b in program.blocks])
        ring = np.array([b.ring for b in program.blocks])
        a = np.searchsorted(start, source, side="right") - 1
        b = np.searchsorted(ring, target, side="right") - 1
        if np.any(size[a] != size[b]) or np.any(source - start[a] != (target - ring[b]) % size[b]):
            return None
        for one, other in np.unique(np.stack([a, b], axis=1), axis=0).tolist():
            low, high = sorted((group[one], group[other]))
            group[group == high] = low
    found: dict[int, list[int]] = {}
    for block, number in enumerate(group.tolist()):
        found.setdefault(number, []).append(block)
    return list(found.values())
