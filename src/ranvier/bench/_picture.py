"""A picture of a run: who fired when, and how often each population fires."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ranvier.events import Events

__all__ = ["picture"]

MOST_NEURONS = 2000
"""Neurons in the raster, shared among the populations by their size."""
LEAST_ROWS = 20
MOST_SECONDS = 0.5
"""The raster shows the end of a longer run."""


def picture(
    path: str | Path, events: Mapping[str, Events], *, expected: Mapping[str, float] | None = None
) -> Path:
    """Write a PNG: a raster of some neurons of each population, and bars of mean rates [1/s].

    ``expected`` rates are drawn beside those found.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(events)
    neurons = max(1, sum(e.size for e in events.values()))
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    raster, bars = figure.subplots(1, 2, width_ratios=(3, 1))
    colours = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
    base, middles, found = 0, [], []
    for k, name in enumerate(names):
        e = events[name]
        rows = min(e.size, max(LEAST_ROWS, round(MOST_NEURONS * e.size / neurons)))
        start = max(0, e.ticks - round(MOST_SECONDS / e.dt))
        part = e.window(start, e.ticks)
        row = np.full(e.size, -1)
        row[np.linspace(0, e.size - 1, rows).astype(np.int64)] = np.arange(rows)
        shown = row[part.id] >= 0
        raster.plot(
            (start + part.tick[shown]) * e.dt, base + row[part.id[shown]],
            ".", markersize=1.5, markeredgewidth=0, color=colours[k % len(colours)],
        )  # fmt: skip
        middles.append(base + rows / 2)
        found.append(len(e) / max(1, e.size) / max(e.duration, e.dt))
        base += rows
    raster.set(xlabel="time [s]", yticks=middles, yticklabels=names, ylim=(base, 0))
    place = np.arange(len(names))
    width = 0.4 if expected else 0.8
    bars.barh(place, found, width, label="found", color=[colours[k % len(colours)] for k in place])
    if expected:
        known = [expected.get(name, np.nan) for name in names]
        bars.barh(place + width, known, width, label="published", color="tab:gray", alpha=0.5)
        bars.legend(loc="best")
    bars.set(xlabel="rate [1/s]", yticks=place + width / 2 * bool(expected), yticklabels=names)
    bars.invert_yaxis()
    figure.savefig(path, dpi=150)
    return Path(path)
