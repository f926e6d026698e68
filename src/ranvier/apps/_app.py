"""What a file of this folder exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ranvier.network import Network, load

__all__ = ["App", "Recipe"]


@dataclass(frozen=True, kw_only=True)
class App:
    """A ready network, kept as the bundle ``<name>.rvn`` beside its file.

    ``expected``: the accuracy it must reach on the test part of its data set on the ideal machine;
    ``recipe``: the command that trained it.
    """

    name: str
    summary: str
    expected: float
    recipe: str

    @property
    def path(self) -> Path:
        """The bundle on disk."""
        return Path(str(files("ranvier.apps") / f"{self.name}.rvn"))

    def network(self) -> Network:
        """The network, read from its bundle."""
        return load(self.path)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network that is made when it is asked for.

    ``make(scale_n, scale_k, *, seed, ...)`` makes it; ``rates`` [1/s] by population,
    ``irregularity`` (CV of intervals) and ``synchrony`` (variance over mean of spike counts) are
    the result to expect at scale 1, from ``source``. ``dt`` is the tick [s] it was published with.
    """

    name: str
    summary: str
    make: Callable[..., Network]
    rates: Mapping[str, float]
    irregularity: tuple[float, float] | None
    synchrony: tuple[float, float] | None
    source: str
    dt: float
