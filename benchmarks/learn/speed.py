"""Training steps against matrix products alone, snnTorch and SpikingJelly, in float32.

    python -m benchmarks.learn.speed [--task linear dense long recurrent small conv] [--json]

Each task is one step (forward, backward, and Adam where there is a classifier) on spikes drawn with
the density told: a layer of 512 to 4096 LIF neurons (5 % and 50 % of inputs fire; and 2,000 ticks),
a recurrent layer 700-256-20 at two sizes of batch, and a convolutional network on 28 x 28. "GEMM"
are the matrix products of the same step and nothing else (of the convolutional network: its
convolutions and pools, tick by tick). Peers run the layers in the way their tutorials teach, and
with all ticks of the linear map at once; the faster is told. Weights are drawn alike; the rate told
is that of the first layer of neurons. Rounds of all sides are interleaved.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks._common import finish, peer_python
from benchmarks.sim._harness import ROOT, arguments, say, told

PINS = ("torch==2.13.0", "spikingjelly==2.0.0", "snntorch==1.0.0")
PEER = Path(__file__).parent / "_peers" / "layers.py"
WIDE = ("linear", "--size", "512", "4096", "--batch", "16")
LOOP = ("recurrent", "--size", "700", "256", "20", "--ticks", "100", "--density", "0.05")
TASKS: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "linear": ((*WIDE, "--ticks", "500", "--density", "0.05"), {"gemm": 0.45, "memory": 0.45}),
    "dense": ((*WIDE, "--ticks", "500", "--density", "0.5"), {"gemm": 1.4, "memory": 0.3}),
    "long": ((*WIDE, "--ticks", "2000", "--density", "0.05"), {"gemm": 0.45}),
    "recurrent": ((*LOOP, "--batch", "128"), {"gemm": 0.65}),
    "small": ((*LOOP, "--batch", "8"), {"gemm": 0.9}),
    "conv": (("conv", "--ticks", "25", "--batch", "128", "--density", "0.1"), {"snntorch": 1.1}),
}
"""Options of each, and the most that ours may take over that of GEMM, or of snnTorch."""


def _case(args: Any, name: str, python: str | None) -> None:
    options, goals = TASKS[name]
    common = [*options, "--threads", str(args.threads)]
    sides = {"ours": [sys.executable, "-m", "benchmarks.learn._ours", *common, "--repeats", "5"]}
    if python is not None:
        for library in ("snntorch", "spikingjelly"):
            sides[library] = [python, str(PEER), library, *common, "--repeats", "2"]
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(args.repeats):
        for side, command in sides.items():
            found[side].append(told(command, cwd=ROOT))
    time = {s: statistics.median(t for r in runs for t in r["run"]) for s, runs in found.items()}
    pairs = [(a, b) for r in found["ours"] for a, b in zip(r["run"], r["gemm"], strict=True)]
    ratios = {"gemm": statistics.median(a / b for a, b in pairs)}
    ratios |= {s: time["ours"] / t for s, t in time.items() if s != "ours"}
    peaks = {s: max(r["peak"] for r in runs) for s, runs in found.items()}
    if "snntorch" in peaks:
        ratios["memory"] = peaks["ours"] / peaks["snntorch"]
    known = {k: v for k, v in ratios.items() if k in goals}
    for side, value in time.items():
        say(args, f"{name}: {side} {value:.4f} s, peak {peaks[side] / 1e6:.0f} MB, "
                  f"rate {found[side][0]['rate']:.3f}")  # fmt: skip
    finish(
        f"learn/{name}", ours=time["ours"], peer=time.get("snntorch"), unit="s",
        ratio=next(iter(known.values()), None),
        goal=", ".join(f"{what} <= {most} x" for what, most in goals.items()),
        holds=all(value <= goals[what] for what, value in known.items()), ratios=ratios,
        seconds=time, peaks=peaks, rates={s: r[0]["rate"] for s, r in found.items()},
        ways={s: r[0].get("way") for s, r in found.items()}, threads=args.threads,
        first_call_s=found["ours"][0]["first"], repeats=args.repeats,
    )  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--task", nargs="*", default=list(TASKS), choices=TASKS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer-python", help="interpreter that has snnTorch and SpikingJelly")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    args = parser.parse_args()
    python = None if args.alone else peer_python(args.peer_python, PINS, args.base)
    for name in args.task:
        _case(args, name, python)


if __name__ == "__main__":
    main()
