"""An artificial network as a chain of layers: what conversion reads, from torch or from ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from ranvier.errors import fail

__all__ = ["Affine", "Ann", "Layer", "PoolLayer", "Reshaped", "Scale", "before", "folded"]

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Affine:
    """A linear map with a bias [outputs or channels], and what follows it.

    ``weight`` is [outputs, inputs], or [channels, channels/groups, *kernel] of a convolution.
    ``activation``: "relu", or "none". ``levels`` and ``bound`` are those of a quantised ReLU
    (:class:`Qcfs`), which is a ReLU where ``levels`` is 0.
    """

    name: str
    weight: Tensor
    bias: Tensor
    stride: tuple[int, ...] = ()
    padding: Pairs = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    activation: Literal["relu", "none"] = "none"
    levels: int = 0
    bound: float = 0.0

    @property
    def is_conv(self) -> bool:
        """A convolution, or a full matrix."""
        return self.weight.ndim > 2

    def linear(self, x: Tensor) -> Tensor:
        """Without the activation."""
        if not self.is_conv:
            return functional.linear(x.flatten(1), self.weight, self.bias)
        x = functional.pad(x, [v for pair in reversed(self.padding) for v in pair])
        convolve: Any = functional.conv1d if self.weight.ndim == 3 else functional.conv2d
        return convolve(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    def __call__(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        if self.activation == "none":
            return y
        if not self.levels:
            return torch.relu(y)
        step = self.bound / self.levels
        return step * torch.floor(y / step + 0.5).clamp(0, self.levels)


@dataclass(frozen=True)
class Scale:
    """A factor and an offset for each channel (batch normalisation), until it is folded away."""

    name: str
    factor: Tensor
    offset: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        shape = [1, -1] + [1] * (x.ndim - 2)
        return x * self.factor.view(shape) + self.offset.view(shape)


@dataclass(frozen=True)
class PoolLayer:
    """The average or the largest of every window."""

    name: str
    kind: Literal["average", "max"]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs

    def __call__(self, x: Tensor) -> Tensor:
        worst = 0.0 if self.kind == "average" else float("-inf")
        x = functional.pad(x, [v for pair in reversed(self.padding) for v in pair], value=worst)
        pool: Any = {
            ("average", 1): functional.avg_pool1d, ("average", 2): functional.avg_pool2d,
            ("max", 1): functional.max_pool1d, ("max", 2): functional.max_pool2d,
        }[self.kind, len(self.kernel)]  # fmt: skip
        return pool(x, self.kernel, self.stride)


@dataclass(frozen=True)
class Reshaped:
    """The same numbers in another ``shape``, without the batch."""

    name: str
    shape: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape)


Layer = Affine | Scale | PoolLayer | Reshaped


@dataclass(frozen=True)
class Ann:
    """Layers one after the other. ``shape`` of a sample; ``shapes[k]`` of what layer k gives."""

    name: str
    shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the results, without the batch."""
        return tuple(tuple(y.shape[1:]) for y in self.run(torch.zeros(1, *self.shape)))

    @torch.no_grad()
    def run(self, x: Tensor) -> list[Tensor]:
        """What every layer gives, for samples [n, *shape]."""
        found: list[Tensor] = []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found

    def answers(self, x: Tensor) -> Tensor:
        """The last layer's result [n, outputs]."""
        return torch.cat([self.run(part)[-1].flatten(1) for part in x.split(500)])


def before(layers: Sequence[Layer]) -> int:
    """Which layer is the last that computes something; -1 for none."""
    return next(
        (k for k in reversed(range(len(layers))) if not isinstance(layers[k], Reshaped)), -1
    )


def folded(layers: Sequence[Layer], where: str) -> tuple[Layer, ...]:
    """The same map without any :class:`Scale`: each goes into the affine layer before it.

    Raises RanvierError where there is none, because an activation or a pool stands between.
    """
    found: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Scale):
            found.append(layer)
            continue
        at = before(found)
        last = found[at] if at >= 0 else None
        if not isinstance(last, Affine) or last.activation != "none":
            raise fail(
                "cannot-fold", f"{where}, layer {layer.name!r}",
                "a normalisation can be folded only into the linear layer right before it",
                got="nothing before" if last is None else type(last).__name__,
                hint="move it between the linear layer and its activation",
            )  # fmt: skip
        factor = layer.factor.view(-1, *[1] * (last.weight.ndim - 1))
        found[at] = replace(
            last, weight=last.weight * factor, bias=last.bias * layer.factor + layer.offset
        )
    return tuple(found)
