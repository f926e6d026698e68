"""``ranvier import``: a model of another tool into a network, every node labelled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier.cli._command import Command, DtOption, JsonOption, QuietOption, seconds
from ranvier.cli._files import check_output
from ranvier.cli._output import Output, counted

if TYPE_CHECKING:
    from ranvier.errors import Issue
    from ranvier.frontends import Frontend, Option

__all__ = ["COMMAND", "choose_frontend", "given_options", "import_model"]


def import_model(
    file: Annotated[Path, typer.Argument(help="The model, e.g. model.nir.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the network here (.rvn).")],
    form: Annotated[
        str | None, typer.Option("--format", help="Its format; the suffix tells by default.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="The tool it is from, whose conventions are taken: snntorch, norse, ..."),
    ] = None,
    dt: DtOption = None,
    integrator: Annotated[
        str | None, typer.Option(help="exact, euler, euler_sequential, exponential_euler or rk4.")
    ] = None,
    spikes: Annotated[
        str | None, typer.Option(help="What one spike is: hold, dirac or jump.")
    ] = None,
    reset: Annotated[str | None, typer.Option(help="zero, subtract or value.")] = None,
    comparison: Annotated[
        str | None, typer.Option(help="A spike if v is > or >= the threshold.")
    ] = None,
    delays: Annotated[
        str | None, typer.Option(help="zero: layers in one tick; tick: one tick each.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Any other option of the format."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Read a model of another tool and keep it as a network.

    Every node is labelled exact, approximate (by how much) or refused (why, and the cheapest fix).
    What the file does not say has to be given; nothing is guessed.
    """
    out = Output(json=json, quiet=quiet)
    check_output(output, suffixes=(".rvn", ".zip", ""))
    if not file.exists():
        from ranvier.errors import fail

        raise fail("no-such-file", str(file), "does not exist", hint="check the path")
    frontend = choose_frontend(file, form)
    options = given_options(settings, frontend.read_options, frontend.title) | {
        name: value
        for name, value in {
            "source": source,
            "dt": seconds("--dt", dt),
            "integrator": integrator,
            "spikes": spikes,
            "reset": reset,
            "comparison": comparison,
            "delays": delays,
        }.items()
        if value is not None
    }
    imported = _read(frontend, file, options)
    network = imported.network
    network.save(output)
    rows = [[i.where, i.severity, _words(i)] for i in imported.issues]
    document = {
        "output": str(output),
        "format": frontend.name,
        "name": network.name,
        "hash": network.hash,
        "neurons": network.neurons,
        "synapses": network.synapses,
        "options": options,
        "issues": imported.issues,
    }
    out.result(
        document,
        _labels(rows),
        "",
        f"{network.name}: {counted(len(network.populations), 'population')}, "
        f"{counted(network.neurons, 'neuron')}, {counted(network.synapses, 'synapse')}",
        f"wrote {output}",
    )
    return 0


def choose_frontend(file: Path, form: str | None) -> Frontend:
    """The format that was named, else the one the file's suffix tells."""
    from dataclasses import replace

    from ranvier import frontends
    from ranvier.errors import RanvierError

    if form is not None:
        return frontends.get(form)
    try:
        return frontends.for_path(file)
    except RanvierError as error:
        names = " or ".join(frontends.FRONTENDS.names())
        hint = f"name the format: --format {names}"
        raise RanvierError(*(replace(i, hint=(hint,)) for i in error.issues)) from None


def _labels(rows: list[list[str]]) -> Any:
    from rich.text import Text

    from ranvier.cli._output import STYLES, table

    return table(
        "",
        ["node", "label", "~what was done"],
        [[where, Text(label, STYLES.get(label, "")), words] for where, label, words in rows],
    )


def _words(issue: Issue) -> str:
    from dataclasses import replace

    from ranvier.cli._advice import for_shell

    text = str(replace(for_shell(issue), where=""))
    return text[:1].upper() + text[1:]


def _read(frontend: Frontend, file: Path, options: dict[str, Any]) -> Any:
    """Read; where an option is missing, say how it is written on this command line."""
    import shlex
    from dataclasses import replace

    from ranvier.errors import RanvierError

    legal = {option.name: option for option in frontend.read_options}
    try:
        return frontend.read(file, **options)
    except RanvierError as error:
        issues: list[Any] = []
        for issue in error.issues:
            name = issue.code.rpartition("-needs-")[2]
            if name in legal and name != issue.code:
                choices = "|".join(shlex.quote(choice) for choice in legal[name].choices)
                value = "1ms" if name == "dt" else choices or "VALUE"
                issue = replace(issue, hint=(f"here: --{name.replace('_', '-')} {value}",
                                             *issue.hint))  # fmt: skip
            issues.append(issue)
        raise RanvierError(*issues) from None


def given_options(
    settings: list[str] | None, legal: tuple[Option, ...], title: str
) -> dict[str, Any]:
    """Options as text, ``["signal=graded"]``, in the kinds that a format declares."""
    from ranvier.errors import fail, unknown

    known = {option.name: option for option in legal}
    found: dict[str, Any] = {}
    for setting in settings or []:
        name, equals, text = setting.partition("=")
        name = name.replace("-", "_")
        if not equals:
            raise fail("bad-setting", "--set", "is not OPTION=VALUE", got=repr(setting),
                       limit=", ".join(known))  # fmt: skip
        if name not in known:
            raise unknown("option", name, known, where=f"--set, {title}")
        found[name] = _parsed(setting, text, known[name])
    return found


def _parsed(setting: str, text: str, option: Option) -> Any:
    from ranvier.errors import fail

    try:
        if option.kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if option.name == "dt":
            return seconds("--set dt", text)
        return option.kind(text)
    except (KeyError, ValueError):
        raise fail("bad-setting", "--set", "has a value of the wrong kind", got=repr(setting),
                   limit=option.doc or option.kind.__name__) from None  # fmt: skip


COMMAND = Command(
    function=import_model,
    examples=(
        "ranvier import model.nir -o model.rvn --source snntorch --dt 1ms --reset zero",
        "ranvier import model.nir -o model.rvn --source norse --dt 1ms --set signal=graded",
    ),
    panel="Build",
    order=20,
)
