"""Pack: the final tables of a Program, in the order of the physical slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile._draft import Draft, Piece
from ranvier.compile._program import (
    Block,
    GapTable,
    InputBlock,
    PlasticTable,
    Program,
    ProjectionTable,
    RuleTable,
)
from ranvier.network import Distribution
from ranvier.network._order import stable_order

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
        whole = tuple(
            Piece(population=n, index=np.arange(network.population(n).size)) for n in names
        )
        cores: tuple[tuple[Piece, ...], ...] = draft.cores or (whole,)
        placement = draft.placement or tuple(range(len(cores)))
        # Physical order; on a single core, an order in which zero delays can be computed.
        order = np.argsort(placement, kind="stable").tolist()
        if len(cores) == 1:
            cores = (_in_order(draft, cores[0]),)
        layout = _Layout.of(draft, [(placement[v], cores[v]) for v in order])
        first_of = _canonical(draft)
        rows = _rows(draft, layout, first_of)
        rules = _rules(draft, first_of, layout)
        delays = [1, *rows["row_delay"].tolist(), *(r.delay for r in rules)]
        return Program(
            name=network.name,
            chip=chip.name,
            chip_hash=chip.hash,
            network_hash=draft.source_hash or network.hash,
            dt=draft.dt,
            seed=draft.seed,
            blocks=tuple(layout.blocks),
            inputs=tuple(layout.inputs),
            outputs=network.outputs,
            probes=network.probes,
            shapes={p.name: p.shape for p in network.populations},
            slots=layout.slots,
            neurons=layout.neurons,
            sources=layout.sources,
            ring=layout.ring,
            max_delay=max(delays),
            projections=tuple(
                ProjectionTable(
                    name=p.name,
                    first=first_of[p.name],
                    count=p.origin.size,
                    encoding=p.encoding,
                    implementation=draft.implementations[p.target],
                    origin=p.origin,
                )
                for p in draft.projections
                if not network.projection(p.name).gap
            ),
            rules=rules,
            gaps=_gaps(draft, layout),
            plastic=_plastic(draft, layout),
            cores=np.array([placement[v] for v in order], np.int64),
            tables=_tables(draft, layout.slots, layout.sources),
            # A network without neurons still has its one core, with nothing on it.
            ledger={
                k: np.asarray(v)[order] if draft.cores else np.zeros(len(order))
                for k, v in draft.ledger.items()
            },
            limits={limit.resource: limit.limit for limit in chip.limits},
            quantities=dict(draft.quantities),
            algorithms={"update": draft.update},
            issues=draft.issues,
            **rows,
        )


@dataclass(eq=False)
class _Layout:
    """Where everything lies: slot, accumulator, core and block size of every neuron."""

    blocks: list[Block]
    inputs: list[InputBlock]
    slots: dict[str, IntArray]
    ring_of: dict[str, IntArray]
    core_of: dict[str, IntArray]
    stride: dict[str, IntArray]
    neurons: int = 0
    sources: int = 0
    ring: int = 0

    @classmethod
    def of(cls, draft: Draft, cores: list[tuple[int, tuple[Piece, ...]]]) -> _Layout:
        """Number slots core by core, then inputs."""
        populations = draft.network.populations

        def empty() -> dict[str, IntArray]:
            return {p.name: np.ones(p.size, np.int64) for p in populations}

        made = cls([], [], empty(), empty(), empty(), empty())
        for core, pieces in cores:
            for piece in pieces:
                made._add(draft, core, piece)
        start = made.neurons
        for population in draft.network.inputs:
            made.inputs.append(
                InputBlock(
                    population=population.name,
                    start=start,
                    n=population.size,
                    signal=population.signal,
                )
            )
            made.slots[population.name] = start + np.arange(population.size)
            start += population.size
        made.sources = start
        return made

    def _add(self, draft: Draft, core: int, piece: Piece) -> None:
        block = _block(draft, piece, core, self.neurons, self.ring)
        name, position = piece.population, np.arange(block.n)
        self.slots[name][piece.index] = self.neurons + position
        self.ring_of[name][piece.index] = self.ring + position
        self.core_of[name][piece.index] = core
        self.stride[name][piece.index] = block.n
        self.blocks.append(block)
        self.neurons += block.n
        self.ring += block.n * len(draft.quantised[name].kernel.ports)


def _rows(draft: Draft, layout: _Layout, first_of: dict[str, int]) -> dict[str, Any]:
    """All stored synapses of all projections, laid out."""
    columns: list[list[NDArray[Any]]] = [[], [], [], [], [], []]
    narrow = np.int32 if max(layout.sources, layout.ring) < 2**31 else np.int64
    stored = [p for p in draft.projections if not draft.network.projection(p.name).gap]
    for p in stored:
        target = layout.ring_of[p.target].astype(narrow)[p.post]
        if p.port.size and p.port.any():
            target += (p.port * layout.stride[p.target][p.post]).astype(narrow)
        entries = (
            layout.slots[p.source].astype(narrow)[p.pre],
            layout.core_of[p.target][p.post],
            p.delay.astype(np.int32),
            target,
            p.weight,
            first_of[p.name] + p.index,
        )
        for column, entry in zip(columns, entries, strict=True):
            column.append(entry)
    if not stored:
        kinds = (np.int64,) * 4 + (np.int64 if draft.chip.dtype == "i8" else np.float64, np.int64)
        columns = [[np.zeros(0, kind)] for kind in kinds]
    # One projection alone is not copied.
    whole = [c[0] if len(c) == 1 else np.concatenate(c) for c in columns]
    del columns
    return pack_rows(layout.sources, *whole)


def pack_rows(
    sources: int,
    source: NDArray[Any],
    core: NDArray[Any],
    delay: NDArray[Any],
    target: NDArray[Any],
    weight: NDArray[Any],
    origin: NDArray[Any],
) -> dict[str, Any]:
    """Routes, rows and synapses from one entry per synapse.

    A row is one (source, core, delay). Inside a row synapses stand by target, and those onto the
    same target in canonical order (``origin``), so every accumulator is summed in one order.
    """
    order = stable_order(origin, target, delay, core, source)
    new = np.zeros(source.size, bool)
    new[:1] = True
    for key in (source, core, delay):
        if key.size and (key[0] != key[-1] or np.any(key != key[0])):
            key = key[order]
            new[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(new)
    first = order[starts]
    counts = np.bincount(source[first], minlength=sources)
    return {
        "route_ptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "route_row": np.arange(starts.size, dtype=np.int64),
        "row_ptr": np.append(starts, source.size).astype(np.int64),
        "row_core": core[first].astype(np.int64),
        "row_delay": delay[first].astype(np.int64),
        "synapse_target": target[order].astype(np.int32, copy=False),
        "synapse_weight": weight[order].astype(
            np.float64 if weight.dtype.kind == "f" else _narrow(weight), copy=False
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
        reference={**quantised.reference, **_rest(draft, piece)},
        values={k: _cut(v, piece.index) for k, v in quantised.values.items()},
        initial={k: _cut(v, piece.index) for k, v in quantised.initial.items()},
        output=quantised.kernel.output,
        aliases=quantised.aliases,
        state_scale={
            k: tuple(_cut(x, piece.index) for x in v) for k, v in quantised.state_scale.items()
        },
    )


def _rest(draft: Draft, piece: Piece) -> dict[str, Any]:
    rest = draft.rests.get(piece.population)
    return {} if rest is None else {"rest": rest}


def _in_order(draft: Draft, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Populations so that a projection without delay goes from an earlier to a later one."""
    names = list(dict.fromkeys(piece.population for piece in pieces))
    waiting: dict[str, set[str]] = {name: set() for name in names}
    by_name = {p.name: p for p in draft.network.projections}
    for projection in by_name.values():
        if projection.immediate and draft.chip.min_delay == 0 and projection.source in waiting:
            waiting[projection.target].add(projection.source)
    done: list[str] = []
    while waiting:
        ready = next(name for name in waiting if not (waiting[name] - set(done)))
        done.append(ready)
        del waiting[ready]
    return tuple(sorted(pieces, key=lambda piece: done.index(piece.population)))


def _plastic(draft: Draft, layout: _Layout) -> tuple[PlasticTable, ...]:
    """Projections whose weights change, in the network's order."""
    found: list[PlasticTable] = []
    numbers = {block.population: k for k, block in enumerate(layout.blocks)}
    for p in draft.network.projections:
        if p.plasticity is None:
            continue
        slots = layout.slots[p.source]
        found.append(
            PlasticTable(
                name=p.name,
                source=int(slots[0]),
                sources=int(slots.size),
                block=numbers[p.target],
                port=int(draft.quantised[p.target].encodings[p.name]["port"]),
                rule=p.plasticity.rule.to_dict(),
                parameters=dict(p.plasticity.parameters),
                reward=p.plasticity.reward,
            )
        )
    return tuple(found)


def _gaps(draft: Draft, layout: _Layout) -> tuple[GapTable, ...]:
    """Electrical synapses by projection."""
    return tuple(
        GapTable(
            name=p.name,
            state=draft.network.projection(p.name).gap,
            pre=layout.slots[p.source][p.pre],
            post=layout.slots[p.target][p.post],
            ring=layout.ring_of[p.target][p.post] + p.port * layout.stride[p.target][p.post],
            weight=np.asarray(p.weight, np.float64),
        )
        for p in draft.projections
        if draft.network.projection(p.name).gap
    )


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
    layout: _Layout,
) -> tuple[RuleTable, ...]:
    tables: list[RuleTable] = []
    for name in draft.rules:
        p = draft.network.projection(name)
        data = p.connectivity.to_dict()
        data.pop("kind")
        port = int(draft.quantised[p.target].encodings[name]["port"])
        tables.append(
            RuleTable(
                name=name,
                first=first_of[name],
                source=int(layout.slots[p.source][0]),
                ring=int(layout.ring_of[p.target][0] + port * layout.stride[p.target][0]),
                delay=draft.rule_delays[name],
                rule=data,
                law=p.delay.to_dict() if isinstance(p.delay, Distribution) else None,
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
