"""``ranvier app``: a standard network at a scale, and whether it behaves as published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli._command import ChipOption, Command, JsonOption, QuietOption, seconds
from ranvier.cli._files import check_output
from ranvier.cli._output import Output, table

__all__ = ["COMMAND", "app"]


def app(
    name: Annotated[str, typer.Argument(help="The network; `ranvier app list` names them.")],
    scale: Annotated[float, typer.Option(help="Share of the neurons, 0 < scale <= 1.")] = 1.0,
    scale_k: Annotated[
        float | None, typer.Option(help="Share of each neuron's synapses; as --scale by default.")
    ] = None,
    time: Annotated[str, typer.Option("--time", "-t", help="How long, with its unit.")] = "1s",
    skip: Annotated[
        str | None, typer.Option(help="How much of the beginning is not counted, e.g. 100ms.")
    ] = None,
    dt: Annotated[str | None, typer.Option("--dt", help="Length of a tick, e.g. 100us.")] = None,
    chip: ChipOption = "ideal",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads; as many as there are cores by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the picture and the recording.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Run a standard network and hold its rates beside the published ones.

    Prints rate, irregularity (CV of the intervals) and synchrony (variance over mean of spike
    counts) of every population. --out keeps a picture and the recording.
    """
    from ranvier import apps, bench, sim
    from ranvier.compile import compile

    say = Output(json=json, quiet=quiet)
    if name == "list":
        found = {n: apps.recipe(n).summary for n in apps.recipes()}
        say.result({"apps": found}, table("", ["app", "~what"], list(found.items())))
        return 0
    recipe = apps.recipe(name)
    step = seconds("--dt", dt) or recipe.dt
    length, cut = seconds("--time", time) or 1.0, seconds("--skip", skip) or 0.0
    check_output(out)
    network = recipe.make(scale, scale if scale_k is None else scale_k, seed=seed, dt=step)
    say.remark(f"{network.neurons} neurons, {network.synapses} synapses")
    program = compile(network, chip, dt=step)
    options: dict[str, Any] = {} if threads is None else {"threads": threads}
    session = sim.session(program, **options)
    ticks, first = round(length / step), round(cut / step)
    with say.progress() as progress:
        session.advance(ticks=first + ticks, progress=progress)
    recording = session.recording()
    events = {p: e.window(first, first + ticks) for p, e in recording.events.items()}
    measured = {p: bench.activity(e) for p, e in events.items()}
    document: dict[str, Any] = {
        "app": name, "scale": scale, "neurons": network.neurons, "synapses": network.synapses,
        "seconds": length, "source": recipe.source,
        "populations": {p: {**vars(m), "published": recipe.rates.get(p)}
                        for p, m in measured.items()},
        "irregularity_expected": recipe.irregularity, "synchrony_expected": recipe.synchrony,
    }  # fmt: skip
    wrote: list[str] = []
    if out is not None:
        out.mkdir(exist_ok=True)
        bench.picture(out / f"{name}.png", events, expected=recipe.rates)
        recording.save(out / "recording")
        document["picture"], document["recording"] = (
            str(out / f"{name}.png"), str(out / "recording"),
        )  # fmt: skip
        wrote = ["", f"wrote {out / name}.png and {out / 'recording'}"]
    rows = [
        (p, m.neurons, f"{m.rate:.2f}", _told(recipe.rates.get(p)), _told(m.irregularity),
         _told(m.synchrony))
        for p, m in measured.items()
    ]  # fmt: skip
    columns = ["population", ">neurons", ">rate [1/s]", ">published", ">CV ISI", ">synchrony"]
    title = f"{recipe.summary}, scale {scale:g}, {length:g} s"
    say.result(document, table(title, columns, rows), f"published: {recipe.source}", *wrote)
    return 0


def _told(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.2f}"


COMMAND = Command(
    function=app,
    examples=(
        "ranvier app list",
        "ranvier app microcircuit --scale 0.1 --time 1s --out run",
    ),
    panel="Run",
    order=45,
)
