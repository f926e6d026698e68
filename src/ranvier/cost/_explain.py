"""Where the numbers come from."""

from __future__ import annotations

from collections.abc import Iterator

from ranvier import chips
from ranvier.chips import Chip, Coefficient, CostTable
from ranvier.cost._report import cite, no_costs, source_of
from ranvier.errors import Issue
from ranvier.report import Quantity, Report

__all__ = ["explain"]


def explain(what: str | Chip | CostTable, table: str | None = None) -> Report:
    """Every coefficient of a cost table with source, conditions and evidence.

    ``what`` is a table, or a chip (by name) whose ``table`` is meant, the first by default. Print
    with ``report.to_text(sources=True)``. A number nobody published has the value None.
    """
    if not isinstance(what, CostTable):
        machine = chips.get(what)
        if not machine.costs:
            return Report(title=f"Costs of {machine.title}", issues=(no_costs(machine),))
        what = machine.cost_table(table)
    note = Issue(code="note", severity="info", where=what.name, message=what.note)
    return Report(
        title=cite(what),
        breakdowns={
            "energy": tuple(q for c in what.energy for q in _lines(c)),
            "time": tuple(q for c in what.time for q in _lines(c)),
        },
        issues=(note,) if what.note else (),
    )


def _lines(c: Coefficient) -> Iterator[Quantity]:
    low, high = c.spread or (1.0, 1.0)
    axis, points = c.table or ("", ((0.0, c.value),))
    for x, value in points:
        ends = (None, None) if value is None or c.spread is None else (value * low, value * high)
        where = f"{axis} = {x:g}" if axis else ""
        yield Quantity(c.per, value, c.unit, "cited", *ends, source_of(c), where)
