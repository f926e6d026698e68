"""Connectivity as differentiable linear maps, one per delay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ranvier.errors import fail
from ranvier.network import Conv, Dense, Distribution, Pool, Projection

__all__ = ["Map", "Synapses", "make_synapses", "matrix", "routed"]

Map: TypeAlias = "Callable[[Tensor, Tensor | None], Tensor]"
"""(x [rows, sources], weights) -> [rows, targets]. :func:`matrix` is that of a full matrix."""
MAX_MATRIX = 1 << 26
"""Cells of the matrix that stands for sparse connections (256 MB in single precision)."""


@dataclass(frozen=True)
class Synapses:
    """A projection for torch. ``trainable``: its weights as in the network (None: none to train);
    ``delays``: (ticks, mask of the weights or None for all); ``map`` takes the weights, or
    what ``ready`` makes of them."""

    trainable: Tensor | None
    delays: tuple[tuple[int, Tensor | None], ...]
    map: Map
    ready: Callable[[Tensor | None], Tensor | None] | None = None

    @property
    def longest(self) -> int:
        """Ticks."""
        return max(d for d, _ in self.delays)

    @property
    def shortest(self) -> int:
        """Ticks."""
        return min(d for d, _ in self.delays)

    def bind(self, weights: Tensor | None) -> tuple[tuple[int, Map, Tensor | None], ...]:
        """(delay in ticks, linear map, its weights) with these weights."""
        found: list[tuple[int, Map, Tensor | None]] = []
        for ticks, mask in self.delays:
            own = weights if mask is None or weights is None else weights * mask
            found.append((ticks, self.map, own if self.ready is None else self.ready(own)))
        return tuple(found)


def matrix(x: Tensor, weights: Tensor | None) -> Tensor:
    """``weights`` [targets, sources]."""
    assert weights is not None
    return x @ weights.T


class _Aligned(torch.autograd.Function):
    """x @ weights.T, whose gradient goes back to x through another matrix."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(x, back)
        return x @ weights.T

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, back = ctx.saved_tensors
        return grads[0] @ back, grads[0].T @ x, None


def routed(
    linear: Map, x: Tensor, weights: Tensor | None, cut: bool, back: Tensor | None
) -> Tensor:
    """``linear(x, weights)``, whose gradient does not go back to x (``cut``), or through ``back``
    [targets, sources]."""
    if cut:
        return linear(x.detach(), weights)
    return linear(x, weights) if back is None else _Aligned.apply(x, weights, back)


@dataclass(frozen=True)
class _Spread:
    """From the weights of listed connections to a full matrix."""

    cell: Tensor
    origin: Tensor
    fixed: Tensor
    n_post: int
    n_pre: int

    def __call__(self, w: Tensor | None) -> Tensor:
        values = self.fixed if w is None else w.reshape(-1)[self.origin]
        empty = self.fixed.new_zeros(self.n_post * self.n_pre)
        return empty.index_add(0, self.cell, values).view(self.n_post, self.n_pre)


def make_synapses(projection: Projection, dt: float, like: Tensor) -> Synapses:
    """``projection`` at ``dt`` seconds a tick, of the dtype and device of ``like``."""
    connectivity = projection.connectivity
    array = getattr(connectivity, "weights", None)
    weights = None if array is None else torch.as_tensor(np.array(array)).to(like)
    delays = _delays(projection, dt, like)
    if isinstance(connectivity, Dense):
        return Synapses(weights, delays, matrix)
    if isinstance(connectivity, Conv):
        return Synapses(weights, delays, _Conv(connectivity))
    if isinstance(connectivity, Pool):
        return Synapses(None, delays, _Pool(connectivity))
    n_pre, n_post = connectivity.sizes()
    if n_pre * n_post > MAX_MATRIX:
        raise fail(
            "too-large-to-train",
            projection.name,
            "sparse connections are trained as a matrix, and this one is too large",
            got=f"{n_pre} x {n_post}",
            limit=f"{MAX_MATRIX} cells",
            hint="split the populations",
        )
    listed = connectivity.synapses()
    cell = torch.as_tensor(listed.post * n_pre + listed.pre, device=like.device)
    origin = torch.as_tensor(np.asarray(listed.origin), device=like.device)
    fixed = torch.as_tensor(np.array(listed.weight)).to(like)

    return Synapses(weights, delays, matrix, _Spread(cell, origin, fixed, n_post, n_pre))


def _delays(p: Projection, dt: float, like: Tensor) -> tuple[tuple[int, Tensor | None], ...]:
    """Whole ticks, rounded half up and at least 1 unless exactly 0, as compile does."""
    if p.delay is None:
        return ((1, None),)
    if isinstance(p.delay, Distribution):
        raise fail(
            "learn-delays",
            p.name,
            "has drawn delays, which training does not follow",
            got=p.delay,
            hint="give the projection one delay, or an explicit one for every synapse",
        )
    exact = np.asarray(p.delay, np.float64) / dt
    ticks = np.floor(exact + 0.5 + 1e-9).astype(np.int64)
    ticks = np.where(exact == 0, 0, np.maximum(ticks, 1))
    values = np.unique(ticks)
    if values.size < 2:
        return ((int(values[0]) if values.size else 1, None),)
    return tuple((int(v), torch.as_tensor(ticks == v).to(like)) for v in values)


def _padded(x: Tensor, padding: Sequence[tuple[int, int]]) -> Tensor:
    if not any(a or b for a, b in padding):
        return x
    return functional.pad(
        x, [v for pair in reversed(padding) for v in pair]
    )  # torch: last axis first


class _Conv:
    """A convolution, which knows its own way back."""

    def __init__(self, conv: Conv) -> None:
        self.c = c = cast("Any", conv)  # which made tuples of its numbers
        self.convolve: Any = functional.conv1d if len(c.input_shape) == 2 else functional.conv2d

    def __call__(self, x: Tensor, weights: Tensor | None) -> Tensor:
        assert weights is not None
        c = self.c
        image = _padded(x.reshape(-1, *c.input_shape), c.padding)
        return self.convolve(image, weights, None, c.stride, 0, c.dilation, c.groups).flatten(1)

    def pull(
        self, x: Tensor, weights: Tensor, gradient: Tensor, to_x: bool, to_w: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of x and weights from that of the result, without computing it again."""
        c = self.c
        image = _padded(x.reshape(-1, *c.input_shape), c.padding)
        sums = gradient.view(len(gradient), *c.output_shape)
        none = [0] * (len(c.input_shape) - 1)
        to_image, to_weights, _ = torch.ops.aten.convolution_backward(
            sums, image, weights, None, list(c.stride), none, list(c.dilation), False, none,
            c.groups, [to_x, to_w, False],
        )  # fmt: skip
        if to_x:
            for axis, (low, _) in enumerate(c.padding):
                to_image = to_image.narrow(axis + 2, low, c.input_shape[axis + 1])
            to_image = to_image.reshape(len(x), -1)
        return to_image, to_weights


class _Pool:
    """Pooling, which knows its own way back where windows do not overlap."""

    def __init__(self, pool: Pool) -> None:
        self.c = c = cast("Any", pool)  # which made tuples of its numbers
        self.pool: Any = functional.avg_pool1d if len(c.input_shape) == 2 else functional.avg_pool2d
        self.scale = c.weight * (prod(c.kernel) if c.mode == "sum" else 1)
        whole = all(n % k == 0 for n, k in zip(c.input_shape[1:], c.kernel, strict=True))
        plain = not any(a or b for a, b in c.padding)
        self.apart = whole and plain and tuple(c.stride) == tuple(c.kernel)

    def __call__(self, x: Tensor, weights: Tensor | None) -> Tensor:
        c = self.c
        image = _padded(x.reshape(-1, *c.input_shape), c.padding)
        found = self.pool(image, c.kernel, c.stride).flatten(1)
        return found if self.scale == 1 else self.scale * found

    def pull(
        self, x: Tensor, weights: None, gradient: Tensor, to_x: bool, to_w: bool
    ) -> tuple[Tensor | None, None]:
        """Gradient of x from that of the result: every cell of a window has an equal part."""
        c = self.c
        if not self.apart:
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                return torch.autograd.grad(self(x, None), x, gradient)[0], None
        narrow, wide = [len(x), c.input_shape[0]], [len(x), c.input_shape[0]]
        for n, k in zip(c.input_shape[1:], c.kernel, strict=True):
            narrow += [n // k, 1]
            wide += [n // k, k]
        part = gradient * (self.scale / prod(c.kernel))
        return part.view(narrow).expand(wide).reshape(len(x), -1), None
