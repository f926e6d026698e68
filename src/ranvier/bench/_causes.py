"""Why a neuron fired differently: every change of the chip alone, applied to the ideal neuron."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ranvier.bench._probe import Cell, Limits
from ranvier.bench._realised import Realised, ideal_cell, scalar, threshold_state
from ranvier.bench._reference import Reference
from ranvier.bench._replay import Wire
from ranvier.errors import RanvierError
from ranvier.neurons import with_reset

__all__ = ["CLASSES", "Cause", "Change", "changes_of", "judge"]

CLASSES = (
    "weight rounding",
    "saturation",
    "delay rounding",
    "parameter rounding",
    "reset rule",
    "state rounding",
    "order of operations",
    "time step",
    "combination",
    "order of arithmetic",
    "model approximation",
)
"""Classes of cause. The last four are never a single change that could be tried alone."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One change of the chip, judged.

    ``alone`` tells that this change by itself makes the ideal neuron differ at or before the tick
    of the first difference; ``reproduces`` that it then does exactly what the chip did up to that
    tick. ``tick`` is where it first differs, None where it does not. ``margin`` is by how much it
    moves the watched state against its threshold at the tick of the first difference, SI.
    """

    cls: str
    machine: str
    detail: str
    alone: bool = False
    reproduces: bool = False
    tick: int | None = None
    margin: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "class": self.cls,
            "machine": self.machine,
            "detail": self.detail,
            "alone": self.alone,
            "reproduces": self.reproduces,
            "tick": self.tick,
            "margin": self.margin,
        }


Change = tuple[str, str, Callable[[Reference], Reference]]
"""(class, in words, how to apply it)."""


def changes_of(reference: Reference, realised: Realised, cell: Cell) -> list[Change]:
    """What the chip changed about this neuron, measured; each as a change to the reference.

    A chip's decay, rounding and order belong to its own tick, so they are tried only where the
    reference has the same one.
    """
    changes = [*_weights(reference, realised), *_delays(reference, realised)]
    if reference.ratio == 1:
        changes += _neuron(reference, realised, cell)
    return changes


Masked = tuple[NDArray[np.bool_], NDArray[np.float64]]
"""Which weights of a wire take which value."""


# -- weights and delays -----------------------------------------------------------------------
def _weights(reference: Reference, realised: Realised) -> list[Change]:
    rounded: dict[str, Masked] = {}
    clipped: dict[str, Masked] = {}
    moved, cut, largest, total = 0, 0, 0.0, 0
    for wire in reference.wires:
        projection = realised.network.projection(wire.projection)
        stored = realised.weights(projection)
        if stored is None:
            continue
        mine = stored[wire.place]
        off = np.abs(mine - wire.weight)
        slack = 1e-12 * max(float(np.abs(wire.weight).max(initial=0.0)), 1e-300)
        cuts = realised.cut(projection)
        over = np.zeros(mine.size, bool) if cuts is None else cuts[wire.place]
        over &= np.abs(wire.weight) - np.abs(mine) > slack
        rounded[wire.projection], clipped[wire.projection] = (~over, mine), (over, mine)
        changed = (off > slack) & ~over
        moved, cut, total = moved + int(changed.sum()), cut + int(over.sum()), total + mine.size
        largest = max(largest, float(off[changed].max(initial=0.0)))
    found: list[Change] = []
    if moved:
        size = max(float(np.abs(w.weight).max(initial=0.0)) for w in reference.wires)
        text = f"{moved} of {total} weights into this neuron were rounded, by at most {largest:.3g}"
        text += f" ({100 * largest / size:.2g} % of the largest)" if size else ""
        found.append(("weight rounding", text, _with_weights(rounded)))
    if cut:
        text = f"{cut} of {total} weights into this neuron are cut to the largest the chip stores"
        found.append(("saturation", text, _with_weights(clipped)))
    return found


def _with_weights(values: Mapping[str, Masked]) -> Callable[[Reference], Reference]:
    def apply(reference: Reference) -> Reference:
        wires: list[Wire] = []
        for wire in reference.wires:
            mask, mine = values.get(wire.projection, (np.zeros(0, bool), wire.weight))
            weight = np.where(mask, mine, wire.weight) if mask.size else wire.weight
            wires.append(replace(wire, weight=weight))
        return replace(reference, wires=wires)

    return apply


def _delays(reference: Reference, realised: Realised) -> list[Change]:
    values: dict[str, NDArray[np.int64]] = {}
    moved, total, largest, zero = 0, 0, 0, False
    for wire in reference.wires:
        stored = realised.delays(realised.network.projection(wire.projection))
        if stored is None:
            continue
        mine = stored[wire.place] * reference.ratio
        mine = np.where(mine > 0, mine, wire.delay)  # left-out synapses have no delay
        off = mine != wire.delay
        values[wire.projection] = mine
        moved, total = moved + int(off.sum()), total + mine.size
        largest = max(largest, int(np.abs(mine - wire.delay).max(initial=0)))
        zero = zero or bool(np.any(wire.delay[off] == 0))
    if not moved:
        return []
    text = f"{moved} of {total} delays into this neuron moved, by at most "
    text += f"{largest * reference.dt:.3g} s" + (" (a delay of 0 became one tick)" if zero else "")

    def apply(given: Reference) -> Reference:
        wires = [replace(w, delay=values.get(w.projection, w.delay)) for w in given.wires]
        return replace(given, wires=wires)

    return [("delay rounding", text, apply)]


# -- the neuron -------------------------------------------------------------------------------
def _neuron(reference: Reference, realised: Realised, chip: Cell) -> list[Change]:
    population, index = reference.population, reference.index
    model, state = population.model, threshold_state(population)
    assert model is not None
    if state is None or state not in chip.rest:
        return []
    ideal = ideal_cell(population, index, reference.dt)
    found: list[Change] = []
    found += _threshold(reference, ideal, chip, state)
    for own, theirs in _states(ideal, chip, state, list(model.states)):
        found += _decay(reference, ideal, chip, own, theirs)
    found += _bias(reference, ideal, chip, state)
    found += _reset(reference, ideal, chip, state)
    found += _limits(reference, realised, chip, state)
    mode = chip.grid(state)
    if mode is not None:
        lsb, rest = chip.lsb(state), chip.si(state, 0)
        text = f"{state} is kept in steps of {lsb:.3g}, rounded {mode}"
        found.append(("state rounding", text, _between(_rounder(state, lsb, rest, mode))))
    found += _order(reference, realised, ideal, chip)
    return found


def _states(ideal: Cell, chip: Cell, state: str, states: list[str]) -> list[tuple[str, str]]:
    """Pairs of the same state here and there: by name, or the only one left over on both."""
    pairs = [(state, state)]
    mine = [s for s in states if s != state]
    theirs = [s for s in chip.rest if s != state and chip.scaled(s)]
    pairs += [(s, s) for s in mine if s in theirs]
    mine, theirs = [s for s in mine if s not in theirs], [s for s in theirs if s not in mine]
    # Several of theirs may share one of ours (excitatory and inhibitory currents); the first tells.
    return [*pairs, (mine[0], theirs[0])] if len(mine) == 1 and theirs else pairs


def _changed(name: str, value: float) -> Callable[[Reference], Reference]:
    return lambda r: replace(r, changed={**r.changed, name: value})


def _threshold(reference: Reference, ideal: Cell, chip: Cell, state: str) -> list[Change]:
    model = reference.population.model
    assert model is not None
    assert model.threshold is not None
    name = model.threshold.split(">")[1].lstrip("=").strip()
    want, got = ideal.threshold(state), chip.threshold(state)
    if name not in reference.population.parameters or want is None or got is None:
        return []
    height = abs(want - ideal.rest[state]) or 1.0
    if abs(got - want) <= 1e-9 * height:
        return []
    text = f"{name} is {got:.6g} instead of {want:.6g} ({100 * (got - want) / height:+.2g} %)"
    return [("parameter rounding", text, _changed(name, got))]


def _decay(reference: Reference, ideal: Cell, chip: Cell, own: str, theirs: str) -> list[Change]:
    want, got = ideal.decay(own), chip.decay(theirs)
    if want is None or got is None or abs(got - want) <= 1e-7:
        return []
    population, index = reference.population, reference.index
    assert population.model is not None

    def measured(name: str, value: float) -> float:
        try:
            found = ideal_cell(population, index, reference.dt, **{name: value}).decay(own)
        except RanvierError:
            return float("nan")
        return float("nan") if found is None else found - got

    for parameter in population.model.parameters:
        name = parameter.name
        now = scalar(population.parameters[name], index)
        timed = parameter.unit == "s" and name != population.model.refractory
        if not (timed or population.model.is_discrete) or now <= 0:
            continue
        if abs(measured(name, now * 0.9) - measured(name, now)) < 1e-9:
            continue
        low, high = (now / 64, now * 4096) if timed else (0.0, 1.0)
        a, b = measured(name, low), measured(name, high)
        if not (np.isfinite(a) and np.isfinite(b) and a * b <= 0):
            continue
        value = float(brentq(lambda v, n=name: measured(n, v), low, high, xtol=1e-15, rtol=1e-12))  # pyright: ignore[reportArgumentType]
        text = f"{own} keeps {got:.7g} of itself per tick instead of {want:.7g}"
        text += f" ({name} {value:.6g} instead of {now:.6g})"
        return [("parameter rounding", text, _changed(name, value))]
    return []


def _bias(reference: Reference, ideal: Cell, chip: Cell, state: str) -> list[Change]:
    population, index = reference.population, reference.index
    if "bias" not in population.parameters:
        return []
    now = scalar(population.parameters["bias"], index)
    if not now:
        return []
    want, got = ideal.drift(state), chip.drift(state)
    without = ideal_cell(population, index, reference.dt, bias=0.0).drift(state)
    if abs(got - want) <= 1e-9 * abs(want - without) or want == without:
        return []
    value = now * (got - without) / (want - without)
    text = f"bias is {value:.6g} instead of {now:.6g}"
    return [("parameter rounding", text, _changed("bias", value))]


def _reset(reference: Reference, ideal: Cell, chip: Cell, state: str) -> list[Change]:
    population = reference.population
    model = population.model
    assert model is not None
    found: list[Change] = []
    want, got = ideal.reset(state), chip.reset(state)
    if want is not None and got is not None and got.kind in ("value", "subtract", "none"):
        same = want.kind == got.kind
        height = abs(ideal.threshold(state) or 1.0)
        if same and got.value is not None and want.value is not None:
            same = abs(got.value - want.value) <= 1e-9 * height
        if not same and model.reset_delay == 0:
            words = {"value": f"set to {got.value if got.value is not None else 0:.4g}",
                     "subtract": "lowered by the threshold", "none": "left as it is"}  # fmt: skip
            mine = {"value": f"to {want.value if want.value is not None else 0:.4g}",
                    "subtract": "by subtraction", "none": "not at all"}  # fmt: skip
            text = f"after a spike {state} is {words[got.kind]}; the model resets it "
            text += mine.get(want.kind, "otherwise")
            found.append(("reset rule", text, _resets(state, got.kind, got.value)))
    wait, waits = ideal.refractory(state), chip.refractory(state)
    if model.refractory and wait is not None and waits is not None and wait != waits:
        text = f"a neuron is silent for {waits} ticks after a spike instead of {wait}"
        value = waits * reference.dt
        found.append(("parameter rounding", text, _changed(model.refractory, value)))
    return found


def _resets(state: str, kind: Any, value: float | None) -> Callable[[Reference], Reference]:
    def apply(reference: Reference) -> Reference:
        model = reference.population.model
        assert model is not None
        changed = with_reset(model, kind)
        parameters = dict(reference.changed)
        if kind == "value" and value is not None:
            first = next(t for t in changed.reset if t.split("=")[0].strip() == state)
            name = first.split("=")[1].strip()
            if name in reference.population.parameters:
                parameters[name] = value
            else:  # the model has no parameter for it
                rest = tuple(t for t in changed.reset if t is not first)
                changed = replace(changed, reset=(f"{state} = {value!r}", *rest))
        population = replace(reference.population, model=changed)
        return replace(reference, population=population, changed=parameters)

    return apply


def _between(
    function: Callable[[dict[str, Any]], None],
) -> Callable[[Reference], Reference]:
    def apply(reference: Reference) -> Reference:
        before = reference.between

        def both(now: dict[str, Any]) -> None:
            if before is not None:
                before(now)
            function(now)

        return replace(reference, between=both)

    return apply


ROUNDED: Mapping[str, Callable[[float], float]] = {
    "toward zero": np.trunc,
    "down": np.floor,
    "up": np.ceil,
}


def _rounder(state: str, lsb: float, rest: float, mode: str) -> Callable[[dict[str, Any]], None]:
    def apply(now: dict[str, Any]) -> None:
        steps = (now[state] - rest) / lsb
        # A value on the grid must stay there, whatever the last bit of the quotient says.
        near = np.rint(steps)
        if mode in ROUNDED and abs(steps - near) > 1e-6:
            near = ROUNDED[mode](steps)
        now[state] = float(near * lsb + rest)

    return apply


def _limits(reference: Reference, realised: Realised, chip: Cell, state: str) -> list[Change]:
    ports: dict[str, NDArray[np.int64]] = {}
    limits: dict[int, Limits] = {}
    for wire in reference.wires:
        found = realised.ports(realised.network.projection(wire.projection))
        if found is None:
            continue
        ports[wire.projection] = found.port[wire.place]
        for port, (unit, sign) in found.units.items():
            if port not in limits:
                limits[port] = chip.limits(state, port, unit, sign)
    bounds = next(iter(limits.values()), None)
    known = {p: v for p, v in limits.items() if v.input is not None}
    floor = None if bounds is None else bounds.low
    if not known and floor is None:
        return []

    def clip(now: dict[str, Any]) -> None:
        if floor is not None and now[state] < floor:
            now[state] = floor

    def apply(given: Reference) -> Reference:
        limited = replace(given, limits=known, chip_ports=ports) if known else given
        return _between(clip)(limited) if floor is not None else limited

    parts = [f"{'wraps' if v.wraps else 'stops'} at {v.input:.4g}" for v in known.values()]
    text = "; ".join([f"the input sum of a tick {p}" for p in dict.fromkeys(parts)])
    if floor is not None:
        text += ("; " if text else "") + f"{state} stops at {floor:.4g}"
    return [("saturation", text, apply)]


def _order(reference: Reference, realised: Realised, ideal: Cell, chip: Cell) -> list[Change]:
    late: list[int] = []
    for wire in reference.wires:
        found = realised.ports(realised.network.projection(wire.projection))
        if found is None or not wire.port.size:
            continue
        for port, (unit, _) in found.units.items():
            if unit > 0:
                mine, theirs = ideal.latency(int(wire.port[0])), chip.latency(port)
                if mine is not None and theirs is not None:
                    late.append(theirs - mine)
    if not late or late[0] == 0:
        return []
    when = f"{abs(late[0])} tick{'s' if abs(late[0]) > 1 else ''} "
    when += "later" if late[0] > 0 else "earlier"
    return [
        (
            "order of operations",
            f"an input reaches the threshold test {when} than in the model's equations",
            lambda r: replace(r, shift=r.shift + late[0]),
        )
    ]


# -- judging ----------------------------------------------------------------------------------
def judge(
    reference: Reference,
    changes: Sequence[Change],
    truth: NDArray[np.bool_],
    machine: str,
    *,
    tick: int,
    approximations: Sequence[str] = (),
) -> list[Cause]:
    """Apply each change alone to the reference, then all; rank what makes it differ.

    ``truth`` [tick + 1] is what the machine's neuron did. ``approximations`` are the labels that
    the compiler gave this neuron for anything but rounding.
    """
    base = reference.outcome()
    causes: list[Cause] = []
    for name, text, apply in changes:
        try:
            outcome = apply(reference).outcome()
        except RanvierError:
            continue
        causes.append(_cause(name, machine, text, base, outcome, truth))
    tiny = 1e-12 * max(1.0, abs(base[1])) if np.isfinite(base[1]) else 0.0
    # A limit that was never reached is no change.
    causes = [c for c in causes if c.alone or c.margin is None or abs(c.margin) > tiny]
    alone = [c for c in causes if c.alone]
    if not alone:
        try:
            everything = reference
            for _, _, apply in changes:
                everything = apply(everything)
            together = _cause("combination", machine, "", base, everything.outcome(), truth)
        except RanvierError:
            together = None
        names = " + ".join(dict.fromkeys(name for name, _, _ in changes))
        if together is not None and together.alone and len(changes) > 1:
            text = f"no change alone is enough; together they are: {names}"
            causes.append(replace(together, detail=text, alone=False))
        elif approximations:
            causes.append(
                Cause(
                    cls="model approximation",
                    machine=machine,
                    detail=approximations[0],
                    alone=False,
                )
            )
        else:
            text = "no change that could be tried explains it"
            text += f" (tried: {names})" if names else ""
            text += "; what is left is the order and rounding of single operations"
            causes.append(Cause(cls="order of arithmetic", machine=machine, detail=text))
    last = ("combination", "model approximation", "order of arithmetic")

    def rank(cause: Cause) -> tuple[Any, ...]:
        verdict = cause.cls in last
        worked = cause.alone or verdict
        strength = 0.0 if cause.margin is None else -abs(cause.margin)
        # A coarser tick rounds delays too, so it is blamed only where they are not enough.
        return not worked, not cause.reproduces, cause.cls == "time step", cause.tick or 0, strength

    return sorted(causes, key=rank)


def _cause(
    name: str,
    machine: str,
    text: str,
    base: tuple[NDArray[np.bool_], float],
    outcome: tuple[NDArray[np.bool_], float],
    truth: NDArray[np.bool_],
) -> Cause:
    n = min(base[0].size, outcome[0].size, truth.size)
    off = np.flatnonzero(base[0][:n] != outcome[0][:n])
    margin = outcome[1] - base[1]
    return Cause(
        cls=name,
        machine=machine,
        detail=text,
        alone=bool(off.size),
        reproduces=bool(off.size) and bool(np.array_equal(outcome[0][:n], truth[:n])),
        tick=int(off[0]) if off.size else None,
        margin=float(margin) if np.isfinite(margin) else None,
    )
