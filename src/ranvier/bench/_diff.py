"""The first spike that two machines do not share, and why: ``diff``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.bench._causes import Cause, changes_of, judge
from ranvier.bench._divergence import Divergence, First, first_difference
from ranvier.bench._metrics import share, spiking
from ranvier.bench._realised import Realised, threshold_state
from ranvier.bench._reference import Reference, on_grid
from ranvier.bench._replay import chip_wires, reference_wires, summed
from ranvier.chips import Chip
from ranvier.compile import Program, compile
from ranvier.compile.legalise import fold_relays
from ranvier.errors import RanvierError, fail
from ranvier.events import Events, Recording
from ranvier.network import Network
from ranvier.progress import NoProgress, Progress
from ranvier.sim import run

__all__ = ["Divergence", "First", "diff", "explain", "first_difference"]

Stimulus = Events | Mapping[str, Events]


def diff(
    network: Network,
    chip_a: str | Chip,
    chip_b: str | Chip,
    stimulus: Stimulus,
    *,
    dt: float | None = None,
    reference_dt: float | None = None,
    ticks: int | None = None,
    window: int | None = None,
    reset: bool = False,
    seed: int = 0,
    causes: bool = True,
    progress: Progress | None = None,
) -> Divergence:
    """Run a network on two machines and explain the first spike that differs.

    ``reference_dt`` runs ``chip_a`` on a finer grid (a whole fraction of dt), which is how delays
    rounded to ticks and the size of the tick itself become visible; its spikes are compared at the
    nearest tick of ``chip_b``. ``window`` and ``reset`` as for ``sim.run``. Raises RanvierError.
    """
    meter = progress or NoProgress()
    program_b = compile(network, chip_b, dt=dt, seed=seed)
    ratio = _ratio(network, program_b.dt, reference_dt)
    fine = network if ratio == 1 else _explicit(network, program_b.dt)
    program_a = compile(fine, chip_a, dt=program_b.dt / ratio, seed=seed)
    length = ticks
    if length is None:
        trains = [stimulus] if isinstance(stimulus, Events) else list(stimulus.values())
        length = max((e.ticks for e in trains), default=0)
    recordings: list[Recording] = []
    for program, n in ((program_a, ratio), (program_b, 1)):
        given = _stretched(stimulus, n, program.dt)
        recording = run(
            program,
            given,
            ticks=length * n,
            window=None if window is None else window * n,
            reset=reset,
            record=recordable(program),
            progress=meter,
        )
        recordings.append(with_inputs(network, recording, given))
    return explain(
        network,
        program_a,
        program_b,
        *recordings,
        window=window if reset else None,
        causes=causes,
    )


def explain(
    network: Network,
    program_a: Program,
    program_b: Program,
    recording_a: Recording,
    recording_b: Recording,
    *,
    window: int | None = None,
    causes: bool = True,
) -> Divergence:
    """The same for two runs that are there already, with all populations recorded.

    ``window`` is given where the machines were reset every so many ticks.
    """
    ratio = round(recording_b.dt / recording_a.dt)
    a = {k: _coarse(e, ratio, recording_b) for k, e in recording_a.events.items()}
    b = dict(recording_b.events)
    names = spiking(_in_order(network), a.keys() & b.keys())
    label_a, label_b = _names(program_a, program_b)
    first = first_difference(a, b, names)
    kept = [p.name for p in network.populations if not p.is_input]
    result = {
        "network": network.name,
        "a": label_a,
        "b": label_b,
        "dt": recording_b.dt,
        "ticks": recording_b.ticks,
        "shares": {n: share(a[n], b[n], window=window) for n in kept if n in names},
        "first": first,
        "window": window,
        "left_out": tuple(n for n in kept if n not in names),
    }
    if first is None or not causes:
        return Divergence(**result)
    population = network.population(first.population)
    state = threshold_state(population)
    if state is None:
        note = f"{first.population}: the threshold of {population.model and population.model.name}"
        return Divergence(**result, notes=(f"{note} is not a plain state; no cause is given",))
    values: dict[str, dict[str, float]] = {}
    found: list[Cause] = []
    notes: list[str] = []
    runs = ((label_a, program_a, recording_a, ratio), (label_b, program_b, recording_b, 1))
    for label, program, recording, fine in runs:
        scene = _Scene(network, program, recording, first, fine, window)
        values[label], problem = scene.values(state)
        notes += [f"{label}: {problem}"] if problem else []
    scene = _Scene(network, program_a, recording_a, first, ratio, window)
    for label, program, recording, _ in runs:
        if program.chip == "ideal" and ratio == 1:
            continue
        if program is program_a and ratio > 1:
            continue
        realised = Realised(program, _folded(network, program))
        part = realised.part(first.population)
        whose = f"{part.chip} in {label}" if program.parts and part is not None else label
        found += scene.causes(realised, recording, whose, b)
    best = [c for c in found if c.reproduces]
    rest = [c for c in found if not c.reproduces]
    return Divergence(
        **result, state=state, values=values, causes=(*best, *rest), notes=tuple(notes)
    )


class _Scene:
    """The window, population and neuron of a first difference, seen from one run."""

    def __init__(
        self,
        network: Network,
        program: Program,
        recording: Recording,
        first: First,
        ratio: int,
        window: int | None,
    ) -> None:
        self.program, self.first, self.ratio = program, first, ratio
        self.network = _folded(network, program)
        self.start = 0 if window is None else first.tick // window * window
        self.tick = first.tick - self.start
        self.ticks = (self.tick + 1) * ratio
        self.events = self.cut(recording, ratio)
        self.truth = self.train(recording, ratio)

    def cut(self, recording: Recording, ratio: int) -> dict[str, Events]:
        """Events of the window up to and with the tick of the difference."""
        begin = self.start * ratio
        end = begin + (self.tick + 1) * ratio
        return {name: e.window(begin, end) for name, e in recording.events.items()}

    def train(self, recording: Recording, ratio: int) -> NDArray[np.bool_]:
        """What the neuron did, on the coarse grid."""
        events = self.cut(recording, ratio)[self.first.population]
        fired = np.zeros((self.tick + 1) * ratio, bool)
        fired[events.tick[events.id == self.first.index]] = True
        return on_grid(fired, ratio)

    def values(self, state: str) -> tuple[dict[str, float], str]:
        """The watched state and its threshold on this machine, and a doubt where there is one."""
        realised = Realised(self.program, self.network)
        name, index = self.first.population, self.first.index
        cell = realised.cell(name, index)
        if cell is None or state not in cell.rest:
            return {}, f"{state} of {name} has no counterpart to show"
        x = summed(
            chip_wires(realised, name, index),
            self.events,
            len(cell.kernel.ports),
            self.ticks,
            integer=cell.number is int,
        )
        played = cell.run(state, x)
        found = {"after": float(played.value[-1]), "before_reset": float(played.before[-1])}
        threshold = cell.threshold(state)
        if threshold is not None:
            found["threshold"] = threshold
        for counter, counted in played.counted.items():
            if any(word in counter for word in ("saturat", "overflow", "clip", "wrap")):
                found[counter] = float(counted.sum())
        if not np.array_equal(on_grid(played.fired, self.ratio), self.truth):
            return found, "the neuron played alone does not repeat the run; values may be off"
        return found, ""

    def causes(
        self, realised: Realised, recording: Recording, label: str, coarse: Mapping[str, Events]
    ) -> list[Cause]:
        """What ``realised`` changed, judged on this run's input."""
        name, index = self.first.population, self.first.index
        cell = realised.cell(name, index)
        if cell is None:
            return []
        one = self.ratio
        dt = self.program.dt
        network = realised.network
        reference = Reference(
            population=network.population(name),
            index=index,
            dt=dt,
            ticks=self.ticks,
            wires=reference_wires(network, name, index, dt, one_tick=one),
            events=self.events,
            ratio=self.ratio,
        )
        truth = self.train(recording, 1)
        base = reference.outcome()[0][: self.tick + 1]
        if np.array_equal(base, truth):
            return []
        changes = changes_of(reference, realised, cell)
        if self.ratio > 1:
            end = self.start + self.tick + 1
            events = {k: e.window(self.start, end) for k, e in coarse.items()}
            changes.append(
                (
                    "time step",
                    f"the equations advance by {dt * self.ratio:g} s instead of {dt:g} s",
                    lambda r: Reference(
                        population=r.population,
                        index=index,
                        dt=dt * self.ratio,
                        ticks=self.tick + 1,
                        wires=reference_wires(network, name, index, dt * self.ratio),
                        events=events,
                    ),
                )
            )
        labels = [
            i.message
            for i in realised.program.all_issues
            if i.severity == "approximate" and i.where == name and "round" not in i.code
        ]
        return judge(reference, changes, truth, label, tick=self.tick, approximations=labels)


# -- helpers ----------------------------------------------------------------------------------
def _ratio(network: Network, dt: float, reference_dt: float | None) -> int:
    if reference_dt is None:
        return 1
    ratio = round(dt / reference_dt) if reference_dt > 0 else 0
    if ratio < 1 or not np.isclose(ratio * reference_dt, dt, rtol=1e-9):
        raise fail(
            "reference-dt",
            "diff",
            "must be a whole fraction of dt",
            got=f"{reference_dt:g} s",
            limit=f"{dt:g} s divided by 1, 2, 3 ...",
        )
    if ratio > 1 and any(p.dt is not None for p in network.populations):
        raise fail(
            "reference-dt",
            network.name,
            "is discrete by nature and has one dt only",
            hint="leave reference_dt out",
        )
    return int(ratio)


def _explicit(network: Network, dt: float) -> Network:
    """Delays of "one tick" written as seconds, so that a finer grid does not shorten them."""
    projections = tuple(replace(p, delay=dt) if p.delay is None else p for p in network.projections)
    return network.replace(projections=projections)


def _stretched(stimulus: Stimulus, ratio: int, dt: float) -> Stimulus:
    if ratio == 1:
        return stimulus

    def one(e: Events) -> Events:
        return Events(e.tick * ratio, e.id, e.size, e.ticks * ratio, dt, e.payload)

    if isinstance(stimulus, Events):
        return one(stimulus)
    return {name: one(e) for name, e in stimulus.items()}


def _coarse(events: Events, ratio: int, like: Recording) -> Events:
    if ratio == 1:
        return events
    tick = (events.tick + ratio // 2) // ratio
    keep = tick < like.ticks
    payload = None if events.payload is None else events.payload[keep]
    return Events(tick[keep], events.id[keep], events.size, like.ticks, like.dt, payload)


def recordable(program: Program) -> list[str]:
    """Every population with neurons."""
    programs = list(program.parts.values()) or [program]
    return list(dict.fromkeys(b.population for p in programs for b in p.blocks))


def with_inputs(network: Network, recording: Recording, stimulus: Stimulus) -> Recording:
    """The recording with the events that were put in."""
    if isinstance(stimulus, Events):
        stimulus = {network.inputs[0].name: stimulus}
    silent = {
        p.name: Events.empty(size=p.size, ticks=recording.ticks, dt=recording.dt)
        for p in network.inputs
    }
    return replace(recording, events={**silent, **stimulus, **recording.events})


def _folded(network: Network, program: Program) -> Network:
    """The network as the chip sees it: with relays multiplied out where it has none."""
    programs = list(program.parts.values()) or [program]
    there = {b.population for p in programs for b in p.blocks}
    if all(p.name in there for p in network.populations if not p.is_input):
        return network
    try:
        return fold_relays(network)[0]
    except RanvierError:
        return network


def _names(a: Program, b: Program) -> tuple[str, str]:
    if a.chip != b.chip:
        return a.chip, b.chip
    return f"{a.chip} (A)", f"{b.chip} (B)"


def _in_order(network: Network) -> list[Any]:
    """Populations so that a projection without delay goes from an earlier to a later one."""
    waiting = {p.name: set[str]() for p in network.populations}
    for p in network.projections:
        if p.immediate:
            waiting[p.target].add(p.source)
    done: list[str] = []
    while waiting:
        name = next(n for n in waiting if not waiting[n] - set(done))
        done.append(name)
        del waiting[name]
    return [network.population(name) for name in done]
