"""From a Program to the flat arrays the worker runs on."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Block, Program, machine_of
from ranvier.compile.pack import pack_rows
from ranvier.errors import RanvierError, about, fail
from ranvier.network._ticks import TickTable
from ranvier.neurons import Kernel, poisson_table
from ranvier.sim._build import Synapses
from ranvier.sim._emit import PART_FIELDS
from ranvier.sim._gaps import Gaps
from ranvier.sim._layout import Layout, aligned_zeros, lay_out, padded
from ranvier.sim._plastic import Plastic, kernel_numbers
from ranvier.sim._sleep import REST_SHAPES, Sleep
from ranvier.sim._states import States
from ranvier.sim._ties import instant, ties
from ranvier.sim._update import BLOCK, DRAW_WORDS, SUB_FIELDS, Make, Variant

__all__ = ["NUMBERS", "Arrays", "build", "expand_rules", "kernels_of"]

IntArray = NDArray[np.int64]

NUMBERS: dict[str, Any] = {"f8": np.float64, "f4": np.float32, "i8": np.int64}
"""The engine's number type for each of a chip's."""
MOST_HISTORY = 1 << 36
"""Memory that spikes under way may take at worst (64 GiB; what is never used is never taken)."""
ROWS_IN_HAND = 64
"""Rows looked up before they are added, so that memory can be asked for them in time."""


@dataclass(eq=False)
class Arrays:
    """Mutable arrays of one session, in the chip's number format.

    ``state``/``param`` are arenas; ``subs`` and ``parts`` [partitions, ...] are tables of offsets
    into them (columns SUB_FIELDS, PART_FIELDS), ``states`` says where states lie; ``acc`` are the
    accumulators of one tick; ``out`` [neurons] is what each neuron put out in the last tick.
    ``history`` keeps for ``depth`` ticks which neurons sent (lane q, tick t: ``hist_base[q] + t %
    depth * hist_cap[q]`` onwards, ``hist_n[q, t % depth]`` of them), with ``hist_value`` where
    events carry values.
    """

    variants: tuple[Variant, ...]
    make: Make
    layout: Layout
    synapses: Synapses
    subs: IntArray
    parts: IntArray
    state: NDArray[Any]
    initial: NDArray[Any]
    param: NDArray[Any]
    acc: NDArray[Any]
    out: NDArray[Any]
    depth: int
    hist_base: IntArray
    hist_cap: IntArray
    hist_n: NDArray[np.int32]
    history: NDArray[np.int32]
    hist_value: NDArray[Any]
    scratch: NDArray[Any]
    tallies: NDArray[np.uint32]
    marks: NDArray[np.uint8]
    random: NDArray[np.uint32]
    who: NDArray[np.int32]
    streams: NDArray[np.uint32]
    draws: IntArray
    limits: NDArray[np.uint32]
    limit_ptr: IntArray
    limit_of: NDArray[np.int32]
    counters: tuple[tuple[int, str], ...]
    states: States
    sleep: Sleep
    gaps: Gaps
    plastic: tuple[Plastic, ...]

    def wake(self, program: Program, tick: int) -> None:
        """Everybody is computed at ``tick``; nothing is under way to anybody."""
        for k, at in self.states.due.items():
            self.states.write(self.sleep.ticks, k, at, tick)
        self.sleep.rouse(self.subs, np.ones(program.neurons, np.uint8))

    def restore(self, packed: NDArray[Any], tick: int) -> None:
        """States of a checkpoint of ``tick``; raises RanvierError where a neuron is due later."""
        self.states.unpack(self.state, packed)
        for k, at in self.states.due.items():
            due = self.states.read(self.sleep.ticks, k, at)
            if due.size and (due.min() < 0 or due.max() > tick):
                raise fail("damaged-bundle", "checkpoint",
                           "neurons were computed after it was made")  # fmt: skip


def kernels_of(program: Program) -> list[Kernel]:
    """The kernel of every block, from the chip the program names.

    Raises RanvierError when that chip is missing here or has changed since.
    """
    chip = machine_of(program)
    found: dict[str, Kernel] = {}
    kernels: list[Kernel] = []
    for block in program.blocks:
        key = repr(block.reference)
        if key not in found:
            name = block.reference["implementation"]
            try:
                found[key] = chip.implementation(name).kernel(block.reference)
            except (KeyError, TypeError, AttributeError) as error:
                raise _damaged(program, f"block {block.population} has no kernel") from error
        kernels.append(found[key])
    _check(program, kernels, NUMBERS[chip.dtype])
    return kernels


def _damaged(program: Program, message: str) -> RanvierError:
    return fail("damaged-program", program.name, message, hint="compile the network again")


def _check(program: Program, kernels: list[Kernel], dtype: type) -> None:
    """What cannot be checked without the chip: sizes, parameters and number formats."""
    ring = 0
    for kernel, block in zip(kernels, program.blocks, strict=True):
        name = block.population
        missing = [p for p in kernel.params if p not in block.values]
        if missing:
            raise _damaged(program, f"block {name} lacks {', '.join(missing)}")
        if block.ring != ring or block.output != kernel.output:
            raise _damaged(program, f"block {name} does not fit its kernel")
        ring += block.n * len(kernel.ports)
        for key, value in (*block.values.items(), *block.initial.items()):
            kind = np.asarray(value).dtype.kind
            if kind not in ("iu" if dtype is np.int64 else "iuf"):
                raise _damaged(program, f"{name}.{key} is in another number format")
    if ring != program.ring:
        raise _damaged(program, "the input accumulators do not fit the neurons")
    if program.synapse_weight.size and (program.synapse_weight.dtype.kind == "i") != (
        dtype is np.int64
    ):
        raise _damaged(program, "the weights are in another number format")


def expand_rules(program: Program) -> dict[str, Any]:
    """Routes, rows and synapses with procedural connectivity made explicit, in canonical order."""
    if not program.rules:
        names = ("route_ptr", "route_row", "row_ptr", "row_core", "row_delay", "synapse_target",
                 "synapse_weight", "synapse_origin")  # fmt: skip
        return {name: getattr(program, name) for name in names}
    rows = np.diff(program.row_ptr)
    row_source = np.zeros(program.row_core.size, np.int64)
    row_source[program.route_row] = np.repeat(
        np.arange(program.sources), np.diff(program.route_ptr)
    )
    parts: list[list[NDArray[Any]]] = [
        [
            np.repeat(row_source, rows),
            np.repeat(program.row_core, rows),
            np.repeat(program.row_delay, rows),
            program.synapse_target.astype(np.int64),
            program.synapse_weight,
            program.synapse_origin,
        ]
    ]
    for table in program.rules:
        drawn = table.delays()
        late = None if drawn is None else TickTable.of(drawn, program.dt)
        synapses, ticks = table.make().listed(late)
        n = synapses.pre.size
        parts.append(
            [
                synapses.pre + table.source,
                np.full(n, program.cores[0]),
                np.full(n, table.delay) if ticks is None else ticks,
                synapses.post + table.ring,
                synapses.weight,
                table.first + np.arange(n),
            ]
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return pack_rows(program.sources, *columns)


def _flags(kernel: Kernel, block: Block) -> tuple[bool, ...]:
    return tuple(bool(np.ndim(block.values[name])) for name in kernel.params)


def build(
    program: Program,
    *,
    threads: int | None = None,
    profile: bool = False,
    ranks: tuple[int, int] = (0, 1),
) -> Arrays:
    """Allocate everything a session needs; ``ranks`` as for :func:`lay_out`."""
    dtype = NUMBERS[machine_of(program).dtype]
    kernels = kernels_of(program)
    at_once = instant(program)
    rests = _rests(program, kernels, at_once)
    lazy = any(rests)
    ports = [len(k.ports) for k in kernels]
    layout = lay_out(program, threads, ports, groups=ties(program), aligned=lazy, ranks=ranks)
    make = Make(
        lazy=lazy,
        single=dtype is np.float32,
        graded=any(k.output != "spike" for k in kernels)
        or any(b.signal != "spike" for b in program.inputs),
        instant=at_once,
        lanes=layout.tied,
        gaps=bool(program.gaps),
        profile=profile,
    )
    variants: list[Variant] = []
    params: list[NDArray[Any]] = []
    counters: list[tuple[int, str]] = []
    columns: list[tuple[int, int, int, int]] = []
    sleep = Sleep(rests, dtype)
    states = States(program, kernels, layout, [rest is not None for rest in rests])
    at_param = 0
    for k, (kernel, block) in enumerate(zip(kernels, program.blocks, strict=True)):
        rest = rests[k]
        variant = Variant(kernel, _flags(kernel, block), len(rest["states"]) if rest else 0)
        if variant not in variants:
            variants.append(variant)
        columns.append((variants.index(variant), states.base[k], at_param, len(counters)))
        counters += [(k, name) for name in kernel.counters]
        params.append(_parameters(kernel, block, states.stride[k], dtype))
        at_param += params[-1].size
    drawn = _Draws(program, kernels)
    subs = np.zeros((sum(len(p) for p in layout.subs), len(SUB_FIELDS)), np.int64)
    streams = np.zeros((max(1, len(subs)), 3), np.uint32)
    parts = np.zeros((layout.parts, len(PART_FIELDS)), np.int64)
    row = at_random = 0
    for p, pieces in enumerate(layout.subs):
        begin = row
        for sub in pieces:
            block, kernel = program.blocks[sub.block], kernels[sub.block]
            kind, state, param, counter = columns[sub.block]
            subs[row] = (
                kind, sub.n, sub.first, states.stride[sub.block], block.start + sub.first,
                state + states.shift[row], param, sub.acc - layout.acc[p], 0,
                p * len(counters) + counter, at_random, drawn.first[sub.block], sub.pitch,
                sleep.first[sub.block], 0,
                layout.lane[row] if layout.tied else p,
            )  # fmt: skip
            streams[row] = drawn.streams[sub.block]
            at_random += 4 * _words(kernel) * sub.n
            row += 1
        parts[p, :3] = layout.owner[p], layout.acc[p], layout.acc[p + 1] - layout.acc[p]
        parts[p, 7:9] = begin, row
    initial, state = states.initial(dtype), states.initial(dtype)
    if lazy:
        sleep.allot(layout, subs, ports, state)
        sleep.rouse(subs, np.ones(program.neurons, np.uint8))
    plastic = tuple(Plastic(program, layout, subs, t, dtype) for t in program.plastic)
    make = replace(
        make,
        rules=tuple({p.kernel.key: p.kernel for p in plastic}.values()),
        plastic=tuple(kernel_numbers(plastic)),
    )
    gaps = Gaps(program, layout, states, dtype)
    synapses = Synapses(program, layout, dtype, mine=layout.mine)
    parts[:, 3], parts[:, 4] = synapses.row_at[:-1], np.diff(synapses.row_at)
    parts[:, 5], parts[:, 6] = synapses.synapse_at[:-1], np.diff(synapses.synapse_at)
    depth = int(synapses.delays[-1]) + 2
    _check_history(program, depth)
    hist_cap = np.diff(layout.lane_at)
    entries = depth * program.neurons
    widest = max([1, *(len(k.draws) for k in kernels)])
    if lazy:
        widest = max(widest, *(len(k.state) + len(k.ports) + 1 for k in kernels))
    param = aligned_zeros(at_param, dtype)
    param[:] = np.concatenate([np.zeros(0, dtype), *params])
    return Arrays(
        variants=tuple(variants),
        make=make,
        layout=layout,
        synapses=synapses,
        subs=subs,
        parts=parts,
        state=state,
        initial=initial,
        param=param,
        acc=aligned_zeros(int(layout.acc[-1]), dtype),
        out=aligned_zeros(program.neurons, dtype),
        depth=depth,
        hist_base=np.concatenate([[0], np.cumsum(depth * hist_cap)[:-1]]).astype(np.int64),
        hist_cap=hist_cap,
        hist_n=aligned_zeros((layout.lanes, padded(depth)), np.int32),
        history=np.empty(entries, np.int32),
        hist_value=np.empty(entries if make.graded else 1, dtype),
        scratch=aligned_zeros((layout.threads, widest * BLOCK), dtype),
        tallies=aligned_zeros((layout.threads, BLOCK), np.uint32),
        marks=aligned_zeros((layout.threads, BLOCK), np.uint8),
        random=aligned_zeros(at_random, np.uint32),
        who=drawn.who,
        streams=streams,
        draws=drawn.tables,
        limits=drawn.limits,
        limit_ptr=drawn.limit_ptr,
        limit_of=drawn.limit_of,
        counters=tuple(counters),
        states=states,
        sleep=sleep,
        gaps=gaps,
        plastic=plastic,
    )


def _parameters(kernel: Kernel, block: Block, stride: int, dtype: Any) -> NDArray[Any]:
    """Those with a value for every neuron, ``stride`` apart, then the others."""
    values = [np.asarray(block.values[name]) for name in kernel.params]
    many = [v for v in values if v.ndim]
    table = np.zeros((len(many), stride), dtype)
    for row, value in zip(table, many, strict=True):
        row[: block.n] = value
    single = np.zeros(padded(len(values) - len(many)), dtype)
    single[: len(values) - len(many)] = [v for v in values if not v.ndim]
    return np.concatenate([table.ravel(), single])


def _rests(
    program: Program, kernels: Sequence[Kernel], instant: bool
) -> list[Mapping[str, Any] | None]:
    """By block, how its neurons move at rest; None where they are computed every tick."""
    found: list[Mapping[str, Any] | None] = []
    for kernel, block in zip(kernels, program.blocks, strict=True):
        rest = block.reference.get("rest")
        unfit = instant or program.gaps or program.plastic or kernel.draws
        usable = rest is not None and not unfit
        if usable and not any(_flags(kernel, block)):
            _check_rest(program, kernel, block, rest)
            found.append(rest)
        else:
            found.append(None)
    return found


def _check_rest(program: Program, kernel: Kernel, block: Block, rest: Any) -> None:
    try:
        states, d = rest["states"], len(rest["states"])
        fits = tuple(kernel.state[:d]) == tuple(states) and 0 <= rest["watched"] < d
        for name, shape in REST_SHAPES.items():
            array = np.asarray(rest[name], np.float64)
            fits = fits and array.shape == (d,) * shape and bool(np.all(np.isfinite(array)))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(program, f"block {block.population} cannot sleep") from error
    if not fits:
        raise _damaged(program, f"block {block.population} cannot sleep")


def _check_history(program: Program, depth: int) -> None:
    size = depth * program.neurons * 4
    if size > MOST_HISTORY:
        raise fail(
            "delays-too-long",
            program.name,
            "inputs under way would need too much memory",
            got=f"{depth - 2} ticks x {program.neurons} neurons, {size} B",
            limit=f"{MOST_HISTORY} B",
            hint=("shorten the longest delay", "use a larger dt"),
        )


def _words(kernel: Kernel) -> int:
    return sum(DRAW_WORDS[draw.partition(":")[0]] for draw in kernel.draws)


class _Draws:
    """What random draws need: keys by population, and the limits of Poisson counts.

    ``first[k]`` is the row of ``tables`` at which block k's draws begin: the number of a table of
    limits, or -1 and the place in ``limit_of`` where each neuron's own begins.
    """

    def __init__(self, program: Program, kernels: Sequence[Kernel]) -> None:
        self.first = [0] * len(kernels)
        self.streams = np.zeros((len(kernels), 3), np.uint32)
        rows: list[tuple[int, int]] = []
        known: dict[float, int] = {}
        limits: list[NDArray[np.uint32]] = []
        each: list[NDArray[np.int32]] = []
        size = 0
        any_draws = any(k.draws for k in kernels)
        self.who = np.zeros(program.neurons if any_draws else 1, np.int32)

        def table(value: float, population: str) -> int:
            if value not in known:
                known[value] = len(limits)
                # The worker compares with >: limits are at least 1.
                with about(population):
                    limits.append(poisson_table(value) - np.uint32(1))
            return known[value]

        for k, (kernel, block) in enumerate(zip(kernels, program.blocks, strict=True)):
            self.first[k] = len(rows)
            self.streams[k] = (
                program.seed & 0xFFFFFFFF,
                zlib.crc32(block.population.encode()),
                (program.seed >> 32) & 0xFFFFFFFF,
            )
            if kernel.draws:
                slots = program.slots[block.population]
                inside = (slots >= block.start) & (slots < block.start + block.n)
                self.who[slots[inside]] = np.flatnonzero(inside)
            for draw in kernel.draws:
                name = draw.partition(":")[2]
                value = block.values[name] if name else 0.0
                if not name:
                    rows.append((0, 0))
                elif np.ndim(value) == 0:
                    rows.append((table(float(value), block.population), 0))
                else:
                    unique, index = np.unique(np.asarray(value, np.float64), return_inverse=True)
                    named = [table(float(x), block.population) for x in unique]
                    numbers = np.array(named, np.int32)
                    rows.append((-1, size))
                    each.append(numbers[index])
                    size += index.size
        self.tables = np.array(rows or [(0, 0)], np.int64).reshape(-1, 2)
        self.limits = np.concatenate([np.zeros(0, np.uint32), *limits])
        self.limit_ptr = np.cumsum([0, *(x.size for x in limits)]).astype(np.int64)
        self.limit_of = np.concatenate([np.zeros(1, np.int32)[:0], *each]).astype(np.int32)
