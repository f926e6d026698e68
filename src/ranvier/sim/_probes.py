"""Values of states over time: which the worker samples, and what they mean in SI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compile import Block, Program
from ranvier.errors import fail, unknown
from ranvier.events import Trace
from ranvier.sim._arrays import Arrays
from ranvier.sim._update_lazy import POWER_BITS

__all__ = ["Probes", "Tap", "catch_up", "read_now"]

IntArray = NDArray[np.int64]

STATE, OUTPUT, ASLEEP = 0, 1, 2
"""What a row of the worker's table of probes samples: a state, the output, or for how many ticks
each neuron has been asleep."""


@dataclass(eq=False)
class Tap:
    """A state of a population, sampled every ``every`` ticks; ``pieces`` are (ticks, raw [k, size])
    taken so far. A hidden one is not part of the recording: a breakpoint looks at it."""

    name: str
    every: int
    hidden: bool = False
    size: int = 0
    scale: NDArray[Any] = field(default_factory=lambda: np.ones(0))
    offset: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    places: list[_Place] = field(default_factory=list["_Place"])
    pieces: list[tuple[IntArray, NDArray[Any]]] = field(default_factory=list[Any])

    @property
    def values(self) -> NDArray[np.float64]:
        """SI values of the newest piece, [k, size]."""
        return self.pieces[-1][1] * self.scale + self.offset


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a tap lies in one block: arena offsets of what is sampled (the state itself, or all
    states that move at rest) and its number among them."""

    block: int
    index: IntArray
    kind: int
    offsets: tuple[int, ...]
    which: int = 0
    asleep: bool = False
    column: int = 0

    def width(self, n: int) -> int:
        """Columns it takes, for n neurons."""
        return n * (len(self.offsets) + self.asleep)


def catch_up(
    arrays: Arrays, block: int, states: Sequence[NDArray[Any]], missed: IntArray
) -> list[NDArray[Any]]:
    """States [...] of sleeping neurons after ``missed`` [...] more ticks of rest: the very
    arithmetic with which the worker wakes them."""
    first, d = arrays.sleep.first[block], len(states)
    table = arrays.sleep.table[first:]
    values, left, k = [s.copy() for s in states], missed.copy(), 1 + 3 * d
    with np.errstate(all="ignore"):
        while np.any(left > 0):
            digit = left & ((1 << POWER_BITS) - 1)
            at = k + digit * (d * d + d)
            moved: list[NDArray[Any]] = []
            for i in range(d):
                total = table[at + i * d] * values[0]
                for j in range(1, d):
                    total = total + table[at + i * d + j] * values[j]
                moved.append(total + table[at + d * d + i])
            values = [np.where(digit > 0, m, v) for m, v in zip(moved, values, strict=True)]
            left >>= POWER_BITS
            k += (d * d + d) << POWER_BITS
    return values


def _split(program: Program, name: str, where: str) -> tuple[str, str]:
    """Population and variable of ``"population.variable"``."""
    population, _, variable = name.rpartition(".")
    computed = list(dict.fromkeys(b.population for b in program.blocks))
    if population not in computed:
        if not population and variable in computed:
            raise fail("bad-name", where, "must name a state", got=repr(name),
                       limit="population.state", hint=f"try {variable}.v")  # fmt: skip
        raise unknown("population", population or name, computed, where=where)
    return population, variable


class Probes:
    """All taps of a session. ``rows`` (kind, offset, n, column, every, step), by partition, are for
    the worker, ``columns`` the width of its samples."""

    def __init__(self, program: Program, arrays: Arrays, where: IntArray) -> None:
        self._program, self._arrays, self._where = program, arrays, where
        self.taps: list[Tap] = []
        for probe in program.probes:
            if probe.variable != "spikes" and probe.population in {
                b.population for b in program.blocks
            }:
                self._tap(str(probe), probe.every, where=f"probe {probe}", hidden=False)
        self._arrange()

    def add(self, name: str, every: int, *, where: str, hidden: bool = False) -> Tap:
        """One more, or another pace for one that is there; raises RanvierError (did you mean)."""
        tap = self._tap(name, every, where=where, hidden=hidden)
        self._arrange()
        return tap

    def drop(self, taps: Sequence[Tap]) -> None:
        """Without these."""
        self.taps = [tap for tap in self.taps if tap not in taps]
        self._arrange()

    def _tap(self, name: str, every: int, *, where: str, hidden: bool) -> Tap:
        known = next((t for t in self.taps if t.name == name and t.hidden == hidden), None)
        if known is not None:
            known.every = every
            return known
        population, variable = _split(self._program, name, where)
        tap = Tap(name, every, hidden, self._program.slots[population].size)
        tap.scale, tap.offset = np.ones(tap.size), np.zeros(tap.size)
        for k, block in enumerate(self._program.blocks):
            if block.population == population:
                place = _place(self._arrays, k, block, variable, where, self._where)
                tap.places.append(place)
                by, plus = _units(block, variable)
                tap.scale[place.index], tap.offset[place.index] = by, plus
        self.taps.append(tap)
        return tap

    def _arrange(self) -> None:
        """Columns for all, and the worker's table."""
        arrays, blocks = self._arrays, self._program.blocks
        self.columns = 0
        for tap in self.taps:
            for i, place in enumerate(tap.places):
                tap.places[i] = _moved(place, self.columns)
                self.columns += place.width(blocks[place.block].n)
        rows: list[tuple[int, ...]] = []
        states, row = arrays.states, 0
        for p, pieces in enumerate(arrays.layout.subs):
            arrays.parts[p, 9] = len(rows)
            for sub in pieces:
                shift, row = int(states.shift[row]), row + 1
                n = blocks[sub.block].n
                for tap in self.taps:
                    for place in (x for x in tap.places if x.block == sub.block):
                        sampled = [(place.kind, offset) for offset in place.offsets]
                        if place.asleep:
                            sampled.append((ASLEEP, states.due[sub.block]))
                        for k, (kind, offset) in enumerate(sampled):
                            at = place.column + k * n + sub.first
                            apart = 1 if kind == OUTPUT else states.step[sub.block]
                            origin = offset + sub.first * apart + (kind != OUTPUT) * shift
                            rows.append((kind, origin, sub.n, at, tap.every, apart))
            arrays.parts[p, 10] = len(rows)
        self.rows = np.array(rows, np.int64).reshape(-1, 6)

    # -- while running ------------------------------------------------------------------------
    def take(self, first: int, samples: NDArray[Any]) -> None:
        """Take over what the worker sampled from tick ``first`` on."""
        ticks = first + np.arange(len(samples))
        for tap in self.taps:
            keep = np.flatnonzero(ticks % tap.every == 0)
            raw = np.zeros((keep.size, tap.size), samples.dtype)
            for place in tap.places:
                n = self._program.blocks[place.block].n
                at = place.column
                columns = [
                    samples[keep, at + k * n : at + (k + 1) * n]
                    for k in range(place.width(n) // max(1, n))
                ]
                if place.asleep:
                    missed = columns.pop().astype(np.int64)
                    columns = catch_up(self._arrays, place.block, columns, missed)
                raw[:, place.index] = columns[place.which]
            if tap.hidden:
                tap.pieces.clear()
            tap.pieces.append((ticks[keep], raw))

    def mark(self) -> list[int]:
        """How much has been taken, for :meth:`rewind`."""
        return [len(tap.pieces) for tap in self.taps]

    def rewind(self, mark: list[int]) -> None:
        """Forget what was taken since."""
        for tap, length in zip(self.taps, mark, strict=True):
            del tap.pieces[length:]

    def traces(self, start: int) -> dict[str, Trace]:
        """Sampled values by name; ticks count from ``start``."""
        found: dict[str, Trace] = {}
        for tap in self.taps:
            if tap.hidden:
                continue
            none = np.zeros((0, tap.size), self._arrays.state.dtype)
            raw = np.concatenate([none, *(r for _, r in tap.pieces)])
            ticks = np.concatenate([np.zeros(0, np.int64), *(t for t, _ in tap.pieces)])
            found[tap.name] = Trace(ticks - start, raw, tap.scale, tap.offset)
        return found


def _moved(place: _Place, column: int) -> _Place:
    return _Place(place.block, place.index, place.kind, place.offsets, place.which, place.asleep,
                  column)  # fmt: skip


def _units(block: Block, variable: str) -> tuple[Any, Any]:
    register = block.aliases.get(variable, variable)
    return block.state_scale.get(register, (1.0, 0.0))


def _place(
    arrays: Arrays, k: int, block: Block, variable: str, where: str, owner: IntArray
) -> _Place:
    """Where a variable of block k lies; raises RanvierError with the legal names."""
    index = owner[block.start : block.start + block.n]
    if variable == "output":
        return _Place(k, index, OUTPUT, (block.start,))
    register = block.aliases.get(variable, variable)
    offsets = arrays.states.offset
    if (k, register) not in offsets:
        legal = sorted({"output", *(name for b, name in offsets if b == k), *block.aliases})
        raise unknown("state", variable, legal, where=where)
    states = arrays.sleep.states[k]
    if register not in states:
        return _Place(k, index, STATE, (offsets[k, register],))
    places = tuple(offsets[k, name] for name in states)
    return _Place(k, index, STATE, places, states.index(register), asleep=True)


def read_now(
    program: Program, arrays: Arrays, owner: IntArray, name: str, tick: int
) -> NDArray[np.float64]:
    """SI values of ``"population.state"`` [size] as after tick ``tick - 1``; nothing is changed."""
    where = f"read {name}"
    population, variable = _split(program, name, where)
    found = np.zeros(program.slots[population].size)
    for k, block in enumerate(program.blocks):
        if block.population != population:
            continue
        place = _place(arrays, k, block, variable, where, owner)
        lie = arrays.states
        if place.kind == OUTPUT:
            states = [arrays.out[block.start : block.start + block.n]]
        else:
            states = [lie.read(arrays.state, k, at) for at in place.offsets]
        if place.asleep:
            missed = tick - lie.read(arrays.sleep.ticks, k, lie.due[k]).astype(np.int64)
            states = catch_up(arrays, k, states, np.maximum(0, missed))
        by, plus = _units(block, variable)
        found[place.index] = states[place.which] * by + plus
    return found
