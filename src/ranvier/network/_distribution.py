"""Distributions of weights and delays: frozen, drawn by inversion of their distribution function.

Each is one law with a closed form, truncated where ``low`` and ``high`` say so. Truncation means
the conditional law: what redrawing until a value lies within the bounds would give. Values are SI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import exp, expm1, inf, isfinite, log
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail, unknown
from ranvier.network._given import shape_tuple, whole

__all__ = [
    "DISTRIBUTIONS",
    "Distribution",
    "Exponential",
    "LogNormal",
    "Normal",
    "Uniform",
    "distribution_from",
]

FloatArray = NDArray[np.float64]

TAIL = 2.0**-32
"""Where an unbounded tail is cut for ``bounds``: a draw uses 32 random bits."""
LEAST_MASS = 1e-9
"""A truncation that keeps less than this of a law is refused: it is a mistake in units."""

NORMAL, LOGNORMAL, UNIFORM, EXPONENTIAL = 1, 2, 3, 4
"""Codes of the laws for the drawing loop (0 is a constant)."""


def _number(where: str, value: Any, *, none: bool = False) -> float | None:
    if value is None and none:
        return None
    known: Any = value
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        number = float(known)
        if isfinite(number):
            return number
    raise fail("distribution-parameter", where, "must be a finite number", got=repr(known)[:60])


@dataclass(frozen=True)
class Distribution:
    """Base of all laws: a distribution function, its inverse, and bounds, all in SI units."""

    kind: ClassVar[str] = ""

    def _take(self, names: str, optional: str = "") -> None:
        for name in (*names.split(), *optional.split()):
            where = f"{type(self).__name__}.{name}"
            value = _number(where, getattr(self, name), none=name in optional.split())
            object.__setattr__(self, name, value)

    def _ordered(self) -> None:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and not low <= high:
            raise fail(
                "distribution-parameter",
                f"{type(self).__name__}.low",
                "must not lie above high",
                got=f"{low:g}",
                limit=f"<= {high:g}",
            )

    def _positive(self, name: str, zero: bool = False) -> None:
        value = getattr(self, name)
        if value < 0 or (value == 0 and not zero):
            raise fail(
                "distribution-parameter",
                f"{type(self).__name__}.{name}",
                "must not be negative" if zero else "must be positive",
                got=f"{value:g}",
            )

    def _mass(self, mass: float) -> None:
        if not mass >= LEAST_MASS:
            raise fail(
                "distribution-empty",
                str(self),
                "the bounds leave nothing of the distribution",
                got=f"a share of {mass:.3g}",
                limit=f"at least {LEAST_MASS:g}",
                hint="are the bounds in the same (SI) unit as the other parameters?",
            )

    def code(self) -> tuple[int, FloatArray]:
        """(law, its numbers [6]) as the drawing loop takes them."""
        raise TypeError("abstract")

    def bounds(self) -> tuple[float, float]:
        """(low, high): every draw lies within; an open tail ends at its 2^-32 quantile."""
        edges = self.quantile(np.array([TAIL / 2, 1 - TAIL / 2]))
        return float(edges[0]), float(edges[1])

    def quantile(self, u: FloatArray) -> FloatArray:
        """Inverse of the distribution function at ``u`` (0 < u < 1), any shape."""
        raise TypeError("abstract")

    def cdf(self, x: FloatArray) -> FloatArray:
        """Probability of at most ``x``, any shape."""
        raise TypeError("abstract")

    def mean_value(self) -> float:
        """Mean, by the midpoint rule on 4096 quantiles (for estimates and texts)."""
        return float(self.quantile((np.arange(4096) + 0.5) / 4096).mean())

    def sample(self, size: int | tuple[int, ...], *, seed: int) -> FloatArray:
        """Independent draws, shape ``size``: the i-th depends on ``seed`` and i alone."""
        from ranvier.network._draw import key_of, sample_words

        shape = shape_tuple("sample.size", size, 0)
        n = int(np.prod(shape, dtype=np.int64))
        word = sample_words(n, *key_of(whole("sample.seed", seed, 0)))
        u: FloatArray = (word.astype(np.float64) + 0.5) * TAIL
        return self.quantile(u).reshape(shape)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, read back by :func:`distribution_from`."""
        return {"distribution": self.kind, **{f.name: getattr(self, f.name) for f in fields(self)}}

    def __str__(self) -> str:
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        return f"{self.kind}({', '.join(f'{k}={v:g}' for k, v in given if v is not None)})"


def _shares(a: float, b: float) -> tuple[float, float, bool]:
    """Distribution function of the standard normal at the bounds a <= b (may be infinite).

    Mirrored (True) where both lie in the upper tail, in which differences would cancel.
    """
    from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs]

    function: Any = ndtr
    if a > 0:
        return float(function(-b)), float(function(-a)), True
    return float(function(a)), float(function(b)), False


def _normal_quantile(u: FloatArray, a: float, b: float) -> FloatArray:
    """Standard normal between a and b."""
    from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

    function: Any = ndtri
    low, high, mirrored = _shares(a, b)
    span = high - low
    z = -function(high - u * span) if mirrored else function(low + u * span)
    return np.clip(z, a, b)


def _normal_cdf(z: FloatArray, a: float, b: float) -> FloatArray:
    from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs]

    function: Any = ndtr
    low, high, mirrored = _shares(a, b)
    z = np.clip(z, a, b)
    share = high - function(-z) if mirrored else function(z) - low
    return np.clip(share / (high - low), 0.0, 1.0)


@dataclass(frozen=True)
class Normal(Distribution):
    """Gaussian with ``mean`` and ``sd`` >= 0, truncated to ``low`` .. ``high`` where given.

    ``mean`` and ``sd`` are those of the law before it is truncated (as in NEST's redraw).
    """

    mean: float
    sd: float
    low: float | None = None
    high: float | None = None
    kind: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        self._take("mean sd", "low high")
        self._positive("sd", zero=True)
        self._ordered()
        a, b = self._standard()
        if self.sd == 0:
            self._mass(float(a <= 0 <= b))
        else:
            low, high, _ = _shares(a, b)
            self._mass(high - low)

    def _standard(self) -> tuple[float, float]:
        sd = self.sd or 1.0
        a = -inf if self.low is None else (self.low - self.mean) / sd
        b = inf if self.high is None else (self.high - self.mean) / sd
        return a, b

    def quantile(self, u: FloatArray) -> FloatArray:
        if self.sd == 0:
            return np.full(np.shape(u), self.mean)
        x = self.mean + self.sd * _normal_quantile(np.asarray(u), *self._standard())
        return np.clip(x, self.low, self.high)

    def cdf(self, x: FloatArray) -> FloatArray:
        if self.sd == 0:
            return (np.asarray(x) >= self.mean).astype(np.float64)
        return _normal_cdf((np.asarray(x) - self.mean) / self.sd, *self._standard())

    def code(self) -> tuple[int, FloatArray]:
        low, high, mirrored = (0.0, 1.0, False) if self.sd == 0 else _shares(*self._standard())
        return NORMAL, _numbers(self.mean, -self.sd if mirrored else self.sd, low, high, self)


@dataclass(frozen=True)
class LogNormal(Distribution):
    """``median * exp(sigma * z)`` with z standard normal; a negative median mirrors it.

    ``median`` is in SI units and not 0; ``sigma`` >= 0 is the standard deviation of the logarithm.
    Truncated to ``low`` .. ``high`` (SI) where given.
    """

    median: float
    sigma: float
    low: float | None = None
    high: float | None = None
    kind: ClassVar[str] = "lognormal"

    def __post_init__(self) -> None:
        self._take("median sigma", "low high")
        self._positive("sigma", zero=True)
        self._ordered()
        if self.median == 0:
            raise fail("distribution-parameter", "LogNormal.median", "must not be 0", got=0)
        a, b = self._standard()
        if self.sigma == 0 or not a < b:
            self._mass(float(a <= 0 <= b))
        else:
            low, high, _ = _shares(a, b)
            self._mass(high - low)

    def _standard(self) -> tuple[float, float]:
        """Bounds of z in units of its own, ascending."""
        sign = 1.0 if self.median > 0 else -1.0
        edges: list[float] = []
        for value, open_ in ((self.low, -inf * sign), (self.high, inf * sign)):
            if value is None:
                edges.append(open_)
            elif value * sign <= 0:
                edges.append(-inf)
            else:
                edges.append(log(value / self.median) / (self.sigma or 1.0))
        return min(edges), max(edges)

    def quantile(self, u: FloatArray) -> FloatArray:
        u = np.asarray(u)
        if self.sigma == 0:
            return np.full(np.shape(u), self.median)
        share = u if self.median > 0 else 1 - u
        x = self.median * np.exp(self.sigma * _normal_quantile(share, *self._standard()))
        return np.clip(x, self.low, self.high)

    def cdf(self, x: FloatArray) -> FloatArray:
        if self.sigma == 0:
            return (np.asarray(x) >= self.median).astype(np.float64)
        ratio = np.maximum(np.asarray(x) / self.median, 0.0)
        with np.errstate(divide="ignore"):
            z = np.log(ratio) / self.sigma
        share = _normal_cdf(z, *self._standard())
        return share if self.median > 0 else 1 - share

    def code(self) -> tuple[int, FloatArray]:
        low, high, mirrored = (0.0, 1.0, False) if self.sigma == 0 else _shares(*self._standard())
        return LOGNORMAL, _numbers(
            self.median, -self.sigma if mirrored else self.sigma, low, high, self
        )


@dataclass(frozen=True)
class Uniform(Distribution):
    """Every value between ``low`` and ``high`` alike."""

    low: float
    high: float
    kind: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        self._take("low high")
        self._ordered()

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def quantile(self, u: FloatArray) -> FloatArray:
        return np.clip(self.low + (self.high - self.low) * np.asarray(u), self.low, self.high)

    def cdf(self, x: FloatArray) -> FloatArray:
        if self.low == self.high:
            return (np.asarray(x) >= self.low).astype(np.float64)
        return np.clip((np.asarray(x) - self.low) / (self.high - self.low), 0.0, 1.0)

    def code(self) -> tuple[int, FloatArray]:
        return UNIFORM, _numbers(self.low, self.high - self.low, 0.0, 1.0, self)


@dataclass(frozen=True)
class Exponential(Distribution):
    """``low`` plus an exponentially distributed value of mean ``scale``, cut at ``high``."""

    scale: float
    low: float = 0.0
    high: float | None = None
    kind: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        self._take("scale low", "high")
        self._positive("scale")
        self._ordered()
        self._mass(self._share())

    def _share(self) -> float:
        """Probability below ``high`` of the law before it is cut."""
        return 1.0 if self.high is None else -expm1(-(self.high - self.low) / self.scale)

    def quantile(self, u: FloatArray) -> FloatArray:
        x = self.low - self.scale * np.log1p(-np.asarray(u) * self._share())
        return np.clip(x, self.low, self.high)

    def cdf(self, x: FloatArray) -> FloatArray:
        late = np.maximum(np.asarray(x) - self.low, 0.0) / self.scale
        return np.clip(-np.expm1(-late) / self._share(), 0.0, 1.0)

    def mean_value(self) -> float:
        if self.high is None:
            return self.low + self.scale
        span = (self.high - self.low) / self.scale
        return self.low + self.scale * (1 - span * exp(-span) / self._share())

    def code(self) -> tuple[int, FloatArray]:
        return EXPONENTIAL, _numbers(self.low, self.scale, 0.0, self._share(), self)


def _numbers(a: float, b: float, low: float, high: float, law: Any) -> FloatArray:
    least = -inf if law.low is None else law.low
    most = inf if law.high is None else law.high
    return np.array([a, b, low, high - low, least, most])


DISTRIBUTIONS: Mapping[str, type[Distribution]] = {
    law.kind: law for law in (Normal, LogNormal, Uniform, Exponential)
}


def distribution_from(data: Any, where: str = "distribution") -> Distribution:
    """A distribution out of its plain data; raises RanvierError naming what is odd."""
    if isinstance(data, Distribution):
        return data
    if not isinstance(data, Mapping) or "distribution" not in data:
        raise fail("distribution", where, "is not a distribution", got=repr(cast("Any", data))[:60])
    values = dict(cast("Mapping[str, Any]", data))
    kind = values.pop("distribution")
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise unknown("distribution", kind, DISTRIBUTIONS, where=where)
    law = DISTRIBUTIONS[kind]
    legal = [f.name for f in fields(law)]
    for name in values:
        if name not in legal:
            raise unknown("parameter", name, legal, where=f"{where}.{kind}")
    try:
        return law(**values)
    except TypeError as error:
        raise fail(
            "distribution", where, "lacks a parameter", got=sorted(values), limit=legal
        ) from error
