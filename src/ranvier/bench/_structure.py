"""What is different between two networks, two programs or two recordings, as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.bench._divergence import First, first_difference
from ranvier.bench._metrics import Share, share
from ranvier.compile import Program, load_program, projection_weights
from ranvier.errors import RanvierError, fail
from ranvier.events import Recording, load_recording
from ranvier.network import Distribution, Network, Population, Projection, load

__all__ = ["Difference", "Differences", "differences", "read"]

Thing = Network | Program | Recording
KINDS = {Network: "network", Program: "program", Recording: "recording"}


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same: where, and what it is on either side."""

    where: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.where}: {self.a} | {self.b}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Differences:
    """All that differs between ``a`` and ``b`` of one ``kind``; for recordings also the spikes."""

    kind: str
    a: str
    b: str
    rows: tuple[Difference, ...] = ()
    shares: Mapping[str, Share] = field(default_factory=dict[str, Share])
    first: First | None = None

    @property
    def identical(self) -> bool:
        """True when nothing was found."""
        return not self.rows and self.first is None

    def text(self) -> str:
        """For people."""
        if self.identical:
            return f"{self.a} and {self.b} hold the same {self.kind}.\n"
        lines = [f"{self.kind}s {self.a} | {self.b}"]
        if self.first is not None:
            who = self.a if self.first.in_a else self.b
            where = f"{self.first.population}[{self.first.index}]"
            lines.append(f"first difference: tick {self.first.tick}, {where} fires only in {who}")
        lines += [f"  {row}" for row in self.rows]
        lines += [
            f"  spikes of {name}: {100 * s.identical:.3f} % identical ({s.both} of {s.either}), "
            f"mean shift {s.drift:.2f} ticks"
            for name, s in self.shares.items()
        ]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        first = self.first
        return {
            "kind": self.kind,
            "a": self.a,
            "b": self.b,
            "identical": self.identical,
            "differences": [{"where": r.where, "a": r.a, "b": r.b} for r in self.rows],
            "shares": {name: s.to_dict() for name, s in self.shares.items()},
            "first": None
            if first is None
            else {
                "tick": first.tick,
                "population": first.population,
                "index": first.index,
                "fires_in": self.a if first.in_a else self.b,
            },
        }


def read(path: str | Path) -> Thing:
    """A network bundle, a program bundle or a recording directory, whichever it is."""
    place = Path(path)
    if (place / "recording.rvn").exists():
        return load_recording(place)
    try:
        return load(place)
    except RanvierError as error:
        if error.issues[0].code != "wrong-bundle":
            raise
        if error.issues[0].got == "program":
            return load_program(place)
        raise fail(
            "wrong-bundle",
            str(place),
            "cannot be compared",
            got=error.issues[0].got,
            limit="a network, a program or a recording",
        ) from error


def differences(a: Thing | str | Path, b: Thing | str | Path) -> Differences:
    """Compare two things of one kind, given as they are or by path; raises RanvierError."""
    names = [str(x) if isinstance(x, (str, Path)) else label for x, label in ((a, "A"), (b, "B"))]
    one, two = (read(x) if isinstance(x, (str, Path)) else x for x in (a, b))
    kind, other = KINDS[type(one)], KINDS[type(two)]
    if isinstance(one, Network) and isinstance(two, Network):
        rows = tuple(_networks(one, two))
    elif isinstance(one, Program) and isinstance(two, Program):
        rows = tuple(_programs(one, two))
    elif isinstance(one, Recording) and isinstance(two, Recording):
        return _recordings(one, two, *names)
    else:
        raise fail(
            "different-kinds",
            "diff",
            "can only compare two of one kind",
            got=f"a {kind} and a {other}",
            hint="give two networks, two programs or two recordings",
        )
    return Differences(kind=kind, a=names[0], b=names[1], rows=rows)


# -- networks ---------------------------------------------------------------------------------
def _plain(where: str, a: Any, b: Any) -> Iterator[Difference]:
    if a != b:
        yield Difference(where, _short(a), _short(b))


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.9g}"
    if np.ndim(value):
        array = np.asarray(value)
        if array.dtype.kind in "iuf" and array.size > 6:
            return f"{array.shape} {array.min():.6g} .. {array.max():.6g}"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _values(where: str, a: Any, b: Any, unit: str = "") -> Iterator[Difference]:
    """Numbers or arrays, told by how many and how far."""
    left, right = np.asarray(a), np.asarray(b)
    if left.shape == right.shape and left.ndim:
        off = left != right
        if off.any():
            at = int(np.argmax(np.abs(np.where(off, left - right, 0)).ravel()))
            text = f"{int(off.sum())} of {off.size} differ; furthest [{at}] "
            yield Difference(where, f"{text}{left.ravel()[at]:.6g}", f"{right.ravel()[at]:.6g}")
        return
    if left.shape != right.shape or left != right:
        yield Difference(where, _short(a) + unit, _short(b) + unit)


def _named(kind: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for name in [*a, *(n for n in b if n not in a)]:
        if name not in a or name not in b:
            sides = ("there" if name in a else "missing", "there" if name in b else "missing")
            yield Difference(f"{kind} {name}", *sides)


def _networks(a: Network, b: Network) -> Iterator[Difference]:
    mine, theirs = ({p.name: p for p in n.populations} for n in (a, b))
    yield from _plain("name", a.name, b.name)
    yield from _named("population", mine, theirs)
    for name in [n for n in mine if n in theirs]:
        yield from _population(mine[name], theirs[name])
    left, right = ({p.name: p for p in n.projections} for n in (a, b))
    yield from _named("projection", left, right)
    for name in [n for n in left if n in right]:
        yield from _projection(left[name], right[name])
    if set(mine) == set(theirs):
        yield from _plain("order of populations", tuple(mine), tuple(theirs))
    yield from _plain("outputs", a.outputs, b.outputs)
    yield from _plain("probes", tuple(map(str, a.probes)), tuple(map(str, b.probes)))
    for key in sorted({*a.metadata, *b.metadata}):
        yield from _plain(f"metadata {key}", a.metadata.get(key), b.metadata.get(key))


def _population(a: Population, b: Population) -> Iterator[Difference]:
    where = a.name
    yield from _plain(f"{where}.shape", a.shape, b.shape)
    yield from _plain(f"{where}.signal", a.signal, b.signal)
    yield from _plain(f"{where}.dt", a.dt, b.dt)
    yield from _plain(f"{where}.method", a.method, b.method)
    if a.model is None or b.model is None:
        yield from _plain(f"{where}.model", *(p.model.name if p.model else "input" for p in (a, b)))
        return
    if a.model != b.model:
        yield from _plain(f"{where}.model", a.model.name, b.model.name)
        for part in ("equations", "threshold", "reset", "refractory", "output"):
            yield from _plain(f"{where}.{part}", getattr(a.model, part), getattr(b.model, part))
    for kind in ("parameters", "initial"):
        left, right = getattr(a, kind), getattr(b, kind)
        for name in [*left, *(n for n in right if n not in left)]:
            if name in left and name in right:
                yield from _values(f"{where}.{name}", left[name], right[name])
            else:
                yield from _plain(f"{where}.{name}", left.get(name), right.get(name))


def _delay(delay: Any) -> str:
    if delay is None:
        return "one tick"
    return str(delay) if isinstance(delay, Distribution) else f"{_short(delay)} s"


def _projection(a: Projection, b: Projection) -> Iterator[Difference]:
    where = a.name
    for part in ("source", "target", "port"):
        yield from _plain(f"{where}.{part}", getattr(a, part), getattr(b, part))
    if a.delay is None or b.delay is None:
        yield from _plain(
            f"{where}.delay",
            *(_delay(p.delay) for p in (a, b)),
        )
    elif isinstance(a.delay, Distribution) or isinstance(b.delay, Distribution):
        yield from _plain(f"{where}.delay", str(a.delay), str(b.delay))
    else:
        yield from _values(f"{where}.delay", a.delay, b.delay, " s")
    yield from _plain(f"{where}.kind", a.connectivity.kind, b.connectivity.kind)
    one, two = a.connectivity.synapses(), b.connectivity.synapses()
    if one.pre.size != two.pre.size:
        yield Difference(f"{where}.synapses", str(one.pre.size), str(two.pre.size))
    elif not (np.array_equal(one.pre, two.pre) and np.array_equal(one.post, two.post)):
        moved = int(np.count_nonzero((one.pre != two.pre) | (one.post != two.post)))
        yield Difference(f"{where}.synapses", f"{moved} connect other neurons", "")
    else:
        yield from _values(f"{where}.weights", one.weight, two.weight)


# -- programs ---------------------------------------------------------------------------------
def _programs(a: Program, b: Program, prefix: str = "") -> Iterator[Difference]:
    for part in ("name", "chip", "dt", "seed", "outputs"):
        yield from _plain(prefix + part, getattr(a, part), getattr(b, part))
    for part in ("chip_hash", "network_hash"):
        yield from _plain(prefix + part, getattr(a, part)[:12], getattr(b, part)[:12])
    for part in ("neurons", "synapses", "max_delay", "exactness"):
        yield from _plain(prefix + part, getattr(a, part), getattr(b, part))
    yield from _plain(f"{prefix}cores", a.cores.size, b.cores.size)
    yield from _named(f"{prefix}population", a.slots, b.slots)
    for name in [n for n in a.slots if n in b.slots]:
        yield from _plain(f"{prefix}{name}: neurons per core", _spread(a, name), _spread(b, name))
        yield from _parameters(f"{prefix}{name}", a, b, name)
    left, right = ({t.name: t for t in p.projections} for p in (a, b))
    yield from _named(f"{prefix}projection", left, right)
    for name in [n for n in left if n in right]:
        one, two = _weights(a, name), _weights(b, name)
        if one is not None and two is not None:
            yield from _values(f"{prefix}{name}: weights as stored", one, two)
    mine, theirs = ({f"{i.where}: {i.code}" for i in p.issues} for p in (a, b))
    for label in sorted(mine ^ theirs):
        sides = ("said" if label in mine else "not said", "said" if label in theirs else "not said")
        yield Difference(f"{prefix}label {label}", *sides)
    yield from _named(f"{prefix}part", a.parts, b.parts)
    for name in [n for n in a.parts if n in b.parts]:
        yield from _programs(a.parts[name], b.parts[name], f"{prefix}{name}/")


def _spread(program: Program, name: str) -> str:
    held = [(b.core, b.n) for b in program.blocks if b.population == name]
    return ", ".join(f"{core}: {n}" for core, n in held) or "input"


def _parameters(where: str, a: Program, b: Program, name: str) -> Iterator[Difference]:
    """Only where both machines use the same kernel: other numbers mean other things."""
    one = [block for block in a.blocks if block.population == name]
    two = [block for block in b.blocks if block.population == name]
    if not one or len(one) != len(two) or a.chip != b.chip:
        return
    for left, right in zip(one, two, strict=True):
        for key in [k for k in left.values if k in right.values]:
            yield from _values(f"{where}.{key} (raw)", left.values[key], right.values[key])


def _weights(program: Program, name: str) -> Any:
    try:
        return projection_weights(
            program, name, program.synapse_weight, program.synapse_target, program.synapse_origin
        )
    except RanvierError:
        return None


# -- recordings -------------------------------------------------------------------------------
def _recordings(a: Recording, b: Recording, name_a: str, name_b: str) -> Differences:
    rows = [
        *_plain("dt", a.dt, b.dt),
        *_plain("ticks", a.ticks, b.ticks),
        *_plain("window", a.window, b.window),
        *_plain("program", a.program_hash[:12], b.program_hash[:12]),
        *_named("events of", a.events, b.events),
        *_named("trace", a.traces, b.traces),
    ]
    shared = [n for n in a.events if n in b.events]
    for name in shared:
        rows += _plain(f"{name}: sources", a.events[name].size, b.events[name].size)
        one, two = a.events[name], b.events[name]
        if one.payload is not None and two.payload is not None and len(one) == len(two):
            rows += _values(f"{name}: values sent", one.payload, two.payload)
    for name in [n for n in a.traces if n in b.traces]:
        rows += _values(name, a.traces[name].values, b.traces[name].values)
    for name in [n for n in a.counts if n in b.counts and n not in shared]:
        rows += _values(f"{name}: spikes counted", a.counts[name], b.counts[name])
    same = [n for n in shared if a.events[n].size == b.events[n].size and a.dt == b.dt]
    window = a.window if a.window == b.window else None
    return Differences(
        kind="recording",
        a=name_a,
        b=name_b,
        rows=tuple(rows),
        shares={n: share(a.events[n], b.events[n], window=window) for n in same},
        first=first_difference(a.events, b.events, same),
    )
