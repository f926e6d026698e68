"""How long a tick takes: the tick itself, or the busiest core and a barrier."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ranvier.chips import Chip, Coefficient, CostTable
from ranvier.cost._counts import Counts
from ranvier.cost._essential import lacking_time
from ranvier.cost._price import Span, apply, tally, total, unit_of
from ranvier.errors import Issue

__all__ = ["TickTime", "tick_time"]

ON_CORE = ("neuron", "synapse", "axon")
"""Units whose work a core does one after another within a tick."""


@dataclass(frozen=True, eq=False)
class TickTime:
    """Seconds a tick took in each window; ``span`` None where no time is published.

    ``units`` split the mean tick of the busiest core, ``core`` [windows], by unit.
    """

    span: Span | None
    issues: list[Issue] = field(default_factory=list[Issue])
    units: dict[str, Span] = field(default_factory=dict[str, Span])
    core: NDArray[np.int64] | None = None


def tick_time(chip: Chip, table: CostTable, counts: Counts) -> TickTime:
    """Time per tick of one machine in each window, from the mean activity of that window."""
    windows = len(counts.ticks)
    if chip.timing.kind == "barrier":
        return _barrier(table, counts)
    clock = Span.of(np.full(windows, counts.dt))
    if chip.timing.kind == "none":
        return TickTime(clock, [_no_timing(chip)])
    work = _on_cores(table, counts)
    if work is None:
        return TickTime(
            clock,
            [
                Issue(
                    code="budget-not-checked",
                    severity="info",
                    where=table.name,
                    message="whether a core finishes within the tick cannot be checked: no time "
                    "per update and per synaptic event is published",
                )
            ],
        )
    issues = list(work.issues)
    busiest = float(work.span.high.max(initial=0.0)) if work.span is not None else 0.0
    if busiest > counts.dt:
        issues.append(
            Issue(
                code="overrun",
                severity="warning",
                where=table.name,
                message="the busiest core needs longer than a tick, so the machine falls behind",
                got=f"{busiest:.3g} s",
                limit=f"{counts.dt:.3g} s",
                hint=("put fewer neurons on a core", "compile with a longer dt"),
            )
        )
    return TickTime(clock, issues, work.units, work.core)


def _barrier(table: CostTable, counts: Counts) -> TickTime:
    work = _on_cores(table, counts)
    lacking = lacking_time(table, tally(counts.per_window)[0])
    if work is None or work.span is None:
        missing = Issue(
            code="no-time",
            severity="warning",
            where=table.name,
            message="no time per update or synaptic event is published: time is unknown",
            hint=("give seconds=..., as measured",),
        )
        return TickTime(None, [missing])
    steps = [c for c in table.time if c.per == "step"]
    one = {"step": Span.of(np.ones(len(counts.ticks)))}
    priced, issues = apply(steps, one, counts.quantities, table.name)
    barrier = total(priced, (len(counts.ticks),))
    if not priced and not issues:
        issues.append(
            Issue(
                code="no-barrier",
                severity="warning",
                where=table.name,
                message="the table has no barrier time; not counted",
            )
        )
    issues.append(
        Issue(
            code="mean-activity",
            severity="info",
            where=table.name,
            message="ticks are estimated from the mean activity of each window, which is a lower "
            "bound for uneven activity; the time of packets in the network is not added",
        )
    )
    mean = Span(*(np.asarray(v.mean()) for v in (barrier.value, barrier.low, barrier.high)))
    return TickTime(
        work.span + barrier,
        work.issues + lacking + issues,
        {**work.units, "barrier": mean},
        work.core,
    )


def _on_cores(table: CostTable, counts: Counts) -> TickTime | None:
    """Work of the busiest core per tick; None when nothing of it has a published time."""
    coefficients: list[Coefficient] = [c for c in table.time if unit_of(c.per) in ON_CORE]
    ticks = np.maximum(counts.ticks, 1)[:, None]
    spans, unsplit = tally({name: v / ticks for name, v in counts.by_core.items()})
    priced, issues = apply(coefficients, spans, counts.quantities, table.name)
    issues = [i for i in issues if i.code != "no-count"]
    if not priced or not len(counts.cores):
        return None
    if unsplit and any(c.per.startswith("neuron_update_") for c in coefficients):
        issues.append(
            Issue(
                code="no-active-count",
                severity="warning",
                where=table.name,
                message="updates with and without input take different times, but were not counted "
                "apart: the value takes all as inactive, the upper end as active",
            )
        )
    load = total(priced)
    busiest = load.value.argmax(1)
    rows = np.arange(len(busiest))
    units: dict[str, Span] = {}
    for name in dict.fromkeys(p.unit for p in priced):
        part = total(p for p in priced if p.unit == name)
        units[name] = Span(*(v[rows, busiest].mean() for v in (part.value, part.low, part.high)))
    span = Span(load.value.max(1), load.low.max(1), load.high.max(1))
    return TickTime(span, issues, units, counts.cores[busiest])


def _no_timing(chip: Chip) -> Issue:
    return Issue(
        code="no-timing",
        severity="info",
        where=chip.name,
        message="has no physical time; ticks are taken to last dt",
    )
