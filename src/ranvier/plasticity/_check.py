"""Everything that can be wrong with a plasticity rule, told in the user's terms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from ranvier.errors import RanvierError, fail, suggest, unknown
from ranvier.neurons._algebra import multiply, negate
from ranvier.neurons._dimensions import check_unit, unit_of
from ranvier.neurons._expr import Expr, Num, Op, Sym, names, parse
from ranvier.neurons._statement import ASSIGNMENT, check_title, claim, is_number
from ranvier.plasticity._parts import (
    Jump,
    Parameter,
    Read,
    Side,
    SynapseVariable,
    ThirdFactor,
    Trace,
)
from ranvier.units import DIMENSIONLESS, Unit, parse_unit

if TYPE_CHECKING:
    from ranvier.plasticity._rule import PlasticityRule

__all__ = ["MAX_ITEMS", "Monomial", "check", "parse_drift", "parse_updates", "weight_unit"]

RESERVED = frozenset({"dt", "u", "w", "math"})
MAX_ITEMS, MAX_TERMS = 32, 64
_DRIFT = re.compile(r"\s*dw\s*/\s*dt\s*=(?!=)(?P<rest>.*)", re.ASCII)
_WEIGHT = parse_unit("cd")
"""The weight's unit is not known to a rule: a dimension of its own, which no rule needs."""


def weight_unit(text: str) -> Unit:
    """The unit ``text``, in which ``w`` stands for the unit of the weight."""
    if re.search(r"(cd|lm|lx)\b", text):
        raise fail("bad-unit", f"unit {text!r}", "light does not occur in plasticity",
                   hint="write w for the unit of the weight")  # fmt: skip
    return parse_unit(re.sub(r"\bw\b", "cd", text))


@dataclass(frozen=True)
class Monomial:
    """``factor`` (of parameters only) times the product of decaying ``names``."""

    factor: Expr
    names: tuple[str, ...]


def check(rule: PlasticityRule) -> dict[str, Unit]:
    """Everything that can be wrong with a rule, most basic first; the units of all names."""
    check_title(rule.name, "plasticity rule", "rule")
    _check_types(rule)
    known: dict[str, str] = {}
    units: dict[str, Unit] = {"w": _WEIGHT, "u": DIMENSIONLESS}
    for parameter in rule.parameters:
        claim(rule.where, parameter.name, "parameter", known, RESERVED)
        units[parameter.name] = _unit(rule, f"parameter {parameter.name!r}", parameter.unit)
    fixed = set(known)
    for trace in rule.traces:
        claim(rule.where, trace.name, "trace", known, RESERVED)
        where = f"{rule.where}, trace {trace.name!r}"
        _check_tau(rule, trace.tau, where)
        increment = parse(trace.increment, where=f"{where}, increment", allowed=fixed)
        unit = unit_of(increment, units, where=f"{where}, increment") or DIMENSIONLESS
        if trace.bound is not None:
            bound = parse(trace.bound, where=f"{where}, bound", allowed=fixed)
            _told(rule, bound, unit, units, f"{where}, bound")
        units[trace.name] = unit
    for variable in rule.variables:
        claim(rule.where, variable.name, "variable", known, RESERVED)
        if variable.tau is not None:
            _check_tau(rule, variable.tau, f"{rule.where}, variable {variable.name!r}")
        units[variable.name] = _unit(rule, f"variable {variable.name!r}", variable.unit)
    third = rule.third_factor
    if third is not None:
        where = f"{rule.where}, third factor {third.name!r}"
        claim(rule.where, third.name, "third factor", known, RESERVED)
        _check_tau(rule, third.tau, where)
        units[third.name] = _unit(rule, f"third factor {third.name!r}", third.unit)
        if third.baseline is not None:
            base = rule.parameter(third.baseline)
            _told(rule, Sym(base.name), units[third.name], units, f"{where}, baseline")
    for bound in ("w_min", "w_max"):
        name = getattr(rule, bound)
        if name is not None:
            rule.parameter(name)
            _told(rule, Sym(name), _WEIGHT, units, f"{rule.where}, {bound}")
    if not rule.on_pre and not rule.on_post and rule.drift is None:
        raise fail("no-updates", rule.where, "the rule changes nothing",
                   hint="give on_pre=, on_post= or drift=")  # fmt: skip
    for side in ("on_pre", "on_post"):
        parse_updates(rule, side, units)
    parse_drift(rule, units)
    return units


def _check_types(rule: PlasticityRule) -> None:
    if max(map(len, (rule.parameters, rule.traces, rule.variables, rule.on_pre, rule.on_post))) > (
        MAX_ITEMS
    ):
        raise fail("rule-too-large", rule.where, "too many parts", limit=MAX_ITEMS)
    texts: list[object] = [*rule.on_pre, *rule.on_post, rule.doc, rule.source]
    optional: list[object] = [rule.drift, rule.w_min, rule.w_max]
    third = () if rule.third_factor is None else (rule.third_factor,)
    kinds = ((rule.parameters, Parameter), (rule.traces, Trace), (rule.variables, SynapseVariable),
             (third, ThirdFactor))  # fmt: skip
    for parts, kind in kinds:
        for part in parts:
            if not isinstance(part, kind):
                raise fail("bad-rule", rule.where, f"a {kind.__name__} is needed",
                           got=repr(part)[:80])  # fmt: skip
            texts += [part.name, part.doc]
            texts += [part.tau, part.increment] if isinstance(part, Trace) else [part.unit]
            optional += [getattr(part, a, None) for a in ("bound", "baseline", "tau")]
    for text in (*texts, *(o for o in optional if o is not None)):
        if not isinstance(text, str):
            raise fail("bad-rule", rule.where, "text expected", got=repr(text)[:80])
    for trace in rule.traces:
        for what, kind in (("side", Side), ("jump", Jump), ("read", Read)):
            value, allowed = getattr(trace, what), get_args(kind)
            if value not in allowed:
                raise fail("bad-rule", f"{rule.where}, trace {trace.name!r}: {what}",
                           "not one of the choices", got=repr(value)[:80],
                           limit=", ".join(map(repr, allowed)),
                           hint=suggest(str(value), allowed))  # fmt: skip
    numbers = [(f"parameter {p.name!r}", p.default) for p in rule.parameters]
    numbers = [(w, n) for w, n in numbers if n is not None]
    numbers += [(f"variable {v.name!r}", v.initial) for v in rule.variables]
    for what, number in numbers:
        if not is_number(number):
            raise fail("bad-parameter", f"{rule.where}, {what}", "a finite number is needed",
                       got=repr(number)[:80])  # fmt: skip


def _unit(rule: PlasticityRule, what: str, text: str) -> Unit:
    try:
        unit = weight_unit(text)
    except RanvierError as error:
        issue = replace(error.issues[0], where=f"{rule.where}, {what}, unit {text[:60]!r}")
        raise RanvierError(issue) from None
    if unit.scale != 1:
        raise fail("unit-not-si", f"{rule.where}, {what}", "values are in coherent SI units",
                   got=text, hint="write the unit without a prefix")  # fmt: skip
    return unit


def _check_tau(rule: PlasticityRule, name: str, where: str) -> None:
    if name not in [p.name for p in rule.parameters]:
        raise unknown("parameter", name, [p.name for p in rule.parameters], where=f"{where}, tau")
    unit = rule.parameter(name).unit
    if weight_unit(unit).dims != parse_unit("s").dims:
        raise fail("unit-mismatch", f"{where}, tau", f"{name!r} is not a time", got=unit, limit="s")


def _told(
    rule: PlasticityRule, expr: Expr, unit: Unit, units: Mapping[str, Unit], where: str
) -> None:
    """``check_unit``, with the weight's unit called w in what is told."""
    try:
        check_unit(expr, unit, units, where=where)
    except RanvierError as error:
        issue = error.issues[0]
        got, limit = (re.sub(r"\bcd\b", "w", t) for t in (issue.got, issue.limit))
        raise RanvierError(replace(issue, got=got, limit=limit)) from None


def parse_updates(
    rule: PlasticityRule, side: str, units: Mapping[str, Unit]
) -> list[tuple[str, Expr]]:
    """The assignments of ``on_pre`` or ``on_post``, parsed and with their units checked."""
    result: list[tuple[str, Expr]] = []
    targets = ["w", *(v.name for v in rule.variables)]
    for text in getattr(rule, side):
        where = f"{rule.where}, {side} {text[:80]!r}"
        match = ASSIGNMENT.fullmatch(text) if len(text) <= 1200 else None
        if match is None:
            raise fail("bad-update", where, "not an assignment", limit="e.g. 'w = w + a_plus*x'",
                       hint="comparisons belong in where(condition, a, b)")  # fmt: skip
        if match["name"] not in targets:
            raise unknown("variable", match["name"], targets, where=where)
        expr = parse(match["rest"], where=where, allowed=set(units))
        _told(rule, expr, units[match["name"]], units, where)
        result.append((match["name"], expr))
    return result


def parse_drift(rule: PlasticityRule, units: Mapping[str, Unit]) -> list[Monomial]:
    """``drift`` as a sum of products; RanvierError where it has no closed form."""
    if rule.drift is None:
        return []
    where = f"{rule.where}, drift {rule.drift[:80]!r}"
    match = _DRIFT.fullmatch(rule.drift) if len(rule.drift) <= 1200 else None
    if match is None:
        raise fail("bad-drift", where, "not a drift", limit="'dw/dt = ...'")
    third = [] if rule.third_factor is None else [rule.third_factor.name]
    decaying = {*(v.name for v in rule.variables), *third}
    allowed = {*(p.name for p in rule.parameters), *decaying}
    for name in ("w", *(t.name for t in rule.traces)):
        if re.search(rf"\b{name}\b", match["rest"]):
            raise fail("bad-drift", where, f"{name!r} has no place in a drift",
                       limit="parameters, variables of the synapse and the third factor",
                       hint="move it into on_pre or on_post")  # fmt: skip
    expr = parse(match["rest"], where=where, allowed=allowed)
    _told(rule, expr, _WEIGHT / parse_unit("s"), units, where)
    if rule.third_factor is not None and rule.third_factor.baseline is not None:
        # n is the distance from the baseline in what is integrated
        expr = _shift(expr, third[0], Sym(rule.third_factor.baseline))
    terms = _expand(expr, decaying, where)
    return [Monomial(f, n) for f, n in terms]


def _shift(expr: Expr, name: str, baseline: Expr) -> Expr:
    if expr == Sym(name):
        return Op("+", (expr, baseline))
    if isinstance(expr, Op):
        return Op(expr.op, tuple(_shift(a, name, baseline) for a in expr.args))
    return expr


def _expand(expr: Expr, decaying: set[str], where: str) -> list[tuple[Expr, tuple[str, ...]]]:
    used = Counter(n for n in names(expr) if n in decaying)
    if not used:
        return [(expr, ())]
    if isinstance(expr, Sym):
        return [(Num(1.0), (expr.name,))]
    assert isinstance(expr, Op)
    found: list[tuple[Expr, tuple[str, ...]]]
    if expr.op in ("+", "-", "neg"):
        parts = [_expand(a, decaying, where) for a in expr.args]
        if expr.op != "+":
            parts[-1] = [(negate(f), n) for f, n in parts[-1]]
        found = [term for part in parts for term in part]
    elif expr.op == "*":
        left, right = (_expand(a, decaying, where) for a in expr.args)
        found = [(multiply(f, g), (*n, *m)) for f, n in left for g, m in right]
    elif expr.op == "/" and not any(n in decaying for n in names(expr.args[1])):
        found = [(Op("/", (f, expr.args[1])), n) for f, n in _expand(expr.args[0], decaying, where)]
    else:
        raise fail("bad-drift", where, f"{expr.op!r} of a variable has no closed form",
                   limit="a sum of products")  # fmt: skip
    if len(found) > MAX_TERMS:
        raise fail("bad-drift", where, "too many terms", got=len(found), limit=MAX_TERMS)
    return found
