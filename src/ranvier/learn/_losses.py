"""Losses on spikes and potentials [T, B, n], and penalties on activity."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ranvier.errors import fail

__all__ = [
    "activity_penalty",
    "count_loss",
    "first_spike_loss",
    "potential_loss",
    "rate_loss",
    "van_rossum",
]  # fmt: skip


def _check(name: str, values: Tensor, labels: Tensor | None = None) -> None:
    if values.ndim != 3 or not values.shape[0]:
        raise fail("loss-shape", name, "needs [T, B, n]", got=tuple(values.shape))
    if labels is None:
        return
    if labels.shape != values.shape[1:2]:
        raise fail("labels-shape", name, "needs one label a sample", got=tuple(labels.shape),
                   limit=f"({values.shape[1]},)")  # fmt: skip
    if labels.dtype != torch.int64:
        raise fail("labels-type", name, "labels must be int64", got=labels.dtype,
                   hint="labels.long()")  # fmt: skip
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= values.shape[2]):
        raise fail("label-out-of-range", name, "a label names no output",
                   got=f"{int(labels.min())} to {int(labels.max())}",
                   limit=f"0 to {values.shape[2] - 1}")  # fmt: skip


def rate_loss(spikes: Tensor, labels: Tensor, *, scale: float = 1.0) -> Tensor:
    """Cross-entropy whose logits are spike counts times ``scale``."""
    _check("rate_loss", spikes, labels)
    return functional.cross_entropy(spikes.sum(0) * scale, labels)


def count_loss(spikes: Tensor, labels: Tensor, *, right: float, wrong: float) -> Tensor:
    """Mean squared distance of counts from ``right`` spikes of the labelled output and ``wrong`` of
    the others (Shrestha & Orchard 2018, NeurIPS, section 3.4)."""
    _check("count_loss", spikes, labels)
    want = torch.full_like(spikes[0], wrong)
    want.scatter_(1, labels.view(-1, 1), right)
    return ((spikes.sum(0) - want) ** 2).mean()


def potential_loss(potentials: Tensor, labels: Tensor, *, over: str = "max") -> Tensor:
    """Cross-entropy of potentials over time: their largest (Cramer et al. 2022, IEEE TNNLS 33:2744)
    ``"max"``, their mean ``"mean"`` or the ``"last"``."""
    _check("potential_loss", potentials, labels)
    if over not in ("max", "mean", "last"):
        raise fail("unknown-reduction", "potential_loss", "is not a way to reduce time", got=over,
                   limit="max, mean, last")  # fmt: skip
    reduced = {"max": lambda v: v.amax(0), "mean": lambda v: v.mean(0), "last": lambda v: v[-1]}
    return functional.cross_entropy(reduced[over](potentials), labels)


def first_spike_loss(spikes: Tensor, labels: Tensor, *, scale: float) -> Tensor:
    """Cross-entropy of ``-t/scale`` over the ticks of first spikes; T for a silent output.

    Differentiable through the surrogate: the time of the first spike is the sum over ticks of the
    product of (1 - spike) so far.
    """
    _check("first_spike_loss", spikes, labels)
    time = torch.cumprod(1.0 - spikes, 0).sum(0)
    return functional.cross_entropy(-time / scale, labels)


def van_rossum(spikes: Tensor, target: Tensor, *, tau: float) -> Tensor:
    """Squared distance of two sets of trains, each filtered by exp(-t/tau), ``tau`` in ticks,
    summed over time and neurons and divided by tau; the mean over the batch (van Rossum 2001,
    Neural Comput. 13:751, eq. 2.3)."""
    _check("van_rossum", spikes)
    if target.shape != spikes.shape:
        raise fail("target-shape", "van_rossum", "the trains differ in shape",
                   got=tuple(target.shape), limit=tuple(spikes.shape))  # fmt: skip
    if not 0 < tau < math.inf:
        raise fail("bad-tau", "van_rossum", "must be positive", got=tau)
    decay, trace, total = math.exp(-1.0 / tau), torch.zeros_like(spikes[0]), spikes.new_zeros(())
    for difference in (spikes - target).unbind(0):
        trace = decay * trace + difference
        total = total + (trace**2).sum()
    return total / (tau * max(1, spikes.shape[1]))


def activity_penalty(spikes: Tensor, *, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Mean squared amount by which the rate of a neuron (spikes a tick, over time and batch) lies
    below ``low`` or above ``high``."""
    _check("activity_penalty", spikes)
    rate = spikes.mean((0, 1))
    return (functional.relu(low - rate) ** 2 + functional.relu(rate - high) ** 2).mean()
