"""One neuron played alone, on the input that both machines gave it.

Up to the first spike that differs, every neuron has had the same input on both machines, and
neurons touch each other by spikes alone. So the neuron of the first difference can be played by
itself, with one change of the chip at a time, and each change judged alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.bench._realised import Realised
from ranvier.compile import synapse_ports
from ranvier.events import Events
from ranvier.network import Distribution, Network, Rule, TickTable

__all__ = ["Wire", "chip_wires", "reference_wires", "summed"]


@dataclass(frozen=True, eq=False)
class Wire:
    """The synapses of one projection onto one neuron: [n] arrays, ``delay`` in ticks.

    ``place`` is their position in the projection's canonical list.
    """

    projection: str
    source: str
    pre: NDArray[np.int64]
    weight: NDArray[Any]
    delay: NDArray[np.int64]
    port: NDArray[np.int64]
    place: NDArray[np.int64]
    plain: bool


def reference_wires(
    network: Network, population: str, index: int, dt: float, *, one_tick: int = 1
) -> list[Wire]:
    """As the network states them, SI weights; delays on a grid of ``dt``; ``one_tick`` is what a
    delay of None lasts on it."""
    model = network.population(population).model
    assert model is not None
    ports = [p.name for p in model.ports]
    wires: list[Wire] = []
    for p in network.projections:
        if p.target != population:
            continue
        synapses = p.connectivity.synapses()
        place = np.flatnonzero(synapses.post == index)
        if p.delay is None:
            ticks = np.full(place.size, one_tick, np.int64)
        elif isinstance(p.delay, Distribution):
            late = cast("Rule", p.connectivity).listed(TickTable.of(p.delay, dt))[1]
            ticks = np.asarray(late)[place].astype(np.int64)
        else:
            given = np.asarray(p.delay, np.float64)
            exact = (given.ravel()[synapses.origin[place]] if given.ndim else given) / dt
            exact = np.broadcast_to(exact, (place.size,))
            ticks = np.floor(exact + 0.5 + 1e-9).astype(np.int64)
            ticks = np.where(exact == 0, 0, np.maximum(ticks, 1))
        wires.append(
            Wire(
                p.name,
                p.source,
                synapses.pre[place],
                synapses.weight[place],
                ticks,
                np.full(place.size, ports.index(p.port), np.int64),
                place,
                network.population(p.source).signal == "spike",
            )
        )
    return wires


def chip_wires(realised: Realised, population: str, index: int) -> list[Wire]:
    """As the program stores them: raw weights, kernel ports, ticks with bridges."""
    program, network = realised.part(population), realised.network
    assert program is not None
    wires: list[Wire] = []
    for p in network.projections:
        if p.target != population:
            continue
        table = next((t for t in program.projections if t.name == p.name), None)
        if table is None:
            continue
        synapses = p.connectivity.synapses()
        origin = program.synapse_origin
        chosen = np.flatnonzero((origin >= table.first) & (origin < table.first + table.count))
        place = origin[chosen] - table.first
        keep = synapses.post[place] == index
        chosen, place = chosen[keep], place[keep]
        order = np.argsort(place)
        chosen, place = chosen[order], place[order]
        delays = realised.delays(p)
        assert delays is not None
        wires.append(
            Wire(
                p.name,
                p.source,
                synapses.pre[place],
                program.synapse_weight[chosen],
                delays[place],
                synapse_ports(program, program.synapse_target[chosen]),
                place,
                network.population(p.source).signal == "spike",
            )
        )
    return wires


def summed(
    wires: Sequence[Wire],
    events: Mapping[str, Events],
    ports: int,
    ticks: int,
    *,
    integer: bool = False,
) -> NDArray[Any]:
    """Input sums [ticks, ports], added in the engines' order: emission, source, synapse."""
    columns: list[tuple[NDArray[Any], ...]] = []
    for number, wire in enumerate(wires):
        train = events[wire.source]
        order = np.argsort(wire.pre, kind="stable")
        pre = wire.pre[order]
        first, last = (np.searchsorted(pre, train.id, side=s) for s in ("left", "right"))
        many = last - first
        which = np.repeat(np.arange(len(train)), many)
        offset = np.arange(which.size) - np.repeat(np.cumsum(many) - many, many)
        synapse = order[np.repeat(first, many) + offset]
        value = wire.weight[synapse]
        if not wire.plain and train.payload is not None:
            value = value * train.payload[which]
        columns.append(
            (
                train.tick[which],
                np.full(which.size, number),
                train.tick[which] + wire.delay[synapse],
                wire.port[synapse],
                value,
            )
        )
    result = np.zeros((ticks, ports), np.int64 if integer else np.float64)
    if not columns:
        return result
    emitted, number, due, port, value = (np.concatenate(c) for c in zip(*columns, strict=True))
    order = np.lexsort((number, emitted))
    order = order[due[order] < ticks]
    np.add.at(result, (due[order], port[order]), value[order])
    return result
