"""What is said of the spikes of a population: rates, irregularity, synchrony."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail
from ranvier.events import Events

__all__ = ["Activity", "activity", "interval_cv", "synchrony"]

BIN = 3e-3
"""Bin [s] of the spike counts in :func:`synchrony` (Potjans & Diesmann 2014)."""
SAMPLE = 1000
"""Neurons whose counts are added up in :func:`synchrony` there."""
LEAST = 10
"""Spikes a neuron needs for the CV of its intervals, which is too small where they are few."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """``rate`` [1/s] of a neuron on average; ``irregularity``, the mean CV of intervals, and
    ``synchrony``, NaN where there are too few spikes."""

    neurons: int
    spikes: int
    rate: float
    irregularity: float
    synchrony: float


def interval_cv(events: Events, *, least: int = LEAST) -> NDArray[np.float64]:
    """Coefficient of variation of the intervals of every neuron with ``least`` spikes or more."""
    order = np.lexsort((events.tick, events.id))
    tick, index = events.tick[order], events.id[order]
    same = np.diff(index) == 0
    gap, owner = np.diff(tick)[same].astype(np.float64), index[1:][same]
    number = np.bincount(owner, minlength=events.size)
    total = np.bincount(owner, gap, minlength=events.size)
    square = np.bincount(owner, gap * gap, minlength=events.size)
    enough = number >= max(1, least - 1)
    mean = total[enough] / number[enough]
    variance = np.maximum(0.0, square[enough] / number[enough] - mean * mean)
    return np.sqrt(variance) / mean


def synchrony(events: Events, *, bin: float = BIN, sample: int = SAMPLE) -> float:
    """Variance over mean of the spike counts of ``sample`` neurons in bins of ``bin`` seconds.

    1 for independent Poisson trains, more where neurons fire together. The neurons are spread
    evenly over the population (all of them where it is smaller). NaN where nothing fires.
    """
    width = round(bin / events.dt)
    if width < 1:
        raise fail("bin", "synchrony", "the bin is shorter than a tick", got=f"{bin:g} s",
                   limit=f"{events.dt:g} s")  # fmt: skip
    bins = events.ticks // width
    chosen = np.zeros(events.size, bool)
    chosen[np.linspace(0, events.size - 1, min(sample, events.size)).astype(np.int64)] = True
    mine = chosen[events.id] & (events.tick < bins * width)
    counts = np.bincount(events.tick[mine] // width, minlength=bins)
    return float(counts.var() / counts.mean()) if counts.size and counts.any() else float("nan")


def activity(events: Events) -> Activity:
    """All of it for one population."""
    cv = interval_cv(events)
    seconds = events.ticks * events.dt
    return Activity(
        neurons=events.size,
        spikes=len(events),
        rate=len(events) / max(1, events.size) / seconds if seconds else float("nan"),
        irregularity=float(cv.mean()) if cv.size else float("nan"),
        synchrony=synchrony(events),
    )
