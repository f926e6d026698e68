"""Does the mapped program give the spikes of the quantised network it was made from?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ranvier.cli._stimulus import input_sizes, populations

if TYPE_CHECKING:
    from ranvier.compile import Program
    from ranvier.network import Network

__all__ = ["verify_mapping"]

TICKS, DENSITY = 200, 0.05


def verify_mapping(
    network: Network, program: Program, settings: Sequence[str], *, seed: int
) -> list[str]:
    """Populations whose spikes the mapping changed, on ``TICKS`` ticks of random input."""
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
    stimulus = {
        name: Events.from_raster(rng.random((TICKS, size)) < DENSITY, dt=program.dt)
        for name, size in input_sizes(program).items()
    }
    names = populations(program)
    runs = [sim.run(p, stimulus, ticks=TICKS, record=names) for p in (unmapped, program)]
    return [name for name in names if not runs[0].output(name).same_as(runs[1].output(name))]


def _parts(program: Program) -> dict[str, str] | None:
    if not program.parts:
        return None
    return {b.population: name for name, part in program.parts.items() for b in part.blocks}
