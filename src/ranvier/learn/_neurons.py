"""A population alone, as an ordinary module beside any torch code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranvier.errors import fail, unknown
from ranvier.learn._fused import Arrival, Fused, run_fused
from ranvier.learn._learned import Learned
from ranvier.learn._scan import Scan, checked_surrogate, make_scan
from ranvier.network import Population
from ranvier.neurons import (
    NeuronModel,
    Surrogate,
    discretise,
    get,
    torch_step,
    torch_values,
)

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
        if dtype not in (torch.float32, torch.float64):
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
                       hint="Surrogate(name, derivative, slope) takes an expression of your own")  # fmt: skip  # noqa: E501
        self.detach_reset, self.dtype = detach_reset, dtype
        self.learned = Learned(self.population, train, names, dt) if train else None
        self.discrete = (
            self.learned.discrete
            if self.learned is not None
            else discretise(found, self.population.parameters, dt, ports=names)
        )
        self._scans: dict[tuple[str, ...], Scan] = {}

    def initial(self, batch: int, like: Tensor) -> dict[str, Tensor]:
        """The state [B, n] at the start."""
        start = {**self.discrete.initial, **self.population.initial}
        size = self.population.size
        return {
            name: torch.as_tensor(np.array(start[name])).to(like).expand(batch, size).clone()
            for name in self.discrete.kernel.state
        }

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
        ports = self.discrete.kernel.ports
        for name, value in given.items():
            if name not in ports:
                raise unknown("port", name, ports, where="Neurons")
            if value.ndim < 3 or tuple(value.shape[2:]) not in (self.shape, (prod(self.shape),)):
                raise fail("stimulus-size", f"Neurons, port {name!r}", "the input does not fit",
                           got=tuple(value.shape), limit=f"[T, B, *{self.shape}]")  # fmt: skip
        for name in record:
            if name not in self.discrete.kernel.state:
                raise unknown("state", name, self.discrete.kernel.state, where="Neurons, record")
        first = next(iter(given.values()))
        flat = {n: v.flatten(2).to(self.dtype) for n, v in given.items()}
        like = next(iter(flat.values()))
        before = self.initial(first.shape[1], like) if state is None else state
        fused = first.device.type == "cpu" and len(first) > 0
        run = self._fused if fused else self._stepped
        out, after, traces = run(flat, before, tuple(dict.fromkeys(record)))
        out = out.view(*first.shape[:2], *self.shape)
        return (out, after, traces) if record else (out, after)

    def _values(self, like: Tensor) -> dict[str, Tensor]:
        return {} if self.learned is None else self.learned.values(like)

    def _fused(
        self, flat: Mapping[str, Tensor], state: State, record: tuple[str, ...]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        like = next(iter(flat.values()))
        values = self._values(like)
        if record not in self._scans:
            number = np.float32 if self.dtype is torch.float32 else np.float64
            self._scans[record] = make_scan(
                self.discrete, self.surrogate, dtype=number, detach_reset=self.detach_reset,
                parameters=tuple(values), traces=record,
            )  # fmt: skip
        number = np.float32 if self.dtype is torch.float32 else np.float64
        arrivals = tuple(Arrival(name, _Same()) for name in flat)
        fused = Fused(self.discrete, self._scans[record], arrivals, tuple(values),
                      size=self.population.size, dtype=number)  # fmt: skip
        past = like.new_zeros(0, like.shape[1], self.population.size)
        none = [None] * len(flat)
        out, traces, after = run_fused(
            fused, list(flat.values()), none, past, state, values, like.shape[0]
        )
        return out, after, traces

    def _stepped(
        self, flat: Mapping[str, Tensor], state: State, record: tuple[str, ...]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        like = next(iter(flat.values()))
        if not len(like):
            return like, dict(state), {n: like for n in record}
        step = torch_step(self.discrete, detach_reset=self.detach_reset)
        values = torch_values(self.discrete, dtype=like.dtype, device=like.device)
        values = {**values, **self._values(like)}
        rows = {n: v.unbind(0) for n, v in flat.items()}
        zero = torch.zeros_like(like[0])
        now, outs, seen = dict(state), [], {n: [] for n in record}
        for t in range(len(like)):
            ports = {p: rows[p][t] if p in rows else zero for p in self.discrete.kernel.ports}
            now, out = step(now, ports, values, self.surrogate)
            outs.append(out.expand_as(zero))
            for name in record:
                seen[name].append(now[name])
        return torch.stack(outs), now, {n: torch.stack(v) for n, v in seen.items()}
