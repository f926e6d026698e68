"""Progress is an argument, not a global. Ground floor: imports nothing from ranvier."""

from __future__ import annotations

from typing import Protocol

__all__ = ["NoProgress", "Progress"]


class Progress(Protocol):
    """Where long work tells how far it is. The command line draws a bar; the library draws none."""

    def start(self, label: str, total: int) -> None:
        """Begin a stretch of ``total`` units of work called ``label``."""
        ...

    def advance(self, amount: int = 1) -> None:
        """Some units of the current stretch are done."""
        ...

    def note(self, text: str) -> None:
        """A word about the current stretch (a loss, a rate)."""
        ...

    def done(self) -> None:
        """The current stretch is finished."""
        ...


class NoProgress:
    """The default: says nothing."""

    def start(self, label: str, total: int) -> None:
        """Ignore."""

    def advance(self, amount: int = 1) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""

    def done(self) -> None:
        """Ignore."""
