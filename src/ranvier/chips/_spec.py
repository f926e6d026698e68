"""What a chip file says: limits, precision, arithmetic, interconnect, costs with citations.

A chip is data plus only the arithmetic that is its own. Everything here is frozen; a silicon
revision is ``dataclasses.replace(BASE, ...)``.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property, partial
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue, fail, unknown
from ranvier.network import Population
from ranvier.neurons import Kernel

__all__ = [
    "Chip",
    "Coefficient",
    "CoreView",
    "CostTable",
    "Evidence",
    "Implementation",
    "Incoming",
    "Limit",
    "Link",
    "Mesh",
    "Quantised",
    "QuantisedProjection",
    "Router",
    "Timing",
    "Topology",
]

Evidence = Literal["measured", "fitted", "simulated", "vendor", "derived", "unpublished"]
IntArray = NDArray[np.int64]


# -- costs ------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """One published number: what one ``per`` costs.

    ``per`` names a count: ``synaptic_op``, ``neuron_update``, ``neuron_update_active``,
    ``neuron_update_inactive``, ``spike``, ``axon_in``, ``axon_out``, ``hop_ew``, ``hop_ns``,
    ``tile_spike``, ``packet_hop``, ``step`` (one barrier), ``chip_reset``, ``core_second`` (a core
    in use), ``chip_second``, ``board_second``; a table may price further counts, which are then
    given by hand. ``includes`` names counts that are inside this number already and not priced
    again where this one is counted (a board with its chips). ``value`` is None when the number is
    not published; then ``evidence`` is ``"unpublished"`` and reports say so. ``table`` makes it a
    function of a mapping quantity, e.g. ``("tiles", ((1, 113e-9), (32, 465e-9)))``, interpolated
    linearly and held constant outside. ``spread`` is the cited relative uncertainty (low, high) as
    factors.
    """

    per: str
    unit: Literal["J", "s", "W"]
    value: float | None = None
    table: tuple[str, tuple[tuple[float, float], ...]] | None = None
    evidence: Evidence
    source: str
    conditions: str = ""
    spread: tuple[float, float] | None = None
    includes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None and self.table is None) != (self.evidence == "unpublished"):
            raise fail(
                "coefficient",
                self.per,
                "a number is given exactly when its evidence is not 'unpublished'",
                got=f"{self.value}, {self.evidence}",
            )

    def at(self, quantities: Mapping[str, float]) -> float | None:
        """The value for a mapping with these ``quantities``; None when unpublished."""
        if self.table is None:
            return self.value
        axis, points = self.table
        x, y = zip(*points, strict=True)
        return float(np.interp(quantities[axis], x, y))


@dataclass(frozen=True, kw_only=True)
class CostTable:
    """A named, cited set of energy and time coefficients that belong together.

    ``tick`` [s] is the tick they hold for, where that matters; ``chips_per_board`` turns chips into
    boards, where a machine is powered by the board.
    """

    name: str
    source: str
    energy: tuple[Coefficient, ...] = ()
    time: tuple[Coefficient, ...] = ()
    note: str = ""
    tick: float | None = None
    chips_per_board: int | None = None


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How a chip's ticks take time.

    ``"real-time"``: one tick lasts dt (times ``slowdown`` where the compute budget of a core is
    overrun). ``"barrier"``: a tick lasts as long as the busiest core plus a barrier. ``"none"``:
    the machine has no physical time.
    """

    kind: Literal["real-time", "barrier", "none"]
    source: str = ""


# -- interconnect -----------------------------------------------------------------------------
Router = tuple[int, int]


@runtime_checkable
class Topology(Protocol):
    """Where cores sit and which way a packet goes."""

    @property
    def cores(self) -> int:
        """Number of cores."""
        ...

    @property
    def multicast(self) -> bool:
        """True when one packet is copied inside the network; else one packet per target core."""
        ...

    def router(self, core: int) -> Router:
        """Coordinates of the router a core hangs on."""
        ...

    def distance(self, source: Router, target: Router) -> int:
        """Links on the way."""
        ...

    def path(self, source: Router, target: Router) -> list[Router]:
        """Routers passed, both ends included."""
        ...


@dataclass(frozen=True)
class Mesh:
    """A 2-D mesh of routers with ``cores_per_router`` cores each, routed X first, then Y."""

    width: int
    height: int
    cores_per_router: int
    multicast: bool = False

    @property
    def cores(self) -> int:
        """Number of cores."""
        return self.width * self.height * self.cores_per_router

    def router(self, core: int) -> Router:
        """Cores of one router have neighbouring numbers; routers are numbered row by row."""
        row, column = divmod(core // self.cores_per_router, self.width)
        return column, row

    def distance(self, source: Router, target: Router) -> int:
        """Manhattan distance."""
        return abs(source[0] - target[0]) + abs(source[1] - target[1])

    def path(self, source: Router, target: Router) -> list[Router]:
        """X first, then Y (dimension order)."""
        (x, y), (tx, ty) = source, target
        passed = [(x, y)]
        while x != tx:
            x += 1 if tx > x else -1
            passed.append((x, y))
        while y != ty:
            y += 1 if ty > y else -1
            passed.append((x, y))
        return passed


# -- resources --------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True, eq=False)
class CoreView:
    """What one core would hold; the argument of every limit predicate.

    ``in_axon_synapses`` [in-axons] counts the synapses each arriving source has on this core;
    ``groups`` maps population name -> neurons of it here; ``configs`` counts distinct parameter
    sets per chip-defined table; ``bits`` is the storage of one synapse; ``max_delay`` in ticks.
    """

    neurons: int
    in_axon_synapses: IntArray
    out_axons: int
    groups: Mapping[str, int]
    configs: Mapping[str, int]
    synapse_bits: float
    max_delay: int


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A capacity as a predicate: ``used(core) <= limit``. ``fixes`` rank the cheapest first."""

    resource: str
    limit: float
    used: Callable[[CoreView], float]
    unit: str = ""
    source: str = ""
    fixes: tuple[str, ...] = ()


# -- arithmetic -------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True, eq=False)
class QuantisedProjection:
    """A projection in a chip's own numbers: one entry per kept synapse, canonical order.

    ``weight`` is what one event adds to the input accumulator ``port`` (an index into the
    kernel's ports) of neuron ``post``; ``index`` is its place in the canonical list of all the
    projection's synapses, and ``origin`` maps that list to the user's weight array; ``encoding``
    is what the implementation's ``encode``/``decode`` need to translate weights.
    """

    name: str
    source: str
    target: str
    pre: IntArray
    post: IntArray
    weight: NDArray[Any]
    port: IntArray
    delay: IntArray
    index: IntArray
    origin: IntArray
    encoding: Mapping[str, Any]
    synapse_bits: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantised:
    """A population in a chip's own numbers, with its incoming weights encoded.

    ``values`` are the kernel's parameters and ``initial`` its starting state (scalars, or arrays
    [size]). ``configs[table]`` holds the rows [size, k] that neurons of one core share in a chip's
    configuration table. ``state_scale`` turns a recorded state back into SI
    (``si = raw * scale + offset``); ``aliases`` name the register that holds a state of the model.
    ``encodings`` and ``weights`` are keyed by projection name; ``weights[name] = (weight, port)``.
    ``reference`` is what finds the kernel again from a Program: plain data, no code.
    """

    kernel: Kernel
    reference: Mapping[str, Any]
    values: Mapping[str, Any]
    initial: Mapping[str, Any]
    encodings: Mapping[str, Mapping[str, Any]]
    weights: Mapping[str, tuple[NDArray[Any], IntArray]]
    synapse_bits: Mapping[str, float]
    state_scale: Mapping[str, tuple[Any, Any]] = field(default_factory=dict[str, Any])
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    configs: Mapping[str, IntArray] = field(default_factory=dict[str, Any])
    issues: tuple[Issue, ...] = ()


class Implementation(Protocol):
    """How a chip realises neuron models: the one definition of rounding."""

    @property
    def name(self) -> str:
        """What Programs call it."""
        ...

    def check(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> list[Issue] | None:
        """Labels (exact, approximate, refused) of a population on this chip; None = not mine."""
        ...

    def quantise(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> Quantised:
        """Into the chip's own numbers."""
        ...

    def kernel(self, reference: Mapping[str, Any]) -> Kernel:
        """The update kernel a Program refers to."""
        ...

    def encode(
        self, weights: NDArray[np.float64], encoding: Mapping[str, Any]
    ) -> tuple[NDArray[Any], IntArray]:
        """SI weights -> (accumulator units, port)."""
        ...

    def decode(
        self, weights: NDArray[Any], port: IntArray, encoding: Mapping[str, Any]
    ) -> NDArray[np.float64]:
        """Accumulator units -> SI weights."""
        ...


@dataclass(frozen=True, eq=False)
class Incoming:
    """A projection as its target sees it.

    ``signal`` is what the source emits; ``kind`` the connectivity kind (a chip may store a dense
    block without addresses); ``post`` and ``weights`` [n] are its synapses in canonical order
    (``None`` for connectivity that stays a rule, or when only labels are asked for); ``max_delay``
    is in ticks; ``rate`` [n] are expected events per tick, None where nothing is known.
    """

    port: str
    signal: str
    kind: str
    max_delay: int = 1
    post: IntArray | None = None
    weights: NDArray[np.float64] | None = None
    rate: NDArray[np.float64] | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """A connection between two parts of a system: ticks on top of the synaptic delay."""

    between: tuple[str, str]
    ticks: int = 0
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One machine. A board or a mixed system is a Chip made of ``parts`` and ``links``.

    ``dtype`` is the number format of state, parameters and accumulators in the engine
    (``"f8"`` float64, ``"f4"`` float32, ``"i8"`` int64 that the kernel wraps to the chip's own
    widths).
    ``shared_cores`` tells whether neurons of several populations may share a core;
    ``router_entries`` bounds a router's multicast table; ``cores_per_chip`` is given where the
    machine is a board of several chips. ``topology=None`` means a single core without limits.
    ``dead_cores`` of an instance are never used. ``exactness`` states what the emulation is exact
    against.
    """

    name: str
    title: str
    source: str
    dtype: Literal["f8", "f4", "i8"]
    exactness: str
    implementations: tuple[Implementation, ...] = ()
    topology: Topology | None = None
    limits: tuple[Limit, ...] = ()
    dt: float | None = None
    min_delay: int = 1
    max_delay: int | None = None
    timing: Timing = field(default_factory=lambda: Timing(kind="none"))
    costs: tuple[CostTable, ...] = ()
    shared_cores: bool = True
    router_entries: int | None = None
    cores_per_chip: int | None = None
    dead_cores: tuple[int, ...] = ()
    mismatch_seed: int | None = None
    parts: tuple[Chip, ...] = ()
    links: tuple[Link, ...] = ()
    notes: tuple[str, ...] = ()

    def implementation(self, name: str) -> Implementation:
        """By name."""
        for candidate in self.implementations:
            if candidate.name == name:
                return candidate
        raise unknown("implementation", name, [i.name for i in self.implementations])

    def choose(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> tuple[Implementation | None, list[Issue]]:
        """The first implementation that does not refuse ``population``, with its labels; else the
        first that knows its model, with its refusals; (None, []) where none does."""
        found: tuple[Implementation | None, list[Issue]] = None, []
        for candidate in self.implementations:
            labels = candidate.check(population, incoming, dt)
            if labels is None:
                continue
            if not any(i.severity == "refused" for i in labels):
                return candidate, labels
            found = found if found[0] is not None else (candidate, labels)
        return found

    def part(self, name: str) -> Chip:
        """A part of a mixed system by name."""
        for chip in self.parts:
            if chip.name == name:
                return chip
        raise unknown("part", name, [chip.name for chip in self.parts])

    def cost_table(self, name: str | None = None) -> CostTable:
        """A cost table by name; the first by default."""
        if not self.costs:
            raise fail("no-costs", self.name, "has no cost table", hint="energy cannot be told")
        if name is None:
            return self.costs[0]
        for table in self.costs:
            if table.name == name:
                return table
        raise unknown("cost table", name, [table.name for table in self.costs])

    @property
    def usable_cores(self) -> tuple[int, ...]:
        """Physical core numbers that may be used."""
        count = 1 if self.topology is None else self.topology.cores
        return tuple(core for core in range(count) if core not in self.dead_cores)

    def chips_used(self, cores: tuple[int, ...]) -> int:
        """How many physical chips these cores lie on."""
        if self.cores_per_chip is None:
            return 1
        return len({core // self.cores_per_chip for core in cores})

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all numbers and of the source text of all arithmetic."""
        digest = hashlib.sha256()
        _feed(digest, self)
        return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Hash data by value and code by source text, so that a changed chip is noticed."""
    if is_dataclass(value) and not isinstance(value, type):
        digest.update(type(value).__qualname__.encode())
        for item in fields(value):
            digest.update(item.name.encode())
            _feed(digest, getattr(value, item.name))
        if hasattr(value, "quantise"):
            digest.update(inspect.getsource(type(value)).encode())
            module = inspect.getmodule(type(value))
            for kernel in vars(module).values():
                if isinstance(kernel, Kernel):
                    digest.update(kernel.key.encode())
    elif isinstance(value, Mapping):
        mapping = cast("Mapping[Any, Any]", value)
        for key in sorted(mapping):
            digest.update(str(key).encode())
            _feed(digest, mapping[key])
    elif isinstance(value, (tuple, list)):
        digest.update(b"(")
        for item in cast("tuple[Any, ...]", value):
            _feed(digest, item)
        digest.update(b")")
    elif inspect.isfunction(value):
        digest.update(inspect.getsource(value).encode())
        _feed(digest, value.__defaults__)
        _feed(digest, [cell.cell_contents for cell in value.__closure__ or ()])
    elif isinstance(value, partial):
        call = cast("partial[Any]", value)
        _feed(digest, [call.func, call.args, call.keywords])
    elif isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    elif isinstance(value, (str, bytes, int, float, complex, bool, np.generic, type(None))):
        plain = cast("object", value)
        digest.update(f"{type(plain).__name__}:{plain!r}".encode())
    else:  # an object of a plug-in's own: by its class and what it holds, never by its address
        digest.update(type(value).__qualname__.encode())
        _feed(digest, getattr(value, "__dict__", {}))
