"""The reference engine: plain Python, one neuron and one synapse at a time, for tests to trust.

It reads the same Program but none of the fast engine's code: dictionaries instead of arenas,
Python numbers (integers without a width) instead of machine words.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ranvier.compile import Block, Program, machine_of
from ranvier.errors import fail
from ranvier.events import Events, Recording
from ranvier.neurons import draw
from ranvier.sim._arrays import NUMBERS, expand_rules, kernels_of
from ranvier.sim._stimulus import Stimulus, source_events

__all__ = ["run_reference"]


def _at(value: Any, i: int, number: type) -> Any:
    return number(value[i]) if np.ndim(value) else number(value)


def run_reference(
    program: Program,
    stimulus: Stimulus,
    *,
    ticks: int,
    window: int | None = None,
    reset: bool = False,
) -> Recording:
    """Run on one chip; records the events of every population, and counts."""
    if program.parts:
        raise fail("several-chips", program.name, "the reference engine runs one chip at a time")
    dtype = machine_of(program).dtype
    number: Any = {"i8": int, "f8": float, "f4": np.float32}[dtype]
    events, given = source_events(program, stimulus, ticks, NUMBERS[dtype])
    kernels = kernels_of(program)
    steps = [kernel.python() for kernel in kernels]
    index = [_index(program, block) for block in program.blocks]
    rows = expand_rules(program)
    waiting: dict[int, list[tuple[int, Any, bool]]] = defaultdict(list)
    for t, s, v, plain in zip(*(column.tolist() for column in (
        events.tick, events.source, events.payload, events.plain)), strict=True):  # fmt: skip
        waiting[t].append((s, v, plain))

    def fresh() -> list[dict[str, list[Any]]]:
        return [
            {name: [_at(b.initial.get(name, 0), i, number) for i in range(b.n)] for name in k.state}
            for b, k in zip(program.blocks, kernels, strict=True)
        ]

    state, arriving = fresh(), defaultdict[int, dict[int, Any]](lambda: defaultdict(number))
    length = window or max(1, ticks)
    counts = np.zeros((max(1, -(-ticks // length)), program.sources), np.int64)
    emitted: list[tuple[int, int, Any]] = []

    def deliver(tick: int, source: int, value: Any, plain: bool) -> None:
        counts[tick // length, source] += 1
        for r in range(rows["route_ptr"][source], rows["route_ptr"][source + 1]):
            row = rows["route_row"][r]
            slot = arriving[tick + int(rows["row_delay"][row])]
            for k in range(rows["row_ptr"][row], rows["row_ptr"][row + 1]):
                weight = number(rows["synapse_weight"][k])
                slot[int(rows["synapse_target"][k])] += weight if plain else weight * value

    for tick in range(ticks):
        if reset and tick and tick % length == 0:
            state = fresh()
            arriving.clear()
        for source, value, plain in waiting.get(tick, ()):
            deliver(tick, source, value, plain)
        for target, current in _gap_currents(program, state, number).items():
            arriving[tick][target] += current
        for k, (block, kernel) in enumerate(zip(program.blocks, kernels, strict=True)):
            sums, spiking = arriving[tick], kernel.output == "spike"
            out: list[tuple[int, Any]] = []
            drawn = [
                draw(kind, program.seed, block.population, neurons=index[k], tick=tick, index=d,
                     values=dict(block.values))
                for d, kind in enumerate(kernel.draws)
            ]  # fmt: skip
            for i in range(block.n):
                arguments = [state[k][name][i] for name in kernel.state]
                arguments += [
                    sums.get(block.ring + p * block.n + i, number(0))
                    for p in range(len(kernel.ports))
                ]
                arguments += [_at(block.values[name], i, number) for name in kernel.params]
                arguments += [number(column[i]) for column in drawn]
                result = steps[k](*arguments)
                for name, value in zip(kernel.state, result, strict=False):
                    state[k][name][i] = value
                if result[len(kernel.state)] != 0:
                    out.append((block.start + i, result[len(kernel.state)]))
            for source, value in out:
                emitted.append((tick, source, value))
                deliver(tick, source, value, spiking)
        arriving.pop(tick, None)
    return _recording(program, emitted, given, counts, ticks, length)


def _gap_currents(
    program: Program, state: list[dict[str, list[Any]]], number: Any
) -> dict[int, Any]:
    """Current of the electrical synapses onto each accumulator, from the states a tick ago."""

    def read(slot: int, name: str) -> Any:
        k = next(k for k, b in enumerate(program.blocks) if b.start <= slot < b.start + b.n)
        return state[k][name][slot - program.blocks[k].start]

    total: dict[tuple[int, int], Any] = {}
    for number_of_table, table in enumerate(program.gaps):
        order = np.lexsort((table.pre, table.ring))
        for pre, post, ring, weight in zip(
            *(x[order].tolist() for x in (table.pre, table.post, table.ring, table.weight)),
            strict=True,
        ):
            difference = read(pre, table.state) - read(post, table.state)
            key = (ring, number_of_table)
            total[key] = total.get(key, number(0)) + number(weight) * difference
    found: dict[int, Any] = {}
    for ring, number_of_table in sorted(total):
        found[ring] = found.get(ring, number(0)) + total[ring, number_of_table]
    return found


def _index(program: Program, block: Block) -> Any:
    """Which neurons of its population a block holds."""
    slots = program.slots[block.population]
    return np.flatnonzero((slots >= block.start) & (slots < block.start + block.n))


def _recording(
    program: Program,
    emitted: list[tuple[int, int, Any]],
    given: dict[str, Events],
    counts: Any,
    ticks: int,
    length: int,
) -> Recording:
    events = dict(given)
    graded = {b.population for b in program.blocks if b.output != "spike"}
    for name in {b.population for b in program.blocks}:
        index = {int(slot): i for i, slot in enumerate(program.slots[name])}
        mine = [(t, index[s], v) for t, s, v in emitted if s in index]
        events[name] = Events.sorted(
            np.array([t for t, _, _ in mine], np.int64),
            np.array([i for _, i, _ in mine], np.int64),
            size=program.slots[name].size,
            ticks=ticks,
            dt=program.dt,
            payload=[float(v) for *_, v in mine] if name in graded else None,
        )
    return Recording(
        dt=program.dt,
        ticks=ticks,
        window=length,
        program_hash=program.hash,
        events=events,
        counts={name: counts[:, slots] for name, slots in program.slots.items()},
        blocks=tuple((b.population, b.core) for b in program.blocks),
    )
