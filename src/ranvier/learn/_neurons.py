"""A population alone, as an ordinary module beside any torch code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranvier.errors import fail, unknown
from ranvier.learn._cell import NUMBERS, Cell
from ranvier.learn._fused import Arrival, Fused, run_fused
from ranvier.learn._scan import checked_surrogate
from ranvier.network import Population
from ranvier.neurons import NeuronModel, Surrogate, get

__all__ = ["Neurons"]

State = Mapping[str, Tensor]


class _Same:
    """What arrives, as it is."""

    def __call__(self, x: Tensor, weights: Tensor | None) -> Tensor:
        return x

    def pull(
        self, x: Tensor, weights: None, gradient: Tensor, to_x: bool, to_w: bool
    ) -> tuple[Tensor, None]:
        """The gradient, as it is."""
        return gradient, None


class Neurons(torch.nn.Module):
    """Neurons of ``shape`` whose input is what other modules compute, tick by tick.

    ``model`` is a name or a :class:`NeuronModel`, ``parameters`` its parameters in SI units, ``dt``
    the tick in seconds. Time comes first: ``forward(x, state)`` takes [T, B, *shape] (for ``port``;
    a mapping by port where there are several) and returns the output [T, B, *shape] and the state
    after the last tick, which goes into the next call; nothing else is remembered. With
    ``record=("v",)`` it also returns the course of these states, differentiable too.

    ``train`` names parameters that are trained, one value a neuron. Raises RanvierError for unknown
    names, or input of another shape.
    """

    def __init__(
        self,
        model: str | NeuronModel,
        shape: int | Sequence[int],
        dt: float,
        *,
        parameters: Mapping[str, Any] | None = None,
        port: str | None = None,
        train: Sequence[str] = (),
        surrogate: Surrogate | str | None = None,
        detach_reset: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if dtype not in NUMBERS:
            raise fail("bad-dtype", "Neurons", "computes in float32 or float64", got=dtype)
        sizes = (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
        found = get(model) if isinstance(model, str) else model
        self.population = Population(name="neurons", shape=sizes, model=found,
                                     parameters=dict(parameters or {}))  # fmt: skip
        names = [p.name for p in found.ports]
        chosen = port or ("jump" if "jump" in names else names[0])
        if chosen not in names:
            raise unknown("port", chosen, names, where=found.where)
        self.port, self.shape, self.dt = chosen, sizes, float(dt)
        self.surrogate = checked_surrogate(surrogate)
        if not isinstance(self.surrogate, Surrogate):
            raise fail("bad-surrogate", "Neurons", "needs a Surrogate", got=repr(surrogate)[:80],
                       hint="Surrogate(name, derivative, slope) takes your own expression",
                       )  # fmt: skip
        self.dtype = dtype
        self._cell = Cell(self.population, names, dt, train, self.surrogate,
                          detach_reset=detach_reset)  # fmt: skip
        self.learned = self._cell.learned

    def initial(self, batch: int, like: Tensor) -> dict[str, Tensor]:
        """The state [B, n] at the start."""
        return self._cell.initial(batch, like)

    def forward(
        self,
        x: Tensor | Mapping[str, Tensor],
        state: State | None = None,
        *,
        record: Sequence[str] = (),
    ) -> Any:
        """(output, state), or (output, state, traces) with ``record``."""
        named = isinstance(x, Mapping)
        given = {n: torch.as_tensor(v) for n, v in (x if named else {self.port: x}).items()}
        if len({v.shape[:2] for v in given.values()}) != 1:
            raise fail("stimulus-size", "Neurons", "ports differ in time or batch",
                       got=[tuple(v.shape) for v in given.values()])  # fmt: skip
        ports = self._cell.ports
        for name, value in given.items():
            if name not in ports:
                raise unknown("port", name, ports, where="Neurons")
            if value.ndim < 3 or tuple(value.shape[2:]) not in (self.shape, (prod(self.shape),)):
                raise fail("stimulus-size", f"Neurons, port {name!r}", "the input does not fit",
                           got=tuple(value.shape), limit=f"[T, B, *{self.shape}]")  # fmt: skip
        for name in record:
            if name not in self._cell.states:
                raise unknown("state", name, self._cell.states, where="Neurons, record")
        first = next(iter(given.values()))
        flat = {n: v.flatten(2).to(self.dtype) for n, v in given.items()}
        like = next(iter(flat.values()))
        before = self.initial(first.shape[1], like) if state is None else state
        traces = tuple(dict.fromkeys(record))
        if self._cell.fuses(like):
            out, seen, after = self._fused(flat, before, like, traces)
        else:
            out, seen, after = self._cell.stepped(flat, before, like, traces)
        out = out.view(*first.shape[:2], *self.shape)
        return (out, after, seen) if record else (out, after)

    def _fused(
        self, flat: Mapping[str, Tensor], state: State, like: Tensor, traces: tuple[str, ...]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        cell, values = self._cell, self._cell.trained(like)
        arrivals = tuple(Arrival(name, _Same()) for name in flat)
        fused = Fused(cell.discrete, cell.scan(self.dtype, traces), arrivals, tuple(values),
                      size=cell.size, dtype=NUMBERS[self.dtype])  # fmt: skip
        past = like.new_zeros(0, like.shape[1], cell.size)
        return run_fused(
            fused, list(flat.values()), [None] * len(flat), past, state, values, len(like)
        )
