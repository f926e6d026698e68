"""NIR, the Neuromorphic Intermediate Representation, both ways (see docs/nir.md).

Pedersen et al. 2024, Nat. Commun. 15:8122; files as written by the ``nir`` package 0.1 to 1.0.8.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ranvier.errors import Issue, RanvierError, fail
from ranvier.frontends import Frontend, Imported
from ranvier.frontends._nir_choices import OPTIONS, PRESETS, WRITE_OPTIONS, choose
from ranvier.frontends._nir_import import build
from ranvier.frontends._nir_read import flatten, read_file
from ranvier.frontends._nir_shapes import check_nodes
from ranvier.network import Network

__all__ = ["FRONTEND", "PRESETS", "read", "write"]


def read(path: str | Path, **options: Any) -> Imported:
    """Read a NIR file.

    Options: see ``FRONTEND.read_options``; ``source`` names a tool and sets several of them. Every
    node gets one Issue labelled exact or approximate. Raises RanvierError when the file is damaged,
    when it says something without meaning, or when a choice that NIR leaves open is missing.
    """
    return FRONTEND.read(path, **options)


def write(network: Network, path: str | Path, **options: Any) -> list[Issue]:
    """Write a NIR file, whole or not at all; returns what other tools will not see.

    ``spikes`` (dirac, hold or jump) or ``source``, the tool that is to read it, says how a reader
    takes spikes: the weights are rescaled so that it gets the same network. ``dt`` where that needs
    one and the network has none.
    """
    return FRONTEND.write(network, path, **options)


def _read(path: Path, **options: Any) -> Imported:
    from ranvier.frontends._nir_record import recorded

    raw = read_file(path)
    if options.get("metadata", True):
        kept = recorded(str(path), raw, options)
        if kept is not None:
            return kept
    graph = flatten(raw)
    notes = [*graph.issues, *check_nodes(str(path), graph)]
    choices = choose(str(path), graph, options)
    name = re.sub(r"[^A-Za-z0-9_\-]+", "_", path.stem).strip("_-")[:100] or "network"
    try:
        network, issues = build(graph, choices, name)
    except RanvierError:
        raise
    except (ValueError, TypeError, OverflowError, MemoryError, ArithmeticError) as error:
        raise fail(
            "nir-damaged", str(path), "has values that no tool writes",
            got=f"{type(error).__name__}: {error}"[:160],
        ) from error  # fmt: skip
    return Imported(network=network, issues=(*notes, *issues))


def _write(network: Network, path: Path, **options: Any) -> list[Issue]:
    from ranvier.frontends._nir_export import write_file

    return write_file(network, path, **options)


FRONTEND = Frontend(
    name="nir",
    title="NIR",
    suffixes=(".nir",),
    reader=_read,
    writer=_write,
    read_options=OPTIONS,
    write_options=WRITE_OPTIONS,
)
