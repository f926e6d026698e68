"""Reports: quantities with unit, kind, spread and source. Made by compile, cost and bench."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from ranvier.errors import Issue, fail, unknown
from ranvier.units import format_si

__all__ = ["Kind", "Quantity", "Report", "text_table"]

Kind = Literal["measured", "simulated", "estimated", "cited"]
"""``measured`` on the thing itself, ``simulated`` by an engine, ``estimated`` from counts and
published numbers, ``cited`` as somebody else states it."""


@dataclass(frozen=True)
class Quantity:
    """One number: ``value`` in SI ``unit``, with its spread ``low .. high`` where one is known.

    ``value`` is None when the number is not known (a coefficient nobody published). ``source`` says
    where it comes from, ``where`` what it belongs to (a population, a part, a table). Raises
    RanvierError for infinities, NaN and ``low > high``.
    """

    name: str
    value: float | None
    unit: str = "1"
    kind: Kind = "estimated"
    low: float | None = None
    high: float | None = None
    source: str = ""
    where: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown("kind", self.kind, get_args(Kind), where=self.name)
        for name in ("value", "low", "high"):
            given = getattr(self, name)
            if given is None:
                continue
            if not math.isfinite(given):
                raise fail("not-finite", self.name, f"{name} must be a finite number", got=given)
            object.__setattr__(self, name, float(given))
        if self.low is not None and self.high is not None and self.low > self.high:
            raise fail("bad-spread", self.name, "low is above high", got=f"{self.low}, {self.high}")

    def __str__(self) -> str:
        return f"{self.name} {_number(self)} {_spread(self)}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Quantities, their breakdowns and what is to be said about them.

    ``breakdowns[by]`` holds the same total split up (by unit, by population, by coefficient);
    ``issues`` tell what is missing from the numbers or only estimated.
    """

    title: str
    quantities: tuple[Quantity, ...] = ()
    breakdowns: Mapping[str, tuple[Quantity, ...]] = field(default_factory=dict[str, Any])
    issues: tuple[Issue, ...] = ()

    def __getitem__(self, name: str) -> Quantity:
        """A quantity by name; raises RanvierError with a did-you-mean."""
        for quantity in self.quantities:
            if quantity.name == name:
                return quantity
        raise unknown("quantity", name, [q.name for q in self.quantities], where=self.title)

    def __contains__(self, name: object) -> bool:
        return any(q.name == name for q in self.quantities)

    def value(self, name: str) -> float:
        """The value of a quantity; raises RanvierError when there is none."""
        found = self[name].value
        if found is None:
            raise fail("no-value", name, "is not known", hint="see the report's issues")
        return found

    def breakdown(self, by: str) -> tuple[Quantity, ...]:
        """A breakdown by name; raises RanvierError with a did-you-mean."""
        if by not in self.breakdowns:
            raise unknown("breakdown", by, self.breakdowns, where=self.title)
        return self.breakdowns[by]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; :meth:`from_dict` is the inverse."""
        return {
            "title": self.title,
            "quantities": [asdict(q) for q in self.quantities],
            "breakdowns": {by: [asdict(q) for q in rows] for by, rows in self.breakdowns.items()},
            "issues": [{**i.to_dict(), "hint": list(i.hint)} for i in self.issues],
        }

    @classmethod
    def from_dict(cls, data: Any) -> Report:
        """From plain data; raises RanvierError when it does not describe a report."""
        try:
            return cls(
                title=str(data["title"]),
                quantities=tuple(Quantity(**q) for q in data["quantities"]),
                breakdowns={
                    str(by): tuple(Quantity(**q) for q in rows)
                    for by, rows in data["breakdowns"].items()
                },
                issues=tuple(Issue(**{**i, "hint": tuple(i["hint"])}) for i in data["issues"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise fail(
                "bad-report",
                "report",
                "is not the data of a report",
                got=f"{type(error).__name__}: {error}"[:200],
            ) from error

    def to_text(self, *, sources: bool = False) -> str:
        """Plain text tables; ``sources`` adds where each number comes from."""
        parts = [self.title]
        if self.quantities:
            parts.append(_table(self.quantities, sources=sources, share=False))
        for by, rows in self.breakdowns.items():
            if rows:
                parts.append(f"by {by}:\n{_table(rows, sources=sources, share=True)}")
        if self.issues:
            parts.append("\n".join(f"{i.severity}: {i}" for i in self.issues))
        return "\n\n".join(parts) + "\n"

    def __str__(self) -> str:
        return self.to_text()


def _number(quantity: Quantity) -> str:
    if quantity.value is None:
        return "unknown"
    return format_si(quantity.value, quantity.unit, digits=4)


def _spread(quantity: Quantity) -> str:
    if quantity.low is None and quantity.high is None:
        return ""
    if quantity.low == quantity.high == quantity.value:
        return ""
    ends = [
        "?" if v is None else format_si(v, quantity.unit) for v in (quantity.low, quantity.high)
    ]
    return " .. ".join(ends)


def _table(rows: Sequence[Quantity], *, sources: bool, share: bool) -> str:
    known = [q.value for q in rows if q.value is not None]
    total = sum(known)
    alike = len(known) == len(rows) > 1 and len({q.unit for q in rows}) == 1 and min(known) >= 0
    columns = {
        "": [q.name for q in rows],
        "value": [_number(q) for q in rows],
        "share": [
            f"{100 * q.value / total:.1f} %"
            if share and alike and total > 0 and q.value is not None
            else ""
            for q in rows
        ],
        "range": [_spread(q) for q in rows],
        "kind": [q.kind for q in rows],
        "where": [q.where for q in rows],
        "source": [q.source if sources else "" for q in rows],
    }
    return text_table({name: cells for name, cells in columns.items() if any(cells)})


def text_table(columns: Mapping[str, Sequence[str]]) -> str:
    """Columns of text under their headings, as wide as needed, two spaces apart."""
    widths = [max(len(c) for c in (name, *cells)) for name, cells in columns.items()]
    lines = [columns.keys(), *zip(*columns.values(), strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
