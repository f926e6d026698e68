"""Energy and latency of a recorded run of a Program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ranvier import chips
from ranvier.chips import Chip, CostTable
from ranvier.compile import Program, machine_of
from ranvier.cost._counts import Counts, count
from ranvier.cost._essential import lacking_energy, uncounted_power
from ranvier.cost._price import Priced, Span, apply, tally, total
from ranvier.cost._report import (
    POWERED,
    check_quantities,
    cite,
    line,
    no_costs,
    source_of,
    split_issue,
)
from ranvier.cost._time import TickTime, tick_time
from ranvier.errors import Issue, fail, unknown
from ranvier.events import Recording
from ranvier.report import Quantity, Report

__all__ = ["energy", "latency"]

Powered = Literal["machine", "used"]
Table = str | Mapping[str, str] | None


@dataclass(frozen=True, eq=False)
class _Part:
    """One machine of the run: the only one, or a part of a mixed system."""

    name: str
    chip: Chip
    table: CostTable
    counts: Counts


@dataclass(eq=False)
class _Sums:
    """Mean energy per window, split in several ways."""

    window: Span
    rows: dict[str, dict[str, Span]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    powered: dict[str, float] = field(default_factory=dict)

    def add(self, by: str, name: str, span: Span) -> None:
        rows = self.rows.setdefault(by, {})
        rows[name] = rows[name] + span if name in rows else span


def energy(
    program: Program,
    recording: Recording,
    *,
    table: Table = None,
    seconds: float | None = None,
    powered: Powered = "machine",
    resets_per_window: float | None = None,
    quantities: Mapping[str, float] | None = None,
    chip: Chip | None = None,
) -> Report:
    """Energy of a recorded run, in joules: per run, and per window (one inference, say).

    ``table`` names the cost table (per part of a mixed system, as a mapping). Static power lasts
    ``seconds`` if measured, else as long as :func:`latency` estimates. ``powered`` is all of the
    machine, with its boards, or only the chips used. ``resets_per_window`` are resets of all chips.
    ``quantities`` add what the mapping does not know: ``{"boxes": 1}``. ``chip`` stands for the
    program's own when that is not registered. Breakdowns are means per window.
    """
    if powered not in ("machine", "used"):
        raise unknown("choice", powered, ("machine", "used"), where="powered")
    for name, given in {"seconds": seconds, "resets_per_window": resets_per_window}.items():
        if given is not None and not (np.isfinite(given) and given >= 0):
            raise fail("bad-count", name, "must be a finite number, not negative", got=given)
    machine, ticks, parts, issues = _parts(program, recording, table, chip)
    title = f"Energy of {program.name} on {machine.title}"
    if not parts:
        return Report(title=title, issues=tuple(issues))
    issues += _window_issues(recording, ticks)
    lasted, clock = _run_time(parts, ticks, seconds)
    issues += clock
    sums = _Sums(Span.of(np.zeros(len(ticks))))
    for part in parts:
        check_quantities(part.chip, quantities or {})
        issues += _add_part(sums, part, lasted, powered, resets_per_window, quantities or {})
        if len(parts) == 1:
            sums.rows.pop("part", None)
    source = "; ".join(cite(part.table) for part in parts)
    return Report(
        title=title,
        quantities=(
            *_energies(sums.window, source),
            *_powers(sums.window, lasted, source),
            *(line(f"powered_{k}", Span.of(v), "1") for k, v in sums.powered.items()),
        ),
        breakdowns={
            by: tuple(
                line(name, span, "J", source=sums.sources.get(name, ""), where="per window")
                for name, span in rows.items()
            )
            for by, rows in sums.rows.items()
        },
        issues=tuple(dict.fromkeys(issues)),
    )


def latency(
    program: Program,
    recording: Recording,
    *,
    table: Table = None,
    chip: Chip | None = None,
) -> Report:
    """Time per tick and per window, in seconds.

    A real-time machine takes dt per tick. A machine with a barrier takes as long as its busiest
    core plus the barrier, estimated from each window's mean activity: a lower bound where activity
    is uneven. Parts of a mixed system wait for the slowest.
    """
    machine, ticks, parts, issues = _parts(program, recording, table, chip)
    title = f"Latency of {program.name} on {machine.title}"
    if not parts:
        return Report(title=title, issues=tuple(issues))
    issues += _window_issues(recording, ticks)
    times = [tick_time(part.chip, part.table, part.counts) for part in parts]
    issues += [issue for time in times for issue in time.issues]
    tick = _slowest(times)
    if tick is None:
        return Report(title=title, issues=tuple(dict.fromkeys(issues)))
    window = tick * Span.of(ticks)
    whole, run = int(ticks.sum()), window.sum()
    mean = Span.of(1 / max(1, whole)) * run
    source = "; ".join(f"{part.chip.timing.kind}; {cite(part.table)}" for part in parts)
    found = [
        line("tick", mean, "s", source=source),
        line("latency_per_window", Span.of(1 / len(ticks)) * run, "s", source=source),
        *_samples("latency_per_window", window, "s"),
        line("latency", run, "s", source=source, where="the whole run"),
    ]
    if mean.low > 0:
        speed = Span(*(program.dt / v for v in (mean.value, mean.high, mean.low)))
        found.append(line("speed", speed, "1", source="dt / tick", where="times real time"))
    return Report(
        title=title,
        quantities=tuple(found),
        breakdowns={"unit": _tick_units(parts, times)},
        issues=tuple(dict.fromkeys(issues)),
    )


# -- what is priced -----------------------------------------------------------------------------
def _parts(
    program: Program, recording: Recording, table: Table, chip: Chip | None
) -> tuple[Chip, np.ndarray, list[_Part], list[Issue]]:
    machine = chip if chip is not None else machine_of(program)
    counts = count(program, recording)
    issues: list[Issue] = []
    if machine.hash != program.chip_hash:
        issues.append(
            Issue(
                code="other-chip",
                severity="warning",
                where=program.name,
                message="was compiled for another version of this machine",
                got=machine.hash[:12],
                limit=program.chip_hash[:12],
                hint=("compile again",),
            )
        )
    if counts.parts:
        members = {n: (_member(machine, n, c.chip), c) for n, c in counts.parts.items()}
        issues.append(
            Issue(
                code="unpublished",
                severity="warning",
                where=machine.name,
                message="the links between the parts have no published energy; not counted",
            )
        )
    else:
        members = {machine.name: (machine, counts)}
    if isinstance(table, Mapping):
        for name in table:
            if name not in members:
                raise unknown("part", name, members, where="table")
    parts: list[_Part] = []
    for name, (member, its) in members.items():
        wanted = table.get(name) if isinstance(table, Mapping) else table
        if member.costs:
            parts.append(_Part(name, member, member.cost_table(wanted), its))
        else:
            issues.append(no_costs(member))
    return machine, counts.ticks, parts, issues


def _member(machine: Chip, name: str, chip: str) -> Chip:
    return next((p for p in machine.parts if p.name == name), None) or chips.get(chip)


def _powered(part: _Part, powered: Powered) -> tuple[dict[str, float], list[Issue]]:
    """Chips, boards and cores under power."""
    cores = 1 if part.chip.topology is None else part.chip.topology.cores
    there = -(-cores // (part.chip.cores_per_chip or cores))
    used = part.counts.quantities.get("chips", 1.0)
    known = {"cores": float(len(part.counts.cores)), "chips": used}
    if powered == "used" or not any(
        c.per in ("chip_second", "board_second") for c in part.table.energy
    ):
        return known, []
    known["chips"] = float(there)
    if part.table.chips_per_board:
        known["boards"] = float(-(-there // part.table.chips_per_board))
    if there <= used:
        return known, []
    idle = Issue(
        code="idle-chips",
        severity="info",
        where=part.chip.name,
        message="all chips of the machine are under power and counted, also those without neurons",
        got=f"{used:g} of {there} chips used",
        hint=("powered='used' counts only those in use, without their board",),
    )
    return known, [idle]


def _run_time(
    parts: list[_Part], ticks: np.ndarray, seconds: float | None
) -> tuple[Span | None, list[Issue]]:
    """Seconds of each window, and what is to be said about them."""
    if seconds is not None:
        return Span.of(seconds * ticks / max(1, int(ticks.sum()))), []
    times = [tick_time(part.chip, part.table, part.counts) for part in parts]
    issues = [i for time in times for i in time.issues if i.code != "budget-not-checked"]
    tick = _slowest(times)
    if tick is None:
        issues.append(
            Issue(
                code="no-static",
                severity="warning",
                where=parts[0].chip.name,
                message="without time, static energy cannot be counted",
                hint=("give seconds=..., as measured",),
            )
        )
        return None, issues
    return tick * Span.of(ticks), issues


def _slowest(times: list[TickTime]) -> Span | None:
    known = [time.span for time in times if time.span is not None]
    if not known:
        return None
    value, low, high = (
        np.max([getattr(span, end) for span in known], axis=0) for end in ("value", "low", "high")
    )
    return Span(value, low, high)


def _add_part(
    sums: _Sums,
    part: _Part,
    lasted: Span | None,
    powered: Powered,
    resets: float | None,
    extra: Mapping[str, float],
) -> list[Issue]:
    table, counts, windows = part.table, part.counts, len(part.counts.ticks)
    known, issues = _powered(part, powered)
    known = {**counts.quantities, **known, **extra}
    spans, unsplit = tally(counts.per_window)
    if lasted is not None:
        spans |= {
            name: Span.of(known[quantity]) * lasted
            for name, quantity in POWERED.items()
            if quantity in known
        }
        if any(c.per in ("chip_second", "board_second") for c in table.energy):
            for name in ("chips", "boards"):
                sums.powered[name] = sums.powered.get(name, 0.0) + known.get(name, 0.0)
    if part.chip.timing.kind == "barrier":
        spans["step"] = Span.of(counts.ticks)
    if resets is not None:
        spans["chip_reset"] = Span.of(np.full(windows, resets * known["chips"]))
    priced, found = apply(table.energy, spans, known, table.name)
    issues += found + (split_issue(table) if unsplit else []) + _reset_issues(table, resets)
    issues += lacking_energy(table, spans, powered=lasted is not None)
    issues += uncounted_power(table, spans) if lasted is not None else []
    if table.tick is not None and not np.isclose(table.tick, counts.dt, rtol=1e-6):
        issues.append(
            Issue(
                code="other-tick",
                severity="warning",
                where=table.name,
                message="holds for another tick; an update may cost less or more at this one",
                got=f"{counts.dt:g} s",
                limit=f"{table.tick:g} s",
            )
        )
    whole = total(priced, (windows,))
    sums.window = sums.window + whole
    sums.add("part", part.name, _mean(whole))
    for item in priced:
        sums.sources[item.coefficient.per] = source_of(item.coefficient)
        alone = Span.of(1 / max(1, windows)) * item.alone
        sums.add("coefficient", item.coefficient.per, alone)
    for name in dict.fromkeys(p.unit for p in priced):
        sums.add("unit", name, _mean(total(p for p in priced if p.unit == name)))
    _add_populations(sums, part, priced)
    return issues


def _add_populations(sums: _Sums, part: _Part, priced: list[Priced]) -> None:
    """Dynamic energy by population; what belongs to none stays with the machine."""
    counts = part.counts
    per, _ = tally({k: v.sum(0) / len(v) for k, v in counts.by_population.items()})
    paid = [p.coefficient for p in priced if p.coefficient.per in per]
    shares = total(apply(paid, per, counts.quantities, "")[0], (len(counts.populations),))
    for k, name in enumerate(counts.populations):
        sums.add("population", name, Span(*(v[k] for v in (shares.value, shares.low, shares.high))))
    rest = total((p for p in priced if p.coefficient.per not in per), (len(counts.ticks),))
    sums.add("population", "(machine)", _mean(rest))


# -- lines of the reports -----------------------------------------------------------------------
def _mean(span: Span) -> Span:
    return Span.of(1 / max(1, span.value.size)) * span.sum()


def _energies(window: Span, source: str) -> list[Quantity]:
    return [
        line("energy_per_window", _mean(window), "J", source=source),
        *_samples("energy_per_window", window, "J"),
        line("energy", window.sum(), "J", source=source, where="the whole run"),
    ]


def _powers(window: Span, lasted: Span | None, source: str) -> list[Quantity]:
    if lasted is None or not lasted.low.sum() > 0:
        return []
    run, time = window.sum(), lasted.sum()
    power = Span(run.value / time.value, run.low / time.high, run.high / time.low)
    return [
        line("power", power, "W", source=source, where="mean over the run"),
        line("time", time, "s", where="the whole run"),
    ]


def _samples(name: str, window: Span, unit: str) -> list[Quantity]:
    """Spread over windows, apart from the spread of the coefficients."""
    if window.value.size < 2:
        return []
    low, middle, high = np.percentile(window.value, (5, 50, 95))
    return [
        Quantity(
            f"{name}_samples",
            float(middle),
            unit,
            "estimated",
            float(low),
            float(high),
            "median and 5th to 95th percentile over windows",
            f"{window.value.size} windows",
        )
    ]


def _tick_units(parts: list[_Part], times: list[TickTime]) -> tuple[Quantity, ...]:
    rows: list[Quantity] = []
    for part, time in zip(parts, times, strict=True):
        core = "" if time.core is None or not len(time.core) else f"core {_usual(time.core)}"
        where = f"{part.name}, {core}" if len(parts) > 1 and core else core or part.name
        for name, span in time.units.items():
            rows.append(line(name, span, "s", where=where, source="mean tick of the busiest core"))
    return tuple(rows)


def _usual(core: np.ndarray) -> int:
    """The core that is the busiest in most windows."""
    names, times = np.unique(core, return_counts=True)
    return int(names[times.argmax()])


def _window_issues(recording: Recording, ticks: np.ndarray) -> list[Issue]:
    if len(ticks) < 2 or ticks[-1] == recording.window:
        return []
    return [
        Issue(
            code="short-window",
            severity="info",
            where="recording",
            message="the last window is shorter than the others and counts as one in means",
            got=f"{int(ticks[-1])} ticks",
            limit=f"{recording.window} ticks",
        )
    ]


def _reset_issues(table: CostTable, resets: float | None) -> list[Issue]:
    priced = any(c.per == "chip_reset" and c.value is not None for c in table.energy)
    if priced and resets is not None:
        return []
    reason = (
        "pass resets_per_window to count them"
        if priced
        else "the table has no published price of a reset"
    )
    return [
        Issue(
            code="resets-not-counted",
            severity="info",
            where=table.name,
            message=f"resets of the state between windows are not counted: {reason}",
        )
    ]
