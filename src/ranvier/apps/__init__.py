"""Ready networks, one a file, each with a stated expected result. They need no torch to run."""

from __future__ import annotations

from pathlib import Path

from ranvier.apps._app import App
from ranvier.network import Network
from ranvier.registry import Registry

__all__ = ["APPS", "App", "load", "names", "path"]

APPS: Registry[App] = Registry("app", "ranvier.apps", "APP")


def names() -> list[str]:
    """The apps there are."""
    return APPS.names()


def path(name: str) -> Path:
    """Where the bundle of an app lies; RanvierError with a did-you-mean for an unknown one."""
    return APPS.get(name).path


def load(name: str) -> Network:
    """The network of an app; RanvierError with a did-you-mean for an unknown one."""
    return APPS.get(name).network()
