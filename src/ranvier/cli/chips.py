"""``ranvier chips``: the machines, their limits, their costs and where every number is from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ranvier.cli._command import Command, JsonOption, QuietOption
from ranvier.cli._output import Output, table

__all__ = ["COMMAND", "chips"]


def chips(
    name: Annotated[str | None, typer.Argument(help="One machine; all of them by default.")] = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="Where every number comes from.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """List the machines, or show one: limits, arithmetic, costs and their sources.

    A number that nobody has published is shown as such; nothing is made up.
    """
    from ranvier import chips as machines

    out = Output(json=json, quiet=quiet)
    if name is None:
        rows = [_overview(chip) for _, chip in machines.CHIPS.items()]
        columns = ["name", "machine", ">cores", ">tick", "numbers", "energy"]
        cells = [
            [r["name"], r["title"], r["cores"] or "no limit", _tick(r["dt"]),
             r["dtype"],
             "yes" if r["costs"] else "-"] for r in rows
        ]  # fmt: skip
        more = "ranvier chips NAME shows limits and costs, --sources where they are from"
        against = [f"{r['name']}: {r['exactness']}" for r in rows]
        listed = table("", columns, cells)
        out.result({"chips": rows}, listed, "", "What each is exact against", *against, "", more)
        return 0
    chip = machines.get(name)
    out.result(_details(chip), *_show(chip, sources))
    return 0


def _tick(dt: float | None) -> str:
    from ranvier.units import format_si

    return "any" if dt is None else f"default {format_si(dt, 's')}"


def _overview(chip: Any) -> dict[str, Any]:
    return {
        "name": chip.name,
        "title": chip.title,
        "source": chip.source,
        "cores": None if chip.topology is None else chip.topology.cores,
        "dt": chip.dt,
        "dtype": {"f8": "float64", "f4": "float32", "i8": "integer"}[chip.dtype],
        "exactness": chip.exactness,
        "costs": [cost.name for cost in chip.costs],
    }


def _details(chip: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **_overview(chip),
        "hash": chip.hash,
        "implementations": [i.name for i in chip.implementations],
        "min_delay": chip.min_delay,
        "max_delay": chip.max_delay,
        "timing": asdict(chip.timing),
        "limits": [
            {"resource": m.resource, "limit": m.limit, "unit": m.unit, "source": m.source,
             "fixes": m.fixes} for m in chip.limits
        ],
        "cost_tables": [asdict(cost) for cost in chip.costs],
        "notes": chip.notes,
        "parts": [_details(part) for part in chip.parts],
    }  # fmt: skip


def _show(chip: Any, sources: bool) -> list[Any]:
    cited = _Cited()
    lines: list[Any] = [
        f"{chip.name}: {chip.title}",
        f"source: {chip.source}",
        f"exact against: {chip.exactness}",
        f"neurons: {', '.join(i.name for i in chip.implementations) or '-'}",
        f"tick: {_tick(chip.dt)}; delays {chip.min_delay} to "
        f"{'any number of' if chip.max_delay is None else chip.max_delay} ticks; "
        f"time: {chip.timing.kind}",
    ]
    if chip.topology is not None:
        lines.append(f"cores: {chip.topology.cores}")
    if chip.limits:
        columns = ["resource of a core", ">limit", "unit", *(["source"] if sources else [])]
        rows = [
            [m.resource, f"{m.limit:,.10g}", m.unit, *([cited(m.source)] if sources else [])]
            for m in chip.limits
        ]
        lines += ["", table("Limits", columns, rows)]
    for cost in chip.costs:
        lines += ["", _cost_table(cost, cited if sources else None)]
        if sources:
            lines += [f"whole table: {cited(cost.source)}", *([cost.note] if cost.note else [])]
    if not chip.costs and not chip.parts:
        lines += ["", "no energy or time numbers are published for this machine"]
    lines += ["", *(f"note: {note}" for note in chip.notes)] if chip.notes else []
    lines += ["", *cited.lines()] if sources else []
    for part in chip.parts:
        lines += ["", *_show(part, sources)]
    return lines


class _Cited:
    """Sources by number, each told once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, source: str) -> str:
        return f"[{self._known.setdefault(source, len(self._known) + 1)}]" if source else "-"

    def lines(self) -> list[str]:
        return [f"[{number}] {source}" for source, number in self._known.items()]


def _cost_table(cost: Any, cited: _Cited | None) -> Any:
    columns = ["one", ">costs", "evidence", *(["source", "~conditions"] if cited else [])]
    rows = [
        [c.per, _value(c), c.evidence, *([cited(c.source), c.conditions] if cited else [])]
        for c in (*cost.energy, *cost.time)
    ]
    return table(f"Costs: {cost.name}", columns, rows)


def _value(coefficient: Any) -> str:
    from ranvier.units import format_si

    if coefficient.evidence == "unpublished":
        return "not published"
    if coefficient.table is not None:
        axis, points = coefficient.table
        ends = [format_si(points[k][1], coefficient.unit) for k in (0, -1)]
        return f"{ends[0]} to {ends[1]} ({axis} {points[0][0]:g} to {points[-1][0]:g})"
    return format_si(coefficient.value, coefficient.unit)


COMMAND = Command(
    function=chips,
    examples=(
        "ranvier chips",
        "ranvier chips loihi1 --sources",
        "ranvier chips loihi1+spinnaker1 --json",
    ),
    panel="Look",
    order=110,
)
