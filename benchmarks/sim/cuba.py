"""Random networks of Brette et al. (2007) against Brian2's C++ programs, in float64 and float32.

    python -m benchmarks.sim.cuba [--model cuba|coba] [--neurons 4000 40000] [--json]

4,000 and 40,000 neurons of 80 synapses each. Brian2 generates and compiles a C++ program for each
number of threads and precision (with its own flags: -O3 -ffast-math -march=native); only the
simulation is timed, on both sides, with a spike recorder on. Ours, at its best number of threads,
is compared with Brian2 at its best in the same precision.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._common import finish, median_ratio
from benchmarks.sim import _harness

GOAL = {32: 3, 64: 2}


def main() -> None:
    """Run and print."""
    parser = _harness.arguments(__doc__, repeats=5)
    parser.add_argument("--brian2-python", help="interpreter that has brian2 2.9 and numpy<2")
    parser.add_argument("--model", choices=("cuba", "coba"), default="cuba")
    parser.add_argument("--neurons", type=int, nargs="*", default=[4000, 40000])
    parser.add_argument("--float", type=int, nargs="*", default=[64, 32], choices=(32, 64))
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    args = parser.parse_args()
    python = _harness.brian2(args)
    for neurons in args.neurons:
        for bits in args.float:
            with tempfile.TemporaryDirectory() as folder:
                _case(args, python, Path(folder), neurons, bits)


def _case(args, python: str, folder: Path, neurons: int, bits: int) -> None:
    name = f"sim/{args.model}_{neurons}_float{bits}"
    built = {}
    first: dict[int, float] = {}
    for n in args.threads:
        built[n] = _harness.Built(
            python, "brian2_random.py", folder / str(n), args.model, "--neurons", str(neurons),
            "--float", str(bits), "--threads", str(n), "--seconds", str(args.seconds),
        )  # fmt: skip
        first[n] = built[n].run()
        if first[n] < 5:  # threads that wait for each other on a busy machine take minutes
            first[n] = min(first[n], built[n].run(), built[n].run())
        _harness.say(args, f"{name}: Brian2 on {n} threads {first[n]:.3f} s")
    best = min(first, key=lambda n: first[n])
    chip = "ideal" if bits == 64 else "ideal32"
    alone = args.peer_only
    mine: list[dict] = []
    threads = args.threads[0]
    scale = ["--scale", str(neurons / 4000), "--scale-k", "1", "--skip", "0.1"]
    common = [args.model, *scale, "--seconds", str(args.seconds), "--chip", chip]
    if not alone and len(args.threads) > 1:
        tried = {n: _harness.ours(*common, "--threads", str(n))["run"][0] for n in args.threads}
        threads = min(tried, key=lambda n: tried[n])

    def ours() -> float:
        mine.append(_harness.ours(*common, "--threads", str(threads)))
        return mine[-1]["run"][0]

    a, b = _harness.interleaved(args.repeats, None if alone else ours, built[best].run)
    spikes = built[best].spikes()[1].size
    rate = spikes / neurons / args.seconds
    known = {
        "neurons": neurons, "precision": bits, "seconds": args.seconds, "repeats": args.repeats,
        "brian2_threads": best, "brian2_by_threads": first, "brian2_rate": rate,
        "brian2_cpu": built[best].cpu,
        "brian2_compile_s": built[best].report["compile"], "brian2": built[best].report["brian2"],
    }  # fmt: skip
    if alone:
        print(json.dumps({"name": name, "peer": float(np.median(b)), "unit": "s", **known}))
        return
    mid, peer, ratio = median_ratio(a, b)
    own = float(mine[0]["spikes"] / neurons / args.seconds)
    close = abs(own / rate - 1) < 0.15
    holds = ratio >= GOAL[bits] and close
    known |= _harness.in_the_way(args, holds, [*common, "--threads", str(threads)])
    finish(
        name, ours=mid, peer=peer, unit="s", ratio=ratio,
        goal=f">= {GOAL[bits]} x Brian2's C++ program at its best, same rate",
        holds=holds, threads=threads, rate=own, rates_agree=close,
        cpu=mine[-1]["cpu"][0], **known,
    )  # fmt: skip


if __name__ == "__main__":
    main()
