"""``ranvier train``: a spiking classifier for a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli._command import Command, JsonOption
from ranvier.cli._files import check_output
from ranvier.cli._output import Output

__all__ = ["COMMAND", "train"]


def train(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the network here; SET.rvn by default."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the file if there is one.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Options from a .toml or .json file; flags override it."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The data set: digits (the default) or mnist:DIR.")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(metavar="N[,N...]", help="Neurons of the hidden layers.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part.")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and encoder.")] = None,
    ticks: Annotated[int | None, typer.Option(help="Ticks per sample.")] = None,
    dt: Annotated[
        str | None, typer.Option(metavar="TIME", help="Length of a tick with its unit, e.g. 1ms.")
    ] = None,
    tau: Annotated[
        str | None, typer.Option(metavar="TIME", help="Membrane time constant, e.g. 10ms.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="rate, poisson or latency.")] = None,
    max_rate: Annotated[
        str | None, typer.Option(metavar="RATE", help="At full intensity, e.g. 500Hz.")
    ] = None,
    surrogate: Annotated[str | None, typer.Option(help="The gradient of a spike.")] = None,
    slope: Annotated[float | None, typer.Option(help="How steep that gradient is.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share of the training samples kept out to watch.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs that got no better; 0: never.")
    ] = None,
    weight_levels: Annotated[
        int | None, typer.Option(help="Train through weights rounded to so many steps; 0: not.")
    ] = None,
    chip: Annotated[
        str | None, typer.Option(help="Train through the weights as this machine stores them.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option(help="Noise of weights while training, of the largest.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="Share of each layer's weights that stay 0.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Take only the first samples.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch; the result depends on it.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Written after every epoch.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint, bit for bit.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Ask the test part at the end.")
    ] = True,
    json: JsonOption = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bars and no table of epochs.")
    ] = False,
) -> int:
    """Train a feed-forward spiking classifier and keep it with its recipe.

    Needs torch (pip install 'ranvier[train]'). The same options give the same network on the same
    machine.
    """
    flags = {
        "data": data, "hidden": hidden, "epochs": epochs, "batch": batch, "lr": lr, "seed": seed,
        "ticks": ticks, "dt": dt, "tau": tau, "encoder": encoder, "max_rate": max_rate,
        "surrogate": surrogate, "slope": slope, "validation": validation, "patience": patience,
        "weight_levels": weight_levels, "chip": chip, "noise": noise,
        "sparsity": sparsity, "limit": limit,
        "threads": threads,
    }  # fmt: skip
    from ranvier import learn
    from ranvier.cli._train_options import train_options

    out = Output(json=json, quiet=quiet)
    options = train_options(config, flags)
    target = output or Path(f"{options.data.partition(':')[0]}.rvn")
    check_output(target, suffixes=(".rvn", ".zip", ""), keep=not force)
    check_output(checkpoint)
    accuracy: float | None = None
    with out.progress() as progress:
        result = learn.train(options, progress=progress, checkpoint=checkpoint, resume=resume)
        result.network.save(target)
        if test:
            asked = learn.evaluate(result.network, data=options.data, progress=progress)
            accuracy = asked.accuracy
    document: dict[str, Any] = {
        "output": str(target),
        "hash": result.network.hash,
        "options": options.to_dict(),
        "report": result.report.to_dict(),
        "history": [vars(epoch) for epoch in result.history],
        "test_accuracy": accuracy,
    }
    out.result(document, *_shown(out, result, accuracy, target))
    return 0


def _shown(out: Output, result: Any, accuracy: float | None, target: Path) -> list[Any]:
    from ranvier.cli._output import counted, table

    report = result.report
    rows = [
        [
            epoch.epoch,
            f"{epoch.loss:.4f}",
            f"{epoch.accuracy:.1%}",
            "-" if epoch.validation is None else f"{epoch.validation:.1%}",
            ", ".join(f"{name} {rate:.3f}" for name, rate in epoch.rates.items()),
        ]
        for epoch in result.history
    ]
    columns = [">epoch", ">loss", ">right", ">kept out", "~spikes per neuron and tick"]
    lines: list[Any] = [] if out.quiet else [table("", columns, rows[-10:]), ""]
    lines += out.issues(report.issues)
    lines.append(
        f"{counted(report.samples, 'sample')}, {counted(report.epochs, 'epoch')}, "
        f"{report.seconds:.1f} s"
    )
    if accuracy is not None:
        lines.append(f"test part on the ideal machine: {accuracy:.1%} right")
    return [*lines, f"wrote {target}"]


COMMAND = Command(
    function=train,
    examples=(
        "ranvier train --data digits -o digits.rvn",
        "ranvier train --data mnist:DIR --hidden 256,128 --epochs 5 --tau 20ms",
        "ranvier train --config train.toml --seed 1 --json",
    ),
    panel="Build",
    order=40,
)
