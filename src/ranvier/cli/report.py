"""``ranvier report``: a kept comparison done again, checked, and written as a web page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli._command import Command, JsonOption, QuietOption
from ranvier.cli._comparison import Request, perform, shown
from ranvier.cli._files import check_output, open_network, read_json
from ranvier.cli._output import Output, plain

__all__ = ["COMMAND", "report"]


def report(
    file: Annotated[Path, typer.Argument(help="What `ranvier compare -o FILE.json` kept.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The web page; FILE.html by default.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Where the network lies now, if it was moved.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="SET", help="Where the data lie now, if moved.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Write the web page of a kept comparison, from figures that are checked.

    The comparison is run again as it was asked for; exit code 1 when a figure, the network or the
    data are not what they were. The page shows the new figures.
    """
    from ranvier.bench import html

    out = Output(json=json, quiet=quiet)
    check_output(output, suffixes=(".html", ".htm"))
    kept: Any = read_json(file)
    target = output or file.with_suffix(".html")
    check_output(target)
    request = _request(file, kept)
    request = replace(request, model=str(model or request.model), data=data or request.data)
    network = open_network(Path(request.model))
    with out.progress() as progress:
        comparison = perform(request, network, progress)
    html.write(target, comparison)
    changed = _changed(kept, plain(comparison.to_dict()))
    document = {
        "output": str(target),
        "changed": [{"what": what, "was": was, "is": now} for what, was, now in changed],
        **comparison.to_dict(),
    }
    lines = [*shown(comparison), ""]
    lines += [f"changed: {what} was {was}, is {now}" for what, was, now in changed]
    lines.append("some figures are not what they were" if changed else "all figures are as kept")
    out.result(document, *lines, f"wrote {target}")
    return 1 if changed else 0


def _request(file: Path, kept: Any) -> Request:
    from ranvier.errors import fail

    try:
        given = dict(kept["request"])
        request = Request(**{**given, "chips": tuple(given["chips"])})
        if not isinstance(kept["machines"], list):
            raise TypeError("machines")
        return request
    except (KeyError, TypeError, ValueError) as error:
        raise fail("not-a-comparison", str(file), "is not a kept comparison", got=str(error)[:100],
                   hint="make one: ranvier compare digits -o FILE.json") from None  # fmt: skip


def _changed(kept: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """Everything that should be as it was and is not."""
    found = [
        (name.replace("_", " "), kept.get(name), now[name])
        for name in ("network_hash", "dataset_hash", "samples")
        if kept.get(name) != now[name]
    ]
    before = {m.get("name"): m for m in kept["machines"]}
    for machine in now["machines"]:
        old = before.get(machine["name"], {})
        figures = {q["name"]: q["value"] for q in old.get("quantities", ())}
        found += [
            (f"{machine['name']} {q['name']}", figures.get(q["name"]), q["value"])
            for q in machine["quantities"]
            if figures.get(q["name"]) != q["value"]
        ]
    return found


COMMAND = Command(
    function=report,
    examples=(
        "ranvier report comparison.json",
        "ranvier report comparison.json -o page.html --data mnist:DIR",
    ),
    panel="Judge",
    order=90,
)
