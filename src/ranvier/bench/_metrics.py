"""What is counted when two runs are compared: shares, delays, confidence."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail
from ranvier.events import Events

__all__ = ["Z95", "Share", "share", "spiking", "wilson"]

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution: two-sided 95 %."""


def wilson(successes: int, trials: int, *, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a proportion: (low, high).

    E. B. Wilson (1927), J. Am. Stat. Assoc. 22:209, equation for the roots; without continuity
    correction. It stays inside 0..1 and is sensible at 0 and 1, where the textbook normal interval
    has no width. Raises RanvierError where there are no trials or more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise fail(
            "wilson", "wilson", "needs 0 <= successes <= trials", got=f"{successes} of {trials}"
        )
    p, square = successes / trials, z * z
    middle = p + square / (2 * trials)
    half = z * sqrt(p * (1 - p) / trials + square / (4 * trials * trials))
    low, high = (middle - half) / (1 + square / trials), (middle + half) / (1 + square / trials)
    return (0.0 if successes == 0 else low, 1.0 if successes == trials else high)


@dataclass(frozen=True, kw_only=True)
class Share:
    """How much two sets of spikes have in common; adds up over chunks with ``+``.

    A spike is a pair (tick, neuron). ``both`` counts the pairs in A and in B, ``either`` those in A
    or in B, ``a`` and ``b`` those of each. ``late`` is the sum, ``late_abs`` the absolute sum and
    ``late_max`` the largest of the tick differences between the k-th spike of a neuron in B and its
    k-th spike in A, over the ``matched`` spikes for which both exist.
    """

    both: int = 0
    either: int = 0
    a: int = 0
    b: int = 0
    matched: int = 0
    late: int = 0
    late_abs: int = 0
    late_max: int = 0

    @property
    def identical(self) -> float:
        """|A and B| / |A or B|, in 0..1; 1 where neither has a spike."""
        return self.both / self.either if self.either else 1.0

    @property
    def drift(self) -> float:
        """Mean of |tick in B - tick in A| over matched spikes, in ticks."""
        return self.late_abs / self.matched if self.matched else 0.0

    @property
    def lag(self) -> float:
        """Mean of (tick in B - tick in A): positive where B is late."""
        return self.late / self.matched if self.matched else 0.0

    def __add__(self, other: Share) -> Share:
        names = ("both", "either", "a", "b", "matched", "late", "late_abs")
        sums = {n: getattr(self, n) + getattr(other, n) for n in names}
        return Share(**sums, late_max=max(self.late_max, other.late_max))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "identical": self.identical,
            "in_both": self.both,
            "in_either": self.either,
            "in_a": self.a,
            "in_b": self.b,
            "mean_abs_shift_ticks": self.drift,
            "mean_shift_ticks": self.lag,
            "max_abs_shift_ticks": self.late_max,
        }


def _pairs(events: Events) -> NDArray[np.int64]:
    """Every (tick, neuron) once, as one sorted number."""
    return np.unique(events.tick * max(1, events.size) + events.id)


def _kth(pairs: NDArray[np.int64], size: int, window: int) -> NDArray[np.int64]:
    """Rows (window, neuron, k, tick) of the k-th spike of each neuron in each window, sorted."""
    tick, index = pairs // size, pairs % size
    which = tick // window
    order = np.lexsort((tick, index, which))
    tick, index, which = tick[order], index[order], which[order]
    fresh = np.ones(tick.size, bool)
    fresh[1:] = (np.diff(index) != 0) | (np.diff(which) != 0)
    start = np.maximum.accumulate(np.where(fresh, np.arange(tick.size), 0))
    return np.stack([which, index, np.arange(tick.size) - start, tick], axis=1)


def share(a: Events, b: Events, *, window: int | None = None) -> Share:
    """Compare two spike trains of the same neurons, exactly.

    ``window`` [ticks] keeps the matching of k-th spikes inside the samples of a stream. Raises
    RanvierError when the sizes differ.
    """
    if a.size != b.size:
        raise fail("share-size", "share", "compares the same neurons", got=b.size, limit=a.size)
    size = max(1, a.size)
    pa, pb = _pairs(a), _pairs(b)
    both = int(np.intersect1d(pa, pb, assume_unique=True).size)
    length = max(1, a.ticks, b.ticks) if window is None else window
    ka, kb = _kth(pa, size, length), _kth(pb, size, length)
    most = 1 + max((int(k[:, 2].max()) for k in (ka, kb) if k.size), default=0)
    codes = [(k[:, 0] * size + k[:, 1]) * most + k[:, 2] for k in (ka, kb)]
    _, ia, ib = np.intersect1d(*codes, assume_unique=True, return_indices=True)
    late = kb[ib, 3] - ka[ia, 3]
    return Share(
        both=both,
        either=int(pa.size + pb.size - both),
        a=int(pa.size),
        b=int(pb.size),
        matched=int(late.size),
        late=int(late.sum()),
        late_abs=int(np.abs(late).sum()),
        late_max=int(np.abs(late).max()) if late.size else 0,
    )


def spiking(populations: Iterable[Any], among: Container[str]) -> list[str]:
    """Names of the populations with neurons that send spikes and are in ``among``."""
    return [
        p.name for p in populations if not p.is_input and p.signal == "spike" and p.name in among
    ]
