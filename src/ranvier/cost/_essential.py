"""Prices without which a total is not the whole: a table that lacks one says so in its report."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ranvier.chips import Coefficient, CostTable
from ranvier.cost._price import Tally
from ranvier.errors import Issue

__all__ = ["lacking_energy", "lacking_time", "uncounted_power"]

STATIC = ("chip_second", "board_second", "board4_second", "frame_second")
PACKETS = ("spike", "axon_out", "axon_in")
ROUTING = ("hop_ew", "hop_ns", "packet_hop", "tile_spike")


def lacking_energy(table: CostTable, counts: Tally, *, powered: bool) -> list[Issue]:
    """Issues for what happened and has no place in the table: as if it were there as unpublished.

    Looked at are synaptic operations, updates of neurons, spikes or their packets (one price of
    them is enough) and, where ``powered``, static power. A number that ``includes`` one of these
    stands for it.
    """
    priced = _names(table.energy)
    missing = _updates(priced, counts)
    if _happened(counts, "synaptic_op") and "synaptic_op" not in priced:
        missing.append("synaptic_op")
    # Where no hops were counted nothing travels far, so that their prices have nothing to price.
    hops = [n for n in ROUTING if n in counts] or list(ROUTING)
    if any(_happened(counts, n) for n in (*PACKETS, *hops)) and not priced & {*PACKETS, *hops}:
        missing.append(next(n for n in (*PACKETS, *hops) if _happened(counts, n)))
    if powered and not priced & set(STATIC):
        missing.append("chip_second")
    return [_lacking(name, "energy", counts, table) for name in missing]


def lacking_time(table: CostTable, counts: Tally) -> list[Issue]:
    """The same for the time of a core's work, on a machine whose ticks last as long as that."""
    priced = _names(table.time)
    missing = _updates(priced, counts)
    if _happened(counts, "synaptic_op") and "synaptic_op" not in priced:
        missing.append("synaptic_op")
    return [_lacking(name, "time", counts, table) for name in missing]


def uncounted_power(table: CostTable, counts: Tally) -> list[Issue]:
    """An issue where the table has static power, but only of things that were not counted."""
    there = [c.per for c in table.energy if c.per in STATIC]
    if not there or any(name in counts for name in there):
        return []
    return [
        Issue(
            code="no-static",
            severity="warning",
            where=table.name,
            message=f"static power is given as {there[0]}, which is not counted here",
            hint=("say how many: quantities={'boards': 1}", "give the table chips_per_board"),
        )
    ]


def _names(coefficients: Iterable[Coefficient]) -> set[str]:
    return {name for c in coefficients for name in (c.per, *c.includes)}


def _updates(priced: set[str], counts: Tally) -> list[str]:
    """Every update has a price where all have one, or those with and those without input have."""
    halves = ("neuron_update_active", "neuron_update_inactive")
    if "neuron_update" in priced or not _happened(counts, "neuron_update"):
        return []
    if not priced & set(halves):
        return ["neuron_update"]
    return [name for name in halves if name not in priced and _happened(counts, name)]


def _happened(counts: Tally, name: str) -> bool:
    return name in counts and bool(np.any(counts[name].high) or np.any(counts[name].low))


def _lacking(name: str, what: str, counts: Tally, table: CostTable) -> Issue:
    got = ""
    if name in counts:
        unit = " s" if name.endswith("_second") else " of them"
        span = counts[name]
        got = f"{float(np.max([span.value.sum(), span.high.sum()])):g}{unit}"
    return Issue(
        code="unpublished",
        severity="warning",
        where=f"{table.name}.{name}",
        message=f"{what} is not in the table: taken as not published, not counted",
        got=got,
        hint=("put it into the table, with value None where nobody published it",),
    )
