"""What to compute: populations, projections, inputs, outputs and probes, in SI units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranvier.errors import Issue, RanvierError, fail, suggest, unknown
from ranvier.network._connectivity import Connectivity, Dense
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


def _values(where: str, given: Mapping[str, ArrayLike], size: int, legal: Iterable[str]) -> Values:
    names = list(legal)
    result: dict[str, float | NDArray[np.float64]] = {}
    for name, value in given.items():
        place = f"{where}.{name}"
        if name not in names:
            raise unknown("parameter", name, names, where=place)
        try:
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise fail("parameter-dtype", place, "must be a number or one per neuron") from error
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
            raise fail("parameter-not-finite", place, "holds NaN or infinity")
        array.setflags(write=False)
        result[name] = float(array) if array.ndim == 0 else array
    return result


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
        raw: Any = self.shape
        shape = (int(raw),) if np.ndim(raw) == 0 else tuple(int(v) for v in raw)
        if not shape or min(shape) < 1:
            raise fail("population-shape", self.name, "needs positive sizes", got=self.shape)
        set_(self, "shape", shape)
        if isinstance(self.model, str):
            set_(self, "model", get_model(self.model))
        if self.dt is not None and not (np.isfinite(self.dt) and self.dt > 0):
            raise fail("population-dt", self.name, "dt must be positive seconds", got=self.dt)
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
        set_(self, "parameters", {p.name: given[p.name] for p in model.parameters})
        states = list(model.states)
        initial = _values(f"{self.name}.initial", self.initial, self.size, states)
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
    """

    source: str
    target: str
    connectivity: Connectivity
    port: str = ""
    delay: float | NDArray[np.float64] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        if not self.name:
            set_(self, "name", f"{self.source}->{self.target}")
        connectivity: Any = self.connectivity
        if not isinstance(connectivity, Connectivity):
            set_(self, "connectivity", Dense(connectivity))
        if self.delay is None:
            return
        delay = np.array(self.delay, dtype=np.float64)
        where = f"{self.name}.delay"
        if not np.all(np.isfinite(delay)):
            raise fail("delay-not-finite", where, "holds NaN or infinity")
        if np.any(delay < 0):
            raise fail(
                "delay-negative",
                where,
                "must not be negative",
                got=f"{delay.min():g} s",
                limit=">= 0 s, or None for one tick",
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


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Record ``"spikes"``, ``"output"`` or a state of ``population``, every ``every`` ticks."""

    population: str
    variable: str = "spikes"
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise fail("probe-every", str(self), "must be at least 1 tick", got=self.every)

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
        for name in ("populations", "projections", "outputs", "probes"):
            set_(self, name, tuple(getattr(self, name)))
        issues = _find_issues(self)
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


def _issue(code: str, where: str, message: str, **more: Any) -> Issue:
    hint = more.pop("hint", "")
    return Issue(
        code=code,
        severity="error",
        where=where,
        message=message,
        got=str(more.get("got", "")),
        limit=str(more.get("limit", "")),
        hint=(hint,) if hint else (),
    )


def _find_issues(network: Network) -> list[Issue]:
    issues: list[Issue] = []
    known: dict[str, Population] = {}
    for population in network.populations:
        if population.name in known:
            issues.append(
                _issue("duplicate-name", population.name, "two populations have this name")
            )
        known[population.name] = population
    names: set[str] = set()
    for projection in network.projections:
        if projection.name in names:
            issues.append(
                _issue(
                    "duplicate-name",
                    projection.name,
                    "two projections have this name",
                    hint="give one of them name='...'",
                )
            )
        names.add(projection.name)
        issues += _projection_issues(projection, known)
    for output in network.outputs:
        if output not in known:
            issues.append(
                _issue(
                    "unknown-population",
                    "outputs",
                    "unknown population",
                    got=repr(output),
                    limit=", ".join(known),
                    hint=suggest(output, known),
                )
            )
    for probe in network.probes:
        issues += _probe_issues(probe, known)
    if not issues:
        issues += _cycle_issues(network)
    return issues


def _projection_issues(projection: Projection, known: Mapping[str, Population]) -> list[Issue]:
    where, issues = projection.name, list[Issue]()
    for end in ("source", "target"):
        name = getattr(projection, end)
        if name not in known:
            issues.append(
                _issue(
                    "unknown-population",
                    f"{where}.{end}",
                    "unknown population",
                    got=repr(name),
                    limit=", ".join(known),
                    hint=suggest(name, known),
                )
            )
    if issues:
        return issues
    source, target = known[projection.source], known[projection.target]
    if target.model is None:
        return [
            _issue(
                "input-as-target",
                f"{where}.target",
                "an input cannot receive synapses",
                got=target.name,
                hint="connect to a population with a neuron model",
            )
        ]
    sizes = projection.connectivity.sizes()
    if sizes != (source.size, target.size):
        issues.append(
            _issue(
                "projection-shape",
                where,
                "connectivity does not fit the populations",
                got=f"{sizes[0]} -> {sizes[1]}",
                limit=f"{source.size} ({source.name}) -> {target.size} ({target.name})",
            )
        )
    ports = [port.name for port in target.model.ports]
    if projection.port and projection.port not in ports:
        issues.append(
            _issue(
                "unknown-port",
                f"{where}.port",
                f"model {target.model.name} has no such port",
                got=repr(projection.port),
                limit=", ".join(ports),
                hint=suggest(projection.port, ports),
            )
        )
    if not ports:
        issues.append(_issue("unknown-port", where, f"model {target.model.name} takes no synapses"))
    return issues


def _probe_issues(probe: Probe, known: Mapping[str, Population]) -> list[Issue]:
    if probe.population not in known:
        return [
            _issue(
                "unknown-population",
                f"probe {probe}",
                "unknown population",
                got=repr(probe.population),
                limit=", ".join(known),
                hint=suggest(probe.population, known),
            )
        ]
    model = known[probe.population].model
    legal = ["spikes"] if model is None else ["spikes", "output", *model.states]
    if probe.variable not in legal:
        return [
            _issue(
                "unknown-variable",
                f"probe {probe}",
                "nothing of this name to record",
                got=repr(probe.variable),
                limit=", ".join(legal),
                hint=suggest(probe.variable, legal),
            )
        ]
    return []


def _cycle_issues(network: Network) -> list[Issue]:
    """A loop of zero delays has no order in which to compute it."""
    direct: dict[str, list[str]] = {}
    for projection in network.projections:
        delay = projection.delay
        if delay is not None and np.size(delay) and float(np.min(delay)) == 0:
            direct.setdefault(projection.source, []).append(projection.target)
    state: dict[str, int] = {}
    for root in direct:
        stack = [(root, iter(direct.get(root, ())))]
        if state.get(root):
            continue
        state[root] = 1
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif state.get(following) == 1:
                return [
                    _issue(
                        "zero-delay-loop",
                        f"{node}->{following}",
                        "closes a loop of projections without delay",
                        hint="give one projection of the loop delay=None (one tick)",
                    )
                ]
            elif not state.get(following):
                state[following] = 1
                stack.append((following, iter(direct.get(following, ()))))
    return []
