"""The compiled worker of a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ranvier.generated import load_module
from ranvier.sim._emit import worker_source
from ranvier.sim._update import Make, Variant

__all__ = ["load_worker"]


def load_worker(variants: Sequence[Variant], make: Make) -> Callable[..., Any]:
    """The compiled ``run`` for these kernels: from memory, the cache folder, or new."""
    return load_module(worker_source(variants, make)).run
