"""Pack: the final tables of a Program, in the order of the physical slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile._draft import Draft, Piece
from ranvier.compile._program import Block, InputBlock, Program, ProjectionTable, RuleTable

__all__ = ["Pack", "pack_rows"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Numbers slots core by core and lays out routes, rows and synapses.

    A draft that was not partitioned is packed as one core in the network's own order: that is the
    quantised network itself, against which every mapped program is verified.
    """

    name: str = "pack"

    def apply(self, draft: Draft) -> Program:
        """The Program."""
        network, chip = draft.network, draft.chip
        names = [p.name for p in network.populations if not p.is_input]
        cores = draft.cores or (
            tuple(Piece(population=n, index=np.arange(network.population(n).size)) for n in names),
        )
        placement = draft.placement or tuple(range(len(cores)))
        # Physical order; on a single core, an order in which zero delays can be computed.
        order = np.argsort(placement, kind="stable")
        if len(cores) == 1:
            cores = (_in_order(draft, cores[0]),)
        slots = {p.name: np.zeros(p.size, np.int64) for p in network.populations}
        ring_of = {p.name: np.zeros(p.size, np.int64) for p in network.populations}
        core_of = {p.name: np.zeros(p.size, np.int64) for p in network.populations}
        stride = {p.name: np.ones(p.size, np.int64) for p in network.populations}
        blocks: list[Block] = []
        start = ring = 0
        for virtual in order:
            for piece in cores[virtual]:
                block = _block(draft, piece, placement[virtual], start, ring)
                position = np.arange(block.n)
                slots[piece.population][piece.index] = start + position
                ring_of[piece.population][piece.index] = ring + position
                core_of[piece.population][piece.index] = placement[virtual]
                stride[piece.population][piece.index] = block.n
                blocks.append(block)
                start += block.n
                ring += block.n * len(draft.quantised[piece.population].kernel.ports)
        neurons = start
        inputs: list[InputBlock] = []
        for population in network.inputs:
            inputs.append(
                InputBlock(
                    population=population.name,
                    start=start,
                    n=population.size,
                    signal=population.signal,
                )
            )
            slots[population.name] = start + np.arange(population.size)
            start += population.size
        first_of = _canonical(draft)
        tables, parts = list[ProjectionTable](), list[tuple[Any, ...]]()
        for p in draft.projections:
            first = first_of[p.name]
            tables.append(
                ProjectionTable(
                    name=p.name,
                    first=first,
                    count=p.origin.size,
                    encoding=p.encoding,
                    implementation=draft.implementations[p.target],
                    origin=p.origin,
                )
            )
            parts.append(
                (
                    slots[p.source][p.pre],
                    core_of[p.target][p.post],
                    p.delay,
                    ring_of[p.target][p.post] + p.port * stride[p.target][p.post],
                    p.weight,
                    first + p.index,
                )
            )
        weight_type = np.float64 if chip.dtype == "f8" else np.int64
        columns = [
            np.concatenate([np.zeros(0, t), *(part[k] for part in parts)]).astype(t)
            for k, t in enumerate((np.int64,) * 4 + (weight_type, np.int64))
        ]
        rows = pack_rows(start, *columns)
        rules = _rules(draft, first_of, slots, ring_of, stride)
        longest = max([1, *rows["row_delay"][:1], *(r.delay for r in rules)])
        if rows["row_delay"].size:
            longest = max(longest, int(rows["row_delay"].max()))
        tables_out = _tables(draft, slots, start)
        return Program(
            name=network.name,
            chip=chip.name,
            chip_hash=chip.hash,
            network_hash=network.hash,
            dt=draft.dt,
            seed=draft.seed,
            blocks=tuple(blocks),
            inputs=tuple(inputs),
            outputs=network.outputs,
            probes=network.probes,
            shapes={p.name: p.shape for p in network.populations},
            slots=slots,
            neurons=neurons,
            sources=start,
            ring=ring,
            max_delay=int(longest),
            projections=tuple(tables),
            rules=rules,
            cores=np.array([placement[v] for v in order], np.int64),
            tables=tables_out,
            ledger={k: np.asarray(v)[order] for k, v in draft.ledger.items()},
            limits={limit.resource: limit.limit for limit in chip.limits},
            quantities=dict(draft.quantities),
            algorithms={"update": "dense"},
            issues=draft.issues,
            **rows,
        )


def pack_rows(
    sources: int,
    source: IntArray,
    core: IntArray,
    delay: IntArray,
    target: IntArray,
    weight: NDArray[Any],
    origin: IntArray,
) -> dict[str, Any]:
    """Routes, rows and synapses from one entry per synapse.

    A row is one (source, core, delay). Inside a row synapses stand by target, and those onto the
    same target in canonical order (``origin``), so every accumulator is summed in one order.
    """
    order = np.lexsort((origin, target, delay, core, source))
    source, core, delay = source[order], core[order], delay[order]
    new = np.ones(source.size, bool)
    if source.size:
        new[1:] = (np.diff(source) != 0) | (np.diff(core) != 0) | (np.diff(delay) != 0)
    starts = np.flatnonzero(new)
    return {
        "route_ptr": np.concatenate(
            [[0], np.cumsum(np.bincount(source[starts], minlength=sources))]
        ).astype(np.int64),
        "route_row": np.arange(starts.size, dtype=np.int64),
        "row_ptr": np.append(starts, source.size).astype(np.int64),
        "row_core": core[starts],
        "row_delay": delay[starts],
        "synapse_target": target[order].astype(np.int32),
        "synapse_weight": weight[order].astype(
            np.float64 if weight.dtype.kind == "f" else _narrow(weight)
        ),
        "synapse_origin": origin[order],
    }


def _narrow(weight: NDArray[Any]) -> type:
    """int32 where every weight fits, int64 otherwise: half the memory traffic."""
    fits = not weight.size or np.abs(weight).max() < 2**31
    return np.int32 if fits else np.int64


def _cut(value: Any, index: IntArray) -> Any:
    return np.ascontiguousarray(value[index]) if np.ndim(value) else value


def _block(draft: Draft, piece: Piece, core: int, start: int, ring: int) -> Block:
    quantised = draft.quantised[piece.population]
    return Block(
        population=piece.population,
        core=int(core),
        start=start,
        n=int(piece.index.size),
        ring=ring,
        reference=quantised.reference,
        values={k: _cut(v, piece.index) for k, v in quantised.values.items()},
        initial={k: _cut(v, piece.index) for k, v in quantised.initial.items()},
        output=quantised.kernel.output,
        aliases=quantised.aliases,
        state_scale={
            k: tuple(_cut(x, piece.index) for x in v) for k, v in quantised.state_scale.items()
        },
    )


def _in_order(draft: Draft, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Populations so that a projection without delay goes from an earlier to a later one."""
    names = list(dict.fromkeys(piece.population for piece in pieces))
    waiting: dict[str, set[str]] = {name: set() for name in names}
    by_name = {p.name: p for p in draft.network.projections}
    for name, projection in by_name.items():
        delay = projection.delay
        zero = delay is not None and np.size(delay) and float(np.min(delay)) == 0
        if zero and draft.chip.min_delay == 0 and projection.source in waiting:
            waiting[projection.target].add(projection.source)
    done: list[str] = []
    while waiting:
        ready = next(name for name in waiting if not (waiting[name] - set(done)))
        done.append(ready)
        del waiting[ready]
    return tuple(sorted(pieces, key=lambda piece: done.index(piece.population)))


def _canonical(draft: Draft) -> dict[str, int]:
    """Where each projection's synapses begin in the one list of all, in the network's order."""
    stored = {p.name: p.origin.size for p in draft.projections}
    first, found = 0, dict[str, int]()
    for p in draft.network.projections:
        found[p.name] = first
        # A rule reserves room for its largest possible number of synapses.
        first += stored[p.name] if p.name in stored else p.connectivity.most()
    return found


def _rules(
    draft: Draft,
    first_of: dict[str, int],
    slots: dict[str, IntArray],
    ring_of: dict[str, IntArray],
    stride: dict[str, IntArray],
) -> tuple[RuleTable, ...]:
    tables: list[RuleTable] = []
    for name in draft.rules:
        p = draft.network.projection(name)
        data = p.connectivity.to_dict()
        data.pop("kind")
        port = int(draft.quantised[p.target].encodings[name]["port"])
        ticks = 1 if p.delay is None else int(np.floor(float(p.delay) / draft.dt + 0.5 + 1e-9))
        if p.delay is not None and float(p.delay) > 0:
            ticks = max(1, ticks)
        tables.append(
            RuleTable(
                name=name,
                first=first_of[name],
                source=int(slots[p.source][0]),
                ring=int(ring_of[p.target][0] + port * stride[p.target][0]),
                delay=ticks,
                rule=data,
            )
        )
    return tuple(tables)


def _tables(draft: Draft, slots: dict[str, IntArray], sources: int) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for population, given in draft.tables.items():
        for key, column in given.items():
            table = columns.setdefault(key, np.zeros(sources))
            table[slots[population]] = column
    return columns


PASS = Pack
