"""Makes nest.npz: single neurons of NEST under fixed spike lists and currents.

Run with a Python that has nest-simulator 3.10 and numpy:  python make_golden.py
Every case has a name "<model>-<set>" and the arrays (dt = 0.1 ms, row k is the time (k + 1)*dt)

- ``exc``, ``inh``: what arrives at the ports by tick (NEST's units: pA, mV or nS; inh is negative);
- ``dc``: (first tick in which it acts, amplitude in pA);
- ``v``: V_m (mV) by tick, the first ticks only; ``spikes``: ticks of all spikes;
- ``params``: names and values in NEST's units, as JSON text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nest
import numpy as np

DT, DELAY, TRACE = 0.1, 1.0, 1500

CASES: list[tuple[str, str, dict[str, Any], tuple[float, float, float], float]] = [
    # model, set, parameters, (weight, exc and inh events per tick), DC (pA)
    ("iaf_psc_exp", "a", {}, (64.0, 0.7, 0.2), 0.0),
    ("iaf_psc_exp", "b", {"tau_m": 16.0, "tau_syn_ex": 0.5, "tau_syn_in": 8.0, "V_reset": -65.0,
                          "t_ref": 0.5, "I_e": 200.0}, (128.0, 0.7, 0.03), 64.0),
    ("iaf_psc_alpha", "a", {}, (64.0, 0.3, 0.1), 0.0),
    ("iaf_psc_alpha", "b", {"tau_m": 20.0, "tau_syn_ex": 0.5, "tau_syn_in": 20.0, "C_m": 200.0,
                            "V_reset": -60.0, "t_ref": 3.0}, (128.0, 0.4, 0.005), 64.0),
    ("iaf_psc_delta", "a", {}, (0.5, 0.6, 0.2), 128.0),
    ("iaf_psc_delta", "b", {"tau_m": 30.0, "V_reset": -62.0, "t_ref": 0.1}, (2.0, 0.2, 0.1), 0.0),
    ("izhikevich", "a", {}, (1.0, 0.8, 0.1), 4.0),
    ("izhikevich", "b", {"a": 0.1, "d": 2.0, "I_e": 2.0,
                         "consistent_integration": False}, (8.0, 0.9, 0.2), 0.0),
    ("iaf_cond_exp", "a", {"tau_syn_ex": 1.0}, (4.0, 0.5, 0.1), 0.0),
    ("iaf_cond_alpha", "a", {"tau_syn_ex": 1.0, "t_ref": 1.0}, (4.0, 0.2, 0.05), 0.0),
    ("iaf_cond_beta", "a", {"tau_rise_ex": 0.5, "tau_decay_ex": 2.0, "tau_rise_in": 1.0,
                            "tau_decay_in": 4.0}, (2.0, 0.2, 0.02), 0.0),
    ("aeif_cond_exp", "a", {"t_ref": 2.0, "tau_syn_ex": 1.0, "gsl_error_tol": 1e-12},
     (2.0, 0.4, 0.02), 1024.0),
]  # fmt: skip


def simulate(
    model: str, params: dict[str, Any], exc: Any, inh: Any, dc: float, ticks: int
) -> tuple[Any, Any, int]:
    """V_m by tick, ticks of spikes, and the first tick in which the DC acts."""
    nest.ResetKernel()
    nest.resolution = DT
    neuron = nest.Create(model, params=params)
    for counts in (exc, inh):
        at = np.flatnonzero(counts)
        times = np.round((at + 1) * DT - DELAY, 1)
        source = nest.Create("spike_generator", params={
            "spike_times": times, "spike_weights": counts[at].astype(float)})  # fmt: skip
        nest.Connect(source, neuron, syn_spec={"weight": 1.0, "delay": DELAY})
    start = 20.0
    if dc:
        generator = nest.Create("dc_generator", params={"amplitude": dc, "start": start})
        nest.Connect(generator, neuron, syn_spec={"weight": 1.0, "delay": DELAY})
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": DT})
    recorder = nest.Create("spike_recorder")
    nest.Connect(meter, neuron)
    nest.Connect(neuron, recorder)
    nest.Simulate(ticks * DT + 2 * DELAY)
    events = meter.events
    rows = np.round(events["times"] / DT).astype(int) - 1
    v = np.full(rows.max() + 1, np.nan)
    v[rows] = events["V_m"]
    spikes = np.round(recorder.events["times"] / DT).astype(int) - 1
    return v, spikes[spikes < ticks], round((start + DELAY) / DT)


def main() -> None:
    """Run every case and store the arrays."""
    nest.set_verbosity("M_ERROR")
    arrays: dict[str, Any] = {}
    for number, (model, label, params, (weight, high, low), dc) in enumerate(CASES):
        ticks = 30_000 if model in ("iaf_psc_exp", "iaf_psc_alpha", "iaf_psc_delta",
                                    "izhikevich") else 10_000  # fmt: skip
        rng = np.random.default_rng(number)
        exc = rng.poisson(high, ticks).astype(np.int8)
        inh = -rng.poisson(low, ticks).astype(np.int8)
        exc[:20] = inh[:20] = 0  # nothing can arrive before the delay
        v, spikes, first = simulate(model, params, exc * weight, inh * weight, dc, ticks)
        print(model, label, len(spikes), "spikes; first V_m:", v[:3])
        arrays |= {
            f"{model}-{label}/exc": exc,
            f"{model}-{label}/inh": inh,
            f"{model}-{label}/weight": np.float64(weight),
            f"{model}-{label}/dc": np.array([first, dc]),
            f"{model}-{label}/v": v[:TRACE],
            f"{model}-{label}/spikes": spikes.astype(np.int32),
            f"{model}-{label}/params": np.array(json.dumps(params)),
        }
    np.savez_compressed(Path(__file__).parent / "nest.npz", **arrays)


if __name__ == "__main__":
    main()
