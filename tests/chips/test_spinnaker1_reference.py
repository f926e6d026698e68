"""The SpiNNaker 1 chip model against an independent big-integer reference, bit for bit."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from integers import program

from ranvier import chips, sim
from ranvier.chips._spinnaker1_code import KERNELS
from ranvier.chips.spinnaker1 import CHIP_NEAREST
from ranvier.events import Events

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "spinnaker1_reference.py"


def _reference() -> Any:
    name = "spinnaker1_reference_for_chip"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _PATH)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


ref = _reference()


def _network(seed: int, kind: str, multiply: str, wild: bool) -> tuple[dict[str, Any], Any]:
    """Random raw numbers: biological-looking, or (wild) over the whole range of the registers."""
    rng = np.random.default_rng([seed, kind == "exp", multiply == "floor", wild])
    n, inputs = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    span = 2**31 - 1 if wild else 2**22

    def number(low: int, high: int) -> int:
        return int(rng.integers(low, high))

    neurons = []
    for _ in range(n):
        rest = number(-span, span)
        neurons.append(
            {
                "v": number(-span, span), "v_rest": rest, "v_reset": number(-span, span),
                "v_thresh": rest + number(2**12, 2**19) if not wild else number(-span, span),
                "r": number(0, 2**31 - 1) if wild else number(2**14, 2**20),
                "exp_tc": number(0, 2**31 - 1) if wild else number(20000, 32768),
                "t_refract": number(0, 5), "i_offset": number(-span, span) // 8,
                "scale": 32768 if rng.random() < 0.5 else 327660,
                "decays": [number(0, 2**32), number(0, 2**32)],
                "inits": [number(0, 2**32), number(0, 2**32)],
                "synapse": kind,
            }
        )  # fmt: skip
    synapses = [
        {
            "pre": number(0, n + inputs), "post": number(0, n), "weight16": number(0, 65536),
            "delay": number(1, 17), "type": number(0, 2),
        }
        for _ in range(int(rng.integers(0, 80)))
    ]  # fmt: skip
    shifts = [number(0, 17 if wild else 8), number(0, 17 if wild else 8)]
    raster = (rng.random((60, inputs)) < 0.3).astype(int)
    return {
        "multiply": multiply, "left_shift": shifts, "neurons": neurons, "synapses": synapses
    }, raster  # fmt: skip


def _column(network: dict[str, Any], key: str) -> np.ndarray:
    return np.array([neuron[key] for neuron in network["neurons"]], np.int64)


def _ours(network: dict[str, Any], raster: Any, kind: str, engine: str) -> Any:
    chip = (
        chips.get("spinnaker1") if network["multiply"] == "floor" else chips.remember(CHIP_NEAREST)
    )
    n = len(network["neurons"])
    values: dict[str, Any] = {
        key: _column(network, key)
        for key in ("r", "v_rest", "v_reset", "v_thresh", "exp_tc", "t_refract", "i_offset")
    }
    for k, name in enumerate(("exc", "inh")):
        values[f"one_{name}"] = 1 << network["left_shift"][k]
        if kind == "exp":
            values[f"decay_{name}"] = _column(network, "decays")[:, k]
            values[f"init_{name}"] = _column(network, "inits")[:, k]
    if kind == "delta":
        values["scale"] = _column(network, "scale")
    table = {
        key: np.array([s[key] for s in network["synapses"]], np.int64)
        for key in ("pre", "post", "weight16", "delay", "type")
    }
    is_input = (table["pre"] >= n).astype(np.int64)
    made = program(
        chip,
        KERNELS[network["multiply"]][kind],
        {"implementation": "lif", "program": kind},
        neurons=n,
        inputs=raster.shape[1],
        values=values,
        initial={"v": _column(network, "v"), "refract": 0, "exc": 0, "inh": 0},
        synapses={
            "is_input": is_input,
            "pre": table["pre"] - n * is_input,
            "post": table["post"],
            "weight": table["weight16"],
            "port": table["type"],
            "delay": table["delay"],
        },
        probes=("v", *(("exc", "inh") if kind == "exp" else ())) if engine == "numba" else (),
    )
    return sim.run(made, Events.from_raster(raster.astype(float), dt=1e-3), engine=engine)


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("multiply", ["floor", "nearest"])
@pytest.mark.parametrize("kind", ["exp", "delta"])
def test_spikes_and_state_bit_for_bit(kind: str, multiply: str, wild: bool) -> None:
    fired = saturated = 0
    for seed in range(25):
        network, raster = _network(seed, kind, multiply, wild)
        theirs = ref.run(network, raster.tolist())
        ours = _ours(network, raster, kind, "numba")
        events = ours.output("n")
        assert list(zip(events.tick.tolist(), events.id.tolist(), strict=True)) == [
            tuple(s) for s in theirs["spikes"]
        ]
        np.testing.assert_array_equal(ours.trace("n.v").raw, np.array(theirs["v"]))
        if kind == "exp":  # the reference reports what the update read, we what is left after it
            for k, name in enumerate(("exc", "inh")):
                left = [
                    [(x * d) >> 32 for x, d in zip(row, _column(network, "decays")[:, k].tolist(),
                                                  strict=True)]
                    for row in theirs[name]
                ]  # fmt: skip
                np.testing.assert_array_equal(ours.trace(f"n.{name}").raw, np.array(left))
        counted = int(ours.counters["saturations"].sum())
        assert (counted > 0) == (theirs["saturations"] > 0)
        fired += len(events)
        saturated += counted
    assert fired > 0
    assert saturated > 0 or not wild


def test_reference_engine_agrees() -> None:
    for seed in range(4):
        network, raster = _network(seed, "exp", "floor", False)
        fast = _ours(network, raster, "exp", "numba").output("n")
        slow = _ours(network, raster, "exp", "reference").output("n")
        assert fast.same_as(slow)
