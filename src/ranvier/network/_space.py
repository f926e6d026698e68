"""Positions of neurons, and the probability of a connection by distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from math import inf, log, prod, sqrt
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail, unknown
from ranvier.network._given import is_list, is_number, shape_tuple

__all__ = ["KERNELS", "Cells", "Grid", "Space", "kernel_of", "probability", "space_from"]

FloatArray = NDArray[np.float64]

KERNELS: Mapping[str, tuple[str, ...]] = {
    "distance_gaussian": ("p_max", "sigma"),
    "distance_exponential": ("p_max", "lambda"),
    "distance_linear": ("p_max", "radius"),
    "distance_box": ("p_max", "radius"),
}
"""Kernels of the distance d: ``p_max exp(-d^2 / (2 sigma^2))``, ``p_max exp(-d / lambda)``,
``p_max (1 - d / radius)`` and ``p_max`` up to ``radius``; the code of each is its place here."""

LEAST = 2.0**-33
"""A probability below this is 0: a draw has 32 bits."""
PER_CELL = 64
"""Sources that a cell holds on average."""


def _point(where: str, value: Any, axes: int) -> tuple[float, ...]:
    items = list(value) if is_list(value) else [value] * axes
    if len(items) != axes or not all(is_number(v) and v > 0 for v in items):
        raise fail(
            "space-size", where, f"needs {axes} positive lengths", got=repr(value)[:60]
        )  # fmt: skip
    return tuple(float(v) for v in items)


@dataclass(frozen=True)
class Grid:
    """Neurons at the centres of the cells of a regular grid, in row-major order.

    ``shape`` is the number of cells along 1 to 3 axes, ``extent`` the length of the whole grid
    along each (one number: the same for all). The grid's corner is the origin.
    """

    shape: tuple[int, ...]
    extent: tuple[float, ...] | float = 1.0

    def __post_init__(self) -> None:
        shape = shape_tuple("Grid.shape", self.shape, 1)
        if len(shape) not in (1, 2, 3):
            raise fail("space-axes", "Grid.shape", "needs 1 to 3 axes", got=shape)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "extent", _point("Grid.extent", self.extent, len(shape)))

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)

    def positions(self) -> FloatArray:
        """[size, axes]."""
        extent = cast("tuple[float, ...]", self.extent)
        axes = [(np.arange(n) + 0.5) * (e / n) for n, e in zip(self.shape, extent, strict=True)]
        every = [a.ravel() for a in np.meshgrid(*axes, indexing="ij")]
        return np.stack(every, axis=1).astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"shape": self.shape, "extent": self.extent}


def _positions(where: str, value: Any) -> Grid | FloatArray:
    if isinstance(value, Grid):
        return value
    if isinstance(value, Mapping):
        data = dict(cast("Mapping[str, Any]", value))
        if set(data) != {"shape", "extent"}:
            raise fail("space-positions", where, "is not a grid", got=sorted(map(str, data)))
        return Grid(tuple(data["shape"]), tuple(data["extent"]))
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise fail("space-positions", where, "must hold numbers", got=str(error)[:80]) from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] not in (1, 2, 3):
        raise fail(
            "space-positions", where, "needs shape [neurons, 1 to 3 axes]", got=array.shape
        )  # fmt: skip
    if not np.all(np.isfinite(array)):
        at = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise fail("space-positions", f"{where}[{at}]", "holds NaN or infinity", got=array[at])
    array.setflags(write=False)
    return array


class Cells(NamedTuple):
    """Sources sorted into the cells of a grid of three axes (those missing have one cell).

    ``order`` int32 [n] lists the sources cell by cell, cell c from ``ptr[c]``; ``position``
    [n, 3] in that order; ``origin``, ``size`` [3] and ``shape`` [3] of the cells; ``period`` [3]
    is 0 where an axis has none.
    """

    order: NDArray[np.int32]
    ptr: NDArray[np.int64]
    position: FloatArray
    origin: FloatArray
    size: FloatArray
    shape: NDArray[np.int64]
    period: FloatArray


@dataclass(frozen=True, eq=False)
class Space:
    """Where sources and targets are: a :class:`Grid`, or positions [neurons, 1 to 3 axes] each.

    Positions and lengths share one unit (say, metres). ``period`` makes every axis a ring of that
    length (two axes: a torus): distances are then the shortest ones around it.
    """

    pre: Grid | FloatArray
    post: Grid | FloatArray
    period: tuple[float, ...] | float | None = None

    def __post_init__(self) -> None:
        for name in ("pre", "post"):
            object.__setattr__(self, name, _positions(f"Space.{name}", getattr(self, name)))
        axes = self.positions("pre").shape[1]
        if self.positions("post").shape[1] != axes:
            raise fail(
                "space-axes",
                "Space.post",
                "has other axes than Space.pre",
                got=self.positions("post").shape[1],
                limit=axes,
            )
        if self.period is not None:
            object.__setattr__(self, "period", _point("Space.period", self.period, axes))

    def positions(self, name: str) -> FloatArray:
        """[neurons, axes] of ``"pre"`` or ``"post"``."""
        value = getattr(self, name)
        return value.positions() if isinstance(value, Grid) else value

    def _three(self, name: str) -> FloatArray:
        """[neurons, 3], wrapped into the first period."""
        given = self.positions(name)
        period = self._periods()[: given.shape[1]]
        whole = np.zeros((given.shape[0], 3))
        whole[:, : given.shape[1]] = np.where(
            period > 0, np.mod(given, np.where(period > 0, period, 1.0)), given
        )
        return whole

    def _periods(self) -> FloatArray:
        out = np.zeros(3)
        if self.period is not None:
            given = cast("tuple[float, ...]", self.period)
            out[: len(given)] = given
        return out

    @cached_property
    def targets(self) -> FloatArray:
        """Positions of the targets as the drawing loop takes them, [n, 3]."""
        return np.ascontiguousarray(self._three("post"))

    @cached_property
    def cells(self) -> Cells:
        """The sources, sorted by cell."""
        place, period = self._three("pre"), self._periods()
        n = place.shape[0]
        axes = self.positions("pre").shape[1]
        low = np.where(period > 0, 0.0, place.min(axis=0) if n else 0.0)
        high = np.where(period > 0, period, place.max(axis=0) if n else 0.0)
        span = np.maximum(high - low, 0.0)
        used = (np.arange(3) < axes) & (span > 0)
        wanted = max(1.0, n / PER_CELL)
        side = (float(np.prod(span[used])) / wanted) ** (1 / max(1, int(used.sum())))
        shape = np.ones(3, np.int64)
        if side > 0:
            shape[used] = np.clip(np.rint(span[used] / side), 1, max(1.0, wanted)).astype(np.int64)
        size = np.where(used, span / shape, 1.0)
        index = np.clip(np.floor((place - low) / size).astype(np.int64), 0, shape - 1)
        cell = (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2]
        order = np.argsort(cell, kind="stable")
        ptr = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=int(shape.prod())))])
        return Cells(
            order.astype(np.int32), ptr.astype(np.int64), np.ascontiguousarray(place[order]),
            low, size, shape, period,
        )  # fmt: skip

    def distances(self, target: int) -> FloatArray:
        """From every source to one target, [sources]."""
        step = self._three("pre") - self.targets[target]
        period = self._periods()
        ring = np.where(period > 0, period, 1.0)
        step -= np.where(period > 0, ring * np.rint(step / ring), 0.0)
        return np.sqrt((step * step).sum(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Plain data and arrays."""
        out: dict[str, Any] = {"period": self.period}
        for name in ("pre", "post"):
            value = getattr(self, name)
            out[name] = value.to_dict() if isinstance(value, Grid) else value
        return out


def space_from(data: Any, where: str) -> Space:
    """A space out of its plain data; raises RanvierError naming what is odd."""
    if isinstance(data, Space):
        return data
    if not isinstance(data, Mapping):
        raise fail("space", where, "must be a Space", got=type(data).__name__)
    values = dict(cast("Mapping[str, Any]", data))
    legal = [f.name for f in fields(Space)]
    for name in values:
        if name not in legal:
            raise unknown("parameter", name, legal, where=where)
    if not {"pre", "post"} <= set(values):
        raise fail("space", where, "lacks positions", got=sorted(values), limit=legal)
    period: Any = values.get("period")
    values["period"] = tuple(cast("list[Any]", period)) if isinstance(period, list) else period
    return Space(**values)


def kernel_of(rule: str, parameters: Mapping[str, float]) -> tuple[int, float, float, float]:
    """(code, p_max, length, distance beyond which the probability is 0)."""
    code, p = list(KERNELS).index(rule), parameters["p_max"]
    length = parameters[KERNELS[rule][1]]
    cut = parameters.get("radius", inf)
    if p > LEAST and code == 0:
        cut = min(cut, length * sqrt(2 * log(p / LEAST)))
    elif p > LEAST and code == 1:
        cut = min(cut, length * log(p / LEAST))
    return code, p, length, cut if p > LEAST else 0.0


def probability(
    rule: str, parameters: Mapping[str, float], distance: FloatArray
) -> FloatArray:  # fmt: skip
    """Of a connection over each distance (any shape)."""
    code, p, length, cut = kernel_of(rule, parameters)
    with np.errstate(over="ignore"):
        value = {
            0: lambda: np.exp(-0.5 * (distance / length) ** 2),
            1: lambda: np.exp(-distance / length),
            2: lambda: np.maximum(1 - distance / length, 0.0),
            3: lambda: np.ones_like(distance),
        }[code]()
    return np.where(distance <= cut, p * value, 0.0) if p > LEAST else np.zeros_like(distance)
