"""Everything that can be wrong with a neuron model, told in the user's terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from ranvier.errors import RanvierError, fail, suggest, unknown
from ranvier.neurons._dimensions import check_unit, unit_of
from ranvier.neurons._expr import Expr, Sym, depth, names, next_name, parse, size
from ranvier.neurons._parts import (
    METHOD_NAMES,
    Equation,
    EquationKind,
    Noise,
    NoiseKind,
    Output,
    Port,
    PortKind,
    Rounding,
)
from ranvier.neurons._statement import ASSIGNMENT, NAME, check_title, claim, is_number
from ranvier.units import DIMENSIONLESS, Unit, parse_unit

if TYPE_CHECKING:
    from ranvier.neurons._model import NeuronModel

__all__ = [
    "MAX_ITEMS",
    "check",
    "check_size",
    "one_of",
    "parse_equations",
    "parse_reset",
    "parse_threshold",
    "plain_names",
    "port_unit",
]

RESERVED = frozenset({"dt", "out", "math", "refractory_left", "refractory_ticks", "reset_pending"})
MAX_ITEMS, MAX_EXPANDED, MAX_EXPANDED_DEPTH = 64, 2000, 60
_ODE = re.compile(r"\s*d(?P<name>\w{1,40})\s*/\s*dt\s*=(?!=)(?P<rest>.*)", re.ASCII)
_DISCRETE = re.compile(
    r"\s*(?P<name>\w{1,40})\s*\[\s*n\s*\+\s*1\s*\]\s*=(?!=)(?P<rest>.*)", re.ASCII
)
_HEADS: dict[EquationKind, re.Pattern[str]] = {
    "ode": _ODE, "discrete": _DISCRETE, "algebraic": ASSIGNMENT,
}  # fmt: skip
_FORMS = "'dv/dt = ... : V', 'v[n+1] = ... : V' or 'y = ... : V'"


def check(model: NeuronModel) -> None:
    """Everything that can be wrong with a model, most basic first."""
    check_title(model.name, "neuron model", "model")
    _check_types(model)
    known: dict[str, str] = {}
    for parameter in model.parameters:
        claim(model.where, parameter.name, "parameter", known, RESERVED)
        _check_si(model, f"parameter {parameter.name!r}", parameter.unit)
    for port in model.ports:
        if port.kind == "hold":
            claim(model.where, port.variable, "port variable", known, RESERVED)
        _check_si(model, f"port {port.name!r}", port.unit)
    _check_port_names(model)
    for port in model.ports:
        _check_scale(model, port)
    for noise in model.noises:
        claim(model.where, noise.name, "noise", known, RESERVED)
        _check_noise(model, noise)
    if not model.equations:
        raise fail("no-equations", model.where, "a model needs an equation", limit=_FORMS)
    for equation in model.parsed:
        claim(model.where, equation.variable, "variable", known, RESERVED)
    kinds = {e.kind for e in model.parsed}
    if {"ode", "discrete"} <= kinds:
        raise fail("mixed-time", model.where, "differential and [n+1] equations do not mix",
                   hint="write the whole model in one of the two forms")  # fmt: skip
    if model.method is not None and (model.method == "discrete") != model.is_discrete:
        raise fail("wrong-method", model.where, "'discrete' goes with [n+1] equations, and only"
                   " with them", got=model.method, hint="leave method out")  # fmt: skip
    _check_equations(model)
    _check_spiking(model)
    for state, value in model.initial.items():
        _check_initial(model, state, value)


def _check_types(model: NeuronModel) -> None:
    texts = [*model.equations, *model.reset, *model.refractory_hold]
    single = (model.threshold, model.refractory, model.output_expression, model.method)
    texts += [t for t in single if t is not None]
    for noise in model.noises:
        texts += [noise.name, noise.rate, noise.port, noise.weight, noise.doc]
        one_of(model, f"noise {noise.name!r}: kind", noise.kind, get_args(NoiseKind))
    for item in (*model.parameters, *model.ports):
        texts += [item.name, item.unit, item.doc]
        if isinstance(item, Port):
            texts += [item.variable, item.scale]
            one_of(model, f"port {item.name!r}: kind", item.kind, get_args(PortKind))
        elif item.default is not None and not is_number(item.default):
            raise fail("bad-parameter", f"{model.where}, parameter {item.name!r}",
                       "the default must be a finite number", got=repr(item.default))  # fmt: skip
    for text in (*texts, model.doc, model.source):
        if not isinstance(text, str):
            raise fail("bad-model", model.where, "text expected", got=repr(text)[:80])
    if (
        max(
            len(model.equations),
            len(model.parameters),
            len(model.ports),
            len(model.noises),
            len(model.reset),
        )
        > MAX_ITEMS
    ):
        raise fail("model-too-large", model.where, "too many parts", limit=MAX_ITEMS)
    one_of(model, "output", model.output, get_args(Output))
    one_of(model, "refractory_rounding", model.refractory_rounding, get_args(Rounding))
    one_of(model, "reset_delay", model.reset_delay, (0, 1))
    one_of(model, "method", model.method, (None, *METHOD_NAMES))


def one_of(model: NeuronModel, what: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise RanvierError unless ``value`` is one of the choices."""
    if value not in allowed or isinstance(value, bool):
        raise fail("bad-model", f"{model.where}, {what}", "not one of the choices",
                   got=repr(value)[:80], limit=", ".join(map(repr, allowed)),
                   hint=suggest(str(value), map(str, allowed)))  # fmt: skip


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
        if not NAME.fullmatch(port.name):
            raise fail("bad-name", f"{model.where}, port {port.name[:60]!r}", "not a name",
                       limit="letters, digits and _, a letter first, at most 40")  # fmt: skip
        if port.name in seen:
            raise fail("duplicate-name", f"{model.where}, port {port.name!r}", "two ports share it")
        seen.add(port.name)


def _check_scale(model: NeuronModel, port: Port) -> None:
    where = f"{model.where}, port {port.name!r}, scale"
    expr = parse(port.scale, where=where, allowed={p.name for p in model.parameters})
    unit_of(expr, {p.name: parse_unit(p.unit) for p in model.parameters}, where=where)


def port_unit(model: NeuronModel, port: Port) -> Unit:
    """Unit of what a port adds to its state or is in the equations: its own times its scale's."""
    units = {p.name: parse_unit(p.unit) for p in model.parameters}
    scale = unit_of(parse(port.scale, where=model.where), units, where=model.where)
    return parse_unit(port.unit) * (scale or DIMENSIONLESS)


def _check_noise(model: NeuronModel, noise: Noise) -> None:
    where = f"{model.where}, noise {noise.name!r}"
    if (noise.kind == "poisson") != bool(noise.rate):
        raise fail("bad-noise", where, "rate= goes with kind 'poisson', and only with it",
                   got=f"kind {noise.kind!r}, rate {noise.rate!r}",
                   hint="name a parameter in 1/s")  # fmt: skip
    if noise.rate:
        _check_named(model, noise.rate, parse_unit("1/s"), f"{where}, rate")
    if bool(noise.port) != bool(noise.weight) or (noise.port and noise.kind != "poisson"):
        raise fail("bad-noise", where, "port= and weight= go together, with kind 'poisson'",
                   got=f"kind {noise.kind!r}, port {noise.port!r}, weight {noise.weight!r}",
                   hint="use the noise by its name in the equations instead")  # fmt: skip
    if noise.port:
        unit = parse_unit(model.port(noise.port).unit)
        _check_named(model, noise.weight, unit, f"{where}, weight")


def _check_named(model: NeuronModel, name: str, unit: Unit, where: str) -> None:
    """Raise unless ``name`` is a parameter in this unit."""
    known = {p.name: parse_unit(p.unit) for p in model.parameters}
    if name not in known:
        raise unknown("parameter", name, known, where=where)
    check_unit(Sym(name), unit, known, where=where)


def parse_equations(model: NeuronModel) -> list[Equation]:
    """Read all equations: the left-hand sides, which define names, then the right-hand sides."""
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
    base |= {"dt", *model.inputs}
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


def plain_names(model: NeuronModel) -> set[str]:
    """Names that a threshold, reset or output may use: all but the ``v[n+1]``."""
    return {n for n in model.units if "[" not in n}


def _check_equations(model: NeuronModel) -> None:
    second = parse_unit("s")
    for equation in model.parsed:
        where = f"{model.where}, equation {equation.text[:80]!r}"
        unit = equation.unit / second if equation.kind == "ode" else equation.unit
        check_unit(equation.expr, unit, model.units, where=where)
        check_size(model, equation.expr, equation.text)
        later = any("[" in n for n in names(equation.expr))
        if later and equation.kind == "algebraic":
            raise fail("bad-equation", where, "an algebraic equation has no [n+1]")
    for port in model.ports:
        if port.kind == "jump":
            where = f"{model.where}, port {port.name!r}"
            if port.variable not in model.states:
                raise unknown("state", port.variable, model.states, where=where)
            check_unit(Sym(port.variable), port_unit(model, port), model.units, where=where)


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
        expr = parse(model.output_expression, where=model.where, allowed=plain_names(model))
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
        model.threshold or "", where=model.where, allowed=plain_names(model), condition=True
    )


def parse_reset(model: NeuronModel, text: str) -> tuple[str, Expr]:
    """Read ``"state = expression"``; the expression has its algebraic names replaced."""
    where = f"{model.where}, reset {text[:80]!r}"
    match = ASSIGNMENT.fullmatch(text) if len(text) <= 1200 else None
    if match is None:
        raise fail("bad-reset", where, "not an assignment", limit="e.g. 'v = v_reset'",
                   hint="comparisons belong in where(condition, a, b)")  # fmt: skip
    if match["name"] not in model.states:
        raise unknown("state", match["name"], model.states, where=where)
    expr = parse(match["rest"], where=where, allowed=plain_names(model))
    check_unit(expr, model.units[match["name"]], model.units, where=where)
    check_size(model, expr, text)
    return match["name"], model.expand(expr)


def _check_initial(model: NeuronModel, state: str, value: object) -> None:
    where = f"{model.where}, initial"
    if state not in model.states:
        raise unknown("state", state, model.states, where=where)
    if isinstance(value, str):
        expr = parse(value, where=where, allowed={p.name for p in model.parameters})
        check_unit(expr, model.units[state], model.units, where=where)
    elif not is_number(value):
        raise fail("bad-initial", where, f"{state!r} must start at a number or an expression",
                   got=repr(value)[:80])  # fmt: skip


def check_size(
    model: NeuronModel, expr: Expr, text: str, found: Mapping[str, Expr] | None = None
) -> None:
    """Refuse an expression that grows out of bounds when its algebraic names are replaced."""
    found = model.definitions if found is None else found
    used = [found[n] for n in names(expr) if n in found]
    grown = size(expr) + sum(map(size, used))
    levels = depth(expr) + max(map(depth, used), default=0)
    if grown > MAX_EXPANDED or levels > MAX_EXPANDED_DEPTH:
        raise fail(
            "equation-too-deep",
            model.where,
            f"grows too large when its algebraic names are replaced: {text[:80]!r}",
            got=f"{grown} terms, {levels} levels",
            limit=f"{MAX_EXPANDED} terms, {MAX_EXPANDED_DEPTH} levels",
        )
