"""Parameters of neurons that are trained: time constants, thresholds, whatever a model has.

A step does not use a time constant but what follows from it at one dt (propagators, for example).
How those change with a parameter is measured in float64, by central differences of the one function
that computes them, neuron by neuron; so every parameter of every model and method can be trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ranvier.errors import fail, unknown
from ranvier.network import Population
from ranvier.neurons import Discrete, discretise

__all__ = ["Learned"]

STEP = 1e-6
"""Of a parameter, for central differences: their error is about STEP**2, that of rounding
1e-16/STEP."""


class Learned(nn.Module):
    """The parameters ``names`` of ``population``, one value for each neuron.

    A parameter that is not 0 is ``start * exp(theta)``, so it keeps its sign; one that is 0 is
    ``theta``. ``theta`` is what an optimiser changes.
    """

    def __init__(
        self, population: Population, names: Sequence[str], ports: Sequence[str], dt: float
    ) -> None:
        super().__init__()
        model = population.model
        assert model is not None
        self.population, self.ports, self.dt = population, tuple(ports), dt
        defaults = {p.name: p.default for p in model.parameters}
        self.names = tuple(names)
        self.theta = nn.ParameterDict()
        for name in names:
            if name not in defaults:
                raise unknown("parameter", name, defaults, where=population.name)
            value = np.asarray(population.parameters.get(name, defaults[name]), np.float64)
            first = np.broadcast_to(value, (population.size,)).copy()
            self.register_buffer(f"start_{name}", torch.from_numpy(first))
            self.theta[name] = nn.Parameter(torch.zeros(population.size, dtype=torch.float64))
        self.discrete = self._discrete(self.start)
        self.depends = self._dependent()
        for name in names:
            if not any(name in on for on in self.depends.values()):
                raise fail("not-trainable", f"{population.name}, parameter {name!r}",
                           "changes nothing smoothly", hint="leave it fixed")  # fmt: skip

    @property
    def start(self) -> dict[str, Any]:
        """Where each began, [n]; kept with the weights, because ``theta`` counts from there."""
        return {n: getattr(self, f"start_{n}").detach().double().cpu().numpy() for n in self.names}

    def _discrete(self, values: Mapping[str, Any]) -> Discrete:
        p = self.population
        assert p.model is not None
        return discretise(p.model, {**p.parameters, **values}, self.dt, p.method, ports=self.ports)

    def _dependent(self) -> dict[str, tuple[str, ...]]:
        """For each value of the step the parameters that it follows from."""
        found: dict[str, list[str]] = {}
        for name, value in self.start.items():
            moved = self._discrete({**self.start, name: value + _step(value)}).values
            for key, number in self.discrete.values.items():
                if np.any(np.asarray(number) != np.asarray(moved[key])):
                    found.setdefault(key, []).append(name)
        return {key: tuple(names) for key, names in found.items()}

    def current(self) -> dict[str, Any]:
        """The parameters as arrays [n], in SI units."""
        found: dict[str, Any] = {}
        for name, start in self.start.items():
            theta = self.theta[name].detach().double().cpu().numpy()
            found[name] = np.where(start != 0, start * np.exp(theta), theta)
        return found

    def values(self, like: Tensor) -> dict[str, Tensor]:
        """Values of the step [n] that follow from the parameters, differentiable."""
        numbers = []
        for name, start in self.start.items():
            theta = self.theta[name]
            first = torch.from_numpy(start).to(theta.device)
            numbers.append(torch.where(first != 0, first * torch.exp(theta), theta))
        found = _Derived.apply(self, tuple(self.start), tuple(self.depends), *numbers)
        return {k: v.to(like) for k, v in zip(self.depends, found, strict=True)}


def _step(value: Any) -> Any:
    return STEP * np.where(value != 0, np.abs(value), 1.0)


class _Derived(torch.autograd.Function):
    """From parameters to the values of a step."""

    @staticmethod
    def forward(ctx: Any, learned: Learned, names: Any, keys: Any, *numbers: Tensor) -> Any:
        given = {n: v.detach().double().cpu().numpy() for n, v in zip(names, numbers, strict=True)}
        ctx.known = (learned, given, keys)
        values = learned._discrete(given).values
        size = learned.population.size
        return tuple(
            torch.from_numpy(np.broadcast_to(values[k], (size,)).copy()).to(numbers[0].device)
            for k in keys
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        learned, given, keys = ctx.known
        found: list[Any] = []
        for name, value in given.items():
            step = _step(value)
            above, below = (learned._discrete({**given, name: value + s}).values
                            for s in (step, -step))  # fmt: skip
            total = torch.zeros(value.shape, dtype=torch.float64)
            for key, gradient in zip(keys, grads, strict=True):
                if name in learned.depends[key]:
                    slope = (np.asarray(above[key]) - np.asarray(below[key])) / (2 * step)
                    total += torch.from_numpy(slope) * gradient.double().cpu()
            found.append(total.to(grads[0].device))
        return None, None, None, *found
