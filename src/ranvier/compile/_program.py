"""Programs: a network in a chip's own numbers, placed on its cores. Data only, no code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import chips
from ranvier.bundle import content_hash, read_bundle, write_bundle
from ranvier.chips import Chip
from ranvier.compile._check_program import check_program
from ranvier.errors import Issue, fail
from ranvier.network import Chunk, Distribution, Probe, Rule, distribution_from
from ranvier.network._bundle import pack_arrays, unpack_arrays

__all__ = [
    "Block",
    "Bridge",
    "GapTable",
    "InputBlock",
    "PlasticTable",
    "Program",
    "ProjectionTable",
    "RuleTable",
    "load_program",
    "machine_of",
]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Neurons of one population on one core: slots ``start .. start+n``.

    ``reference`` finds the kernel on the chip; ``values`` and ``initial`` are its parameters and
    starting state in the chip's own numbers (scalars or arrays [n]). ``ring`` is the position of
    its input accumulators: port p of neuron i is ``ring + p*n + i``. ``state_scale`` turns a state
    into SI: raw * scale + offset; ``aliases`` name the register behind a state of the model.
    """

    population: str
    core: int
    start: int
    n: int
    ring: int
    reference: Mapping[str, Any]
    values: Mapping[str, Any]
    initial: Mapping[str, Any]
    output: str
    state_scale: Mapping[str, Any]
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class InputBlock:
    """An input population: its sources are the slots ``start .. start+n``."""

    population: str
    start: int
    n: int
    signal: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectionTable:
    """The source map of a projection: which packed synapses are its own.

    Synapse k of the packed table belongs to this projection when
    ``first <= synapse_origin[k] < first + count``; the difference is its position in the network's
    canonical list of the projection's synapses, and ``origin`` maps that to the user's array.
    """

    name: str
    first: int
    count: int
    encoding: Mapping[str, Any]
    implementation: str
    origin: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class RuleTable:
    """Connectivity kept as rule and seed; expanded by the engine when it loads the program.

    ``first`` is its place in the canonical order of all synapses; its sources are the slots from
    ``source`` on, its targets the accumulators from ``ring`` on. ``delay`` is that of all synapses
    in ticks, or the longest one where ``law`` (a distribution of seconds as plain data) draws them.
    """

    name: str
    first: int
    source: int
    ring: int
    delay: int
    rule: Mapping[str, Any]
    law: Mapping[str, Any] | None = None

    def make(self) -> Rule:
        """The rule itself."""
        return self._made

    @cached_property
    def _made(self) -> Rule:
        return Rule(**self.rule)

    def delays(self) -> Distribution | None:
        """The distribution of delays [s]; None where all are ``delay`` ticks."""
        return None if self.law is None else distribution_from(self.law, f"delay of {self.name}")

    def chunks(
        self, first: int, last: int, dt: float, *, weights: bool = True, most: int = 1 << 20
    ) -> Iterator[Chunk]:
        """Synapses onto the targets first .. last - 1 (numbers within the projection), about
        ``most`` at a time; see :meth:`Rule.chunks`."""
        return self.make().chunks(
            first, last, delay=self.delays(), dt=dt, weights=weights, most=most
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PlasticTable:
    """A projection whose weights change: its rule as a statement, and where its ends lie.

    Its synapses are the packed ones of the projection ``name``, or its rule of connection. Sources
    are the slots from ``source`` on, targets the neurons of block ``block`` at port ``port``;
    ``reward`` names the input that carries the third factor.
    """

    name: str
    source: int
    sources: int
    block: int
    port: int
    rule: Mapping[str, Any]
    parameters: Mapping[str, float]
    reward: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class GapTable:
    """Electrical synapses of a projection: ``weight`` [n] * (``state`` of slot ``pre`` - that of
    slot ``post``), both as they were after the last tick, is added to accumulator ``ring``."""

    name: str
    state: str
    pre: IntArray
    post: IntArray
    ring: IntArray
    weight: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """Events of ``population`` in part ``source`` appear as input ``population`` in ``target``."""

    source: str
    target: str
    population: str
    ticks: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """What ``compile`` made of a network for one chip.

    Sources are numbered by slot: neurons first (core by core), then inputs. The events of source s
    go along ``route_row[route_ptr[s]:route_ptr[s+1]]``; row r lies on core ``row_core[r]``, takes
    ``row_delay[r]`` ticks, and holds synapses ``row_ptr[r]:row_ptr[r+1]`` with accumulator
    ``synapse_target`` and weight ``synapse_weight``. ``slots[population]`` [size] is the source map
    from neuron index to slot. ``tables`` hold, per source, what one event costs in packets and
    hops; ``ledger[resource]`` is what each used core holds, ``limits[resource]`` what it may.
    A mixed system has ``parts`` and ``bridges`` instead of blocks.
    """

    name: str
    chip: str
    chip_hash: str
    network_hash: str
    dt: float
    seed: int
    blocks: tuple[Block, ...] = ()
    inputs: tuple[InputBlock, ...] = ()
    outputs: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, Any])
    slots: Mapping[str, IntArray] = field(default_factory=dict[str, Any])
    neurons: int = 0
    sources: int = 0
    ring: int = 0
    max_delay: int = 1
    route_ptr: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    route_row: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    row_ptr: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    row_core: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    row_delay: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    synapse_target: NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.int32))
    synapse_weight: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    synapse_origin: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    projections: tuple[ProjectionTable, ...] = ()
    rules: tuple[RuleTable, ...] = ()
    gaps: tuple[GapTable, ...] = ()
    plastic: tuple[PlasticTable, ...] = ()
    cores: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    tables: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    ledger: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    quantities: Mapping[str, float] = field(default_factory=dict[str, float])
    algorithms: Mapping[str, str] = field(default_factory=dict[str, str])
    issues: tuple[Issue, ...] = ()
    parts: Mapping[str, Program] = field(default_factory=dict[str, Any])
    bridges: tuple[Bridge, ...] = ()

    @property
    def synapses(self) -> int:
        """Number of stored synapses, parts included."""
        return int(self.synapse_target.size) + sum(p.synapses for p in self.parts.values())

    @property
    def exactness(self) -> str:
        """``"exact"`` or ``"approximate"``, the worst label of any node."""
        labels = {i.severity for i in self.all_issues}
        return "approximate" if "approximate" in labels else "exact"

    @property
    def all_issues(self) -> tuple[Issue, ...]:
        """Issues of this program and its parts."""
        return (*self.issues, *(i for p in self.parts.values() for i in p.all_issues))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content."""
        return content_hash(*_encode(self))

    def save(self, path: str | Path) -> Path:
        """Write as a bundle, atomically."""
        return write_bundle(path, "program", *_encode(self))


def machine_of(program: Program) -> Chip:
    """The very chip a program was compiled for; raises RanvierError when it is not here."""
    return chips.find(program.chip, program.chip_hash)


def _encode(program: Program) -> tuple[Any, dict[str, NDArray[Any]]]:
    arrays: dict[str, NDArray[Any]] = {}
    return pack_arrays(_plain(program), "", arrays), arrays


_TABLES = ("blocks", "projections", "rules", "gaps", "plastic")


def _plain(program: Program) -> dict[str, Any]:
    document = {
        name: getattr(program, name)
        for name in program.__dataclass_fields__
        if name not in (*_TABLES, "parts", "issues", "probes", "inputs")
    }
    document["bridges"] = [asdict(b) for b in program.bridges]
    document["inputs"] = [asdict(b) for b in program.inputs]
    document["probes"] = [asdict(p) for p in program.probes]
    document["issues"] = [i.to_dict() for i in program.issues]
    for name in _TABLES:
        document[name] = [
            {key: getattr(item, key) for key in item.__dataclass_fields__}
            for item in getattr(program, name)
        ]
    document["parts"] = {name: _plain(part) for name, part in program.parts.items()}
    return document


def _issue(data: dict[str, Any]) -> Issue:
    data["hint"] = tuple(data["hint"])
    return Issue(**data)


def _make(data: dict[str, Any]) -> Program:
    items = dict(data)
    missing = sorted(Program.__dataclass_fields__.keys() - items.keys())
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    items["blocks"] = tuple(Block(**b) for b in items["blocks"])
    items["inputs"] = tuple(InputBlock(**b) for b in items["inputs"])
    items["projections"] = tuple(ProjectionTable(**p) for p in items["projections"])
    items["rules"] = tuple(RuleTable(**r) for r in items["rules"])
    items["gaps"] = tuple(GapTable(**g) for g in items["gaps"])
    items["plastic"] = tuple(PlasticTable(**p) for p in items["plastic"])
    items["bridges"] = tuple(Bridge(**b) for b in items["bridges"])
    items["probes"] = tuple(Probe(**p) for p in items["probes"])
    items["issues"] = tuple(_issue(i) for i in items["issues"])
    items["outputs"] = tuple(items["outputs"])
    items["shapes"] = {k: tuple(v) for k, v in items["shapes"].items()}
    items["parts"] = {name: _make(part) for name, part in items["parts"].items()}
    return Program(**items)


def load_program(path: str | Path) -> Program:
    """Read a program bundle; raises RanvierError when it is missing, damaged or not a program."""
    document, arrays = read_bundle(path, "program")
    try:
        program = _make(unpack_arrays(document, arrays))
        check_program(program)
    except Exception as error:  # a stranger's file: whatever is wrong, one clear error
        raise fail(
            "damaged-bundle",
            str(path),
            "is a bundle, but does not describe a program",
            got=f"{type(error).__name__}: {error}"[:200],
            hint="compile the network again; nothing was loaded",
        ) from error
    return program
