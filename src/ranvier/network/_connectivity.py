"""Who is connected to whom, and how strongly: one frozen class per way of saying it.

Weights are in the unit of the target port (SI). Arrays are read-only float64. Every class can
enumerate its synapses in one canonical order: by source, then in order of creation.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail, unknown
from ranvier.network._given import shape_tuple, whole
from ranvier.network._order import stable_order
from ranvier.network._windows import int_pairs, int_tuple, tap_positions, window_shape

__all__ = [
    "Connectivity",
    "Conv",
    "Dense",
    "OneToOne",
    "Pool",
    "Sparse",
    "Synapses",
    "weight_array",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Synapses(NamedTuple):
    """All synapses of a projection, sorted by source (stable).

    ``pre``, ``post`` int64 and ``weight`` float64, each [n]; ``origin`` int64 [n] is the position
    of each synapse in the user's own weights (several synapses of a convolution share one).
    """

    pre: IntArray
    post: IntArray
    weight: FloatArray
    origin: IntArray


def weight_array(where: str, value: Any, ndim: tuple[int, ...] | None = None) -> FloatArray:
    """Finite float64, copied and read-only; raises RanvierError naming ``where``."""
    try:
        if np.iscomplexobj(value):
            raise fail("weights-dtype", where, "must hold real numbers", got="complex numbers")
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise fail("weights-dtype", where, "must hold numbers", got=str(error)) from error
    if ndim is not None and array.ndim not in ndim:
        if ndim == (0,):
            raise fail("weights-shape", where, "must be one number",
                       got=f"an array of shape {array.shape}",
                       hint="Sparse and Dense take a weight for every synapse")  # fmt: skip
        raise fail(
            "weights-shape", where, "has the wrong number of dimensions", got=array.ndim, limit=ndim
        )
    if not np.all(np.isfinite(array)):
        if not array.ndim:
            raise fail("weights-not-finite", where, "is not a finite number", got=array)
        bad = np.argwhere(~np.isfinite(array))
        raise fail(
            "weights-not-finite",
            f"{where}[{', '.join(map(str, bad[0]))}]",
            f"weights hold NaN or infinity ({len(bad)} of {array.size})",
            got=array[tuple(bad[0])],
            hint="check the training run that made them",
        )
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Base of all kinds. ``n_pre``/``n_post`` are set by the kind or checked by the network."""

    kind: ClassVar[str] = ""

    def sizes(self) -> tuple[int, int]:
        """(sources, targets)."""
        raise TypeError("abstract")

    def count(self) -> int:
        """Number of synapses."""
        return int(self.synapses().pre.size)

    def most(self) -> int:
        """An upper bound of the number of synapses, without making them."""
        return self.count()

    def expected(self) -> float:
        """Number of synapses without making them; the mean where they are drawn."""
        return float(self.most())

    def synapses(self) -> Synapses:
        """Enumerate in canonical order."""
        raise TypeError("abstract")

    def delay_shape(self) -> tuple[int, ...]:
        """Shape a per-synapse delay array must have (that of the weights)."""
        weights = getattr(self, "weights", None)
        return () if weights is None else weights.shape

    def with_weights(self, weights: FloatArray) -> Connectivity:
        """The same connections with other weights (same shape)."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{**values, "weights": weights})

    def to_dict(self) -> dict[str, Any]:
        """Plain data; arrays stay arrays and are taken out by the bundle writer."""
        return {"kind": self.kind, **{f.name: getattr(self, f.name) for f in fields(self)}}


@dataclass(frozen=True, eq=False)
class Dense(Connectivity):
    """Every source to every target: ``weights[target, source]``."""

    weights: FloatArray
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weight_array("Dense.weights", self.weights, (2,)))

    def sizes(self) -> tuple[int, int]:
        return self.weights.shape[1], self.weights.shape[0]

    def count(self) -> int:
        return self.weights.size

    def synapses(self) -> Synapses:
        n_pre, n_post = self.sizes()
        pre = np.repeat(np.arange(n_pre), n_post)
        post = np.tile(np.arange(n_post), n_pre)
        return Synapses(pre, post, self.weights.T.ravel().copy(), post * n_pre + pre)


@dataclass(frozen=True, eq=False)
class Sparse(Connectivity):
    """An explicit list: synapse k goes from ``pre[k]`` to ``post[k]`` with ``weights[k]``.

    Multapses are allowed. ``shape`` is (sources, targets).
    """

    pre: IntArray
    post: IntArray
    weights: FloatArray
    shape: tuple[int, int]
    kind: ClassVar[str] = "sparse"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weight_array("Sparse.weights", self.weights, (1,)))
        shape = shape_tuple("Sparse.shape", self.shape, 0)
        if len(shape) != 2:
            raise fail(
                "weights-shape", "Sparse.shape", "must be (sources, targets)", got=self.shape
            )
        object.__setattr__(self, "shape", shape)
        for name, limit in (("pre", shape[0]), ("post", shape[1])):
            array = np.asarray(getattr(self, name))
            if array.shape != self.weights.shape or (array.size and array.dtype.kind not in "iu"):
                raise fail(
                    "sparse-index",
                    f"Sparse.{name}",
                    "must hold one integer per weight",
                    got=f"{array.dtype} {array.shape}",
                    limit=f"int {self.weights.shape}",
                )
            array = array.astype(np.int64)  # a copy
            if array.size and (array.min() < 0 or array.max() >= limit):
                at = int(np.flatnonzero((array < 0) | (array >= limit))[0])
                raise fail(
                    "sparse-index",
                    f"Sparse.{name}[{at}]",
                    "out of range",
                    got=int(array[at]),
                    limit=f"0..{limit - 1}",
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def from_csr(cls, matrix: Any) -> Sparse:
        """From a SciPy sparse matrix [targets, sources]."""
        coo = matrix.tocoo()
        return cls(coo.col, coo.row, coo.data, (coo.shape[1], coo.shape[0]))

    @staticmethod
    def from_table(
        pre: Any, post: Any, weight: Any, delay: Any = None, **more: Any
    ) -> tuple[Sparse, FloatArray | None]:
        """(connectivity, delays [s] or None) of columns; options as
        :func:`ranvier.network.from_table`."""
        from ranvier.network._tables import from_table

        return from_table(pre, post, weight, delay, **more)

    @staticmethod
    def from_csv(path: Any, **more: Any) -> tuple[Sparse, FloatArray | None]:
        """As :func:`ranvier.network.from_csv`."""
        from ranvier.network._tables import from_csv

        return from_csv(path, **more)

    @staticmethod
    def from_parquet(path: Any, **more: Any) -> tuple[Sparse, FloatArray | None]:
        """As :func:`ranvier.network.from_parquet`."""
        from ranvier.network._tables import from_parquet

        return from_parquet(path, **more)

    @staticmethod
    def from_npz(path: Any, **more: Any) -> tuple[Sparse, FloatArray | None]:
        """As :func:`ranvier.network.from_npz`."""
        from ranvier.network._tables import from_npz

        return from_npz(path, **more)

    def sizes(self) -> tuple[int, int]:
        return self.shape

    def count(self) -> int:
        return self.weights.size

    def synapses(self) -> Synapses:
        if self.pre.size and np.all(self.pre[1:] >= self.pre[:-1]):
            return Synapses(self.pre, self.post, self.weights, np.arange(self.pre.size))
        order = stable_order(self.pre).astype(np.int64)
        return Synapses(self.pre[order], self.post[order], self.weights[order], order)


@dataclass(frozen=True, eq=False)
class OneToOne(Connectivity):
    """Source i to target i with ``weights`` (a scalar or one per pair)."""

    weights: FloatArray
    n: int
    kind: ClassVar[str] = "one_to_one"

    def __post_init__(self) -> None:
        array = weight_array("OneToOne.weights", self.weights, (0, 1))
        object.__setattr__(self, "n", whole("OneToOne.n", self.n, 0))
        if array.ndim == 1 and array.size != self.n:
            raise fail(
                "weights-shape",
                "OneToOne.weights",
                "needs one weight per pair",
                got=array.size,
                limit=self.n,
            )
        object.__setattr__(self, "weights", array)

    def sizes(self) -> tuple[int, int]:
        return self.n, self.n

    def count(self) -> int:
        return self.n

    def synapses(self) -> Synapses:
        index = np.arange(self.n)
        shared = self.weights.ndim == 0
        return Synapses(
            index,
            index,
            np.broadcast_to(self.weights, (self.n,)).copy(),
            np.zeros(self.n, np.int64) if shared else index,
        )


@dataclass(frozen=True, eq=False)
class Conv(Connectivity):
    """1-D or 2-D convolution (cross-correlation, as in torch).

    ``weights[out, in/groups, *kernel]``.

    ``input_shape`` is (channels, *size); ``padding`` is one number, one per axis, or (low, high)
    pairs per axis.
    """

    weights: FloatArray
    input_shape: tuple[int, ...]
    stride: tuple[int, ...] | int = 1
    padding: tuple[tuple[int, int], ...] | tuple[int, ...] | int = 0
    dilation: tuple[int, ...] | int = 1
    groups: int = 1
    kind: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        weights = weight_array("Conv.weights", self.weights, (3, 4))
        axes = weights.ndim - 2
        shape = shape_tuple("Conv.input_shape", self.input_shape, 1)
        set_ = object.__setattr__
        set_(self, "weights", weights)
        set_(self, "groups", whole("Conv.groups", self.groups, 1))
        set_(self, "input_shape", shape)
        set_(self, "stride", int_tuple("Conv.stride", self.stride, axes, 1))
        set_(self, "dilation", int_tuple("Conv.dilation", self.dilation, axes, 1))
        set_(self, "padding", int_pairs("Conv.padding", self.padding, axes))
        if len(shape) != axes + 1:
            raise fail(
                "conv-geometry", "Conv.input_shape", f"needs (channels, {axes} sizes)", got=shape
            )
        if shape[0] % self.groups or weights.shape[0] % self.groups:
            raise fail(
                "conv-geometry",
                "Conv.groups",
                "must divide the input and output channels",
                got=self.groups,
                limit=f"divisors of {shape[0]} and {weights.shape[0]}",
            )
        if weights.shape[1] != shape[0] // self.groups:
            raise fail(
                "conv-geometry",
                "Conv.weights",
                "input channels do not match input_shape",
                got=weights.shape[1],
                limit=shape[0] // self.groups,
            )
        if not weights.size:
            raise fail(
                "conv-geometry", "Conv.weights", "needs a channel and a tap", got=weights.shape
            )
        if min(self.output_shape) < 1:
            raise fail(
                "conv-geometry", "Conv", "the kernel is larger than the padded input", got=shape
            )

    def count(self) -> int:
        taps = tap_positions(*self._geometry())[0].size
        return int(self.weights.shape[0] * self.weights.shape[1]) * int(taps)

    def _geometry(self) -> tuple[Any, Any, Any, Any, Any]:
        size, kernel = self.input_shape[1:], self.weights.shape[2:]
        return size, kernel, self.stride, self.padding, self.dilation

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(channels, *size) of the result."""
        return (self.weights.shape[0], *window_shape(*self._geometry()))

    def sizes(self) -> tuple[int, int]:
        return prod(self.input_shape), prod(self.output_shape)

    def synapses(self) -> Synapses:
        inner, outer, tap = tap_positions(*self._geometry())
        per_in = prod(self.input_shape[1:])
        per_out = prod(self.output_shape[1:])
        n_out, n_in = int(self.weights.shape[0]), int(self.weights.shape[1])
        per_group = n_out // self.groups
        o: IntArray = np.repeat(np.arange(n_out), n_in)
        i: IntArray = np.tile(np.arange(n_in), n_out)
        channel = (o // per_group) * n_in + i
        pre = (channel[:, None] * per_in + inner[None, :]).ravel()
        post = (o[:, None] * per_out + outer[None, :]).ravel()
        taps = prod(self.weights.shape[2:])
        origin = ((o * n_in + i)[:, None] * taps + tap[None, :]).ravel()
        order = np.lexsort((post, pre))
        pre, post, origin = pre[order], post[order], origin[order]
        return Synapses(pre, post, self.weights.ravel()[origin], origin)


@dataclass(frozen=True, eq=False)
class Pool(Connectivity):
    """Sum or average pooling per channel over 1-D or 2-D windows, scaled by ``weight``.

    Average pooling divides by the full kernel size, padding included (torch's default).
    """

    input_shape: tuple[int, ...]
    kernel: tuple[int, ...] | int
    mode: str = "sum"
    stride: tuple[int, ...] | int | None = None
    padding: tuple[tuple[int, int], ...] | tuple[int, ...] | int = 0
    weight: float = 1.0
    kind: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        shape = shape_tuple("Pool.input_shape", self.input_shape, 1)
        axes = len(shape) - 1
        if axes not in (1, 2):
            raise fail(
                "pool-geometry", "Pool.input_shape", "needs (channels, 1 or 2 sizes)", got=shape
            )
        if self.mode not in ("sum", "average"):
            raise unknown("pooling mode", self.mode, ("sum", "average"), where="Pool.mode")
        kernel = int_tuple("Pool.kernel", self.kernel, axes, 1)
        stride = kernel if self.stride is None else int_tuple("Pool.stride", self.stride, axes, 1)
        set_ = object.__setattr__
        set_(self, "input_shape", shape)
        set_(self, "kernel", kernel)
        set_(self, "stride", stride)
        set_(self, "padding", int_pairs("Pool.padding", self.padding, axes))
        set_(self, "weight", float(weight_array("Pool.weight", self.weight, (0,))))
        if min(self.output_shape) < 1:
            raise fail(
                "pool-geometry", "Pool", "the window is larger than the padded input", got=shape
            )

    def count(self) -> int:
        return self.input_shape[0] * int(tap_positions(*self._geometry())[0].size)

    def _geometry(self) -> tuple[Any, Any, Any, Any, Any]:
        ones = (1,) * (len(self.input_shape) - 1)
        return self.input_shape[1:], self.kernel, self.stride, self.padding, ones

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(channels, *size) of the result."""
        return (self.input_shape[0], *window_shape(*self._geometry()))

    def sizes(self) -> tuple[int, int]:
        return prod(self.input_shape), prod(self.output_shape)

    def synapses(self) -> Synapses:
        inner, outer, _ = tap_positions(*self._geometry())
        per_in, per_out = prod(self.input_shape[1:]), prod(self.output_shape[1:])
        channel = np.arange(self.input_shape[0])[:, None]
        pre = (channel * per_in + inner[None, :]).ravel()
        post = (channel * per_out + outer[None, :]).ravel()
        order = np.lexsort((post, pre))
        kernel: Any = self.kernel
        scale = self.weight / (prod(kernel) if self.mode == "average" else 1)
        return Synapses(
            pre[order], post[order], np.full(pre.size, scale), np.zeros(pre.size, np.int64)
        )
