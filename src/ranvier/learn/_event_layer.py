"""Layers of neurons with exact spike times: EventProp, and training by first spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ranvier.errors import fail
from ranvier.learn._events_exact import GROUPS, backward, forward
from ranvier.learn._scan import in_threads

__all__ = ["EventLayer", "first_spikes", "latency_loss"]


class EventLayer(nn.Module):
    """``outputs`` leaky neurons with exponential currents, whose spikes are times and not ticks.

    tau_mem dV/dt = -V + I, tau_syn dI/dt = -I; an input spike adds its weight to I; V = threshold
    fires, and V is 0 again. ``forward(times)`` takes [B, inputs, K] seconds, infinite where there
    is no spike, and returns [B, outputs, most], in order. Gradients of times and ``weight``
    [outputs, inputs] are exact (Wunderlich & Pehle 2021, Sci. Rep. 11:12829). ``most`` 1 is a
    neuron that fires once, as for training by first spikes (Mostafa 2018; Comsa et al. 2020; Goeltz
    et al. 2021). Spikes after ``horizon`` seconds do not count. Computes in float64 on a processor.
    Raises RanvierError for bad sizes, or equal time constants.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        tau_mem: float = 20e-3,
        tau_syn: float = 5e-3,
        threshold: float = 1.0,
        horizon: float = 60e-3,
        most: int = 16,
        mean: float = 1.0,
        deviation: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("tau_mem", tau_mem), ("tau_syn", tau_syn), ("threshold", threshold),
                            ("horizon", horizon)):  # fmt: skip
            if not 0 < value < float("inf"):
                raise fail("bad-parameter", f"EventLayer, {name}", "must be positive", got=value)
        if abs(tau_mem - tau_syn) < 1e-6 * tau_mem:
            raise fail("equal-taus", "EventLayer", "tau_mem and tau_syn must differ", got=tau_mem,
                       hint=f"e.g. tau_syn = {0.999 * tau_mem:g}")  # fmt: skip
        for name, count in (("inputs", inputs), ("outputs", outputs), ("most", most)):
            if not isinstance(count, int) or count < 1:
                raise fail("bad-size", f"EventLayer, {name}", "must be a whole number from 1",
                           got=count)  # fmt: skip
        self.tau_mem, self.tau_syn, self.threshold = tau_mem, tau_syn, threshold
        self.horizon, self.most = horizon, most
        start = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)
        self.weight = nn.Parameter(mean + deviation * start)

    @torch.no_grad()
    def wake(self, times: Tensor, *, share: float, step: float) -> int:
        """Raise by ``step`` the weights of neurons that fire for less than ``share`` of the samples
        in ``times`` [B, outputs, K], and return how many: a silent neuron has no gradient that
        could wake it (Goeltz et al. 2021, Nat. Mach. Intell. 3:823, methods)."""
        quiet = torch.isfinite(times[:, :, 0]).double().mean(0) < share
        self.weight[quiet] += step
        return int(quiet.sum())

    def forward(self, times: Tensor) -> Tensor:
        """Spike times [B, outputs, most] for input spikes [B, inputs, K] (or [B, inputs])."""
        if times.ndim == 2:
            times = times.unsqueeze(2)
        if times.ndim != 3 or times.shape[1] != self.weight.shape[1]:
            raise fail("stimulus-size", "EventLayer", "the input does not fit",
                       got=tuple(times.shape),
                       limit=f"[B, {self.weight.shape[1]}, K]")  # fmt: skip
        if bool(torch.isnan(times.detach()).any()) or bool((times.detach() < 0).any()):
            raise fail("bad-time", "EventLayer", "an input time is negative or no number",
                       hint="use infinity where there is no spike")  # fmt: skip
        return _Exact.apply(times.double(), self.weight, self)


class _Exact(torch.autograd.Function):
    """Times and weights in, times out."""

    @staticmethod
    def forward(ctx: Any, times: Tensor, weight: Tensor, layer: EventLayer) -> Tensor:
        value = times.detach().numpy()
        batch, m, per = value.shape
        flat = value.reshape(batch, m * per)
        rank = np.argsort(flat, axis=1, kind="stable")
        ordered = np.take_along_axis(flat, rank, 1)
        counts = (ordered < layer.horizon).sum(1)
        stride = m * per
        order = np.stack([np.arange(batch) * stride, np.arange(batch) * stride + counts], 1)
        time, source = np.ascontiguousarray(ordered).reshape(-1), (rank // per).reshape(-1)
        constants = (layer.tau_mem, layer.tau_syn, layer.threshold)
        shape = (batch, weight.shape[0], layer.most)
        spikes, slope = np.empty(shape), np.ones(shape)
        w = np.ascontiguousarray(weight.detach().double().numpy())
        in_threads(forward, batch, order, time, source, w, *constants, layer.horizon, spikes, slope)
        ctx.known = (order, time, source, rank, constants, spikes, slope, value.shape)
        ctx.save_for_backward(weight)
        return torch.from_numpy(spikes.copy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Tensor) -> Any:
        order, time, source, rank, constants, spikes, slope, shape = ctx.known
        (weight,) = ctx.saved_tensors
        w = np.ascontiguousarray(weight.detach().double().numpy())
        finite = np.where(np.isfinite(spikes), given.numpy(), 0.0)
        to_time = np.zeros(time.size)
        groups = min(GROUPS, max(1, len(order)))
        to_weight = np.zeros((groups, *w.shape))
        in_threads(backward, groups, order, time, source, w, *constants, spikes, slope, finite,
                   to_time, to_weight)  # fmt: skip
        back = np.empty((shape[0], shape[1] * shape[2]))
        np.put_along_axis(back, rank, to_time.reshape(back.shape), 1)
        total = torch.from_numpy(to_weight.sum(0)).to(weight.dtype)
        return torch.from_numpy(back.reshape(shape)), total, None


def first_spikes(times: Tensor, horizon: float) -> Tensor:
    """The first of each neuron [B, n] of [B, n, K]; ``horizon`` for those that are silent."""
    first = times[..., 0]
    return torch.where(torch.isfinite(first), first, torch.full_like(first, horizon))


def latency_loss(
    times: Tensor,
    labels: Tensor,
    *,
    horizon: float,
    scale: float,
    early: float = 0.0,
    early_scale: float = 6.4e-3,
) -> Tensor:
    """Cross-entropy of ``softmax(-t/scale)`` over first spikes [B, n, K]: the earliest is the
    answer. ``early`` times the mean of ``exp(t/early_scale) - 1`` of the right answer keeps it from
    coming late, or not at all (Wunderlich & Pehle 2021, eq. 19; they use 0.5 ms, 3e-3 and 6.4 ms).
    """
    first = first_spikes(times, horizon)
    loss = nn.functional.cross_entropy(-first / scale, labels)
    if early:
        right = first.gather(1, labels.view(-1, 1))
        loss = loss + early * torch.expm1(right / early_scale).mean()
    return loss
