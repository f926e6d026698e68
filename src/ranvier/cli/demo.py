"""``ranvier demo``: a trained classifier on three machines, in one table and one web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ranvier.cli._command import Command, JsonOption, QuietOption
from ranvier.cli._comparison import Request, perform, shown
from ranvier.cli._files import check_output
from ranvier.cli._output import Output

__all__ = ["COMMAND", "demo"]

CHIPS = ("ideal", "loihi1", "spinnaker1")


def demo(
    report: Annotated[Path, typer.Option("--report", help="The web page.")] = Path(
        "ranvier-demo.html"
    ),
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take only the first samples of the test part.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Ask a trained digit classifier on the ideal machine, Loihi 1 and SpiNNaker 1.

    Prints one table and writes a web page with spikes, chip maps and the first difference
    explained. Needs no torch, no download and well under two minutes.
    """
    from ranvier import apps
    from ranvier.bench import html

    out = Output(json=json, quiet=quiet)
    check_output(report, suffixes=(".html", ".htm"))
    app = apps.kept("digits")
    out.remark(f"{app.summary}; the first run compiles the machines' kernels")
    request = Request(model="digits", data="digits", chips=CHIPS, limit=limit)
    with out.progress() as progress:
        comparison = perform(request, app.network(), progress)
    html.write(report, comparison)
    document = {"report": str(report), "request": vars(request), **comparison.to_dict()}
    again = (
        "Go on: ranvier new first; ranvier compare digits --help; ranvier chips loihi1 --sources"
    )
    out.result(document, *shown(comparison), "", f"wrote {report}", again)
    return 0


COMMAND = Command(
    function=demo,
    examples=("ranvier demo", "ranvier demo --report demo.html --json"),
    panel="Begin",
    order=1,
)
