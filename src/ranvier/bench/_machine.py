"""What one machine did on a task, as far as a comparison tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ranvier.bench._divergence import Divergence
from ranvier.bench._metrics import Share, aligned, ticks, wilson
from ranvier.chips import Chip, Topology
from ranvier.compile import Program
from ranvier.errors import Issue
from ranvier.events import Events
from ranvier.report import Quantity, Report

__all__ = ["CoreUse", "Machine", "core_uses", "labels_of", "machine_facts", "programs_of"]

BYTES = {"bit": 1 / 8, "byte": 1.0}


@dataclass(frozen=True, kw_only=True)
class CoreUse:
    """A core in use: its ``place`` (router coordinates) on ``chip``, what it holds and how full.

    ``fullest`` is the resource nearest to its limit and ``share`` how much of it is used, 0..1.
    """

    chip: str
    core: int
    place: tuple[int, int]
    holds: Mapping[str, int]
    share: float
    fullest: str
    used: Mapping[str, tuple[float, float, str]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """One machine's answers and costs.

    ``shares[population]`` compare its spikes with the ideal machine's. ``energy`` and ``latency``
    are per inference; ``labels`` say how exactly each node was realised; ``divergence`` is the
    first spike that the ideal machine does not share, None where there is none.
    """

    name: str
    title: str
    source: str
    exactness: str
    against: str
    program_hash: str
    chip_hash: str
    samples: int
    correct: int
    unanswered: int
    shares: Mapping[str, Share]
    outputs: tuple[str, ...]
    cores: tuple[CoreUse, ...]
    chips: int
    synapses: int
    energy: Report | None = None
    latency: Report | None = None
    labels: tuple[Issue, ...] = ()
    divergence: Divergence | None = None
    sample: Mapping[str, Events] = field(default_factory=dict[str, Any])
    topologies: Mapping[str, Topology] = field(default_factory=dict[str, Any])

    @property
    def is_ideal(self) -> bool:
        """Whether this is the reference."""
        return self.name == "ideal"

    @property
    def accuracy(self) -> Quantity:
        """Share of samples answered right, with the Wilson 95 % interval."""
        low, high = wilson(self.correct, self.samples)
        source = f"{self.correct} of {self.samples} samples; Wilson 95 % interval"
        return Quantity(
            "accuracy", self.correct / self.samples, "1", "simulated", low, high, source, self.name
        )

    @property
    def identical(self) -> Quantity:
        """|A and B| / |A or B| over the (tick, neuron) events of all populations with neurons."""
        return self._identical("identical_spikes", tuple(self.shares))

    @property
    def identical_outputs(self) -> Quantity:
        """The same over the outputs only."""
        return self._identical("identical_output_spikes", self.outputs)

    def _identical(self, name: str, populations: tuple[str, ...]) -> Quantity:
        total = sum((self.shares[p] for p in populations if p in self.shares), Share())
        source = f"{total.both} spikes on both, {total.either} on either machine"
        value = total.identical if any(p in self.shares for p in populations) else None
        return Quantity(name, value, "1", "simulated", None, None, source, self.name)

    @property
    def shifted(self) -> Quantity | None:
        """``identical`` after the best constant shift of each population; None where none helps."""
        found = aligned(self.shares)
        if found is None:
            return None
        value, shifts = found
        source = ", ".join(f"{name} {ticks(k)}" for name, k in shifts.items())
        name = "identical_spikes_shifted"
        return Quantity(name, value, "1", "simulated", None, None, source, self.name)

    @property
    def memory(self) -> Quantity:
        """Memory used on all cores together, in bytes; None where the chip states no size."""
        sizes = [
            used * BYTES[unit]
            for core in self.cores
            for used, _, unit in core.used.values()
            if unit in BYTES
        ]
        names = dict.fromkeys(
            name for core in self.cores for name, (*_, unit) in core.used.items() if unit in BYTES
        )
        value = float(sum(sizes)) if sizes else None
        source = "from the mapping: " + ", ".join(names) if names else "no memory limit stated"
        return Quantity("memory", value, "B", "estimated", None, None, source, self.name)

    @property
    def fullest(self) -> CoreUse | None:
        """The core nearest to one of its limits."""
        known = [core for core in self.cores if core.used]
        return max(known, key=lambda core: core.share) if known else None

    def per_inference(self, kind: str) -> Quantity | None:
        """``"energy"`` [J] or ``"latency"`` [s] of one inference; None where nothing is known."""
        report = self.energy if kind == "energy" else self.latency
        name = f"{kind}_per_window"
        if report is None or name not in report or report[name].value is None:
            return None
        q = report[name]
        return Quantity(
            f"{kind}_per_inference", q.value, q.unit, q.kind, q.low, q.high, q.source, self.name
        )

    def over_samples(self, kind: str) -> Quantity | None:
        """Median and 5th to 95th percentile over samples; None where they are not known."""
        report = self.energy if kind == "energy" else self.latency
        name = f"{kind}_per_window_samples"
        if report is None or name not in report:
            return None
        return replace(report[name], name=f"{kind}_over_samples", where=self.name)

    @property
    def powered(self) -> tuple[int, int] | None:
        """Chips and boards whose static power is in the energy; None where it has none."""
        if self.energy is None or "powered_chips" not in self.energy:
            return None
        boards = self.energy["powered_boards"].value or 0
        return round(self.energy["powered_chips"].value or 0), round(boards)

    def quantities(self) -> tuple[Quantity, ...]:
        """Everything in the table, as quantities with kind, spread and source."""
        count = "from the mapping"
        found = [
            self.accuracy,
            self.identical,
            self.identical_outputs,
            *(() if self.shifted is None else (self.shifted,)),
            Quantity("cores", len(self.cores), "1", "estimated", None, None, count, self.name),
            Quantity("chips", self.chips, "1", "estimated", None, None, count, self.name),
            self.memory,
            *(q for q in map(self.per_inference, ("latency", "energy")) if q is not None),
            *(q for q in map(self.over_samples, ("latency", "energy")) if q is not None),
        ]
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "exactness": self.exactness,
            "exact_against": self.against,
            "program": self.program_hash,
            "chip": self.chip_hash,
            "samples": self.samples,
            "correct": self.correct,
            "unanswered": self.unanswered,
            "synapses": self.synapses,
            "quantities": [
                {k: getattr(q, k) for k in q.__dataclass_fields__} for q in self.quantities()
            ],
            "shares": {name: s.to_dict() for name, s in self.shares.items()},
            "energy": None if self.energy is None else self.energy.to_dict(),
            "latency": None if self.latency is None else self.latency.to_dict(),
            "labels": [{**i.to_dict(), "hint": list(i.hint)} for i in self.labels],
            "first_difference": None if self.divergence is None else self.divergence.to_dict(),
        }


def programs_of(program: Program, machine: Chip) -> Iterator[tuple[Chip, Program]]:
    """(chip, program) of every part, or of the only one."""
    if program.parts:
        for name, part in program.parts.items():
            yield machine.part(name), part
    else:
        yield machine, program


def core_uses(program: Program, machine: Chip) -> tuple[CoreUse, ...]:
    """Every core in use, on every part; none on a machine without cores."""
    found: list[CoreUse] = []
    for chip, part in programs_of(program, machine):
        if chip.topology is None:
            continue
        units = {limit.resource: limit.unit for limit in chip.limits}
        for at, core in enumerate(part.cores.tolist()):
            used = {
                name: (float(part.ledger[name][at]), float(limit), units.get(name, ""))
                for name, limit in part.limits.items()
                if name in part.ledger
            }
            shares = {name: u / limit if limit else 0.0 for name, (u, limit, _) in used.items()}
            fullest = max(shares, key=lambda name: shares[name]) if shares else ""
            holds: dict[str, int] = {}
            for block in part.blocks:
                if block.core == core:
                    holds[block.population] = holds.get(block.population, 0) + block.n
            found.append(
                CoreUse(
                    chip=chip.name,
                    core=int(core),
                    place=chip.topology.router(int(core)),
                    holds=holds,
                    share=float(np.clip(shares.get(fullest, 0.0), 0, None)),
                    fullest=fullest,
                    used=used,
                )
            )
    return tuple(found)


def labels_of(program: Program) -> tuple[Issue, ...]:
    """Exact and approximate labels of nodes, worst first within each node."""
    labels = [i for i in program.all_issues if i.severity in ("exact", "approximate")]
    return tuple(sorted(labels, key=lambda i: (i.where, i.severity == "exact")))


def machine_facts(program: Program, machine: Chip) -> dict[str, Any]:
    """The fields of :class:`Machine` that come from the mapping alone."""
    parts = list(programs_of(program, machine))
    physical = [(c, p) for c, p in parts if c.topology is not None]
    return {
        "name": machine.name,
        "title": machine.title,
        "source": machine.source,
        "exactness": program.exactness,
        "against": "; ".join(dict.fromkeys(c.exactness for c, _ in parts)),
        "program_hash": program.hash,
        "chip_hash": program.chip_hash,
        "outputs": program.outputs,
        "cores": core_uses(program, machine),
        "chips": sum(c.chips_used(tuple(p.cores.tolist())) for c, p in physical),
        "synapses": program.synapses,
        "labels": labels_of(program),
        "topologies": {c.name: c.topology for c, _ in physical},
    }
