"""NEST runs the cortical microcircuit described by a JSON file of numbers in SI units.

    python nest_microcircuit.py plan.json --threads 2 --seconds 1 [--skip 0.1] [--out spikes.npz]

Connections, weights and delays are drawn by NEST. Ends with a line of JSON: seconds to create,
connect, prepare and run, peak memory, rates. The recorder writes to memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import nest
import numpy as np


def build(plan, *, dt: float, threads: int, seed: int):
    """The populations and their recorder, with the seconds each part took."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=dt, local_num_threads=threads, rng_seed=seed)
    start = time.perf_counter()
    unit = {"C": 1e12, "t": 1e3, "E": 1e3, "V": 1e3}  # SI to pF, ms, mV, by the first letter
    parameters = {name: value * unit[name[0]] for name, value in plan["neuron"].items()}
    populations = []
    for k, size in enumerate(plan["sizes"]):
        population = nest.Create("iaf_psc_exp", size, params=parameters)
        population.I_e = plan["bias"][k] * 1e12
        population.V_m = nest.random.normal(plan["v0_mean"][k] * 1e3, plan["v0_sd"][k] * 1e3)
        populations.append(population)
    recorder = nest.Create("spike_recorder", params={"time_in_steps": True})
    # at most 2**27 - 2 synapses of one model and thread: a model of its own for each source
    for name in plan["populations"]:
        nest.CopyModel("static_synapse", f"from_{name}")
    created = time.perf_counter()
    for i, target in enumerate(populations):
        for j, source in enumerate(populations):
            n = plan["synapses"][i][j]
            if n:
                _project(plan, i, j, n, source, target, dt)
        if plan["external_rate"][i]:
            noise = nest.Create("poisson_generator", params={"rate": plan["external_rate"][i]})
            weight = plan["external_weight"] * 1e12
            nest.Connect(noise, target, syn_spec={"weight": weight, "delay": 1.5})
        nest.Connect(target, recorder)
    connected = time.perf_counter()
    nest.Prepare()
    ready = time.perf_counter()
    times = {"create": created - start, "connect": connected - created,
             "prepare": ready - connected}  # fmt: skip
    return populations, recorder, times


def _project(plan, i, j, n, source, target, dt) -> None:
    weight, delay = plan["weights"][i][j] * 1e12, plan["delays"][j] * 1e3
    inside = {"min": 0.0, "max": np.inf} if weight > 0 else {"min": -np.inf, "max": 0.0}
    spread = nest.random.normal(weight, abs(weight) * plan["weight_spread"])
    late = nest.random.normal(delay, delay * plan["delay_spread"])
    nest.Connect(
        source, target, {"rule": "fixed_total_number", "N": n},
        {"synapse_model": f"from_{plan['populations'][j]}",
         "weight": nest.math.redraw(spread, **inside),
         "delay": nest.math.redraw(late, min=dt / 2, max=np.inf)},
    )  # fmt: skip


def main() -> None:
    """Build, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--skip", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out")
    args = parser.parse_args()
    with open(args.plan, encoding="utf-8") as file:
        plan = json.load(file)
    dt = 0.1
    populations, recorder, times = build(plan, dt=dt, threads=args.threads, seed=args.seed)
    nest.Run(args.skip * 1e3)
    times["run"], times["cpu"] = [], []
    for _ in range(args.repeats):
        start, used = time.perf_counter(), time.process_time()
        nest.Run(args.seconds * 1e3)
        times["run"].append(time.perf_counter() - start)
        times["cpu"].append(time.process_time() - used)
    nest.Cleanup()
    events = recorder.events
    senders, steps = np.asarray(events["senders"]), np.asarray(events["times"])
    first = round(args.skip * 1e3 / dt)
    kept = steps > first
    senders, steps = senders[kept], steps[kept] - first - 1
    found = {}
    ends = np.cumsum([0, *plan["sizes"]])
    length = args.seconds * args.repeats
    owner = np.searchsorted(ends, senders - populations[0][0].global_id, side="right") - 1
    for k, name in enumerate(plan["populations"]):
        found[name] = float((owner == k).sum() / plan["sizes"][k] / length)
    if args.out:
        np.savez(args.out, tick=steps, id=senders - populations[0][0].global_id)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {**times, "rates": found, "spikes": int(senders.size), "peak_bytes": memory,
             "synapses": int(np.sum(plan["synapses"])), "nest": nest.__version__}
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
