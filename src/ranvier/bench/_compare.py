"""One trained classifier on several machines, over one data set: ``compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import chips as machines
from ranvier import cost, sim
from ranvier.bench._diff import explain, recordable, with_inputs
from ranvier.bench._divergence import Divergence
from ranvier.bench._machine import Machine, machine_facts
from ranvier.bench._metrics import Share, share, spiking
from ranvier.bench._table import text, to_rows
from ranvier.chips import Chip
from ranvier.compile import Program, compile
from ranvier.data import Dataset, load
from ranvier.errors import RanvierError, fail, unknown
from ranvier.events import Events, Recording
from ranvier.learn import Task
from ranvier.network import Network
from ranvier.progress import NoProgress, Progress
from ranvier.report import Quantity, Report

__all__ = ["Comparison", "compare"]

BUDGET = 1 << 24
"""Spike counts (windows x sources) kept for one call of the cost model: 128 MB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Machines side by side, the ideal one first, and the conditions under which this holds.

    ``sample`` is the number of the sample whose spikes the machines keep for a raster, ``ticks``
    the length of every sample.
    """

    network: str
    network_hash: str
    dataset: str
    dataset_hash: str
    dataset_source: str
    samples: int
    available: int
    ticks: int
    dt: float
    seed: int
    task: Mapping[str, Any]
    machines: tuple[Machine, ...]
    sample: int = 0
    sample_label: int = -1
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    inputs: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    powered: str = "machine"
    version: str = ""

    def machine(self, name: str) -> Machine:
        """One machine by name; raises RanvierError with a did-you-mean."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise unknown("machine", name, [m.name for m in self.machines])

    @property
    def title(self) -> str:
        """What was compared."""
        names = ", ".join(m.name for m in self.machines)
        return f"{self.network} on {names}: {self.samples} samples of {self.dataset}"

    def rows(self) -> list[dict[str, str]]:
        """The table as text, one dict per figure: ``{"": name, "kind": ..., machine: cell}``."""
        return to_rows(self.machines)

    def text(self) -> str:
        """The table for a terminal, with its conditions."""
        return text(self)

    def to_report(self) -> Report:
        """All figures as a Report; ``where`` names the machine."""
        quantities: list[Quantity] = [q for m in self.machines for q in m.quantities()]
        issues = [
            i
            for m in self.machines
            for report in (m.energy, m.latency)
            if report is not None
            for i in report.issues
        ]
        breakdowns = {
            f"energy of {m.name} by unit": m.energy.breakdowns["unit"]
            for m in self.machines
            if m.energy is not None and "unit" in m.energy.breakdowns
        }
        return Report(
            title=self.title,
            quantities=tuple(quantities),
            breakdowns=breakdowns,
            issues=tuple(dict.fromkeys(issues)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = ("network", "network_hash", "dataset", "dataset_hash", "dataset_source", "samples",
                 "available", "ticks", "dt", "seed", "powered", "version")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain},
            "task": dict(self.task),
            "left_out": list(self.left_out),
            "machines": [m.to_dict() for m in self.machines],
        }


def compare(
    network: Network,
    dataset: str | Dataset | None = None,
    chips: Sequence[str | Chip] = ("loihi1", "spinnaker1"),
    *,
    dt: float | None = None,
    limit: int | None = None,
    seed: int | None = None,
    cost_table: str | Mapping[str, str] | None = None,
    powered: str = "machine",
    activity: Mapping[str, NDArray[np.float64]] | None = None,
    chunk: int = 128,
    causes: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Run a trained network on the ideal machine and on ``chips`` over a data set.

    ``dataset`` is a set, or its name (then its test part); by default the one in the network's
    recipe. ``dt`` and ``seed`` default to the recipe's. ``limit`` takes the first samples only.
    ``cost_table`` names the table, or one per machine (or part). ``powered`` and ``activity`` are
    those of ``cost.energy`` and ``compile``. Samples run as one stream with a reset between them,
    ``chunk`` at a time, so memory does not grow with the data set. Raises RanvierError.
    """
    meter = progress or NoProgress()
    task = _task(network, dt, seed)
    data = _data(task, dataset)
    n = len(data) if limit is None else min(len(data), limit)
    if n < 1 or chunk < 1:
        raise fail("limit", "compare", "needs at least one sample", got=min(n, chunk))
    members = [machines.get(c) for c in dict.fromkeys(["ideal", *chips])]
    names = [m.name for m in members]
    if len(set(names)) < len(names):
        raise fail("same-machine", "compare", "two machines have one name", got=", ".join(names))
    tables = {m.name: _table(m, cost_table, members) for m in members}
    seeds = 0 if seed is None else seed
    runs = [
        _Run(m, compile(network, m, dt=task.dt, seed=seeds, activity=activity)) for m in members
    ]
    compared = spiking(network.populations, set(recordable(runs[0].program)))
    keep = _Raster()
    meter.start("compare", n * len(runs))
    for start in range(0, n, chunk):
        stop = min(n, start + chunk)
        stimulus = task.stimulus(data.x[start:stop] / np.float64(data.peak), first=start)
        labels = data.y[start:stop]
        for run in runs:
            run.advance(network, task, stimulus, labels, runs[0], compared, start, causes)
            meter.advance(stop - start)
        meter.note(f"{runs[0].correct} of {stop} right on the ideal machine")
        keep.choose(runs, start, stop, task.ticks)
    meter.done()
    done = tuple(run.finish(tables[run.chip.name], powered, keep) for run in runs)
    compared_everywhere = {p for m in done for p in m.shares}
    return Comparison(
        network=network.name,
        network_hash=network.hash,
        dataset=f"{data.name} ({data.split})",
        dataset_hash=data.sha256,
        dataset_source=data.source,
        samples=n,
        available=len(data),
        ticks=task.ticks,
        dt=task.dt,
        seed=task.seed,
        task=task.to_dict(),
        machines=done,
        sample=keep.sample,
        sample_label=int(data.y[keep.sample]),
        sizes={p.name: p.size for p in network.populations},
        inputs=tuple(p.name for p in network.inputs),
        left_out=tuple(
            p.name
            for p in network.populations
            if not p.is_input and p.name not in compared_everywhere
        ),
        powered=powered,
        version=_version(),
    )


class _Run:
    """One machine while the data set goes through it."""

    def __init__(self, chip: Chip, program: Program) -> None:
        self.chip, self.program = chip, program
        self.names = recordable(program)
        self.correct = self.unanswered = self.samples = 0
        self.shares: dict[str, Share] = {}
        self.divergence: Divergence | None = None
        self.recording: Recording | None = None
        self._kept: list[Recording] = []
        self._bundles: list[Recording] = []

    def advance(
        self,
        network: Network,
        task: Task,
        stimulus: Events,
        labels: NDArray[np.int64],
        ideal: _Run,
        compared: Sequence[str],
        start: int,
        causes: bool,
    ) -> None:
        """One chunk of samples, which begin at number ``start``."""
        found = sim.run(self.program, stimulus, window=task.ticks, reset=True, record=self.names)
        answers = task.predict(found)[: labels.size]
        self.correct += int(np.count_nonzero(answers == labels))
        self.unanswered += int(np.count_nonzero(answers < 0))
        self.samples += int(labels.size)
        self.recording = with_inputs(network, found, stimulus)
        self._keep(found)
        assert ideal.recording is not None
        for name in compared:
            if name in found.events:
                one = share(ideal.recording.events[name], found.events[name], window=task.ticks)
                self.shares[name] = self.shares.get(name, Share()) + one
        if self is not ideal and self.divergence is None and causes:
            told = explain(
                network,
                ideal.program,
                self.program,
                ideal.recording,
                self.recording,
                window=task.ticks,
            )
            if told.first is not None:
                moved = replace(told.first, tick=told.first.tick + start * task.ticks)
                self.divergence = replace(told, first=moved)

    def _keep(self, recording: Recording) -> None:
        """Counts and counters only; events are dropped."""
        slim = replace(recording, events={}, traces={})
        self._kept.append(slim)
        size = sum(r.windows * sum(c.shape[1] for c in r.counts.values()) for r in self._kept)
        if size > BUDGET:
            self._pack()

    def _pack(self) -> None:
        if self._kept:
            self._bundles.append(_joined(self._kept))
            self._kept = []

    def finish(self, table: str | Mapping[str, str] | None, powered: str, keep: _Raster) -> Machine:
        """Price what was counted."""
        self._pack()
        energy = latency = None
        if self.chip.costs or self.chip.parts:
            bundles = self._bundles
            weights = [b.windows for b in bundles]
            options: dict[str, Any] = {"table": table, "chip": self.chip}
            energy = _mean([
                cost.energy(self.program, b, powered=powered, **options)  # pyright: ignore[reportArgumentType]
                for b in bundles
            ], weights)  # fmt: skip
            latency = _mean([cost.latency(self.program, b, **options) for b in bundles], weights)
        told = self.divergence
        if told is not None:
            told = replace(told, shares=dict(self.shares), ticks=self.samples * (told.window or 1))
        return Machine(
            **machine_facts(self.program, self.chip),
            samples=self.samples,
            correct=self.correct,
            unanswered=self.unanswered,
            shares=self.shares,
            energy=energy,
            latency=latency,
            divergence=told,
            sample=keep.events.get(self.chip.name, {}),
        )


class _Raster:
    """The sample whose spikes are kept: the first with a difference, else the first of all."""

    def __init__(self) -> None:
        self.sample = 0
        self.events: dict[str, dict[str, Events]] = {}
        self._settled = False

    def choose(self, runs: Sequence[_Run], start: int, stop: int, ticks: int) -> None:
        """After a chunk: keep the first sample, then the first that differs."""
        firsts = [r.divergence.first for r in runs if r.divergence is not None]
        numbers = [f.tick // ticks for f in firsts if f is not None]
        here = [k for k in numbers if start <= k < stop]
        if self._settled or (start > 0 and not here):
            return
        self.sample = min(here) if here else start
        self._settled = bool(here)
        begin = (self.sample - start) * ticks
        for run in runs:
            assert run.recording is not None
            self.events[run.chip.name] = {
                name: e.window(begin, begin + ticks) for name, e in run.recording.events.items()
            }


# -- helpers ----------------------------------------------------------------------------------
def _task(network: Network, dt: float | None, seed: int | None) -> Task:
    task = Task.of(network)
    if dt is not None:
        task = replace(task, dt=float(dt))
    return task if seed is None else replace(task, seed=seed)


def _data(task: Task, dataset: str | Dataset | None) -> Dataset:
    data = (
        dataset
        if isinstance(dataset, Dataset)
        else load(task.data if dataset is None else dataset, "test")
    )
    if data.x[0].size != task.size or data.classes > task.classes:
        raise fail(
            "other-data",
            f"data set {data.name!r}",
            "does not fit the network",
            got=f"{data.x.shape[1:]}, {data.classes} classes",
            limit=f"{task.shape}, {task.classes} classes",
        )
    return data


def _table(
    chip: Chip, wanted: str | Mapping[str, str] | None, members: Sequence[Chip]
) -> str | Mapping[str, str] | None:
    """The cost table of a machine, or of each of its parts; unknown names are errors."""
    parts = list(chip.parts) or [chip]
    everyone = [p for m in members for p in (m.parts or (m,))]
    if wanted is None:
        return None
    if isinstance(wanted, Mapping):
        legal = {p.name for p in everyone} | {m.name for m in members}
        for name in wanted:
            if name not in legal:
                raise unknown("machine", name, legal, where="cost_table")
        given = {p.name: wanted[p.name] for p in parts if p.name in wanted}
    else:
        known = [t.name for p in everyone for t in p.costs]
        if wanted not in known:
            raise unknown("cost table", wanted, known)
        given = {p.name: wanted for p in parts if any(t.name == wanted for t in p.costs)}
    for part in parts:
        if part.name in given:
            part.cost_table(given[part.name])
    return given if chip.parts else given.get(chip.name)


def _joined(recordings: Sequence[Recording]) -> Recording:
    """Counts of recordings one after the other, as of one run."""
    first = recordings[0]
    return replace(
        first,
        ticks=sum(r.ticks for r in recordings),
        counts={k: np.concatenate([r.counts[k] for r in recordings]) for k in first.counts},
        counters={k: np.concatenate([r.counters[k] for r in recordings]) for k in first.counters},
    )


def _mean(reports: Sequence[Report], weights: Sequence[int]) -> Report:
    """Means over windows of reports that are means over windows themselves.

    Percentiles over samples are averaged too, which is exact for a single report.
    """
    if len(reports) == 1:
        return reports[0]
    total = sum(weights)

    def mixed(rows: Sequence[Quantity]) -> Quantity:
        ends: dict[str, float | None] = {}
        for end in ("value", "low", "high"):
            values = [getattr(q, end) for q in rows]
            known = all(v is not None for v in values)
            ends[end] = (
                sum(v * w for v, w in zip(values, weights, strict=True)) / total if known else None
            )
        return replace(rows[0], **ends)

    names = [
        q.name for q in reports[0].quantities if "_per_window" in q.name or "powered" in q.name
    ]
    return replace(
        reports[0],
        quantities=tuple(mixed([r[name] for r in reports]) for name in names),
        breakdowns={
            by: tuple(
                mixed(rows) for rows in zip(*(r.breakdowns[by] for r in reports), strict=True)
            )
            for by in reports[0].breakdowns
            if len({len(r.breakdowns.get(by, ())) for r in reports}) == 1
        },
        issues=tuple(dict.fromkeys(i for r in reports for i in r.issues)),
    )


def _version() -> str:
    try:
        return version("ranvier")
    except (PackageNotFoundError, RanvierError):
        return "not installed"
