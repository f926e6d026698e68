"""Findings about a network that is legal, but probably not what was meant."""

from __future__ import annotations

import numpy as np

from ranvier.errors import Issue
from ranvier.network._network import Network

__all__ = ["lint"]


LONG = 5.0
"""Seconds. Membranes and synapses take milliseconds, adaptation up to a second or so."""


def lint(network: Network) -> list[Issue]:
    """Warnings: nothing to read, inputs and populations that lead nowhere or never get anything,
    projections whose weights are all zero."""
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
    return issues
