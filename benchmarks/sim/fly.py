"""A fly-sized network that is almost silent, against Brian2's C++ program.

    python -m benchmarks.sim.fly [--neurons 138639 --edges 15000000] [--threads 1 2] [--json]

A surrogate for the whole brain of Drosophila: the model, the number of neurons and roughly that of
edges of Shiu et al. (2024), Nature 634:210; the connections are invented. Law (PCG64, in this
order): an edge starts at a neuron drawn with lognormal weight (sigma 1) and ends at one drawn with
another; it stands for 1 + a geometric number of synapses (mean 3.6); six of ten neurons excite.
21 neurons get 150 spikes a second each (the same list on both sides); each sends 120 edges of six
times the synapses to a common pool of 400 neurons, so that activity goes on for some steps.

Both sides run the same network on the same list in float64, and the spikes are compared one by one.
What arrives at a refractory neuron is lost on both sides (the original program keeps it, and lets
stimulated cells fire without a pause). Ours lets neurons sleep unless --dense is given. Each side
runs at its best number of threads.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._common import finish, median_ratio
from benchmarks.sim import _harness

GOAL = 50
STIMULATED, RATE, POOL, FAN, STRONG = 21, 150.0, 400, 120, 6


def surrogate(neurons: int, edges: int, seconds: float, seed: int) -> dict[str, np.ndarray]:
    """The arrays handed to both sides; see the law above."""
    rng = np.random.Generator(np.random.PCG64(seed))

    def drawn() -> np.ndarray:
        share = np.cumsum(rng.lognormal(0, 1, neurons))
        return np.searchsorted(share, rng.random(edges) * share[-1]).astype(np.int32)

    pre, post = drawn(), drawn()
    count = rng.geometric(1 / 3.6, edges).astype(np.int16)
    sign = np.where(rng.random(neurons) < 0.6, 1, -1).astype(np.int16)
    count *= sign[pre]
    stimulated = np.sort(rng.choice(neurons, STIMULATED, replace=False)).astype(np.int32)
    pool = rng.choice(neurons, min(POOL, neurons), replace=False).astype(np.int32)
    source = np.repeat(stimulated, FAN)
    target = rng.choice(pool, source.size)
    strong = (STRONG * rng.geometric(1 / 3.6, source.size)).astype(np.int16)
    fires = rng.random((round(seconds * 1e4), STIMULATED)) < RATE * 1e-4
    return {
        "neurons": np.array(neurons), "pre": np.concatenate([pre, source]),
        "post": np.concatenate([post, target]), "count": np.concatenate([count, strong]),
        "stimulated": stimulated, "stimulus": np.stack(np.nonzero(fires)).astype(np.int32),
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = _harness.arguments(__doc__, repeats=3)
    parser.add_argument("--brian2-python", help="interpreter that has brian2 2.9 and numpy<2")
    parser.add_argument("--neurons", type=int, default=138_639)
    parser.add_argument("--edges", type=int, default=15_000_000)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--dense", action="store_true", help="ours computes every neuron")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    python = _harness.brian2(args)
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "fly.npz", Path(folder) / "ours.npz"
        np.savez(path, **surrogate(args.neurons, args.edges, args.seconds, args.seed))
        built: dict[int, _harness.Built] = {}
        first: dict[int, float] = {}
        for n in args.threads:
            built[n] = _harness.Built(
                python, "brian2_fly.py", Path(folder) / f"brian2_{n}", str(path),
                "--seconds", str(args.seconds), "--threads", str(n),
            )  # fmt: skip
            first[n] = min(built[n].run(), built[n].run())
            _harness.say(args, f"Brian2 on {n} threads {first[n]:.3f} s")
        best = min(first, key=lambda n: first[n])
        program = built[best]
        mine: list[dict] = []

        own = ["fly", "--network", str(path), "--seconds", str(args.seconds),
               "--update", "dense" if args.dense else "lazy"]  # fmt: skip

        def on(threads: int) -> dict:
            return _harness.ours(*own, "--out", str(out), "--threads", str(threads))

        threads = args.threads[0]
        if not args.peer_only and len(args.threads) > 1:
            tried = {n: min(on(n)["run"][0], on(n)["run"][0]) for n in args.threads}
            threads = min(tried, key=lambda n: tried[n])

        def ours() -> float:
            mine.append(on(threads))
            return mine[-1]["run"][0]

        a, b = _harness.interleaved(args.repeats, None if args.peer_only else ours, program.run)
        times, index = program.spikes()
        theirs = np.sort(np.round(times / 1e-4).astype(np.int64) * args.neurons + index)
        known = {
            "neurons": args.neurons, "edges": args.edges, "spikes_brian2": int(theirs.size),
            "active_brian2": int(np.unique(index).size), "seconds": args.seconds,
            "repeats": args.repeats, "threads": threads, "brian2_threads": best,
            "brian2_by_threads": first, "brian2_cpu": program.cpu,
            "brian2_build_s": program.report["generate"] + program.report["compile"],
            "brian2": program.report["brian2"],
        }  # fmt: skip
        if args.peer_only:
            print(json.dumps({"name": "sim/fly", "peer": float(np.median(b)), **known}))
            return
        with np.load(out) as file:
            spikes = np.sort(file["tick"].astype(np.int64) * args.neurons + file["id"])
        differs = np.setxor1d(spikes, theirs)
        first_difference = int(differs[0] // args.neurons) if differs.size else None
        mid, peer, ratio = median_ratio(a, b)
        _harness.say(args, f"{spikes.size} spikes, first difference at tick {first_difference}")
        holds = ratio >= GOAL and first_difference is None
        known |= _harness.in_the_way(args, holds, [*own, "--threads", str(threads)])
    finish(
        "sim/fly", ours=mid, peer=peer, unit="s", ratio=ratio,
        goal=f">= {GOAL} x Brian2's C++ program, same spikes",
        holds=holds, spikes=int(spikes.size), first_difference=first_difference,
        different_spikes=int(differs.size), compile_s=mine[0]["compile"], cpu=mine[-1]["cpu"][0],
        prepare_s=mine[0]["prepare"], peak_bytes=mine[0]["peak_bytes"], **known,
    )  # fmt: skip


if __name__ == "__main__":
    main()
