"""What the benchmarks of this folder share: peers' environments, and programs run apart.

Both sides run as programs of their own, so that memory and start-up are told apart, and end with a
line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import peer_python

__all__ = [
    "PEERS", "Built", "arguments", "brian2", "cores", "in_the_way", "interleaved", "nest",
    "nest_best", "ours", "ours_by_threads", "say",
]  # fmt: skip

PEERS = Path(__file__).parent / "_peers"
ROOT = Path(__file__).resolve().parent.parent.parent
NEST = ("numpy", "nest-simulator==3.10.0")
BRIAN2 = ("setuptools", "numpy<2", "brian2==2.9.0")


def arguments(text: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """A parser with the options all benchmarks here have."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=repeats, help="pairs of runs")
    parser.add_argument("--seconds", type=float, default=1.0, help="biological time of a run")
    parser.add_argument("--base", default="python3", help="Python for a new peer environment")
    parser.add_argument("--peer-only", action="store_true", help="do not run ours")
    parser.add_argument("--json", action="store_true", help="only the closing lines")
    return parser


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(args: argparse.Namespace, text: str) -> None:
    """A remark, unless only JSON is wanted."""
    if not args.json:
        print(text, flush=True)


def nest(args: argparse.Namespace) -> str:
    """The interpreter that has NEST."""
    return peer_python(args.nest_python, NEST, args.base)


def brian2(args: argparse.Namespace) -> str:
    """The interpreter that has Brian2."""
    return peer_python(args.brian2_python, BRIAN2, args.base)


def told(command: Sequence[str], **options: Any) -> dict[str, Any]:
    """Run a program and read its closing line of JSON."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ... failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(*options: str) -> dict[str, Any]:
    """Run our side (benchmarks/sim/_ours.py) with these options."""
    return told([sys.executable, "-m", "benchmarks.sim._ours", *options], cwd=ROOT)


def in_the_way(args: argparse.Namespace, holds: bool, options: Sequence[str]) -> dict[str, Any]:
    """Where a goal is missed: where the time of one more run of ours went."""
    if holds:
        return {}
    parts = ours(*options, "--profile")["profile"]
    for what, part in parts.items():
        each = f", {part['count']:,} of {part['ns']:.3g} ns" if part["count"] else ""
        say(args, f"goal missed; time of {what}: {part['share']:.0%}{each}")
    return {"profile": parts}


def nest_best(
    python: str, script: str, options: Sequence[str], *, threads: int
) -> tuple[int, dict[int, dict[str, Any]]]:
    """NEST on 1 .. ``threads`` threads (powers of two): the best number, and what each gave."""
    start = [python, str(PEERS / script), *options, "--threads"]
    found = {n: told([*start, str(n)]) for n in _numbers(threads)}
    return min(found, key=lambda n: float(np.median(found[n]["run"]))), found


def ours_by_threads(options: Sequence[str], *, threads: int) -> dict[int, dict[str, Any]]:
    """Our side on 1 .. ``threads`` threads (powers of two); once more before, for the kernels."""
    ours(*options, "--threads", "1", "--seconds", "0.01")
    return {n: ours(*options, "--threads", str(n)) for n in _numbers(threads)}


def _numbers(threads: int) -> list[int]:
    return sorted({threads, *(2**k for k in range(8) if 2**k <= threads)})


class Built:
    """A program that Brian2 has generated and compiled in ``folder``."""

    def __init__(self, python: str, script: str, folder: Path, *options: str) -> None:
        self.folder = folder
        first, *rest = options
        command = [python, str(PEERS / script), first, str(folder), *rest]
        self.report = told(command)
        self.cpu = float("nan")
        """Processor seconds of the last run, making the synapses included."""

    def run(self) -> float:
        """Seconds of the simulation alone, as the program itself measures them."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        program = [str(self.folder / "main")]
        subprocess.run(program, cwd=self.folder, check=True, capture_output=True)
        self.cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        text = (self.folder / "results" / "last_run_info.txt").read_text()
        return float(text.split()[0])

    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """Times [s] and ids of the last run."""
        results = self.folder / "results"
        times = next(results.glob("_dynamic_array_spikes_t_*"))
        index = next(results.glob("_dynamic_array_spikes_i_*"))
        return np.fromfile(times, np.float64), np.fromfile(index, np.int32)


def interleaved(
    repeats: int, first: Callable[[], float] | None, second: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """``repeats`` pairs, one after the other; without ``first`` only the peer."""
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(repeats):
        if first is not None:
            mine.append(first())
        theirs.append(second())
        time.sleep(0.1)
    return mine, theirs
