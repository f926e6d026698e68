"""A run from the command line: started, perhaps stopped by Ctrl-C, told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranvier.cli._command import seconds
from ranvier.cli._output import Output, counted, table
from ranvier.errors import fail

if TYPE_CHECKING:
    from ranvier.compile import Program
    from ranvier.events import Recording, StoredRecording
    from ranvier.progress import Progress

__all__ = ["Extra", "Ran", "show_memory", "start", "ticks_of"]


@dataclass(frozen=True, kw_only=True)
class Extra:
    """Options of a run that its session takes."""

    time: str | None
    threads: int | None
    profile: bool
    checkpoint: Path | None
    resume: Path | None
    dry_run: bool
    checkpoints: str | None = None
    go_on: bool = False
    output: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a run left: ``left`` ticks were not run because of Ctrl-C; ``seconds`` it took."""

    recording: Recording
    seconds: float
    left: int = 0
    threads: int = 1
    profile: Any = None
    checkpoint: Path | None = None
    stored: bool = False
    before: int = 0

    @property
    def simulated(self) -> float:
        """Seconds simulated by this run itself (not by one that it goes on with)."""
        return (self.recording.ticks - self.before) * self.recording.dt

    @property
    def speed(self) -> float:
        """Simulated over real time."""
        return self.simulated / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For the document of --json."""
        found: dict[str, Any] = {
            "timing": {"seconds": self.seconds, "speed": self.speed, "threads": self.threads},
            "interrupted": self.left > 0,
            "left": self.left,
        }
        if self.profile is not None:
            found["profile"] = self.profile.to_dict()
        if self.checkpoint is not None:
            found["checkpoint"] = str(self.checkpoint)
        return found

    def lines(self) -> list[Any]:
        """How fast it was, and where the time went."""
        shown: list[Any] = [
            f"{self.simulated:g} s simulated in {self.seconds:.3g} s: {self.speed:.3g} x real time,"
            f" {counted(self.threads, 'thread')}"
        ]
        if self.profile is not None:
            shown += _profile_lines(self.profile)
        if self.checkpoint is not None:
            tick = self.recording.start + self.recording.ticks
            shown += ["", f"wrote {self.checkpoint}, the state before tick {tick}"]
        return shown

    def how_to_go_on(self, file: Path, checkpoint: Path | None) -> str:
        """What to type after Ctrl-C."""
        stopped = f"stopped by Ctrl-C, {counted(self.left, 'tick')} before the end; "
        if checkpoint is None:
            return stopped + "with --checkpoint FILE it could go on from here"
        again = f"ranvier run {file} --resume {checkpoint} --ticks {self.left}"
        return f"{stopped}go on with: {again} (what was left of the input is in the checkpoint)"


def ticks_of(ticks: int | None, time: float | None, dt: float) -> int | None:
    """``--ticks``, or ``--time`` in ticks; raises RanvierError where the two are no use."""
    if time is None:
        return ticks
    if ticks is not None:
        raise fail("conflict", "--time", "says the length, and so does --ticks",
                   hint="leave one of them out")  # fmt: skip
    found = round(time / dt)
    if abs(found * dt - time) > 1e-6 * time:
        raise fail("not-whole-ticks", "--time", "is not a whole number of ticks",
                   got=f"{time:g} s", limit=f"a multiple of {dt:g} s",
                   hint=f"e.g. {max(1, found) * dt:g}s")  # fmt: skip
    return found


def start(
    program: Program,
    stimulus: Any,
    *,
    ticks: int | None,
    progress: Progress,
    engine: str,
    extra: Extra,
    world: Any = None,
    **options: Any,
) -> Ran:
    """Run to the end, or until Ctrl-C; the checkpoint is written either way. On ranks (``world``)
    all do this together, and rank 0 writes."""
    from contextlib import suppress
    from time import perf_counter

    from ranvier import sim
    from ranvier.events import Events, State, StreamWriter

    if engine != "numba":
        _check_engine(engine, extra)
        began = perf_counter()
        recording = sim.run(
            program, stimulus, ticks=ticks, engine=engine, progress=progress, ranks=world, **options
        )
        return Ran(recording=recording, seconds=perf_counter() - began)
    options["threads"] = extra.threads
    if world is not None and extra.profile:
        raise fail("profile-ranks", "--profile", "is for one process",
                   hint="leave out --mpi and --ranks")  # fmt: skip
    if world is None:
        options["profile"] = extra.profile
    every = seconds("--checkpoints", extra.checkpoints)
    state = None if extra.resume is None else State.load(extra.resume)
    writer, done = None, 0
    if extra.go_on and extra.output is not None:
        writer = StreamWriter.resume(extra.output)
        state = writer.checkpoint
    session: Any = sim.session(program, state, ranks=world, **options)
    if ticks is None:
        given = [stimulus] if isinstance(stimulus, Events) else stimulus.values()
        length = max(int(events.ticks) for events in given)
    else:
        length = ticks
    single = isinstance(session, sim.Session) and world is None
    stored = single and extra.output is not None
    if writer is not None:
        session.stream_to(writer, checkpoints=every)
        done = session.tick - writer.start
        length = max(0, length - done)
    elif single and extra.output is not None:
        session.stream(extra.output, checkpoints=every, overwrite=True)
    began = perf_counter()
    try:
        with suppress(sim.Interrupted):
            session.advance(stimulus, ticks=length, progress=progress)
    except BaseException:
        if stored:
            session.abandon_stream()
        raise
    took = perf_counter() - began
    if extra.checkpoint is not None:
        kept = session.state()
        if world is None or world.Get_rank() == 0:
            kept.save(extra.checkpoint)
    return Ran(
        recording=_summary(session.close_stream()) if stored else session.recording(),
        stored=stored,
        before=done,
        seconds=took,
        left=session.left,
        threads=session.threads,
        profile=session.profile() if extra.profile else None,
        checkpoint=extra.checkpoint,
    )


def _summary(stored: StoredRecording) -> Recording:
    """A recording without its events, which stay on disk."""
    from ranvier.events import Recording

    return Recording(
        dt=stored.dt,
        ticks=stored.ticks,
        window=stored.window,
        program_hash=stored.program_hash,
        start=stored.start,
        counts={name: stored.counts(name) for name in stored.populations},
        counters={name: stored.counter(name) for name in stored.counters},
        blocks=tuple(stored.blocks),
    )


def go_on_with(extra: Extra, given: list[str] | None, asked: Any) -> bool:
    """Is a killed run to go on? Raises RanvierError where options do not fit that."""
    if extra.checkpoints is not None and extra.output is None:
        raise fail("conflict", "--checkpoints", "keeps the state in the folder of the recording",
                   hint="add -o FOLDER, or use --checkpoint FILE")  # fmt: skip
    if not extra.go_on:
        return False
    if extra.output is None:
        raise fail("conflict", "--continue", "needs -o, the folder that it goes on with")
    for option, there in (("--input", given), ("--data", asked), ("--resume", extra.resume)):
        if there:
            raise fail("conflict", option, "is in the checkpoint already",
                       hint="leave it out with --continue")  # fmt: skip
    return True


def _check_engine(engine: str, extra: Extra) -> None:
    """The reference engine knows nothing of these."""
    given = {"--resume": extra.resume, "--checkpoint": extra.checkpoint,
             "--threads": extra.threads, "--profile": extra.profile or None}  # fmt: skip
    for option, value in given.items():
        if value is not None and engine == "reference":
            raise fail("reference-engine", option, "is not for the reference engine",
                       hint="use --engine numba")  # fmt: skip


def show_memory(out: Output, program: Program, *, threads: int | None, ticks: int | None) -> int:
    """Say what a run would take; exit code 1 where that is more than there is."""
    from ranvier import sim

    needed, there = sim.estimate(program, threads=threads, ticks=ticks), sim.available()
    enough = there is None or needed.bytes <= there
    rows = [[what, _size(number)] for what, number in needed.parts.items() if number]
    rows += [["while building", _size(needed.building)], ["needed", _size(needed.bytes)]]
    rows += [[f"{what}, at most", _size(n)] for what, n in needed.perhaps.items() if n]
    if there is not None:
        rows.append(["available", _size(there)])
    document = {"memory": needed.to_dict(), "available": there, "enough": enough}
    out.result(document, table("", ["memory", ">size"], rows))
    return 0 if enough else 1


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _profile_lines(profile: Any) -> list[Any]:
    rows = [
        [
            row.what,
            row.where or "-",
            f"{row.seconds:.3g} s",
            f"{100 * row.share:.1f} %",
            f"{row.count:,}" if row.count else "-",
            f"{row.ns:.3g} ns" if row.count else "-",
            _size(row.bytes) if row.bytes else "-",
        ]
        for row in profile.rows
    ]
    columns = ["what", "of", ">time", ">share", ">done", ">each", ">memory"]
    memory = [[what, _size(number)] for what, number in profile.memory.items() if number]
    return ["", table("", columns, rows), "", table("", ["memory of", ">at most"], memory)]
