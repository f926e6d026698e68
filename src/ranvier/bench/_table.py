"""The table of a comparison as plain text, for terminals and for other renderers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ranvier.bench._machine import Machine
from ranvier.report import Quantity, text_table
from ranvier.units import format_si

__all__ = [
    "IDLE",
    "MEANING",
    "amount",
    "idle",
    "percent",
    "percents",
    "spread",
    "text",
    "to_rows",
    "unpriced",
]

NONE = "–"
MEANING = (
    "spikes as ideal: |A and B| / |A or B| over (tick, neuron) events, A the ideal machine's, "
    "B this machine's"
)
IDLE = (
    "energy charges every powered chip and board of a machine, used or not; "
    "--powered used (in Python powered='used') charges the chips in use only"
)
WHOLE = {
    "no-static": "static power",
    "no-barrier": "the barrier",
    "no-costs": "all of {}",
    "no-quantity": "{}",
}
"""Codes of what is missing as a whole -> how the list of what is missing calls it."""


def percent(value: float | None, digits: int = 2) -> str:
    """A share as per cent."""
    return NONE if value is None else f"{100 * value:.{digits}f} %"


def percents(quantity: Quantity) -> str:
    """A share as per cent with its interval."""
    if quantity.low is None or quantity.high is None:
        return percent(quantity.value)
    return f"{percent(quantity.value)} ({100 * quantity.low:.1f} to {100 * quantity.high:.1f})"


def amount(quantity: Quantity | None) -> str:
    """A number with its unit."""
    if quantity is None or quantity.value is None:
        return NONE
    if quantity.unit == "B":
        return _bytes(quantity.value)
    return format_si(quantity.value, quantity.unit, digits=3)


def spread(quantity: Quantity | None) -> str:
    """The range of a number, or ``""`` where it has none."""
    if quantity is None or quantity.low is None or quantity.high is None:
        return ""
    if quantity.low == quantity.high:
        return ""
    low, high = (format_si(v, quantity.unit, digits=3) for v in (quantity.low, quantity.high))
    return f"{low} to {high}"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.3g} GiB"


def unpriced(machine: Machine, kind: str) -> list[str]:
    """Counts that have no published price and are therefore not in a number."""
    report = machine.energy if kind == "energy" else machine.latency
    if report is None or machine.per_inference(kind) is None:
        return []
    names: list[str] = []
    for issue in report.issues:
        if issue.code == "unpublished":
            inside = "." in issue.where
            names.append(issue.where.rpartition(".")[2] if inside else "links between the parts")
        elif issue.code in WHOLE:
            names.append(WHOLE[issue.code].format(issue.where.rpartition(".")[2]))
    return list(dict.fromkeys(names))


def to_rows(machines: Sequence[Machine]) -> list[dict[str, str]]:
    """One dict per figure: its name under ``""``, its ``kind``, and a cell per machine."""

    def row(name: str, kind: str, cell: Any) -> dict[str, str]:
        return {"": name, "kind": kind, **{m.name: cell(m) for m in machines}}

    def relative(quantity: Quantity, machine: Machine) -> str:
        return "reference" if machine.is_ideal else percent(quantity.value)

    def fullest(machine: Machine) -> str:
        core = machine.fullest
        return NONE if core is None else f"{percent(core.share, 1)} ({core.fullest})"

    def moved(machine: Machine) -> str:
        found = machine.shifted
        return NONE if found is None else f"{percent(found.value)} ({found.source})"

    def powered(machine: Machine) -> str:
        found = machine.powered
        if found is None:
            return NONE
        there, boards = found
        board = {0: "", 1: ", whole board"}.get(boards, f", {boards} whole boards")
        unused = f" ({machine.chips} used)" if there > machine.chips else ""
        return f"{there}{board}{unused}"

    def physical(machine: Machine, value: object) -> str:
        return str(value) if machine.cores else NONE

    def ranged(machine: Machine, kind: str) -> str:
        quantity = machine.per_inference(kind)
        if quantity is None:
            return NONE if machine.is_ideal else "unknown"
        width, star = spread(quantity), "*" if unpriced(machine, kind) else ""
        return amount(quantity) + star + (f" ({width})" if width else "")

    unused = any(idle(m) for m in machines)
    charged = "chips powered (--powered used: fewer)" if unused else "chips powered"
    rows = [
        row("test accuracy (95 % interval)", "simulated", lambda m: percents(m.accuracy)),
        row("right answers", "simulated", lambda m: f"{m.correct} of {m.samples}"),
        row("spikes as ideal", "simulated", lambda m: relative(m.identical, m)),
        row("output spikes as ideal", "simulated", lambda m: relative(m.identical_outputs, m)),
        row("after a constant shift", "simulated", moved),
        row("exactness class", "label", lambda m: m.exactness),
        row("cores", "estimated", lambda m: physical(m, len(m.cores))),
        row("chips", "estimated", lambda m: physical(m, m.chips)),
        row("memory used", "estimated", lambda m: amount(m.memory)),
        row("fullest core", "estimated", fullest),
        row("latency per inference", "estimated", lambda m: ranged(m, "latency")),
        row("energy per inference", "estimated", lambda m: ranged(m, "energy")),
        row(charged, "estimated", powered),
        row(
            "energy, 5 to 95 % of samples",
            "estimated",
            lambda m: spread(m.over_samples("energy")) or NONE,
        ),
    ]
    return [r for r in rows if any(r[m.name] != NONE for m in machines)]


def idle(machine: Machine) -> bool:
    """Whether chips without neurons are in the energy."""
    return machine.powered is not None and machine.powered[0] > machine.chips


def text(comparison: Any) -> str:
    """The table, what it means, and the first difference of each machine."""
    rows = comparison.rows()
    table = text_table({key: [r[key] for r in rows] for key in rows[0]})
    lines = [comparison.title, "", table, "", MEANING]
    lines.append(
        f"{comparison.samples} of {comparison.available} test samples, {comparison.ticks} ticks of "
        f"{comparison.dt * 1e3:g} ms each, encoder {comparison.task['encoder']['name']}, "
        f"seed {comparison.seed}, static power of "
        + ("the whole machine" if comparison.powered == "machine" else "the chips in use")
    )
    if any(idle(m) for m in comparison.machines):
        lines.append(IDLE)
    for machine in comparison.machines:
        if machine.divergence is not None:
            lines.append(f"{machine.name}: {machine.divergence.sentence()}")
        for kind in ("energy", "latency"):
            missing = unpriced(machine, kind)
            if missing:
                lines.append(
                    f"* {machine.name}: no published price, not in the {kind}: {', '.join(missing)}"
                )
    return "\n".join(dict.fromkeys(lines)) + "\n"
