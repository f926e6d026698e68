"""Is a Program from a file one that the engine can run? Its kernels index without bounds checks, so
every index is checked here; what needs the chip is checked when a session is built."""

from __future__ import annotations

from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranvier.network import TickTable
from ranvier.plasticity import PlasticityRule

if TYPE_CHECKING:
    from ranvier.compile._program import Program

__all__ = ["check_program"]

MOST_DELAY = 1 << 21


def check_program(program: Program) -> None:
    """Raises ValueError naming the field that is out of range or of the wrong kind."""
    for name in ("name", "chip", "chip_hash", "network_hash"):
        _want(isinstance(getattr(program, name), str), name)
    for name, most in (("neurons", 2**40), ("sources", 2**40), ("ring", 2**31), ("seed", 2**63)):
        _whole(getattr(program, name), name, most)
    _whole(program.max_delay, "max_delay", MOST_DELAY)
    dt: Any = program.dt
    _want(isinstance(dt, (int, float)) and isfinite(dt) and dt > 0, "dt")
    names: list[Any] = [*program.outputs, *program.shapes]
    for probe in program.probes:
        names += [probe.population, probe.variable]
    _want(all(isinstance(name, str) for name in names), "outputs, probes or shapes")
    for name, shape in program.shapes.items():
        for axis in shape:
            _whole(axis, f"shape of {name}", 2**40)
    if program.parts:
        _check_parts(program)
        return
    _check_slots(program)
    _check_rows(program)
    _check_blocks(program)
    for name, table in (*program.tables.items(), *program.ledger.items()):
        _numbers(table, name)
        _want(table.ndim == 1, name)
    for name, table in program.tables.items():
        _want(table.size == program.sources, name)
    for item in (*program.limits.items(), *program.quantities.items()):
        _numbers(np.asarray(item[1]), item[0])


def _want(condition: Any, name: str) -> None:
    if not bool(condition):
        raise ValueError(f"{name} is out of range or of the wrong kind")


def _whole(value: Any, name: str, most: int) -> None:
    _want(type(value) is int and 0 <= value < most, name)


def _numbers(array: Any, name: str, kinds: str = "iuf") -> None:
    kind = str(array.dtype.kind) if hasattr(array, "dtype") else "-"
    _want(kind in kinds, name)


def _indices(array: Any, name: str, low: int, high: int) -> None:
    """One-dimensional integers, all of them ``low <= i < high``."""
    _numbers(array, name, "i")
    _want(array.ndim == 1, name)
    _want(not array.size or (int(array.min()) >= low and int(array.max()) < high), name)


def _check_parts(program: Program) -> None:
    _want(not program.blocks and not program.inputs, "parts")
    ticks = {part.dt for part in program.parts.values()}
    _want(ticks == {program.dt}, "dt of parts")
    for part in program.parts.values():
        _want(not part.parts, "parts of parts")
        check_program(part)
    for bridge in program.bridges:
        name = bridge.population
        _want(bridge.source in program.parts and bridge.target in program.parts, "bridge")
        sends = {b.population for b in program.parts[bridge.source].blocks}
        takes = {b.population: b for b in program.parts[bridge.target].inputs}
        _want(name in sends and name in takes, f"bridge of {name}")
        slots = program.parts[bridge.source].slots[name]
        _want(slots.size == takes[name].n, f"bridge of {name}")
        _whole(bridge.ticks, f"bridge of {name}", MOST_DELAY)


def _check_slots(program: Program) -> None:
    """Every slot belongs to one neuron of one population."""
    owner = np.full(sum(np.size(s) for s in program.slots.values()), -1, np.int64)
    _want(owner.size == program.sources, "slots")
    for number, (name, slots) in enumerate(program.slots.items()):
        _indices(slots, f"slots of {name}", 0, program.sources)
        _want(prod(program.shapes[name]) == slots.size, f"shape of {name}")
        owner[slots] = number
    _want(not owner.size or owner.min() >= 0, "slots")
    numbers = {name: k for k, name in enumerate(program.slots)}
    following = 0
    for block in (*program.blocks, *program.inputs):
        _want(block.population in numbers, f"block {block.population!r}")
        _whole(block.start, "block start", 2**40)
        _whole(block.n, "block size", 2**40)
        _want(block.n > 0 and block.start == following, f"block {block.population}")
        mine = owner[block.start : block.start + block.n]
        _want(np.all(mine == numbers[block.population]), f"slots of {block.population}")
        following += block.n
    _want(sum(b.n for b in program.blocks) == program.neurons, "neurons")
    _want(following == program.sources, "sources")
    for item in program.inputs:
        _want(item.signal in ("spike", "graded", "continuous"), f"signal of {item.population}")
        ordered = np.arange(item.start, item.start + item.n)
        _want(np.array_equal(program.slots[item.population], ordered), item.population)
    named = [*program.outputs, *(probe.population for probe in program.probes)]
    _want(all(name in numbers for name in named), "outputs or probes")


def _check_rows(program: Program) -> None:
    synapses, rows = program.synapse_target.size, program.row_core.size
    for name, low, high in (
        ("route_row", 0, rows),
        ("route_ptr", 0, program.route_row.size + 1),
        ("row_ptr", 0, synapses + 1),
        ("row_core", 0, 2**40),
        ("row_delay", 0, program.max_delay + 1),
        ("synapse_target", 0, program.ring),
        ("synapse_origin", 0, 2**62),
        ("cores", 0, 2**40),
    ):
        _indices(getattr(program, name), name, low, high)
    _want(program.row_delay.size == rows, "row_delay")
    _want(program.cores.size or not program.blocks, "cores")
    for name, count, last in (
        ("route_ptr", program.sources, program.route_row.size),
        ("row_ptr", rows, synapses),
    ):
        array: NDArray[np.int64] = getattr(program, name)
        _want(array.size == count + 1 and int(array[0]) == 0 and int(array[-1]) == last, name)
        _want(np.all(np.diff(array) >= 0), name)
    _numbers(program.synapse_weight, "synapse_weight", "if")
    _want(program.synapse_weight.shape == (synapses,), "synapse_weight")
    _want(np.all(np.isfinite(program.synapse_weight)), "synapse_weight")
    _want(program.synapse_origin.size == synapses, "synapse_origin")
    tables: list[Any] = [*program.projections, *program.plastic, *program.gaps, *program.rules]
    _want(all(isinstance(table.name, str) for table in tables), "name of a projection")
    for table in program.projections:
        _whole(table.first, table.name, 2**62)
        _whole(table.count, table.name, 2**40)
        _indices(table.origin, f"origin of {table.name}", 0, 2**62)
        _want(table.origin.size == table.count, f"origin of {table.name}")
        _want(isinstance(table.encoding, dict), f"encoding of {table.name}")
    for table in program.plastic:
        _whole(table.source, table.name, program.sources)
        _whole(table.sources, table.name, program.sources - table.source + 1)
        _whole(table.block, table.name, len(program.blocks))
        _whole(table.port, table.name, 2**16)
        PlasticityRule.from_dict(table.rule)
        inputs = [b.population for b in program.inputs]
        _want(not table.reward or table.reward in inputs, f"reward of {table.name}")
    for table in program.gaps:
        for values, name, most in (
            (table.pre, "pre", program.neurons),
            (table.post, "post", program.neurons),
            (table.ring, "ring", program.ring),
        ):
            _indices(values, f"{name} of {table.name}", 0, most)
            _want(values.shape == table.pre.shape, f"{name} of {table.name}")
        _numbers(table.weight, f"weight of {table.name}", "f")
        _want(table.weight.shape == table.pre.shape, f"weight of {table.name}")
        _want(np.all(np.isfinite(table.weight)), f"weight of {table.name}")
    for table in program.rules:
        rule = table.make()
        _whole(table.first, table.name, 2**62)
        _whole(table.source, table.name, program.sources)
        _whole(table.ring, table.name, program.ring)
        _whole(table.delay, table.name, program.max_delay + 1)
        _want(table.source + rule.n_pre <= program.sources, table.name)
        _want(table.ring + rule.n_post <= program.ring, table.name)
        law = table.delays()
        _want(law is None or TickTable.of(law, program.dt).last <= table.delay, table.name)


def _check_blocks(program: Program) -> None:
    for block in program.blocks:
        name = f"block {block.population}"
        _whole(block.ring, name, program.ring + 1)
        _whole(block.core, name, 2**40)
        _want(isinstance(block.reference, dict), name)
        _want(isinstance(block.reference.get("implementation"), str), name)
        _want(block.output in ("spike", "graded", "continuous"), name)
        for key, value in (*block.values.items(), *block.initial.items()):
            array = np.asarray(value)
            _numbers(array, f"{name}.{key}")
            _want(array.shape in ((), (block.n,)), f"{name}.{key}")
            _want(np.all(np.isfinite(array)), f"{name}.{key}")
        for key, pair in block.state_scale.items():
            _want(len(pair) == 2, f"{name}.{key}")
            for value in pair:
                _numbers(np.asarray(value), f"{name}.{key}")
                _want(np.shape(value) in ((), (block.n,)), f"{name}.{key}")
