"""Quantise: parameters, weights and delays into the chip's own numbers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.chips import Chip, Incoming, Quantised, QuantisedProjection
from ranvier.compile._draft import Draft
from ranvier.compile._gap_limits import strong_gaps
from ranvier.errors import Issue, RanvierError, about, unknown
from ranvier.network import Distribution, Projection, Rule, Synapses, TickTable
from ranvier.network._ticks import MOST_TICKS

__all__ = ["PASS", "Quantise"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Quantise:
    """Rounds with the chip's own quantiser, and states how far delays moved.

    ``drop_zeros`` leaves out synapses whose weight becomes 0. ``long_delays``: ``"refuse"``, or
    ``"clip"`` to the chip's longest; ``short_delays`` (over 0 and below one tick): ``"refuse"``, or
    ``"round"`` up to a tick. ``keep_rules``: procedural connectivity stays a rule where the
    chip has no synaptic memory to fill and takes weights as they are.
    """

    drop_zeros: bool = True
    long_delays: Literal["refuse", "clip"] = "refuse"
    short_delays: Literal["refuse", "round"] = "refuse"
    keep_rules: bool = True
    name: str = "quantise"

    def __post_init__(self) -> None:
        if self.long_delays not in ("refuse", "clip"):
            raise unknown(
                "option", self.long_delays, ("refuse", "clip"), where="quantise.long_delays"
            )
        if self.short_delays not in ("refuse", "round"):
            raise unknown(
                "option", self.short_delays, ("refuse", "round"), where="quantise.short_delays"
            )

    def apply(self, draft: Draft) -> Draft:
        """Encode every population together with its incoming weights."""
        network, chip = draft.network, draft.chip
        issues, refused = list(draft.issues), list[Issue]()
        rules = tuple(
            p.name
            for p in network.projections
            if self.keep_rules
            and chip.topology is None
            and chip.dtype != "i8"
            and isinstance(p.connectivity, Rule)
            and not p.gap
            and not p.immediate
            and (not isinstance(p.delay, Distribution) or _free_delays(chip))
        )
        synapses: dict[str, Synapses] = {}
        delays: dict[str, IntArray] = {}
        incoming: dict[str, dict[str, Incoming]] = defaultdict(dict)
        for p in network.projections:
            if isinstance(p.delay, Distribution):
                listed, ticks, found = self._drawn(draft, p, p.delay, listing=p.name not in rules)
            else:
                listed = None if p.name in rules else p.connectivity.synapses()
                ticks, found = self._ticks(draft, p, listed)
            issues += [i for i in found if i.severity != "refused"]
            refused += [i for i in found if i.severity == "refused"]
            delays[p.name] = ticks
            if listed is not None:
                synapses[p.name] = listed
            incoming[p.target][p.name] = Incoming(
                port=p.port,
                signal=network.population(p.source).signal,
                kind=p.connectivity.kind,
                max_delay=int(ticks.max()) if ticks.size else 1,
                post=None if listed is None else listed.post,
                weights=None if listed is None else listed.weight,
                rate=draft.activity[p.source][listed.pre]
                if listed is not None and p.source in draft.activity
                else None,
            )
        issues += strong_gaps(network, synapses, draft.dt)
        quantised: dict[str, Quantised] = {}
        for population in network.populations:
            if population.model is None:
                continue
            implementation = chip.implementation(draft.implementations[population.name])
            with about(population.name):
                result = implementation.quantise(population, incoming[population.name], draft.dt)
            issues += [i for i in result.issues if i.severity != "refused"]
            refused += [i for i in result.issues if i.severity == "refused"]
            quantised[population.name] = result
        if refused:
            raise RanvierError(*refused)
        projections = tuple(
            self._encoded(p, synapses[p.name], delays[p.name], quantised[p.target])
            for p in network.projections
            if p.name not in rules
        )
        return replace(
            draft,
            quantised=quantised,
            projections=projections,
            rules=rules,
            rule_delays={name: int(delays[name][0]) for name in rules},
            issues=tuple(issues),
        )

    def _ticks(
        self, draft: Draft, p: Projection, listed: Synapses | None
    ) -> tuple[IntArray, list[Issue]]:
        """Delay of every synapse in ticks (rounded half up), and how far it moved."""
        chip, n = draft.chip, 1 if listed is None else listed.pre.size
        least = max(1, chip.min_delay)
        if p.delay is None:
            return np.broadcast_to(np.int64(least), (n,)), []
        array: Any = np.asarray(p.delay, np.float64)
        if array.ndim == 0:
            array = array[None][:n]  # one for all
        elif listed is not None:
            array = array.ravel()[listed.origin]
        exact = array / draft.dt
        longest = MOST_TICKS if chip.max_delay is None else chip.max_delay
        # Cut before rounding to integers: a delay may be longer than they reach.
        ticks = np.floor(np.minimum(exact, 2.0**53) + 0.5 + 1e-9).astype(np.int64)
        ticks = np.where(exact == 0, chip.min_delay, np.maximum(ticks, least))
        issues: list[Issue] = []
        short = exact[(exact > 0) & (exact < 1 - 1e-6)]
        if short.size and self.short_delays == "refuse":
            issues.append(_too_short(p.name, float(short.min()) * draft.dt, draft.dt))
        moved = np.abs(ticks - exact)[exact > 0]
        if moved.size and moved.max() > 1e-6:
            issues.append(_rounded(p.name, draft.dt, float(moved.max()) * draft.dt))
        if n and int(ticks.max()) > longest:
            seconds = float(exact.max()) * draft.dt
            issues.append(self._too_long(draft, p, int(ticks.max()), longest, seconds))
            ticks = np.minimum(ticks, longest)
        return np.broadcast_to(ticks, (n,)), issues

    def _drawn(
        self, draft: Draft, p: Projection, law: Distribution, *, listing: bool
    ) -> tuple[Synapses | None, IntArray, list[Issue]]:
        """Delays of a rule drawn in ticks: of every synapse, or the longest for a rule kept."""
        chip, dt = draft.chip, draft.dt
        longest = MOST_TICKS if chip.max_delay is None else chip.max_delay
        low, high = law.bounds()
        issues: list[Issue] = []
        if 0 < high < dt * (1 - 1e-6) and self.short_delays == "refuse":
            issues.append(_too_short(p.name, low, dt))
        if low < high or abs(high / dt - round(high / dt)) > 1e-6:
            issues.append(_rounded(p.name, dt, 0.5 * dt if high >= dt else max(0.5 * dt, dt - low)))
        ticks = int(min(high / dt, 2.0**53) + 0.5 + 1e-9)
        if ticks > longest:
            issues.append(self._too_long(draft, p, ticks, longest, high))
        table = TickTable.of(law, dt, least=max(1, chip.min_delay), most=longest)
        rule: Any = p.connectivity
        if not listing:
            return None, np.array([table.last], np.int64), issues
        listed, late = rule.listed(table)
        return listed, late.astype(np.int64), issues

    def _too_long(
        self, draft: Draft, p: Projection, ticks: int, longest: int, seconds: float
    ) -> Issue:
        clip = self.long_delays == "clip"
        return Issue(
            code="delay-too-long",
            severity="approximate" if clip else "refused",
            where=p.name,
            message="delays cut to the chip's longest"
            if clip
            else "delay is longer than the chip can hold",
            got=f"{ticks} ticks",
            limit=f"{longest} ticks",
            hint=(
                f"shorten the delays to at most {longest * draft.dt:.6g} s",
                f"use a dt of at least {seconds / longest:.3g} s",
                "allow cutting: --set quantise.long_delays=clip",
            ),
        )

    def _encoded(
        self, p: Projection, listed: Synapses, delay: IntArray, target: Quantised
    ) -> QuantisedProjection:
        weight, port = target.weights[p.name]
        keep: Any = slice(None)
        if self.drop_zeros and p.plasticity is None:
            zero = weight == 0
            keep = np.flatnonzero(~zero) if zero.any() else keep
        return QuantisedProjection(
            name=p.name,
            source=p.source,
            target=p.target,
            pre=listed.pre[keep],
            post=listed.post[keep],
            weight=weight[keep],
            port=port[keep],
            delay=delay[keep],
            index=np.arange(weight.size)[keep],
            origin=listed.origin,
            encoding=target.encodings[p.name],
            synapse_bits=target.synapse_bits[p.name],
        )


def _rounded(where: str, dt: float, by: float) -> Issue:
    return Issue(
        code="delay-rounded",
        severity="approximate",
        where=where,
        message=f"delays rounded to ticks of {dt:g} s, by at most {by:.3g} s",
    )


def _too_short(where: str, got: float, dt: float) -> Issue:
    return Issue(
        code="delay-too-short",
        severity="refused",
        where=where,
        message="delay is shorter than a tick",
        got=f"{got:.6g} s",
        limit=f"{dt:g} s (dt) or more, 0 for the same tick, or None for one tick",
        hint=(
            f"compile with dt={got:.3g}",
            "round up to one tick: --set quantise.short_delays=round",
        ),
    )


def _free_delays(chip: Chip) -> bool:
    """True where delays drawn in ticks (at least 1) are those of the machine."""
    return chip.min_delay <= 1 and chip.max_delay is None


PASS = Quantise
