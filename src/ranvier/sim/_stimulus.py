"""Stimuli: from Events per input population to one sorted list of sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Program
from ranvier.errors import RanvierError, fail, unknown
from ranvier.events import Events

__all__ = [
    "SourceEvents",
    "Stimulus",
    "check_ticks",
    "check_window",
    "named_events",
    "not_events",
    "source_events",
]

Stimulus = Events | Mapping[str, Events] | None


@dataclass(frozen=True, eq=False)
class SourceEvents:
    """Events by source slot, sorted by tick, then slot. ``plain`` marks events without payload."""

    tick: NDArray[np.int64]
    source: NDArray[np.int64]
    payload: NDArray[Any]
    plain: NDArray[np.bool_]


def source_events(
    program: Program, stimulus: Stimulus, ticks: int, dtype: type
) -> tuple[SourceEvents, dict[str, Events]]:
    """Check a stimulus against the program's inputs and number its sources.

    A single Events is meant for the only input. Raises RanvierError when a name, a size, a dt or
    the duration does not fit.
    """
    inputs = {block.population: block for block in program.inputs}
    given = named_events(stimulus, list(inputs))
    columns: list[tuple[NDArray[Any], ...]] = []
    for name, events in given.items():
        block = inputs[name]
        where = f"input {name}"
        if events.size != block.n:
            raise fail(
                "stimulus-size",
                where,
                "has another number of sources",
                got=events.size,
                limit=block.n,
                hint="encode the data for this network's input",
            )
        if not np.isclose(events.dt, program.dt, rtol=1e-9, atol=0):
            raise fail(
                "stimulus-dt",
                where,
                "has another tick than the program",
                got=f"{events.dt:g} s",
                limit=f"{program.dt:g} s",
                hint="encode with the program's dt, or compile with the stimulus' dt",
            )
        if len(events) and int(events.tick[-1]) >= ticks:
            raise fail(
                "stimulus-too-long",
                where,
                "has events after the end of the run",
                got=f"tick {int(events.tick[-1])}",
                limit=f"{ticks} ticks",
                hint="run for more ticks or cut the stimulus with .window()",
            )
        plain = np.full(len(events), events.payload is None and block.signal == "spike")
        payload = np.ones(len(events)) if events.payload is None else events.payload
        if block.signal == "spike" and events.payload is not None:
            raise fail(
                "stimulus-payload",
                where,
                "takes spikes, but the events carry values",
                hint="make the input graded or continuous: signal='graded'",
            )
        if dtype is np.int64 and not np.array_equal(payload, np.rint(payload)):
            raise fail(
                "stimulus-payload",
                where,
                f"{program.chip} takes whole numbers only",
                hint="scale and round the values",
            )
        columns.append((events.tick, events.id + block.start, payload.astype(dtype), plain))
    if len(columns) == 1:
        return SourceEvents(*columns[0]), given
    none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, dtype), np.zeros(0, bool))
    tick, source, payload, plain = (np.concatenate(c) for c in zip(none, *columns, strict=True))
    order = np.lexsort((source, tick))
    return SourceEvents(tick[order], source[order], payload[order], plain[order]), given


def check_ticks(ticks: Any) -> None:
    """Raises RanvierError unless ``ticks`` is a whole number of at least 0."""
    if not isinstance(ticks, (int, np.integer)) or isinstance(ticks, bool) or ticks < 0:
        raise fail("ticks", "ticks", "must be a whole number of at least 0", got=repr(ticks))


def check_window(window: Any) -> None:
    """Raises RanvierError unless ``window`` is None or a whole number of at least 1."""
    if window is None:
        return
    if not isinstance(window, (int, np.integer)) or isinstance(window, bool) or window < 1:
        raise fail("window", "window", "must be at least 1 tick", got=repr(window))


def named_events(stimulus: Stimulus, inputs: list[str]) -> dict[str, Events]:
    """Events by input; raises RanvierError when a name or a type does not fit."""
    if stimulus is None:
        return {}
    if isinstance(stimulus, Events):
        if len(inputs) != 1:
            raise fail(
                "stimulus-name",
                "stimulus",
                f"the program has {len(inputs)} inputs",
                limit=", ".join(inputs),
                hint="name them: {'" + (inputs or ["in"])[0] + "': events}",
            )
        return {inputs[0]: stimulus}
    if not isinstance(cast("Any", stimulus), Mapping):
        raise not_events("stimulus", stimulus)
    for name, events in stimulus.items():
        if name not in inputs:
            raise unknown("input", name, inputs, where="stimulus")
        if not isinstance(cast("Any", events), Events):
            raise not_events(f"stimulus[{name!r}]", events)
    return dict(stimulus)


def not_events(where: str, got: object) -> RanvierError:
    """The error for a stimulus of another type."""
    return fail(
        "stimulus-type",
        where,
        "is not Events",
        got=type(got).__name__,
        limit="Events, or a mapping from input to Events",
        hint="use Events.from_raster(array, dt=...)",
    )
