"""What benchmarks share: peer environments, medians, and the one line of JSON at the end."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["conditions", "finish", "median_ratio", "parts_of", "peer_python"]


def peer_python(given: str | None, pins: Sequence[str], base: str) -> str:
    """An interpreter that has the peer: the one given, or a new environment with ``pins``.

    ``base`` is the Python the pins need, such as ``python3.9``.
    """
    if given:
        return given
    folder = Path(tempfile.gettempdir()) / ("ranvier-peer-" + pins[-1].replace("==", "-"))
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making an environment for {pins[-1]} in {folder}", file=sys.stderr)
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *pins], check=True)
    return str(python)


def median_ratio(ours: Sequence[float], peer: Sequence[float]) -> tuple[float, float, float]:
    """(median of ours, median of the peer, median of the pairwise ratios peer / ours)."""
    ratios = [b / a for a, b in zip(ours, peer, strict=True)]
    return statistics.median(ours), statistics.median(peer), statistics.median(ratios)


def parts_of(profile: Any) -> dict[str, dict[str, float]]:
    """A session's profile by what was done: the share of all threads' time, how many (neurons times
    ticks, sleeping ones included; synapses that spikes went along), and nanoseconds of each."""
    found: dict[str, dict[str, float]] = {}
    for row in profile.rows:
        part = found.setdefault(row.what, {"share": 0.0, "seconds": 0.0, "count": 0})
        part["share"] += row.share
        part["seconds"] += row.seconds
        part["count"] += row.count
    for part in found.values():
        if part["count"]:
            part["ns"] = 1e9 * part["seconds"] / part["count"]
    return found


def conditions(**more: Any) -> dict[str, Any]:
    """Machine and versions, with whatever else matters."""
    import numba
    import numpy

    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "numpy": numpy.__version__,
        "numba": numba.__version__,
        **more,
    }


def finish(
    name: str,
    *,
    ours: float,
    peer: float | None,
    unit: str,
    ratio: float | None,
    goal: str,
    holds: bool,
    **more: Any,
) -> None:
    """Print the closing line of a benchmark."""
    line = {
        "name": name, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio, "goal": goal,
        "holds": holds, "conditions": conditions(**more),
    }  # fmt: skip
    print(json.dumps(line))
