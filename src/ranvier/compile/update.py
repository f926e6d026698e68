"""Update: whether every neuron is computed every tick, or only those that something reaches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ranvier.compile._draft import Draft
from ranvier.errors import fail, unknown

__all__ = ["PASS", "Update"]

SPARSE = 0.02
"""Expected arrivals per neuron and tick below which it pays to let neurons sleep (a sleeping neuron
that is woken costs about as much as 50 that are updated in a row: benchmarks/sim/fly.py)."""
METHODS = ("auto", "dense", "lazy")


@dataclass(frozen=True, kw_only=True)
class Update:
    """Chooses the algorithm and writes it into the program; it is never changed at run time.

    ``lazy`` lets neurons of linear models sleep while nothing arrives and their potential cannot
    reach the threshold; it agrees with ``dense`` up to rounding. ``auto`` takes it where
    the expected activity is known (``compile(activity=...)``) and sparse.
    """

    name: str = "update"
    method: Literal["auto", "dense", "lazy"] = "auto"

    def apply(self, draft: Draft) -> Draft:
        """A draft with ``update`` and, where neurons may sleep, their way to rest."""
        if self.method not in METHODS:
            raise unknown("update method", self.method, METHODS, where="update.method")
        if self.method == "dense" or (self.method == "auto" and not self._is_sparse(draft)):
            return draft
        watched = {p.population for p in draft.network.probes if p.variable != "spikes"}
        rests: dict[str, Any] = {}
        for population in draft.network.populations:
            if population.is_input or population.name in watched:
                continue
            implementation: Any = draft.chip.implementation(draft.implementations[population.name])
            rest = getattr(implementation, "rest", None)
            found = None if rest is None else rest(population, draft.dt)
            if found is not None:
                rests[population.name] = found
        if not rests and self.method == "lazy":
            raise fail(
                "cannot-sleep",
                draft.network.name,
                "no population can sleep",
                limit="linear models with shared parameters, not probed, on an ideal machine",
                hint="--set update.method=dense",
            )
        return replace(draft, rests=rests, update="lazy" if rests else "dense")

    def _is_sparse(self, draft: Draft) -> bool:
        """True where every source's activity is known and few synaptic events are expected."""
        network = draft.network
        if not network.projections or any(
            p.source not in draft.activity for p in network.projections
        ):
            return False
        arrivals = 0.0
        for p in network.projections:
            sources, _ = p.connectivity.sizes()
            fan_out = p.connectivity.most() / max(1, sources)
            arrivals += float(np.sum(draft.activity[p.source])) * fan_out
        return arrivals < SPARSE * max(1, network.neurons)


PASS = Update
