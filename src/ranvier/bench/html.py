"""The comparison as one self-contained web page: no script, no network, light and dark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ranvier.bench import _svg as svg
from ranvier.bench._compare import Comparison
from ranvier.bench._machine import Machine
from ranvier.bench._page import STYLE
from ranvier.bench._table import IDLE, MEANING, amount, idle, percent, spread
from ranvier.errors import fail

__all__ = ["render", "write"]


def write(path: str | Path, comparison: Comparison, *, title: str = "") -> Path:
    """Write the page, atomically: a reader sees the old page or the new one.

    Raises RanvierError when the place is not writable; then nothing is changed.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise fail(
            "no-such-directory",
            str(target),
            "the directory to write into does not exist",
            got=str(target.parent),
            hint=f"make it first: mkdir -p {target.parent}",
        )
    if target.is_dir():
        raise fail("is-a-directory", str(target), "is a directory", hint="name a file: report.html")
    data = render(comparison, title=title).encode()
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise fail(
            "cannot-write",
            str(target),
            f"could not be written ({error.strerror or error}); what was there is unchanged",
            hint="free some disk space, or write elsewhere",
        ) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def render(comparison: Comparison, *, title: str = "") -> str:
    """The page as text. Everything that comes from a user's network is escaped."""
    heading = title or f"{comparison.network}: machines compared"
    sections = [
        _result(comparison),
        _energy(comparison),
        _differences(comparison),
        _rasters(comparison),
        _maps(comparison),
        _labels(comparison),
        _sources(comparison),
        _conditions(comparison),
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(heading)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            "<header>",
            f"<h1>{escape(heading)}</h1>",
            f"<p class=lead>{escape(_lead(comparison))}</p>",
            "</header>",
            "<main>",
            *(s for s in sections if s),
            "</main>",
            f"<footer>Made by ranvier {escape(comparison.version)}.</footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _lead(c: Comparison) -> str:
    return (
        f"{c.samples} of {c.available} samples of {c.dataset}, {c.ticks} ticks of "
        f"{c.dt * 1e3:g} ms each. Every machine ran the same trained network on the same spikes; "
        "the ideal machine computes in float64 and is the reference."
    )


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", cls: str = ""
) -> str:
    """Cells are markup already; the first of each row is its heading."""
    lines = [f'<div class=scroll><table class="{cls}">']
    if caption:
        lines.append(f"<caption>{escape(caption)}</caption>")
    cells = "".join(f'<th scope="col">{h}</th>' for h in head)
    lines.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for row in rows:
        first, *rest = row
        tail = "".join(f"<td>{cell}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{first}</th>{tail}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _badge(label: str) -> str:
    kind = label if label in ("exact", "approximate", "refused") else "plain"
    sign = {"exact": "=", "approximate": "≈", "refused": "×"}.get(kind, "")
    return f'<span class="badge {kind}">{sign} {escape(label)}</span>'


def _result(c: Comparison) -> str:
    head = [
        "",
        "kind",
        *(f"{escape(m.title)}<br><code>{escape(m.name)}</code>" for m in c.machines),
    ]
    rows: list[list[str]] = []
    for row in c.rows():
        cells = [row[m.name] for m in c.machines]
        if row[""] == "exactness class":
            marked = [_badge(cell) for cell in cells]
        else:
            marked = [_cell(cell) for cell in cells]
        kind = f'<span class="kind">{escape(row["kind"])}</span>'
        rows.append([escape(row[""]), kind, *marked])
    note = MEANING[0].upper() + MEANING[1:] + ". Accuracy: Wilson 95 % interval of the samples run."
    if c.left_out:
        note += f" Not compared spike by spike: {', '.join(c.left_out)}."
    if any(idle(m) for m in c.machines):
        note += f" {IDLE[0].upper()}{IDLE[1:]}."
    if any("*" in cell for row in c.rows() for cell in row.values()):
        note += " * Some counts have no published price and are not in the number; see below."
    return _section(
        "Result", _table(head, rows, cls="result") + f"<p class=note>{escape(note)}</p>"
    )


def _cell(text: str) -> str:
    """The number large, its range below it."""
    value, bracket, rest = text.partition(" (")
    if not bracket:
        return f"<b>{escape(text)}</b>"
    return f"<b>{escape(value)}</b><br><small>{escape(rest.rstrip(')'))}</small>"


def _section(title: str, body: str) -> str:
    key = title.lower().replace(" ", "-")
    return (
        f'<section aria-labelledby="{key}"><h2 id="{key}">{escape(title)}</h2>\n{body}\n</section>'
    )


def _figure(drawing: str, caption: str) -> str:
    return (
        f"<figure><div class=scroll>{drawing}</div>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _energy(c: Comparison) -> str:
    rows = [(m.name, q) for m in c.machines if (q := m.per_inference("energy")) is not None]
    dots = svg.intervals(
        "energy-total", "Energy per inference", rows, "energy per inference [J], logarithmic"
    )
    times = [(m.name, q) for m in c.machines if (q := m.per_inference("latency")) is not None]
    late = svg.intervals(
        "latency-total", "Latency per inference", times, "latency per inference [s], logarithmic"
    )
    bars = svg.breakdown("energy-parts", "Where the energy goes", c.machines)
    parts: list[str] = []
    if dots:
        text = (
            "Estimated from counted events and cited prices; the line is the spread of the prices."
        )
        parts.append(_figure(dots, text))
    if bars:
        text = "Shares of that energy by unit of the machine. Static: powered chips and boards, "
        parts.append(_figure(bars, text + "for as long as an inference lasts."))
    if late:
        parts.append(_figure(late, "Time from the first tick of a sample to its last."))
    return _section("Energy and time", "\n".join(parts)) if parts else ""


def _differences(c: Comparison) -> str:
    parts: list[str] = []
    for machine in c.machines:
        if machine.is_ideal:
            continue
        told = machine.divergence
        if told is None:
            same = machine.identical.value == 1.0
            text = "sends exactly the ideal machine's spikes." if same else "was not explained."
            parts.append(f"<h3>{escape(machine.title)}</h3><p>{escape(machine.title)} {text}</p>")
            continue
        rows = [
            [
                escape(cause.cls),
                "yes" if cause.alone else "no",
                "yes" if cause.reproduces else "no",
                "" if cause.margin is None else f"<span class=num>{cause.margin:+.3g}</span>",
                escape(cause.detail),
            ]
            for cause in told.causes
        ]
        moved = f"moves {escape(told.state)} against its threshold by" if told.state else "moves by"
        head = ["change", "alone enough", "does what the machine did", moved, "what it is"]
        table = _table(head, rows, "Every change of the machine, tried alone on the ideal neuron")
        notes = "".join(f"<p class=note>{escape(n)}</p>" for n in told.notes)
        shares = ", ".join(
            f"{name} {percent(s.identical)} (mean shift {s.drift:.2f} ticks)"
            + (f", {s.told()}" if s.told() else "")
            for name, s in machine.shares.items()
        )
        parts.append(
            f"<h3>{escape(machine.title)}</h3><p>{escape(told.sentence())}</p>{table}{notes}"
            f"<p class=note>Spikes as ideal by population: {escape(shares)}.</p>"
        )
    return _section("First difference", "\n".join(parts)) if parts else ""


def _rasters(c: Comparison) -> str:
    ideal = next((m for m in c.machines if m.is_ideal), None)
    if ideal is None or not ideal.sample:
        return ""
    parts: list[str] = []
    for number, machine in enumerate(c.machines):
        if machine.is_ideal or not machine.sample:
            continue
        first = None
        told = machine.divergence
        if told is not None and told.first is not None and told.first.tick // c.ticks == c.sample:
            first = (told.first.population, told.first.index, told.first.tick % c.ticks)
        drawing = svg.raster(
            f"raster-{number}",
            f"Spikes of sample {c.sample} on {machine.title}",
            c.sizes,
            ideal.sample,
            machine.sample,
            ticks=c.ticks,
            dt=c.dt,
            inputs=c.inputs,
            first=first,
        )
        text = f"{machine.title}, sample {c.sample} (class {c.sample_label}). "
        text += "The ring marks the first difference." if first else ""
        parts.append(_figure(drawing, text))
    return _section("Spikes of one sample", "\n".join(parts)) if parts else ""


def _maps(c: Comparison) -> str:
    parts: list[str] = []
    for number, machine in enumerate(c.machines):
        for chip, topology in machine.topologies.items():
            cores = [core for core in machine.cores if core.chip == chip]
            if not cores:
                continue
            name = chip if len(machine.topologies) > 1 else machine.title
            drawing = svg.chip_map(
                f"map-{number}-{len(parts)}", f"Cores of {name}", topology, cores
            )
            full = max(cores, key=lambda core: core.share)
            text = f"{machine.title}" + (f", part {chip}" if name == chip else "")
            text += f": {len(cores)} of {topology.cores} cores in use; the fullest is core "
            text += f"{full.core}, {percent(full.share, 1)} of its {full.fullest}. "
            parts.append(_figure(drawing, text + "Point at a core to see what it holds."))
    return _section("Chip utilisation", "\n".join(parts)) if parts else ""


def _labels(c: Comparison) -> str:
    parts: list[str] = []
    for machine in c.machines:
        rows = [[escape(i.where), _badge(i.severity), escape(i.message)] for i in machine.labels]
        if rows:
            parts.append(_details(machine, _table(["node", "label", "how it is realised"], rows)))
    return _section("How each node was realised", "\n".join(parts)) if parts else ""


def _details(machine: Machine, body: str, *, shown: bool = False) -> str:
    state = " open" if shown else ""
    return f"<details{state}><summary>{escape(machine.title)}</summary>{body}</details>"


def _sources(c: Comparison) -> str:
    parts: list[str] = []
    for machine in c.machines:
        body = ""
        if machine.energy is not None and machine.energy.breakdowns.get("coefficient"):
            rows = [
                [escape(q.name), amount(q), escape(spread(q)), escape(q.source)]
                for q in machine.energy.breakdowns["coefficient"]
            ]
            head = ["coefficient", "energy per inference", "spread", "source and evidence"]
            body += _table(head, rows)
        issues = [
            i
            for report in (machine.energy, machine.latency)
            if report is not None
            for i in report.issues
        ]
        if issues:
            items = "".join(
                f"<li>{_badge(i.severity)} {escape(str(i))}</li>" for i in dict.fromkeys(issues)
            )
            body += f"<ul>{items}</ul>"
        if body:
            parts.append(_details(machine, body))
    return _section("Where the prices come from", "\n".join(parts)) if parts else ""


POWERED = {
    "machine": "of the whole machine and its boards, used or not",
    "used": "of the chips in use only, without their boards",
}


def _conditions(c: Comparison) -> str:
    facts: list[tuple[str, Any]] = [
        ("ranvier", c.version),
        ("network", f"{c.network}, sha256 {c.network_hash}"),
        ("data", f"{c.dataset}, sha256 {c.dataset_hash}"),
        ("data from", c.dataset_source),
        ("samples", f"{c.samples} of {c.available}, in order, state reset before each"),
        ("tick", f"{c.dt * 1e3:g} ms, {c.ticks} per sample"),
        ("encoder", _plain(c.task.get("encoder"))),
        ("decoder", _plain(c.task.get("decoder"))),
        ("seed", c.seed),
        ("static power", POWERED.get(c.powered, c.powered)),
    ]
    for m in c.machines:
        price = m.per_inference("energy")
        if price is not None:
            facts.append((f"prices of {m.name}", price.source))
        facts.append((m.name, f"{m.source}. Emulation: {m.against}. program {m.program_hash[:16]}, "
                              f"chip {m.chip_hash[:16]}"))  # fmt: skip
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in facts)
    kinds = (
        "Simulated: from running the compiled program on the machine's own arithmetic. Estimated: "
        "from the compiled program, counts of that run and published prices. Label: the compiler's "
        "own word for how exactly it realised the network."
    )
    return _section("Conditions", f"<dl>{items}</dl><p class=note>{escape(kinds)}</p>")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items() if v not in ({}, None))
    return str(value)
