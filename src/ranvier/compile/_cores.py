"""What cores hold and what traffic they exchange: shared by partition, place, route and pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.chips import CoreView, Limit
from ranvier.compile._draft import Draft, Piece

__all__ = ["Connections", "broken_limits", "core_view"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Connections:
    """All stored synapses of a draft with global neuron numbers, sorted by target.

    Numbers follow the order of the network's populations, inputs included. ``rate`` is the
    expected number of events per tick of each number.
    """

    draft: Draft

    @cached_property
    def first(self) -> dict[str, int]:
        """Number of the first neuron of each population."""
        sizes = [p.size for p in self.draft.network.populations]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        names = [p.name for p in self.draft.network.populations]
        return {name: int(start) for name, start in zip(names, starts, strict=False)}

    @cached_property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(p.size for p in self.draft.network.populations)

    @cached_property
    def rate(self) -> NDArray[np.float64]:
        """Expected events per tick."""
        parts = [self.draft.events_per_tick(p.name) for p in self.draft.network.populations]
        return np.concatenate(parts) if parts else np.zeros(0)

    @cached_property
    def _sorted(self) -> tuple[IntArray, IntArray, NDArray[Any], IntArray]:
        first = self.first
        none = np.zeros(0, np.int64)
        parts = self.draft.projections
        pre = np.concatenate([none, *(p.pre + first[p.source] for p in parts)])
        post = np.concatenate([none, *(p.post + first[p.target] for p in parts)])
        bits = np.concatenate([np.zeros(0), *(np.full(p.pre.size, p.synapse_bits) for p in parts)])
        delay = np.concatenate([none, *(p.delay for p in parts)])
        order = np.argsort(post, kind="stable")
        return pre[order], post[order], bits[order], delay[order]

    @property
    def pre(self) -> IntArray:
        """Source of every synapse."""
        return self._sorted[0]

    @property
    def post(self) -> IntArray:
        """Target of every synapse, ascending."""
        return self._sorted[1]

    @cached_property
    def ptr(self) -> IntArray:
        """Synapses of target n are ``ptr[n]:ptr[n+1]``."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.post, minlength=self.size))])

    def into(self, piece: Piece) -> tuple[IntArray, NDArray[Any], IntArray]:
        """(source, bits, delay) of all synapses onto a piece."""
        number = piece.index + self.first[piece.population]
        starts, stops = self.ptr[number], self.ptr[number + 1]
        if number.size and np.all(starts[1:] == stops[:-1]):
            chosen: Any = slice(int(starts[0]), int(stops[-1]))
        else:
            chosen = np.concatenate(
                [np.zeros(0, np.int64)]
                + [np.arange(a, b) for a, b in zip(starts, stops, strict=True)]
            )
        pre, _, bits, delay = self._sorted
        return pre[chosen], bits[chosen], delay[chosen]


def core_view(
    connections: Connections, pieces: Sequence[Piece], out_axons: int | None = None
) -> CoreView:
    """What a core with these pieces would hold; out-axons default to one per neuron."""
    quantised = connections.draft.quantised
    parts = [connections.into(piece) for piece in pieces]
    pre = np.concatenate([np.zeros(0, np.int64), *(p[0] for p in parts)])
    bits = np.concatenate([np.zeros(0), *(p[1] for p in parts)])
    delay = np.concatenate([np.zeros(0, np.int64), *(p[2] for p in parts)])
    _, counts = np.unique(pre, return_counts=True)
    neurons = sum(piece.index.size for piece in pieces)
    tables: dict[str, list[IntArray]] = {}
    groups: dict[str, int] = {}
    for piece in pieces:
        groups[piece.population] = groups.get(piece.population, 0) + piece.index.size
        for table, rows in quantised[piece.population].configs.items():
            chosen = rows[piece.index] if rows.ndim == 2 else rows[None, :]
            tables.setdefault(table, []).append(chosen)
    return CoreView(
        neurons=neurons,
        in_axon_synapses=counts.astype(np.int64),
        out_axons=neurons if out_axons is None else out_axons,
        groups=groups,
        configs={
            table: int(np.unique(np.concatenate(rows), axis=0).shape[0])
            for table, rows in tables.items()
        },
        synapse_bits=float(bits.sum()),
        max_delay=int(delay.max()) if delay.size else 0,
    )


def broken_limits(limits: Sequence[Limit], view: CoreView) -> list[tuple[Limit, float]]:
    """The limits a core would exceed, with what it would use."""
    used = [(limit, float(limit.used(view))) for limit in limits]
    return [(limit, value) for limit, value in used if value > limit.limit]
