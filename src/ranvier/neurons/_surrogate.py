"""Derivatives that stand in for that of a spike, which is 0 or infinite.

Each is one expression of x, the distance to the threshold, and a slope. Torch and the generated
kernels both print that expression, so that the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ranvier.errors import fail, unknown
from ranvier.neurons._expr import Expr, Num, parse, substitute

__all__ = [
    "SURROGATES", "Surrogate", "arctan", "boxcar", "fast_sigmoid", "gaussian", "sigmoid",
    "straight_through", "surrogate", "triangle",
]  # fmt: skip


@dataclass(frozen=True)
class Surrogate:
    """A step from 0 to 1 where x > 0, with ``derivative``, an expression of ``x`` and ``slope``.

    Called with a tensor it gives 0 and 1, differentiable in that sense. Raises RanvierError for an
    expression that says something else, or a slope that is not positive.
    """

    name: str
    derivative: str
    slope: float

    def __post_init__(self) -> None:
        if not (
            isinstance(self.slope, int | float | np.floating) and 0 < self.slope < float("inf")
        ):
            raise fail("bad-slope", f"surrogate {self.name!r}", "the slope must be positive",
                       got=repr(self.slope))  # fmt: skip
        _ = self.expression

    def __reduce__(self) -> tuple[Any, ...]:
        return Surrogate, (self.name, self.derivative, self.slope)

    @cached_property
    def expression(self) -> Expr:
        """The derivative over ``x``."""
        where = f"surrogate {self.name!r}"
        found = parse(self.derivative, where=where, allowed=("x", "slope"))
        return substitute(found, {"slope": Num(float(self.slope))})

    @cached_property
    def _function(self) -> Callable[[Any], Any]:
        from ranvier.neurons._torch import torch_function

        return torch_function(self.expression)

    def __call__(self, x: Any) -> Any:
        """1.0 where ``x`` > 0, else 0.0, of the type of the tensor ``x``."""
        from ranvier.neurons._torch import spike_function

        return spike_function().apply(x, self._function)


def fast_sigmoid(slope: float = 25.0) -> Surrogate:
    """1/(1 + slope*|x|)**2 (Zenke & Ganguli 2018, Neural Comput. 30:1514, eq. 5)."""
    return Surrogate("fast_sigmoid", "1/(1 + slope*abs(x))**2", slope)


def arctan(slope: float = 2.0) -> Surrogate:
    """slope/2 / (1 + (pi/2*slope*x)**2) (Fang et al. 2021, ICCV, eq. 9)."""
    return Surrogate("arctan", "slope/2/(1 + (1.5707963267948966*slope*x)**2)", slope)


def triangle(slope: float = 1.0) -> Surrogate:
    """max(0, 1 - slope*|x|) (Esser et al. 2016, PNAS 113:11441; Bellec et al. 2018)."""
    return Surrogate("triangle", "relu(1 - slope*abs(x))", slope)


def boxcar(slope: float = 1.0) -> Surrogate:
    """1 where slope*|x| < 1/2, else 0 (rectangular window of Wu et al. 2018, Front. Neurosci.
    12:331, eq. 26)."""
    return Surrogate("boxcar", "where(slope*abs(x) < 0.5, 1.0, 0.0)", slope)


def gaussian(slope: float = 1.0) -> Surrogate:
    """slope/sqrt(2 pi) * exp(-(slope*x)**2/2), the normal density (Yin et al. 2020, ICONS)."""
    return Surrogate("gaussian", "0.3989422804014327*slope*exp(-0.5*(slope*x)**2)", slope)


def sigmoid(slope: float = 25.0) -> Surrogate:
    """The logistic density slope*e/(1 + e)**2, e = exp(-slope*|x|) (Neftci et al. 2019, IEEE
    Signal Process. Mag. 36:51)."""
    return Surrogate("sigmoid", "slope*exp(-slope*abs(x))/(1 + exp(-slope*abs(x)))**2", slope)


def straight_through(slope: float = 1.0) -> Surrogate:
    """The same ``slope`` everywhere (Bengio et al. 2013, arXiv:1308.3432)."""
    return Surrogate("straight_through", "slope", slope)


SURROGATES: dict[str, Callable[..., Surrogate]] = {
    f.__name__: f
    for f in (arctan, boxcar, fast_sigmoid, gaussian, sigmoid, straight_through, triangle)
}
"""Those there are, by name."""


def surrogate(name: str, slope: float | None = None) -> Surrogate:
    """The one called ``name``; ``slope`` None is its usual one."""
    if name not in SURROGATES:
        raise unknown("surrogate", name, SURROGATES)
    return SURROGATES[name]() if slope is None else SURROGATES[name](slope)
