"""Our side of the benchmarks here, as a program that ends with a line of JSON.

    python -m benchmarks.sim._ours microcircuit --scale 0.1 --threads 2
    python -m benchmarks.sim._ours fly --network network.npz

Seconds to make the network, compile it, prepare a session, the first run (with the kernels' own
compilation, unless cached) and the timed runs; peak memory; rates. Spikes are recorded.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np

from benchmarks._common import parts_of
from ranvier import apps, sim
from ranvier.bench import activity
from ranvier.compile import compile, passes_from_text
from ranvier.events import Events
from ranvier.network import Network, Population, Projection, Sparse
from ranvier.neurons import NeuronModel, Parameter, Port

__all__ = ["fly_network", "main"]

FLY = NeuronModel(
    name="fly",
    doc="Leaky membrane with a decaying input in volts; both rest while refractory.",
    source="Shiu et al. 2024, Nature 634:210",
    equations=("dv/dt = (v_leak - v + g)/tau_mem : V", "dg/dt = -g/tau_syn : V"),
    parameters=(
        Parameter(name="tau_mem", unit="s", default=20e-3),
        Parameter(name="tau_syn", unit="s", default=5e-3),
        Parameter(name="v_leak", unit="V", default=-52e-3),
        Parameter(name="v_threshold", unit="V", default=-45e-3),
        Parameter(name="t_ref", unit="s", default=2.1e-3),
    ),
    ports=(
        Port(name="synapse", variable="g", kind="jump", unit="V"),
        Port(name="kick", variable="v", kind="jump", unit="V"),
    ),
    threshold="v > v_threshold",
    reset=("v = v_leak", "g = 0"),
    refractory="t_ref",
    refractory_hold=("v", "g"),
    initial={"v": "v_leak"},
)
"""Refractory for 21 ticks after the tick of the spike: Brian2's 2.2 ms count that tick too."""
WEIGHT, KICK, DELAY, DT = 0.275e-3, 68.75e-3, 1.8e-3, 1e-4


def fly_network(data: dict[str, np.ndarray]) -> Network:
    """The network of benchmarks/sim/fly.py."""
    neurons, stimulated = int(data["neurons"]), data["stimulated"].astype(np.int64)
    n = stimulated.size
    return Network(
        name="fly",
        populations=(
            Population(name="sugar", shape=(n,)),
            Population(name="brain", shape=(neurons,), model=FLY),
        ),
        projections=(
            Projection(
                source="sugar", target="brain", port="kick", delay=DT,
                connectivity=Sparse(np.arange(n), stimulated, np.full(n, KICK), (n, neurons)),
            ),
            Projection(
                source="brain", target="brain", port="synapse", delay=DELAY,
                connectivity=Sparse(
                    data["pre"], data["post"], data["count"] * WEIGHT, (neurons, neurons)
                ),
            ),
        ),
        outputs=("brain",),
    )  # fmt: skip


def _make(args: argparse.Namespace) -> tuple[Network, dict[str, Events] | None]:
    if args.app != "fly":
        recipe = apps.recipe(args.app)
        options: dict[str, Any] = {"seed": args.seed}
        if args.background:
            options["background"] = args.background
        return recipe.make(args.scale, args.scale_k or args.scale, **options), None
    with np.load(args.network) as file:
        data = {k: file[k] for k in file.files}
    ticks = round(args.seconds / DT)
    tick, index = data["stimulus"].astype(np.int64)
    kept = tick < ticks
    events = Events.sorted(
        tick[kept], index[kept], size=data["stimulated"].size, ticks=ticks, dt=DT
    )
    return fly_network(data), {"sugar": events}


def main() -> None:
    """Run and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("app")
    parser.add_argument("--network", help="the network of the fly benchmark")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--scale-k", type=float)
    parser.add_argument("--background")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--chip", default="ideal")
    parser.add_argument("--update", default="auto", help="dense, lazy or auto")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--skip", type=float, default=0.1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="keep the spikes (tick, id) in this .npz")
    parser.add_argument("--profile", action="store_true", help="read the clock; a few % slower")
    args = parser.parse_args()
    clock = [time.perf_counter()]
    network, stimulus = _make(args)
    clock.append(time.perf_counter())
    passes = passes_from_text([f"update.method={args.update}"])
    program = compile(network, args.chip, dt=DT, passes=passes)
    clock.append(time.perf_counter())
    options: dict[str, Any] = {} if args.threads is None else {"threads": args.threads}
    options["profile"] = args.profile
    session = sim.session(program, **options)
    clock.append(time.perf_counter())
    first = round(args.skip / DT)
    ticks = round(args.seconds / DT)
    if stimulus is None:
        session.advance(ticks=first)
    else:  # a session of its own, for the kernels' sake
        sim.session(program, **options).advance(ticks=1)
        first = 0
    clock.append(time.perf_counter())
    runs: list[float] = []
    busy: list[float] = []
    for k in range(args.repeats):
        if stimulus is not None and k:
            session = sim.session(program, **options)
        start, used = time.perf_counter(), time.process_time()
        session.advance(stimulus, ticks=ticks)
        runs.append(time.perf_counter() - start)
        busy.append(time.process_time() - used)
    whole = session.recording().events
    length = first + ticks * (args.repeats if stimulus is None else 1)
    events = {name: e.window(first, length) for name, e in whole.items()}
    if args.out:
        ends = np.cumsum([0, *(e.size for e in events.values())])
        parts = list(zip(events.values(), ends, strict=False))
        np.savez(
            args.out,
            tick=np.concatenate([e.tick for e, _ in parts]),
            id=np.concatenate([e.id + k for e, k in parts]),
        )
    names = ("create", "compile", "prepare", "first")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if args.profile:  # only of what comes after compiling: "rest" would be mostly that
        session = sim.session(program, **options)
        session.advance(stimulus, ticks=ticks)
    print(
        json.dumps(
            {
                **dict(zip(names, np.diff(clock).tolist(), strict=True)),
                "run": runs,
                "cpu": busy,
                "rates": {name: activity(e).rate for name, e in events.items()},
                "spikes": sum(len(e) for e in events.values()),
                "peak_bytes": memory,
                "synapses": network.synapses,
                "profile": parts_of(session.profile()) if args.profile else None,
            }
        )
    )


if __name__ == "__main__":
    main()
