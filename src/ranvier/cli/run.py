"""``ranvier run``: a program, or a network on a machine, on events; counts and a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli._command import Command, DtOption, JsonOption, OptionalChip, QuietOption, seconds
from ranvier.cli._files import check_output, open_any
from ranvier.cli._output import Output, table

__all__ = ["COMMAND", "run"]


def run(
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
    ticks: Annotated[
        int | None, typer.Option(min=0, help="How many ticks; the length of the input by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the recording in this folder.")
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(metavar="POPULATION", help="Whose events to keep; outputs by default."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="numba, or reference: plain Python, slow, to compare with.")
    ] = "numba",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Run a program and count the spikes of every population.

    A network is compiled first, for the ideal machine unless --chip names another.
    """
    from ranvier import sim
    from ranvier.errors import fail

    out = Output(json=json, quiet=quiet)
    tick = seconds("--dt", dt)
    check_output(output)
    program = _program(out, file, chip, tick, seed)
    if not given and ticks is None:
        raise fail("ticks", "ranvier run", "needs to know what to run on",
                   hint=("--ticks 100 for silence", "--input events.csv"))  # fmt: skip
    from ranvier.cli._stimulus import read_stimulus

    stimulus = read_stimulus(program, given or [], ticks=ticks)
    with out.progress() as progress:
        recording = sim.run(
            program, stimulus, ticks=ticks, record=record or None, progress=progress, engine=engine
        )
    rows = _rows(recording)
    document: dict[str, Any] = {
        "program": program.hash,
        "chip": program.chip,
        "dt": recording.dt,
        "ticks": recording.ticks,
        "populations": rows,
    }
    shown: list[Any] = [
        f"{program.name} on {program.chip}: {recording.ticks} ticks of {recording.dt:g} s",
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
    if output is not None:
        document["output"] = str(recording.save(output))
        shown += ["", f"wrote {output}"]
    out.result(document, *shown)
    return 0


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


def _program(out: Output, file: Path, chip: str | None, dt: float | None, seed: int) -> Any:
    from ranvier.compile import compile
    from ranvier.errors import fail

    kind, found = open_any(file)
    thing: Any = found
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
    return compile(thing, chip or "ideal", dt=dt, seed=seed)


COMMAND = Command(
    function=run,
    examples=(
        "ranvier run net.rvp --input events.parquet -o recording",
        "ranvier run net.rvn --chip loihi1 --dt 1ms --input left=a.csv --input right=b.npy",
        "ranvier run net.rvp --ticks 1000 --record hidden --json",
    ),
    panel="Run",
    order=60,
)
