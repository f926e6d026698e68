"""What a neuron model is: equations, parameters with units, ports, threshold, reset, refractory.

A :class:`NeuronModel` is a statement, not code. Everything else (the CPU kernel, the torch step)
is generated from it by :mod:`ranvier.neurons._generate`.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args

from ranvier.errors import RanvierError, fail, suggest, unknown
from ranvier.neurons._dimensions import check_unit
from ranvier.neurons._expr import (
    COMPARISONS,
    FUNCTIONS,
    Expr,
    Op,
    Sym,
    depth,
    names,
    next_name,
    parse,
    size,
    substitute,
)
from ranvier.units import DIMENSIONLESS, Unit, parse_unit

__all__ = [
    "Equation",
    "NeuronModel",
    "Output",
    "Parameter",
    "Port",
    "with_reset",
    "with_threshold",
]

Output = Literal["spike", "graded", "continuous"]
PortKind = Literal["jump", "hold"]
Rounding = Literal["round", "ceil"]
EquationKind = Literal["ode", "discrete", "algebraic"]

RESERVED = frozenset({"dt", "out", "math", "refractory_left", "refractory_ticks", "reset_pending"})
MAX_ITEMS, MAX_EXPANDED, MAX_EXPANDED_DEPTH = 64, 2000, 60
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_MODEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_ODE = re.compile(r"\s*d(?P<name>\w{1,40})\s*/\s*dt\s*=(?!=)(?P<rest>.*)", re.ASCII)
_DISCRETE = re.compile(
    r"\s*(?P<name>\w{1,40})\s*\[\s*n\s*\+\s*1\s*\]\s*=(?!=)(?P<rest>.*)", re.ASCII
)
_ALGEBRAIC = re.compile(r"\s*(?P<name>\w{1,40})\s*=(?!=)(?P<rest>.*)", re.ASCII)
_HEADS: dict[EquationKind, re.Pattern[str]] = {
    "ode": _ODE, "discrete": _DISCRETE, "algebraic": _ALGEBRAIC,
}  # fmt: skip
_FORMS = "'dv/dt = ... : V', 'v[n+1] = ... : V' or 'y = ... : V'"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A constant of the model. Values are floats in coherent SI units; None: must be given."""

    name: str
    unit: str
    default: float | None = None
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Port:
    """Where synapses arrive; the engine hands over the sum x of the weights that arrive in a tick.

    ``jump``: x is added to the state ``variable`` after integration over the tick. ``hold``:
    ``variable`` is a name in the equations that equals x, constant over the tick.
    """

    name: str
    variable: str
    kind: PortKind
    unit: str
    doc: str = field(default="", compare=False)


@dataclass(frozen=True)
class Equation:
    """One parsed equation. ``kind``: ode (expr is dx/dt), discrete (the next x) or algebraic."""

    kind: EquationKind
    variable: str
    expr: Expr
    unit: Unit
    text: str


@dataclass(frozen=True, kw_only=True)
class NeuronModel:
    """A neuron model as its maths.

    ``equations``: ``"dv/dt = (v_leak - v + r*i)/tau : V"`` (the unit is that of v itself),
    ``"v[n+1] = beta*v + x : 1"`` (discrete by nature; ``syn[n+1]`` on the right is the value an
    earlier equation has just computed) or ``"y = max(x, 0) : 1"`` (a name for an expression, with
    the value of the moment at which it is used). ODE and discrete equations do not mix.

    ``threshold``: a comparison with ``>`` or ``>=``, e.g. ``"v > v_threshold"``. ``reset``:
    assignments run in order when a spike is sent. ``reset_delay`` 1 applies them at the next tick,
    after integration and jumps and before the threshold test (as snnTorch does). ``refractory``
    names a parameter in seconds, turned into ticks by ``refractory_rounding``; meanwhile the states
    in ``refractory_hold`` keep their value, deaf to input, and no spike is sent.

    ``output``: ``spike``, ``graded`` (a number sent when it is not zero, or with each spike where
    there is a threshold) or ``continuous`` (a number every tick). The number is
    ``output_expression``, by default the variable of the first equation.

    ``initial``: values or expressions of parameters at the start; states not named start at 0.

    Construction checks everything and raises RanvierError. Equal models have equal statements;
    ``doc``, ``source`` and the docs of parameters and ports do not count.
    """

    name: str
    doc: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    equations: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    ports: tuple[Port, ...] = ()
    threshold: str | None = None
    reset: tuple[str, ...] = ()
    reset_delay: int = 0
    refractory: str | None = None
    refractory_hold: tuple[str, ...] = ()
    refractory_rounding: Rounding = "round"
    output: Output = "spike"
    output_expression: str | None = None
    initial: Mapping[str, float | str] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )

    def __post_init__(self) -> None:
        for name in ("equations", "parameters", "ports", "reset", "refractory_hold"):
            value: Any = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        object.__setattr__(self, "initial", MappingProxyType(dict(self.initial)))
        _check(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return (NeuronModel.from_dict, (self.to_dict(),))

    @property
    def where(self) -> str:
        """How errors name this model."""
        return f"neuron model {self.name!r}"

    @cached_property
    def parsed(self) -> tuple[Equation, ...]:
        """The equations, in order."""
        return tuple(_parse_equations(self))

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Names of the state variables, in the order of their equations."""
        return tuple(e.variable for e in self.parsed if e.kind != "algebraic")

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        """Unit of every name: parameters, held port variables, states, algebraic variables."""
        known = {p.name: parse_unit(p.unit) for p in self.parameters}
        known |= {p.variable: parse_unit(p.unit) for p in self.ports if p.kind == "hold"}
        known |= {e.variable: e.unit for e in self.parsed}
        known |= {next_name(e.variable): e.unit for e in self.parsed}
        return MappingProxyType(known)

    @property
    def is_discrete(self) -> bool:
        """Whether the equations are of the form ``v[n+1] = ...``."""
        return any(e.kind == "discrete" for e in self.parsed)

    @property
    def defaults(self) -> dict[str, float]:
        """Values of the parameters that have a default, in SI units."""
        return {p.name: p.default for p in self.parameters if p.default is not None}

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``; RanvierError with the legal names otherwise."""
        return _find(self, "parameter", self.parameters, name)

    def port(self, name: str | None = None) -> Port:
        """The port called ``name``, or the first one."""
        if name is None and self.ports:
            return self.ports[0]
        return _find(self, "port", self.ports, str(name))

    def expand(self, expr: Expr) -> Expr:
        """``expr`` with algebraic variables replaced by their definitions."""
        return substitute(expr, self._definitions)

    @cached_property
    def _definitions(self) -> dict[str, Expr]:
        found: dict[str, Expr] = {}
        for equation in self.parsed:
            if equation.kind == "algebraic":
                self.check_size(equation.expr, equation.text, found)
                found[equation.variable] = substitute(equation.expr, found)
        return found

    def check_size(self, expr: Expr, text: str, found: Mapping[str, Expr] | None = None) -> None:
        """Refuse an expression that grows out of bounds when its algebraic names are replaced."""
        found = self._definitions if found is None else found
        used = [found[n] for n in names(expr) if n in found]
        grown = size(expr) + sum(map(size, used))
        if grown > MAX_EXPANDED or depth(expr) + max(map(depth, used), default=0) > (
            MAX_EXPANDED_DEPTH
        ):
            raise fail("equation-too-deep", self.where, "the equations grow too large when their"
                       f" algebraic names are replaced: {text[:80]!r}", got=f"{grown} terms",
                       limit=f"{MAX_EXPANDED} terms, {MAX_EXPANDED_DEPTH} levels")  # fmt: skip

    @cached_property
    def threshold_expr(self) -> Op | None:
        """The parsed threshold comparison, algebraic names replaced."""
        if self.threshold is None:
            return None
        expr = parse(self.threshold, where=f"{self.where}, threshold", allowed=_plain_names(self),
                     condition=True)  # fmt: skip
        if not isinstance(expr, Op) or expr.op not in (">", ">="):
            raise fail("bad-threshold", f"{self.where}, threshold", "not a threshold",
                       got=repr(self.threshold), limit="one comparison with > or >=",
                       hint="write 'v > v_threshold'")  # fmt: skip
        self.check_size(expr, self.threshold)
        return Op(expr.op, tuple(self.expand(a) for a in expr.args))

    @cached_property
    def reset_exprs(self) -> tuple[tuple[str, Expr], ...]:
        """Parsed resets: (state, new value), algebraic names replaced."""
        return tuple(_parse_reset(self, text) for text in self.reset)

    @cached_property
    def output_expr(self) -> Expr | None:
        """What a graded or continuous model sends, algebraic names replaced; None for spikes."""
        if self.output == "spike":
            return None
        text = self.output_expression or self.parsed[0].variable
        expr = parse(text, where=f"{self.where}, output_expression", allowed=_plain_names(self))
        self.check_size(expr, text)
        return self.expand(expr)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("equations", "reset", "refractory_hold"):
            data[name] = list(data[name])
        data["parameters"] = [asdict(p) for p in self.parameters]
        data["ports"] = [asdict(p) for p in self.ports]
        data["initial"] = dict(self.initial)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NeuronModel:
        """Read what :meth:`to_dict` wrote; the data may come from anyone, so all is checked."""
        where = "neuron model"
        values = _fields(cls, data, where)
        values["parameters"] = tuple(
            Parameter(**_fields(Parameter, p, f"{where}, parameter"))
            for p in _items(data, "parameters")
        )
        values["ports"] = tuple(
            Port(**_fields(Port, p, f"{where}, port")) for p in _items(data, "ports")
        )
        for name in ("equations", "reset", "refractory_hold"):
            values[name] = tuple(_items(data, name))
        if not isinstance(values.get("initial", {}), Mapping):
            raise fail("bad-model", where, "initial must be a mapping", got=values["initial"])
        return cls(**values)


def _items(data: Mapping[str, Any], name: str) -> list[Any]:
    value = data.get(name, [])
    if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
        raise fail("bad-model", "neuron model", f"{name} must be a list of at most {MAX_ITEMS}",
                   got=type(value).__name__)  # fmt: skip
    return list(value)


def _fields(kind: type, data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise fail("bad-model", where, "not a mapping", got=type(data).__name__)
    known = [f.name for f in fields(kind)]
    for name in data:
        if name not in known:
            raise unknown("field", name, known, where=where)
    for f in fields(kind):
        if f.name in ("name", "unit", "variable", "kind", "equations") and f.name not in data:
            raise fail("bad-model", where, f"the field {f.name!r} is missing")
    return dict(data)


Named = TypeVar("Named", Parameter, Port)


def _find(model: NeuronModel, kind: str, items: tuple[Named, ...], name: str) -> Named:
    for item in items:
        if item.name == name:
            return item
    raise unknown(kind, name, [i.name for i in items], where=model.where)


def _check(model: NeuronModel) -> None:
    """Everything that can be wrong with a model, most basic first."""
    if not isinstance(model.name, str) or not _MODEL_NAME.fullmatch(model.name):
        raise fail("bad-name", "neuron model", "not a model name", got=repr(model.name)[:80],
                   limit="letters, digits, _ . - ; at most 64")  # fmt: skip
    _check_types(model)
    known: dict[str, str] = {}
    for parameter in model.parameters:
        _claim(model, parameter.name, "parameter", known)
        _check_si(model, f"parameter {parameter.name!r}", parameter.unit)
    for port in model.ports:
        if port.kind == "hold":
            _claim(model, port.variable, "port variable", known)
        _check_si(model, f"port {port.name!r}", port.unit)
    _check_port_names(model)
    if not model.equations:
        raise fail("no-equations", model.where, "a model needs an equation", limit=_FORMS)
    for equation in model.parsed:
        _claim(model, equation.variable, "variable", known)
    kinds = {e.kind for e in model.parsed}
    if {"ode", "discrete"} <= kinds:
        raise fail("mixed-time", model.where, "differential and [n+1] equations do not mix",
                   hint="write the whole model in one of the two forms")  # fmt: skip
    _check_equations(model)
    _check_spiking(model)
    for state, value in model.initial.items():
        _check_initial(model, state, value)


def _check_types(model: NeuronModel) -> None:
    texts = [*model.equations, *model.reset, *model.refractory_hold]
    texts += [
        t for t in (model.threshold, model.refractory, model.output_expression) if t is not None
    ]
    for item in (*model.parameters, *model.ports):
        texts += [item.name, item.unit, item.doc]
        if isinstance(item, Port):
            texts += [item.variable]
            _one_of(model, f"port {item.name!r}: kind", item.kind, get_args(PortKind))
        elif item.default is not None and not _is_number(item.default):
            raise fail("bad-parameter", f"{model.where}, parameter {item.name!r}",
                       "the default must be a finite number", got=repr(item.default))  # fmt: skip
    for text in (*texts, model.doc, model.source):
        if not isinstance(text, str):
            raise fail("bad-model", model.where, "text expected", got=repr(text)[:80])
    if (
        max(len(model.equations), len(model.parameters), len(model.ports), len(model.reset))
        > MAX_ITEMS
    ):
        raise fail("model-too-large", model.where, "too many parts", limit=MAX_ITEMS)
    _one_of(model, "output", model.output, get_args(Output))
    _one_of(model, "refractory_rounding", model.refractory_rounding, get_args(Rounding))
    _one_of(model, "reset_delay", model.reset_delay, (0, 1))


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= 1e300  # also false for nan
    )


def _one_of(model: NeuronModel, what: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed or isinstance(value, bool):
        raise fail("bad-model", f"{model.where}, {what}", "not one of the choices",
                   got=repr(value)[:80], limit=", ".join(map(repr, allowed)),
                   hint=suggest(str(value), map(str, allowed)))  # fmt: skip


def _claim(model: NeuronModel, name: str, kind: str, known: dict[str, str]) -> None:
    where = f"{model.where}, {kind} {name[:60]!r}"
    if not _NAME.fullmatch(name) or "__" in name:
        raise fail("bad-name", where, "not a name", limit="letters, digits and _, a letter first,"
                   " at most 40, no double underscore")  # fmt: skip
    if name in RESERVED or name in FUNCTIONS or keyword.iskeyword(name):
        raise fail("reserved-name", where, "this name is reserved",
                   limit=f"not {', '.join(sorted(RESERVED | set(FUNCTIONS)))} or a Python keyword",
                   hint=f"rename it, e.g. {name}_")  # fmt: skip
    if name in known:
        raise fail("duplicate-name", where, f"already the name of a {known[name]}")
    known[name] = kind


def _check_si(model: NeuronModel, what: str, unit: str) -> None:
    try:
        parsed = parse_unit(unit)
    except RanvierError as error:
        issue = replace(error.issues[0], where=f"{model.where}, {what}, {error.issues[0].where}")
        raise RanvierError(issue) from None
    if parsed.scale != 1:
        coherent = Unit(DIMENSIONLESS.scale, parsed.dims)
        raise fail(
            "unit-not-si",
            f"{model.where}, {what}",
            "values are in coherent SI units",
            got=unit,
            limit=coherent,
            hint=f"write the unit as {str(coherent)!r}",
        )


def _check_port_names(model: NeuronModel) -> None:
    seen: set[str] = set()
    for port in model.ports:
        if not _NAME.fullmatch(port.name):
            raise fail("bad-name", f"{model.where}, port {port.name[:60]!r}", "not a name",
                       limit="letters, digits and _, a letter first, at most 40")  # fmt: skip
        if port.name in seen:
            raise fail("duplicate-name", f"{model.where}, port {port.name!r}", "two ports share it")
        seen.add(port.name)


def _parse_equations(model: NeuronModel) -> list[Equation]:
    """Two readings: the left-hand sides, which define names, then the right-hand sides."""
    heads: list[tuple[EquationKind, str, str, str, str]] = []
    for text in model.equations:
        where = f"{model.where}, equation {text[:80]!r}"
        if len(text) > 1200:
            raise fail("equation-too-long", where, "the text is too long", limit="1000 characters")
        body, colon, unit = text.rpartition(":")
        if not colon:
            raise fail("no-unit", where, "the unit of the variable is missing", limit=_FORMS,
                       hint="end the equation with ': V' (or ': 1' for none)")  # fmt: skip
        for kind, form in _HEADS.items():
            match = form.fullmatch(body)
            if match:
                heads.append((kind, match["name"], match["rest"], unit.strip(), text))
                break
        else:
            raise fail("bad-equation", where, "not an equation", limit=_FORMS)
    base = {p.name for p in model.parameters}
    base |= {p.variable for p in model.ports if p.kind == "hold"}
    states = {name for kind, name, *_ in heads if kind != "algebraic"}
    known = base | states
    result: list[Equation] = []
    for kind, name, rest, unit, text in heads:
        where = f"{model.where}, equation {text[:80]!r}"
        _check_si(model, f"equation {text[:80]!r}", unit)
        expr = parse(rest, where=where, allowed=known)
        result.append(Equation(kind, name, expr, parse_unit(unit), text))
        if kind == "algebraic":
            known = known | {name}
        elif kind == "discrete":
            known = known | {next_name(name)}
    return result


def _plain_names(model: NeuronModel) -> set[str]:
    return {n for n in model.units if "[" not in n}


def _check_equations(model: NeuronModel) -> None:
    second = parse_unit("s")
    for equation in model.parsed:
        where = f"{model.where}, equation {equation.text[:80]!r}"
        unit = equation.unit / second if equation.kind == "ode" else equation.unit
        check_unit(equation.expr, unit, model.units, where=where)
        model.check_size(equation.expr, equation.text)
        later = any("[" in n for n in names(equation.expr))
        if later and equation.kind == "algebraic":
            raise fail("bad-equation", where, "an algebraic equation has no [n+1]")
    for port in model.ports:
        if port.kind == "jump":
            where = f"{model.where}, port {port.name!r}"
            if port.variable not in model.states:
                raise unknown("state", port.variable, model.states, where=where)
            check_unit(Sym(port.variable), parse_unit(port.unit), model.units, where=where)


def _check_spiking(model: NeuronModel) -> None:
    test = model.threshold_expr
    if test is None:
        if model.output == "spike":
            raise fail("no-threshold", model.where, "a spiking model needs a threshold",
                       hint="give threshold=, or output='continuous'")  # fmt: skip
        for name in ("reset", "refractory"):
            if getattr(model, name):
                raise fail("no-threshold", model.where, f"a {name} needs a threshold")
    else:
        check_unit(parse_threshold(model), DIMENSIONLESS, model.units,
                   where=f"{model.where}, threshold")  # fmt: skip
        if model.output == "continuous":
            raise fail("bad-output", model.where, "a model with a threshold sends spikes",
                       limit="output 'spike' or 'graded'")  # fmt: skip
    if model.output == "spike" and model.output_expression is not None:
        raise fail("bad-output", model.where, "a spike carries no value",
                   hint="use output='graded'")  # fmt: skip
    if model.output_expression is not None:  # any unit will do, but it must have one
        expr = parse(model.output_expression, where=model.where, allowed=_plain_names(model))
        from ranvier.neurons._dimensions import unit_of

        unit_of(expr, model.units, where=f"{model.where}, output_expression")
    _ = model.reset_exprs, model.output_expr
    if model.refractory is not None:
        parameter = model.parameter(model.refractory)
        check_unit(Sym(parameter.name), parse_unit("s"), model.units,
                   where=f"{model.where}, refractory")  # fmt: skip
    elif model.refractory_hold:
        raise fail("no-refractory", model.where, "refractory_hold needs refractory=")
    for state in model.refractory_hold:
        if state not in model.states:
            raise unknown("state", state, model.states, where=f"{model.where}, refractory_hold")


def parse_threshold(model: NeuronModel) -> Expr:
    """The threshold as it is written, for its units."""
    return parse(
        model.threshold or "", where=model.where, allowed=_plain_names(model), condition=True
    )


def _parse_reset(model: NeuronModel, text: str) -> tuple[str, Expr]:
    where = f"{model.where}, reset {text[:80]!r}"
    match = _ALGEBRAIC.fullmatch(text) if len(text) <= 1200 else None
    if match is None:
        raise fail("bad-reset", where, "not an assignment", limit="e.g. 'v = v_reset'",
                   hint="comparisons belong in where(condition, a, b)")  # fmt: skip
    if match["name"] not in model.states:
        raise unknown("state", match["name"], model.states, where=where)
    expr = parse(match["rest"], where=where, allowed=_plain_names(model))
    check_unit(expr, model.units[match["name"]], model.units, where=where)
    model.check_size(expr, text)
    return match["name"], model.expand(expr)


def _check_initial(model: NeuronModel, state: str, value: object) -> None:
    where = f"{model.where}, initial"
    if state not in model.states:
        raise unknown("state", state, model.states, where=where)
    if isinstance(value, str):
        expr = parse(value, where=where, allowed={p.name for p in model.parameters})
        check_unit(expr, model.units[state], model.units, where=where)
    elif not _is_number(value):
        raise fail("bad-initial", where, f"{state!r} must start at a number or an expression",
                   got=repr(value)[:80])  # fmt: skip


def with_reset(
    model: NeuronModel, kind: Literal["value", "subtract", "none"], *, delay: int = 0
) -> NeuronModel:
    """The same model with another reset of the variable in its threshold ``v > v_threshold``.

    ``value``: ``v = v_reset`` (to 0 where the model has no such parameter). ``subtract``:
    ``v = v - v_threshold``. ``none``: v goes on. Resets of other states stay. ``delay`` 1 applies
    them a tick later (see :class:`NeuronModel`).
    """
    _one_of(model, "with_reset", kind, ("value", "subtract", "none"))
    test = parse_threshold(model) if model.threshold else None
    left, right = test.args if isinstance(test, Op) else (None, None)
    if not isinstance(left, Sym) or left.name not in model.states:
        raise fail(
            "no-threshold",
            model.where,
            "the threshold does not compare a state",
            got=repr(model.threshold),
            hint="use dataclasses.replace(model, reset=...)",
        )
    others = tuple(
        t
        for t, (state, _) in zip(model.reset, model.reset_exprs, strict=True)
        if state != left.name
    )
    bound = (model.threshold or "").split(">")[-1].lstrip("=").strip()
    assert right is not None
    has_value = any(p.name == f"{left.name}_reset" for p in model.parameters)
    text = {
        "value": (f"{left.name} = {left.name}_reset" if has_value else f"{left.name} = 0",),
        "subtract": (f"{left.name} = {left.name} - ({bound})" if isinstance(right, Op)
                     else f"{left.name} = {left.name} - {bound}",),
        "none": (),
    }[kind]  # fmt: skip
    return replace(model, reset=text + others, reset_delay=delay)


def with_threshold(model: NeuronModel, *, comparison: Literal[">", ">="]) -> NeuronModel:
    """The same model with a strict or an inclusive threshold."""
    _one_of(model, "with_threshold", comparison, COMPARISONS[2:4])
    if model.threshold is None:
        raise fail("no-threshold", model.where, "the model has no threshold")
    text = re.sub(r"\s*>=?\s*", f" {comparison} ", model.threshold, count=1)
    return replace(model, threshold=text.strip())
