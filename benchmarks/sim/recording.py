"""A long recording: memory, time and bytes for 10^8 spikes to disk, and a window back.

    python -m benchmarks.sim.recording [--spikes N] [--folder DIR] [--json]

A child process writes synthetic spikes of 77,169 neurons in the eight populations of Potjans and
Diesmann 2014 (table 5: N), at 3.2 Hz, dt 0.1 ms, through ``StreamWriter``, and reports its largest
resident memory; making the spikes is not in the times. The parent opens the recording, reads the
1 % of the time in its middle, and compares it with what the child had kept of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import finish
from ranvier.events import Events, PopulationInfo, StreamWriter, open_recording

SIZES = {
    "L23E": 20683, "L23I": 5834, "L4E": 21915, "L4I": 5479,
    "L5E": 4850, "L5I": 1065, "L6E": 14395, "L6I": 2948,
}  # fmt: skip
NEURONS, RATE, DT, CHUNK = sum(SIZES.values()), 3.2, 1e-4, 10_000


def spikes(ticks: int) -> Iterator[tuple[int, str, NDArray[np.int64], NDArray[np.int64]]]:
    """(end of the chunk, population, tick, id), sorted."""
    for first in range(0, ticks, CHUNK):
        rng = np.random.default_rng(first)
        end = min(ticks, first + CHUNK)
        for name, size in SIZES.items():
            n = rng.poisson(size * RATE * DT * (end - first))
            key = np.sort(rng.integers(first * size, end * size, n))
            yield end, name, key // size, key % size


def middle(ticks: int) -> tuple[int, int]:
    """The 1 % of the time in the middle."""
    return ticks // 2, ticks // 2 + max(1, ticks // 100)


def digest(events: Events) -> list[int]:
    """Number of events, and a sum that depends on every one of them and its place."""
    mixed = (events.tick * 77171 + events.id) * np.arange(1, len(events) + 1)
    return [len(events), int(mixed.sum() % 2**61)]


def write(path: Path, ticks: int) -> dict[str, Any]:
    """Write the recording; times in seconds, memory in bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    a, b = middle(ticks)
    kept: dict[str, list[Any]] = {name: [] for name in SIZES}
    counts = {name: np.zeros(size, np.int64) for name, size in SIZES.items()}
    took, total, longest = 0.0, 0, 0.0
    writer = StreamWriter(
        path, dt=DT, program_hash="synthetic",
        populations={name: PopulationInfo(size) for name, size in SIZES.items()},
    )  # fmt: skip
    for end, name, tick, index in spikes(ticks):
        if tick.size and tick[-1] >= a and tick[0] < b:
            keep = (tick >= a) & (tick < b)
            kept[name].append((tick[keep] - a, index[keep]))
        counts[name] += np.bincount(index, minlength=SIZES[name])
        total += tick.size
        start = time.perf_counter()
        writer.append(name, tick, index)
        if name == "L6I":
            writer.append_counts(end, counts)
            writer.advance(end)
            for array in counts.values():
                array[:] = 0
        passed = time.perf_counter() - start
        took, longest = took + passed, max(longest, passed)
    running = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.perf_counter()
    writer.close(ticks)
    closed = time.perf_counter() - start
    result: dict[str, list[int]] = {}
    for name, pieces in kept.items():
        tick, index = (np.concatenate(c) for c in zip(*pieces, strict=True))
        result[name] = digest(Events(tick, index, SIZES[name], b - a, DT))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "spikes": total, "write_s": took, "longest_call_s": longest, "close_s": closed,
        "before": before, "running": running, "peak": peak, "window": result,
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spikes", type=float, default=1e8)
    parser.add_argument("--folder", help="where to write (a temporary folder by default)")
    parser.add_argument("--json", action="store_true", help="only the closing line")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    ticks = int(args.spikes / (NEURONS * RATE * DT))
    if args.child:
        print(json.dumps(write(Path(args.child), ticks)))
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "recording"
        command = [sys.executable, "-m", "benchmarks.sim.recording", "--spikes", str(args.spikes)]
        done = subprocess.run(
            [*command, "--child", str(path)], check=True, capture_output=True, text=True
        )
        child = json.loads(done.stdout)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        start = time.perf_counter()
        stored = open_recording(path)
        opened = time.perf_counter() - start
        a, b = middle(ticks)
        times: list[float] = []
        for _ in range(3):
            stored = open_recording(path)
            start = time.perf_counter()
            found = {name: stored.events(name, a, b) for name in SIZES}
            times.append(time.perf_counter() - start)
        same = {name: digest(events) for name, events in found.items()} == child["window"]
        start = time.perf_counter()
        rates = stored.rates()
        rated = time.perf_counter() - start
        mean = sum(float(r.sum()) for r in rates.values()) / NEURONS
    peak = child["peak"] / 1e6
    if not args.json:
        n, ns = child["spikes"], 1e9 * child["write_s"] / child["spikes"]
        running, before = child["running"] / 1e6, child["before"] / 1e6
        print(f"{n} spikes of {NEURONS} neurons in {ticks} ticks, {mean:.2f} Hz")
        print(f"write {child['write_s']:.1f} s, {ns:.0f} ns a spike; the longest call took "
              f"{child['longest_call_s']:.2f} s; close {child['close_s']:.1f} s")  # fmt: skip
        print(f"memory: {before:.0f} MB before, {running:.0f} MB running, {peak:.0f} MB at most; "
              f"{size / n:.2f} bytes a spike")  # fmt: skip
        print(f"open {1e3 * opened:.0f} ms; 1 % of the time, {len(SIZES)} populations: first "
              f"{1e3 * times[0]:.0f} ms, then {1e3 * min(times):.0f} ms; "
              f"rates {rated:.2f} s")  # fmt: skip
        print(f"the window holds what was written: {same}")
    finish(
        "sim/recording", ours=peak, peer=None, unit="MB", ratio=None,
        goal="under 1000 MB for 1e8 spikes, opened in under 1 s",
        holds=peak < 1000 and opened < 1 and same, spikes=child["spikes"],
        write_s=child["write_s"], close_s=child["close_s"], longest_call_s=child["longest_call_s"],
        bytes_per_spike=size / child["spikes"], open_s=opened, window_s=times[0], same=same,
    )  # fmt: skip


if __name__ == "__main__":
    main()
