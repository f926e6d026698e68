"""Measures what a chip's own kernel does to one neuron, without knowing whose kernel it is.

A kernel is a pure scalar function, so decay, threshold, reset, refractory time, rounding and limits
can be found by calling it, in the chip's own numbers, and told in SI through the state's scale. The
same measurements of the ideal kernel say what the chip changed. What does not behave like a linear
leak with a threshold measures as None, and nothing is said about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.neurons import Kernel

__all__ = ["Cell", "Limits", "Played", "Reset"]

Raw = Any
MOST_TICKS = 80
"""Longest refractory time that is looked for."""


@dataclass(frozen=True)
class Reset:
    """``kind``: value, subtract, none or other; ``value`` [SI] for kind value."""

    kind: str
    value: float | None = None


@dataclass(frozen=True)
class Limits:
    """Bounds of a state (``low``, ``high``, SI) and of an input sum (``input``, SI weight units).

    None where no bound was found; ``wraps`` tells that the input sum wraps instead of saturating.
    """

    low: float | None = None
    high: float | None = None
    input: float | None = None
    wraps: bool = False


@dataclass(frozen=True, eq=False)
class Played:
    """What one neuron did: ``fired`` [ticks]; ``value`` of the watched state [SI] after each tick,
    and ``before`` its reset; ``counted`` the kernel's own counters per tick."""

    fired: NDArray[np.bool_]
    value: NDArray[np.float64]
    before: NDArray[np.float64]
    counted: Mapping[str, NDArray[np.int64]]


class Cell:
    """One neuron: kernel, its parameters and starting state in raw numbers, and state scales."""

    def __init__(
        self,
        kernel: Kernel,
        values: Mapping[str, Any],
        initial: Mapping[str, Any],
        scale: Mapping[str, tuple[float, float]],
    ) -> None:
        self.kernel = kernel
        self.number = int if kernel.dtype == "i8" else float
        self._step = kernel.python()
        self._params = [self.number(values[name]) for name in kernel.params]
        self._alpha = lru_cache(self.decay)
        self._edge = lru_cache(self.edge)
        self.rest = {name: self.number(initial.get(name, 0)) for name in kernel.state}
        self._scale = scale

    def si(self, state: str, raw: Raw) -> float:
        """A raw state in SI."""
        by, plus = self._scale.get(state, (1.0, 0.0))
        return float(raw) * float(by) + float(plus)

    def scaled(self, state: str) -> bool:
        """Whether ``state`` has a meaning in SI (or is SI already)."""
        return state in self._scale or self.number is float

    def lsb(self, state: str) -> float:
        """The SI step of a state in integers; 0 in floating point."""
        return abs(float(self._scale.get(state, (1.0, 0.0))[0])) if self.number is int else 0.0

    def step(
        self, state: Mapping[str, Raw], port: int = 0, x: Raw = 0
    ) -> tuple[dict[str, Raw], bool]:
        """One tick with ``x`` on one port: (new state, whether it fired)."""
        inputs = [self.number(x if p == port else 0) for p in range(len(self.kernel.ports))]
        arguments = [state[name] for name in self.kernel.state]
        result = self._step(*arguments, *inputs, *self._params)
        n = len(self.kernel.state)
        return dict(zip(self.kernel.state, result[:n], strict=True)), bool(result[n])

    def _from(self, state: str, raw: Raw) -> tuple[Raw, bool]:
        """One tick without input from rest with one state set: (that state after, fired)."""
        after, fired = self.step({**self.rest, state: self.number(raw)})
        return after[state], fired

    def decay(self, state: str) -> float | None:
        """What is left of a displacement of ``state`` after one tick.

        Displacements are doubled as long as the answer stays in proportion, so that rounding
        matters least and no limit is passed; in floating point it must stay so throughout.
        """
        found = [f for f in (self._decay(state, sign) for sign in (-1, 1)) if f is not None]
        # A state that cannot go one way seems to forget all of it.
        return max(found, key=lambda f: (f[1] > 0, f[0]))[1] if found else None

    def _decay(self, state: str, sign: int) -> tuple[int, float] | None:
        """(doublings passed, factor) for displacements to one side."""
        base, fired = self._from(state, self.rest[state])
        if fired:
            return None
        integer = self.number is int
        best: tuple[int, float] | None = None
        for k in range(4, 41) if integer else range(-8, 12):
            size = 2.0**k
            after, fired = self._from(state, self.rest[state] + self.number(sign * size))
            if fired:
                break
            factor = float(after - base) / (sign * size)
            slack = 4 / size if integer else 1e-9
            if best is not None and abs(factor - best[1]) > slack:
                return best if integer else None
            if not -1e-9 <= factor <= 2:
                return best if integer else None
            best = (k, factor)
        return best

    def edge(self, state: str) -> tuple[Raw, Raw] | None:
        """(largest start without, smallest start with a spike in the next tick)."""
        low, high = self.rest[state], None
        if self._from(state, low)[1]:
            return None
        for k in range(0 if self.number is int else -30, 61):
            start = self.rest[state] + self.number(2.0**k)
            if self._from(state, start)[1]:
                high = start
                break
            low = start
        if high is None:
            return None
        for _ in range(120):
            middle = (low + high) // 2 if self.number is int else (low + high) / 2
            if middle in (low, high):
                break
            if self._from(state, middle)[1]:
                high = middle
            else:
                low = middle
        return low, high

    def threshold(self, state: str) -> float | None:
        """The largest value of ``state`` that does not fire, SI."""
        edge = self.edge(state)
        return None if edge is None else self.si(state, self._from(state, edge[0])[0])

    def reset(self, state: str) -> Reset | None:
        """What a spike does to ``state``."""
        edge, alpha = self.edge(state), self.decay(state)
        if edge is None or alpha is None:
            return None
        quiet = self._from(state, edge[0])[0]
        width = max(abs(edge[1] - self.rest[state]), 4)
        starts = [edge[1] + self.number(width * f) for f in (0.25, 0.5)]
        after = [self._from(state, start) for start in starts]
        if not all(fired for _, fired in after):
            return None
        a, b = (value for value, _ in after)
        grown = [float(quiet) + alpha * float(s - edge[0]) for s in starts]
        slack = 2.0 if self.number is int else 1e-9 * float(width)
        if abs(float(b - a)) <= 1e-12 * float(width):
            return Reset("value", self.si(state, a))
        if all(abs(g - float(v)) <= slack for g, v in zip(grown, (a, b), strict=True)):
            return Reset("none")
        if abs((grown[1] - grown[0]) - float(b - a)) <= slack:
            return Reset("subtract")
        return Reset("other")

    def refractory(self, state: str) -> int | None:
        """Ticks after a spike in which a neuron far above threshold stays silent."""
        edge = self.edge(state)
        if edge is None:
            return None
        far = edge[1] + self.number(max(abs(edge[1] - self.rest[state]), 4) * 8)
        now, fired = self.step({**self.rest, state: far})
        if not fired:
            return None
        for ticks in range(MOST_TICKS):
            now, fired = self.step({**now, state: far})
            if fired:
                return ticks
        return None

    def latency(self, port: int) -> int | None:
        """Fewest ticks from a strong input to a spike, 0 for the same tick."""
        best: int | None = None
        for k in range(0 if self.number is int else -20, 41, 2):
            now, x = dict(self.rest), self.number(2.0**k)
            for tick in range(4):
                now, fired = self.step(now, port, x if tick == 0 else 0)
                if fired:
                    best = tick if best is None else min(best, tick)
                    break
        return best

    def run(
        self,
        state: str,
        x: NDArray[Any],
        between: Callable[[dict[str, Raw]], None] | None = None,
    ) -> Played:
        """Play ``x`` [ticks, ports] from rest. ``between`` may change the new state of a tick."""
        now = dict(self.rest)
        fired = np.zeros(len(x), bool)
        values, before = np.zeros(len(x)), np.zeros(len(x))
        counted = {name: np.zeros(len(x), np.int64) for name in self.kernel.counters}
        n = len(self.kernel.state)
        for tick, row in enumerate(x.tolist()):
            inputs = [self.number(value) for value in row]
            result = self._step(*now.values(), *inputs, *self._params)
            fired[tick] = bool(result[n])
            before[tick] = self._unreset(state, now, inputs, result) if fired[tick] else np.nan
            now = dict(zip(self.kernel.state, result[:n], strict=True))
            if between is not None:
                between(now)
            values[tick] = self.si(state, now[state])
            if not fired[tick]:
                before[tick] = values[tick]
            for name, value in zip(self.kernel.counters, result[n + 1 :], strict=True):
                counted[name][tick] = value
        return Played(fired, values, before, counted)

    def _unreset(self, state: str, now: dict[str, Raw], inputs: list[Raw], result: Any) -> float:
        """The value a firing state had before its reset: fire from lower, add the difference."""
        n, alpha = len(self.kernel.state), self._alpha(state)
        if not alpha:
            return float("nan")
        edge = self._edge(state)
        width = max(abs(edge[1] - self.rest[state]), 4) if edge else 4
        for k in range(-6, 12):
            less = self.number(width * 2.0**k)
            lower = {**now, state: now[state] - less}
            again = self._step(*lower.values(), *inputs, *self._params)
            if not again[n]:
                raw = again[self.kernel.state.index(state)]
                return self.si(state, float(raw) + alpha * float(less))
        return float("nan")

    def drift(self, state: str) -> float:
        """How far ``state`` moves from its start in one tick without input, SI."""
        return self.si(state, self._from(state, self.rest[state])[0]) - self.si(
            state, self.rest[state]
        )

    def grid(self, state: str) -> str | None:
        """How integers round after a leak: toward zero, down, up, or to the nearest."""
        alpha, edge = self.decay(state), self.edge(state)
        if self.number is not int or alpha is None or edge is None or not 0 < alpha < 1:
            return None
        room = max(64, int(edge[0] - self.rest[state]))
        sizes = np.unique(np.linspace(room // 3, room - 1, 61).astype(np.int64))
        base = self._from(state, self.rest[state])[0]
        means: list[float] = []
        for sign in (1, -1):
            off = [
                float(self._from(state, self.rest[state] + sign * int(s))[0] - base)
                - alpha * sign * float(s)
                for s in sizes
            ]
            means.append(float(np.mean(off)))
        if means[0] < -0.25 and means[1] > 0.25:
            return "toward zero"
        if min(means) > 0.25:
            return "up"
        return "down" if max(means) < -0.25 else "to the nearest"

    def limits(self, state: str, port: int, si_per_unit: float, sign: int = 1) -> Limits:
        """Bounds in integers; ``si_per_unit`` turns one unit of the port's sum into SI weight.

        ``sign`` is that of the raw weights on the port. The input is tried from far below the
        threshold, so that it can be seen to stop growing before it fires.
        """
        if self.number is not int:
            return Limits()
        low, high = self._bound(state, -1), self._bound(state, 1)
        told = self._told(state, low), self._told(state, high)
        if sign * si_per_unit < 0:
            starts = [self.rest[state]]
        else:
            starts = [self.rest[state] - (1 << k) for k in range(30, 8, -2)]
        reach = [self._reach(state, port, sign, start, low) for start in starts]
        last, ends, wraps = max(reach)
        if not ends:
            return Limits(*told)
        return Limits(*told, abs(si_per_unit) * last, wraps)

    def _reach(
        self, state: str, port: int, sign: int, start: Raw, low: Raw | None
    ) -> tuple[int, bool, bool]:
        """(largest input that acts in proportion, whether a bound of the input ended it, wraps)."""
        base, early = self.step({**self.rest, state: start})
        if early:
            return 0, False, False

        def moved(x: int) -> int | None:
            after, fired = self.step({**self.rest, state: start}, port, sign * x)
            return None if fired else int(after[state] - base[state])

        slope, good, bad = 0.0, 0, 0
        for k in range(4, 60):
            answer = moved(3 << k)
            fits = answer is not None and (
                slope == 0.0 or abs(answer - slope * (3 << k)) <= 4 + 2e-3 * abs(slope) * (3 << k)
            )
            if answer is None or not fits:
                bad = 3 << k
                break
            slope, good = answer / (3 << k), 3 << k
        if not bad or not slope:
            return good, False, False
        beyond = moved(bad)
        ends = beyond is not None and not (low is not None and beyond + base[state] == low)
        if beyond is None:
            # It fired. From below, that is what a strong input does; a strong inhibition wrapped.
            ends = slope < 0
        wraps = beyond is None or beyond * slope < 0 or abs(beyond) < 0.9 * abs(slope) * good
        if beyond is not None and not wraps:
            return round(abs(beyond / slope)), ends, wraps
        while bad - good > 1:
            middle = (good + bad) // 2
            answer = moved(middle)
            if answer is None or abs(answer - slope * middle) > 4:
                bad = middle
            else:
                good = middle
        return good, ends, wraps

    def _told(self, state: str, raw: Raw | None) -> float | None:
        return None if raw is None else self.si(state, raw)

    def _bound(self, state: str, sign: int) -> Raw | None:
        """The value at which ``state`` saturates, seen from far outside and from farther."""
        near, far = (self._from(state, sign * (1 << k)) for k in (50, 56))
        stuck = near[0] == far[0] and not near[1] and not far[1]
        return near[0] if stuck and near[0] != self.rest[state] else None
