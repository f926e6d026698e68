"""The cortical microcircuit (Potjans & Diesmann 2014) against NEST: speed, building, memory, rates.

    python -m benchmarks.sim.microcircuit [--scale 0.1] [--nest-python PY] [--json]
    python -m benchmarks.sim.microcircuit --scale 1 --repeats 1 --seconds 0.2     15 GB for NEST

The same numbers go to both (sizes, synapses, weights, delays, background); each draws its own
connections. Ours runs on 1 .. --threads threads and NEST too; each side's best is compared, in
wall time per biological second of a running network. Building is told apart. Both record spikes.
CPU seconds are told too: they suffer less where other programs share the cores.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._common import finish, median_ratio
from benchmarks.sim import _harness
from ranvier.apps.microcircuit import RATES, plan

GOAL, FULL_GOAL = 15, 35


def main() -> None:
    """Run and print."""
    parser = _harness.arguments(__doc__, repeats=3)
    parser.add_argument("--nest-python", help="interpreter that has nest-simulator 3.10")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=_harness.cores())
    parser.add_argument("--background", choices=("poisson", "dc"), default="poisson")
    parser.add_argument("--chip", default="ideal", help="our machine: its arithmetic")
    args = parser.parse_args()
    python = _harness.nest(args)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        numbers = plan(args.scale, args.scale, background=args.background)
        path.write_text(json.dumps(numbers.to_dict()))
        options = ["--seconds", str(args.seconds), "--skip", "0.1"]
        best, found = _harness.nest_best(
            python, "nest_microcircuit.py", [str(path), *options], threads=args.threads
        )
        for n, report in found.items():
            _harness.say(args, f"NEST, {n} threads: {_line(report, args.seconds)}")
        own = ["microcircuit", "--scale", str(args.scale), "--background", args.background,
               "--chip", args.chip, *options]  # fmt: skip
        tried = {} if args.peer_only else _harness.ours_by_threads(own, threads=args.threads)
        for n, report in tried.items():
            _harness.say(args, f"ours, {n} threads: {_line(report, args.seconds)}")
        mine: list[dict] = []
        theirs = [found[best]]
        threads = min(tried, key=lambda n: tried[n]["run"][0], default=args.threads)

        def ours() -> float:
            mine.append(_harness.ours(*own, "--threads", str(threads)))
            return mine[-1]["run"][0] / args.seconds

        def peer() -> float:
            if len(theirs) <= len(mine) and len(theirs) < args.repeats:
                one = [python, str(_harness.PEERS / "nest_microcircuit.py"), str(path), *options]
                theirs.append(_harness.told([*one, "--threads", str(best)]))
            return theirs[-1]["run"][0] / args.seconds

        a, b = _harness.interleaved(args.repeats, None if args.peer_only else ours, peer)
    common = {
        "scale": args.scale, "synapses": int(numbers.synapses.sum()), "seconds": args.seconds,
        "threads": threads, "nest_threads": best, "nest": theirs[0]["nest"],
        "background": args.background, "repeats": args.repeats, "chip": args.chip,
        "nest_build_s": _build(theirs[0]), "nest_peak_bytes": theirs[0]["peak_bytes"],
        "nest_rates": theirs[0]["rates"],
        "nest_by_threads": {n: r["run"][0] / args.seconds for n, r in found.items()},
        "ours_by_threads": {n: r["run"][0] / args.seconds for n, r in tried.items()},
        "nest_cpu_by_threads": {n: r["cpu"][0] / args.seconds for n, r in found.items()},
        "ours_cpu_by_threads": {n: r["cpu"][0] / args.seconds for n, r in tried.items()},
    }  # fmt: skip
    if args.peer_only:
        print(json.dumps({"name": "sim/microcircuit", "peer": float(np.median(b)), **common}))
        return
    rtf, peer_rtf, ratio = median_ratio(a, b)
    goal = FULL_GOAL if args.scale == 1 else GOAL
    rates = mine[0]["rates"]
    close = all(
        abs(rates[name] - theirs[0]["rates"][name]) <= 0.25 * max(r, 1.0)
        for name, r in zip(rates, RATES, strict=True)
    )
    finish(
        f"sim/microcircuit_{args.scale:g}", ours=rtf, peer=peer_rtf,
        unit="wall s / biological s", ratio=ratio, goal=f">= {goal} x NEST at its best, same rates",
        holds=ratio >= goal and close, rates=rates, rates_agree=close,
        build_s=_build(mine[0]), peak_bytes=mine[0]["peak_bytes"], **common,
    )  # fmt: skip


def _build(report: dict) -> float:
    return sum(report.get(k, 0.0) for k in ("create", "connect", "compile", "prepare"))


def _line(report: dict, seconds: float) -> str:
    rates = " ".join(f"{r:.2f}" for r in report["rates"].values())
    return (
        f"{report['run'][0] / seconds:.3f} s/s ({report['cpu'][0] / seconds:.3f} cpu),"
        f" build {_build(report):.1f} s, peak {report['peak_bytes'] / 1e9:.2f} GB, rates {rates}"
    )


if __name__ == "__main__":
    main()
