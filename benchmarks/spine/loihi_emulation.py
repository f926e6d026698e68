"""Emulating Loihi 1: how fast, against nengo-loihi's emulator and against our own ideal machine.

    python -m benchmarks.spine.loihi_emulation [--peer-python PY | --base python3.9] [--json]

One random 784-512-10 network and one random input raster. The network is compiled for loihi1; the
integers of that program (mantissas, exponents, decays, thresholds) go to nengo-loihi's emulator, so
both run the same network on the same spikes, and the output spikes are compared. Runs are
interleaved, medians of pairs are reported; compiling and building are not timed on either side.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import finish, median_ratio, peer_python
from ranvier import sim
from ranvier.compile import Program, compile
from ranvier.events import Events
from ranvier.network import Dense, Network, Population, Projection

PINS = ("numpy==1.22.4", "scipy==1.10.1", "nengo==3.2.0", "nengo-loihi==1.1.0")
SIZES = (784, 512, 10)
LIF = {"tau": 0.02, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0, "r": 1.0}


def network(seed: int) -> Network:
    """Random weights scaled so that each layer fires at a few per cent."""
    rng = np.random.default_rng(seed)
    names = ["in", "hidden", "out"]
    populations = [Population(name="in", shape=(SIZES[0],))]
    projections = []
    for k in (1, 2):
        weights = rng.normal(0.02 / k, 0.6 / np.sqrt(SIZES[k - 1]), (SIZES[k], SIZES[k - 1]))
        populations.append(
            Population(name=names[k], shape=(SIZES[k],), model="lif", parameters=LIF)  # type: ignore[arg-type]
        )
        projections.append(
            Projection(
                source=names[k - 1], target=names[k], connectivity=Dense(weights), port="jump"
            )
        )
    return Network(
        name="bench", populations=tuple(populations), projections=tuple(projections),
        outputs=("hidden", "out"),
    )  # fmt: skip


def integers(program: Program, raster: np.ndarray) -> dict[str, Any]:
    """The program's own numbers in the layout of the peer script."""
    found: dict[str, Any] = {"raster": raster.astype(np.int64)}
    for k, (pre, post) in enumerate((("in", "hidden"), ("hidden", "out")), start=1):
        table = next(t for t in program.projections if t.name == f"{pre}->{post}")
        exponent = int(table.encoding["exponent"])
        matrix = np.zeros((SIZES[k], SIZES[k - 1]), np.int64)
        mine = (program.synapse_origin >= table.first) & (
            program.synapse_origin < table.first + table.count
        )
        index = program.synapse_origin[mine] - table.first  # canonical: source, then target
        matrix[index % SIZES[k], index // SIZES[k]] = program.synapse_weight[mine] >> (6 + exponent)
        block = next(b for b in program.blocks if b.population == post)
        found |= {
            f"W{k}": matrix, f"wexp{k}": exponent, f"du{k}": 4095 - int(block.values["fu"]),
            f"dv{k}": 4096 - int(block.values["fv"]), f"vth{k}": int(block.values["vth"]) // 64,
            f"refract{k}": int(block.values["refract"]),
        }  # fmt: skip
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", help="interpreter that has nengo-loihi 1.1.0")
    parser.add_argument("--base", default="python3.9", help="Python for a new peer environment")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--ticks", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="only the closing lines")
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    raster = (rng.random((args.ticks, SIZES[0])) < 0.1).astype(np.int64)
    stimulus = Events.from_raster(raster, dt=1e-3)
    net = network(0)
    machines = {chip: compile(net, chip, dt=1e-3) for chip in ("loihi1", "ideal")}
    peer = peer_python(args.peer_python, PINS, args.base)
    script = Path(__file__).parent / "_peers" / "nengo_loihi_peer.py"
    times: dict[str, list[float]] = {"loihi1": [], "ideal": [], "nengo": []}
    sessions = {chip: sim.session(program) for chip, program in machines.items()}
    recordings = {chip: sim.run(program, stimulus) for chip, program in machines.items()}
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "network.npz", Path(folder) / "spikes.npz"
        np.savez(source, **integers(machines["loihi1"], raster))
        for _ in range(args.repeats):
            for chip in ("loihi1", "ideal"):
                sessions[chip] = sim.session(machines[chip])
                start = time.perf_counter()
                sessions[chip].advance(stimulus, ticks=args.ticks)
                times[chip].append(time.perf_counter() - start)
            done = subprocess.run(
                [peer, str(script), str(source), "--out", str(out), "--repeats", "1",
                 "--layout", "whole", "--probe", "all"],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            times["nengo"].append(_seconds(json.loads(done.stdout.strip().splitlines()[-1])))
        theirs = np.load(out)
        same = all(
            np.array_equal(
                recordings["loihi1"].output(name).raster(), _raster(theirs, k, args.ticks, name)
            )
            for k, name in ((1, "hidden"), (2, "out"))
        )
    ours, nengo, ratio = median_ratio(times["loihi1"], times["nengo"])
    events = {chip: _events(machines[chip], r) for chip, r in recordings.items()}
    per_event = {chip: [t / events[chip] for t in times[chip]] for chip in machines}
    ours_event, ideal_event, inverse = median_ratio(per_event["loihi1"], per_event["ideal"])
    if not args.json:
        print(f"{args.ticks} ticks, {len(stimulus)} input spikes, synaptic events {events}")
        print(f"loihi1 {ours * 1e3:.2f} ms, nengo-loihi {nengo * 1e3:.1f} ms: {ratio:.0f} x")
        print(f"same spikes in both layers: {same}")
        print(f"synaptic event: loihi1 {ours_event * 1e9:.2f} ns, ideal {ideal_event * 1e9:.2f} ns")
    common = {"ticks": args.ticks, "repeats": args.repeats, "threads": 1}
    finish(
        "spine/loihi_emulation", ours=ours, peer=nengo, unit="s", ratio=ratio,
        goal=">= 50 x nengo-loihi's emulator, same spikes", holds=ratio >= 50 and same,
        same_spikes=same, peer_layout="whole (its best case)", **common,
    )  # fmt: skip
    finish(
        "spine/loihi_event_cost", ours=ours_event, peer=ideal_event, unit="s/synaptic event",
        ratio=1 / inverse, goal="<= 2 x the ideal machine on the same engine",
        holds=1 / inverse <= 2, **common,
    )  # fmt: skip


def _events(program: Program, recording: Any) -> int:
    """Synaptic events: every event of every source times its number of synapses."""
    rows = np.diff(program.row_ptr)[program.route_row]
    fan_out = np.add.reduceat(np.append(rows, 0), program.route_ptr[:-1])
    fan_out[np.diff(program.route_ptr) == 0] = 0
    return int(sum(recording.totals(n) @ fan_out[slots] for n, slots in program.slots.items()))


def _seconds(report: Any) -> float:
    values = report.get("seconds", report)
    return float(np.median(values))


def _raster(theirs: Any, layer: int, ticks: int, name: str) -> np.ndarray:
    for key in (f"spikes{layer}", name, f"layer{layer}"):
        if key in theirs:
            return theirs[key].reshape(ticks, -1)
    raise SystemExit(f"the peer's file has no spikes of layer {layer}: {list(theirs)}")


if __name__ == "__main__":
    main()
