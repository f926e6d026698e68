"""A neuron model that a user writes as equations, against the built-in one and a hand-written loop.

    python -m benchmarks.spine.user_model [--json]

Three ways to update the same 20,000 leaky integrate-and-fire neurons for 500 ticks of 0.1 ms,
without synapses, driven by a constant current that differs between neurons: the built-in ``lif``;
the same equations stated anew by a user under other names; and a loop written by hand for numba.
Interleaved, one thread, medians; all three must give the same spike counts.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numba import njit

from benchmarks._common import finish, median_ratio
from ranvier import sim
from ranvier.compile import compile
from ranvier.network import Network, Population
from ranvier.neurons import NeuronModel, Parameter

N, TICKS, DT, TAU = 20_000, 500, 1e-4, 0.01

MINE = NeuronModel(
    name="mine",
    doc="A leaky integrator that fires, stated by a user.",
    source="this benchmark",
    equations=("du/dt = (g*drive - u)/T : V",),
    parameters=(
        Parameter(name="T", unit="s", default=TAU, doc="time constant"),
        Parameter(name="g", unit="ohm", default=1.0, doc="gain"),
        Parameter(name="drive", unit="A", default=0.0, doc="constant current"),
        Parameter(name="top", unit="V", default=1.0, doc="threshold"),
        Parameter(name="low", unit="V", default=0.0, doc="reset"),
    ),
    threshold="u > top",
    reset=("u = low",),
)


@njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _by_hand(v, drive, counts, keep, top, low, ticks):  # type: ignore[no-untyped-def]
    n = v.shape[0]
    for _ in range(ticks):
        for i in range(n):
            x = keep * v[i] + (1.0 - keep) * drive[i]
            fired = x > top
            v[i] = low if fired else x
            counts[i] += fired


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="only the closing lines")
    args = parser.parse_args()
    drive = np.linspace(0.5, 3.0, N)
    builtin = Population(
        name="n", shape=(N,), model="lif",  # type: ignore[arg-type]
        parameters={"tau": TAU, "r": 1.0, "v_threshold": 1.0, "bias": drive},
    )  # fmt: skip
    mine = Population(name="n", shape=(N,), model=MINE, parameters={"drive": drive})
    programs = {
        name: compile(Network(populations=(p,), outputs=("n",)), "ideal", dt=DT)
        for name, p in (("built-in", builtin), ("user", mine))
    }
    times: dict[str, list[float]] = {"built-in": [], "user": [], "by hand": []}
    counts: dict[str, np.ndarray] = {}
    for repeat in range(args.repeats + 1):  # the first round compiles and is not counted
        for name, program in programs.items():
            session = sim.session(program, record=[])
            start = time.perf_counter()
            session.advance(ticks=TICKS)
            took = time.perf_counter() - start
            counts[name] = session.recording().totals("n")
            if repeat:
                times[name].append(took)
        v, counts["by hand"] = np.zeros(N), np.zeros(N, np.int64)
        start = time.perf_counter()
        _by_hand(v, drive, counts["by hand"], np.exp(-DT / TAU), 1.0, 0.0, TICKS)
        if repeat:
            times["by hand"].append(time.perf_counter() - start)
    same = np.array_equal(counts["built-in"], counts["user"])
    off = int(np.abs(counts["built-in"] - counts["by hand"]).max())
    ours, built, inverse = median_ratio(times["user"], times["built-in"])
    _, hand, to_hand = median_ratio(times["user"], times["by hand"])
    per = 1e9 / (N * TICKS)
    if not args.json:
        print(f"{N} neurons, {TICKS} ticks, {counts['user'].sum()} spikes")
        print(f"ns a neuron and tick: user {ours * per:.2f}, built-in {built * per:.2f}, "
              f"by hand {hand * per:.2f}")  # fmt: skip
        print(f"same counts: built-in {same}, by hand within {off}")
    finish(
        "spine/user_model", ours=ours * per, peer=built * per, unit="ns/neuron/tick",
        ratio=1 / inverse, goal="<= 1.1 x the built-in model", holds=1 / inverse <= 1.1 and same,
        by_hand=hand * per, against_by_hand=1 / to_hand, threads=1, repeats=args.repeats,
    )  # fmt: skip


if __name__ == "__main__":
    main()
