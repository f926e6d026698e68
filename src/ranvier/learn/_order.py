"""The order in which populations can be computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import rustworkx as rx

__all__ = ["Stage", "order"]


@dataclass(frozen=True)
class Stage:
    """Populations computed together. ``looped``: they hear each other (or one hears itself), so
    they go tick by tick, within a tick in the order given; else whole sequences at once."""

    members: tuple[str, ...]
    looped: bool


def order(names: Sequence[str], edges: Iterable[tuple[str, str, int]]) -> tuple[Stage, ...]:
    """Stages in order of dependence; ``edges`` are (source, target, shortest delay in ticks)."""
    edges = list(edges)
    index = {name: k for k, name in enumerate(names)}
    graph = rx.PyDiGraph()
    graph.add_nodes_from(list(names))
    graph.add_edges_from_no_data([(index[a], index[b]) for a, b, _ in edges])
    home: dict[str, int] = {}
    groups = [[names[k] for k in part] for part in rx.strongly_connected_components(graph)]
    for k, group in enumerate(groups):
        home |= dict.fromkeys(group, k)
    above = TopologicalSorter({k: set[int]() for k in range(len(groups))})
    for a, b, _ in edges:
        if home[a] != home[b]:
            above.add(home[b], home[a])
    stages: list[Stage] = []
    for k in above.static_order():
        group = groups[k]
        looped = len(group) > 1 or any(a == b == group[0] for a, b, _ in edges)
        within = TopologicalSorter({name: set[str]() for name in sorted(group, key=names.index)})
        for a, b, delay in edges:
            if delay == 0 and home[a] == home[b] == k:
                within.add(b, a)
        stages.append(Stage(tuple(within.static_order()), looped))
    return tuple(stages)
