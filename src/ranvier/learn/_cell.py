"""One population of neurons for torch: its discretised model, and the two ways to run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranvier.learn._learned import Learned
from ranvier.learn._scan import Scan, make_scan
from ranvier.network import Population
from ranvier.neurons import Discrete, Surrogate, TorchStep, discretise, torch_step, torch_values

__all__ = ["NUMBERS", "Cell"]

NUMBERS = {torch.float32: np.float32, torch.float64: np.float64}
"""What the fused loops compute in."""


class Cell:
    """``population`` with these ``ports`` and a tick of ``dt`` seconds; ``trained`` names the
    parameters that are trained. ``surrogate`` is what ``step`` calls."""

    def __init__(
        self, population: Population, ports: Sequence[str], dt: float, trained: Sequence[str],
        surrogate: Any, *, detach_reset: bool,
    ) -> None:  # fmt: skip
        model = population.model
        assert model is not None
        self.learned = Learned(population, trained, ports, dt) if trained else None
        self.discrete: Discrete = (
            self.learned.discrete
            if self.learned is not None
            else discretise(model, population.parameters, dt, population.method, ports=ports)
        )
        self.ports = self.discrete.kernel.ports
        self.states = self.discrete.kernel.state
        self.start = {**self.discrete.initial, **population.initial}
        self.size = population.size
        self.surrogate, self.detach_reset = surrogate, detach_reset
        self._step: TorchStep | None = None
        self._scans: dict[Any, Scan] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_step": None, "_scans": {}}  # made from text, again when needed

    def initial(self, batch: int, like: Tensor) -> dict[str, Tensor]:
        """The state [B, n] at the start."""
        return {
            name: torch.as_tensor(np.array(self.start[name]))
            .to(like)
            .expand(batch, self.size)
            .clone()
            for name in self.states
        }

    def trained(self, like: Tensor) -> dict[str, Tensor]:
        """Values of the step that follow from trained parameters, differentiable."""
        return {} if self.learned is None else self.learned.values(like)

    def values(self, like: Tensor) -> dict[str, Tensor | float]:
        """All values of the step."""
        fixed = torch_values(self.discrete, dtype=like.dtype, device=like.device)
        return {**fixed, **self.trained(like)}

    # -- the generated loops ------------------------------------------------------------------
    def fuses(self, like: Tensor) -> bool:
        """Whether the generated loops can run it for tensors like this."""
        known = like.dtype in NUMBERS and isinstance(self.surrogate, Surrogate)
        return known and like.device.type == "cpu"

    def scan(self, dtype: torch.dtype, traces: tuple[str, ...] = ()) -> Scan:
        """The generated loops, which keep the course of the states ``traces``."""
        key = dtype, traces
        if key not in self._scans:
            self._scans[key] = make_scan(
                self.discrete, self.surrogate, dtype=NUMBERS[dtype],
                detach_reset=self.detach_reset, traces=traces,
                parameters=() if self.learned is None else tuple(self.learned.depends),
            )  # fmt: skip
        return self._scans[key]

    # -- tick by tick -------------------------------------------------------------------------
    def step(
        self, state: Mapping[str, Tensor], ports: Mapping[str, Tensor], values: Mapping[str, Any]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """One tick by torch."""
        if self._step is None:
            self._step = torch_step(self.discrete, detach_reset=self.detach_reset)
        return self._step(state, ports, values, self.surrogate)

    def stepped(
        self,
        sums: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        like: Tensor,
        traces: tuple[str, ...] = (),
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """(output, traces, state) for what arrives, [T, B, n] by port; ``like`` [T, B, n] gives the
        sizes where nothing does."""
        ticks, zero = len(like), like.new_zeros(like.shape[1], self.size)
        values = self.values(like)
        if not self.states and sums:  # no state: all ticks at once
            out = self.step({}, {p: sums.get(p, zero) for p in self.ports}, values)[1]
            return out, {}, {}
        # unbind, not sums[port][t]: the gradient of an index is a full-size array per tick.
        rows = {p: sums[p].unbind(0) if p in sums else (zero,) * ticks for p in self.ports}
        now, outs = dict(state), [zero.new_zeros(0, *zero.shape)]
        seen = {name: [outs[0]] for name in traces}
        for t in range(ticks):
            now, out = self.step(now, {p: row[t] for p, row in rows.items()}, values)
            outs.append(out.expand_as(zero)[None])
            for name in traces:
                seen[name].append(now[name][None])
        return torch.cat(outs), {n: torch.cat(v) for n, v in seen.items()}, now
