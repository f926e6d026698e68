"""``ranvier check``: read a file, show what it holds, and say what a machine makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli._command import Command, DtOption, JsonOption, OptionalChip, QuietOption, seconds
from ranvier.cli._files import open_any, recipe_dt
from ranvier.cli._output import Output, counted

__all__ = ["COMMAND", "check"]

FINDINGS = ("refused", "warning", "error")


def check(
    file: Annotated[Path, typer.Argument(help="A network, a program or a recording.")],
    chip: OptionalChip = None,
    dt: DtOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="An approximation counts as a finding.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Show what a file holds and everything that is wrong with it.

    With --chip, a network is compiled for that machine and every population is labelled exact,
    approximate or refused, with the cheapest fix. Exit code 1 when anything was found.
    """
    out = Output(json=json, quiet=quiet)
    kind, thing = open_any(file)
    tick = seconds("--dt", dt)
    if chip is not None and kind != "network":
        from ranvier.errors import fail

        raise fail("wrong-bundle", str(file), f"is a {kind}; --chip needs a network", got=kind,
                   limit="a network", hint="leave --chip out")  # fmt: skip
    document, text, issues = _describe(kind, thing, chip, tick)
    levels = (*FINDINGS, "approximate") if strict else FINDINGS
    findings = [issue for issue in issues if issue.severity in levels]
    document |= {"file": str(file), "kind": kind, "issues": issues, "findings": len(findings)}
    verdict = counted(len(findings), "finding")
    out.result(document, text.rstrip("\n"), "", *out.issues(issues), verdict)
    return 1 if findings else 0


def _describe(
    kind: str, thing: Any, chip: str | None, dt: float | None
) -> tuple[dict[str, Any], str, tuple[Any, ...]]:
    """(document, text, issues) of a network, program or recording."""
    if kind == "network":
        document = {"name": thing.name, "hash": thing.hash, "neurons": thing.neurons,
                    "synapses": thing.synapses, "text": thing.to_text()}  # fmt: skip
        from ranvier.network import lint

        issues = (*lint(thing), *(() if chip is None else _compile_issues(thing, chip, dt)))
        return document | {"chip": chip}, thing.to_text(), issues
    if kind == "program":
        from ranvier.cli._fit import describe_program

        document = describe_program(thing)
        counts = [counted(document[f"{noun}s"], noun) for noun in ("neuron", "synapse", "core")]
        text = "program {name} for {chip}, dt {dt:g} s: ".format(**document)
        return document, text + ", ".join([*counts, document["exactness"]]), thing.all_issues
    document = {"dt": thing.dt, "ticks": thing.ticks, "program": thing.program_hash,
                "events": {name: len(events) for name, events in thing.events.items()},
                "traces": list(thing.traces)}  # fmt: skip
    lines = [f"recording of {counted(thing.ticks, 'tick')} of {thing.dt:g} s"]
    lines += [f"events {name}: {events!r}" for name, events in thing.events.items()]
    lines += [f"trace {name}" for name in thing.traces]
    return document, "\n".join(lines), ()


def _compile_issues(network: Any, chip: str, dt: float | None) -> tuple[Any, ...]:
    """What compiling says: labels, or why it cannot be done."""
    from ranvier import chips
    from ranvier.compile import compile
    from ranvier.errors import RanvierError

    machine = chips.get(chip)
    try:
        return compile(network, machine, dt=dt or recipe_dt(network)).all_issues
    except RanvierError as error:
        if any(issue.severity == "refused" for issue in error.issues):
            return error.issues
        raise


COMMAND = Command(
    function=check,
    examples=(
        "ranvier check net.rvn",
        "ranvier check net.rvn --chip loihi1 --dt 1ms",
        "ranvier check net.rvn --chip spinnaker1 --strict --json",
    ),
    panel="Look",
    order=30,
)
