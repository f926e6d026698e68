"""Spikes of NEST for small random networks, to be met spike for spike. Runs in NEST's environment:

    python -m tests.golden.nest.make_golden [MODEL ...]      from the repository

Each file <model>.npz is a Handover (see benchmarks/sim/_peers/handover.py, which documents the
recipe): parameters, synapses one by one, currents, input spikes and NEST's spikes. A network is
kept only if NEST agrees with itself on one and on two threads. ``horizon`` is the tick of the first
spike that changes in any of three runs whose initial potentials are moved at random by the
millivolts in NUDGE: before it spikes do not hang on the last digits, after it nobody can be blamed.
The conductance models, which NEST integrates with an adaptive step, are moved further, and
aeif_cond_exp, which resets inside a step, is also run with a far finer error tolerance.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from benchmarks.sim._peers.handover import MODELS, Handover, random_network
from benchmarks.sim._peers.nest_arrays import run

NEURONS, DEGREE, TICKS = 250, 30, 10_000
NUDGE = {"iaf_cond_exp": 1e-6, "aeif_cond_exp": 1e-6}
LEAST_NUDGE = 1e-9


def first_difference(a: np.ndarray, b: np.ndarray, ticks: int) -> int:
    """Tick of the first spike that is not in both; ``ticks`` where there is none."""
    width = 1 + max(int(x[1].max(initial=0)) for x in (a, b))
    codes = [x[0].astype(np.int64) * width + x[1] for x in (a, b)]
    differs = np.setxor1d(*codes)
    return int(differs[0] // width) if differs.size else ticks


def moved_by(network: Handover, size: float, seed: int) -> Handover:
    """The same network with other initial potentials, by ``size`` mV (standard deviation)."""
    shift = np.random.default_rng(seed).normal(0, size, network.neurons)
    return network.replace(V_m=network.V_m + shift)


def main() -> None:
    """Write the files and say what is in them."""
    for seed, model in enumerate(MODELS, start=1):
        if sys.argv[1:] and model not in sys.argv[1:]:
            continue
        network = random_network(model, NEURONS, DEGREE, TICKS, seed)
        spikes, _ = run(network)
        again, _ = run(network, threads=2)
        if not np.array_equal(spikes, again):
            at = first_difference(spikes, again, TICKS)
            raise SystemExit(f"{model}: NEST differs from itself on two threads, at tick {at}")
        size = NUDGE.get(model, LEAST_NUDGE)
        moved = [run(moved_by(network, size, k))[0] for k in (1, 2, 3)]
        if model == "aeif_cond_exp":
            finer = {**network.parameters, "gsl_error_tol": 1e-10}
            moved.append(run(network.replace(parameters=finer))[0])
        horizon = min(first_difference(spikes, m, TICKS) for m in moved)
        path = Path(__file__).with_name(f"{model}.npz")
        network.replace(spikes=spikes, horizon=horizon).save(path)
        rate = spikes.shape[1] / NEURONS / (TICKS * network.dt * 1e-3)
        active = np.unique(spikes[1]).size
        print(
            f"{model}: {spikes.shape[1]} spikes, {rate:.1f}/s, {active} of {NEURONS} neurons fire,"
            f" horizon {horizon} of {TICKS} ticks, {path.stat().st_size / 1e3:.0f} kB"
        )


if __name__ == "__main__":
    main()
