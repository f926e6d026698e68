"""Imported networks against plain loops over the file's own numbers (read by h5py, no ranvier)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ranvier import sim
from ranvier.compile import compile
from ranvier.events import Events
from ranvier.frontends import nir

File: Any = h5py.File
DT = 1e-4


def fields(path: Path) -> dict[str, dict[str, Any]]:
    with File(path, "r") as file:
        nodes = file["node/nodes"]
        return {
            name: {k: np.asarray(v[()], float) for k, v in node.items() if k != "type"}
            for name, node in nodes.items()
        }


def braille(path: Path, raster: Any, reset: str) -> Any:
    """snnTorch's order: synapse, membrane with the new synapse, threshold, reset; one tick late
    recurrence."""
    f = fields(path)
    names = ("lif1.lif", "lif2")
    state = {n: [np.zeros(f[n]["r"].size), np.zeros(f[n]["r"].size)] for n in names}
    last = np.zeros(f["lif1.lif"]["r"].size)
    out = []

    def layer(name: str, x: Any) -> Any:
        p, s = f[name], state[name]
        s[0] = s[0] + DT / p["tau_syn"] * (p["w_in"] * x - s[0])
        s[1] = s[1] + DT / p["tau_mem"] * (p["v_leak"] - s[1] + p["r"] * s[0])
        z = s[1] > p["v_threshold"]
        s[1] = np.where(z, 0.0 if reset == "zero" else s[1] - p["v_threshold"], s[1])
        return z.astype(float)

    for row in raster:
        x = f["fc1"]["weight"] @ row + f["fc1"].get("bias", 0.0)
        x = x + f["lif1.w_rec"]["weight"] @ last + f["lif1.w_rec"].get("bias", 0.0)
        last = layer("lif1.lif", x)
        out.append(layer("lif2", f["fc2"]["weight"] @ last + f["fc2"].get("bias", 0.0)))
    return np.array(out)


@pytest.mark.parametrize(
    ("file", "reset"),
    [
        ("03_rnn__braille_noDelay_bias_zero.nir", "zero"),
        ("nirtorch_braille.nir", "zero"),
        ("03_rnn__braille_noDelay_noBias_subtract.nir", "subtract"),
    ],
)
def test_braille(file: str, reset: str, shared_data: Path) -> None:
    path = shared_data / "models" / "nir" / file
    raster = (np.random.default_rng(1).random((300, 12)) < 0.3).astype(float)
    network = nir.read(path, source="snntorch", dt=DT, reset=reset).network
    recording = sim.run(compile(network, "ideal"), Events.from_raster(raster, dt=DT))
    expected = braille(path, raster, reset)
    assert expected.sum() > 20
    assert np.array_equal(recording.output("lif2").raster(), expected)


def conv(x: Any, weight: Any, stride: int, pad: int) -> Any:
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    k = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, k, axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("ihwkl,oikl->ohw", windows, weight)


def pool(x: Any) -> Any:
    c, h, w = x.shape
    return x.reshape(c, h // 2, 2, w // 2, 2).sum((2, 4))


@pytest.mark.parametrize("many", [False, True], ids=["one spike a tick", "many"])
def test_cnn(many: bool, shared_data: Path) -> None:
    path = shared_data / "models" / "nir" / "02_cnn__cnn_sinabs.nir"
    f = fields(path)
    raster = (np.random.default_rng(2).random((12, 2, 34, 34)) < 0.15).astype(float)
    v: dict[str, Any] = {}

    def fire(name: str, x: Any) -> Any:
        v[name] = v.get(name, 0.0) + x
        z = np.floor(v[name]) * (v[name] >= 1) if many else (v[name] >= 1).astype(float)
        v[name] = v[name] - z
        return z

    expected: dict[str, list[Any]] = {"3": [], "10": [], "12": []}
    for frame in raster:
        x = fire("1", conv(frame, f["0"]["weight"], 2, 1))
        x = fire("3", conv(x, f["2"]["weight"], 1, 1))
        expected["3"].append(x.ravel())
        x = fire("6", conv(pool(x), f["5"]["weight"], 1, 1))
        x = fire("10", f["9"]["weight"] @ pool(x).ravel())
        expected["10"].append(x)
        expected["12"].append(fire("12", f["11"]["weight"] @ x))
    options = {} if many else {"spikes_per_tick": "one"}
    network = nir.read(path, source="sinabs", dt=1e-3, **options).network
    events = Events.from_raster(raster.reshape(12, -1), dt=1e-3)
    recording = sim.run(compile(network, "ideal"), events, record=list(expected))
    assert np.sum(expected["12"]) >= 4
    for name, frames in expected.items():
        assert np.array_equal(recording.output(name).raster(), np.array(frames)), name


def test_a_self_firing_neuron_drives_another(shared_data: Path) -> None:
    """two_lif_neurons: the size of a spike's effect is the choice NIR leaves open."""
    path = (
        shared_data / "models" / "nir" / "01_lif__debug_spike_representation__two_lif_neurons.nir"
    )
    reading = nir.read(path, source="nir", delays="zero", dt=DT).network
    weights = reading.projection("linear2").connectivity.synapses().weight
    assert weights[0] == pytest.approx(1.0 / 0.01)  # an impulse of area 1: r w / tau
    quiet = Events.empty(size=1, ticks=2000, dt=DT)
    recording = sim.run(compile(reading, "ideal"), quiet, record=["lif1"])
    period = np.diff(recording.output("lif1").tick)
    assert np.all(np.abs(period * DT - 0.01 * np.log(6)) <= DT)
