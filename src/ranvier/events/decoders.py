"""Decoders: output spikes of every window become one class number, or -1 for no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import fail, unknown
from ranvier.events._recording import Recording

__all__ = ["DECODERS", "NO_ANSWER", "count", "decode", "first"]

NO_ANSWER = -1
"""The class of a window in which no output fired; it is never right."""


def count(counts: ArrayLike) -> NDArray[np.int64]:
    """The output with the most spikes, of ``counts`` [windows, classes].

    Of several with equally many, the lowest number wins; without any spike it is -1.
    """
    table = np.asarray(counts)
    if table.ndim != 2 or not table.shape[1]:
        raise fail("decoder-shape", "decoder count", "needs [windows, classes]", got=table.shape)
    return np.where(table.any(axis=1), table.argmax(axis=1), NO_ANSWER)


def first(recording: Recording, population: str) -> NDArray[np.int64]:
    """The output that fires first in each window (the lowest number of those in the same tick)."""
    events = recording.output(population)
    result = np.full(recording.windows, NO_ANSWER, np.int64)
    windows, at = np.unique(events.tick // recording.window, return_index=True)
    result[windows] = events.id[at]  # events are sorted by tick, then id
    return result


def _count(recording: Recording, population: str) -> NDArray[np.int64]:
    if population not in recording.counts:
        raise unknown("population", population, recording.counts, where="decoder count")
    return count(recording.counts[population])


DECODERS: Mapping[str, Callable[[Recording, str], NDArray[np.int64]]] = {
    "count": _count,
    "first": first,
}
"""Name -> function of a recording, cut into one window per sample, and the output's name."""


def decode(decoder: str | Mapping[str, Any], recording: Recording, population: str = "") -> Any:
    """Decode by name, or by ``{"name": ..., "population": ...}`` as a network's recipe has it.

    Returns int64 [windows]. Raises RanvierError for a decoder or population that is not there.
    """
    plain: Mapping[str, Any] = {"name": decoder} if isinstance(decoder, str) else decoder
    name = plain.get("name", "")
    if name not in DECODERS:
        raise unknown("decoder", name, DECODERS)
    return DECODERS[name](recording, population or str(plain.get("population", "")))
