"""``ranvier compare``: one trained network on several machines, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ranvier.cli._command import Command, DtOption, JsonOption, QuietOption, seconds
from ranvier.cli._comparison import Request, choose_chips, perform, save, shown
from ranvier.cli._files import check_output, open_network
from ranvier.cli._output import Output

__all__ = ["COMMAND", "compare"]


def compare(
    model: Annotated[Path, typer.Argument(help="A trained network (.rvn), or `digits`.")],
    data: Annotated[
        str | None,
        typer.Option(metavar="SET", help="The data set, e.g. mnist:DIR; the network's by default."),
    ] = None,
    chip: Annotated[
        str, typer.Option("--chip", "-c", help="all, or machines with commas between.")
    ] = "all",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take only the first samples of the test part.")
    ] = None,
    dt: DtOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the recipe's by default.")] = None,
    cost_table: Annotated[
        list[str] | None,
        typer.Option(metavar="CHIP=TABLE", help="Which prices; the chip's first by default."),
    ] = None,
    powered: Annotated[
        str, typer.Option(help="Whose static power counts: machine (all of it) or used (chips).")
    ] = "machine",
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write a web page (.html).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also keep everything (.json).")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Ask a trained network the test part of a data set on several machines.

    One table: accuracy, spikes as on the ideal machine, exactness, cores, memory, latency and
    energy with range and source. With --chip all, machines that refuse the network are left out.
    """
    from ranvier.bench import html
    from ranvier.learn import Task

    out = Output(json=json, quiet=quiet)
    step = seconds("--dt", dt)
    check_output(report, suffixes=(".html", ".htm"))
    check_output(output, suffixes=(".json",))
    tables = _tables(cost_table or [])
    network = open_network(model)
    Task.of(network)  # without a recipe there is nothing to ask
    request = Request(
        model=str(model),
        data=data,
        chips=tuple(choose_chips(out, network, chip, step)),
        dt=step,
        limit=limit,
        seed=seed,
        cost_table=tables,
        powered=powered,
    )
    with out.progress() as progress:
        comparison = perform(request, network, progress)
    document = {"request": vars(request), **comparison.to_dict()}
    lines = shown(comparison)
    if report is not None:
        html.write(report, comparison)
        lines += ["", f"wrote {report}"]
    if output is not None:
        save(document, output)
        lines += ["", f"wrote {output}"]
    out.result(document, *lines)
    return 0


def _tables(given: list[str]) -> dict[str, str]:
    from ranvier.errors import fail

    found: dict[str, str] = {}
    for text in given:
        chip, equals, name = text.partition("=")
        if not equals:
            hint = "for example loihi1=sanafe_nahuku; `ranvier chips loihi1` lists the tables"
            raise fail("bad-setting", "--cost-table", "is not CHIP=TABLE", got=text, hint=hint)
        found[chip] = name
    return found


COMMAND = Command(
    function=compare,
    examples=(
        "ranvier compare digits --report digits.html",
        "ranvier compare mnist.rvn --data mnist:DIR --chip all",
        "ranvier compare net.rvn --chip loihi1,spinnaker1 --limit 100 --json",
        "ranvier compare digits --chip loihi1 --cost-table loihi1=sanafe_nahuku",
    ),
    panel="Judge",
    order=80,
)
