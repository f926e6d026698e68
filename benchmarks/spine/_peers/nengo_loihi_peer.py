# ruff: noqa: B905  (zip has no strict= in the peer's Python 3.9)
"""Time the nengo-loihi emulator on a feed-forward network of chip integers.

Runs inside an environment of its own (pins: numpy 1.22.4, scipy 1.10.1, nengo 3.2.0,
nengo-loihi 1.1.0, Python 3.8 or 3.9)::

    python nengo_loihi_peer.py network.npz --out spikes.npz --repeats 5
    python nengo_loihi_peer.py --demo network.npz      # writes a random 784-512-10 network

``network.npz`` holds for layers k = 1, 2, ...: ``W<k>`` [n_out, n_in] integer mantissas,
``wexp<k>``, ``du<k>``, ``dv<k>``, ``vth<k>`` (mantissa, times 64 on the chip), ``refract<k>``
(a plain ``wexp``, ``du``, ... serves every layer), and ``raster`` [T, n_in] of 0 and 1.
Optional: ``bits<k>`` (8), ``vmin<k>`` and ``vmax<k>`` (the whole register), ``bias_mant<k>``,
``bias_exp<k>``.

What is timed is ``EmulatorInterface.run_steps`` alone: no build, no validation, no input
preparation, one probe on the spikes of the last layer (or of all, with ``--probe all``). Two
layouts: ``chip`` is what a user of nengo-loihi gets, whose own ``split_model`` cuts every block
that exceeds a core (1024 compartments, 4096 axons, 1 048 576 synapse bits); ``whole`` keeps one
block per layer, which no chip could hold but the emulator accepts and runs faster. The default
is ``chip``; report ``whole`` as the peer's best case.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

WEIGHT_BITS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 7}
VMIN, VMAX = -(2**23) + 1, 2**23 - 1


def layers_of(net: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """The arrays of the file by layer, defaults filled in."""
    defaults = {"bits": 8, "vmin": VMIN, "vmax": VMAX, "bias_mant": 0, "bias_exp": 0, "refract": 1}
    layers: list[dict[str, Any]] = []
    k = 1
    while f"W{k}" in net:
        layer: dict[str, Any] = {"W": net[f"W{k}"].astype(np.int64)}
        for key in ("wexp", "du", "dv", "vth", *defaults):
            value = net.get(f"{key}{k}", net.get(key, defaults.get(key)))
            if value is None:
                raise SystemExit(f"network file: neither {key}{k} nor {key} is there")
            layer[key] = np.asarray(value)
        layers.append(layer)
        k += 1
    if not layers:
        raise SystemExit("network file: no W1")
    return layers


def build(layers: list[dict[str, Any]], n_in: int, layout: str, probe_all: bool) -> Any:
    """Model, input and probes; integers go in as they are, never through the float builder."""
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.builder import Model
    from nengo_loihi.builder.discretize import array_to_int, discretize_weights
    from nengo_loihi.builder.split_blocks import split_model
    from nengo_loihi.builder.validate import validate_model
    from nengo_loihi.inputs import SpikeInput
    from nengo_loihi.probe import LoihiProbe

    model = Model()
    source = SpikeInput(n_in)
    model.add_input(source)
    blocks = []
    for layer in layers:
        n_out, n_pre = layer["W"].shape
        block = LoihiBlock(n_out)
        c = block.compartment
        array_to_int(c.decay_u, np.broadcast_to(layer["du"], n_out))
        array_to_int(c.decay_v, np.broadcast_to(layer["dv"], n_out))
        array_to_int(c.vth, np.broadcast_to(layer["vth"], n_out) * 64)
        array_to_int(c.bias, np.broadcast_to(layer["bias_mant"] << layer["bias_exp"], n_out))
        c.refract_delay[:] = layer["refract"]
        c.scale_u = c.scale_v = False
        c.vmin, c.vmax = int(layer["vmin"]), int(layer["vmax"])
        synapse = Synapse(n_pre)
        synapse.set_weights(layer["W"].T.astype(np.float32))
        synapse.format(
            weight_exp=int(layer["wexp"]),
            weight_bits=WEIGHT_BITS[int(layer["bits"])],
            fanout_type=1,
        )
        for w in synapse.weights:
            array_to_int(w, discretize_weights(synapse.synapse_cfg, w.copy()))
        block.add_synapse(synapse)
        axon = Axon(n_pre)
        axon.target = synapse
        axon.set_compartment_axon_map(np.arange(n_pre))
        (blocks[-1] if blocks else source).add_axon(axon)
        model.add_block(block)
        blocks.append(block)
    probes = [LoihiProbe(target=b, key="spiked") for b in (blocks if probe_all else blocks[-1:])]
    for p in probes:
        model.add_probe(p)
    if layout == "chip":
        split_model(model)
        validate_model(model)
    return model, source, probes


def run_once(model: Any, source: Any, probes: Any, raster: np.ndarray) -> tuple[float, list[Any]]:
    """Seconds of emulation and the recorded spikes; the emulator starts from zero."""
    from nengo_loihi.emulator import EmulatorInterface

    source.spikes.clear()
    for t, row in enumerate(raster):
        source.add_spikes(t + 1, np.nonzero(row)[0])
    with EmulatorInterface(model, seed=0) as emulator:
        start = time.perf_counter()
        emulator.run_steps(len(raster))
        seconds = time.perf_counter() - start
        out = [np.asarray(emulator.collect_probe_output(p)).astype(np.uint8) for p in probes]
    return seconds, out


def demo(path: Path, steps: int) -> None:
    """A random network in the documented format."""
    rng = np.random.RandomState(0)
    np.savez_compressed(
        path,
        W1=2 * rng.randint(-40, 45, (512, 784)).astype(np.int16),
        W2=2 * rng.randint(-60, 61, (10, 512)).astype(np.int16),
        wexp=0,
        du=1024,
        dv=128,
        vth=1500,
        refract=1,
        raster=(rng.rand(steps, 784) < 0.1).astype(np.uint8),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("--out", type=Path, help="npz for the output spikes")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--layout", choices=("chip", "whole"), default="chip")
    parser.add_argument("--probe", choices=("last", "all"), default="last")
    parser.add_argument("--demo", action="store_true", help="write a network file and stop")
    parser.add_argument("--steps", type=int, default=100, help="steps of the demo raster")
    args = parser.parse_args()
    if args.demo:
        demo(args.network, args.steps)
        return
    warnings.simplefilter("ignore")
    with np.load(args.network, allow_pickle=False) as f:
        net = {k: f[k] for k in f.files}
    raster = net["raster"]
    start = time.perf_counter()
    built = build(layers_of(net), raster.shape[1], args.layout, args.probe == "all")
    build_seconds = time.perf_counter() - start
    runs = [run_once(*built, raster) for _ in range(args.repeats)]
    spikes = runs[0][1]
    for _, again in runs[1:]:
        if not all(np.array_equal(a, b) for a, b in zip(spikes, again)):
            raise SystemExit("the emulator did not repeat itself")
    if args.out:
        first = len(layers_of(net)) - len(spikes) + 1
        np.savez_compressed(args.out, **{f"spikes{first + i}": s for i, s in enumerate(spikes)})
    import nengo_loihi

    print(
        json.dumps(
            {
                "peer": "nengo-loihi",
                "version": nengo_loihi.__version__,
                "numpy": np.__version__,
                "layout": args.layout,
                "blocks": [b.n_neurons for b in built[0].blocks],
                "steps": len(raster),
                "input_spikes": int(raster.sum()),
                "output_spikes": int(spikes[-1].sum()),
                "build_seconds": build_seconds,
                "seconds": [s for s, _ in runs],
            }
        )
    )


if __name__ == "__main__":
    main()
