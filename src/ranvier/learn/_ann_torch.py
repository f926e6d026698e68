"""Chains of layers from torch modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ranvier.errors import fail
from ranvier.learn._ann import Affine, Ann, Layer, Pairs, PoolLayer, Scale, folded

__all__ = ["Qcfs", "leaves", "read_torch"]

SILENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Flatten)
"""Nothing to compute when a network is used."""


class Qcfs(nn.Module):
    """The quantised ReLU that converts into few steps: clip-floor-shift (Bu et al. 2022, ICLR,
    eq. 10): ``bound/levels * clip(floor(x*levels/bound + 1/2), 0, levels)``, with a trained bound
    and the gradient straight through the floor."""

    def __init__(self, levels: int = 8, bound: float = 4.0) -> None:
        super().__init__()
        self.levels = levels
        self.bound = nn.Parameter(torch.tensor(float(bound)))

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        y = (x / self.bound).clamp(0, 1) * self.levels
        whole = torch.floor(y + 0.5)
        return (y + (whole - y).detach()) * self.bound / self.levels


def read_torch(module: nn.Module, shape: Sequence[int], name: str = "ann") -> Ann:
    """A ``Sequential``, nested or not.

    Raises RanvierError with the name of the layer that has no counterpart.
    """
    found: list[Layer] = []
    for path, one in leaves(module, ""):
        if isinstance(one, SILENT):
            continue
        if isinstance(one, nn.ReLU | Qcfs):
            found[-1:] = [_activated(found, path, one, name)]
        else:
            found.append(_layer(path, one, name))
    return Ann(name, tuple(int(n) for n in shape), folded(found, name))


def leaves(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """Layers of a ``Sequential``, nested or not, with their paths; RanvierError where one computes
    in an order of its own."""
    if isinstance(module, nn.Sequential):
        if type(module).forward is not nn.Sequential.forward:
            raise fail("not-a-chain", f"layer {path!r} ({type(module).__name__})",
                       "computes in an order of its own", hint="give its layers as a Sequential",
                       )  # fmt: skip
        for name, child in module.named_children():
            yield from leaves(child, f"{path}.{name}" if path else name)
        return
    yield path or type(module).__name__, module


def _activated(found: list[Layer], path: str, one: Any, where: str) -> Layer:
    from dataclasses import replace

    found[:] = folded(found, where)
    last = found[-1] if found else None
    if isinstance(last, PoolLayer) and last.kind == "max" and len(found) > 1:
        raise fail("misplaced-activation", f"{where}, layer {path!r}", "follows a max pool",
                   hint="put it before the pool: the result is the same")  # fmt: skip
    if not isinstance(last, Affine) or last.activation != "none":
        raise fail("misplaced-activation", f"{where}, layer {path!r}",
                   "an activation must follow a linear layer or its normalisation",
                   got=type(last).__name__)  # fmt: skip
    if isinstance(one, Qcfs):
        return replace(last, activation="relu", levels=one.levels, bound=float(one.bound.detach()))
    return replace(last, activation="relu")


def _layer(path: str, one: Any, where: str) -> Layer:
    if isinstance(one, nn.Linear | nn.Conv1d | nn.Conv2d):
        weight = one.weight.detach().float()
        bias = weight.new_zeros(len(weight)) if one.bias is None else one.bias.detach().float()
        if isinstance(one, nn.Linear):
            return Affine(path, weight, bias)
        if one.padding_mode != "zeros" or isinstance(one.padding, str):
            raise fail("unsupported-layer", f"{where}, layer {path!r}", "pads in a way of its own",
                       got=f"{one.padding_mode}, {one.padding}",
                       hint="pad by numbers, with zeros")  # fmt: skip
        return Affine(path, weight, bias, tuple(one.stride), _pairs(one.padding),
                      tuple(one.dilation), one.groups)  # fmt: skip
    if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d):
        if one.running_var is None or one.running_mean is None:
            raise fail("unsupported-layer", f"{where}, layer {path!r}",
                       "normalises by the batch it sees", hint="build it with track_running_stats",
                       )  # fmt: skip
        factor = torch.rsqrt(one.running_var + one.eps)
        if one.weight is not None:
            factor = factor * one.weight.detach()
        offset = -one.running_mean * factor
        if one.bias is not None:
            offset = offset + one.bias.detach()
        return Scale(path, factor.float(), offset.float())
    kinds = {nn.AvgPool1d: "average", nn.AvgPool2d: "average",
             nn.MaxPool1d: "max", nn.MaxPool2d: "max"}  # fmt: skip
    if type(one) in kinds:
        axes = 1 if isinstance(one, nn.AvgPool1d | nn.MaxPool1d) else 2
        kernel = _tuple(one.kernel_size, axes)
        if (
            getattr(one, "ceil_mode", False)
            or _tuple(getattr(one, "dilation", 1), axes) != (1,) * axes
        ):
            raise fail("unsupported-layer", f"{where}, layer {path!r}",
                       "pools with ceil_mode or dilation have no counterpart")  # fmt: skip
        return PoolLayer(path, kinds[type(one)], kernel, _tuple(one.stride, axes),  # type: ignore[arg-type]
                         _pairs(_tuple(one.padding, axes)))  # fmt: skip
    raise fail(
        "unsupported-layer", f"{where}, layer {path!r}", "has no counterpart in spikes",
        got=type(one).__name__,
        limit="Linear, Conv1d, Conv2d, BatchNorm, ReLU, Qcfs, average and max pools, Flatten",
        hint="put a supported layer in its place and train again",
    )  # fmt: skip


def _tuple(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),) * axes


def _pairs(padding: Sequence[int]) -> Pairs:
    return tuple((int(p), int(p)) for p in padding)
