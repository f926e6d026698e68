"""The ideal machine: float64, no limits, every model as stated. The reference of all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.chips._spec import Chip, Incoming, Quantised
from ranvier.errors import Issue
from ranvier.network import Population
from ranvier.neurons import Kernel, NeuronModel, discretise, rest_map

__all__ = ["CHIP", "Equations"]


@dataclass(frozen=True)
class Equations:
    """Any neuron model, run as stated: exact propagators where linear, a named solver otherwise.

    ``single`` is said in the labels: the machine computes in float32.
    """

    name: str = "equations"
    single: bool = False

    def check(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> list[Issue] | None:
        """Exact on the grid for linear models; the solver is named otherwise."""
        model = population.model
        assert model is not None
        discrete = discretise(model, population.parameters, dt, population.method)
        exact = discrete.method in ("exact", "discrete") and not self.single
        rounded = ", rounded to float32" if self.single else ""
        return [
            Issue(
                code="integration",
                severity="exact" if exact else "approximate",
                where=population.name,
                message=f"{model.name} integrated by {discrete.method}{rounded}",
            )
        ]

    def quantise(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> Quantised:
        """Nothing is rounded: weights and parameters stay float64."""
        model = population.model
        assert model is not None
        # Only ports that receive something: a smaller kernel and fewer accumulators.
        used = [p.name for p in model.ports if any(g.port == p.name for g in incoming.values())]
        discrete = discretise(model, population.parameters, dt, population.method, ports=used)
        encodings = {
            name: {"port": discrete.kernel.ports.index(given.port)}
            for name, given in incoming.items()
        }
        return Quantised(
            kernel=discrete.kernel,
            reference={
                "implementation": self.name,
                "model": model.to_dict(),
                "method": discrete.method,
                "refractory": "refractory_left" in discrete.kernel.state,
                "ports": used,
            },
            values=discrete.values,
            initial={**discrete.initial, **population.initial},
            encodings=encodings,
            weights={
                name: self.encode(given.weights, encodings[name])
                for name, given in incoming.items()
                if given.weights is not None
            },
            synapse_bits=dict.fromkeys(incoming, 32.0 if self.single else 64.0),
        )

    def rest(self, population: Population, dt: float) -> dict[str, Any] | None:
        """How its neurons move while nothing arrives; None where that has no closed form."""
        assert population.model is not None
        return rest_map(population.model, population.parameters, dt, population.method)

    def kernel(self, reference: Mapping[str, Any]) -> Kernel:
        """Generated from the statement carried by the program."""
        model = NeuronModel.from_dict(reference["model"])
        # The text of a kernel does not depend on parameter values (only on whether there is a
        # refractory time at all), so any legal ones will do.
        dummy = {p.name: 1.0 if p.default is None else p.default for p in model.parameters}
        if model.refractory is not None:
            dummy[model.refractory] = 1.0 if reference["refractory"] else 0.0
        return discretise(model, dummy, 1e-3, reference["method"], ports=reference["ports"]).kernel

    def encode(
        self, weights: NDArray[np.float64], encoding: Mapping[str, Any]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Unchanged."""
        return weights, np.full(weights.size, encoding["port"], np.int64)

    def decode(
        self, weights: NDArray[Any], port: NDArray[np.int64], encoding: Mapping[str, Any]
    ) -> NDArray[np.float64]:
        """Unchanged."""
        return weights.astype(np.float64)


CHIP = Chip(
    name="ideal",
    title="Ideal machine",
    source="float64 arithmetic, no limits (this project)",
    dtype="f8",
    exactness="the model's own equations, exact on the time grid where they are linear",
    implementations=(Equations(),),
    min_delay=0,
)
