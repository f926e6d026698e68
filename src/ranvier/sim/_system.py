"""Several chips in lock step, joined by bridges; and ``run``, the usual way to run anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import fail, unknown
from ranvier.events import Events, Recording, State
from ranvier.progress import NoProgress, Progress
from ranvier.sim._session import Session
from ranvier.sim._stimulus import Stimulus

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
    ) -> None:
        self.program = program
        chosen = None if record is None else list(record)
        if chosen is not None:
            known = {name for part in program.parts.values() for name in part.slots}
            for name in chosen:
                if name not in known:
                    raise unknown("population", name, known, where="record")
        self._sessions: dict[str, Session] = {}
        for name, part in program.parts.items():
            bridged = [b.population for b in program.bridges if b.source == name]
            own = {b.population for b in part.blocks}
            kept = [p for p in program.outputs if p in own] if chosen is None else chosen
            kept = [p for p in kept if p in own]
            kept += [p.population for p in part.probes if p.variable == "spikes"]
            self._sessions[name] = Session(
                part,
                _part_state(state, name, part),
                record=dict.fromkeys([*kept, *bridged]),
                window=window,
                reset=reset,
            )
        self._late: list[tuple[int, str, str, NDArray[np.int64], Any]] = []
        if state is not None:
            self._late = _unpack_late(state, program)

    @property
    def tick(self) -> int:
        """The next tick to be computed."""
        return next(iter(self._sessions.values())).tick

    def step(self, events: Stimulus = None, *, ticks: int = 1) -> dict[str, Events]:
        """Advance and return what the outputs emitted; ticks count from now."""
        start = self.tick
        self.advance(events, ticks=ticks)
        found: dict[str, Events] = {}
        for part in self._sessions.values():
            recording = part.recording()
            begin = start - (part.tick - recording.ticks)
            for name in self.program.outputs:
                if name in recording.events:
                    found[name] = recording.events[name].window(begin, begin + ticks)
        return found

    def advance(
        self, stimulus: Stimulus = None, *, ticks: int, progress: Progress | None = None
    ) -> None:
        """Advance all parts by ``ticks``, tick by tick."""
        meter = progress or NoProgress()
        inputs = {b.population for p in self.program.parts.values() for b in p.inputs}
        inputs -= {b.population for b in self.program.bridges}
        given: Mapping[str, Events]
        if isinstance(stimulus, Events):
            if len(inputs) != 1:
                raise fail(
                    "stimulus-name",
                    "stimulus",
                    f"the program has {len(inputs)} inputs",
                    limit=", ".join(sorted(inputs)),
                    hint="name them in a mapping",
                )
            given = {next(iter(inputs)): stimulus}
        else:
            given = dict(stimulus or {})
        for name in given:
            if name not in inputs:
                raise unknown("input", name, inputs, where="stimulus")
        meter.start("simulate", ticks)
        for tick in range(ticks):
            emitted: dict[tuple[str, str], Events] = {}
            for name, part in self._sessions.items():
                own = {b.population for b in part.program.inputs}
                now = {k: e.window(tick, tick + 1) for k, e in given.items() if k in own}
                for population, events in part.step(now).items():
                    emitted[name, population] = events
            for bridge in self.program.bridges:
                events = emitted[bridge.source, bridge.population]
                if len(events):
                    due = self.tick - 1 + bridge.ticks
                    self._late.append(
                        (due, bridge.target, bridge.population, events.id, events.payload)
                    )
            waiting, self._late = self._late, []
            for item in waiting:
                due, target, population, ids, payload = item
                if due <= self.tick - 1:
                    self._sessions[target].inject(population, ids, payload)
                else:
                    self._late.append(item)
            meter.advance()
        meter.done()

    def reset(self) -> None:
        """All parts back to their initial state."""
        self._late = []
        for part in self._sessions.values():
            part.reset()

    def weights(self, projection: str) -> NDArray[np.float64]:
        """SI weights of a projection, whichever part holds it."""
        return self._holder(projection).weights(projection)

    def set_weights(self, projection: str, weights: Any) -> None:
        """Write SI weights, rounded by that part's own quantiser."""
        self._holder(projection).set_weights(projection, weights)

    def _holder(self, projection: str) -> Session:
        for part in self._sessions.values():
            if any(t.name == projection for t in part.program.projections):
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
        bridged = {b.population for b in self.program.bridges}
        first = next(iter(parts.values()))
        merged: dict[str, Any] = {"events": {}, "traces": {}, "counts": {}}
        blocks: list[tuple[str, int]] = []
        for name, part in parts.items():
            own = {b.population for b in self.program.parts[name].blocks}
            for kind, found in merged.items():
                for key, value in getattr(part, kind).items():
                    if key.split(".")[0] in own or key in own or key not in bridged:
                        found[key] = value
            blocks += part.blocks
        return Recording(
            dt=first.dt,
            ticks=first.ticks,
            window=first.window,
            program_hash=self.program.hash,
            blocks=tuple(blocks),
            counters=_merge_counters(list(parts.values())),
            state=self.state() if state else None,
            **merged,
        )


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
    for (number, due, index), value in zip(
        state.arrays["late"], state.arrays["late_value"], strict=True
    ):
        bridge = program.bridges[int(number)]
        payload = None if value == 1 else np.array([value])
        found.append((int(due), bridge.target, bridge.population, np.array([index]), payload))
    return found


def session(
    program: Program, state: State | None = None, **options: Any
) -> Session | SystemSession:
    """A session for a program of one chip or of several; options as for :class:`Session`."""
    kind = SystemSession if program.parts else Session
    return kind(program, state, **options)


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
) -> Recording:
    """Run a program on a stimulus and return the recording.

    ``ticks`` defaults to the stimulus' length. ``engine`` is ``"numba"`` or ``"reference"`` (plain
    Python, slow, trusted by tests). Options as for :class:`Session`.
    """
    if ticks is None:
        lengths = (
            [stimulus.ticks]
            if isinstance(stimulus, Events)
            else [e.ticks for e in (stimulus or {}).values()]
        )
        if not lengths:
            raise fail("ticks", "run", "without a stimulus, ticks must be given")
        ticks = max(lengths)
    if ticks < 0:
        raise fail("ticks", "run", "must not be negative", got=ticks)
    if engine == "reference":
        from ranvier.sim.reference import run_reference

        return run_reference(program, stimulus, ticks=ticks, window=window, reset=reset)
    if engine != "numba":
        raise unknown("engine", engine, ("numba", "reference"))
    running = session(program, state, record=record, window=window, reset=reset)
    running.advance(stimulus, ticks=ticks, progress=progress)
    return running.recording(state=keep_state)
