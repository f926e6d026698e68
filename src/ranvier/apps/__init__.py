"""Ready networks, one a file, each with a stated expected result. They need no torch to run.

An :class:`App` is kept as a bundle (``load("digits")``); a :class:`Recipe` makes its network at the
scale that is asked for (``recipe("microcircuit").make(0.1, 0.1)``).
"""

from __future__ import annotations

from pathlib import Path

from ranvier.apps._app import App, Recipe
from ranvier.errors import fail, unknown
from ranvier.network import Network
from ranvier.registry import Registry

__all__ = ["APPS", "App", "Recipe", "kept", "load", "names", "path", "recipe", "recipes"]

APPS: Registry[App | Recipe] = Registry("app", "ranvier.apps", "APP")


def names() -> list[str]:
    """The apps that are kept as bundles."""
    return [name for name in APPS.names() if isinstance(APPS.get(name), App)]


def recipes() -> list[str]:
    """The apps whose network is made when it is asked for."""
    return [name for name in APPS.names() if isinstance(APPS.get(name), Recipe)]


def recipe(name: str) -> Recipe:
    """The recipe called ``name``; RanvierError with a did-you-mean for an unknown one."""
    found = APPS.get(name) if name in APPS.names() else None
    if not isinstance(found, Recipe):
        raise unknown("app", name, recipes())
    return found


def kept(name: str) -> App:
    """The app called ``name``, kept as a bundle; RanvierError where there is none."""
    found = APPS.get(name)
    if isinstance(found, Recipe):
        raise fail("app-not-kept", name, "is made when it is asked for, not kept on disk",
                   hint=f"run it: ranvier app {name}")  # fmt: skip
    return found


def path(name: str) -> Path:
    """Where the bundle of an app lies; RanvierError with a did-you-mean for an unknown one."""
    return kept(name).path


def load(name: str) -> Network:
    """The network of an app; RanvierError with a did-you-mean for an unknown one."""
    return kept(name).network()
