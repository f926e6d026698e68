"""``ranvier export``: a network into the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ranvier.cli._advice import for_shell
from ranvier.cli._command import Command, JsonOption, QuietOption
from ranvier.cli._files import check_output, open_network
from ranvier.cli._output import Output
from ranvier.cli.import_ import choose_frontend, given_options

__all__ = ["COMMAND", "export"]


def export(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="A network (.rvn).")],
    file: Annotated[Path, typer.Argument(help="Where to write, e.g. model.nir.")],
    form: Annotated[
        str | None, typer.Option("--format", help="The format; the suffix tells by default.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the format."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Write a network in the format of another tool, and say what that format cannot hold.

    The file is written whole or not at all.
    """
    out = Output(json=json, quiet=quiet)
    check_output(file)
    frontend = choose_frontend(file, form)
    options = given_options(settings, frontend.write_options, frontend.title)
    issues = frontend.write(open_network(network), file, **options)
    document = {"output": str(file), "format": frontend.name, "issues": issues}
    out.result(document, *out.issues(map(for_shell, issues)), f"wrote {file} ({frontend.title})")
    return 0


COMMAND = Command(
    function=export,
    examples=("ranvier export net.rvn model.nir",),
    panel="Build",
    order=25,
)
