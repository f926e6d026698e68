"""Findings about a network that is legal, but probably not what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.errors import Issue
from ranvier.network._distribution import Distribution
from ranvier.network._network import Network, Projection

__all__ = ["lint"]


LONG = 5.0
"""Seconds. Membranes and synapses take milliseconds, adaptation up to a second or so."""


def lint(network: Network) -> list[Issue]:
    """Warnings: nothing to read, inputs and populations that lead nowhere or never get anything,
    projections whose weights are all zero, negative conductances, plastic weights that begin out of
    their bounds."""
    issues: list[Issue] = []

    def warn(code: str, where: str, message: str, hint: str) -> None:
        issues.append(
            Issue(code=code, severity="warning", where=where, message=message, hint=(hint,))
        )

    sources = {p.source for p in network.projections}
    targets = {p.target for p in network.projections}
    read = {*network.outputs, *(p.population for p in network.probes)}
    if not read:
        warn("no-outputs", network.name, "nothing of it is recorded", "name outputs or add probes")
    for population in network.populations:
        name = population.name
        if name not in sources and name not in read:
            what = "input feeds" if population.is_input else "population feeds"
            warn("leads-nowhere", name, f"the {what} nothing and is not recorded", "connect it")
        moving = [v for k, v in population.parameters.items() if k in ("bias", "I", "i")]
        driven = name in targets or any(np.any(np.asarray(v) != 0) for v in moving)
        if not population.is_input and not driven:
            warn("never-driven", name, "gets neither synapses nor a bias", "connect it")
        model = population.model
        for parameter in () if model is None else model.parameters:
            longest = float(np.max(population.parameters[parameter.name]))
            if parameter.unit == "s" and longest >= LONG:
                where = f"{name}.{parameter.name}"
                warn("long-time", where, f"is {longest:g} seconds", "milliseconds? 10 ms is 0.01")
    for projection in network.projections:
        weights = getattr(projection.connectivity, "weights", None)
        if weights is not None and np.size(weights) and not np.any(weights):
            warn("zero-weights", projection.name, "all weights are 0", "check how they were made")
        _signs(network, projection, warn)
    return issues


def _signs(network: Network, projection: Projection, warn: Callable[..., None]) -> None:
    """A conductance is not negative; a weight that learns begins within its bounds."""
    given: Any = getattr(projection.connectivity, "weights", None)
    if given is None:
        given = getattr(projection.connectivity, "weight", 0.0)
    low, high = given.bounds() if isinstance(given, Distribution) else _range(given)
    model = network.population(projection.target).model
    unit = next((p.unit for p in model.ports if p.name == projection.port), "") if model else ""
    if unit == "S" and low < 0:
        warn("negative-conductance", projection.name, f"has weights down to {low:.3g} S",
             "a port in siemens takes sizes; a reversal potential inhibits")  # fmt: skip
    learning = projection.plasticity
    if learning is None:
        return
    values = {**learning.rule.defaults, **learning.parameters}
    least, most = (values.get(name or "") for name in (learning.rule.w_min, learning.rule.w_max))
    if (least is not None and low < least) or (most is not None and high > most):
        warn("weight-out-of-bounds", projection.name,
             f"its weights, {low:.3g} to {high:.3g}, begin outside of {least:g} to {most:g}",
             "they jump to the bound with their first change: set w_min and w_max")  # fmt: skip


def _range(given: Any) -> tuple[float, float]:
    return (float(np.min(given)), float(np.max(given))) if np.size(given) else (0.0, 0.0)
