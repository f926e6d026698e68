"""The same spikes as NEST, in larger networks and for longer than the tests can afford.

    python -m benchmarks.sim.nest_equality [--models iaf_psc_exp ...] [--neurons 2000] [--json]

A random network (benchmarks/sim/_peers/handover.py) goes to NEST synapse by synapse, once as it is
and once with initial potentials moved by about 1e-9 mV: where those two part, spikes hang on the
last digits (the horizon). Ours is compared with the first. ``ours`` is the tick of our first
difference (the length of the run where there is none), ``peer`` NEST's own horizon.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from tests.nest_networks import Foreign, find_model, first_difference

from benchmarks._common import finish
from benchmarks.sim import _harness
from benchmarks.sim._peers.handover import MODELS, random_network
from ranvier import sim
from ranvier.compile import compile


def main() -> None:
    """Run and print."""
    parser = _harness.arguments(__doc__, repeats=1)
    parser.add_argument("--nest-python", help="interpreter that has nest-simulator 3.10")
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--neurons", type=int, default=2000)
    parser.add_argument("--degree", type=int, default=100)
    parser.add_argument("--seed", type=int, default=100)
    parser.set_defaults(seconds=2.0)
    args = parser.parse_args()
    python = _harness.nest(args)
    ticks = round(args.seconds * 1e4)
    for model in args.models:
        with tempfile.TemporaryDirectory() as folder:
            whole, moved = Path(folder) / "network.npz", Path(folder) / "moved.npz"
            network = random_network(model, args.neurons, args.degree, ticks, args.seed)
            network.save(whole)
            shift = np.random.default_rng(1).normal(0, 1e-9, args.neurons)
            network.replace(V_m=network.V_m + shift).save(moved)
            theirs, again = (_spikes(python, path) for path in (whole, moved))
            foreign = Foreign.load(whole)
        horizon = first_difference(theirs, again, ticks)
        limit = ticks if horizon is None else horizon[0]
        found = find_model(model)
        if found is None:
            print(f"{model}: not in this installation; NEST's horizon is {limit} of {ticks} ticks")
            continue
        program = compile(foreign.network(found), "ideal", dt=foreign.dt)
        events = sim.run(program, foreign.stimulus()).output("neurons")
        mine = np.stack([events.tick, events.id])
        first = first_difference(mine, theirs, ticks)
        same = ticks if first is None else first[0]
        both = np.intersect1d(mine[0] * args.neurons + mine[1],
                              theirs[0] * args.neurons + theirs[1])  # fmt: skip
        _harness.say(args, f"{model}: first difference {first}, NEST's own horizon {limit}")
        finish(
            f"sim/nest_equality_{model}", ours=same, peer=limit, unit="ticks",
            ratio=same / limit, goal="no difference before NEST's own horizon",
            holds=same >= limit, first_difference=first, spikes=mine.shape[1],
            nest_spikes=theirs.shape[1], shared=both.size / max(1, theirs.shape[1]),
            ticks=ticks, neurons=args.neurons, degree=args.degree, seed=args.seed,
        )  # fmt: skip


def _spikes(python: str, path: Path) -> np.ndarray:
    out = path.with_suffix(".spikes.npz")
    command = [python, "-m", "benchmarks.sim._peers.nest_arrays", str(path), "--out", str(out)]
    _harness.told(command, cwd=_harness.ROOT)
    with np.load(out) as file:
        return file["spikes"].astype(np.int64)


if __name__ == "__main__":
    main()
