"""How many random patterns a synapse of a tempotron can learn.

    python -m benchmarks.learn.tempotron [--inputs 100] [--loads 2 3 3.5] [--seeds 1 2 3] [--json]

Every input fires once in 500 ms, at random; half of the patterns are to be accepted. A load is
learned when an epoch passes without an error. Published: about 3 patterns per synapse (Guetig &
Sompolinsky 2006, Nat. Neurosci. 9:420, fig. 3); small networks learn a little less or more.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks._common import finish
from benchmarks.sim._harness import arguments, say
from ranvier.learn import Tempotron

GOAL, PUBLISHED = 3.0, 3.0


def main() -> None:
    """Run and print."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--loads", type=float, nargs="*", default=[2.0, 2.5, 3.0, 3.5])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=1e-3)
    args = parser.parse_args()
    learned: dict[float, float] = {}
    for load in args.loads:
        done: list[bool] = []
        for seed in args.seeds:
            rng = np.random.default_rng([seed, round(100 * load)])
            count = round(load * args.inputs)
            times, labels = rng.random((count, args.inputs)) * 0.5, rng.random(count) < 0.5
            began = time.perf_counter()
            one = Tempotron(args.inputs, dt=2e-3, seed=seed)
            history = one.fit(times, labels, epochs=args.epochs, rate=args.rate)
            done.append(history[-1] == 0)
            say(args, f"load {load:g}, seed {seed}: {len(history)} epochs, {history[-1]} errors of "
                      f"{count}, {time.perf_counter() - began:.0f} s")  # fmt: skip
        learned[load] = float(np.mean(done))
    top = max((load for load, share in learned.items() if share > 0.5), default=0.0)
    finish(
        "learn/tempotron", ours=top, peer=PUBLISHED, unit="patterns per synapse",
        ratio=top / PUBLISHED, goal=f">= {GOAL}", holds=top >= GOAL, learned=learned,
        inputs=args.inputs, epochs=args.epochs, rate=args.rate, seeds=args.seeds,
    )  # fmt: skip


if __name__ == "__main__":
    main()
