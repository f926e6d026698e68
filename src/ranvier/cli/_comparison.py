"""How a comparison of machines is run, shown and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ranvier.bench import Comparison, Machine
    from ranvier.cli._output import Output
    from ranvier.network import Network
    from ranvier.progress import Progress

__all__ = ["Request", "choose_chips", "perform", "save", "shown"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked of a comparison: enough to do it again."""

    model: str
    data: str | None
    chips: tuple[str, ...]
    dt: float | None = None
    limit: int | None = None
    seed: int | None = None
    cost_table: Mapping[str, str] = field(default_factory=dict[str, str])
    powered: str = "machine"


def perform(request: Request, network: Network, progress: Progress) -> Comparison:
    """Do it."""
    from ranvier import bench

    return bench.compare(
        network,
        request.data,
        request.chips,
        dt=request.dt,
        limit=request.limit,
        seed=request.seed,
        cost_table=dict(request.cost_table) or None,
        powered=request.powered,
        progress=progress,
    )


def choose_chips(out: Output, network: Network, text: str, dt: float | None) -> list[str]:
    """``"all"`` or ``"name,name"``. Of all, those that refuse the network are left out and named.

    Raises RanvierError for an unknown name, and when every machine refuses.
    """
    from ranvier import chips
    from ranvier.cli._advice import for_shell
    from ranvier.cli._files import recipe_dt
    from ranvier.compile import compile
    from ranvier.errors import RanvierError, fail

    if text != "all":
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            raise fail("no-chip", "--chip", "names no machine", got=repr(text),
                       limit=f"all, or of {', '.join(chips.CHIPS.names())}")  # fmt: skip
        for name in names:
            chips.get(name)
        return names
    kept: list[str] = []
    refused: list[Any] = []
    for name in chips.CHIPS.names():
        try:
            compile(network, name, dt=dt or recipe_dt(network))
            kept.append(name)
        except RanvierError as error:
            out.remark(f"left out {name}: {for_shell(error.issues[0])}")
            refused += error.issues
    if not kept:
        raise RanvierError(*refused)
    return kept


def shown(comparison: Comparison) -> list[Any]:
    """The table, the conditions, what the energy is made of, and the first differences."""
    rows = comparison.rows()
    names = [m.name for m in comparison.machines]
    lines: list[Any] = [
        comparison.title,
        "",
        _table(rows, names),
        "",
        f"{comparison.samples} of {comparison.available} test samples, {comparison.ticks} ticks of "
        f"{comparison.dt * 1e3:g} ms each, encoder {comparison.task['encoder']['name']}, "
        f"seed {comparison.seed}",
        "spikes as ideal: those on both machines, of those on either (same neuron, same tick)",
    ]
    for machine in comparison.machines:
        lines += _energy(machine)
    for machine in comparison.machines:
        if machine.divergence is not None:
            lines += ["", f"{machine.name}: {machine.divergence.sentence()}"]
    return lines


def _table(rows: list[dict[str, str]], names: list[str]) -> Any:
    from ranvier.cli._output import table

    cells = [[r[""], *(r[name] for name in names), r["kind"]] for r in rows]
    return table("", ["~", *(f"~{name}" for name in names), "kind"], cells, give=12)


def _energy(machine: Machine) -> list[str]:
    """What the energy of an inference is made of, its range and source, and what is not in it."""
    from ranvier.units import format_si

    energy = machine.per_inference("energy")
    if energy is None or machine.energy is None or energy.value is None:
        return []
    parts = [
        f"{q.name} {format_si(q.value, q.unit)}"
        for q in machine.energy.breakdowns.get("unit", ())
        if q.value
    ]
    text = f"{machine.name}: energy per inference {format_si(energy.value, 'J')}"
    if energy.low is not None and energy.high is not None and energy.low < energy.high:
        text += f" ({format_si(energy.low, 'J')} to {format_si(energy.high, 'J')})"
    else:
        text += " (the source states no spread)"
    text += f" = {' + '.join(parts)}" if parts else ""
    missing = dict.fromkeys(
        issue.where
        for report in (machine.energy, machine.latency)
        if report is not None
        for issue in report.issues
        if "not published" in issue.message
    )
    lines = ["", text, f"  source: {energy.source}"]
    return (
        [*lines, f"  * not published, so not counted: {', '.join(missing)}"] if missing else lines
    )


def save(document: Any, path: Path) -> None:
    """A comparison as JSON, whole or not at all."""
    import json
    import os

    from ranvier.cli._output import plain
    from ranvier.errors import fail

    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(json.dumps(plain(document), indent=2, allow_nan=False) + "\n")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise fail("cannot-write", str(path), f"could not be written ({error.strerror})") from None
