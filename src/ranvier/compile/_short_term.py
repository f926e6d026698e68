"""Short-term plasticity: a cell between a source and its synapses computes what is released."""

from __future__ import annotations

from dataclasses import replace

from ranvier.errors import Issue
from ranvier.network import Network, OneToOne, Population, Projection

__all__ = ["expand_short_term"]


def expand_short_term(network: Network) -> tuple[Network, list[Issue]]:
    """Put a population of release cells, one per source, before every projection that asks for it.

    Projections of one source with equal parameters share them. They are reached within the tick, so
    the projection keeps its delay.
    """
    if not any(p.short_term for p in network.projections):
        return network, []
    names = {p.name for p in network.populations}
    made: dict[tuple[str, object], Population] = {}
    feeds: list[Projection] = []
    projections: list[Projection] = []
    issues: list[Issue] = []
    for p in network.projections:
        if p.short_term is None:
            projections.append(p)
            continue
        key = (p.source, p.short_term)
        if key not in made:
            source = network.population(p.source)
            number = 1
            while f"{p.source}.release-{number}" in names:
                number += 1
            name = f"{p.source}.release-{number}"
            names.add(name)
            made[key] = Population(
                name=name,
                shape=source.shape,
                model=p.short_term.model,  # pyright: ignore[reportArgumentType]
                parameters=p.short_term.parameters,
            )
            feeds.append(
                Projection(
                    source=p.source,
                    target=name,
                    port="spikes",
                    connectivity=OneToOne(1.0, source.size),  # pyright: ignore[reportArgumentType]
                    delay=0.0,
                )
            )
        projections.append(replace(p, source=made[key].name, short_term=None))
        issues.append(
            Issue(
                code="short-term",
                severity="exact",
                where=p.name,
                message=f"release computed by {p.short_term.model} cells {made[key].name}",
            )
        )
    populations = (*network.populations, *made.values())
    return network.replace(populations=populations, projections=(*projections, *feeds)), issues
