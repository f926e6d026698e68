"""The Loihi 1 chip model against what three public emulators computed, and against silicon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from integers import program

from ranvier import chips, sim
from ranvier.chips._loihi1_integers import (
    BRIAN2,
    KERNEL,
    LAVA,
    NENGO,
    NO_LIMIT,
    Rules,
    actual_weight,
)
from ranvier.events import Events, Recording

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "loihi1"
RULES = {"nengo": NENGO, "brian2": BRIAN2, "lava": LAVA}
MODES = {1: "mixed", 2: "excitatory", 3: "inhibitory"}
# Lava floors the sum of a step, not each weight: it parts from a per-weight chip below exponent 0.
SUMS = {"wexp_negative", "wexp_minus8", "bits_and_exponents", "everything", "weight_bits"}
CASES = sorted(
    p.stem
    for p in GOLDEN.glob("*.npz")
    if not p.stem.endswith("weights_table") and p.stem not in {f"lava_{kind}" for kind in SUMS}
)


def _run(case: dict[str, np.ndarray], peer: str, rules: Rules, engine: str = "numba") -> Recording:
    wide = {k: v.astype(np.int64) for k, v in case.items()}
    weights = np.zeros(wide["syn_w"].size, np.int64)
    for k in range(weights.size):
        weights[k] = actual_weight(
            wide["syn_w"][k : k + 1],
            int(wide["syn_wexp"][k]),
            int(wide["syn_bits"][k]),
            MODES[int(wide["syn_sign"][k])],
            rules,
        )[0]
    latency = 0 if peer == "brian2" else 1
    half = {
        name: NO_LIMIT if bits is None else 1 << bits
        for name, bits in (
            ("half_q", rules.q_bits), ("half_u", rules.u_bits), ("half_in", rules.in_bits)
        )
    }  # fmt: skip
    clips = peer != "brian2"
    n = wide["du"].size
    made = program(
        chips.get("loihi1"),
        KERNEL,
        {"implementation": "compartment"},
        neurons=n,
        inputs=wide["in_spikes"].shape[1],
        values={
            "fu": 4095 - wide["du"],
            "fv": 4096 - wide["dv"],
            "vth": wide["vth"] * 64,
            "bias": wide["bias_mant"] << wide["bias_exp"],
            "refract": wide["refract"],
            "vmin": wide["vmin"] if clips else -NO_LIMIT,
            "vmax": wide["vmax"] if clips else NO_LIMIT,
            "fold": (1 << 24) if rules.u_fold else 0,
            **half,
        },
        initial={"u": 0, "v": 0, "count": 0},
        synapses={
            "is_input": wide["syn_is_input"],
            "pre": wide["syn_pre"],
            "post": wide["syn_post"],
            "weight": weights,
            "port": np.zeros(weights.size, np.int64),
            "delay": wide["syn_delay"] + np.where(wide["syn_is_input"] == 1, latency, 1),
        },
        probes=("u", "v") if engine == "numba" else (),
    )
    raster = case["in_spikes"].astype(float)
    if raster.shape[1] == 0:
        raster = np.zeros((raster.shape[0], 1))
    return sim.run(made, Events.from_raster(raster, dt=1e-3), engine=engine)


@pytest.mark.parametrize("name", CASES)
def test_every_golden_case_bit_for_bit(name: str) -> None:
    peer = name.partition("_")[0]
    case = dict(np.load(GOLDEN / f"{name}.npz"))
    recording = _run(case, peer, RULES[peer])
    spikes = recording.output("n").raster()
    np.testing.assert_array_equal(spikes, case["spikes"])
    np.testing.assert_array_equal(recording.trace("n.u").raw, case["u"])
    np.testing.assert_array_equal(recording.trace("n.v").raw, case["v"])


@pytest.mark.parametrize("name", ["nengo_everything", "brian2_delays", "lava_u_boundary"])
def test_reference_engine_agrees(name: str) -> None:
    peer = name.partition("_")[0]
    case = dict(np.load(GOLDEN / f"{name}.npz"))
    recording = _run(case, peer, RULES[peer], engine="reference")
    np.testing.assert_array_equal(recording.output("n").raster(), case["spikes"])


@pytest.mark.parametrize("peer", ["nengo", "brian2"])
def test_weight_tables(peer: str) -> None:
    table = {
        k: v.astype(np.int64) for k, v in np.load(GOLDEN / f"{peer}_weights_table.npz").items()
    }
    keys = np.stack([table["sign"], table["bits"], table["wexp"]], axis=1)
    for sign, bits, exponent in np.unique(keys, axis=0):
        rows = np.all(keys == (sign, bits, exponent), axis=1)
        found = actual_weight(
            table["w"][rows], int(exponent), int(bits), MODES[int(sign)], RULES[peer]
        )
        np.testing.assert_array_equal(found, table["w_act"][rows])


def test_default_rules_follow_nengo_where_weights_are_storable() -> None:
    """The chip as shipped equals nengo-loihi on every case whose weights lose nothing."""
    for kind in ("plain", "random_decays", "recurrent", "bias", "u_overflow", "q_overflow"):
        case = dict(np.load(GOLDEN / f"nengo_{kind}.npz"))
        recording = _run(case, "nengo", Rules())
        np.testing.assert_array_equal(recording.trace("n.v").raw, case["v"])


@pytest.mark.data
@pytest.mark.parametrize("number", [0, 1])
def test_recorded_silicon(shared_data: Path, number: int) -> None:
    """Loihi 2 silicon (and its CPU twin) running the same neuron: spikes and voltages."""
    known = json.loads((GOLDEN / "silicon.json").read_text())
    trace = known["traces"][number]
    rows = np.loadtxt(shared_data / trace["file"], delimiter=",")
    neuron, synapse = known["neuron"], known["synapse"]
    one = {k: np.array([v]) for k, v in neuron.items()}
    case = {
        **one,
        **{f"syn_{k}": np.array([v]) for k, v in synapse.items()},
        "in_spikes": rows[:, :1],
    }
    recording = _run(case, "lava", LAVA)
    spikes = np.flatnonzero(recording.output("n").raster()[:, 0])
    np.testing.assert_array_equal(spikes, np.flatnonzero(rows[:, 2]))
    assert spikes.tolist() == trace["spikes"]
    voltage = recording.trace("n.v").raw[:, 0]
    differ = np.flatnonzero(voltage != rows[:, 1])
    assert len(differ) == trace["v_readings_that_differ"]
    # Silicon's v register reads the refractory count in the step of a spike, and only there.
    assert set(differ) <= set(spikes)
    assert set(rows[differ, 1]) <= {float(trace["v_register_at_spike"])}
