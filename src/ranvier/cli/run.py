"""``ranvier run``: a program, or a network on a machine, on events; counts and a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli._command import Command, DtOption, JsonOption, OptionalChip, QuietOption, seconds
from ranvier.cli._files import check_output, open_any, recipe_dt
from ranvier.cli._output import Output, counted, table
from ranvier.cli._running import Extra, go_on_with, show_memory, start, ticks_of
from ranvier.cli._sample import ask

__all__ = ["COMMAND", "run"]


def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A program (.rvp) or a network (.rvn).")],
    chip: OptionalChip = None,
    dt: DtOption = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="[INPUT=]FILE",
            help="Events: .parquet, .csv (tick,id) or .npy \\[ticks, sources].",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="A sample of a data set, e.g. digits or mnist:DIR, encoded"
            " as the network was trained.",
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=0, help="Which sample of the test part.")] = 0,
    ticks: Annotated[
        int | None, typer.Option(min=0, help="How many ticks; the length of the input by default.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="How long, e.g. 1s, for --ticks.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the recording in this folder.")
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(metavar="POPULATION", help="Whose events to keep; outputs by default."),
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="What the run costs in energy and time.")
    ] = False,
    engine: Annotated[
        str, typer.Option(help="numba, or reference: plain Python, slow, to compare with.")
    ] = "numba",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads (of every rank); changes no result."),
    ] = None,
    ranks: Annotated[
        int | None,
        typer.Option(help="Start so many MPI processes on this machine; changes no result."),
    ] = None,
    mpi: Annotated[
        bool, typer.Option("--mpi", help="Share the work with all processes that mpiexec started.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time and the memory went.")
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the state at the end, also after Ctrl-C."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Go on from a checkpoint; ticks of inputs count from it."
        ),
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="With -o: keep the state in the folder so often (of real time), for --continue.",
        ),
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option("--continue", help="Go on with the run that was killed while it wrote to -o."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much memory the run would take.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a recording; also run more than 1e9 ticks.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Run a program and count the spikes of every population.

    A network is compiled first, for the ideal machine unless --chip names another. With -o the
    recording goes to disk while the program runs, so a killed run can be read. Ctrl-C stops the
    run and keeps what was recorded (exit code 130); a second one does not wait. On a cluster:
    mpiexec -n 64 ranvier run net.rvp --mpi --threads 8 ...; rank 0 prints and writes.
    """
    from contextlib import nullcontext

    from ranvier.cli._ranks import arguments_again, check_launch, relaunch, together

    check_launch(mpi, ranks)
    if ranks is not None and ranks > 1:
        again = arguments_again(context, without=("ranks", "mpi"))
        return relaunch("run", again, ranks, threads)
    with together() if mpi else nullcontext() as world:
        return _run(
            file, chip, dt, given, data, sample, ticks, output, record, cost, engine, seed, force,
            json, quiet, world, Extra(time=time, threads=threads, profile=profile,
                                      checkpoint=checkpoint, resume=resume, dry_run=dry_run,
                                      checkpoints=checkpoints, go_on=go_on, output=output),
        )  # fmt: skip


def _run(
    file: Path, chip: str | None, dt: str | None, given: list[str] | None, data: str | None,
    sample: int, ticks: int | None, output: Path | None, record: list[str] | None, cost: bool,
    engine: str, seed: int, force: bool, json: bool, quiet: bool, world: Any, extra: Extra,
) -> int:  # fmt: skip
    """On one process, or on each rank of ``world``."""
    from ranvier.cli._stimulus import read_stimulus

    speaks = world is None or world.Get_rank() == 0
    out = Output(json=json, quiet=quiet or not speaks)
    tick = seconds("--dt", dt)
    length = seconds("--time", extra.time)
    check_output(output, keep=speaks and not (force or extra.go_on or extra.dry_run))
    check_output(extra.checkpoint)
    if not extra.dry_run:
        _check_inputs(given, data, {"--ticks": ticks, "--time": length})
    kind, thing = open_any(file)
    asked = None if data is None else ask(kind, thing, file, data, sample)
    program = _program(out, file, (kind, thing), chip, tick or (asked and asked.dt), seed)
    ticks = ticks_of(ticks, length, program.dt)
    if extra.dry_run:
        return show_memory(out, program, threads=extra.threads, ticks=ticks)
    stimulus = (
        asked.events if asked else read_stimulus(program, given or [], ticks=ticks, force=force)
    )
    if go_on_with(extra, given, asked):
        stimulus = None
    windows = {"window": asked.ticks, "reset": True} if asked else {}
    with out.progress() as progress:
        ran = start(
            program,
            stimulus,
            ticks=ticks,
            progress=progress,
            engine=engine,
            extra=extra,
            world=world,
            record=record or None,
            **windows,
        )
    if not speaks:
        return 130 if ran.left else 0
    recording = ran.recording
    rows = _rows(recording)
    document: dict[str, Any] = {
        "program": program.hash,
        "chip": program.chip,
        "dt": recording.dt,
        "ticks": recording.ticks,
        "populations": rows,
        **ran.to_dict(),
    }
    shown = [*_shown(program, recording, rows), "", *ran.lines()]
    if asked and not ran.left:
        answer = asked.answer(recording)
        document |= {"label": asked.labels[0], "answer": answer}
        said = "no answer" if answer < 0 else f"answered {answer}"
        shown += ["", f"sample {sample} of {data}, a {asked.labels[0]}: {said}"]
    if cost:
        reports = _costs(program, recording)
        document["cost"] = [report.to_dict() for report in reports]
        shown += [text for report in reports for text in ("", report.to_text().rstrip("\n"))]
    if output is not None:
        document["output"] = str(output if ran.stored else recording.save(output))
        shown += ["", f"wrote {output}"]
    if ran.left:
        shown += ["", ran.how_to_go_on(file, extra.checkpoint)]
    out.result(document, *shown)
    return 130 if ran.left else 0


def _check_inputs(given: list[str] | None, data: str | None, lengths: dict[str, Any]) -> None:
    from ranvier.errors import fail

    said = next((option for option, value in lengths.items() if value is not None), None)
    if not given and data is None and said is None:
        hints = ("--input events.csv", "--data digits", "--ticks 100 for silence")
        raise fail("ticks", "ranvier run", "needs to know what to run on", hint=hints)
    if data is not None and (given or said is not None):
        raise fail("conflict", "--data", "brings its own input and length",
                   got="--input" if given else said, hint="leave one of them out")  # fmt: skip


def _costs(program: Any, recording: Any) -> list[Any]:
    from ranvier import cost

    return [cost.energy(program, recording), cost.latency(program, recording)]


def _shown(program: Any, recording: Any, rows: list[dict[str, Any]]) -> list[Any]:
    return [
        f"{program.name} on {program.chip}: "
        f"{counted(recording.ticks, 'tick')} of {recording.dt:g} s",
        "",
        table(
            "",
            ["population", ">sources", ">events", ">active", ">mean rate"],
            [
                [r["population"], r["size"], r["events"], r["active"], f"{r['rate']:.3g} Hz"]
                for r in rows
            ],
        ),
    ]


def _rows(recording: Any) -> list[dict[str, Any]]:
    """Events of every population; the rate is per source."""
    rows: list[dict[str, Any]] = []
    time = recording.ticks * recording.dt
    for name in recording.counts:
        totals = recording.totals(name)
        rows.append(
            {
                "population": name,
                "size": int(totals.size),
                "events": int(totals.sum()),
                "active": int((totals > 0).sum()),
                "rate": float(totals.mean() / time) if time else 0.0,
            }
        )
    return rows


def _program(
    out: Output, file: Path, opened: tuple[str, Any], chip: str | None, dt: float | None, seed: int
) -> Any:
    from ranvier.compile import compile
    from ranvier.errors import fail

    kind, thing = opened
    if kind == "recording":
        raise fail("wrong-bundle", str(file), "is a recording; nothing of it can be run",
                   limit="a program or a network", hint=f"ranvier check {file}")  # fmt: skip
    if kind == "program":
        for option, value in (("--chip", chip), ("--dt", dt)):
            if value is not None:
                raise fail(
                    "already-compiled",
                    option,
                    f"{file} is compiled already, for {thing.chip} with dt {thing.dt:g} s",
                    hint=(f"leave {option} out", "give the network instead"),
                )
        return thing
    if chip is None:
        out.remark("compiling for the ideal machine (--chip names another)")
    return compile(thing, chip or "ideal", dt=dt or recipe_dt(thing), seed=seed)


COMMAND = Command(
    function=run,
    examples=(
        "ranvier run net.rvp --input events.parquet -o recording",
        "ranvier run digits.rvn --chip loihi1 --data digits --sample 3 --cost",
        "ranvier run net.rvn --chip loihi1 --dt 1ms --input left=a.csv --input right=b.npy",
        "ranvier run net.rvp --ticks 1000 --record hidden --json",
        "ranvier run net.rvp --time 10s --threads 8 --profile",
        "ranvier run net.rvp --resume net.state --time 10s --checkpoint net.state",
        "ranvier run net.rvp --ticks 10000 --ranks 4 --threads 2",
        "ranvier run net.rvp --time 1h -o recording --checkpoints 60s",
        "ranvier run net.rvp --time 1h -o recording --continue",
    ),
    panel="Run",
    order=60,
)
