"""The ideal neuron with its input, to which one change at a time can be made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.bench._probe import Cell, Limits, Played
from ranvier.bench._realised import ideal_cell, threshold_state
from ranvier.bench._replay import Wire, summed
from ranvier.events import Events
from ranvier.network import Population

__all__ = ["Reference", "on_grid"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference:
    """The ideal neuron and its input: ``wires`` and ``events`` make ``ticks`` ticks of ``dt``.

    ``population`` may be a changed one; ``shift`` moves all input by ticks; ``between`` changes the
    new state of every tick; ``limits[port]`` bound parts of the sum that a chip keeps apart, whose
    port each synapse uses is in ``chip_ports``; ``ratio`` ticks make one tick of the chip.
    """

    population: Population
    index: int
    dt: float
    ticks: int
    wires: Sequence[Wire]
    events: Mapping[str, Events]
    changed: Mapping[str, float] = field(default_factory=dict[str, float])
    shift: int = 0
    between: Callable[[dict[str, Any]], None] | None = None
    ratio: int = 1
    limits: Mapping[int, Limits] = field(default_factory=dict[int, Limits])
    chip_ports: Mapping[str, NDArray[np.int64]] = field(default_factory=dict[str, Any])

    def cell(self) -> Cell:
        """The neuron with its changed parameters."""
        return ideal_cell(self.population, self.index, self.dt, **self.changed)

    def input(self) -> NDArray[np.float64]:
        """Sums per tick and port [ticks, ports]."""
        assert self.population.model is not None
        ports = len(self.population.model.ports)
        if not self.limits:
            x = summed(self.wires, self.events, ports, self.ticks)
        else:
            x = np.zeros((self.ticks, ports))
            for chip_port in sorted({int(p) for ps in self.chip_ports.values() for p in ps}):
                part = [_only(w, self.chip_ports[w.projection] == chip_port)
                        for w in self.wires if w.projection in self.chip_ports]  # fmt: skip
                own = summed(part, self.events, ports, self.ticks)
                limit = self.limits.get(chip_port, Limits())
                x += own if limit.input is None else _bounded(own, limit)
        if self.shift > 0:
            x = np.concatenate([np.zeros((self.shift, ports)), x])[: self.ticks]
        elif self.shift < 0:
            x = np.concatenate([x[-self.shift :], np.zeros((-self.shift, ports))])
        return x

    def play(self) -> Played:
        """What it does."""
        state = threshold_state(self.population)
        assert state is not None
        return self.cell().run(state, self.input(), self.between)

    def outcome(self) -> tuple[NDArray[np.bool_], float]:
        """Spikes on the chip's grid of ticks, and the last tick's state above its threshold."""
        played, state = self.play(), threshold_state(self.population)
        assert state is not None
        bound = self.cell().threshold(state)
        above = float(played.before[-1]) - (float("nan") if bound is None else bound)
        return on_grid(played.fired, self.ratio), above


def on_grid(fired: NDArray[np.bool_], ratio: int) -> NDArray[np.bool_]:
    """Spikes of fine ticks on a grid ``ratio`` times coarser, at the nearest tick (half up)."""
    if ratio == 1:
        return fired
    coarse = np.zeros(fired.size // ratio + 1, bool)
    coarse[(np.flatnonzero(fired) + ratio // 2) // ratio] = True
    return coarse[: -(-fired.size // ratio)]


def _only(wire: Wire, keep: NDArray[np.bool_]) -> Wire:
    return replace(
        wire,
        pre=wire.pre[keep],
        weight=wire.weight[keep],
        delay=wire.delay[keep],
        port=wire.port[keep],
        place=wire.place[keep],
    )


def _bounded(x: NDArray[np.float64], limit: Limits) -> NDArray[np.float64]:
    assert limit.input is not None
    if limit.wraps:
        return (x + limit.input) % (2 * limit.input) - limit.input
    return np.clip(x, -limit.input, limit.input)
