"""Counters of a run: linear algebra on spike counts and the tables of a Program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ranvier.compile import Program
from ranvier.errors import fail
from ranvier.events import Recording

__all__ = ["Counts", "count"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

CHUNK = 1 << 22
"""Synapses looked at together, which bounds the memory this takes."""
ROUTING = ("hop_ew", "hop_ns", "packet_hop", "tile_spike")


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """What happened in each window of a run, in the units that cost tables price.

    ``ticks`` [windows]; ``by_population[name]`` [windows, populations] and ``by_core[name]``
    [windows, cores] hold the counts, whose names are those of ``Coefficient.per``:

    * ``synaptic_op``: synapses that events arrived at; to the target population and its core;
    * ``neuron_update``: neurons times ticks; ``neuron_update_active`` and ``_inactive`` only where
      the chip counted ``active_updates``;
    * ``spike``: events sent by neurons; ``input_event``: events sent in from outside;
    * ``axon_out``: packets (source event, target core) sent by neurons; ``axon_in``: those arriving
      at a core, inputs included; both to the source population, and each to its own core;
    * ``hop_ew``, ``hop_ns``, ``packet_hop``, ``tile_spike``: as in the program's tables, to the
      source population, inputs included.

    ``quantities`` are those of the mapping (tiles, cores, chips). A mixed system has ``parts``.
    """

    chip: str
    dt: float
    ticks: IntArray
    populations: tuple[str, ...] = ()
    cores: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    by_population: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    by_core: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    quantities: Mapping[str, float] = field(default_factory=dict[str, float])
    parts: Mapping[str, Counts] = field(default_factory=dict[str, Any])

    @property
    def per_window(self) -> dict[str, FloatArray]:
        """Every count of the whole machine, [windows]."""
        return {name: v.sum(1).astype(np.float64) for name, v in self.by_population.items()}

    @property
    def totals(self) -> dict[str, float]:
        """Every count over the whole run and machine."""
        return {name: float(v.sum()) for name, v in self.by_population.items()}


def count(program: Program, recording: Recording) -> Counts:
    """Count what a recorded run of a program did, per window, population and core.

    Raises RanvierError when the recording is of another program.
    """
    if recording.program_hash != program.hash:
        raise fail(
            "other-program",
            program.name,
            "this recording was not made with this program",
            got=recording.program_hash[:12],
            limit=program.hash[:12],
            hint="count with the program that was run",
        )
    ticks = _window_ticks(recording)
    if program.parts:
        parts = {
            name: _count(part, recording, ticks, whole=False)
            for name, part in program.parts.items()
        }
        return Counts(chip=program.chip, dt=program.dt, ticks=ticks, parts=parts)
    return _count(program, recording, ticks, whole=True)


def _window_ticks(recording: Recording) -> IntArray:
    """Ticks of each window; only the last may be shorter."""
    rows = next((v.shape[0] for v in recording.counts.values()), recording.windows)
    ticks = np.full(rows, recording.window, np.int64)
    ticks[-1] = min(recording.window, max(0, recording.ticks - recording.window * (rows - 1)))
    return ticks


def _count(program: Program, recording: Recording, ticks: IntArray, *, whole: bool) -> Counts:
    events = _events(program, recording, len(ticks))
    blocks = program.blocks
    populations = tuple(program.slots)
    cores = np.unique(np.array([b.core for b in blocks], np.int64))
    owner = np.array([populations.index(b.population) for b in blocks], np.int64)
    core = np.searchsorted(cores, np.array([b.core for b in blocks], np.int64))
    to_population = _one_hot(owner, len(populations))
    to_core = _one_hot(core, len(cores))

    source_population = np.zeros(program.sources, np.int64)
    for number, name in enumerate(populations):
        source_population[program.slots[name]] = number
    from_population = _one_hot(source_population, len(populations))
    neurons = events[:, : program.neurons]
    home = np.concatenate(
        [np.zeros(0, np.int64), *(np.full(b.n, k) for b, k in zip(blocks, core, strict=True))]
    )
    home_core = _one_hot(home, len(cores))

    synapses, reach = _fan_out(program, core, len(cores))
    operations = _times(events, synapses)
    updates = np.outer(ticks, np.array([b.n for b in blocks], np.int64))
    by_population: dict[str, NDArray[Any]] = {
        "synaptic_op": _times(operations, to_population),
        "neuron_update": _times(updates, to_population),
        "spike": _times(neurons, from_population[: program.neurons]),
        "input_event": _times(events[:, program.neurons :], from_population[program.neurons :]),
        "axon_in": _times(events * np.diff(reach.indptr), from_population),
    }
    by_core: dict[str, NDArray[Any]] = {
        "synaptic_op": _times(operations, to_core),
        "neuron_update": _times(updates, to_core),
        "spike": _times(neurons, home_core),
        "axon_in": _times(events, reach),
    }
    active = _active(program, recording, whole=whole)
    if active is not None:
        for table, matrix in ((by_population, to_population), (by_core, to_core)):
            table["neuron_update_active"] = _times(active, matrix)
            table["neuron_update_inactive"] = table["neuron_update"] - table["neuron_update_active"]
    if "axon_out" in program.tables:
        packets = neurons * program.tables["axon_out"][: program.neurons]
        by_population["axon_out"] = _times(packets, from_population[: program.neurons])
        by_core["axon_out"] = _times(packets, home_core)
    for name in ROUTING:
        if name in program.tables:
            by_population[name] = _times(events * program.tables[name], from_population)
    return Counts(
        chip=program.chip,
        dt=program.dt,
        ticks=ticks,
        populations=populations,
        cores=cores,
        by_population=by_population,
        by_core=by_core,
        quantities={"cores": float(len(cores)), "chips": 1.0, **program.quantities},
    )


def _events(program: Program, recording: Recording, windows: int) -> IntArray:
    """Events of every slot, [windows, sources]."""
    events = np.zeros((windows, program.sources), np.int64)
    for name, slots in program.slots.items():
        given = recording.counts.get(name)
        if given is None or given.shape != (windows, slots.size):
            raise fail(
                "no-counts",
                name,
                "the recording holds no spike counts of this population",
                got="none" if given is None else given.shape,
                limit=(windows, slots.size),
            )
        events[:, slots] = given
    return events


def _fan_out(program: Program, core: IntArray, cores: int) -> tuple[Any, Any]:
    """Synapses of every source on every block [sources, blocks]; cores reached [sources, cores]."""
    starts = np.array([b.ring for b in program.blocks], np.int64)
    order = np.argsort(starts, kind="stable")
    rows, lengths = program.row_core.size, np.diff(program.row_ptr)
    pieces = [sparse.csr_array((0, len(starts)), dtype=np.int64)]
    first = 0
    while first < rows:
        limit = program.row_ptr[first] + CHUNK
        last = max(first + 1, int(np.searchsorted(program.row_ptr, limit, "right")) - 1)
        cut = slice(program.row_ptr[first], program.row_ptr[last])
        row = np.repeat(np.arange(last - first), lengths[first:last])
        block = order[np.searchsorted(starts[order], program.synapse_target[cut], "right") - 1]
        shape = (last - first, len(starts))
        ones = np.ones(row.size, np.int64)
        pieces.append(sparse.coo_array((ones, (row, block)), shape=shape).tocsr())
        first = last
    on_blocks = sparse.vstack(pieces, format="csr")
    routes = sparse.csr_array(
        (np.ones(program.route_row.size, np.int64), program.route_row, program.route_ptr),
        shape=(program.sources, rows),
    )
    synapses = sparse.csr_array(routes @ on_blocks)
    for table in program.rules:
        synapses = synapses + _rule_fan_out(program, table, starts, order)
    # Rows that hold a synapse reach the core of its block; several rows (delays) are one axon.
    reach = sparse.csr_array(synapses @ _one_hot(core, cores))
    reach.sum_duplicates()
    reach.eliminate_zeros()
    reach.data[:] = 1
    return synapses, reach


def _rule_fan_out(program: Program, table: Any, starts: IntArray, order: IntArray) -> Any:
    """The same for connectivity kept as a rule, a few targets at a time."""
    rule = table.make()
    counts: dict[int, IntArray] = {}
    for chunk in rule.chunks(0, rule.n_post, weights=False):
        block = order[np.searchsorted(starts[order], chunk.post + table.ring, "right") - 1]
        for one in np.unique(block).tolist():
            pre = chunk.pre[block == one]
            held = counts.setdefault(one, np.zeros(rule.n_pre, np.int64))
            held += np.bincount(pre, minlength=rule.n_pre)
    column = np.concatenate([np.zeros(0, np.int64), *counts.values()])
    used = np.flatnonzero(column)
    source = table.source + used % max(1, rule.n_pre)
    block = np.repeat(np.fromiter(counts, np.int64), rule.n_pre)[used]
    shape = (program.sources, len(starts))
    return sparse.coo_array((column[used], (source, block)), shape=shape).tocsr()


def _active(program: Program, recording: Recording, *, whole: bool) -> IntArray | None:
    """Updates with input per window and block, where the chip counted them."""
    counter = recording.counters.get("active_updates")
    if counter is None:
        return None
    mine = {b.population for b in program.blocks}
    columns = [k for k, (name, _) in enumerate(recording.blocks) if name in mine]
    if len(columns) != len(program.blocks):
        return None
    active = counter[:, columns]
    # In a mixed system a part that does not count has zeros here, which say nothing.
    return active if whole or bool(active.any()) else None


def _one_hot(index: IntArray, width: int) -> Any:
    """[len(index), width] with a one at each row's index."""
    n = len(index)
    ones = np.ones(n, np.int64)
    return sparse.csr_array((ones, index, np.arange(n + 1)), shape=(n, width))


def _times(dense: NDArray[Any], matrix: Any) -> NDArray[Any]:
    """dense [windows, n] @ sparse [n, m], exact in integers."""
    return np.ascontiguousarray((matrix.T @ dense.T).T)
