"""``ranvier compile``: a network into a program for a machine, with its fit report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier.cli._command import (
    ChipOption,
    Command,
    DtOption,
    JsonOption,
    QuietOption,
    SetOption,
    seconds,
)
from ranvier.cli._files import check_output, open_network, recipe_dt
from ranvier.cli._fit import describe_program, fit_table
from ranvier.cli._output import Output, counted
from ranvier.errors import RanvierError

if TYPE_CHECKING:
    from ranvier.compile import Pass

__all__ = ["COMMAND", "compile"]


def compile(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="A network (.rvn).")],
    chip: ChipOption,
    dt: DtOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the program here (.rvp).")
    ] = None,
    added: Annotated[
        list[str] | None,
        typer.Option("--pass", metavar="NAME", help="Add an installed plug-in pass before pack."),
    ] = None,
    settings: SetOption = None,
    part: Annotated[
        list[str] | None,
        typer.Option(metavar="POPULATION=PART", help="On a mixed system: who goes where."),
    ] = None,
    activity: Annotated[
        Path | None,
        typer.Option(help="A recording whose spike counts weigh the traffic."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    print_after: Annotated[
        str | None, typer.Option(metavar="PASS|all", help="Show the draft after a pass.")
    ] = None,
    timing: Annotated[bool, typer.Option("--time", help="Show how long each pass took.")] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check that mapping changed no spike (random input)."),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Compile a network for a machine and show how it fits.

    Passes run in this order: legalise, quantise, partition, place, route, those of --pass, pack.
    Exit code 1 when --verify finds a difference, or no spike to compare.
    """
    from ranvier import compile as compiler
    from ranvier.events import load_recording

    out = Output(json=json, quiet=quiet)
    tick = seconds("--dt", dt)
    check_output(output, suffixes=(".rvp", ".zip", ""))
    passes = _passes(settings or [], added or [])
    watch = _Watch([p.name for p in passes], print_after)
    net = open_network(network)
    rates = None if activity is None else load_recording(activity).activity()
    try:
        program = compiler.compile(
            net,
            chip,
            dt=tick or recipe_dt(net),
            passes=passes,
            seed=seed,
            activity=rates,
            between=watch,
            parts=_parts(part or []),
        )
    except RanvierError:
        if not json:  # how far it came is what was asked for
            out.result(None, *watch.shown)
        raise
    document = describe_program(program)
    shown: list[Any] = [*watch.shown, *out.issues(program.all_issues), "", *_summary(document)]
    if timing:
        document["passes"] = watch.seconds
        shown += [f"{name:<10} {spent * 1e3:9.1f} ms" for name, spent in watch.seconds]
    if print_after:
        document["printed"] = watch.texts
    code = 0
    if verify:
        from ranvier.cli._verify import verify_mapping

        verdict = verify_mapping(net, program, settings or [], seed=seed)
        document["verified"] = verdict.good
        document["differs"] = verdict.different
        document["silent"] = verdict.silent
        code = 0 if verdict.good else 1
        shown.append(verdict.sentence())
    if output is not None:
        document["output"] = str(program.save(output))
        shown.append(f"wrote {output}")
    out.result(document, *shown)
    return code


def _passes(settings: list[str], added: list[str]) -> tuple[Pass, ...]:
    """The line of passes with those of --pass at its end.

    Raises RanvierError that says how a plug-in pass comes into the line.
    """
    from dataclasses import replace

    from ranvier.compile import PASSES, default_passes, passes_from_text
    from ranvier.errors import fail, unknown

    line = [*(p.name for p in default_passes()), "pack"]
    more = [name for name in PASSES.names() if name not in line]
    for number, name in enumerate(added):
        if name in line or name in added[:number]:
            raise fail("duplicate-pass", "--pass", "is in the line already", got=repr(name),
                       hint=f"set its options with --set {name}.OPTION=VALUE")  # fmt: skip
        if name not in more:
            raise unknown("pass", name, more, where="--pass")
    try:
        return passes_from_text(settings, add=added)
    except RanvierError as error:
        issue = error.issues[0]
        absent = [n for n in more if n not in added and repr(n) == issue.got]
        if issue.code != "unknown-pass" or not absent:
            raise
        hint = f"add it to the line: --pass {absent[0]}"
        raise RanvierError(replace(issue, hint=(hint,))) from None


def _summary(document: dict[str, Any]) -> list[Any]:
    lines: list[Any] = [fit_table(document["fit"]), ""] if document["fit"] else []
    neurons, synapses, cores = (
        counted(document[f"{noun}s"], noun) for noun in ("neuron", "synapse", "core")
    )
    lines.append(
        f"{document['name']} for {document['chip']}, dt {document['dt']:g} s: {neurons}, "
        f"{synapses} on {cores}, {document['exactness']}"
    )
    return lines


def _parts(given: list[str]) -> dict[str, str]:
    from ranvier.errors import fail

    found: dict[str, str] = {}
    for text in given:
        population, equals, name = text.partition("=")
        if not equals:
            raise fail("bad-setting", "--part", "is not POPULATION=PART", got=repr(text),
                       hint="for example --part hidden=loihi1")  # fmt: skip
        found[population] = name
    return found


class _Watch:
    """The hook between passes: time them and keep the texts that were asked for."""

    def __init__(self, names: list[str], wanted: str | None) -> None:
        from ranvier.errors import unknown

        legal = [*names, "pack"]
        if wanted not in (None, "all", *legal):
            raise unknown("pass", wanted, ["all", *legal], where="--print-after")
        self._wanted = wanted
        self._since = time.perf_counter()
        self.seconds: list[tuple[str, float]] = []
        self.texts: list[tuple[str, str]] = []
        self.shown: list[str] = []

    def __call__(self, name: str, before: Any, after: Any) -> None:
        self.seconds.append((name, time.perf_counter() - self._since))
        if self._wanted in (name, "all"):
            text = after.to_text() if hasattr(after, "to_text") else _program_text(after)
            self.texts.append((name, text))
            self.shown += [f"-- after {name}", text]
        self._since = time.perf_counter()


def _program_text(program: Any) -> str:
    lines = [f"program {program.name} for {program.chip}, dt {program.dt:g} s"]
    lines += [
        f"core {b.core}: {b.population} x{b.n} at slots {b.start}..{b.start + b.n - 1}"
        for b in program.blocks
    ]
    lines += [f"input {b.population} x{b.n} at {b.start}" for b in program.inputs]
    lines.append(f"{counted(len(program.row_core), 'row')}, {counted(program.synapses, 'synapse')}")
    return "\n".join(lines) + "\n"


COMMAND = Command(
    function=compile,
    examples=(
        "ranvier compile net.rvn --chip loihi1 --dt 1ms -o net.rvp",
        "ranvier compile net.rvn -c spinnaker1 --dt 1ms --set partition.fill=0.5 --time",
        "ranvier compile net.rvn -c loihi1 --dt 1ms --print-after partition --verify",
        "ranvier compile net.rvn -c loihi1 --dt 1ms --pass mypass --set mypass.option=3",
        "ranvier compile net.rvn -c loihi1+spinnaker1 --dt 1ms --part hidden=spinnaker1",
    ),
    panel="Build",
    order=50,
)
