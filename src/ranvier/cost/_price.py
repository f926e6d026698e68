"""Counts times coefficients, with the cited spread carried along by interval arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.chips import Coefficient
from ranvier.errors import Issue

__all__ = ["Priced", "Span", "Tally", "apply", "tally", "total", "unit_of"]

FloatArray = NDArray[np.float64]

GROUPS = (
    ("synaptic", "synapse"),
    ("neuron", "neuron"),
    ("spike", "neuron"),
    ("axon", "axon"),
    ("hop", "routing"),
    ("tile", "routing"),
    ("packet", "routing"),
    ("input", "input"),
    ("step", "barrier"),
    ("chip_reset", "reset"),
    ("core_", "cores"),
)
"""Prefix of a count -> the unit of the machine it belongs to."""


def unit_of(per: str) -> str:
    """``"synapse"`` for ``synaptic_op`` and so on; power is ``"static"`` unless it is of cores."""
    for prefix, unit in GROUPS:
        if per.startswith(prefix):
            return unit
    return "static" if per.endswith("_second") else "other"


@dataclass(frozen=True, eq=False)
class Span:
    """A value with the ends of its interval, arrays of one shape."""

    value: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, value: ArrayLike) -> Span:
        """Exactly known."""
        exact = np.asarray(value, np.float64)
        return cls(exact, exact, exact)

    def __add__(self, other: Span) -> Span:
        return Span(self.value + other.value, self.low + other.low, self.high + other.high)

    def __mul__(self, other: Span) -> Span:
        """Product of two spans that are nowhere negative."""
        return Span(self.value * other.value, self.low * other.low, self.high * other.high)

    def sum(self) -> Span:
        """Over all elements."""
        return Span(self.value.sum(), self.low.sum(), self.high.sum())


Tally = Mapping[str, Span]


def tally(counts: Mapping[str, ArrayLike]) -> tuple[dict[str, Span], bool]:
    """Counts as spans, with what follows from them filled in; True when the split is unknown.

    Where only ``neuron_update`` is known, active and inactive updates are bounded by it: the value
    and the low end take all of them as inactive (the least), the high end as active.
    """
    spans = {name: Span.of(value) for name, value in counts.items()}
    split = [n for n in ("neuron_update_active", "neuron_update_inactive") if n in spans]
    if split:
        if "neuron_update" not in spans:
            parts = [spans[n] for n in split]
            spans["neuron_update"] = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return spans, False
    if "neuron_update" not in spans:
        return spans, False
    every = spans["neuron_update"].value
    none = np.zeros_like(every)
    spans["neuron_update_active"] = Span(none, none, every)
    spans["neuron_update_inactive"] = Span(every, every, none)
    return spans, True


@dataclass(frozen=True, eq=False)
class Priced:
    """What the counts of one coefficient come to."""

    coefficient: Coefficient
    span: Span

    @property
    def unit(self) -> str:
        """The unit of the machine it belongs to."""
        return unit_of(self.coefficient.per)

    @property
    def alone(self) -> Span:
        """The sum with its own interval, where ``span`` shares its ends with an alternative."""
        whole = self.span.sum()
        if whole.low <= whole.high:
            return whole
        factor = (self.coefficient.spread or (1.0, 1.0))[1]
        return Span(whole.value, whole.high, whole.value * factor)


def apply(
    coefficients: Iterable[Coefficient],
    counts: Tally,
    quantities: Mapping[str, float],
    table: str,
) -> tuple[list[Priced], list[Issue]]:
    """Every coefficient times its count, and what could not be priced.

    A coefficient that is not published is never guessed: it becomes an Issue when it is needed. One
    whose count was not taken is named in a single Issue.
    """
    coefficients = tuple(coefficients)
    priced: list[Priced] = []
    issues: list[Issue] = []
    uncounted: list[str] = []
    inside = {
        name
        for c in coefficients
        if c.per in counts and c.value is not None and np.any(counts[c.per].high)
        for name in c.includes
    }
    for c in coefficients:
        if c.per in inside:
            continue
        if c.per not in counts:
            uncounted.append(c.per if c.evidence != "unpublished" else f"{c.per} (unpublished)")
            continue
        many = counts[c.per]
        if c.evidence == "unpublished":
            if np.any(many.high) or np.any(many.low):
                issues.append(_unpublished(c, many, table))
            continue
        value, problem = _value(c, quantities, table)
        if problem is not None:
            issues.append(problem)
        if value is not None:
            low, high = c.spread or (1.0, 1.0)
            priced.append(
                Priced(
                    c,
                    Span(many.value * value, many.low * value * low, many.high * value * high),
                )
            )
    if uncounted:
        issues.append(
            Issue(
                code="no-count",
                severity="info",
                where=table,
                message="these have a place in the table, but no count was given: "
                + ", ".join(dict.fromkeys(uncounted)),
            )
        )
    return priced, issues


def _value(
    c: Coefficient, quantities: Mapping[str, float], table: str
) -> tuple[float | None, Issue | None]:
    if c.table is None:
        return c.value, None
    axis, points = c.table
    if axis not in quantities:
        return None, Issue(
            code="no-quantity",
            severity="warning",
            where=f"{table}.{c.per}",
            message=f"depends on the number of {axis}, which is not known here; not counted",
            hint=(f"give quantities={{{axis!r}: ...}}",),
        )
    first, last, got = points[0][0], points[-1][0], quantities[axis]
    if first <= got <= last:
        return c.at(quantities), None
    return c.at(quantities), Issue(
        code="outside-table",
        severity="warning",
        where=f"{table}.{c.per}",
        message=f"is published for {first:g} to {last:g} {axis}; the nearest value was taken",
        got=f"{got:g} {axis}",
    )


def _unpublished(c: Coefficient, many: Span, table: str) -> Issue:
    what = "time" if c.unit == "s" else "energy"
    needed = float(np.max([many.value.sum(), many.high.sum()]))
    return Issue(
        code="unpublished",
        severity="warning",
        where=f"{table}.{c.per}",
        message=f"{what} not published, not counted ({c.source})",
        got={"s": "", "W": f"{needed:g} s", "J": f"{needed:g} of them"}[c.unit],
    )


def total(priced: Iterable[Priced], shape: tuple[int, ...] = ()) -> Span:
    """Sum of all, as exactly known zeros of ``shape`` where there are none.

    Alternatives inside one count (active or inactive) share their corners, so the ends are set in
    order at the last.
    """
    found = Span.of(np.zeros(shape))
    for item in priced:
        found = found + item.span
    low, high = np.minimum(found.low, found.high), np.maximum(found.low, found.high)
    return Span(found.value, np.minimum(low, found.value), np.maximum(high, found.value))
