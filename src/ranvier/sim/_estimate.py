"""How much memory a program will take, from its sizes alone, and whether the machine has it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.compile import Program, machine_of
from ranvier.errors import fail
from ranvier.sim._arrays import NUMBERS, kernels_of
from ranvier.sim._layout import Layout, lay_out
from ranvier.sim._states import States
from ranvier.sim._ties import ties

__all__ = ["Estimate", "available", "check_memory", "estimate"]

MEMINFO = Path("/proc/meminfo")
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Estimate:
    """``parts``: bytes by what holds them, all taken for certain; ``perhaps``: what may be taken on
    top, when every neuron spikes or much is recorded (memory is only used where it is written);
    ``building``: what is needed beside them while the synapses are put in place."""

    parts: dict[str, int]
    perhaps: dict[str, int]
    building: int

    @property
    def bytes(self) -> int:
        """What is certainly needed at one moment."""
        return sum(self.parts.values()) + self.building

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "bytes": self.bytes,
            "parts": self.parts,
            "building": self.building,
            "perhaps": self.perhaps,
        }


def estimate(program: Program, *, threads: int | None = None, ticks: int | None = None) -> Estimate:
    """Of one chip's program or of all parts; ``ticks`` for what probes will hold."""
    if program.parts:
        found = [estimate(p, threads=threads, ticks=ticks) for p in program.parts.values()]
        return Estimate(
            _added([e.parts for e in found]),
            _added([e.perhaps for e in found]),
            max(e.building for e in found),
        )
    dtype = np.dtype(NUMBERS[machine_of(program).dtype])
    kernels = kernels_of(program)
    ports = [len(k.ports) for k in kernels]
    lazy = any("rest" in block.reference for block in program.blocks)
    layout = lay_out(program, threads, ports, groups=ties(program), aligned=lazy)
    blocks = list(zip(kernels, program.blocks, strict=True))
    asleep = ["rest" in block.reference for block in program.blocks]
    states = 2 * States(program, kernels, layout, asleep).size + program.neurons
    values = sum(int(np.size(b.values[name])) for k, b in blocks for name in k.params)
    random = sum(16 * b.n * len(k.draws) for k, b in blocks)
    synapses, delays = _synapses(program), _delays(program)
    narrow = not layout.parts or int(np.diff(layout.acc).max(initial=0)) <= 1 << 16
    weight = 4 if dtype == np.float32 else program.synapse_weight.dtype.itemsize
    rows = layout.parts * (program.sources * delays + 1) * 4
    packed = program.synapse_target.size > 0
    parts = {
        "states": states * dtype.itemsize,
        "parameters": values * dtype.itemsize,
        "random numbers": random,
        "accumulators": program.ring * (dtype.itemsize + 4),
        "rows": rows,
        "synapses": synapses * ((2 if narrow else 4) + weight),
        "counts": program.sources * 8 * 3,
    }
    if program.plastic:
        # Weight, order, target, place in its row; rows are fewer than synapses.
        parts["plasticity"] = _plastic(program) * (weight + 8 + 4 + 8)
    depth = program.max_delay + 2
    graded = any(k.output != "spike" for k in kernels)
    perhaps = {
        "history": depth * program.neurons * (4 + dtype.itemsize * graded),
        "probes": _probed(program, ticks) * dtype.itemsize,
    }
    return Estimate(parts, perhaps, rows * (3 if packed else 2) + _drawing(program, layout))


def _added(tables: list[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: sum(table.get(name, 0) for table in tables) for name in names}


def _synapses(program: Program) -> int:
    """Packed ones are counted, those of rules expected; those that learn are elsewhere."""
    drawn = sum(table.make().expected() for table in program.rules)
    return int(program.synapse_target.size) + round(drawn) - _plastic(program)


def _plastic(program: Program) -> int:
    """Synapses that learn; they are kept apart from the packed ones they begin as."""
    names = {table.name for table in program.plastic}
    packed = sum(table.count for table in program.projections if table.name in names)
    return packed + round(sum(t.make().expected() for t in program.rules if t.name in names))


def _delays(program: Program) -> int:
    """Distinct delays: each is a row of every source in every partition."""
    ticks = set(np.unique(program.row_delay).tolist())
    for table in program.rules:
        drawn = table.delays() if hasattr(table, "delays") else None
        if drawn is None:
            ticks.add(table.delay)
            continue
        low, high = drawn.bounds()
        ticks.update(
            range(max(1, int(low / program.dt + 0.5)), max(1, int(high / program.dt + 0.5)) + 1)
        )
    return max(1, len(ticks))


def _drawing(program: Program, layout: Layout) -> int:
    """Chunks of a rule that each thread holds while it draws."""
    return layout.threads * (1 << 20) * 24 if program.rules else 0


def _probed(program: Program, ticks: int | None) -> int:
    sizes = {name: slots.size for name, slots in program.slots.items()}
    return sum(
        sizes.get(p.population, 0) * -(-(ticks or 0) // p.every)
        for p in program.probes
        if p.variable != "spikes"
    )


def available() -> int | None:
    """Bytes that can be had here now: what the system says is free, or what the group of processes
    may still take, whichever is less; None where nothing is known."""
    found: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    if not found:
        with suppress(AttributeError, ValueError, OSError):
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for most, now in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            limit = int((CGROUPS / most).read_text())
            found.append(max(0, limit - int((CGROUPS / now).read_text())))
        except (OSError, ValueError):
            continue
    return min(found) if found else None


def check_memory(program: Program, *, threads: int | None = None) -> None:
    """Raises RanvierError when a program certainly needs more memory than there is."""
    there = available()
    if there is None:
        return
    needed = estimate(program, threads=threads)
    if needed.bytes <= there:
        return
    largest = max(needed.parts, key=lambda name: needed.parts[name])
    hints = [
        f"most of it are {largest}: "
        + ("use fewer synapses" if largest == "synapses" else "use a smaller network")
    ]
    if machine_of(program).dtype == "f8":
        hints.insert(0, "compile for 'ideal32', which halves most of it")
    raise fail(
        "not-enough-memory",
        program.name,
        f"needs about {_size(needed.bytes)}, {_size(there)} are available",
        hint=(*hints, "spread it over several ranks or machines"),
    )


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} GB" if number < 1000 else f"{number / 1000:,.3g} TB"
