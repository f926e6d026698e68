"""What is counted when two runs are compared: shares, delays, confidence."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail
from ranvier.events import Events

__all__ = ["SHIFTS", "Z95", "Share", "aligned", "share", "spiking", "wilson"]

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution: two-sided 95 %."""
SHIFTS = tuple(sorted((s for s in range(-5, 6) if s), key=lambda s: (abs(s), -s)))
"""Constant shifts in time that are tried, in ticks: 1, -1, 2, -2 ..."""
HELPS = 0.1
"""The share of the disagreement that a shift must remove to be told."""
NOTHING = ((0, 0),) * len(SHIFTS)


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
    k-th spike in A, over the ``matched`` spikes for which both exist. ``shifted`` has a pair (both,
    either) for each of SHIFTS, with B that many ticks earlier; spikes that leave their window by
    the shift, or could only have come from outside, are in neither.
    """

    both: int = 0
    either: int = 0
    a: int = 0
    b: int = 0
    matched: int = 0
    late: int = 0
    late_abs: int = 0
    late_max: int = 0
    shifted: tuple[tuple[int, int], ...] = NOTHING

    @property
    def shift(self) -> int:
        """The constant shift [ticks] that is best removed from B; 0 where none helps."""
        if self.both == self.either:
            return 0
        tried = [both / either if either else 0.0 for both, either in self.shifted]
        best = max(tried)
        if 1 - best > (1 - HELPS) * (1 - self.identical):
            return 0
        return SHIFTS[tried.index(best)]

    @property
    def unshifted(self) -> tuple[int, int]:
        """(both, either) after ``shift`` is removed."""
        shift = self.shift
        return self.shifted[SHIFTS.index(shift)] if shift else (self.both, self.either)

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
        pairs = zip(self.shifted, other.shifted, strict=True)
        shifted = tuple((a + c, b + d) for (a, b), (c, d) in pairs)
        return Share(**sums, late_max=max(self.late_max, other.late_max), shifted=shifted)

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
            **self._removed(),
        }

    def _removed(self) -> dict[str, Any]:
        if not self.shift:
            return {}
        both, either = self.unshifted
        return {"constant_shift_ticks": self.shift, "identical_after_shift": both / either}

    def told(self) -> str:
        """``"after a shift of 1 tick: 99.800 %"``, or ``""`` where no shift helps."""
        if not self.shift:
            return ""
        both, either = self.unshifted
        return f"after a shift of {ticks(self.shift)}: {100 * both / either:.3f} %"


def ticks(number: int) -> str:
    """A number of ticks in words."""
    return f"{number} tick" + ("" if abs(number) == 1 else "s")


def aligned(shares: Mapping[str, Share]) -> tuple[float, dict[str, int]] | None:
    """Agreement of all after the best shift of each is removed, and the shifts; None without."""
    shifts = {name: s.shift for name, s in shares.items()}
    if not any(shifts.values()):
        return None
    both, either = np.sum([s.unshifted for s in shares.values()], axis=0)
    return float(both / either), shifts


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
        shifted=tuple(_moved(pa, pb, size, length, shift) for shift in SHIFTS),
    )


def _moved(
    pa: NDArray[np.int64], pb: NDArray[np.int64], size: int, window: int, shift: int
) -> tuple[int, int]:
    """Spikes in both and in either, with B ``shift`` ticks earlier, within windows."""
    kept: list[NDArray[np.int64]] = []
    for pairs, move in ((pa, shift), (pb, -shift)):
        place = pairs // size % window + move
        kept.append(pairs[(place >= 0) & (place < window)])
    a, b = kept[0], kept[1] - shift * size
    at = np.searchsorted(b, a)
    both = int(np.count_nonzero(b[np.minimum(at, b.size - 1)] == a)) if b.size else 0
    return both, int(a.size + b.size - both)


def spiking(populations: Iterable[Any], among: Container[str]) -> list[str]:
    """Names of the populations with neurons that send spikes and are in ``among``."""
    return [
        p.name for p in populations if not p.is_input and p.signal == "spike" and p.name in among
    ]
