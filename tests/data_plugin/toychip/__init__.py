"""A toy machine: integrate-and-fire neurons in integers, four cores of eight neurons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.chips import Chip, Incoming, Limit, Mesh, Quantised
from ranvier.errors import Issue
from ranvier.network import Population
from ranvier.neurons import Kernel

__all__ = ["CHIP", "Adder"]

UNIT = 64


def _step(v: int, x: int, threshold: int):
    new = v + x
    spike = 1 if new > threshold else 0
    new = 0 if spike == 1 else new
    return new, spike


KERNEL = Kernel.from_function(
    _step, name="toychip_adder", state=("v",), ports=("x",), params=("threshold",), dtype="i8"
)


@dataclass(frozen=True)
class Adder:
    """``if`` neurons whose weights and thresholds are multiples of 1/64 V."""

    name: str = "adder"

    def check(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> list[Issue] | None:
        """Approximate: everything is rounded to 1/64."""
        model = population.model
        if model is None or model.name != "if":
            return None
        label = Issue(
            code="rounded", severity="approximate", where=population.name, message="to 1/64 V"
        )
        return [label]

    def quantise(
        self, population: Population, incoming: Mapping[str, Incoming], dt: float
    ) -> Quantised:
        """Nearest multiples of 1/64."""
        return Quantised(
            kernel=KERNEL,
            reference={"implementation": self.name},
            values={"threshold": int(np.rint(population.parameters["v_threshold"] * UNIT))},
            initial={"v": 0},
            encodings={name: {} for name in incoming},
            weights={
                name: self.encode(given.weights, {})
                for name, given in incoming.items()
                if given.weights is not None
            },
            synapse_bits=dict.fromkeys(incoming, 16.0),
            state_scale={"v": (1 / UNIT, 0.0)},
        )

    def kernel(self, reference: Mapping[str, Any]) -> Kernel:
        """The one kernel."""
        return KERNEL

    def encode(
        self, weights: NDArray[np.float64], encoding: Mapping[str, Any]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """SI weights to multiples of 1/64."""
        return np.rint(weights * UNIT).astype(np.int64), np.zeros(weights.size, np.int64)

    def decode(
        self, weights: NDArray[Any], port: NDArray[np.int64], encoding: Mapping[str, Any]
    ) -> NDArray[np.float64]:
        """And back."""
        return weights / UNIT


CHIP = Chip(
    name="toychip",
    title="Toy chip",
    source="made up for tests",
    dtype="i8",
    exactness="exact by definition",
    implementations=(Adder(),),
    topology=Mesh(2, 2, 1),
    limits=(
        Limit(resource="neurons", limit=8, used=lambda core: core.neurons, fixes=("buy another",)),
    ),
    max_delay=4,
)
