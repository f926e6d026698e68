"""The fit report: what a program uses of its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ranvier.compile import Program

__all__ = ["describe_program", "fit_rows", "fit_table"]


def fit_rows(program: Program) -> list[dict[str, Any]]:
    """Per part and resource: what the fullest core holds, its limit, and who is on that core."""
    if program.parts:
        return [
            {"part": name, **row} for name, part in program.parts.items() for row in fit_rows(part)
        ]
    rows: list[dict[str, Any]] = []
    for resource, used in program.ledger.items():
        if not len(used):
            continue
        fullest = int(used.argmax())
        core = int(program.cores[fullest])
        rows.append(
            {
                "resource": resource,
                "used": float(used[fullest]),
                "limit": program.limits.get(resource),
                "total": float(used.sum()),
                "core": core,
                "populations": sorted({b.population for b in program.blocks if b.core == core}),
            }
        )
    return rows


def describe_program(program: Program) -> dict[str, Any]:
    """A program in numbers, for --json and for the line above the table."""
    parts = list(program.parts.values()) or [program]
    return {
        "name": program.name,
        "chip": program.chip,
        "dt": program.dt,
        "hash": program.hash,
        "exactness": program.exactness,
        "neurons": sum(p.neurons for p in parts),
        "synapses": program.synapses,
        "cores": sum(len(p.cores) for p in parts),
        "quantities": {name: dict(part.quantities) for name, part in program.parts.items()}
        or dict(program.quantities),
        "fit": fit_rows(program),
        "issues": program.all_issues,
    }


def fit_table(rows: list[dict[str, Any]]) -> Any:
    """The fullest core per resource, as a table."""
    from ranvier.cli._output import table

    parts = any("part" in row for row in rows)
    return table(
        "The fullest core, by resource",
        [*(["machine"] if parts else []), "resource", ">used", ">limit", ">full", "~which"],
        [
            [
                *([row["part"]] if parts else []),
                row["resource"],
                f"{row['used']:,.10g}",
                "-" if row["limit"] is None else f"{row['limit']:,.10g}",
                f"{row['used'] / row['limit']:.0%}" if row["limit"] else "-",
                f"core {row['core']}: {', '.join(row['populations'])}",
            ]
            for row in rows
        ],
    )
