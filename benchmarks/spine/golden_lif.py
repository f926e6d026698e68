"""One LIF neuron, ten simulators: the NIR paper's traces from its file and each tool's choices.

    python -m benchmarks.spine.golden_lif [--data FOLDER] [--json]

Reads ``lif_norse.nir`` (``lif_rockpool.nir`` for Rockpool, which ran its own graph) with the
choices of each simulator named, runs it on the ideal chip (the integer traces: on loihi1) on the
trace's own input column, and compares spikes and v (in units of the threshold) step by step. Exit
status 1 if a spike differs or a residual is above the one stated in CASES.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import finish
from ranvier import sim
from ranvier.compile import Program, compile
from ranvier.events import Events, Recording
from ranvier.frontends import nir
from ranvier.network import Probe

__all__ = ["CASES", "Case", "Result", "compare", "main"]

DT = 1e-4
TAU, THRESHOLD = float(np.float32(0.0025)), float(np.float32(0.1))
GAIN = TAU / DT
"""v of the tools that leave the weight alone and raise the threshold: 25 times NIR's."""


@dataclass(frozen=True)
class Case:
    """A trace: how to import, the largest |dv| in thresholds and why, the unit of its v column."""

    trace: str
    options: dict[str, Any]
    limit: float
    why: str
    unit: float = 1.0
    file: str = "01_lif__lif_norse.nir"
    chip: str = "ideal"
    integers: bool = False


CASES = (
    Case("exact", {"integrator": "exact", "spikes": "hold", "reset": "subtract",
                   "comparison": ">", "delays": "zero"}, 6.5e-3,
         "the event-driven solver resets at the crossing inside a tick; here spikes fall on ticks, "
         "and what v is above the threshold then stays (reset to 0 would lose it: 0.062)"),
    Case("norse", {"source": "norse"}, 5e-7, "float32 there, float64 here"),
    Case("snntorch", {"source": "snntorch", "reset": "zero"}, 5e-7,
         "float32 there; v is in units of r dt/tau", unit=GAIN),
    Case("spinnaker2", {"source": "spinnaker2", "reset": "zero"}, 2.2e-4,
         "the weight 102.02 is cut to 102 there (2e-4); v is in units of r dt/tau", unit=GAIN),
    Case("nengo", {"source": "nengo"}, 1e-12,
         "float64 on both sides; v is in units of the threshold", unit=1 / THRESHOLD),
    Case("sinabs", {"source": "sinabs"}, 5e-7, "float32 there"),
    Case("rockpool", {"source": "rockpool"}, 5e-7,
         "float32 there; its own graph, whose r its neuron does not use",
         file="01_lif__lif_rockpool.nir"),
    Case("lava_cpu_float", {"source": "lava"}, 5e-7, "float32 coefficients there"),
    Case("lava_cpu_fixed", {"source": "lava"}, 9e-3,
         "our quantiser uses all bits of the weight (Lava: 10 of 255), so its steps are finer",
         unit=16000.0, chip="loihi1"),
    Case("lava_cpu_fixed", {"source": "lava"}, 0.0, "Lava's own three integers put in its place",
         unit=16000.0, chip="loihi1", integers=True),
    Case("lava_loihi_fixed", {"source": "lava"}, 0.0,
         "the same on silicon; its v register reads 128 in the four spike steps (taken as 0)",
         unit=16000.0, chip="loihi1", integers=True),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a case gave: rows with spikes on both sides and the largest difference of v."""

    case: Case
    ours: list[int]
    theirs: list[int]
    residual: float

    @property
    def holds(self) -> bool:
        """Equal spikes, and v within the stated residual."""
        return self.ours == self.theirs and self.residual <= self.case.limit


def compare(case: Case, folder: Path) -> Result:
    """Run one case against its trace; ``residual`` is max |dv| in units of the threshold."""
    x, v, z = np.loadtxt(folder / f"golden_lif_{case.trace}.csv", delimiter=",").T
    signal = "spike" if set(np.unique(x)) <= {0.0, 1.0} else "graded"
    imported = nir.read(folder / case.file, dt=DT, signal=signal, **case.options)
    name = imported.network.outputs[0]
    network = imported.network.replace(probes=(Probe(population=name, variable="v"),))
    program = compile(network, case.chip)
    if case.integers:
        program = with_lava_integers(program)
    if case.chip == "loihi1":
        v = np.where(z > 0, 0.0, v)
    recording = sim.run(program, Events.from_raster(x[:, None], dt=DT))
    trace = scaled_v(recording, name, case.integers)
    spikes = np.unique(recording.output(name).tick).tolist()
    difference = np.abs(trace - v / case.unit).max() / THRESHOLD
    return Result(case, spikes, np.flatnonzero(z).tolist(), float(difference))


def with_lava_integers(program: Program) -> Program:
    """The program with the numbers of the NIR paper's Lava script: weight int(0.04 * 256), decay
    int(0.04 * 4095), threshold int(0.1 * 131071) >> 9 (times 64, as are weights)."""
    ratio = np.float32(DT) / np.float32(TAU)
    decay, weight = 4096 - int(ratio * 4095), int(float(ratio) * 256) * 64
    threshold = (int(np.float32(THRESHOLD) * 131071) >> 9) * 64
    block = program.blocks[0]
    values = {**block.values, "fv": decay, "vth": threshold}
    return replace(
        program,
        blocks=(replace(block, values=values),),
        synapse_weight=np.array([weight], program.synapse_weight.dtype),
    )


def scaled_v(recording: Recording, name: str, integers: bool) -> NDArray[np.float64]:
    """v in volts of the file; by Lava's own scale (1600 units for 0.1) with Lava's integers."""
    trace = recording.trace(f"{name}.v")
    return trace.raw[:, 0] / 16000.0 if integers else trace.values[:, 0]


def default_folder() -> Path:
    """The shared recordings beside the repository, or where RANVIER_DATA points."""
    given = os.environ.get("RANVIER_DATA")
    root = Path(given) if given else Path(__file__).resolve().parents[3] / "shared" / "data"
    return root / "models" / "nir"


def main(arguments: list[str] | None = None) -> int:
    """Print the table (and one line of JSON)."""
    parser = argparse.ArgumentParser(description=__doc__, prog="benchmarks.spine.golden_lif")
    parser.add_argument("--data", type=Path, default=default_folder())
    parser.add_argument("--json", action="store_true", help="only the closing line")
    given = parser.parse_args(arguments)
    if not given.data.is_dir():
        print(f"no recordings in {given.data}; say --data FOLDER or set RANVIER_DATA")
        return 2
    start = time.perf_counter()
    results = [compare(case, given.data) for case in CASES]
    if not given.json:
        print("| trace | read with | spikes (steps) | max abs dv / threshold | why |")
        print("|---|---|---|---|---|")
    for r in results if not given.json else ():
        options = "" if r.case.chip == "ideal" else f"{r.case.chip}: "
        options += ", ".join(f"{k}={v!r}" for k, v in r.case.options.items())
        equal = "equal" if r.ours == r.theirs else f"DIFFER from {r.theirs}"
        spikes = " ".join(map(str, r.ours))
        row = (r.case.trace, options, f"{spikes} ({equal})", f"{r.residual:.2g}", r.case.why)
        print(f"| {' | '.join(row)} |")
    holds = all(r.holds for r in results)
    equal = sum(r.ours == r.theirs for r in results)
    finish(
        "spine/golden_lif", ours=equal, peer=len(results), unit="traces with equal spikes",
        ratio=equal / len(results), goal="all equal, v within the stated residuals",
        holds=holds, seconds=round(time.perf_counter() - start, 1),
    )  # fmt: skip
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
