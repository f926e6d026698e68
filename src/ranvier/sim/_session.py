"""A running program: the one mutable thing, and ``run``, the loop around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program, find_projection, machine_of, projection_weights, synapse_ports
from ranvier.errors import RanvierError, fail, unknown
from ranvier.events import Events, Recording, State, Trace
from ranvier.progress import NoProgress, Progress
from ranvier.sim._arrays import build
from ranvier.sim._emit import load_worker
from ranvier.sim._stimulus import Stimulus, check_ticks, check_window, source_events

__all__ = ["Session"]

CHUNK = 2048
"""Ticks between two looks at the clock: so often Ctrl-C, progress and blow-ups are noticed."""
BUFFER = 1 << 20
"""Events the recording buffer holds before it is emptied."""
TRACE_BYTES = 1 << 27
"""Memory for sampled values before they are taken out."""


class Session:
    """Runs a program on the numba engine.

    ``state`` goes on from a checkpoint, bit for bit. ``record`` names the populations whose events
    are kept (outputs and spike probes by default). ``window`` cuts the run into windows of so many
    ticks for counting; ``reset=True`` puts the machine back to its initial state at every window,
    as between the samples of a data set.
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
        if program.parts:
            raise fail(
                "several-chips",
                program.name,
                "runs on several chips",
                hint="use sim.session(program) or sim.run(program, ...)",
            )
        check_window(window)
        if reset and window is None:
            raise fail("window", "Session.reset", "needs a window", hint="give window=ticks")
        self.program = program
        self.window, self.reset_windows = window, reset
        self._dtype = np.float64 if machine_of(program).dtype == "f8" else np.int64
        self._arrays = build(program)
        self._run, self._deliver = load_worker(self._arrays.variants)
        self._recorded = self._choose(record)
        self._probes, self._probe_names = self._trace_table()
        self._tick = self._first = 0
        self._counts = np.zeros(program.sources, np.int64)
        self._counters = np.zeros(max(1, len(self._arrays.counters)), np.int64)
        self._closed: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._buffer = (
            np.zeros(BUFFER + program.neurons, np.int64),
            np.zeros(BUFFER + program.neurons, np.int64),
            np.zeros(BUFFER + program.neurons, self._dtype),
        )
        self._parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        self._traces: list[tuple[int, NDArray[Any]]] = []
        self._stimuli: dict[str, list[tuple[int, Events]]] = {}
        self._where = np.zeros(program.sources, np.int64), np.zeros(program.sources, np.int64)
        for number, (_, slots) in enumerate(program.slots.items()):
            self._where[0][slots] = number
            self._where[1][slots] = np.arange(slots.size)
        if state is not None:
            self._restore(state)

    # -- set-up -------------------------------------------------------------------------------
    def _choose(self, record: Iterable[str] | None) -> list[str]:
        program = self.program
        if record is None:
            probed = [p.population for p in program.probes if p.variable == "spikes"]
            chosen = list(dict.fromkeys([*program.outputs, *probed]))
        else:
            chosen = list(dict.fromkeys(record))
        for name in chosen:
            if name not in program.slots:
                raise unknown("population", name, program.slots, where="record")
        for k, block in enumerate(program.blocks):
            self._arrays.blocks[k, 6] = block.population in chosen
        return chosen

    def _trace_table(self) -> tuple[NDArray[np.int64], list[tuple[str, int, int, int, int]]]:
        """Rows (state or out, offset, n, column) and, per row, (name, block, every, column, n)."""
        rows: list[tuple[int, int, int, int]] = []
        names: list[tuple[str, int, int, int, int]] = []
        column = 0
        for probe in self.program.probes:
            if probe.variable == "spikes":
                continue
            for k, block in enumerate(self.program.blocks):
                if block.population != probe.population:
                    continue
                out = probe.variable == "output"
                key = (k, block.aliases.get(probe.variable, probe.variable))
                if not out and key not in self._arrays.state_offset:
                    legal = sorted(name for b, name in self._arrays.state_offset if b == k)
                    raise unknown("state", probe.variable, legal, where=f"probe {probe}")
                offset = block.start if out else self._arrays.state_offset[key]
                rows.append((int(out), offset, block.n, column))
                names.append((str(probe), k, probe.every, column, block.n))
                column += block.n
        return np.array(rows, np.int64).reshape(-1, 4), names

    def _restore(self, state: State) -> None:
        if state.program_hash != self.program.hash:
            raise fail(
                "other-program",
                self.program.name,
                "the checkpoint is of another program",
                got=state.program_hash[:12],
                limit=self.program.hash[:12],
                hint="resume with the program that was running",
            )
        mine = self._live()
        for name, array in mine.items():
            there = state.arrays.get(name)
            if there is None or there.shape != array.shape or there.dtype != array.dtype:
                raise fail("damaged-bundle", "checkpoint", f"{name} is missing or misshapen")
            array[...] = there
        target, width = mine["synapse_target"], self._arrays.width
        if target.size and (int(target.min()) < 0 or int(target.max()) >= width):
            raise fail("damaged-bundle", "checkpoint", "synapse_target is out of range")
        self._arrays.synapses.write(mine["synapse_weight"], target, slice(None))
        self._tick = self._first = state.tick

    def _live(self) -> dict[str, NDArray[Any]]:
        a = self._arrays
        return {
            "state": a.state,
            "ring": a.ring,
            "out": a.out,
            "synapse_weight": a.synapses.weight,
            "synapse_target": a.synapses.target.copy(),
        }

    # -- running ------------------------------------------------------------------------------
    @property
    def tick(self) -> int:
        """The next tick to be computed."""
        return self._tick

    def step(self, events: Stimulus = None, *, ticks: int = 1) -> dict[str, Events]:
        """Advance and return what recorded populations emitted; ticks count from now."""
        return self._step(events, ticks, hold=False)

    def step_held(self, events: Stimulus) -> dict[str, Events]:
        """One tick of a system: a window that ends here stays open until :meth:`end_window`."""
        return self._step(events, 1, hold=True)

    def _step(self, events: Stimulus, ticks: int, *, hold: bool) -> dict[str, Events]:
        start, known = self._tick, len(self._parts)
        self.advance(events, ticks=ticks, hold=hold)
        return self._collect(self._parts[known:], start, ticks, self._recorded)

    def advance(
        self,
        stimulus: Stimulus = None,
        *,
        ticks: int,
        progress: Progress | None = None,
        hold: bool = False,
    ) -> None:
        """Advance by ``ticks``. Raises RanvierError when the stimulus does not fit, or when a state
        stops being a number (naming the population, the neuron and the ticks).

        ``hold`` leaves a window that ends with the last tick open until :meth:`end_window`: other
        chips may still send to that tick.
        """
        check_ticks(ticks)
        meter = progress or NoProgress()
        a = self._arrays
        events, given = source_events(self.program, stimulus, ticks, self._dtype)
        for name, item in given.items():
            if name in self._recorded and len(item):
                self._stimuli.setdefault(name, []).append((self._tick, item))
        cursor, taken = np.zeros(1, np.int64), np.zeros(1, np.int64)
        begin, end = self._tick, self._tick + ticks
        tick = events.tick + begin
        columns = int(self._probes[:, 2].sum()) if self._probes.size else 0
        rows = max(1, min(CHUNK, TRACE_BYTES // (8 * columns) if columns else CHUNK))
        meter.start("simulate", ticks)
        while self._tick < end:
            stop = min(end, self._tick + rows, self._boundary())
            traces = np.zeros((stop - self._tick if columns else 0, columns), self._dtype)
            taken[0] = 0
            reached = int(
                self._run(
                    self._tick, stop, a.mask, a.width, a.blocks, a.state, a.param, a.ring, a.out,
                    *a.synapses.rows, tick, events.source, events.payload, events.plain, cursor,
                    self._counts, self._counters, *self._buffer, taken, self._probes, traces,
                )
            )  # fmt: skip
            n = int(taken[0])
            if n:
                when, slot, value = (column[:n].copy() for column in self._buffer)
                self._parts.append((when, slot, value))
            if columns:
                self._traces.append((self._tick, traces[: reached - self._tick]))
            meter.advance(reached - self._tick)
            self._check_finite(self._tick, reached)
            self._tick = reached
            if not (hold and self._tick == end):
                self.end_window()
        meter.done()

    def _boundary(self) -> int:
        if self.window is None:
            return self._tick + CHUNK
        return (self._tick // self.window + 1) * self.window

    def end_window(self) -> None:
        """Close the window that ends here, if one does."""
        if self.window is None or self._tick % self.window:
            return
        self._closed.append((self._counts.copy(), self._counters.copy()))
        self._counts[:] = 0
        self._counters[:] = 0
        if self.reset_windows:
            self.reset()

    def _check_finite(self, start: int, stop: int) -> None:
        state, out = self._arrays.state, self._arrays.out
        if self._dtype is np.int64 or np.isfinite(state.sum() + out.sum()):
            return
        if not np.all(np.isfinite(out)):
            slot = int(np.flatnonzero(~np.isfinite(out))[0])
            name = list(self.program.slots)[self._where[0][slot]]
            raise self._blow_up(f"{name}[{self._where[1][slot]}].output", out[slot], start, stop)
        if np.all(np.isfinite(state)):
            return
        at = int(np.flatnonzero(~np.isfinite(state))[0])
        (k, name), offset = max(
            (item for item in self._arrays.state_offset.items() if item[1] <= at),
            key=lambda item: item[1],
        )
        block = self.program.blocks[k]
        index = int(self._where[1][block.start + at - offset])
        where = f"{block.population}[{index}].{name}"
        raise self._blow_up(where, state[at], start, stop)

    def _blow_up(self, where: str, got: Any, start: int, stop: int) -> RanvierError:
        return fail(
            "blow-up",
            where,
            "stopped being a number",
            got=got,
            limit=f"finite, in ticks {start}..{stop - 1}",
            hint=("use a smaller dt or another method", "check weights and parameters"),
        )

    def reset(self) -> None:
        """Back to the initial state; inputs under way are lost, weights stay."""
        self._arrays.state[:] = self._arrays.initial
        self._arrays.ring[:] = 0
        self._arrays.out[:] = 0

    def inject(self, population: str, ids: NDArray[np.int64], payload: Any = None) -> None:
        """Events of an input that belong to the tick just computed (from another chip)."""
        a = self._arrays
        block = next(b for b in self.program.inputs if b.population == population)
        plain = payload is None
        values = np.ones(ids.size) if plain else payload
        for index, value in zip(ids, values.astype(self._dtype), strict=True):
            source = block.start + int(index)
            self._counts[source] += 1
            self._deliver(
                source, value, plain, self._tick - 1, a.mask, a.width, a.ring, *a.synapses.rows
            )  # fmt: skip

    # -- weights ------------------------------------------------------------------------------
    def weights(self, projection: str) -> NDArray[np.float64]:
        """SI weights of a projection now, in canonical order [synapses]."""
        s = self._arrays.synapses
        return projection_weights(self.program, projection, s.weight, s.target, s.origin)

    def set_weights(self, projection: str, weights: Any) -> NDArray[np.float64]:
        """Write SI weights [synapses, canonical order], rounded by the chip's own quantiser.

        Returns what was stored, in SI: on a real machine rounded, and clipped to the range that
        compile chose from the weights it saw (compile with the largest you will need). Raises
        RanvierError when the shape is wrong, a value is not finite, or a synapse that compile left
        out (weight 0) would have to appear.
        """
        table = find_projection(self.program, projection)
        values = np.asarray(weights, np.float64)
        if values.shape != (table.count,):
            raise fail(
                "weights-shape",
                projection,
                "needs one weight per synapse",
                got=values.shape,
                limit=(table.count,),
            )
        if not np.all(np.isfinite(values)):
            raise fail("weights-not-finite", projection, "holds NaN or infinity")
        s = self._arrays.synapses
        inside = (s.origin >= table.first) & (s.origin < table.first + table.count)
        chosen = np.flatnonzero(inside)
        index = s.origin[chosen] - table.first
        implementation = machine_of(self.program).implementation(table.implementation)
        coded, port = implementation.encode(values, table.encoding)
        stored = np.zeros(table.count, bool)
        stored[index] = True
        if np.any((coded != 0) & ~stored):
            raise fail(
                "synapse-left-out",
                projection,
                "compile left out synapses of weight 0, which cannot get a weight now",
                got=int(np.count_nonzero((coded != 0) & ~stored)),
                hint="compile with --set quantise.drop_zeros=false",
            )
        starts = np.array([b.ring for b in self.program.blocks])
        sizes = np.array([b.n for b in self.program.blocks])
        target = s.target[chosen]
        block = np.searchsorted(starts, target, side="right") - 1
        moved = (port[index] - synapse_ports(self.program, target)) * sizes[block]
        s.write(coded[index], (target + moved).astype(target.dtype), chosen)
        return implementation.decode(coded, port, table.encoding)

    # -- results ------------------------------------------------------------------------------
    def state(self) -> State:
        """A copy of everything needed to go on, or to read weights back.

        Counts and recordings are not part of it: those of a resumed session begin anew.
        """
        arrays = {name: array.copy() for name, array in self._live().items()}
        arrays["synapse_origin"] = self._arrays.synapses.origin
        return State(self._tick, arrays, self.program.hash)

    def _collect(
        self, parts: list[Any], start: int, ticks: int, names: Iterable[str]
    ) -> dict[str, Events]:
        none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, self._dtype))
        tick, slot, value = (np.concatenate(c) for c in zip(none, *parts, strict=True))
        owner, index = self._where[0][slot], self._where[1][slot]
        numbers = {name: k for k, name in enumerate(self.program.slots)}
        graded = {b.population for b in self.program.blocks if b.output != "spike"}
        inputs = {b.population for b in self.program.inputs}
        found: dict[str, Events] = {}
        for name in names:
            size = self.program.slots[name].size
            if name in inputs:
                found[name] = self._input_events(name, start, ticks, size)
                continue
            mine = owner == numbers[name]
            found[name] = Events.sorted(
                tick[mine] - start,
                index[mine],
                size=size,
                ticks=ticks,
                dt=self.program.dt,
                payload=value[mine] if name in graded else None,
            )
        return found

    def _input_events(self, name: str, start: int, ticks: int, size: int) -> Events:
        """What was put into an input between ``start`` and ``start + ticks``."""
        pieces = [e.shift(at - start) for at, e in self._stimuli.get(name, ()) if at >= start]
        graded = any(p.payload is not None for p in pieces)
        none = np.zeros(0, np.int64)
        return Events.sorted(
            np.concatenate([none, *(p.tick for p in pieces)]),
            np.concatenate([none, *(p.id for p in pieces)]),
            size=size,
            ticks=ticks,
            dt=self.program.dt,
            payload=np.concatenate(
                [np.ones(len(p)) if p.payload is None else p.payload for p in pieces]
            )
            if graded
            else None,
        )

    def recording(self, *, state: bool = False) -> Recording:
        """Everything recorded since the session began; ticks count from its beginning."""
        program, ticks = self.program, self._tick - self._first
        closed = list(self._closed)
        length = self.window or max(1, self._tick)
        if self.window is None or self._tick % self.window or not closed:
            closed.append((self._counts.copy(), self._counters.copy()))
        counts, counters = (np.stack(column) for column in zip(*closed, strict=True))
        kinds = sorted({name for _, name in self._arrays.counters})
        per_block = {name: np.zeros((len(closed), len(program.blocks)), np.int64) for name in kinds}
        for column, (block, name) in enumerate(self._arrays.counters):
            per_block[name][:, block] += counters[:, column]
        return Recording(
            dt=program.dt,
            ticks=ticks,
            window=length,
            program_hash=program.hash,
            start=self._first,
            events=self._collect(self._parts, self._first, ticks, self._recorded),
            traces=self._trace_results(),
            counts={name: counts[:, slots] for name, slots in program.slots.items()},
            counters=per_block,
            blocks=tuple((b.population, b.core) for b in program.blocks),
            state=self.state() if state else None,
        )

    def _trace_results(self) -> Mapping[str, Trace]:
        if not self._probe_names:
            return {}
        width = int(self._probes[:, 2].sum())
        empty = np.zeros((0, width), self._dtype)
        data = np.concatenate([empty, *(part for _, part in self._traces)])
        when = np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(t, t + len(part)) for t, part in self._traces)]
        )
        found: dict[str, Trace] = {}
        for name in dict.fromkeys(n for n, *_ in self._probe_names):
            rows = [row for row in self._probe_names if row[0] == name]
            blocks = [self.program.blocks[row[1]] for row in rows]
            variable = name.rsplit(".", 1)[1]
            size = self.program.slots[blocks[0].population].size
            keep = when % rows[0][2] == 0
            raw = np.zeros((int(keep.sum()), size), self._dtype)
            scale, offset = np.ones(size), np.zeros(size)
            for (_, _, _, column, n), block in zip(rows, blocks, strict=True):
                index = self._where[1][block.start : block.start + n]
                raw[:, index] = data[keep, column : column + n]
                register = block.aliases.get(variable, variable)
                by, plus = block.state_scale.get(register, (1.0, 0.0))
                scale[index], offset[index] = by, plus
            found[name] = Trace(when[keep] - self._first, raw, scale, offset)
        return found
