"""Other people's models to and from Network: one file a format.

``read("model.nir", source="snntorch", reset="zero")`` picks the frontend by the file's suffix. A
package ships one as an entry point ``frontend.<name>`` in the group ``ranvier.plugins``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ranvier.errors import Issue, fail, unknown
from ranvier.network import Network
from ranvier.registry import Registry

__all__ = ["FRONTENDS", "Frontend", "Imported", "Option", "for_path", "get", "read", "write"]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A network that was read, and what was done to each part of the file: one label per node."""

    network: Network
    issues: tuple[Issue, ...] = ()

    def labels(self) -> dict[str, str]:
        """Severity by place in the file, for tables."""
        return {issue.where: issue.severity for issue in self.issues}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One argument of a frontend: its legal values (any number where empty) and what it means."""

    name: str
    doc: str
    choices: tuple[str, ...] = ()
    kind: type = str


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """A format: how to know it, how to read it and, where it can be, how to write it.

    ``reader(path, **options)`` and ``writer(network, path, **options)`` get checked option names.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    reader: Callable[..., Imported]
    writer: Callable[..., list[Issue]] | None = None
    read_options: tuple[Option, ...] = ()
    write_options: tuple[Option, ...] = ()
    doc: str = field(default="", compare=False)

    def read(self, path: str | Path, **options: Any) -> Imported:
        """Read a file; raises RanvierError, and never anything else, when it cannot be read."""
        return self.reader(Path(path), **_given(self, self.read_options, options))

    def write(self, network: Network, path: str | Path, **options: Any) -> list[Issue]:
        """Write a file, whole or not at all; returns what the format could not hold."""
        if self.writer is None:
            raise fail("cannot-write", self.title, "this format can only be read")
        return self.writer(network, Path(path), **_given(self, self.write_options, options))


def _given(
    frontend: Frontend, legal: tuple[Option, ...], options: Mapping[str, Any]
) -> dict[str, Any]:
    known = {option.name: option for option in legal}
    for name, value in options.items():
        if name not in known:
            raise unknown("option", name, known, where=frontend.title)
        choices = known[name].choices
        if choices and value is not None and value not in choices:
            raise unknown(name, value, choices, where=f"{frontend.title} option {name}")
    return {name: value for name, value in options.items() if value is not None}


FRONTENDS: Registry[Frontend] = Registry("frontend", "ranvier.frontends", "FRONTEND")
"""The formats, by name."""


def get(name: str) -> Frontend:
    """The frontend called ``name``; RanvierError with a did-you-mean otherwise."""
    return FRONTENDS.get(name)


def for_path(path: str | Path) -> Frontend:
    """The frontend for a file's suffix; raises RanvierError naming the known ones."""
    suffix = Path(path).suffix.lower()
    known: dict[str, Frontend] = {}
    for _, frontend in FRONTENDS.items():
        known.update(dict.fromkeys(frontend.suffixes, frontend))
    if suffix not in known:
        raise fail(
            "unknown-format",
            str(path),
            "no frontend for this kind of file",
            got=suffix or "no suffix",
            limit=", ".join(sorted(known)),
            hint="name the format: ranvier.frontends.get('nir').read(path)",
        )
    return known[suffix]


def read(path: str | Path, **options: Any) -> Imported:
    """Read a model in the format its suffix names."""
    return for_path(path).read(path, **options)


def write(network: Network, path: str | Path, **options: Any) -> list[Issue]:
    """Write a network in the format the suffix names."""
    return for_path(path).write(network, path, **options)
