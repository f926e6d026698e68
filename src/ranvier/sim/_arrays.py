"""From a Program to the flat arrays the worker runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Block, Program, machine_of
from ranvier.compile.pack import pack_rows
from ranvier.errors import RanvierError, fail
from ranvier.neurons import Kernel
from ranvier.sim._emit import BLOCK_FIELDS, Variant

__all__ = ["Arrays", "build", "expand_rules", "kernels_of"]

IntArray = NDArray[np.int64]


MOST_RING_BYTES = 1 << 36
"""Memory that inputs under way may take (64 GiB)."""
VECTOR = 24
"""Rows shorter than this are cheaper one synapse at a time."""
RUN_SPAN = 2.5
"""A row whose targets span at most this many times its synapses is filled up with zero weights, so
that it can be added as a vector. Adding zero changes no sum."""


class Synapses:
    """The packed synapses of a session: ``target``, ``weight`` and ``origin`` [n] as in a Program,
    and the same laid out for the engine (``rows`` are the arguments of the worker).
    """

    def __init__(self, rows: dict[str, Any]) -> None:
        # Arrays from a file are read-only, for which numba would compile a second worker.
        self._rows = {k: np.require(v, requirements=["C", "W"]) for k, v in rows.items()}
        self.origin: IntArray = rows["synapse_origin"]
        self.target: NDArray[Any] = rows["synapse_target"].copy()
        self._lay_out(rows["synapse_weight"])

    @property
    def weight(self) -> NDArray[Any]:
        """Weights in packed order (a copy)."""
        return self._weight[self._place]

    def write(
        self, weight: NDArray[Any], target: NDArray[Any], chosen: NDArray[np.int64] | slice
    ) -> None:
        """Change weights, and targets where a sign chose another accumulator."""
        if np.array_equal(self.target[chosen], target):
            self._weight[self._place[chosen]] = weight
            return
        every = self.weight
        every[chosen] = weight
        self.target[chosen] = target
        self._lay_out(every)

    def _lay_out(self, weight: NDArray[Any]) -> None:
        ptr: IntArray = self._rows["row_ptr"]
        counts = np.diff(ptr)
        rows, used = counts.size, counts > 0
        target = self.target.astype(np.int64)
        low, high = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        if target.size:
            starts = ptr[:-1][used]
            low[used] = np.minimum.reduceat(target, starts)
            high[used] = np.maximum.reduceat(target, starts)
        row = np.repeat(np.arange(rows), counts)
        # Twice the same target in a row must stay two additions, in order.
        order = np.lexsort((target, row))
        twice = np.zeros(rows, bool)
        same = (np.diff(row[order]) == 0) & (np.diff(target[order]) == 0)
        twice[row[order][1:][same]] = True
        span = high - low + 1
        vector = used & ~twice & (span <= RUN_SPAN * counts) & (counts >= VECTOR)
        length = np.where(vector, span, counts)
        self.row_ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        self.row_run = np.where(vector, low, -1)
        within = np.arange(target.size) - ptr[row]
        self._place = self.row_ptr[row] + np.where(vector[row], target - low[row], within)
        self._weight = np.zeros(int(self.row_ptr[-1]), weight.dtype)
        self._weight[self._place] = weight
        laid = np.zeros(int(self.row_ptr[-1]), np.int32)
        laid[self._place] = target
        self._target = laid

    @property
    def rows(self) -> tuple[NDArray[Any], ...]:
        """Arguments of the worker, in its order."""
        return (
            self._rows["route_ptr"],
            self._rows["route_row"],
            self.row_ptr,
            self._rows["row_delay"],
            self.row_run,
            self._target,
            self._weight,
        )


@dataclass(eq=False)
class Arrays:
    """Mutable arrays of one session, in the chip's number format.

    ``state``/``param`` are arenas; ``blocks`` [blocks, 8] is the table of offsets into them
    (columns BLOCK_FIELDS); ``ring`` [depth * width] holds future inputs; ``out`` [neurons] what
    each neuron put out in the last tick. ``synapses`` are the packed synapses as the engine lays
    them out.
    """

    variants: tuple[Variant, ...]
    blocks: IntArray
    state: NDArray[Any]
    initial: NDArray[Any]
    param: NDArray[Any]
    ring: NDArray[Any]
    out: NDArray[Any]
    mask: int
    width: int
    synapses: Synapses
    counters: tuple[tuple[int, str], ...]
    state_offset: dict[tuple[int, str], int]


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
    _check(program, kernels, np.float64 if chip.dtype == "f8" else np.int64)
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
    if program.synapse_weight.size and (program.synapse_weight.dtype.kind == "f") != (
        dtype is np.float64
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
        synapses = table.make().synapses()
        n = synapses.pre.size
        parts.append(
            [
                synapses.pre + table.source,
                np.full(n, program.cores[0]),
                np.full(n, table.delay),
                synapses.post + table.ring,
                synapses.weight,
                table.first + np.arange(n),
            ]
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return pack_rows(program.sources, *columns)


def _flags(kernel: Kernel, block: Block) -> tuple[bool, ...]:
    return tuple(bool(np.ndim(block.values[name])) for name in kernel.params)


def build(program: Program) -> Arrays:
    """Allocate everything a session needs."""
    dtype = np.float64 if machine_of(program).dtype == "f8" else np.int64
    kernels = kernels_of(program)
    variants: list[Variant] = []
    blocks = np.zeros((len(kernels), len(BLOCK_FIELDS)), np.int64)
    params: list[NDArray[Any]] = []
    states: list[NDArray[Any]] = []
    counters: list[tuple[int, str]] = []
    state_offset: dict[tuple[int, str], int] = {}
    at_state = at_param = 0
    for k, (kernel, block) in enumerate(zip(kernels, program.blocks, strict=True)):
        variant = Variant(kernel, _flags(kernel, block))
        if variant not in variants:
            variants.append(variant)
        blocks[k] = (
            variants.index(variant), block.n, block.start, at_state, at_param, block.ring, 0,
            len(counters),
        )  # fmt: skip
        counters += [(k, name) for name in kernel.counters]
        for name in kernel.params:
            value = np.atleast_1d(np.asarray(block.values[name]))
            params.append(value.astype(dtype))
            at_param += value.size
        for name in kernel.state:
            value = np.broadcast_to(np.asarray(block.initial.get(name, 0)), (block.n,))
            states.append(value.astype(dtype))
            state_offset[k, name] = at_state
            at_state += block.n
    depth = 1 << int(program.max_delay).bit_length()
    if depth * program.ring * 8 > MOST_RING_BYTES:
        raise fail(
            "delays-too-long",
            program.name,
            "inputs under way would need too much memory",
            got=f"{program.max_delay} ticks x {program.ring} inputs, {depth * program.ring * 8} B",
            limit=f"{MOST_RING_BYTES} B",
            hint=("shorten the longest delay", "use a larger dt"),
        )
    rows = expand_rules(program)
    none = [np.zeros(0, dtype)]
    initial = np.concatenate(none + states)
    return Arrays(
        variants=tuple(variants),
        blocks=blocks,
        state=initial.copy(),
        initial=initial,
        param=np.concatenate(none + params),
        ring=np.zeros(depth * program.ring, dtype),
        out=np.zeros(program.neurons, dtype),
        mask=depth - 1,
        width=program.ring,
        synapses=Synapses(rows),
        counters=tuple(counters),
        state_offset=state_offset,
    )
