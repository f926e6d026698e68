"""What passes hand to each other: frozen, valid before and after every pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranvier.chips import Chip, Quantised, QuantisedProjection
from ranvier.errors import Issue
from ranvier.network import Network

__all__ = ["Draft", "Pass", "Piece"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """The neurons ``index`` of ``population`` that share a core."""

    population: str
    index: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """A network on its way to a Program. Each pass fills in its own fields.

    ``source_hash`` is the hash of the network as it was given. ``activity[population]`` [size] is
    the expected events per tick of each source (1 where nothing is known). ``cores`` lists the
    pieces of each virtual core, ``placement`` the physical core of each. ``rules`` names
    projections that stay procedural, ``rule_delays`` their delay in ticks. ``update`` and ``rests``
    are the algorithm and how neurons that may sleep come to rest. ``tables``, ``ledger``
    and ``quantities`` are described in Program.
    """

    network: Network
    chip: Chip
    dt: float
    seed: int = 0
    source_hash: str = ""
    activity: Mapping[str, NDArray[np.float64]] = field(default_factory=dict[str, Any])
    implementations: Mapping[str, str] = field(default_factory=dict[str, str])
    quantised: Mapping[str, Quantised] = field(default_factory=dict[str, Any])
    projections: tuple[QuantisedProjection, ...] = ()
    rules: tuple[str, ...] = ()
    rule_delays: Mapping[str, int] = field(default_factory=dict[str, int])
    update: str = "dense"
    rests: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cores: tuple[tuple[Piece, ...], ...] = ()
    placement: tuple[int, ...] = ()
    tables: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict[str, Any])
    ledger: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    quantities: Mapping[str, float] = field(default_factory=dict[str, float])
    issues: tuple[Issue, ...] = ()

    def events_per_tick(self, population: str) -> NDArray[np.float64]:
        """Expected events of each source of a population in one tick."""
        if population in self.activity:
            return self.activity[population]
        return np.ones(self.network.population(population).size)

    def to_text(self) -> str:
        """For people and golden tests: what has been decided so far."""
        lines = [f"draft of {self.network.name} for {self.chip.name}, dt {self.dt:g} s"]
        for name, implementation in self.implementations.items():
            lines.append(f"{name}: {implementation}")
            if name in self.quantised:
                quantised = self.quantised[name]
                lines += [f"    {k} = {_short(v)}" for k, v in quantised.values.items()]
        for projection in self.projections:
            delay = projection.delay
            ticks = f"{delay.min()}..{delay.max()}" if delay.size else "-"
            lines.append(
                f"{projection.name}: {projection.weight.size} synapses, weights "
                f"{_short(projection.weight)}, delay {ticks} ticks"
            )
        lines += [f"{name}: kept as a rule" for name in self.rules]
        for number, pieces in enumerate(self.cores):
            at = f" at {self.placement[number]}" if self.placement else ""
            held = ", ".join(f"{p.population} x{p.index.size}" for p in pieces)
            lines.append(f"core {number}{at}: {held}")
        lines += [f"{issue.severity}: {issue}" for issue in self.issues]
        return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    if np.ndim(value) == 0:
        return f"{value:.12g}" if isinstance(value, (int, float)) else str(value)
    array = np.asarray(value)
    return f"[{array.min():.6g} .. {array.max():.6g}; {array.size}]" if array.size else "[]"


class Pass(Protocol):
    """A frozen dataclass whose fields are its options on the command line and in Python."""

    @property
    def name(self) -> str:
        """The pass's name, as in ``--set name.option=value``."""
        ...

    def apply(self, draft: Draft) -> Draft:
        """A new draft; raises RanvierError with ranked fixes when it cannot be done."""
        ...
