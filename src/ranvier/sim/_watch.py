"""Breakpoints: a run stops right after the tick in which one fires.

Without breakpoints none of this is called. With them, a run goes on in stretches as usual; before
each the session is marked, and when what was recorded, sampled or counted in it shows a hit, the
session is put back and runs again, to that tick exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import RanvierError, fail, unknown

if TYPE_CHECKING:
    from ranvier.sim._inspect import Inspected
    from ranvier.sim._probes import Tap

__all__ = ["Breakpoint", "Hit", "Watch"]

OVERFLOWS = ("overflows", "saturations")
"""Names of counters of integer kernels that a breakpoint on overflow looks at."""


@dataclass(frozen=True, kw_only=True)
class Breakpoint:
    """Where to stop; made by :meth:`spike`, :meth:`value`, :meth:`overflow` or :meth:`tick`."""

    kind: Literal["spike", "value", "overflow", "tick"]
    population: str = ""
    variable: str = ""
    ids: tuple[int, ...] | None = None
    above: float = math.inf
    below: float = -math.inf
    at: int = 0

    @classmethod
    def spike(cls, population: str, ids: int | Iterable[int] | None = None) -> Breakpoint:
        """A neuron (of ``ids``) emits an event; inputs count too."""
        return cls(kind="spike", population=population, ids=_ids(ids))

    @classmethod
    def value(
        cls,
        name: str,
        *,
        above: float | None = None,
        below: float | None = None,
        ids: int | Iterable[int] | None = None,
    ) -> Breakpoint:
        """``"population.state"`` of a neuron (of ``ids``) comes to be > ``above`` or < ``below``,
        in SI, as it stands after a tick (of a neuron that spikes, after its reset).

        It fires when that becomes true, not again while it stays so. Raises RanvierError when
        neither bound is given or one is not finite.
        """
        population, _, variable = name.rpartition(".")
        bounds = [b for b in (above, below) if b is not None]
        if not bounds or not all(math.isfinite(b) for b in bounds):
            where = f"Breakpoint.value({name!r})"
            raise fail("breakpoint", where, "needs a finite bound", got=bounds or "none",
                       hint=f"Breakpoint.value({name!r}, above=0.9)")  # fmt: skip
        return cls(
            kind="value",
            population=population,
            variable=variable,
            ids=_ids(ids),
            above=math.inf if above is None else float(above),
            below=-math.inf if below is None else float(below),
        )

    @classmethod
    def overflow(cls, population: str = "") -> Breakpoint:
        """A number stops being one: a state is not finite, or an integer machine counts an
        overflow or a saturation. All populations where none is named."""
        return cls(kind="overflow", population=population)

    @classmethod
    def tick(cls, at: int) -> Breakpoint:
        """Tick ``at`` has been computed."""
        if not isinstance(cast("Any", at), (int, np.integer)) or isinstance(at, bool) or at < 0:
            raise fail("breakpoint", "Breakpoint.tick", "needs a whole number of at least 0",
                       got=repr(at))  # fmt: skip
        return cls(kind="tick", at=int(at))


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A breakpoint that fired in tick ``tick``: the lowest neuron and its SI value (of a spike,
    what it carried; of a counted overflow, how many). ``more`` neurons did so in the same tick;
    ``neuron`` is -1 where the machine does not say which."""

    breakpoint: Breakpoint
    tick: int
    seconds: float
    population: str = ""
    neuron: int = -1
    variable: str = ""
    value: float = math.nan
    more: int = 0

    def __str__(self) -> str:
        when = f"at tick {self.tick} ({self.seconds:g} s)"
        if self.breakpoint.kind == "tick":
            return f"stopped {when}"
        name = self.population + (f"[{self.neuron}]" if self.neuron >= 0 else "")
        more = f", and {self.more} more" if self.more else ""
        if self.breakpoint.kind == "spike":
            return f"{name} fired {when}{more}"
        if self.neuron < 0:
            return f"{name}: {self.value:g} {self.variable} {when}{more}"
        return f"{name}.{self.variable} was {self.value:g} {when}{more}"


def _ids(ids: int | Iterable[int] | None) -> tuple[int, ...] | None:
    if ids is None:
        return None
    given = [ids] if isinstance(ids, (int, np.integer)) else list(ids)
    whole = all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in given)
    if not given or not whole:
        raise fail("breakpoint", "Breakpoint.ids", "must be whole numbers", got=repr(ids)[:60])
    return tuple(sorted({int(i) for i in given}))


@dataclass(eq=False)
class _Point:
    """A breakpoint at work: the neurons it looks at, what samples them, and where its condition
    held after the last tick."""

    what: Breakpoint
    chosen: NDArray[np.int64]
    tap: Tap | None = None
    held: NDArray[np.bool_] | None = None
    counters: tuple[int, ...] = ()


class Watch:
    """All breakpoints of a session."""

    def __init__(self) -> None:
        self.points: list[_Point] = []

    def __bool__(self) -> bool:
        return bool(self.points)

    def add(self, session: Inspected, what: Breakpoint) -> None:
        """Raises RanvierError when a population, a state or a neuron is not there."""
        if not isinstance(cast("Any", what), Breakpoint):
            raise fail("breakpoint", "break_on", "needs a Breakpoint", got=type(what).__name__,
                       hint="e.g. Breakpoint.spike('h')")  # fmt: skip
        point = _Point(what, self._chosen(session, what))
        if what.kind == "tick" and what.at < session.tick:
            raise fail("breakpoint", f"Breakpoint.tick({what.at})", "has passed already",
                       got=f"tick {what.at}", limit=f"{session.tick} or later")  # fmt: skip
        if what.kind == "value":
            name = f"{what.population}.{what.variable}"
            where = f"Breakpoint.value({name!r})"
            point.tap = session.watch_value(name, where)
        elif what.kind == "spike":
            session.watch_spikes(what.population)
        elif what.kind == "overflow":
            point.counters = _overflow_counters(session, what)
        self.points.append(point)

    def _chosen(self, session: Inspected, what: Breakpoint) -> NDArray[np.int64]:
        if what.kind == "tick" or (what.kind == "overflow" and not what.population):
            return np.zeros(0, np.int64)
        slots, where = session.program.slots, f"Breakpoint.{what.kind}"
        if what.population not in slots:
            raise unknown("population", what.population, slots, where=where)
        size = slots[what.population].size
        if what.ids is None:
            return np.arange(size)
        if what.ids[0] < 0 or what.ids[-1] >= size:
            odd = what.ids[0] if what.ids[0] < 0 else what.ids[-1]
            raise fail("breakpoint", where, f"{what.population} has no such neuron", got=odd,
                       limit=f"0..{size - 1}")  # fmt: skip
        return np.array(what.ids, np.int64)

    # -- running ------------------------------------------------------------------------------
    def run(self, session: Inspected, stop: int) -> list[Hit]:
        """Run to ``stop``, or to the end of the first tick in which something fires."""
        first = session.tick
        for point in self.points:
            if point.what.kind == "tick" and point.what.at >= first:
                stop = min(stop, point.what.at + 1)
        mark = session.mark()
        error = _attempt(session, stop)
        ticks = [t for p in self.points if (t := self._earliest(session, p, first)) is not None]
        counted = self._counted(session, mark, min([*(t + 1 for t in ticks), session.tick]))
        if counted is not None:
            ticks.append(counted)
        if ticks and session.tick != min(ticks) + 1:
            session.rewind(mark)
            error = _attempt(session, min(ticks) + 1)
        before = mark.counters
        hits: list[Hit] = []
        if ticks:
            for point in self.points:
                hits += self._hits(session, point, min(ticks), before)
        for point in self.points:
            if point.tap is not None:
                point.held = _holds(point)[-1]
        if error is not None and not any(h.breakpoint.kind == "overflow" for h in hits):
            raise error
        return hits

    def _earliest(self, session: Inspected, point: _Point, first: int) -> int | None:
        """The first tick of the stretch just run in which a breakpoint fires."""
        what, last = point.what, session.tick - 1
        if what.kind == "tick":
            return what.at if first <= what.at <= last else None
        if what.kind == "spike":
            ticks, _, _ = session.fired(what.population, point.chosen, first)
            return int(ticks[0]) if ticks.size else None
        if what.kind == "value":
            rows = np.flatnonzero(_rises(point).any(1))
            return first + int(rows[0]) if rows.size else None
        fault = session.fault
        if fault is None or point.counters:
            return None
        return fault.tick if what.population in ("", fault.population) else None

    def _counted(self, session: Inspected, mark: Any, stop: int) -> int | None:
        """The first tick before ``stop`` in which an overflow was counted, by halving."""
        columns = sorted({c for point in self.points for c in point.counters})
        first = mark.tick
        if not columns or stop <= first:
            return None

        def seen(until: int) -> bool:
            if session.tick != until:
                session.rewind(mark)
                _attempt(session, until)
            return bool(np.any((session.counted() - mark.counters)[columns]))

        if not seen(stop):
            return None
        low, high = first, stop
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if seen(middle) else (middle, high)
        return high - 1

    def _hits(
        self, session: Inspected, point: _Point, tick: int, before: NDArray[np.int64]
    ) -> list[Hit]:
        """What a breakpoint has to say of the tick at which the session stopped."""
        what, seconds = point.what, tick * session.program.dt

        def hit(**more: Any) -> list[Hit]:
            return [Hit(breakpoint=what, tick=tick, seconds=seconds, **more)]

        if what.kind == "tick":
            return hit() if what.at == tick else []
        if what.kind == "spike":
            ticks, neurons, values = session.fired(what.population, point.chosen, tick)
            now = ticks == tick
            if not now.any():
                return []
            lowest = int(np.argmin(np.where(now, neurons, neurons.max() + 1)))
            return hit(population=what.population, neuron=int(neurons[lowest]), variable="spikes",
                       value=float(values[lowest]), more=int(now.sum()) - 1)  # fmt: skip
        if what.kind == "value":
            assert point.tap is not None
            rising = np.flatnonzero(_rises(point)[-1])
            if not rising.size:
                return []
            neuron = int(point.chosen[rising[0]])
            return hit(population=what.population, neuron=neuron, variable=what.variable,
                       value=float(point.tap.values[-1, neuron]), more=rising.size - 1)  # fmt: skip
        if point.counters:
            found: list[Hit] = []
            grown = session.counted() - before
            names = [session.counter_names[c] for c in point.counters]
            for population, name in dict.fromkeys(names):
                columns = [c for c, n in zip(point.counters, names, strict=True)
                           if n == (population, name)]  # fmt: skip
                if grown[columns].sum():
                    found += hit(population=population, variable=name,
                                 value=float(grown[columns].sum()))  # fmt: skip
            return found
        fault = session.fault
        if fault is None or fault.tick != tick or what.population not in ("", fault.population):
            return []
        return hit(population=fault.population, neuron=fault.neuron, variable=fault.variable,
                   value=float(fault.value))  # fmt: skip


def _attempt(session: Inspected, stop: int) -> RanvierError | None:
    """Run; a blow-up is handed back, the session standing right after its tick."""
    session.fault = None
    try:
        session.run_to(stop)
    except RanvierError as error:
        if session.fault is None:
            raise
        return error
    return None


def _holds(point: _Point) -> NDArray[np.bool_]:
    """Where the condition holds, [ticks, chosen]."""
    assert point.tap is not None
    values = point.tap.values[:, point.chosen]
    return (values > point.what.above) | (values < point.what.below)


def _rises(point: _Point) -> NDArray[np.bool_]:
    """Where it holds and did not the tick before."""
    holds = _holds(point)
    held = np.zeros(point.chosen.size, bool) if point.held is None else point.held
    return holds & ~np.vstack([held[None, :], holds[:-1]])


def _overflow_counters(session: Inspected, what: Breakpoint) -> tuple[int, ...]:
    """Counters to look at; none on a machine of floats, where the engine notices by itself."""
    if session.program_is_float:
        return ()
    names: Sequence[tuple[str, str]] = session.counter_names
    found = tuple(
        column
        for column, (population, name) in enumerate(names)
        if name in OVERFLOWS and what.population in ("", population)
    )
    if not found:
        raise fail(
            "breakpoint",
            "Breakpoint.overflow",
            f"{session.program.chip} counts no overflows here",
            limit="machines of floats, and kernels with the counter " + " or ".join(OVERFLOWS),
            hint="watch a state instead: Breakpoint.value('population.v', above=...)",
        )
    return found
