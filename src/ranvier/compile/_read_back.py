"""Learned weights out of a run, back into a Network, through the source map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile._program import Program, ProjectionTable, machine_of
from ranvier.errors import fail, unknown
from ranvier.network import Network, Projection, Sparse

__all__ = ["find_projection", "projection_weights", "read_back", "synapse_ports"]


def synapse_ports(program: Program, target: NDArray[Any]) -> NDArray[np.int64]:
    """Input port of packed synapses with these accumulators."""
    if not target.size:
        return np.zeros(0, np.int64)
    starts = np.array([b.ring for b in program.blocks])
    sizes = np.array([b.n for b in program.blocks])
    block = np.searchsorted(starts, target, side="right") - 1
    return (target.astype(np.int64) - starts[block]) // sizes[block]


def find_projection(program: Program, name: str) -> ProjectionTable:
    """The source map of a projection; raises RanvierError with a did-you-mean."""
    for table in program.projections:
        if table.name == name:
            return table
    if any(rule.name == name for rule in program.rules):
        raise fail(
            "weights-of-rule",
            name,
            "is kept as a rule and has no stored weights",
            hint="compile with --set quantise.keep_rules=false",
        )
    raise unknown("projection", name, [p.name for p in program.projections])


def projection_weights(
    program: Program,
    name: str,
    weight: NDArray[Any],
    target: NDArray[Any],
    origin: NDArray[np.int64],
) -> NDArray[np.float64]:
    """SI weights of all synapses of a projection in canonical order (dropped ones are 0).

    ``weight``, ``target`` and ``origin`` are the packed synapses of a program or of a session.
    """
    table = find_projection(program, name)
    chosen = np.flatnonzero((origin >= table.first) & (origin < table.first + table.count))
    implementation = machine_of(program).implementation(table.implementation)
    index = origin[chosen] - table.first
    coded = np.zeros(table.count, weight.dtype)
    port = np.zeros(table.count, np.int64)
    coded[index] = weight[chosen]
    port[index] = synapse_ports(program, target[chosen])
    return implementation.decode(coded, port, table.encoding)


def read_back(network: Network, program: Program, arrays: Mapping[str, NDArray[Any]]) -> Network:
    """The network with the weights of a run's ``state.arrays``.

    Shared weights (convolutions) whose copies learned apart become explicit sparse synapses.
    Raises RanvierError when the program was made from another network.
    """
    if program.network_hash != network.hash:
        raise fail(
            "other-network",
            program.name,
            "was not compiled from this network",
            got=program.network_hash[:12],
            limit=network.hash[:12],
            hint="read back into the network that was compiled",
        )
    weights = _collect(program, arrays, "")
    compiled = {name: found for name, (found, _) in _collect(program, None, "").items()}
    odd = sorted(set(weights) - {p.name for p in network.projections})
    if odd:
        raise fail(
            "folded-projection",
            odd[0],
            "is the product of projections around a linear relay, whose weights cannot be told "
            "apart again",
            hint="replace the relay by neurons, or leave its projections as they were",
        )
    changed: list[Projection] = []
    for projection in network.projections:
        if projection.name not in weights:
            changed.append(projection)
            continue
        values, origin = weights[projection.name]
        connectivity = projection.connectivity
        shape = connectivity.delay_shape()
        flat = np.zeros(int(np.prod(shape)) if shape else 1)
        flat[origin] = values
        if np.array_equal(flat[origin], values) and hasattr(connectivity, "weights"):
            connectivity = connectivity.with_weights(flat.reshape(shape))
        elif np.array_equal(values, compiled[projection.name]):
            pass  # a pool that nobody changed
        else:
            synapses = connectivity.synapses()
            connectivity = Sparse(synapses.pre, synapses.post, values, connectivity.sizes())
            if isinstance(projection.delay, np.ndarray):
                delay = projection.delay.ravel()[synapses.origin]
                projection = replace(projection, delay=None)
                projection = replace(projection, connectivity=connectivity, delay=delay)
        changed.append(replace(projection, connectivity=connectivity))
    return network.replace(projections=tuple(changed))


def _collect(
    program: Program, arrays: Mapping[str, NDArray[Any]] | None, prefix: str
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """SI weights and origin of every projection: of a state, or as compiled."""
    names = ("synapse_weight", "synapse_target", "synapse_origin")
    if arrays is None:
        columns = [getattr(program, name) for name in names]
    else:
        missing = [name for name in names if prefix + name not in arrays and not program.parts]
        if missing:
            raise fail(
                "not-a-state",
                program.name,
                f"the state lacks {missing[0]}",
                hint="pass state.arrays of a session or recording of this program",
            )
        columns = [arrays.get(prefix + name, getattr(program, name)) for name in names]
    found = {
        table.name: (projection_weights(program, table.name, *columns), table.origin)
        for table in program.projections
    }
    for name, part in program.parts.items():
        found.update(_collect(part, arrays, f"{prefix}{name}/"))
    return found
