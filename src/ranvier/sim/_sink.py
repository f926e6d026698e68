"""Recordings that go to disk while they are made: memory stays bounded.

A killed run is readable up to its last flush and can go on from its last checkpoint.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.compile import Program
from ranvier.errors import fail
from ranvier.events import (
    PopulationInfo,
    State,
    StoredRecording,
    StreamWriter,
    TraceInfo,
    open_recording,
)
from ranvier.progress import Progress
from ranvier.sim._stimulus import Stimulus, check_ticks

if TYPE_CHECKING:
    from ranvier.sim._session import Session

__all__ = ["Sink", "record"]


class Sink:
    """Takes from a session what it records and gives it to ``writer``, stretch by stretch.

    ``checkpoints`` [s of real time]: how often the state is written too (None: never).
    """

    def __init__(
        self, session: Session, writer: StreamWriter, checkpoints: float | None = None
    ) -> None:
        self.writer, self._session, self._every = writer, session, checkpoints
        self._counts = session.window_counts()
        self._seen = session.tick
        self._kept = time.monotonic()

    @classmethod
    def make(
        cls,
        session: Session,
        path: str | Path,
        *,
        seconds: float,
        checkpoints: float | None,
        overwrite: bool,
    ) -> Sink:
        """A new recording at ``path`` of what the session records now."""
        program, recorder = session.program, session.recorder
        graded = {b.population for b in program.inputs if b.signal != "spike"} | recorder.graded
        kind = np.dtype(recorder.value.dtype).str[1:]
        writer = StreamWriter(
            path,
            dt=program.dt,
            program_hash=program.hash,
            populations={
                name: PopulationInfo(
                    slots.size, graded=name in graded, recorded=name in recorder.recorded
                )
                for name, slots in program.slots.items()
            },
            traces={
                tap.name: TraceInfo(
                    tap.size, dtype=kind, every=tap.every, scale=tap.scale, offset=tap.offset
                )
                for tap in recorder.probes.taps
                if not tap.hidden
            },
            counters=sorted({name for _, name in session.counter_names}),
            blocks=[(b.population, b.core) for b in program.blocks],
            window=session.window,
            start=session.tick,
            overwrite=overwrite,
            seconds=seconds,
        )
        return cls(session, writer, checkpoints)

    def take(self) -> None:
        """Hand over everything since the last call, and forget it."""
        session, writer = self._session, self.writer
        recorder, program, tick = session.recorder, session.program, session.tick
        if tick == self._seen:
            return
        where, names = recorder.where, list(program.slots)
        for when, slot, value in recorder.parts:
            owner = where[0][slot]
            for number in np.unique(owner).tolist():
                if names[number] not in recorder.recorded:
                    continue
                mine = owner == number
                payload = value[mine] if value is not None and self._graded(names[number]) else None
                writer.append(names[number], when[mine], where[1][slot[mine]], payload)
        recorder.parts.clear()
        for name, events in session.inputs_between(self._seen, tick).items():
            writer.append(name, *events)
        for tap in recorder.probes.taps:
            if not tap.hidden and tap.name in self._traced:
                for when, raw in tap.pieces:
                    writer.append_trace(tap.name, when, raw)
                tap.pieces.clear()
        self._seen = tick
        self._count(tick)
        now = time.monotonic()
        if self._every is not None and now - self._kept >= self._every:
            writer.flush(tick, state=session.state())
            self._kept = now
        else:
            writer.advance(tick)

    def _graded(self, name: str) -> bool:
        return self.writer.populations[name].graded

    @property
    def _traced(self) -> set[str]:
        return set(self.writer.traces)

    def _count(self, tick: int) -> None:
        session, (counts, counters) = self._session, self._session.window_counts()
        before, before_counters = self._counts
        slots = session.program.slots
        grown = counts - before
        self.writer.append_counts(
            tick,
            {name: grown[where] for name, where in slots.items()},
            {name: value - before_counters[name] for name, value in counters.items()},
        )
        self._counts = counts, counters

    def window_ended(self) -> None:
        """The session counts from 0 again."""
        self._counts = self._session.window_counts()

    def close(self, *, state: bool = False) -> StoredRecording:
        """Make the folder what ``Recording.save`` writes, and open it."""
        self.take()
        kept: State | None = self._session.state() if state else None
        return open_recording(self.writer.close(self._session.tick, state=kept))


def record(
    program: Program,
    stimulus: Stimulus = None,
    *,
    to: str | Path,
    ticks: int,
    seconds: float = 10.0,
    checkpoints: float | None = None,
    go_on: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> StoredRecording:
    """Run for ``ticks`` ticks and record into the folder ``to`` while running.

    At most ``seconds`` of real time of the recording are lost when the process is killed.
    ``checkpoints`` [s of real time] writes the state that often; with ``go_on=True`` a run that was
    killed goes on from its newest checkpoint until it has ``ticks`` ticks in all (what was left of
    its stimulus is in there). Memory does not grow with the number of events. Options as for
    :class:`~ranvier.sim.Session`. Raises RanvierError as :func:`~ranvier.sim.run`, and where ``to``
    is in the way or cannot be written; KeyboardInterrupt leaves what was recorded readable.
    """
    from ranvier.sim._session import Session

    check_ticks(ticks)
    if go_on:
        if stimulus is not None:
            raise fail(
                "conflict", "record", "the checkpoint holds what is left of the stimulus",
                hint="leave the stimulus out with go_on=True",
            )  # fmt: skip
        writer = StreamWriter.resume(to, seconds=seconds)
        try:
            session = Session(program, writer.checkpoint, **options)
            if session.tick != writer.tick:
                raise fail("damaged-recording", str(to), "its checkpoint is of another tick",
                           got=session.tick, limit=writer.tick)  # fmt: skip
        except BaseException:
            writer.abandon()
            raise
        session.stream_to(writer, checkpoints=checkpoints)
        left = ticks - (session.tick - writer.start)
    else:
        session, left = Session(program, **options), ticks
        session.stream(to, seconds=seconds, checkpoints=checkpoints, overwrite=overwrite)
    try:
        session.advance(stimulus, ticks=max(0, left), progress=progress)
    except BaseException:
        session.abandon_stream()
        raise
    return session.close_stream()
