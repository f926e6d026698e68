"""What a compiled program really does to weights, delays and neurons, told in SI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.bench._probe import Cell
from ranvier.chips import Chip
from ranvier.compile import (
    Block,
    Program,
    find_projection,
    machine_of,
    projection_weights,
    synapse_ports,
)
from ranvier.errors import RanvierError
from ranvier.network import Network, Population, Projection
from ranvier.neurons import discretise

__all__ = ["Ports", "Realised", "ideal_cell", "scalar", "threshold_state"]


def threshold_state(population: Population) -> str | None:
    """The state that a model's threshold watches, where it is a plain name."""
    model = population.model
    if model is None or model.threshold is None:
        return None
    left = model.threshold.split(">")[0].strip()
    return left if left in model.states else None


def scalar(value: Any, index: int) -> float:
    """The value of one neuron of a parameter that may be given per neuron."""
    return float(np.asarray(value).ravel()[index]) if np.ndim(value) else float(value)


def ideal_cell(population: Population, index: int, dt: float, **changed: float) -> Cell:
    """The ideal machine's neuron; ``changed`` parameters replace the population's own."""
    model = population.model
    assert model is not None
    given = {name: scalar(value, index) for name, value in population.parameters.items()}
    discrete = discretise(model, {**given, **changed}, dt, population.method)
    initial = {**discrete.initial, **{k: scalar(v, index) for k, v in population.initial.items()}}
    return Cell(discrete.kernel, discrete.values, initial, {})


@dataclass(frozen=True, eq=False)
class Ports:
    """``port`` [synapses], and per port (SI weight of one raw unit, sign of the raw weights)."""

    port: NDArray[np.int64]
    units: Mapping[int, tuple[float, int]]


@dataclass(frozen=True)
class Realised:
    """A program seen through the network it was made from."""

    program: Program
    network: Network

    def part(self, population: str) -> Program | None:
        """The program of the part that holds a population; None where it was folded away."""
        for program in self.program.parts.values() or (self.program,):
            if any(b.population == population for b in program.blocks):
                return program
        return None

    def blocks(self, population: str) -> Iterator[tuple[Chip, Block, NDArray[np.int64]]]:
        """(chip, block, neuron indices) of a population."""
        program = self.part(population)
        if program is None:
            return
        index = np.argsort(program.slots[population])
        slots = program.slots[population][index]
        for block in program.blocks:
            if block.population == population:
                inside = (slots >= block.start) & (slots < block.start + block.n)
                yield machine_of(program), block, index[inside]

    def cell(self, population: str, index: int) -> Cell | None:
        """One neuron as the chip has it."""
        for chip, block, members in self.blocks(population):
            at = np.flatnonzero(members == index)
            if at.size:
                return _cell(chip, block, int(at[0]))
        return None

    def _holder(self, projection: Projection) -> Program | None:
        program = self.part(projection.target)
        if program is None or all(t.name != projection.name for t in program.projections):
            return None
        return program

    def weights(self, projection: Projection) -> NDArray[np.float64] | None:
        """SI weights as stored, in canonical order; None where there are none to compare."""
        program = self._holder(projection)
        if program is None:
            return None
        try:
            return projection_weights(
                program,
                projection.name,
                program.synapse_weight,
                program.synapse_target,
                program.synapse_origin,
            )
        except RanvierError:
            return None

    def cut(self, projection: Projection) -> NDArray[np.bool_] | None:
        """Which weights are stored as the largest there is: four times as much is stored alike."""
        program = self._holder(projection)
        if program is None:
            return None
        table = find_projection(program, projection.name)
        implementation = machine_of(program).implementation(table.implementation)
        weights = projection.connectivity.synapses().weight
        one, more = (
            implementation.encode(weights * factor, table.encoding) for factor in (1.0, 4.0)
        )
        return (one[0] == more[0]) & (one[1] == more[1]) & (one[0] != 0)

    def delays(self, projection: Projection) -> NDArray[np.int64] | None:
        """Ticks as stored, in canonical order, 0 for synapses left out; bridges included."""
        program = self._holder(projection)
        if program is None:
            return None
        table = find_projection(program, projection.name)
        origin = program.synapse_origin
        chosen = np.flatnonzero((origin >= table.first) & (origin < table.first + table.count))
        row = np.searchsorted(program.row_ptr, chosen, side="right") - 1
        ticks = np.zeros(table.count, np.int64)
        ticks[origin[chosen] - table.first] = program.row_delay[row]
        extra = sum(
            b.ticks
            for b in self.program.bridges
            if b.population == projection.source and self.program.parts.get(b.target) is program
        )
        return np.where(ticks > 0, ticks + extra, ticks)

    def ports(self, projection: Projection) -> Ports | None:
        """Kernel port of every synapse of a projection, and what a unit on each port means."""
        program = self._holder(projection)
        if program is None:
            return None
        table = find_projection(program, projection.name)
        origin = program.synapse_origin
        chosen = np.flatnonzero((origin >= table.first) & (origin < table.first + table.count))
        place = origin[chosen] - table.first
        stored, raw = self.weights(projection), program.synapse_weight[chosen].astype(np.float64)
        if stored is None or not raw.any():
            return None
        port = np.zeros(table.count, np.int64)
        port[place] = synapse_ports(program, program.synapse_target[chosen])
        units: dict[int, tuple[float, int]] = {}
        for number in np.unique(port[place]):
            own = np.flatnonzero(port[place] == number)
            at = own[int(np.argmax(np.abs(raw[own])))]
            if raw[at]:
                units[int(number)] = (float(stored[place[at]] / raw[at]), 1 if raw[at] > 0 else -1)
        return Ports(port, units)


def _cell(chip: Chip, block: Block, at: int) -> Cell:
    kernel = chip.implementation(block.reference["implementation"]).kernel(block.reference)

    def one(value: Any) -> Any:
        return np.asarray(value)[at].item() if np.ndim(value) else value

    return Cell(
        kernel,
        {name: one(value) for name, value in block.values.items()},
        {name: one(value) for name, value in block.initial.items()},
        {name: (one(v[0]), one(v[1])) for name, v in block.state_scale.items()},
    )
