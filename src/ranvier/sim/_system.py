"""Several chips in lock step, joined by bridges; and ``run``, the usual way to run anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program, machine_of
from ranvier.errors import fail, unknown
from ranvier.events import Events, Recording, State, concatenate
from ranvier.progress import NoProgress, Progress
from ranvier.sim._arrays import NUMBERS
from ranvier.sim._profile import Profile, join_profiles
from ranvier.sim._ranks import RankSession
from ranvier.sim._session import Session
from ranvier.sim._stimulus import (
    Stimulus,
    check_ticks,
    check_window,
    named_events,
    not_events,
    source_events,
)
from ranvier.sim._stop import Interrupted, stop_asked
from ranvier.sim._watch import Breakpoint, Hit

__all__ = ["SystemSession", "run", "session"]


class SystemSession:
    """A program of several parts: every part computes a tick, then events cross the bridges.

    An event emitted by one part at tick t arrives at its targets at t + delay (+ the link's own
    ticks), as it would on one chip.
    """

    def __init__(
        self,
        program: Program,
        state: State | None = None,
        *,
        record: Iterable[str] | None = None,
        window: int | None = None,
        reset: bool = False,
        threads: int | None = None,
        profile: bool = False,
    ) -> None:
        check_window(window)
        if not program.parts:
            raise fail(
                "one-chip", program.name, "runs on one chip", hint="use sim.session(program)"
            )
        if state is not None and state.program_hash != program.hash:
            raise fail(
                "other-program",
                program.name,
                "the checkpoint is of another program",
                got=state.program_hash[:12],
                limit=program.hash[:12],
                hint="resume with the program that was running",
            )
        self.program = program
        self._window, self._reset_windows = window, reset
        self._holder_of = _holders(program)
        probed = [p.population for p in program.probes if p.variable == "spikes"]
        chosen = [*program.outputs, *probed] if record is None else record
        self._recorded = list(dict.fromkeys(chosen))
        for name in self._recorded:
            if name not in self._holder_of:
                raise unknown("population", name, self._holder_of, where="record")
        self._sessions: dict[str, Session] = {}
        for name, part in program.parts.items():
            bridged = [b.population for b in program.bridges if b.source == name]
            kept = [p for p in self._recorded if self._holder_of[p] == name]
            self._sessions[name] = Session(
                part,
                _part_state(state, name, part),
                record=dict.fromkeys([*kept, *bridged]),
                window=window,
                reset=reset,
                threads=threads,
                profile=profile,
            )
        self.hits: list[Hit] = []
        self.left = 0
        self._late: list[tuple[int, str, str, NDArray[np.int64], Any]] = []
        if state is not None:
            self._late = _unpack_late(state, program)

    @property
    def tick(self) -> int:
        """The next tick to be computed."""
        return next(iter(self._sessions.values())).tick

    def step(self, events: Stimulus = None, *, ticks: int = 1) -> dict[str, Events]:
        """Advance and return what recorded populations emitted; ticks count from now."""
        found: dict[str, list[Events]] = {name: [] for name in self._recorded}
        self._advance(events, ticks, NoProgress(), found)
        return {
            name: concatenate(parts)
            if parts
            else Events.empty(size=self._size(name), ticks=0, dt=self.program.dt)
            for name, parts in found.items()
        }

    def _size(self, population: str) -> int:
        return self.program.parts[self._holder_of[population]].slots[population].size

    def advance(
        self, stimulus: Stimulus = None, *, ticks: int, progress: Progress | None = None
    ) -> Hit | None:
        """Advance all parts by ``ticks``, tick by tick; as :meth:`Session.advance`."""
        return self._advance(stimulus, ticks, progress or NoProgress(), None)

    def _advance(
        self,
        stimulus: Stimulus,
        ticks: int,
        meter: Progress,
        found: dict[str, list[Events]] | None,
    ) -> Hit | None:
        check_ticks(ticks)
        given = self._checked(stimulus, ticks)
        meter.start("simulate", ticks)
        known, self.left = len(self.hits), ticks
        with stop_asked() as asked:
            for tick in range(ticks):
                self._tick_all(given, tick, found)
                self.left -= 1
                meter.advance()
                stop = asked or len(self.hits) > known
                if stop and self.left:
                    self._schedule(given, tick + 1)
                    if asked:
                        raise Interrupted
                if stop:
                    break
        meter.done()
        return self.hits[known] if len(self.hits) > known else None

    def _tick_all(
        self, given: dict[str, dict[str, Events]], tick: int, found: dict[str, list[Events]] | None
    ) -> None:
        """One tick of every part, then what crosses the bridges."""
        emitted: dict[tuple[str, str], Events] = {}
        for name, part in self._sessions.items():
            now = {k: e.window(tick, tick + 1) for k, e in given[name].items()}
            known = len(part.hits)
            for population, events in part.step_held(now).items():
                emitted[name, population] = events
            self.hits += part.hits[known:]
        if found is not None:
            for population, parts in found.items():
                parts.append(emitted[self._holder_of[population], population])
        self._cross(emitted)
        for part in self._sessions.values():
            part.end_window()
        if self._reset_windows and self._window and self.tick % self._window == 0:
            self._late = []

    def _schedule(self, given: dict[str, dict[str, Events]], since: int) -> None:
        """Hand over what is left of a stimulus, for whoever goes on."""
        for name, part in self._sessions.items():
            part.schedule({k: e.window(since, e.ticks) for k, e in given[name].items()
                           if e.ticks > since})  # fmt: skip

    def break_on(self, *breakpoints: Breakpoint) -> None:
        """As :meth:`Session.break_on`; all parts finish the tick in which one fires."""
        for item in breakpoints:
            name = getattr(item, "population", "")
            if name and name not in self._holder_of:
                raise unknown("population", name, self._holder_of, where="break_on")
            everywhere = getattr(item, "kind", "") == "overflow" and not name
            for key, part in self._sessions.items():
                if everywhere or key == self._holder_of.get(name, next(iter(self._sessions))):
                    part.break_on(item)

    def clear_breaks(self) -> None:
        """No breakpoints any more."""
        for part in self._sessions.values():
            part.clear_breaks()

    def _of(self, name: str, where: str) -> Session:
        """The part of ``"population.state"``."""
        population = name.rpartition(".")[0] or name
        if population not in self._holder_of:
            raise unknown("population", population, self._holder_of, where=where)
        return self._sessions[self._holder_of[population]]

    def probe(self, name: str, *, every: int = 1) -> None:
        """As :meth:`Session.probe`."""
        self._of(name, f"probe {name}").probe(name, every=every)

    def record(self, population: str) -> None:
        """As :meth:`Session.record`."""
        if population not in self._holder_of:
            raise unknown("population", population, self._holder_of, where="record")
        if population not in self._recorded:
            self._sessions[self._holder_of[population]].record(population)
            self._recorded.append(population)

    def read(self, name: str) -> NDArray[np.float64]:
        """As :meth:`Session.read`."""
        return self._of(name, f"read {name}").read(name)

    def profile(self) -> Profile:
        """As :meth:`Session.profile`, the parts one after the other; places are part:name."""
        return join_profiles({name: part.profile() for name, part in self._sessions.items()})

    @property
    def threads(self) -> int:
        """Threads of the part that has most."""
        return max(part.threads for part in self._sessions.values())

    def _checked(self, stimulus: Stimulus, ticks: int) -> dict[str, dict[str, Events]]:
        """Each part's share of a stimulus, checked before anything moves."""
        bridged = {(b.target, b.population) for b in self.program.bridges}
        takes = {
            name: [b.population for b in part.inputs if (name, b.population) not in bridged]
            for name, part in self.program.parts.items()
        }
        given = named_events(stimulus, sorted({n for names in takes.values() for n in names}))
        shares: dict[str, dict[str, Events]] = {}
        for name, part in self.program.parts.items():
            shares[name] = {k: e for k, e in given.items() if k in takes[name]}
            dtype = NUMBERS[machine_of(part).dtype]
            source_events(part, shares[name], ticks, dtype)
        return shares

    def _cross(self, emitted: dict[tuple[str, str], Events]) -> None:
        """Send what was emitted in this tick over the bridges, and hand over what is due."""
        done = self.tick - 1
        for bridge in self.program.bridges:
            events = emitted[bridge.source, bridge.population]
            if len(events):
                self._late.append(
                    (done + bridge.ticks, bridge.target, bridge.population, events.id,
                     events.payload)
                )  # fmt: skip
        waiting, self._late = self._late, []
        for item in waiting:
            due, target, population, ids, payload = item
            if due <= done:
                self._sessions[target].inject(population, ids, payload)
            else:
                self._late.append(item)

    def reset(self) -> None:
        """All parts back to their initial state."""
        self._late = []
        for part in self._sessions.values():
            part.reset()

    def weights(self, projection: str) -> NDArray[np.float64]:
        """SI weights of a projection, whichever part holds it."""
        return self._holder(projection).weights(projection)

    def set_weights(self, projection: str, weights: Any) -> NDArray[np.float64]:
        """Write SI weights, rounded by that part's own quantiser; returns what was stored."""
        return self._holder(projection).set_weights(projection, weights)

    def _holder(self, projection: str) -> Session:
        for part in self._sessions.values():
            tables = (*part.program.projections, *part.program.rules)
            if any(t.name == projection for t in tables):
                return part
        names = [t.name for s in self._sessions.values() for t in s.program.projections]
        raise unknown("projection", projection, names)

    def state(self) -> State:
        """A copy of the state of all parts and of the events between them."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, part in self._sessions.items():
            arrays |= {f"{name}/{key}": value for key, value in part.state().arrays.items()}
        arrays |= _pack_late(self._late, self.program)
        return State(self.tick, arrays, self.program.hash)

    def recording(self, *, state: bool = False) -> Recording:
        """One recording of all parts; bridged inputs are not counted twice."""
        parts = {name: part.recording() for name, part in self._sessions.items()}
        first = next(iter(parts.values()))
        return Recording(
            dt=first.dt,
            ticks=first.ticks,
            window=first.window,
            program_hash=self.program.hash,
            start=first.start,
            events={name: parts[self._holder_of[name]].events[name] for name in self._recorded},
            traces={k: trace for part in parts.values() for k, trace in part.traces.items()},
            counts={name: parts[part].counts[name] for name, part in self._holder_of.items()},
            blocks=tuple(block for part in parts.values() for block in part.blocks),
            counters=_merge_counters(list(parts.values())),
            state=self.state() if state else None,
        )


def _holders(program: Program) -> dict[str, str]:
    """The part that computes each population, or that an input enters first."""
    held = {b.population: name for name, part in program.parts.items() for b in part.blocks}
    for name, part in program.parts.items():
        for block in part.inputs:
            held.setdefault(block.population, name)
    return {name: held[name] for name in program.shapes if name in held}


def _merge_counters(parts: list[Recording]) -> dict[str, NDArray[np.int64]]:
    names = sorted({name for part in parts for name in part.counters})
    return {
        name: np.concatenate(
            [
                part.counters.get(name, np.zeros((part.windows, len(part.blocks)), np.int64))
                for part in parts
            ],
            axis=1,
        )
        for name in names
    }


def _part_state(state: State | None, name: str, part: Program) -> State | None:
    if state is None:
        return None
    prefix = f"{name}/"
    arrays = {k.removeprefix(prefix): v for k, v in state.arrays.items() if k.startswith(prefix)}
    return State(state.tick, arrays, part.hash)


def _pack_late(late: list[Any], program: Program) -> dict[str, NDArray[Any]]:
    """Events under way between chips, as arrays: (bridge, due, id) and payload."""
    numbers = {(b.target, b.population): k for k, b in enumerate(program.bridges)}
    rows = [
        (numbers[target, population], due, int(i))
        for due, target, population, ids, _ in late
        for i in ids
    ]
    values = [np.ones(len(ids)) if payload is None else payload for *_, ids, payload in late]
    return {
        "late": np.array(rows, np.int64).reshape(-1, 3),
        "late_value": np.concatenate([np.zeros(0), *values]),
    }


def _unpack_late(state: State, program: Program) -> list[Any]:
    found: list[Any] = []
    none = np.zeros(0)
    late, values = state.arrays.get("late", none), state.arrays.get("late_value", none)
    fits = late.ndim == 2 and late.shape[1] == 3 and values.shape == late.shape[:1]
    if "late_value" not in state.arrays or not fits:
        raise fail("damaged-bundle", "checkpoint", "the events between chips are misshapen")
    for (number, due, index), value in zip(late, values, strict=True):
        bridge = program.bridges[int(number)] if 0 <= number < len(program.bridges) else None
        size = 0 if bridge is None else program.parts[bridge.source].slots[bridge.population].size
        if bridge is None or not 0 <= index < size:
            raise fail("damaged-bundle", "checkpoint", "an event between chips is out of range")
        payload = None if value == 1 else np.array([value])
        found.append((int(due), bridge.target, bridge.population, np.array([index]), payload))
    return found


def _check_program(program: object) -> None:
    if not isinstance(program, Program):
        raise fail(
            "not-a-program",
            "sim",
            "needs a Program",
            got=type(program).__name__,
            hint="compile the network first: compile(network, 'ideal', dt=1e-3)",
        )


def session(
    program: Program, state: State | None = None, *, ranks: Any = None, **options: Any
) -> Session | SystemSession:
    """A session for a program of one chip or of several; options as for :class:`Session`.

    ``ranks`` is an mpi4py communicator (:func:`ranvier.sim.world` is that of all ranks): then the
    program runs on all of them, see :class:`RankSession`.
    """
    _check_program(program)
    if program.parts:
        for name, given in (("ranks", ranks), ("threads", options.get("threads"))):
            if given is not None:
                raise fail(
                    "several-chips",
                    program.name,
                    f"runs on several chips, and {name} are for programs of one",
                    hint=f"leave {name} out",
                )
        options.pop("threads", None)
        return SystemSession(program, state, **options)
    if ranks is not None:
        return RankSession(program, state, comm=ranks, **options)
    return Session(program, state, **options)


def run(
    program: Program,
    stimulus: Stimulus = None,
    *,
    ticks: int | None = None,
    window: int | None = None,
    reset: bool = False,
    record: Iterable[str] | None = None,
    state: State | None = None,
    keep_state: bool = False,
    progress: Progress | None = None,
    engine: str = "numba",
    threads: int | None = None,
    ranks: Any = None,
) -> Recording:
    """Run a program on a stimulus and return the recording.

    ``ticks`` defaults to the stimulus' length. ``engine`` is ``"numba"`` or ``"reference"`` (plain
    Python, slow, trusted by tests). ``ranks`` is an mpi4py communicator: all its ranks make the
    same call, and rank 0 gets the recording, the others one without events, traces and counts.
    Options as for :class:`Session`.
    Ctrl-C raises KeyboardInterrupt, and what was recorded is lost; a :class:`Session` keeps it.
    """
    _check_program(program)
    if not isinstance(cast("Any", stimulus), Events | Mapping | None):
        raise not_events("stimulus", stimulus)
    if ticks is None:
        given = [stimulus] if isinstance(stimulus, Events) else list((stimulus or {}).values())
        if not given:
            raise fail(
                "ticks", "run", "without a stimulus, ticks must be given", hint="add ticks=1000"
            )
        ticks = max(e.ticks for e in given)
    check_ticks(ticks)
    if engine == "reference":
        from ranvier.sim.reference import run_reference

        if state is not None or keep_state:
            raise fail(
                "reference-engine",
                "run",
                "the reference engine keeps no state",
                hint="leave out state and keep_state, or use engine='numba'",
            )
        if threads is not None or ranks is not None:
            raise fail(
                "reference-engine",
                "run",
                "the reference engine runs on one thread",
                hint="leave out threads and ranks, or use engine='numba'",
            )
        return run_reference(program, stimulus, ticks=ticks, window=window, reset=reset)
    if engine != "numba":
        raise unknown("engine", engine, ("numba", "reference"))
    running = session(
        program, state, record=record, window=window, reset=reset, threads=threads, ranks=ranks
    )
    running.advance(stimulus, ticks=ticks, progress=progress)
    return running.recording(state=keep_state)
