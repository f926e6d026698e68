"""Whether electrical synapses are weak enough for a tick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue
from ranvier.network import Network, Population, Synapses
from ranvier.neurons._algebra import derivative
from ranvier.neurons._expr import evaluate, names

__all__ = ["strong_gaps"]


def _slope(population: Population, state: str, variable: str) -> Any:
    """How fast ``state`` moves per unit of ``variable`` (1/C of a membrane: [V/s/A]); None where
    that is no matter of the parameters alone."""
    model = population.model
    assert model is not None
    for equation in model.parsed:
        if equation.kind == "ode" and equation.variable == state:
            slope = derivative(model.expand(equation.expr), variable)
            if set(names(slope)) <= set(population.parameters):
                return evaluate(slope, population.parameters)
    return None


def strong_gaps(network: Network, synapses: Mapping[str, Synapses], dt: float) -> list[Issue]:
    """Warnings where ``dt * sum(g) / C`` is above 1 for some neuron, g being the conductances onto
    it.

    What flows during a tick follows from the potentials before it (explicit Euler), so a neuron
    between neighbours at the other side of it goes to -2*dt*sum(g)/C + 1 times where it was. By
    Gershgorin's theorem nothing grows below 1; a grid whose cells do not leak does above it, one
    with a leak of time constant tau above about ``1 + (dt/tau)**2/12``.
    """
    strength: dict[tuple[str, str], NDArray[np.float64]] = {}
    who: dict[tuple[str, str], list[str]] = {}
    for p in network.projections:
        if not p.gap or p.name not in synapses:
            continue
        target = network.population(p.target)
        assert target.model is not None
        slope = _slope(target, p.gap, target.model.port(p.port or None).variable)
        if slope is None:
            continue
        found = synapses[p.name]
        total = np.bincount(found.post, np.abs(found.weight), minlength=target.size)
        key = (p.target, p.gap)
        strength[key] = strength.get(key, np.zeros(target.size)) + dt * total * np.abs(slope)
        who.setdefault(key, []).append(p.name)
    return [
        Issue(
            code="gap-unstable",
            severity="warning",
            where=", ".join(who[population, state]),
            message=f"so strong that {population}.{state} may swing without end: dt*sum(g)/C is"
            " too large",
            got=f"{value.max():.3g}, at neuron {int(value.argmax())}",
            limit="1 (0.5 without overshoot)",
            hint=(f"use a dt of at most {dt / value.max():.2g} s", "use smaller conductances"),
        )
        for (population, state), value in strength.items()
        if value.size and value.max() > 1 + 1e-9
    ]
