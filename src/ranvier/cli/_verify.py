"""Does the mapped program give the spikes of the quantised network it was made from?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranvier.cli._stimulus import input_sizes, populations

if TYPE_CHECKING:
    from ranvier.compile import Program
    from ranvier.network import Network

__all__ = ["Verdict", "verify_mapping"]

TICKS = 200
DENSITIES = (0.05, 0.3, 1.0)
"""Shares of inputs that fire in a tick; a stronger input is tried while a population is silent."""


@dataclass(frozen=True)
class Verdict:
    """Populations whose spikes the mapping changed, and those that never fired."""

    different: list[str]
    silent: list[str]
    compared: int

    @property
    def good(self) -> bool:
        """True when spikes were compared and none was changed."""
        return bool(self.compared) and not self.different

    def sentence(self) -> str:
        """For people."""
        if self.different:
            return f"verify: mapping changed the spikes of {', '.join(self.different)}"
        if not self.compared:
            return (
                "verify: no spike fell, even with every input firing in every tick:"
                " nothing was compared"
            )
        text = "verify: mapped and unmapped spikes are the same"
        if self.silent:
            text += f"; never fired, so not compared: {', '.join(self.silent)}"
        return text


def verify_mapping(
    network: Network, program: Program, settings: Sequence[str], *, seed: int
) -> Verdict:
    """Compare both on ``TICKS`` ticks of random input, stronger while a population is silent."""
    import numpy as np

    from ranvier import compile as compiler
    from ranvier import sim
    from ranvier.events import Events

    front = {p.name for p in compiler.default_passes(mapped=False)}
    kept = [text for text in settings if text.partition(".")[0] in front]
    unmapped = compiler.compile(
        network,
        program.chip,
        dt=program.dt,
        passes=compiler.passes_from_text(kept, mapped=False),
        seed=program.seed,
        parts=_parts(program),
    )
    rng = np.random.default_rng(seed)
    names = populations(program)
    different: dict[str, None] = {}
    silent, compared = list(names), 0
    for density in DENSITIES:
        stimulus = {
            name: Events.from_raster(rng.random((TICKS, size)) < density, dt=program.dt)
            for name, size in input_sizes(program).items()
        }
        a, b = (sim.run(p, stimulus, ticks=TICKS, record=names) for p in (unmapped, program))
        for name in names:
            left, right = a.output(name), b.output(name)
            compared += max(len(left), len(right))
            if len(left) or len(right):
                silent = [other for other in silent if other != name]
            if not left.same_as(right):
                different[name] = None
        if not silent or different:
            break
    return Verdict(list(different), silent, compared)


def _parts(program: Program) -> dict[str, str] | None:
    if not program.parts:
        return None
    return {b.population: name for name, part in program.parts.items() for b in part.blocks}
