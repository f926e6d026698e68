"""NEST runs a network handed over as arrays. Runs in NEST's environment:

    python -m benchmarks.sim._peers.nest_arrays in.npz --out spikes.npz --threads 2

Ends with a line of JSON: build and simulation seconds, spikes.
"""

from __future__ import annotations

import argparse
import json
import time

import nest
import numpy as np

from benchmarks.sim._peers.handover import Handover

__all__ = ["run"]


def run(network: Handover, *, threads: int = 1) -> tuple[np.ndarray, dict]:
    """Spikes [2, n] (tick, id), sorted, and timings [s]."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    dt = network.dt
    nest.set(resolution=dt, local_num_threads=threads)
    start = time.perf_counter()
    neurons = nest.Create(network.model, network.neurons, params=network.parameters)
    neurons.I_e = network.I_e.tolist()
    neurons.V_m = network.V_m.tolist()
    if network.model == "izhikevich":
        neurons.U_m = (network.parameters["b"] * network.V_m).tolist()
    tick, source = network.stimulus
    lists = [
        {"spike_times": ((tick[source == k] + 1) * dt).round(6).tolist()}
        for k in range(network.inputs)
    ]
    generators = nest.Create("spike_generator", network.inputs, params=lists)
    recorder = nest.Create("spike_recorder", params={"time_in_steps": True})
    ids = np.array(neurons.tolist())
    sources = np.array(generators.tolist())
    _connect(ids[network.pre], ids[network.post], network.weight, network.delay, dt)
    _connect(
        sources[network.input_pre], ids[network.input_post], network.input_weight,
        network.input_delay, dt,
    )  # fmt: skip
    nest.Connect(neurons, recorder)
    built = time.perf_counter()
    nest.Prepare()
    ready = time.perf_counter()
    nest.Run(network.ticks * dt)
    done = time.perf_counter()
    nest.Cleanup()
    # the recorder keeps (step, offset); a neuron without offsets ends its spike at the step's end
    events = recorder.events
    ticks, who = np.asarray(events["times"], np.int64) - 1, np.asarray(events["senders"]) - ids[0]
    order = np.lexsort((who, ticks))
    times = {"build": built - start, "prepare": ready - built, "run": done - ready}
    return np.stack([ticks[order], who[order]]).astype(np.int32), times


def _connect(pre, post, weight, delay, dt) -> None:
    if pre.size:
        spec = {
            "weight": np.asarray(weight, np.float64),
            "delay": (np.asarray(delay, np.float64) * dt).round(6),
        }
        nest.Connect(pre, post, "one_to_one", {"synapse_model": "static_synapse", **spec})


def main() -> None:
    """Read, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    spikes, times = run(Handover.load(args.network), threads=args.threads)
    np.savez(args.out, spikes=spikes)
    version = nest.__version__
    print(json.dumps({**times, "spikes": int(spikes.shape[1]), "nest": version}))


if __name__ == "__main__":
    main()
