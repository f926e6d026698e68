"""What to compute: populations, projections, inputs, outputs and probes, in SI units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import RanvierError, fail, unknown
from ranvier.network._check import find_issues
from ranvier.network._connectivity import Connectivity, Dense
from ranvier.network._distribution import Distribution, distribution_from
from ranvier.network._dynamic import (
    Plasticity,
    TsodyksMarkram,
    plasticity_from,
    short_term_from,
)
from ranvier.network._given import is_number, items_of, plain, shape_tuple, whole
from ranvier.network._rule import Rule
from ranvier.neurons import NeuronModel
from ranvier.neurons import get as get_model

__all__ = ["Network", "Population", "Probe", "Projection", "Signal"]

Signal = Literal["spike", "graded", "continuous"]
Values = Mapping[str, "float | NDArray[np.float64]"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]*(\.[A-Za-z0-9_\-]+)*")


def _check_name(kind: str, name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 200:
        raise fail(
            "bad-name",
            f"{kind} name",
            "is not usable",
            got=repr(name)[:80],
            limit="letters, digits, _ and -, nested by dots: encoder.layer1",
        )
    return name


def _values(
    where: str,
    given: Mapping[str, ArrayLike],
    size: int,
    legal: Iterable[str],
    kind: str = "parameter",
) -> Values:
    names = list(legal)
    if not isinstance(cast("Any", given), Mapping):
        raise fail("parameters", where, "parameters must be a mapping from name to value")
    result: dict[str, float | NDArray[np.float64]] = {}
    for name, value in given.items():
        place = f"{where}.{name}"
        if name not in names:
            raise unknown(kind, name, names, where=place)
        try:
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise fail(
                "parameter-dtype",
                place,
                "must be a number or one per neuron",
                got=repr(value)[:60],
            ) from error
        if array.ndim > 1:
            array = array.reshape(-1)
        if array.ndim == 1 and array.size != size:
            raise fail(
                "parameter-shape",
                place,
                "needs one value, or one per neuron",
                got=array.size,
                limit=size,
            )
        if not np.all(np.isfinite(array)):
            at = np.flatnonzero(~np.isfinite(array.ravel()))
            raise fail(
                "parameter-not-finite",
                f"{place}[{at[0]}]" if array.ndim else place,
                "holds NaN or infinity",
                got=array.ravel()[at[0]],
                limit="finite numbers",
            )
        array.setflags(write=False)
        result[name] = float(array) if array.ndim == 0 else array
    return result


def _check_time(where: str, value: Any, refractory: bool) -> None:
    """Time constants are positive; only a refractory time may be zero."""
    least = float(np.min(value))
    if least < 0 or (least == 0 and not refractory):
        raise fail(
            "time-not-positive",
            where,
            "a time must not be negative" if refractory else "a time constant must be positive",
            got=f"{least:g} s",
            limit=">= 0 s" if refractory else "> 0 s",
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Population:
    """``size`` neurons of one model, or an input (``model=None``).

    ``shape`` may have several axes (channels, height, width). ``parameters`` hold SI floats or
    arrays [size]; those not given take the model's default. ``initial`` sets starting states.
    ``dt`` [s] is set only for what is discrete by nature; ``method`` names an integrator when the
    source of the model fixes one. ``signal`` is what an input emits; a model's own otherwise.
    """

    name: str
    shape: tuple[int, ...]
    model: NeuronModel | None = None
    parameters: Values = field(default_factory=dict[str, Any])
    initial: Values = field(default_factory=dict[str, Any])
    signal: Signal = "spike"
    dt: float | None = None
    method: str | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        _check_name("population", self.name)
        shape = shape_tuple(f"{self.name}.shape", self.shape, 1)
        if not shape:
            raise fail("population-shape", f"{self.name}.shape", "needs a size", got=self.shape)
        set_(self, "shape", shape)
        if prod(shape) >= 2**31:
            raise fail("population-shape", f"{self.name}.shape", "has too many neurons",
                       got=f"{prod(shape):,}", limit=f"{2**31 - 1:,}")  # fmt: skip
        given_model: Any = self.model
        if isinstance(given_model, str):
            set_(self, "model", get_model(given_model))
        elif given_model is not None and not isinstance(given_model, NeuronModel):
            raise fail(
                "population-model",
                f"{self.name}.model",
                "is not a neuron model",
                got=type(given_model).__name__,
                limit="a name, a NeuronModel, or None for an input",
            )
        if self.dt is not None and not (is_number(self.dt) and self.dt > 0):
            raise fail("population-dt", f"{self.name}.dt", "must be positive seconds", got=self.dt)
        model = self.model
        if model is None:
            if self.parameters or self.initial:
                raise fail("input-parameters", self.name, "an input has no parameters")
            if self.signal not in ("spike", "graded", "continuous"):
                raise unknown(
                    "signal", self.signal, ("spike", "graded", "continuous"), where=self.name
                )
            return
        set_(self, "signal", model.output)
        legal = [p.name for p in model.parameters]
        given = _values(f"{self.name}({model.name})", self.parameters, self.size, legal)
        for parameter in model.parameters:
            if parameter.name not in given:
                if parameter.default is None:
                    raise fail(
                        "parameter-missing",
                        f"{self.name}({model.name}).{parameter.name}",
                        f"has no default and was not given ({parameter.doc})",
                        hint=f"add parameters={{'{parameter.name}': ...}} in {parameter.unit}",
                    )
                given = {**given, parameter.name: parameter.default}
            if parameter.unit == "s":
                where = f"{self.name}({model.name}).{parameter.name}"
                _check_time(where, given[parameter.name], model.refractory == parameter.name)
        set_(self, "parameters", {p.name: given[p.name] for p in model.parameters})
        states = list(model.states)
        initial = _values(f"{self.name}.initial", self.initial, self.size, states, "state")
        set_(self, "initial", {name: initial[name] for name in states if name in initial})

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)

    @property
    def is_input(self) -> bool:
        """True for a source of events from outside."""
        return self.model is None


@dataclass(frozen=True, eq=False, kw_only=True)
class Projection:
    """Synapses from ``source`` to port ``port`` of ``target``.

    ``delay`` in seconds: None means one tick whatever dt is; 0 means within the same tick (only
    where the source format says so); an array with the shape of the weights gives one per synapse.
    A :class:`Distribution` draws one for every synapse of a :class:`Rule`, in whole ticks of at
    least one.

    ``short_term`` multiplies what a source sends (:class:`TsodyksMarkram`). ``gap`` makes
    electrical synapses: ``gap="v"`` adds weight [S] * (v of the source - v of the target) [V], both
    as they were after the last tick, to the port, which must be one that is held over a tick; it
    takes no delay and no events. Such coupling is of first order in dt and, above ``dt * sum(g) / C
    = 1`` (g: the conductances onto a neuron of capacitance C), unstable: compile warns of that
    where 1/C follows from the model's parameters. :func:`neighbours` makes grids of them.
    ``plasticity`` (:class:`Plasticity`) lets weights change.
    """

    source: str
    target: str
    connectivity: Connectivity
    port: str = ""
    delay: float | NDArray[np.float64] | Distribution | None = None
    name: str = ""
    short_term: TsodyksMarkram | None = None
    gap: str = ""
    plasticity: Plasticity | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        for end in ("source", "target"):
            given = getattr(self, end)
            if not isinstance(given, str):
                raise fail(
                    "projection-end",
                    f"projection {end}",
                    "must be the name of a population",
                    got=type(given).__name__,
                    hint=f"use {end}=population.name" if isinstance(given, Population) else "",
                )
        if not self.name:
            set_(self, "name", f"{self.source}->{self.target}")
        if not isinstance(cast("Any", self.name), str) or len(self.name) > 1000:
            raise fail("bad-name", "projection name", "is not text", got=repr(self.name)[:80])
        connectivity: Any = self.connectivity
        if not isinstance(connectivity, Connectivity):
            set_(self, "connectivity", Dense(connectivity))
        set_(self, "short_term", short_term_from(self.short_term, f"{self.name}.short_term"))
        set_(self, "plasticity", plasticity_from(self.plasticity, f"{self.name}.plasticity"))
        more = (self.delay, self.short_term, self.plasticity)
        if self.gap and any(x is not None for x in more):
            raise fail(
                "gap-delay",
                f"{self.name}.gap",
                "an electrical synapse has no delay and no plasticity",
                hint="leave delay, short_term and plasticity out",
            )
        if self.plasticity is not None and self.short_term is not None:
            raise fail(
                "two-plasticities",
                f"{self.name}.plasticity",
                "long-term and short-term plasticity of one projection do not go together",
                hint="leave one out",
            )
        if self.delay is None:
            return
        where = f"{self.name}.delay"
        if isinstance(self.delay, (Mapping, Distribution)):
            self._draw_delays(where)
            return
        try:
            delay = np.array(self.delay, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise fail(
                "delay-dtype", where, "must be seconds", got=repr(self.delay)[:60]
            ) from error
        if not np.all(np.isfinite(delay)):
            raise fail("delay-not-finite", where, "holds NaN or infinity", limit="finite seconds")
        if np.any(delay < 0):
            raise fail(
                "delay-negative",
                where,
                "must not be negative",
                got=f"{delay.min():g} s",
                limit=">= 0 s, or None for one tick",
                hint="causes come before effects: give the delay from source to target",
            )
        if delay.ndim:
            if delay.shape != self.connectivity.delay_shape():
                raise fail(
                    "delay-shape",
                    where,
                    "needs one value, or the shape of the weights",
                    got=delay.shape,
                    limit=self.connectivity.delay_shape(),
                )
            delay.setflags(write=False)
            set_(self, "delay", delay)
        else:
            set_(self, "delay", float(delay))

    def _draw_delays(self, where: str) -> None:
        law = distribution_from(self.delay, where)
        low, high = law.bounds()
        if low < 0:
            raise fail(
                "delay-negative",
                where,
                "may be negative",
                got=f"{law}, down to {low:.3g} s",
                limit=">= 0 s",
                hint="truncate it: low=... (one tick or more)",
            )
        if not isinstance(self.connectivity, Rule):
            raise fail(
                "delay-distribution",
                where,
                "can be a distribution only where the connectivity is a Rule",
                got=self.connectivity.kind,
                hint="draw them yourself: delay=law.sample(weights.shape, seed=...)",
            )
        if not np.isfinite(high):
            raise fail("delay-not-finite", where, "has no longest delay", got=law)
        object.__setattr__(self, "delay", law)

    @property
    def immediate(self) -> bool:
        """True where a synapse has delay 0: within the same tick, if the machine can."""
        delay = self.delay
        if delay is None or isinstance(delay, Distribution):
            return False
        return bool(np.size(delay)) and float(np.min(delay)) == 0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Record ``"spikes"``, ``"output"`` or a state of ``population``, every ``every`` ticks."""

    population: str
    variable: str = "spikes"
    every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", whole(f"probe {self}.every", self.every, 1))

    def __str__(self) -> str:
        return f"{self.population}.{self.variable}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """A network, checked as a whole when it is made.

    ``outputs`` names the populations whose events are the result. ``metadata`` is plain JSON data
    that other tools' formats want back (namespaced by tool); nothing here depends on it. Raises
    RanvierError with one Issue per finding.
    """

    name: str = "network"
    populations: tuple[Population, ...] = ()
    projections: tuple[Projection, ...] = ()
    outputs: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        _check_name("network", self.name)
        for name, kind in (
            ("populations", Population),
            ("projections", Projection),
            ("outputs", str),
            ("probes", Probe),
        ):
            set_(self, name, items_of(name, getattr(self, name), kind))
        set_(self, "metadata", plain(self.metadata, "metadata"))
        issues = find_issues(self)
        if issues:
            raise RanvierError(*issues)
        resolved = tuple(
            projection
            if projection.port
            else replace(projection, port=self._default_port(projection.target))
            for projection in self.projections
        )
        set_(self, "projections", resolved)

    def _default_port(self, target: str) -> str:
        model = self.population(target).model
        assert model is not None
        return model.ports[0].name

    # -- reading ------------------------------------------------------------------------------
    def population(self, name: str) -> Population:
        """By name; raises RanvierError with a did-you-mean."""
        for population in self.populations:
            if population.name == name:
                return population
        raise unknown("population", name, [p.name for p in self.populations])

    def projection(self, name: str) -> Projection:
        """By name; raises RanvierError with a did-you-mean."""
        for projection in self.projections:
            if projection.name == name:
                return projection
        raise unknown("projection", name, [p.name for p in self.projections])

    @property
    def inputs(self) -> tuple[Population, ...]:
        """The populations that take events from outside, in order."""
        return tuple(p for p in self.populations if p.is_input)

    @property
    def neurons(self) -> int:
        """Number of neurons, inputs not counted."""
        return sum(p.size for p in self.populations if not p.is_input)

    @property
    def synapses(self) -> int:
        """Number of synapses (procedural ones are counted by making them)."""
        return sum(p.connectivity.count() for p in self.projections)

    def replace(self, **changes: Any) -> Network:
        """A changed copy, checked anew."""
        return replace(self, **changes)

    def to_text(self) -> str:
        """A form to read and to compare in tests."""
        from ranvier.network._text import to_text

        return to_text(self)

    def save(self, path: Any) -> Any:
        """Write as a bundle, atomically (see :mod:`ranvier.bundle`)."""
        from ranvier.network._bundle import save

        return save(self, path)

    @property
    def hash(self) -> str:
        """SHA-256 of the content."""
        from ranvier.bundle import content_hash
        from ranvier.network._bundle import encode

        return content_hash(*encode(self))
