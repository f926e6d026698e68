"""Events of inputs that are still under way: kept until the longest delay has passed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pending"]

IntArray = NDArray[np.int64]


class Pending:
    """Input events by tick, then source: ``tick``, ``source`` int64 and ``value`` [n]."""

    def __init__(self, dtype: type) -> None:
        self.tick: IntArray = np.zeros(0, np.int64)
        self.source: IntArray = np.zeros(0, np.int64)
        self.value: NDArray[Any] = np.zeros(0, dtype)

    def add(self, tick: IntArray, source: IntArray, value: NDArray[Any]) -> None:
        """More events, sorted by tick and source."""
        if not tick.size:
            return
        later = not self.tick.size or tick[0] > self.tick[-1]
        self.tick = np.concatenate([self.tick, tick])
        self.source = np.concatenate([self.source, source])
        self.value = np.concatenate([self.value, value.astype(self.value.dtype)])
        if not later:  # from another chip, for a tick that has passed
            self._keep(np.lexsort((self.source, self.tick)))

    def forget(self, before: int) -> None:
        """Events of earlier ticks have arrived everywhere."""
        if self.tick.size and self.tick[0] < before:
            self._keep(slice(int(np.searchsorted(self.tick, before)), None))

    def _keep(self, which: Any) -> None:
        self.tick, self.source = self.tick[which], self.source[which]
        self.value = self.value[which]

    def by_tick(self, first: int, last: int) -> IntArray:
        """Where each tick's events begin, [last - first + 1]."""
        return np.searchsorted(self.tick, np.arange(first, last + 1)).astype(np.int64)

    def between(self, first: int, last: int) -> IntArray:
        """Sources of the events of ticks first..last-1."""
        low, high = np.searchsorted(self.tick, [first, last])
        return self.source[low:high]
