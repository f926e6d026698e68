"""A running program: the one mutable thing, and ``run``, the loop around it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import fail
from ranvier.events import Events, Recording, State
from ranvier.progress import NoProgress, Progress
from ranvier.sim._arrays import ROWS_IN_HAND, Arrays, build
from ranvier.sim._crew import Crew
from ranvier.sim._estimate import check_memory
from ranvier.sim._inspect import Inspected
from ranvier.sim._load import load_worker
from ranvier.sim._pending import Pending
from ranvier.sim._plastic import CHANGING, TICKS
from ranvier.sim._recorder import Recorder, choose
from ranvier.sim._stimulus import (
    SourceEvents,
    Stimulus,
    check_ticks,
    check_window,
    source_events,
)
from ranvier.sim._stop import Interrupted, stop_asked
from ranvier.sim._streaming import Streaming
from ranvier.sim._watch import Hit, Watch
from ranvier.sim._weights import Weighted

__all__ = ["Interrupted", "Session"]

CHUNK = 0.1
"""Seconds of work between two looks at the clock: so often Ctrl-C and progress are noticed."""


class Session(Inspected, Weighted, Streaming):
    """Runs a program on the numba engine.

    ``state`` goes on from a checkpoint, bit for bit. ``record`` names the populations whose events
    are kept (outputs and spike probes by default). ``window`` cuts the run into windows of so many
    ticks for counting; ``reset=True`` puts the machine back to its initial state at every window,
    as between the samples of a data set. ``threads`` is the number of threads (by default as many
    as there are cores to use and the program is worth); it changes no result.
    ``profile`` reads the clock while running, for :meth:`profile`.
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
        recorded = choose(program, record)
        self._arrays = a = self._arrange(program, threads, profile)
        self._dtype: Any = a.state.dtype.type
        self._crew = Crew(load_worker(a.variants, a.make), a.layout.threads)
        self._recorder = Recorder(program, a, recorded)
        self._tick = self._first = self._oldest = 0
        self._pace = 16
        self._counts = np.zeros(program.sources, np.int64)
        self._counters = np.zeros(max(1, len(a.counters) * a.layout.parts), np.int64)
        self._closed: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._pending = Pending(self._dtype)
        self._rows = (
            np.zeros((a.layout.threads, 3 * ROWS_IN_HAND), np.int64),
            np.zeros((a.layout.threads, ROWS_IN_HAND), self._dtype),
        )
        self._clock = np.zeros(len(a.subs) + a.layout.parts + a.layout.threads, np.int64)
        self._samples = {}
        self._sink = None
        self._stimuli: dict[str, list[tuple[int, Events]]] = {}
        self._watch, self._end, self._spent = Watch(), 0, (0.0, 0.0)
        self.hits, self.fault = [], None
        if state is not None:
            self._restore(state)

    # -- what a session of several ranks does otherwise ---------------------------------------
    def _arrange(self, program: Program, threads: int | None, profile: bool) -> Arrays:
        check_memory(program, threads=threads)
        return build(program, threads=threads, profile=profile)

    def _check_alike(self, events: SourceEvents, ticks: int) -> None:
        """Before anything moves."""

    def _drive(
        self, first: int, stop: int, rest: tuple[Any, ...], fault: NDArray[np.int64]
    ) -> None:
        """Ticks first..stop-1; ``fault`` [threads, 2] holds tick and slot of what went wrong."""
        self._crew(first, stop, self._oldest, *rest)

    def _heed(self, asked: list[int], seconds: float) -> float:
        """Called after every call of the worker; returns the seconds to set the pace by."""
        return seconds

    # -- state --------------------------------------------------------------------------------
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
        a, given = self._arrays, state.arrays
        for name, array in self._fixed().items():
            there = given.get(name)
            if there is None or there.shape != array.shape or there.dtype != array.dtype:
                raise fail("damaged-bundle", "checkpoint", f"{name} is missing or misshapen")
        a.out[:] = given["out"]
        a.restore(given["state"], state.tick)
        if a.make.lazy:
            a.sleep.rouse(a.subs, given["awake"])
        self._tick = self._first = self._oldest = state.tick
        self._put_sent(state.tick, dict(given))
        self._keep_pending(self._recorder.recorded)
        target = given["synapse_target"]
        if target.size and (int(target.min()) < 0 or int(target.max()) >= self.program.ring):
            raise fail("damaged-bundle", "checkpoint", "synapse_target is out of range")
        a.synapses.write(given["synapse_weight"], target, slice(None))
        for p in a.plastic:
            mark = f"plastic/{p.table.name}/"
            p.restore({k.removeprefix(mark): v for k, v in given.items() if k.startswith(mark)})

    def _put_sent(self, now: int, given: dict[str, NDArray[Any]]) -> None:
        """Events under way: of neurons into the history, of inputs back among the pending (those
        still to come included)."""
        a, depth = self._arrays, self._arrays.depth
        columns = [given.get(f"sent_{name}") for name in ("tick", "slot", "value")]
        if any(c is None or c.ndim != 1 for c in columns):
            raise fail(
                "damaged-bundle", "checkpoint", "the events under way are missing or misshapen"
            )
        tick, slot, value = (np.asarray(c) for c in columns)
        fits = tick.shape == slot.shape == value.shape and tick.dtype.kind == "i"
        if fits and slot.dtype.kind == "i" and tick.size:
            fits = (
                slot.min() >= 0
                and slot.max() < self.program.sources
                and not np.any(tick[slot < self.program.neurons] >= now)
                and tick.min() > now - depth
                and not np.any(_twice(tick, slot, self.program.neurons))
            )
        if not fits or value.dtype != self._dtype:
            raise fail(
                "damaged-bundle", "checkpoint", "the events under way are missing or misshapen"
            )
        order = np.lexsort((slot, tick))
        tick, slot, value = tick[order], slot[order], value[order]
        self._oldest = max(0, now - depth + 1)
        a.hist_n[:] = 0
        mine = slot >= self.program.neurons
        self._pending.add(tick[mine], slot[mine], value[mine])
        for q, (begin, end) in enumerate(pairwise(a.layout.lane_at.tolist())):
            inside = np.flatnonzero((slot >= begin) & (slot < end))
            for t in np.unique(tick[inside]).tolist():
                chosen = inside[tick[inside] == t]
                h = t % depth
                at = a.hist_base[q] + h * a.hist_cap[q]
                a.history[at : at + chosen.size] = slot[chosen]
                if a.hist_value.size > 1:
                    a.hist_value[at : at + chosen.size] = value[chosen]
                a.hist_n[q, h] = chosen.size

    def _moving(self) -> dict[str, NDArray[Any]]:
        """What a tick changes, beside the events under way."""
        a = self._arrays
        asleep = {"awake": a.sleep.awake} if a.make.lazy else {}
        learned = {f"{k}/{n}": getattr(p, n) for k, p in enumerate(a.plastic) for n in CHANGING}
        return {**asleep, **learned, "state": a.state, "out": a.out}

    def _fixed(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint holds of neurons and fixed synapses, whatever the partitions are."""
        a = self._arrays
        neurons = self.program.neurons
        return {
            **({"awake": a.sleep.by_neuron(a.subs, neurons)} if a.make.lazy else {}),
            "state": a.states.pack(a.state),
            "out": a.out,
            "synapse_weight": a.synapses.packed_weight(),
            "synapse_target": a.synapses.packed_target,
        }

    def _sent(self) -> dict[str, NDArray[Any]]:
        """Events that may still be under way: tick, slot and value."""
        a = self._arrays
        self._pending.forget(self._tick - a.depth + 1)
        since = max(self._oldest, self._tick - a.depth + 1)
        keep = self._pending.tick >= since
        tick = [self._pending.tick[keep]]
        slot = [self._pending.source[keep].astype(np.int64)]
        value = [self._pending.value[keep]]
        for t in range(since, self._tick):
            for q in range(a.layout.lanes):
                h = t % a.depth
                at = int(a.hist_base[q] + h * a.hist_cap[q])
                n = int(a.hist_n[q, h])
                if n:
                    tick.append(np.full(n, t, np.int64))
                    slot.append(a.history[at : at + n].astype(np.int64))
                    graded = a.hist_value.size > 1
                    value.append(
                        a.hist_value[at : at + n].copy() if graded else np.ones(n, self._dtype)
                    )
        return {
            "sent_tick": np.concatenate(tick),
            "sent_slot": np.concatenate(slot),
            "sent_value": np.concatenate(value),
        }

    def state(self) -> State:
        """A copy of everything needed to go on, or to read weights back.

        Counts and recordings are not part of it: those of a resumed session begin anew.
        """
        arrays = {name: array.copy() for name, array in self._fixed().items()}
        arrays["synapse_origin"] = self._arrays.synapses.origin
        self._write_learned(arrays["synapse_weight"])
        return State(self._tick, {**arrays, **self._learned(), **self._sent()}, self.program.hash)

    # -- running ------------------------------------------------------------------------------
    @property
    def threads(self) -> int:
        """Threads this session runs on."""
        return self._crew.threads

    def step(self, events: Stimulus = None, *, ticks: int = 1) -> dict[str, Events]:
        """Advance and return what recorded populations emitted; ticks count from now."""
        return self._step(events, ticks, hold=False)

    def step_held(self, events: Stimulus) -> dict[str, Events]:
        """One tick of a system: a window that ends here stays open until :meth:`end_window`."""
        return self._step(events, 1, hold=True)

    def _step(self, events: Stimulus, ticks: int, *, hold: bool) -> dict[str, Events]:
        start, known = self._tick, len(self._recorder.parts)
        self.advance(events, ticks=ticks, hold=hold)
        return self._collect(known, start, self._tick - start)

    def advance(
        self,
        stimulus: Stimulus = None,
        *,
        ticks: int,
        progress: Progress | None = None,
        hold: bool = False,
    ) -> Hit | None:
        """Advance by ``ticks``, or to the tick in which a breakpoint fires (the first of those
        that did is returned, :attr:`hits` has all). Raises RanvierError when the stimulus does not
        fit, or when a state stops being a number (naming the population, the neuron and the tick,
        right after which the session stands), and Interrupted on Ctrl-C, after the ticks under way.

        ``hold`` leaves a window that ends with the last tick open until :meth:`end_window`: other
        chips may still send to that tick.
        """
        check_ticks(ticks)
        meter = progress or NoProgress()
        self.schedule(stimulus, ticks=ticks)
        self._end = end = self._tick + ticks
        meter.start("simulate", ticks)
        hits: list[Hit] = []
        with stop_asked() as asked:
            while self._tick < end and not hits:
                stop = min(
                    end,
                    self._boundary(),
                    self._next_sample(),
                    self._tick + min(self._pace, self._recorder.chunk),
                )
                before, began = self._tick, time.perf_counter()
                hits = self._go(stop)
                seconds = self._heed(asked, time.perf_counter() - began)
                self._set_pace(self._tick - before, seconds)
                meter.advance(self._tick - before)
                self._sample()
                if self._sink is not None:
                    self._sink.take()
                if not (hold and self._tick == end):
                    self.end_window()
                if asked and self._tick < end:
                    raise Interrupted
        meter.done()
        return hits[0] if hits else None

    def schedule(self, stimulus: Stimulus, *, ticks: int = 1 << 62) -> None:
        """Put events into the inputs, for ticks from now on, without running; as
        :meth:`advance` checks them."""
        events, given = source_events(self.program, stimulus, ticks, self._dtype)
        self._check_alike(events, ticks)
        for name, item in given.items():
            if name in self._recorder.recorded and len(item):
                self._stimuli.setdefault(name, []).append((self._tick, item))
        self._pending.add(events.tick + self._tick, events.source, events.payload)

    def run_to(self, stop: int) -> None:
        """Ticks up to ``stop``, in one call of the worker; :meth:`advance` is for users."""
        a, recorder, first = self._arrays, self._recorder, self._tick
        if stop > TICKS and (a.plastic or (a.make.lazy and a.make.single)):
            who = "plastic synapses count" if a.plastic else "neurons that sleep in float32 count"
            raise fail("too-long", self.program.name, f"{who} ticks in 32 bits",
                       got=stop, limit=TICKS, hint="begin a new session")  # fmt: skip
        since = max(self._oldest, first - a.depth + 2)
        self._pending.forget(since)
        samples = recorder.room(stop - first)
        if a.gaps.used:
            a.gaps.refresh(a.state, first)
        fault = np.full((a.layout.threads, 2), -1, np.int64)
        rest = (
            first, a.layout.parts, a.parts, a.subs, a.state, a.param, a.acc,
            a.out, a.scratch, a.tallies, a.marks, a.marks.view(np.uint64), a.random, a.who,
            a.streams, a.draws, a.limits, a.limit_ptr, a.limit_of, a.synapses.delays, a.depth,
            a.hist_base, a.hist_cap, a.hist_n, a.history,
            a.hist_value, since, self._pending.by_tick(since, stop), self._pending.source,
            self._pending.value, a.synapses.row_ptr, a.synapses.row_run,
            a.synapses.reach, a.synapses.target,
            a.synapses.weight, *self._rows, self._counts, self._counters, recorder.tick,
            recorder.slot, recorder.value, recorder.filled, recorder.probes.rows, samples,
            self._clock, fault, *a.sleep.arguments, *(a.gaps.arguments if a.gaps.used else ()),
            *(x for p in a.plastic for x in p.arguments),
        )  # fmt: skip
        self._drive(first, stop, rest, fault)
        failed = min(((int(t), int(s)) for t, s in fault if t >= 0), default=None)
        stop = stop if failed is None else failed[0] + 1  # all threads stop after that tick
        np.add.at(self._counts, self._pending.between(first, stop), 1)
        recorder.take(first, samples[: stop - first])
        self._tick = stop
        if failed is not None:
            raise self._blow_up(*failed)

    def _set_pace(self, ticks: int, seconds: float) -> None:
        """As many ticks a call as take about CHUNK seconds."""
        if ticks == self._pace or seconds > CHUNK:
            wanted = ticks * CHUNK / max(seconds, 1e-6)
            self._pace = int(min(max(1.0, wanted), 4.0 * self._pace, 1 << 20))

    def _boundary(self) -> int:
        if self.window is None:
            return self._tick + (1 << 20)
        return (self._tick // self.window + 1) * self.window

    def end_window(self) -> None:
        """Close the window that ends here, if one does."""
        if self.window is None or self._tick % self.window:
            return
        if self._sink is None:
            self._closed.append((self._counts.copy(), self._counters.copy()))
        self._counts[:] = 0
        self._counters[:] = 0
        if self._sink is not None:
            self._sink.window_ended()
        if self.reset_windows:
            self.reset()

    def reset(self) -> None:
        """Back to the initial state; inputs under way are lost.

        Weights stay as :meth:`weights` gives them; what plastic synapses remember (traces, spikes
        that have not been applied, variables, reward) is forgotten.
        """
        self._arrays.state[:] = self._arrays.initial
        self._arrays.out[:] = 0
        self._arrays.acc[:] = 0
        self._oldest = self._tick
        for p in self._arrays.plastic:
            p.reset(self._tick)
        if self._arrays.make.lazy:
            self._arrays.wake(self.program, self._tick)

    def inject(self, population: str, ids: NDArray[np.int64], payload: Any = None) -> None:
        """Events of an input that belong to the tick just computed (from another chip)."""
        block = next(b for b in self.program.inputs if b.population == population)
        values = np.ones(ids.size) if payload is None else np.asarray(payload)
        order = np.argsort(ids, kind="stable")
        source = block.start + ids[order].astype(np.int64)
        np.add.at(self._counts, source, 1)
        tick = np.full(ids.size, self._tick - 1, np.int64)
        self._pending.add(tick, source, values[order].astype(self._dtype))

    # -- results ------------------------------------------------------------------------------
    def _collect(self, known: int, start: int, ticks: int) -> dict[str, Events]:
        found = self._recorder.events(known, start, ticks)
        sizes = {b.population: b.n for b in self.program.inputs}
        return {
            name: found[name]
            if name in found
            else self._input_events(name, start, ticks, sizes[name])
            for name in self._recorder.recorded
        }

    def _input_events(self, name: str, start: int, ticks: int, size: int) -> Events:
        """What was put into an input between ``start`` and ``start + ticks``."""
        pieces = [
            e.window(start - at, start - at + ticks)
            for at, e in self._stimuli.get(name, ())
            if at < start + ticks and at + int(e.tick[-1]) >= start
        ]
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
        """Everything recorded since the session began; ticks count from its beginning.

        A session that streams reads what it has written so far.
        """
        if self._sink is not None:
            return self._streamed(state)
        program, ticks, a = self.program, self._tick - self._first, self._arrays
        closed = list(self._closed)
        length = self.window or max(1, self._tick)
        if self.window is None or self._tick % self.window or not closed:
            closed.append((self._counts.copy(), self._counters.copy()))
        counts, counters = (np.stack(column) for column in zip(*closed, strict=True))
        kinds = sorted({name for _, name in a.counters})
        per_block = {name: np.zeros((len(closed), len(program.blocks)), np.int64) for name in kinds}
        by_part = counters[:, : len(a.counters) * a.layout.parts]
        summed = by_part.reshape(len(closed), a.layout.parts, len(a.counters)).sum(1)
        for column, (block, name) in enumerate(a.counters):
            per_block[name][:, block] += summed[:, column]
        return Recording(
            dt=program.dt,
            ticks=ticks,
            window=length,
            program_hash=program.hash,
            start=self._first,
            events=self._collect(0, self._first, ticks),
            traces={**self._recorder.traces(self._first), **self._weight_traces()},
            counts={name: counts[:, slots] for name, slots in program.slots.items()},
            counters=per_block,
            blocks=tuple((b.population, b.core) for b in program.blocks),
            state=self.state() if state else None,
        )


def _twice(tick: NDArray[Any], slot: NDArray[Any], neurons: int) -> NDArray[np.bool_]:
    """Neurons send at most once a tick."""
    mine = slot < neurons
    order = np.lexsort((slot[mine], tick[mine]))
    return (np.diff(tick[mine][order]) == 0) & (np.diff(slot[mine][order]) == 0)
