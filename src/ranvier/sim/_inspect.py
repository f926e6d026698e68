"""What one can ask of a session between two ticks: stop here, show that, how long did it take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import RanvierError, fail, unknown
from ranvier.events import Events
from ranvier.network import Probe
from ranvier.sim._arrays import Arrays
from ranvier.sim._pending import Pending
from ranvier.sim._probes import Tap, read_now
from ranvier.sim._profile import Profile, make_profile, metered
from ranvier.sim._recorder import Recorder
from ranvier.sim._watch import Breakpoint, Hit, Watch

__all__ = ["Fault", "Inspected", "Mark"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Fault:
    """A number that stopped being one: at which tick, whose, and what it became."""

    tick: int
    population: str
    neuron: int
    variable: str
    value: Any


@dataclass(frozen=True, eq=False)
class Mark:
    """What is needed to run a stretch again."""

    tick: int
    oldest: int
    moving: dict[str, NDArray[Any]]
    sent: dict[str, NDArray[Any]]
    counts: IntArray
    by_part: IntArray
    counters: IntArray
    taken: tuple[int, list[int]]


class Inspected:
    """The part of a session that looks at it; what it needs of the other part is declared here."""

    program: Program
    hits: list[Hit]
    fault: Fault | None
    _arrays: Arrays
    _dtype: Any
    _recorder: Recorder
    _watch: Watch
    _pending: Pending
    _stimuli: dict[str, list[tuple[int, Events]]]
    _tick: int
    _first: int
    _oldest: int
    _end: int
    _counts: IntArray
    _counters: IntArray
    _closed: list[tuple[IntArray, IntArray]]
    _clock: IntArray
    _spent: tuple[float, float]

    if TYPE_CHECKING:

        def run_to(self, stop: int) -> None:
            """Compute ticks up to ``stop``; stands after the tick of a blow-up when it raises."""

        def _moving(self) -> dict[str, NDArray[Any]]: ...
        def _sent(self) -> dict[str, NDArray[Any]]: ...
        def _put_sent(self, tick: int, columns: dict[str, NDArray[Any]]) -> None: ...

    # -- breakpoints --------------------------------------------------------------------------
    def break_on(self, *breakpoints: Breakpoint) -> None:
        """From now on :meth:`advance` stops right after a tick in which one of these fires.

        What is left of its ticks and of its stimulus stays: ``advance(ticks=session.left)`` goes
        on. Raises RanvierError when a population, a state or a neuron is not there.
        """
        for item in breakpoints:
            self._watch.add(self, item)

    def clear_breaks(self) -> None:
        """No breakpoints any more."""
        self._watch.points.clear()
        self._recorder.probes.drop([t for t in self._recorder.probes.taps if t.hidden])
        self._recorder.watched.clear()
        self._recorder.allot()

    @property
    def left(self) -> int:
        """Ticks of the last :meth:`advance` that a breakpoint or Ctrl-C left out."""
        return max(0, self._end - self._tick)

    def _go(self, stop: int) -> list[Hit]:
        """Run to ``stop``, or to a breakpoint."""
        with metered(self):
            if not self._watch:
                self.run_to(stop)
                return []
            found = self._watch.run(self, stop)
        self.hits += found
        return found

    # -- probes -------------------------------------------------------------------------------
    def probe(self, name: str, *, every: int = 1) -> None:
        """Sample ``"population.state"`` (or ``"population.output"``) every so many ticks from now
        on; the recording's trace of that name begins here. Changes no result.

        Raises RanvierError with a did-you-mean.
        """
        population, _, variable = name.rpartition(".")
        every = Probe(population=population, variable=variable, every=every).every
        self._recorder.probes.add(name, every, where=f"probe {name}")
        self._recorder.allot()

    def record(self, population: str) -> None:
        """Keep the events of a population from now on; raises RanvierError with a did-you-mean."""
        if population not in self.program.slots:
            raise unknown("population", population, self.program.slots, where="record")
        if population in self._recorder.recorded:
            return
        self._recorder.recorded.append(population)
        self._recorder.allot()
        self._keep_pending([population])

    def read(self, name: str) -> NDArray[np.float64]:
        """``"population.state"`` in SI, as it stands after the last tick, [size].

        Sleeping neurons are followed to this tick for the answer; nothing of the run is changed.
        """
        a, owner = self._arrays, self._recorder.where[1]
        return read_now(self.program, a, owner, name, self._tick)

    def profile(self) -> Profile:
        """Where the time and the memory went; raises RanvierError without ``profile=True``."""
        if not self._arrays.make.profile:
            raise fail("profile", self.program.name, "was not profiled",
                       hint="Session(program, profile=True)")  # fmt: skip
        counts = sum((c for c, _ in self._closed), self._counts.copy())
        return make_profile(self.program, self._arrays, self._recorder, self._clock, self._spent,
                            counts, self._tick - self._first)  # fmt: skip

    def _keep_pending(self, populations: list[str]) -> None:
        """Events of inputs that are still to come belong to the recording too."""
        ahead = np.flatnonzero(self._pending.tick >= self._tick)
        for block in self.program.inputs:
            if block.population not in populations:
                continue
            source = self._pending.source[ahead] - block.start
            mine = ahead[(source >= 0) & (source < block.n)]
            if not mine.size:
                continue
            tick = self._pending.tick[mine] - self._tick
            value = None if block.signal == "spike" else self._pending.value[mine]
            index = self._pending.source[mine] - block.start
            item = Events.sorted(tick, index, size=block.n, ticks=int(tick[-1]) + 1,
                                 dt=self.program.dt, payload=value)  # fmt: skip
            self._stimuli.setdefault(block.population, []).append((self._tick, item))

    # -- for breakpoints ----------------------------------------------------------------------
    @property
    def tick(self) -> int:
        """The next tick to be computed."""
        return self._tick

    @property
    def program_is_float(self) -> bool:
        """Does the machine compute in floats?"""
        return self._dtype is not np.int64

    @property
    def counter_names(self) -> list[tuple[str, str]]:
        """(population, counter) of every column of :meth:`counted`."""
        blocks = self.program.blocks
        return [(blocks[k].population, name) for k, name in self._arrays.counters]

    def counted(self) -> IntArray:
        """The chip's counters in this window, over all partitions."""
        n = len(self._arrays.counters)
        return self._counters[: n * self._arrays.layout.parts].reshape(-1, max(1, n)).sum(0)

    def watch_value(self, name: str, where: str) -> Tap:
        """Sample a state every tick, outside of the recording."""
        tap = self._recorder.probes.add(name, 1, where=where, hidden=True)
        self._recorder.allot()
        return tap

    def watch_spikes(self, population: str) -> None:
        """Keep a population's events of the last stretch, outside of the recording."""
        if population not in self._recorder.watched:
            self._recorder.watched.add(population)
            self._recorder.allot()

    def fired(
        self, population: str, chosen: IntArray, since: int
    ) -> tuple[IntArray, IntArray, NDArray[Any]]:
        """Tick, neuron and value of a population's events in the stretch just run."""
        number, where = self._recorder.numbers[population], self._recorder.where
        if any(b.population == population for b in self.program.inputs):
            low, high = np.searchsorted(self._pending.tick, [since, self._tick])
            tick, slot = self._pending.tick[low:high], self._pending.source[low:high]
            value = self._pending.value[low:high]
        else:
            tick, slot, value = self._recorder.fresh
            value = np.ones(tick.size) if value is None else value
        mine = (where[0][slot] == number) & np.isin(where[1][slot], chosen)
        return tick[mine], where[1][slot[mine]], value[mine]

    def mark(self) -> Mark:
        """Remember this moment."""
        moving = {name: array.copy() for name, array in self._moving().items()}
        return Mark(self._tick, self._oldest, moving, self._sent(), self._counts.copy(),
                    self._counters.copy(), self.counted(), self._recorder.mark())  # fmt: skip

    def rewind(self, mark: Mark) -> None:
        """Back to a moment that was marked."""
        for name, array in self._moving().items():
            array[...] = mark.moving[name]
        self._tick = mark.tick
        self._pending = Pending(self._dtype)
        self._put_sent(mark.tick, mark.sent)
        self._oldest = mark.oldest
        self._counts[:] = mark.counts
        self._counters[:] = mark.by_part
        self._recorder.rewind(mark.taken)

    # -- blow-ups -----------------------------------------------------------------------------
    def _blow_up(self, tick: int, slot: int) -> RanvierError:
        """The error for a state that is not finite; the session stands right after its tick."""
        where = self._recorder.where
        population = list(self.program.slots)[where[0][slot]]
        block = next(b for b in self.program.blocks if b.start <= slot < b.start + b.n)
        k = self.program.blocks.index(block)
        name, got = "output", self._arrays.out[slot]
        a = self._arrays
        for state in a.states.names[k]:
            value = a.states.read(a.state, k, a.states.offset[k, state])[slot - block.start]
            if not np.isfinite(value):
                name, got = state, value
                break
        neuron = int(where[1][slot])
        self.fault = Fault(tick, population, neuron, name, got)
        return fail(
            "blow-up",
            f"{population}[{neuron}].{name}",
            "stopped being a number",
            got=got,
            limit=f"finite; it happened at tick {tick} ({tick * self.program.dt:g} s)",
            hint=("use a smaller dt or another method", "check weights and parameters"),
        )
