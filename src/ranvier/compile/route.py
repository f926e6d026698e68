"""Route: what one event of every source costs in packets, hops and table entries."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.chips import Topology
from ranvier.compile._cores import Connections, broken_limits, core_view
from ranvier.compile._draft import Draft
from ranvier.errors import Issue, RanvierError, fail

__all__ = ["PASS", "Route"]

Router = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Route:
    """Follows the chip's own routing rule and measures congestion.

    Inputs enter at the router of ``gateway`` (a physical core number).
    """

    gateway: int = 0
    name: str = "route"

    def apply(self, draft: Draft) -> Draft:
        """Fill in ``tables``, ``ledger`` and ``quantities``; raises RanvierError where a core or
        a router table overflows."""
        topology = draft.chip.topology
        if topology is None:
            return draft
        if not 0 <= self.gateway < topology.cores:
            raise fail(
                "bad-setting",
                "route.gateway",
                f"is no core of {draft.chip.title}",
                got=self.gateway,
                limit=f"0..{topology.cores - 1}",
            )
        connections = Connections(draft)
        reach = _reach(draft, connections)
        home = _homes(draft, connections)
        ledger, issues = _check(draft, connections, reach, home)
        tables, link, entries = self._walk(draft, topology, connections, reach, home)
        table_limit = draft.chip.router_entries
        if table_limit is not None and entries and max(entries.values()) > table_limit:
            worst = max(entries, key=lambda router: entries[router])
            issues.append(
                Issue(
                    code="routing-table-full",
                    severity="refused",
                    where=f"router {worst}",
                    message="more multicast entries than the router holds",
                    got=str(entries[worst]),
                    limit=str(table_limit),
                    hint=("use larger pieces per core", "compress the tables (not built yet)"),
                )
            )
        if issues:
            raise RanvierError(*issues)
        routers = {topology.router(core) for core in draft.placement}
        quantities = {
            "tiles": float(len(routers)),
            "cores": float(len(draft.placement)),
            "chips": float(draft.chip.chips_used(draft.placement)),
            "max_link_events_per_tick": max(link.values(), default=0.0),
            "router_entries": float(max(entries.values(), default=0)),
        }
        return replace(draft, tables=tables, ledger=ledger, quantities=quantities)

    def _walk(
        self,
        draft: Draft,
        topology: Topology,
        connections: Connections,
        reach: list[NDArray[np.int64]],
        home: NDArray[np.int64],
    ) -> tuple[dict[str, dict[str, Any]], dict[tuple[Router, Router], float], dict[Router, int]]:
        """Per population and source: packets and hops; per link: load; per router: entries."""
        size = connections.size
        columns = {
            key: np.zeros(size)
            for key in ("axon_out", "hop_ew", "hop_ns", "packet_hop", "tile_spike")
        }
        link: dict[tuple[Router, Router], float] = defaultdict(float)
        entries: dict[Router, int] = defaultdict(int)
        seen: dict[tuple[Router, tuple[int, ...]], dict[str, Any]] = {}
        keyed: set[tuple[int, tuple[int, ...]]] = set()
        gate = topology.router(self.gateway)
        for source in np.flatnonzero([len(r) for r in reach]).tolist():
            core = int(home[source])
            start = gate if core < 0 else topology.router(draft.placement[core])
            cores: list[int] = reach[source].tolist()
            targets = tuple(sorted(draft.placement[core] for core in cores))
            if (start, targets) not in seen:
                seen[start, targets] = _cost_of(topology, start, targets)
            cost = seen[start, targets]
            for key, column in columns.items():
                column[source] = cost[key]
            for step in cost["links"]:
                link[step] += float(connections.rate[source])
            key = (int(home[source]), targets)
            if topology.multicast and key not in keyed:
                keyed.add(key)
                for router in cost["routers"]:
                    entries[router] += 1
        tables: dict[str, dict[str, Any]] = {}
        for population in draft.network.populations:
            first = connections.first[population.name]
            cut = slice(first, first + population.size)
            tables[population.name] = {key: column[cut] for key, column in columns.items()}
        return tables, link, entries


def _cost_of(topology: Topology, start: Router, targets: tuple[int, ...]) -> dict[str, Any]:
    """One event from ``start`` to all ``targets``: as one tree, or as a packet per core."""
    links: list[tuple[Router, Router]] = []
    routers: set[Router] = set()
    passed = 0
    for core in targets:
        path = topology.path(start, topology.router(core))
        links += list(itertools.pairwise(path))
        routers.update(path)
        passed += len(path)
    if topology.multicast:
        links = sorted(set(links))
        passed = len(routers)
    east_west = sum(a[0] != b[0] for a, b in links)
    return {
        "axon_out": len(targets),
        "hop_ew": east_west,
        "hop_ns": len(links) - east_west,
        "packet_hop": passed,
        "tile_spike": sum(topology.router(core) == start for core in targets),
        "links": links,
        "routers": routers,
    }


def _homes(draft: Draft, connections: Connections) -> NDArray[np.int64]:
    """Virtual core of every neuron; -1 for inputs."""
    home = np.full(connections.size, -1, np.int64)
    for core, pieces in enumerate(draft.cores):
        for piece in pieces:
            home[piece.index + connections.first[piece.population]] = core
    return home


def _reach(draft: Draft, connections: Connections) -> list[NDArray[np.int64]]:
    """Virtual cores that each source reaches."""
    pairs = [np.zeros((0, 2), np.int64)]
    for core, pieces in enumerate(draft.cores):
        sources = np.unique(np.concatenate([connections.into(piece)[0] for piece in pieces]))
        pairs.append(np.stack([sources, np.full(sources.size, core)], axis=1))
    both = np.concatenate(pairs)
    both = both[np.argsort(both[:, 0], kind="stable")]
    cuts = np.searchsorted(both[:, 0], np.arange(1, connections.size))
    return np.split(both[:, 1], cuts)


def _check(
    draft: Draft,
    connections: Connections,
    reach: list[NDArray[np.int64]],
    home: NDArray[np.int64],
) -> tuple[dict[str, NDArray[Any]], list[Issue]]:
    """Every limit on every core, now that the axons are known."""
    lengths = np.array([len(r) for r in reach])
    out = np.bincount(home[home >= 0], weights=lengths[home >= 0], minlength=len(draft.cores))
    ledger: dict[str, list[float]] = {limit.resource: [] for limit in draft.chip.limits}
    ledger["synapses"] = []
    issues: list[Issue] = []
    for core, pieces in enumerate(draft.cores):
        view = core_view(connections, pieces, int(out[core]))
        ledger["synapses"].append(float(view.in_axon_synapses.sum()))
        for limit in draft.chip.limits:
            ledger[limit.resource].append(float(limit.used(view)))
        for limit, used in broken_limits(draft.chip.limits, view):
            issues.append(
                Issue(
                    code="does-not-fit",
                    severity="refused",
                    where=", ".join(sorted({p.population for p in pieces})),
                    message=f"core {core} needs more {limit.resource} than it has",
                    got=f"{used:,.0f} {limit.unit}".strip(),
                    limit=f"{limit.limit:,.0f} {limit.unit}".strip(),
                    hint=(*limit.fixes, "leave room: --set partition.fill=0.5"),
                )
            )
    return {key: np.array(value) for key, value in ledger.items()}, issues


PASS = Route
