"""Where a run's time and memory went, from the clocks the worker reads when it is asked to.

The worker counts cycles: of every sub-block's update, of every partition's delivery, of every
thread's wait for the others. One reading of the same counter before and after each call of the
worker, beside the system's clock, says how long a cycle is.
"""

# pyright: reportMissingTypeStubs=false, reportUntypedFunctionDecorator=false
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.sim._arrays import Arrays
from ranvier.sim._atomic import cycles
from ranvier.sim._recorder import Recorder

if TYPE_CHECKING:
    from ranvier.sim._inspect import Inspected

__all__ = ["Profile", "ProfileRow", "join_profiles", "make_profile", "metered"]


@njit(cache=True, nogil=True)
def _now():
    return cycles()  # type: ignore[call-arg]


@contextmanager
def metered(session: Inspected) -> Iterator[None]:
    """Adds the seconds and cycles of what happens inside to the session's, when it is profiled."""
    if not session._arrays.make.profile:
        yield
        return
    began, ticks = time.perf_counter(), _now()
    yield
    ticks, ended = _now() - ticks, time.perf_counter()
    seconds, counted = session._spent
    session._spent = seconds + ended - began, counted + float(ticks)


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """One line: ``what`` is "update" (of population ``where``), "delivery" (to partition
    ``where``), "waiting" (of thread ``where``, for the others) or "rest" (sampling, collecting).

    ``seconds`` of the thread that did it, ``share`` of all threads' time. ``count`` is what was
    done: neurons times ticks (sleeping ones included), or synapses that events went along (those
    that fill up a row included); ``ns`` the time of one. ``bytes`` is the memory it works on.
    """

    what: str
    where: str
    seconds: float
    share: float
    count: int = 0
    ns: float = 0.0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Profile:
    """``seconds`` in the worker for ``ticks`` of ``dt`` seconds on ``threads``; ``memory`` in bytes
    by what it holds (history and recorder are the most they may take)."""

    seconds: float
    ticks: int
    dt: float
    threads: int
    rows: tuple[ProfileRow, ...]
    memory: dict[str, int]

    @property
    def speed(self) -> float:
        """Simulated over real time."""
        return self.ticks * self.dt / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "speed": self.speed}


def make_profile(
    program: Program,
    arrays: Arrays,
    recorder: Recorder,
    clock: NDArray[np.int64],
    spent: tuple[float, float],
    counts: NDArray[np.int64],
    ticks: int,
) -> Profile:
    """From the worker's clocks [sub-blocks + partitions + threads] and events per source."""
    a, layout = arrays, arrays.layout
    wall, counted = spent
    per = wall / counted if counted else 0.0
    total = wall * layout.threads
    subs, parts = len(a.subs), layout.parts
    seconds = clock * per

    def row(what: str, where: str, time: float, count: int = 0, size: int = 0) -> ProfileRow:
        return ProfileRow(
            what=what,
            where=where,
            seconds=float(time),
            share=float(time / total) if total else 0.0,
            count=int(count),
            ns=float(time / count * 1e9) if count else 0.0,
            bytes=int(size),
        )

    rows: list[ProfileRow] = []
    owners = [program.blocks[s.block].population for pieces in layout.subs for s in pieces]
    for name, size in state_bytes(program, arrays).items():
        mine = [k for k, owner in enumerate(owners) if owner == name]
        neurons = program.slots[name].size
        rows.append(row("update", name, seconds[mine].sum(), neurons * ticks, size))
    for p in range(parts):
        lo, hi = a.synapses.row_at[p], a.synapses.row_at[p + 1]
        begin, end = a.synapses.synapse_at[p], a.synapses.synapse_at[p + 1]
        ends = a.synapses.row_ptr[lo:hi][:: a.synapses.delays.size].astype(np.int64)
        reached = int(np.diff(ends) @ counts) if ends.size == counts.size + 1 else 0
        size = (hi - lo) * 4 + (end - begin) * (
            a.synapses.target.itemsize + a.synapses.weight.itemsize
        )
        for plastic in a.plastic:
            learned, taken = plastic.profile(p, counts)
            reached, size = reached + learned, size + taken
        rows.append(row("delivery", str(p), seconds[subs + p], reached, size))
    if layout.threads > 1:
        rows += [row("waiting", str(k), seconds[subs + parts + k]) for k in range(layout.threads)]
    rows.append(row("rest", "", max(0.0, total - float(seconds.sum()))))
    return Profile(
        seconds=wall,
        ticks=ticks,
        dt=program.dt,
        threads=layout.threads,
        rows=tuple(rows),
        memory=memory_of(arrays, recorder),
    )


def join_profiles(parts: dict[str, Profile]) -> Profile:
    """Of parts that run one after the other."""
    first = next(iter(parts.values()))
    wall = sum(p.seconds for p in parts.values())
    threads = max(p.threads for p in parts.values())
    rows = [
        replace(r, where=f"{name}:{r.where}", share=r.seconds / (wall * threads) if wall else 0.0)
        for name, p in parts.items()
        for r in p.rows
    ]
    memory: dict[str, int] = {}
    for p in parts.values():
        for what, size in p.memory.items():
            memory[what] = memory.get(what, 0) + size
    return replace(first, seconds=wall, threads=threads, rows=tuple(rows), memory=memory)


def state_bytes(program: Program, arrays: Arrays) -> dict[str, int]:
    """States and outputs of every population, in order."""
    found: dict[str, int] = {}
    for block in program.blocks:
        found.setdefault(block.population, 0)
        found[block.population] += block.n * arrays.out.itemsize
    for k, _ in arrays.states.offset:
        block = program.blocks[k]
        found[block.population] += block.n * arrays.state.itemsize
    return found


def memory_of(arrays: Arrays, recorder: Recorder) -> dict[str, int]:
    """Bytes of a session by what they hold."""
    a, s = arrays, arrays.synapses
    taken = sum(t.nbytes + i.nbytes + (0 if v is None else v.nbytes) for t, i, v in recorder.parts)
    taken += sum(raw.nbytes + t.nbytes for tap in recorder.probes.taps for t, raw in tap.pieces)
    return {
        "states": a.state.nbytes + a.initial.nbytes + a.out.nbytes,
        "parameters": a.param.nbytes,
        "accumulators": a.acc.nbytes,
        "history": a.history.nbytes + a.hist_value.nbytes,
        "rows": s.row_ptr.nbytes + s.row_run.nbytes,
        "synapses": s.target.nbytes + s.weight.nbytes,
        "random numbers": a.random.nbytes + a.limits.nbytes,
        "recorder": recorder.tick.nbytes + recorder.slot.nbytes + recorder.value.nbytes,
        "recorded": taken,
    }
