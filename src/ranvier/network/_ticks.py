"""Delays in ticks, drawn from a table: exact up to the 32 bits of a draw, and fast."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail
from ranvier.network._distribution import Distribution

__all__ = ["MOST_TICKS", "TickTable"]

MOST_TICKS = 1 << 20
"""No engine keeps inputs for longer than this many ticks."""
GUIDE_BITS = 12
NUDGE = 1e-9
"""Of a tick: what lies this little below a half is rounded up, as 0.15 ms at 0.1 ms should be."""


@dataclass(frozen=True, eq=False)
class TickTable:
    """Probabilities of whole ticks: ``floor(delay / dt + 1/2)``, at least ``least``.

    A 32-bit word w gives ``first + k`` with k the number of ``edge`` (uint64 [n], cumulative, the
    last one 2^32) at or below w; ``guide[w >> shift]`` is where to begin to look (Devroye 1986,
    III.2.4).
    """

    first: int
    edge: NDArray[np.uint64]
    guide: NDArray[np.int32]
    shift: int = 32 - GUIDE_BITS

    @property
    def last(self) -> int:
        """The longest delay that can be drawn, in ticks."""
        return self.first + self.edge.size - 1

    @classmethod
    def of(cls, delay: Distribution, dt: float, *, least: int = 1, most: int = 0) -> TickTable:
        """Of a distribution of seconds; ``most`` > 0 cuts longer delays to that many ticks.

        Raises RanvierError when delays may be negative or are longer than any engine keeps.
        """
        return _table(delay, float(dt), least, most)

    def ticks(self, word: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Ticks of 32-bit words (the plain way, for tests)."""
        return (self.first + np.searchsorted(self.edge, word, side="right")).astype(np.int32)

    def probability(self) -> NDArray[np.float64]:
        """Of ``first``, ``first + 1``, ... ``last``."""
        return np.diff(self.edge.astype(np.float64), prepend=0.0) / 2.0**32


@lru_cache(maxsize=64)
def _table(delay: Distribution, dt: float, least: int, most: int) -> TickTable:
    low, high = delay.bounds()
    if low < 0:
        raise fail(
            "delay-negative",
            str(delay),
            "may be negative",
            got=f"down to {low:g} s",
            limit=">= 0 s",
            hint=f"truncate it: low={dt:g}",
        )
    begin = max(least, int(np.floor(min(low / dt, 2.0**53) + 0.5 + NUDGE)))
    end = max(begin, int(np.floor(min(high / dt, 2.0**53) + 0.5 + NUDGE)))
    if most > 0:
        begin, end = min(begin, most), min(end, most)
    if end - begin >= MOST_TICKS:
        raise fail(
            "delay-too-long",
            str(delay),
            "spreads over more ticks than can be kept",
            got=f"{high:g} s, {end - begin + 1} ticks",
            limit=f"{MOST_TICKS} ticks of {dt:g} s",
            hint=("truncate it: high=...", "use a larger dt"),
        )
    half: NDArray[np.float64] = np.arange(begin, end, dtype=np.float64) + (0.5 - NUDGE)
    share = delay.cdf(half * dt)
    edge = np.append(np.rint(share * 2.0**32).astype(np.uint64), np.uint64(1 << 32))
    # Ticks that no word leads to are left out at both ends.
    skipped = int(np.searchsorted(edge, 0, side="right"))
    stop = int(np.searchsorted(edge, 1 << 32, side="left")) + 1
    edge = np.ascontiguousarray(edge[skipped:stop])
    start = np.arange(1 << GUIDE_BITS, dtype=np.uint64) << np.uint64(32 - GUIDE_BITS)
    guide = np.searchsorted(edge, start, side="right").astype(np.int32)
    return TickTable(begin + skipped, edge, guide)
