"""What a difference of two runs is: the first spike, its causes, and the shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier.bench._causes import Cause
from ranvier.bench._metrics import Share
from ranvier.events import Events

__all__ = ["Divergence", "First", "first_difference"]


@dataclass(frozen=True, kw_only=True)
class First:
    """The first spike that only one of two recordings has."""

    tick: int
    population: str
    index: int
    in_a: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Divergence:
    """How two runs of a network differ.

    ``shares[population]`` compares all spikes; ``first`` is the first spike that only one machine
    has, None where all are shared. ``values[machine]`` are the watched state (before its reset
    where it fired, and after), and the threshold, SI. ``causes`` are ranked, the best explanation
    first. ``left_out`` are populations that do not exist or do not spike on both machines.
    """

    network: str
    a: str
    b: str
    dt: float
    ticks: int
    shares: Mapping[str, Share]
    first: First | None = None
    window: int | None = None
    state: str = ""
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Any])
    causes: tuple[Cause, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """True when both machines sent exactly the same spikes."""
        return self.first is None

    @property
    def total(self) -> Share:
        """All populations together."""
        return sum(self.shares.values(), Share())

    @property
    def neuron(self) -> str:
        """``population[index]`` of the first difference, or ``""``."""
        return "" if self.first is None else f"{self.first.population}[{self.first.index}]"

    @property
    def cause(self) -> str:
        """Class of the best explanation, or ``""``."""
        return self.causes[0].cls if self.causes else ""

    def sentence(self) -> str:
        """The first difference in plain words."""
        if self.first is None:
            return f"{self.a} and {self.b} send exactly the same spikes."
        who, other = (self.a, self.b) if self.first.in_a else (self.b, self.a)
        tick, place = self.first.tick, ""
        if self.window:
            sample, tick = divmod(tick, self.window)
            place = f" of sample {sample}"
        when = f"{self.first.tick % (self.window or self.ticks + 1) * self.dt * 1e3:g} ms"
        text = f"The first difference is at tick {tick}{place} ({when}): {self.neuron} fires on "
        text += f"{who} and not on {other}."
        for machine, values in self.values.items():
            if np.isfinite(values.get("before_reset", np.nan)) and "threshold" in values:
                above = values["before_reset"] - values["threshold"]
                side = "above" if above > 0 else "below"
                text += f" On {machine}, {self.state} reaches {values['before_reset']:.6g}, "
                text += f"{abs(above):.3g} {side} the threshold of {values['threshold']:.6g}."
        if self.causes:
            best = self.causes[0]
            text += f" Cause: {best.cls} on {best.machine}: {best.detail}."
        return text

    def text(self) -> str:
        """For people: the first difference, the causes tried, the shares."""
        lines = [f"{self.network}: {self.a} against {self.b}", self.sentence()]
        if self.causes:
            lines.append("Changes, one at a time:")
        for cause in self.causes:
            verdict = "alone changes nothing here"
            if cause.alone:
                verdict = f"makes a difference at tick {cause.tick}"
            if cause.reproduces:
                verdict = "does what the chip did"
            if cause.cls in ("combination", "model approximation", "order of arithmetic"):
                verdict = "no single change is enough"
            moved = "" if cause.margin is None else f" [moves {self.state} by {cause.margin:+.3g}]"
            lines.append(f"  {cause.cls} ({cause.machine}): {verdict}. {cause.detail}{moved}")
        lines.append("Spikes on both / on either (mean shift of matched spikes):")
        for name, found in {**self.shares, "all": self.total}.items():
            lines.append(
                f"  {name}: {100 * found.identical:.3f} % ({found.both} / {found.either}; "
                f"{found.drift:.2f} ticks)" + (f"; {found.told()}" if found.told() else "")
            )
        if self.left_out:
            lines.append(f"  not compared: {', '.join(self.left_out)}")
        return "\n".join([*lines, *self.notes]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        first = self.first
        return {
            "network": self.network,
            "a": self.a,
            "b": self.b,
            "dt": self.dt,
            "ticks": self.ticks,
            "identical": self.identical,
            "sentence": self.sentence(),
            "first": None
            if first is None
            else {
                "tick": first.tick,
                "population": first.population,
                "index": first.index,
                "fires_on": self.a if first.in_a else self.b,
                "state": self.state,
                "values": {
                    m: {k: v if np.isfinite(v) else None for k, v in found.items()}
                    for m, found in self.values.items()
                },
            },
            "causes": [c.to_dict() for c in self.causes],
            "shares": {k: v.to_dict() for k, v in {**self.shares, "all": self.total}.items()},
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }


def first_difference(
    a: Mapping[str, Events], b: Mapping[str, Events], names: Sequence[str]
) -> First | None:
    """Earliest tick; of the same tick the first of ``names``, then the lowest neuron."""
    best: First | None = None
    for name in names:
        size = max(1, a[name].size)
        pairs = [np.unique(e.tick * size + e.id) for e in (a[name], b[name])]
        only = np.setxor1d(*pairs, assume_unique=True)
        if only.size:
            tick, index = divmod(int(only[0]), size)
            if best is None or tick < best.tick:
                at = np.searchsorted(pairs[0], only[0])
                here = bool(at < pairs[0].size and pairs[0][at] == only[0])
                best = First(tick=tick, population=name, index=index, in_a=here)
    return best
