"""Prices of plain counters, wherever they were counted, and the lines of cost reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ranvier import chips
from ranvier.chips import Chip, CostTable
from ranvier.cost._counts import Counts
from ranvier.cost._essential import lacking_energy
from ranvier.cost._price import Priced, Span, apply, tally, total
from ranvier.errors import Issue, fail, unknown
from ranvier.report import Kind, Quantity, Report

__all__ = [
    "POWERED",
    "by_coefficient",
    "by_unit",
    "check_quantities",
    "cite",
    "line",
    "no_costs",
    "price",
    "source_of",
    "split_issue",
    "with_seconds",
]

POWERED = {
    "chip_second": "chips",
    "core_second": "cores",
    "board_second": "boards",
    "board4_second": "boards4",
    "box_second": "boxes",
    "frame_second": "frames",
    "frame_active_second": "frames_active",
}
"""Counts of seconds -> the quantity that they are the seconds of."""
COUNTED = {
    *("synaptic_op", "neuron_update", "neuron_update_active", "neuron_update_inactive", "spike"),
    *("input_event", "axon_in", "axon_out", "hop_ew", "hop_ns", "packet_hop", "tile_spike"),
    *("step", "chip_reset"),
}
"""Counts that mean the same on every machine; a cost table may name more."""


def price(
    chip: str | Chip,
    counts: Mapping[str, float] | Counts,
    *,
    seconds: float = 0.0,
    table: str | None = None,
    quantities: Mapping[str, float] | None = None,
) -> Report:
    """Price counters, from an engine or from real silicon: the energy of ``counts`` in joules.

    ``counts`` are named as ``Coefficient.per`` (``{"synaptic_op": 5e7, "neuron_update": 1e6}``).
    ``seconds`` is how long it took; with ``quantities`` (``chips``, ``cores``, ``boards``,
    ``boxes``, ``frames``, ``tiles``) it gives the static part, and by itself ``power`` in watts.
    Raises RanvierError for unknown names and for negative or non-finite numbers.
    """
    machine = chips.get(chip)
    known = check_quantities(machine, quantities or {})
    if isinstance(counts, Counts):
        if counts.parts:
            raise fail(
                "mixed-system",
                machine.name,
                "has one cost table per part",
                hint="use cost.energy, or price each of counts.parts",
            )
        known = {**counts.quantities, **known}
        counts = counts.totals
    legal = COUNTED | {c.per for t in machine.costs for c in (*t.energy, *t.time)}
    for name in counts:
        if name not in legal:
            raise unknown("count", name, legal, where=machine.name)
    for name, value in {**counts, **known, "seconds": seconds}.items():
        if not (np.isfinite(value) and value >= 0):
            raise fail("bad-count", name, "must be a finite number, not negative", got=value)
    title = f"Cost on {machine.title}"
    if not machine.costs:
        return Report(title=title, issues=(no_costs(machine),))
    chosen = machine.cost_table(table)
    spans, unsplit = tally(with_seconds(counts, known, seconds))
    priced, issues = apply(chosen.energy, spans, known, chosen.name)
    if unsplit:
        issues += split_issue(chosen)
    issues += lacking_energy(chosen, spans, powered=seconds > 0)
    energy = total(priced)
    found = [line("energy", energy, "J", source=cite(chosen))]
    if seconds > 0:
        found.append(line("power", Span.of(1 / seconds) * energy, "W", source=cite(chosen)))
        found.append(line("time", Span.of(seconds), "s", source="as given"))
    return Report(
        title=f"{title} ({chosen.name})",
        quantities=tuple(found),
        breakdowns={"unit": by_unit(priced), "coefficient": by_coefficient(priced)},
        issues=tuple(issues),
    )


def check_quantities(machine: Chip, given: Mapping[str, float]) -> dict[str, float]:
    """Those quantities that some table of the machine can use; an unknown name is an error."""
    axes = {c.table[0] for t in machine.costs for c in (*t.energy, *t.time) if c.table}
    legal = {*POWERED.values(), *axes}
    for name, value in given.items():
        if name not in legal:
            raise unknown("quantity", name, legal, where=machine.name)
        if not (np.isfinite(value) and value >= 0):
            raise fail("bad-count", name, "must be a finite number, not negative", got=value)
    return dict(given)


def with_seconds(
    counts: Mapping[str, float], quantities: Mapping[str, float], seconds: float
) -> dict[str, float]:
    """Counts with the seconds of all that is powered; those given stay as they are."""
    powered = {
        name: quantities[quantity] * seconds
        for name, quantity in POWERED.items()
        if quantity in quantities
    }
    return {**powered, **counts}


def cite(table: CostTable) -> str:
    """Name and source of a table."""
    return f"{table.name}: {table.source}"


def line(
    name: str, span: Span, unit: str, *, source: str = "", where: str = "", kind: Kind = "estimated"
) -> Quantity:
    """A span (one number) as a quantity."""
    value, low, high = (float(v) for v in (span.value, span.low, span.high))
    return Quantity(name, value, unit, kind, low, high, source, where)


def by_unit(priced: Iterable[Priced], unit: str = "J") -> tuple[Quantity, ...]:
    """Sums per unit of the machine."""
    items = list(priced)
    names = dict.fromkeys(item.unit for item in items)
    return tuple(
        line(
            name, total(Priced(i.coefficient, i.span.sum()) for i in items if i.unit == name), unit
        )
        for name in names
    )


def by_coefficient(priced: Iterable[Priced], unit: str = "J") -> tuple[Quantity, ...]:
    """One line per coefficient, with its source."""
    return tuple(
        line(i.coefficient.per, i.alone, unit, source=source_of(i.coefficient)) for i in priced
    )


def source_of(coefficient: chips.Coefficient) -> str:
    """Evidence, source and conditions in one line."""
    text = f"{coefficient.evidence}: {coefficient.source}"
    return f"{text} ({coefficient.conditions})" if coefficient.conditions else text


def no_costs(machine: Chip) -> Issue:
    """A machine that has no cost table, such as the ideal one."""
    return Issue(
        code="no-costs",
        severity="info",
        where=machine.name,
        message="has no cost table, so it has neither energy nor time",
        hint=("compile for a physical machine",),
    )


def split_issue(table: CostTable) -> list[Issue]:
    """Said when the table prices active and inactive updates apart, but only all were counted."""
    apart = [c for c in table.energy if c.per in ("neuron_update_active", "neuron_update_inactive")]
    if not any(c.value for c in apart):
        return []
    return [
        Issue(
            code="no-active-count",
            severity="warning",
            where=table.name,
            message="updates with and without input have different prices, but were not counted "
            "apart: the value takes all as inactive, the upper end as active",
            hint=("run on a chip that counts active_updates",),
        )
    ]
