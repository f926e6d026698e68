"""Partition: which neurons share a core, under every capacity of the chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.chips import Chip, Limit
from ranvier.compile._cores import Connections, broken_limits, core_view
from ranvier.compile._draft import Draft, Piece
from ranvier.errors import Issue, RanvierError, fail, unknown

__all__ = ["PASS", "Partition", "multicast_cost"]

IntArray = NDArray[np.int64]
METIS_EDGES = 4_000_000
"""Graphs with more synapses than this are filled in order: METIS would take minutes."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Cuts populations into pieces that fit a core.

    ``"sequential"`` fills cores with neighbouring neurons; ``"metis"`` groups neurons that share
    sources (METIS on the synapse graph) and splits what does not fit; ``"best"`` makes both and
    keeps the one with less traffic (events per tick x cores reached). ``fill`` leaves room: the
    share of every capacity that may be used.
    """

    method: Literal["best", "sequential", "metis"] = "best"
    fill: float = 1.0
    seed: int = 0
    name: str = "partition"

    def __post_init__(self) -> None:
        if self.method not in ("best", "sequential", "metis"):
            raise unknown(
                "option", self.method, ("best", "sequential", "metis"), where="partition.method"
            )
        if not 0 < self.fill <= 1:
            raise fail(
                "bad-setting",
                "partition.fill",
                "is out of range",
                got=self.fill,
                limit="0 < fill <= 1",
            )
        if self.seed < 0:
            raise fail("bad-setting", "partition.seed", "must not be negative", got=self.seed)

    def apply(self, draft: Draft) -> Draft:
        """Raises RanvierError naming population, resource, used, limit and ranked fixes."""
        chip = draft.chip
        names = [p.name for p in draft.network.populations if not p.is_input]
        whole = {n: np.arange(draft.network.population(n).size) for n in names}
        if chip.topology is None:
            return replace(
                draft, cores=(tuple(Piece(population=n, index=whole[n]) for n in names),)
            )
        # At least one of everything, or small tables (16 profiles) would allow nothing at all.
        limits = [
            replace(limit, limit=max(limit.limit * self.fill, min(limit.limit, 1.0)))
            for limit in chip.limits
        ]
        connections = Connections(draft)
        plain = [Piece(population=n, index=whole[n]) for n in names]
        cores = _fill(connections, plain, limits, chip, self.fill)
        if self.method != "sequential" and connections.post.size <= METIS_EDGES:
            grouped = [
                piece
                for start in plain
                for piece in _metis(connections, start, cores, self.seed + draft.seed)
            ]
            other = _fill(connections, grouped, limits, chip, self.fill)
            fewer = multicast_cost(connections, other) < multicast_cost(connections, cores)
            if self.method == "metis" or (fewer and len(other) <= len(chip.usable_cores)):
                cores = other
        available = len(chip.usable_cores)
        if len(cores) > available:
            raise RanvierError(_too_many(draft, cores, available))
        return replace(draft, cores=tuple(tuple(c) for c in cores))


def multicast_cost(connections: Connections, cores: Sequence[Sequence[Piece]]) -> float:
    """Expected core-to-core events per tick: each source once per core it reaches."""
    total = 0.0
    for pieces in cores:
        sources = [connections.into(piece)[0] for piece in pieces]
        reached = np.unique(np.concatenate(sources)) if sources else np.zeros(0, np.int64)
        total += float(connections.rate[reached].sum())
    return total


def _fill(
    connections: Connections,
    pieces: Sequence[Piece],
    limits: Sequence[Limit],
    chip: Chip,
    fill: float,
) -> list[list[Piece]]:
    """First fit in order: each piece goes on as far as every limit holds, then a new core."""
    cores: list[list[Piece]] = []
    current: list[Piece] = []
    for piece in pieces:
        rest, guess = piece.index, 256
        if current and not chip.shared_cores:
            cores.append(current)
            current = []
        while rest.size:
            fits = _largest(connections, current, piece.population, rest, limits, guess)
            if fits == 0:
                if not current:
                    first = replace(piece, index=rest[:1])
                    raise RanvierError(*_single_neuron(connections, first, limits, chip, fill))
                cores.append(current)
                current = []
                continue
            guess = fits
            current = [*current, Piece(population=piece.population, index=rest[:fits])]
            rest = rest[fits:]
            if rest.size:
                cores.append(current)
                current = []
    return [*cores, current] if current else cores


def _largest(
    connections: Connections,
    current: list[Piece],
    population: str,
    rest: IntArray,
    limits: Sequence[Limit],
    guess: int,
) -> int:
    """How many of ``rest`` fit on top of ``current`` (every resource grows with the number)."""

    def fits(n: int) -> bool:
        trial = [*current, Piece(population=population, index=rest[:n])]
        return not broken_limits(limits, core_view(connections, trial))

    # Gallop from the last answer: a piece is far larger than a core in a large network, and trying
    # all of it first would cost more than the search.
    high = min(rest.size, max(1, guess))
    low = 0
    while fits(high):
        if high == rest.size:
            return high
        low, high = high, min(rest.size, high + max(1, high // 8))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _metis(
    connections: Connections, piece: Piece, cores: Sequence[Sequence[Piece]], seed: int
) -> list[Piece]:
    """Group a population's neurons into as many parts as it has cores, by shared synapses."""
    import pymetis  # pyright: ignore[reportMissingTypeStubs]

    parts = sum(any(p.population == piece.population for p in core) for core in cores)
    first, n = connections.first[piece.population], piece.index.size
    pre, post = connections.pre, connections.post
    inside = (post >= first) & (post < first + n)
    a, b = pre[inside], post[inside] - first
    if parts < 2 or not a.size or a.size >= 0.9 * np.unique(a).size * n:
        return [piece]
    # Vertices: the neurons, then every outside source as a star centre without weight.
    own = (a >= first) & (a < first + n)
    _, star = np.unique(a, return_inverse=True)
    u = np.where(own, a - first, n + star)
    edges = np.unique(np.stack([np.minimum(u, b), np.maximum(u, b)], 1)[u != b], axis=0)
    vertices = int(n + star.max() + 1)
    both = np.concatenate([edges, edges[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    ptr = np.concatenate([[0], np.cumsum(np.bincount(both[:, 0], minlength=vertices))])
    graph: Any = pymetis
    _, label = graph.part_graph(
        parts,
        graph.CSRAdjacency(ptr.tolist(), both[:, 1].tolist()),
        vweights=[1] * n + [0] * (vertices - n),
        options=graph.Options(seed=seed % 2**31),
    )
    mine: IntArray = np.asarray(label[:n], np.int64)
    groups = [piece.index[mine == k] for k in range(parts)]
    return [Piece(population=piece.population, index=g) for g in groups if g.size]


def _limit_issue(where: str, limit: Limit, used: float, more: tuple[str, ...] = ()) -> Issue:
    return Issue(
        code="does-not-fit",
        severity="refused",
        where=where,
        message=f"needs more {limit.resource} than a core has",
        got=f"{used:,.0f} {limit.unit}".strip(),
        limit=f"{limit.limit:,.0f} {limit.unit}".strip(),
        hint=(*more, *limit.fixes),
    )


def _single_neuron(
    connections: Connections, one: Piece, limits: Sequence[Limit], chip: Chip, fill: float
) -> list[Issue]:
    """A neuron that no core can hold, measured against the whole core where even that is full."""
    view = core_view(connections, [one])
    whole = broken_limits(chip.limits, view)
    more = () if whole else (f"use more of each core: --set partition.fill={min(1.0, 2 * fill):g}",)
    where = f"{one.population}[{int(one.index[0])}]"
    return [
        _limit_issue(where, limit, used, more)
        for limit, used in whole or broken_limits(limits, view)
    ]


def _too_many(draft: Draft, cores: Sequence[Sequence[Piece]], available: int) -> Issue:
    """Name the population that takes the most cores, and what bounds it there."""
    connections = Connections(draft)
    takes: dict[str, int] = {}
    for core in cores:
        for name in {piece.population for piece in core}:
            takes[name] = takes.get(name, 0) + 1
    largest = max(takes, key=lambda name: takes[name])
    full = next(c for c in cores if any(p.population == largest for p in c))
    view = core_view(connections, full)
    tightest = max(draft.chip.limits, key=lambda limit: limit.used(view) / limit.limit)
    shrink = int(100 * available / len(cores))
    # Parts of a system hold whole populations, so a second chip helps only if each one fits.
    fits = takes[largest] <= available
    spread = (f"spread over two chips: --chip {draft.chip.name}+{draft.chip.name}",) if fits else ()
    return Issue(
        code="too-many-cores",
        severity="refused",
        where=largest,
        message=f"the network does not fit {draft.chip.title}: {largest} alone takes "
        f"{takes[largest]} cores, bounded by {tightest.resource} "
        f"({tightest.used(view):,.0f} of {tightest.limit:,.0f} on one core)",
        got=f"{len(cores)} cores",
        limit=f"{available} cores",
        hint=(
            f"shrink {largest} to about {shrink} % of its size",
            *tightest.fixes,
            *spread,
        ),
    )


PASS = Partition
