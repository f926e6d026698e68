"""``ranvier convert``: a trained artificial network into a spiking one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ranvier.cli._command import Command, JsonOption, QuietOption
from ranvier.cli._files import check_output
from ranvier.cli._output import Output, counted, table

__all__ = ["COMMAND", "convert_model"]


def convert_model(
    file: Annotated[Path, typer.Argument(help="The trained network, an .onnx file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the network here (.rvn).")],
    data: Annotated[
        str, typer.Option(metavar="SET", help="Samples to measure on, e.g. mnist:DIR.")
    ],
    method: Annotated[
        Literal["max", "percentile", "channel"],
        typer.Option(help="The activation that is one spike a tick."),
    ] = "channel",
    percentile: Annotated[float, typer.Option(help="For percentile and channel.")] = 99.9,
    signed: Annotated[bool, typer.Option(help="Neurons that take spikes back.")] = False,
    burst: Annotated[int, typer.Option(help="Most spikes of a tick.")] = 1,
    steps: Annotated[int, typer.Option(help="Ticks to test.", min=1)] = 32,
    peak: Annotated[
        float | None, typer.Option(help="What the full intensity is for the network, e.g. 255.")
    ] = None,
    calibrate: Annotated[int, typer.Option(help="Training samples to measure.", min=1)] = 300,
    limit: Annotated[int, typer.Option(help="Test samples to ask.", min=1)] = 1000,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Convert a trained artificial network, and say its accuracy after every number of ticks.

    Weights are scaled by activations on the training part of --data; the curve is of its test part.
    """
    out = Output(json=json, quiet=quiet)
    check_output(output, suffixes=(".rvn", ".zip", ""))
    from ranvier.data import load
    from ranvier.learn import convert, read_onnx

    if peak is not None and not peak > 0:
        from ranvier.errors import fail

        raise fail("bad-peak", "--peak", "must be positive", got=peak)
    ann = read_onnx(file)
    train, test = load(data, "train"), load(data, "test")
    factor = (1.0 if peak is None else peak) / float(train.peak)
    seen = train.x[:calibrate] * factor
    found = convert(ann, seen, method=method, percentile=percentile, signed=signed, burst=burst)
    asked = test.x[:limit] * factor
    with out.progress() as progress:
        progress.start("asking the test part", 1)
        curve = found.curve(asked, test.y[:limit], ticks=steps)
        progress.done()
    found.network.save(output)
    points = sorted({*(2**k for k in range(20) if 2**k < steps), steps})
    rows = [[str(t), f"{curve.accuracy[t - 1]:.2%}"] for t in points]
    network = found.network
    document = {
        "output": str(output), "network": network.name, "hash": network.hash,
        "neurons": network.neurons, "synapses": network.synapses, "latency": found.latency,
        "scales": found.scales, "artificial": curve.artificial,
        "accuracy": curve.accuracy.tolist(), "spikes": curve.spikes, "samples": curve.samples,
    }  # fmt: skip
    out.result(
        document,
        table("", [">ticks", ">right"], rows),
        "",
        f"the artificial network: {curve.artificial:.2%} of {counted(curve.samples, 'sample')}; "
        f"{curve.spikes:,.0f} spikes a sample",
        f"{network.name}: {counted(network.neurons, 'neuron')}, "
        f"{counted(network.synapses, 'synapse')}, {counted(found.latency, 'tick')} from end to end",
        f"wrote {output}",
    )
    return 0


COMMAND = Command(
    function=convert_model,
    examples=(
        "ranvier convert mnist-8.onnx --data mnist:DIR --peak 255 -o mnist8.rvn",
        "ranvier convert net.onnx --data digits --signed --burst 2 --steps 16 -o net.rvn",
    ),
    panel="Build",
    order=45,
)
