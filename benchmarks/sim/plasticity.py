"""What learning costs: a balanced network with and without plastic excitatory synapses.

    python -m benchmarks.sim.plasticity [--float 64 32] [--threads 1 2] [--json]

8,000 excitatory and 2,000 inhibitory neurons, each with 1,000 excitatory inputs (multapses
allowed) and 250 inhibitory ones, delays of 1.5 ms, ticks of 0.1 ms, at about 10 Hz. The constant
input is after Brunel 2000, J. Comput. Neurosci. 8:183 (fig. 8, network of inhibition-dominated
LIF neurons with delta synapses), with a drive of its own for every neuron. All ten million
excitatory synapses learn by the rule asked for, in steps too small to change the activity: both
networks do the same but for the learning. Runs are interleaved; compiling is not timed.

``cpu_ns_per_event_more``: what learning adds in processor time, over the events that reached
excitatory synapses (of two threads, waiting for each other is counted too). ``sweep_ms``: one
catch-up of all synapses, which happens when a neuron has fired more often than its history is long.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from benchmarks._common import finish, parts_of
from benchmarks.sim import _harness
from ranvier import plasticity, sim
from ranvier.compile import Program, compile
from ranvier.network import Network, Plasticity, Population, Projection, Rule, Uniform
from ranvier.neurons import get

GOAL = 3.0
DT, DELAY, WEIGHT, G = 1e-4, 1.5e-3, 0.1e-3, 5.0
LIF = {"tau": 20e-3, "r": 1.0, "v_threshold": 20e-3, "v_reset": 10e-3, "v_leak": 0.0, "t_ref": 2e-3}


def network(rule: str, *, neurons: int, indegree: int, delays: int) -> Network:
    """The network; ``rule`` "" for synapses that stay as they are."""
    exc, inh = neurons * 4 // 5, neurons // 5
    rng = np.random.default_rng(1)
    sizes = {"e": exc, "i": inh}
    populations = tuple(
        Population(
            name=name, shape=(n,), model=get("lif"),
            parameters={**LIF, "bias": rng.normal(BIAS, 2e-3, n)},
            initial={"v": rng.uniform(0, 20e-3, n)},
        )
        for name, n in sizes.items()
    )  # fmt: skip
    learns = None
    if rule:
        known = [p.name for p in plasticity.get(rule).parameters]
        small = {"a_plus": 1e-9 * WEIGHT, "a_minus": 1e-9 * WEIGHT, "eta": 1e-12, "w_max": 1.0}
        learns = Plasticity(
            rule=plasticity.get(rule), parameters={k: v for k, v in small.items() if k in known}
        )
    delay = Uniform(DT * 0.51, DT * (delays + 0.49)) if delays > 1 else DELAY
    projections = []
    for seed, (pre, post) in enumerate((a, b) for a in sizes for b in sizes):
        k, weight = (indegree, WEIGHT) if pre == "e" else (indegree // 4, -G * WEIGHT)
        made = Rule("fixed_indegree", sizes[pre], sizes[post], {"k": k}, weight, seed)
        projections.append(
            Projection(
                source=pre, target=post, port="jump", connectivity=made,
                delay=delay if pre == "e" else DELAY, plasticity=learns if pre == "e" else None,
            )
        )  # fmt: skip
    return Network(
        name="balanced", populations=populations, projections=tuple(projections),
        outputs=("e", "i"),
    )  # fmt: skip


BIAS = 23e-3
"""Mean constant drive [V]."""


def _session(program: Program, threads: int, skip: int, profile: bool = False) -> sim.Session:
    session = sim.Session(program, threads=threads, record=(), profile=profile)
    session.advance(ticks=skip)
    return session


def _sweep(session: sim.Session, ticks: int) -> float:
    """Milliseconds to catch all synapses up with ``ticks``, on one thread, copies included."""
    taken = 0.0
    for _ in range(2):  # the first compiles
        session.advance(ticks=ticks)
        began = time.process_time()
        for p in session._arrays.plastic:
            p.sweep(session.tick)
        taken = 1e3 * (time.process_time() - began)
    return taken


def case(args: Any, bits: int, threads: int) -> None:
    """One precision, one number of threads."""
    chip = "ideal" if bits == 64 else "ideal32"
    size: Any = {"neurons": args.neurons, "indegree": args.indegree, "delays": args.delays}
    plain, learning = (
        compile(network(rule, **size), chip, dt=DT) for rule in ("", args.rule)
    )  # fmt: skip
    skip, ticks = round(args.skip / DT), round(args.seconds / DT)
    still, moving = _session(plain, threads, skip), _session(learning, threads, skip)
    with_rule: list[float] = []
    without: list[float] = []
    busy: dict[int, list[float]] = {0: [], 1: []}
    spikes = 0
    for _ in range(args.repeats):
        for session, times in ((still, without), (moving, with_rule)):
            before = int(session._counts[: args.neurons].sum())
            began, used = time.perf_counter(), time.process_time()
            session.advance(ticks=ticks)
            times.append(time.perf_counter() - began)
            busy[session is moving].append(time.process_time() - used)
            spikes = int(session._counts[: args.neurons].sum()) - before
    same = np.array_equal(still._counts, moving._counts)
    a, b = statistics.median(with_rule), statistics.median(without)
    ratio = statistics.median(x / y for x, y in zip(with_rule, without, strict=True))
    cpu = [statistics.median(busy[k]) for k in (0, 1)]
    events = int(moving._counts[: args.neurons * 4 // 5].sum()) / (moving.tick * DT)
    events *= args.seconds * args.indegree * 1.25
    holds = ratio <= GOAL and same
    if not holds:
        _session(learning, threads, 1, profile=True)  # compiles
        clocked = _session(learning, threads, ticks, profile=True)
        size["profile"] = parts_of(clocked.profile())
    finish(
        f"sim/plasticity_{args.rule}_float{bits}_threads{threads}",
        ours=a, peer=b, unit="s", ratio=ratio, goal=f"<= {GOAL} x the same network at rest",
        holds=holds, threads=threads, precision=bits, same_spikes=same,
        rate=spikes / args.neurons / args.seconds, cpu_ratio=cpu[1] / cpu[0],
        cpu_ns_per_event_more=1e9 * (cpu[1] - cpu[0]) / events, sweep_ms=_sweep(moving, ticks),
        repeats=args.repeats, seconds=args.seconds, **size,
    )  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = _harness.arguments(__doc__, repeats=5)
    parser.add_argument("--neurons", type=int, default=10_000)
    parser.add_argument("--indegree", type=int, default=1000, help="excitatory synapses a neuron")
    parser.add_argument("--delays", type=int, default=1, help="distinct delays (1: all 1.5 ms)")
    parser.add_argument("--rule", default="stdp")
    parser.add_argument("--float", type=int, nargs="*", default=[64, 32], choices=(32, 64))
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--skip", type=float, default=0.1, help="seconds before the timed runs")
    args = parser.parse_args()
    for bits in args.float:
        for threads in args.threads:
            case(args, bits, threads)


if __name__ == "__main__":
    main()
