"""Place: which physical core holds which pieces, for little traffic x distance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.compile._cores import Connections
from ranvier.compile._draft import Draft
from ranvier.errors import fail, unknown

__all__ = ["PASS", "Place", "traffic_matrix"]

METHODS = ("anneal", "sequential", "random")


@dataclass(frozen=True, kw_only=True)
class Place:
    """``"sequential"``: in order; ``"random"``: by seed; ``"anneal"``: start in order, then
    simulated annealing on swaps and moves (``steps`` tries per used core), lowering
    traffic x hops."""

    method: Literal["anneal", "sequential", "random"] = "anneal"
    steps: int = 200
    seed: int = 0
    name: str = "place"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown("option", self.method, METHODS, where="place.method")
        for name in ("steps", "seed"):
            if getattr(self, name) < 0:
                raise fail(
                    "bad-setting", f"place.{name}", "must not be negative", got=getattr(self, name)
                )

    def apply(self, draft: Draft) -> Draft:
        """Never fails: partition made sure there are enough cores."""
        usable = np.array(draft.chip.usable_cores)
        used = len(draft.cores)
        rng = np.random.default_rng([self.seed, draft.seed])
        if self.method == "random":
            chosen = rng.permutation(usable)[:used]
            return replace(draft, placement=tuple(int(c) for c in chosen))
        order = usable.copy()
        topology = draft.chip.topology
        if self.method == "anneal" and topology is not None and used > 1:
            traffic = traffic_matrix(draft)
            routers = [topology.router(int(c)) for c in usable]
            known = sorted(set(routers))
            among = np.array([[topology.distance(a, b) for b in known] for a in known])
            index = [known.index(router) for router in routers]
            distance = among[np.ix_(index, index)]
            order = order[_anneal(traffic, distance, self.steps * used, rng)]
        return replace(draft, placement=tuple(int(c) for c in order[:used]))


def traffic_matrix(draft: Draft) -> NDArray[np.float64]:
    """Expected events per tick from core to core, [cores, cores]; each source once per core.

    Inputs enter from outside and do not count.
    """
    connections = Connections(draft)
    home = np.full(connections.size, -1)
    for core, pieces in enumerate(draft.cores):
        for piece in pieces:
            home[piece.index + connections.first[piece.population]] = core
    n = len(draft.cores)
    traffic = np.zeros((n, n))
    for core, pieces in enumerate(draft.cores):
        sources = np.unique(np.concatenate([connections.into(piece)[0] for piece in pieces]))
        sources = sources[home[sources] >= 0]
        traffic[:, core] += np.bincount(
            home[sources], weights=connections.rate[sources], minlength=n
        )
    return traffic


def _anneal(
    traffic: NDArray[np.float64],
    distance: NDArray[np.int64],
    steps: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Order of the physical cores: entry i is the core of virtual core i, the rest are free."""
    used, total = traffic.shape[0], distance.shape[0]
    flow = traffic + traffic.T
    np.fill_diagonal(flow, 0)
    order = np.arange(int(total), dtype=np.int64)
    best, best_cost = order.copy(), 0.0
    cost = 0.0
    scale = float(flow.sum(1).max()) * float(distance.max()) / 4 or 1.0
    picks = rng.integers(0, used, steps), rng.integers(0, total, steps), rng.random(steps)
    for step, (i, j, chance) in enumerate(zip(*picks, strict=True)):
        if i == j:
            continue
        mine = order[:used]
        change = float(flow[i] @ (distance[order[j], mine] - distance[order[i], mine]))
        if j < used:
            change += float(flow[j] @ (distance[order[i], mine] - distance[order[j], mine]))
            # The pair itself was counted as if only one end moved.
            change += 2.0 * float(flow[i, j]) * float(distance[order[i], order[j]])
        temperature = scale * (1 - step / steps) ** 2 + 1e-12
        if change <= 0 or chance < np.exp(-change / temperature):
            order[i], order[j] = order[j], order[i]
            cost += change
            if cost < best_cost:
                best, best_cost = order.copy(), cost
    return best


PASS = Place
