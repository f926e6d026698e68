"""What a file of this folder exports."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ranvier.network import Network, load

__all__ = ["App"]


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
