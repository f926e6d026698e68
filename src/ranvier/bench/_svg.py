"""Figures as inline SVG: colours come from the page's own CSS, so they follow light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.bench._machine import CoreUse, Machine
from ranvier.bench._table import amount, spread
from ranvier.chips import Topology
from ranvier.events import Events
from ranvier.report import Quantity
from ranvier.units import format_si

__all__ = ["breakdown", "chip_map", "intervals", "raster"]

MOST_ROWS = 400
"""Neurons of a population drawn in a raster; of more, every n-th."""
MOST_CORES = 4096
"""Cores drawn as empty places; of larger machines only those in use."""


class _Drawing:
    """Lines of SVG with a title and a description for screen readers."""

    def __init__(self, key: str, title: str, about: str, width: float, height: float) -> None:
        self.lines = [
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" role="img" aria-labelledby="{key}-t {key}-d">',
            f'<title id="{key}-t">{escape(title)}</title>',
            f'<desc id="{key}-d">{escape(about)}</desc>',
        ]

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", cls: str = "", turn: int = 0
    ) -> None:
        rotate = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.lines.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{cls}"{rotate}>'
            f"{escape(words)}</text>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str = "axis") -> None:
        self.lines.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{cls}"/>'
        )

    def rect(
        self, x: float, y: float, w: float, h: float, cls: str, tip: str = "", fill: str = ""
    ) -> None:
        style = f' style="fill:{fill}"' if fill else ""
        inner = f"<title>{escape(tip)}</title>" if tip else ""
        self.lines.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{h:.1f}" '
            f'class="{cls}"{style}>{inner}</rect>'
        )

    def path(self, d: str, cls: str) -> None:
        if d:
            self.lines.append(f'<path d="{d}" class="{cls}"/>')

    def done(self) -> str:
        return "\n".join([*self.lines, "</svg>"])


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = floor(log10(low)), ceil(log10(high))
    step = max(1, ceil((last - first) / 8))
    return [10.0**k for k in range(first, last + 1, step)]


def intervals(key: str, title: str, rows: Sequence[tuple[str, Quantity]], axis: str) -> str:
    """One dot with its spread per machine, on a logarithmic axis."""
    known = [(name, q) for name, q in rows if q.value is not None and q.value > 0]
    if not known:
        return ""
    ends = [
        v for _, q in known for v in (q.value, q.low or q.value, q.high or q.value) if v is not None
    ]
    ticks = _log_ticks(min(ends), max(ends))
    if len(ticks) < 2:
        ticks = [ticks[0], ticks[0] * 10]
    left, right, top, row = 170.0, 800.0, 14.0, 30.0
    bottom = top + row * len(known)
    low, high = log10(ticks[0]), log10(ticks[-1])

    def at(value: float) -> float:
        return left + (right - left) * (log10(value) - low) / (high - low)

    about = "; ".join(f"{name}: {amount(q)} {spread(q)}".strip() for name, q in known)
    drawing = _Drawing(key, title, about, 960, bottom + 46)
    for tick in ticks:
        drawing.line(at(tick), top, at(tick), bottom, "grid")
        words = format_si(tick, known[0][1].unit, digits=1)
        drawing.text(at(tick), bottom + 16, words, anchor="middle", cls="small")
    drawing.text((left + right) / 2, bottom + 36, axis, anchor="middle", cls="small")
    for k, (name, q) in enumerate(known):
        y = top + row * (k + 0.5)
        drawing.text(left - 12, y + 4, name, anchor="end")
        assert q.value is not None
        a, b = at(q.low or q.value), at(q.high or q.value)
        if b - a > 1:
            drawing.line(a, y, b, y, "whisker")
            drawing.line(a, y - 5, a, y + 5, "whisker")
            drawing.line(b, y - 5, b, y + 5, "whisker")
        drawing.lines.append(f'<circle cx="{at(q.value):.1f}" cy="{y:.1f}" r="5" class="dot"/>')
        drawing.text(max(at(q.value), b) + 12, y + 4, amount(q), cls="value")
    return drawing.done()


def breakdown(key: str, title: str, machines: Sequence[Machine]) -> str:
    """What share of the energy goes where: one bar of 100 % per machine."""
    bars: list[tuple[str, Sequence[Quantity], float]] = []
    for machine in machines:
        if machine.energy is None or "unit" not in machine.energy.breakdowns:
            continue
        rows = [q for q in machine.energy.breakdowns["unit"] if q.value]
        total = sum(q.value or 0.0 for q in rows)
        if total > 0:
            bars.append((machine.name, rows, total))
    if not bars:
        return ""
    names = list(dict.fromkeys(q.name for _, rows, _ in bars for q in rows))
    left, width, top, row = 170.0, 680.0, 10.0, 40.0
    legend = top + row * len(bars) + 44
    lines = ceil(len(names) / 4)
    about = "; ".join(
        f"{name}: " + ", ".join(f"{q.name} {100 * (q.value or 0) / total:.1f} %" for q in rows)
        for name, rows, total in bars
    )
    drawing = _Drawing(key, title, about, 960, legend + 22 * lines)
    for k, (name, rows, total) in enumerate(bars):
        y, x = top + row * k, left
        drawing.text(left - 12, y + 19, name, anchor="end")
        for q in rows:
            part = width * (q.value or 0.0) / total
            tip = f"{name}, {q.name}: {amount(q)} ({100 * (q.value or 0) / total:.1f} %)"
            tip += f", range {spread(q)}" if spread(q) else ""
            drawing.rect(x, y + 2, part, 26, f"s{names.index(q.name) % 8}", tip)
            if part > 60:
                words = f"{100 * (q.value or 0) / total:.0f} %"
                drawing.text(
                    x + part / 2,
                    y + 19,
                    words,
                    anchor="middle",
                    cls=f"onbar on{names.index(q.name) % 8}",
                )
            x += part
    base = top + row * len(bars)
    for k in range(0, 101, 25):
        x = left + width * k / 100
        drawing.line(x, base - 4, x, base)
        drawing.text(x, base + 14, f"{k} %", anchor="middle", cls="small")
    drawing.line(left, base - 4, left + width, base - 4)
    drawing.text(left + width / 2, base + 30, "share of the energy per inference",
                 anchor="middle", cls="small")  # fmt: skip
    for k, name in enumerate(names):
        x, y = left + 130 * (k % 4), legend + 22 * (k // 4)
        drawing.rect(x, y - 2, 14, 14, f"s{k % 8}")
        drawing.text(x + 20, y + 10, name, cls="small")
    return drawing.done()


def raster(
    key: str,
    title: str,
    sizes: Mapping[str, int],
    ideal: Mapping[str, Events],
    machine: Mapping[str, Events],
    *,
    ticks: int,
    dt: float,
    inputs: Sequence[str],
    first: tuple[str, int, int] | None = None,
) -> str:
    """Spikes of one sample: shared, on the ideal machine only, on this machine only.

    ``first`` rings a (population, neuron, tick).
    """
    left, width, gap = 110.0, max(680.0, min(820.0, 14.0 * ticks)), 14.0
    bands: list[tuple[str, int, int, float, float]] = []
    y = 8.0
    for name, size in sizes.items():
        if name not in ideal:
            continue
        step = ceil(size / MOST_ROWS)
        rows = ceil(size / step)
        height = float(np.clip(2.2 * rows, 34.0, 300.0))
        bands.append((name, size, step, y, height))
        y += height + gap
    cell = width / ticks
    counts: dict[str, int] = dict.fromkeys(("both", "ideal", "here"), 0)
    body = _Drawing(key, title, "", left + width + 20, y + 62)
    for name, size, step, top, height in bands:
        body.rect(left, top, width, height, "panel")
        body.text(left - 10, top + height / 2 - 2, name, anchor="end")
        note = f"{size} neurons" if name not in inputs else f"{size} inputs"
        body.text(left - 10, top + height / 2 + 13, note, anchor="end", cls="small")
        pairs = [_pairs(e.get(name), size, step) for e in (ideal, machine)]
        here = pairs[1] if name in machine else pairs[0]
        rows = ceil(size / step)
        pitch = height / rows
        for kind, codes in (
            ("both", np.intersect1d(pairs[0], here)),
            ("ideal", np.setdiff1d(pairs[0], here)),
            ("here", np.setdiff1d(here, pairs[0])),
        ):
            x = left + (codes // size + 0.5) * cell
            v = top + (codes % size // step + 0.5) * pitch
            body.path(_marks(kind, x, v, pitch), f"k-{kind}")
            if name not in inputs:
                counts[kind] += codes.size
        if first is not None and first[0] == name:
            cx = left + (first[2] + 0.5) * cell
            cy = top + (first[1] // step + 0.5) * pitch
            body.lines.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="9" class="ring"/>')
    base = y - gap + 2
    every = max(1, ceil(ticks / 10))
    for tick in range(0, ticks + 1, every):
        x = left + tick * cell
        body.line(x, base, x, base + 4)
        body.text(x, base + 17, f"{tick * dt * 1e3:g}", anchor="middle", cls="small")
    body.text(left + width / 2, base + 34, "time [ms]", anchor="middle", cls="small")
    words = (("both", "both machines"), ("ideal", "ideal only"), ("here", "this machine only"))
    for k, (kind, label) in enumerate(words):
        x = left + 165 * k
        body.path(_marks(kind, np.array([x + 5]), np.array([base + 52.0]), 7.0), f"k-{kind}")
        body.text(x + 16, base + 56, f"{label} ({counts[kind]})", cls="small")
    body.lines[2] = (
        f'<desc id="{key}-d">{counts["both"]} spikes on both, {counts["ideal"]} on the ideal '
        f"machine only, {counts['here']} on this machine only</desc>"
    )
    return body.done()


def _pairs(events: Events | None, size: int, step: int) -> NDArray[np.int64]:
    """(tick, neuron) codes of every ``step``-th neuron."""
    if events is None:
        return np.zeros(0, np.int64)
    keep = events.id % step == 0
    return np.unique(events.tick[keep] * size + events.id[keep])


def _marks(kind: str, x: NDArray[Any], y: NDArray[Any], pitch: float) -> str:
    """Three shapes, so that colour is not needed: a bar, a circle, a cross."""
    pairs = list(zip(x.tolist(), y.tolist(), strict=True))
    if kind == "both":
        h = float(np.clip(pitch, 1.6, 7.0))
        return "".join(f"M{a:.1f} {b - h / 2:.1f}v{h:.1f}" for a, b in pairs)
    if kind == "ideal":
        return "".join(f"M{a - 3:.1f} {b:.1f}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0" for a, b in pairs)
    return "".join(f"M{a - 3:.1f} {b - 3:.1f}l6 6m0 -6l-6 6" for a, b in pairs)


def chip_map(key: str, title: str, topology: Topology, cores: Sequence[CoreUse]) -> str:
    """Cores at their places, coloured by their fullest resource."""
    used = {core.core: core for core in cores}
    numbers = range(topology.cores) if topology.cores <= MOST_CORES else sorted(used)
    routers: dict[tuple[int, int], list[int]] = {}
    for number in numbers:
        routers.setdefault(topology.router(number), []).append(number)
    xs, ys = sorted({r[0] for r in routers}), sorted({r[1] for r in routers})
    side = ceil(sqrt(max(len(group) for group in routers.values())))
    cell = float(np.clip(620.0 / (len(xs) * (side + 0.6)), 5.0, 16.0))
    tile = side * cell + 6.0
    left, top = 46.0, 10.0
    width = left + tile * (xs[-1] - xs[0] + 1) + 150
    bottom = top + tile * (ys[-1] - ys[0] + 1)
    about = f"{len(used)} of {topology.cores} cores in use; " + "; ".join(
        _holds(core) for core in list(used.values())[:40]
    )
    drawing = _Drawing(key, title, about, max(width, 420), max(bottom + 40, 150))
    for (rx, ry), group in sorted(routers.items()):
        x0, y0 = left + tile * (rx - xs[0]), bottom - tile * (ry - ys[0] + 1)
        drawing.rect(x0, y0, tile - 3, tile - 3, "tile")
        for k, number in enumerate(group):
            x, y = x0 + 1.5 + cell * (k % side), y0 + 1.5 + cell * (k // side)
            core = used.get(number)
            if core is None:
                drawing.rect(x, y, cell - 1, cell - 1, "idle", f"core {number}: not used")
            else:
                shade = f"color-mix(in oklab, var(--high) {_depth(core.share):.0f}%, var(--low))"
                drawing.rect(x, y, cell - 1, cell - 1, "core", _holds(core), shade)
    for k in xs:
        drawing.text(left + tile * (k - xs[0] + 0.5), bottom + 14, str(k), anchor="middle",
                     cls="small")  # fmt: skip
    for k in ys:
        drawing.text(left - 6, bottom - tile * (k - ys[0] + 0.5) + 4, str(k), anchor="end",
                     cls="small")  # fmt: skip
    middle = left + tile * len(xs) / 2
    drawing.text(middle, bottom + 32, "router x", anchor="middle", cls="small")
    drawing.text(14, (top + bottom) / 2, "router y", anchor="middle", cls="small", turn=-90)
    x = left + tile * (xs[-1] - xs[0] + 1) + 22
    drawing.text(x, top + 10, "fullest resource", cls="small")
    for k, share in enumerate((1.0, 0.75, 0.5, 0.25, 0.0)):
        shade = f"color-mix(in oklab, var(--high) {_depth(share):.0f}%, var(--low))"
        drawing.rect(x, top + 18 + 15 * k, 18, 15, "core", "", shade)
        drawing.text(x + 25, top + 30 + 15 * k, f"{100 * share:.0f} %", cls="small")
    drawing.rect(x, top + 100, 18, 15, "idle")
    drawing.text(x + 25, top + 112, "not used", cls="small")
    return drawing.done()


def _depth(share: float) -> float:
    """Per cent of the dark end; a core in use is never as pale as an empty one."""
    return 12 + 88 * float(np.clip(share, 0, 1))


def _holds(core: CoreUse) -> str:
    held = ", ".join(f"{name} x{n}" for name, n in core.holds.items())
    lines = [f"core {core.core} at {core.place[0]},{core.place[1]}: {held or 'nothing'}"]
    for name, (used, limit, unit) in core.used.items():
        lines.append(f"{name}: {used:g} of {limit:g} {unit}".rstrip())
    return "\n".join(lines)
