"""Weak and strong scaling over MPI ranks, and the bytes that docs/scaling.md predicts.

    python -m benchmarks.sim.scaling [--neurons 40000] [--ticks 2000] [--repeats 3] [--json]

A balanced network of leaky integrate-and-fire neurons (100 synapses each by rule, 1.5 ms delay,
Poisson background, dt 0.1 ms, float32) on 1 and 2 ranks of one thread each, interleaved, medians.
Strong: the same network on both. Weak: twice the neurons on 2 ranks. The spikes must be the same on
any number of ranks, and the bytes that a rank sends those of the formula.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import finish
from ranvier import sim
from ranvier.compile import compile
from ranvier.network import Network, Population, Projection, Rule
from ranvier.neurons import get, with_poisson

DT, DELAY, FANIN = 1e-4, 1.5e-3, 100


def network(neurons: int) -> Network:
    inhibitory = neurons // 5
    sizes = {"e": neurons - inhibitory, "i": inhibitory}
    cell = {"tau": 20e-3, "v_threshold": 1.0, "v_reset": 0.0, "t_ref": 2e-3,
            "poisson_rate": 6000.0, "poisson_weight": 0.01}  # fmt: skip
    model = with_poisson(get("lif"), "jump")
    return Network(
        name=f"balanced-{neurons}",
        populations=tuple(
            Population(name=k, shape=(n,), model=model, parameters=cell) for k, n in sizes.items()
        ),
        projections=tuple(
            Projection(
                source=a,
                target=b,
                port="jump",
                delay=DELAY,
                connectivity=Rule(
                    "fixed_indegree", sizes[a], sizes[b],
                    {"k": FANIN * 4 // 5 if a == "e" else FANIN // 5},
                    0.01 if a == "e" else -0.06, seed=10 * (a == "i") + (b == "i"),
                ),
            )
            for a in sizes
            for b in sizes
        ),
        outputs=("e", "i"),
    )  # fmt: skip


def predicted(session: sim.RankSession, ticks: int, spikes: int) -> int:
    """Bytes that a rank sends (docs/scaling.md)."""
    intervals = -(-ticks // session.interval)
    return 8 * intervals + 4 * ticks * len(session._arrays.layout.mine) + 4 * spikes


def work(neurons: int, ticks: int) -> None:
    """On every rank: one run, timed after a short one; rank 0 prints what happened."""
    comm = sim.world()
    program = compile(network(neurons), "ideal32", dt=DT)
    running = sim.RankSession(program, comm=comm, record=())
    running.advance(ticks=running.interval)
    sent, waited = running.bytes_sent, running.exchange_seconds
    before = running._counts.copy()
    comm.Barrier()
    began = time.perf_counter()
    running.advance(ticks=ticks)
    comm.Barrier()
    spent = time.perf_counter() - began
    mine = running._slots(running.rank)
    spikes = int((running._counts - before)[mine].sum())
    sent = running.bytes_sent - sent
    # The pace cuts the last interval of a call short, so intervals are counted, not derived.
    foretold = predicted(running, ticks, spikes)
    row = (spikes, sent, foretold, running.exchange_seconds - waited)
    rows = comm.gather(row, 0)
    recording = running.recording()
    if running.rank == 0:
        counts = np.concatenate([recording.totals("e"), recording.totals("i")])
        print(json.dumps({"seconds": spent, "rows": rows, "spikes": int(sum(r[0] for r in rows)),
                          "digest": zlib.crc32(counts.tobytes())}))  # fmt: skip


def launch(ranks: int, neurons: int, ticks: int) -> dict[str, Any]:
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1",
                   "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}  # fmt: skip
    mpiexec = Path(sys.executable).parent / "mpiexec"
    line = [mpiexec, "-n", ranks, "--oversubscribe", "--bind-to", "none", sys.executable, "-m",
            "benchmarks.sim.scaling", "--work", "--neurons", neurons, "--ticks", ticks]  # fmt: skip
    done = subprocess.run(
        [str(x) for x in line], env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=40_000)
    parser.add_argument("--ticks", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.neurons, given.ticks)
        return
    runs: dict[str, list[dict[str, Any]]] = {"one": [], "strong": [], "weak": []}
    for _ in range(given.repeats):
        runs["one"].append(launch(1, given.neurons, given.ticks))
        runs["strong"].append(launch(2, given.neurons, given.ticks))
        runs["weak"].append(launch(2, 2 * given.neurons, given.ticks))
    seconds = {k: statistics.median(r["seconds"] for r in v) for k, v in runs.items()}
    same = len({r["digest"] for k in ("one", "strong") for r in runs[k]}) == 1
    rows = [row for k in ("strong", "weak") for r in runs[k] for row in r["rows"]]
    error = max(abs(sent - foretold) / sent for _, sent, foretold, _ in rows)
    strong = statistics.median(
        a["seconds"] / b["seconds"] for a, b in zip(runs["one"], runs["strong"], strict=True)
    )
    weak = statistics.median(
        a["seconds"] / b["seconds"] for a, b in zip(runs["one"], runs["weak"], strict=True)
    )
    waiting = statistics.median(row[3] for r in runs["strong"] for row in r["rows"])
    computing = {
        k: statistics.median(r["seconds"] - row[3] for r in v for row in r["rows"])
        for k, v in runs.items()
    }
    if not given.json:
        for name, value in seconds.items():
            spikes = runs[name][0]["spikes"]
            print(f"{name:7} {value:8.3f} s, {spikes} spikes")
        print(f"speed-up on 2 ranks {strong:.2f}, weak efficiency {weak:.2f}, "
              f"bytes off the formula by {100 * error:.2f} %")  # fmt: skip
    finish(
        "sim.scaling",
        ours=seconds["strong"],
        peer=seconds["one"],
        unit="s on 2 ranks, and on 1",
        ratio=strong,
        goal="same spikes; bytes within 1 % of the formula; speed-up of 1.6 on 2 ranks",
        holds=bool(same and error < 0.01 and strong >= 1.6),
        same_spikes=same,
        bytes_error=error,
        weak_efficiency=weak,
        exchange_seconds=waiting,
        compute_seconds=computing,
        neurons=given.neurons,
        ticks=given.ticks,
        spikes=runs["one"][0]["spikes"],
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    )


if __name__ == "__main__":
    main()
