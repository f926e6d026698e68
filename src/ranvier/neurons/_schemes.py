"""Integration schemes: how the states move over one tick with the ports held.

Each scheme returns statements over the model's own names (``v``, ``tau``), with ``v[n+1]`` for the
updated value and ``$name`` for what the scheme itself adds (``$dt``, propagators, stages);
:mod:`._generate` puts refractoriness, jumps, threshold and reset around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier.errors import Issue, fail
from ranvier.neurons._algebra import add, derivative, multiply
from ranvier.neurons._expr import (
    Expr,
    Num,
    Op,
    Sym,
    evaluate,
    names,
    next_name,
    show,
    substitute,
)
from ranvier.neurons._linear import CONSTANT, LinearSystem, NonLinear, linear_parts, propagators
from ranvier.neurons._model import NeuronModel

__all__ = ["METHODS", "Statement", "Update", "default_method", "linear_system", "update"]


@dataclass(frozen=True)
class Statement:
    """``target = value``; ``held`` replaces the value while the neuron is refractory.

    A target that is a state means its updated value; states that keep their value while
    refractory need no ``held``.
    """

    target: str
    value: Expr
    held: Expr | None = None


@dataclass(frozen=True)
class Update:
    """Statements of a scheme, the run-time values of their ``$`` names, and a label."""

    statements: tuple[Statement, ...]
    label: Issue
    values: dict[str, Any] = field(default_factory=dict[str, Any])


def _label(model: NeuronModel, exact: bool, message: str) -> Issue:
    runaway = None if exact else _runaway(model)
    if runaway:
        message += f"; slopes see {runaway[0]} no higher than its threshold"
    return Issue(
        code="integration", severity="exact" if exact else "approximate", where=model.where,
        message=message,
    )  # fmt: skip


def _slopes(model: NeuronModel) -> dict[str, Expr]:
    return {e.variable: model.expand(e.expr) for e in model.parsed if e.kind == "ode"}


def _runaway(model: NeuronModel) -> tuple[str, Expr] | None:
    """(v, bound) of a threshold ``v > bound`` where the slope of v is not linear in v, else None.

    Past the threshold such a v runs away (exp(v), v**2) and would drag the other states with it, so
    no slope ever sees more than the bound (NEST's aeif models do the same). Where no reset sets v
    the threshold is a mark on its way and the equations are left alone.
    """
    test = model.threshold_expr
    if test is None or not isinstance(test.args[0], Sym):
        return None
    name, bound = test.args[0].name, test.args[1]
    if not any(state == name for state, _ in model.reset_exprs):
        return None  # a spike that the equations bring down themselves: Hodgkin-Huxley and its kin
    slope = _slopes(model).get(name)
    fixed = {p.name for p in model.parameters}
    if (
        slope is None
        or not set(names(bound)) <= fixed
        or name not in names(derivative(slope, name))
    ):
        return None
    return name, bound


def _tame(model: NeuronModel) -> tuple[dict[str, Expr], Callable[[str, Expr], Expr]]:
    """Slopes, and what cuts off the value of a state that they are given."""
    slopes, runaway = _slopes(model), _runaway(model)
    if runaway is None:
        return slopes, lambda state, value: value
    name, bound = runaway

    def cut(state: str, value: Expr) -> Expr:
        return Op("min", (value, bound)) if state == name else value

    if model.reset_delay:
        # without a reset in the same tick v starts the next one beyond the bound
        slopes = {s: substitute(f, {name: cut(name, Sym(name))}) for s, f in slopes.items()}
    return slopes, cut


def linear_system(model: NeuronModel) -> LinearSystem:
    """The model's ODEs as coefficients; raises NonLinear with the offending term."""
    inputs = model.inputs
    variables = {*model.states, *inputs}
    rows = {s: linear_parts(e, variables) for s, e in _slopes(model).items()}
    return LinearSystem(model.states, inputs, rows)


def default_method(model: NeuronModel) -> str:
    """``discrete`` for [n+1] equations, else the model's own ``method``, else ``exact`` if the
    equations are linear, else ``exponential_euler``."""
    if model.is_discrete:
        return "discrete"
    if model.method is not None:
        return model.method
    try:
        linear_system(model)
    except NonLinear:
        return "exponential_euler"
    return "exact"


def update(model: NeuronModel, method: str, values: Mapping[str, Any], dt: float) -> Update:
    """The scheme called ``method`` for this model, parameter values and dt (seconds)."""
    with np.errstate(all="ignore"):  # what is not finite is reported by the caller
        return METHODS[method](model, values, dt)


def _exact(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    try:
        system = linear_system(model)
    except NonLinear as error:
        raise fail(
            "not-linear",
            model.where,
            "the method 'exact' needs linear equations",
            got=f"the term {show(error.term)!r}",
            limit="terms linear in states and ports with constant coefficients",
            hint="leave method out, or use 'rk4' or 'exponential_euler'",
        ) from None
    found: dict[str, Any] = {}
    free = propagators(system, values, dt)
    held = free
    if model.refractory_hold:
        held = propagators(system.clamp(model.refractory_hold), values, dt)
    reach = system.reach()
    statements: list[Statement] = []
    for state in model.states:
        value = _combination(state, free[state], "", found)
        other = None
        # while another state stands still, a state that depends on it moves differently
        if state not in model.refractory_hold and reach[state] & {*model.refractory_hold}:
            other = _combination(state, held[state], "__held", found)
        statements.append(Statement(state, value, other))
    if not model.states:
        return Update((), _label(model, True, "stateless"))
    message = "exact for ports held over a tick (matrix exponential); spikes fall on ticks"
    return Update(tuple(statements), _label(model, True, message), found)


def _combination(
    state: str, coefficients: Mapping[str, Any], suffix: str, found: dict[str, Any]
) -> Expr:
    """Sum over names of coefficient times name, in the order of states, inputs, constant."""
    total: Expr = Num(0.0)
    if state not in coefficients:
        total = Sym(state)
    for name, value in coefficients.items():
        label = f"{state}__from__{name}{suffix}" if name else f"{state}__constant{suffix}"
        term: Expr = Num(1.0) if value is None else Sym(f"${label}")
        if name != CONSTANT:
            term = multiply(term, Sym(name))
        if value is not None:
            found[label] = float(value) if np.ndim(value) == 0 else np.asarray(value)
        total = add(total, term)
    return total


def _advance(state: Expr, step: Expr, slope: Expr) -> Expr:
    return Op("+", (state, Op("*", (step, slope))))


_DT = Sym("$dt")


def _euler(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    slopes, _ = _tame(model)
    statements = [Statement(s, _advance(Sym(s), _DT, f)) for s, f in slopes.items()]
    return Update(tuple(statements), _label(model, False, "explicit Euler, error of order dt"))


def _euler_sequential(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    done: dict[str, Expr] = {}
    statements: list[Statement] = []
    slopes, cut = _tame(model)
    for state, slope in slopes.items():
        statements.append(Statement(state, _advance(Sym(state), _DT, substitute(slope, done))))
        done[state] = cut(state, Sym(next_name(state)))
    message = "Euler, each state from those already updated, error of order dt"
    return Update(tuple(statements), _label(model, False, message))


def _euler_halves(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    """Two Euler steps of dt/2 for the first state, then one of dt for each of the others.

    Every step sees the states already updated: the scheme printed in Izhikevich 2003 (figure 1 and
    its program), which NEST's izhikevich follows with consistent_integration=False.
    """
    slopes, _ = _tame(model)
    found: dict[str, Any] = {}
    first, *others = slopes
    middle = f"$y2_{first}"
    half, slope = _per_tick(model, first, slopes[first], values, 0.5 * dt, found)
    statements = [Statement(middle, _advance(Sym(first), half, slope))]
    again = substitute(slope, {first: Sym(middle)})
    statements.append(Statement(first, _advance(Sym(middle), half, again)))
    done: dict[str, Expr] = {first: Sym(next_name(first))}  # not cut, as published
    for state in others:
        step, slope = _per_tick(model, state, slopes[state], values, dt, found)
        statements.append(Statement(state, _advance(Sym(state), step, substitute(slope, done))))
        done[state] = Sym(next_name(state))
    message = f"two Euler steps of half a tick for {first}, one for the others, error of order dt"
    return Update(tuple(statements), _label(model, False, message), found)


def _per_tick(
    model: NeuronModel,
    state: str,
    slope: Expr,
    values: Mapping[str, Any],
    h: float,
    found: dict[str, Any],
) -> tuple[Expr, Expr]:
    """(h/tau*a, f) of a slope a*f/tau with constants a and tau: they are multiplied once."""

    def constant(expr: Expr) -> bool:
        return set(names(expr)) <= {p.name for p in model.parameters}

    value = h
    if isinstance(slope, Op) and slope.op == "/" and constant(slope.args[1]):
        value = value / evaluate(slope.args[1], values)
        slope = slope.args[0]
    while isinstance(slope, Op) and slope.op == "*" and constant(slope.args[0]):
        value = value * evaluate(slope.args[0], values)
        slope = slope.args[1]
    found[f"{state}__step"] = float(value) if np.ndim(value) == 0 else value
    return Sym(f"${state}__step"), slope


def _exponential_euler(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    """x + f * (exp(J dt) - 1)/J with J = df/dx of the state itself, all else standing still.

    For f = a*x + b with a and b free of x this is the usual exponential Euler step. Where f is not
    linear in x it is the exponential Rosenbrock-Euler step (Hochbruck & Ostermann 2010, Acta
    Numerica 19:209, eq. 2.35) of that state alone.
    """
    found: dict[str, Any] = {}
    slopes, _ = _tame(model)
    statements = [
        Statement(s, _advance(Sym(s), _growth(model, s, derivative(f, s), values, dt, found), f))
        for s, f in slopes.items()
    ]
    message = "exponential Euler: exact for each state while the others stand still, order dt"
    return Update(tuple(statements), _label(model, False, message), found)


def _growth(
    model: NeuronModel,
    state: str,
    jacobian: Expr,
    values: Mapping[str, Any],
    dt: float,
    found: dict[str, Any],
    part: str = "",
) -> Expr:
    """(exp(J h) - 1)/J for h = dt, or half of it where ``part`` is "half"."""
    step = Op("*", (Num(0.5), _DT)) if part else _DT
    if jacobian == Num(0.0):
        return step
    if set(names(jacobian)) <= {p.name for p in model.parameters}:  # a number: computed once
        h = 0.5 * dt if part else dt
        value = h * evaluate(Op("expm1_over", (Sym("z"),)), {"z": evaluate(jacobian, values) * h})
        name = f"{state}__phi{part}"
        found[name] = float(value) if np.ndim(value) == 0 else value
        return Sym(f"${name}")
    return Op("*", (step, Op("expm1_over", (Op("*", (jacobian, step)),))))


def _exponential_midpoint(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    """An exponential Euler step of dt/2, then one of dt with the slopes linearised there.

    Second order, and stable however fast a gate is (Boergers & Nectow 2013, SIAM J. Sci. Comput.
    35:B623, the exponential midpoint method, for slopes a*x + b). With J = df/dx of a state at the
    midpoint y it is x + (exp(J dt) - 1)/J * (f(y) + J*(x - y_x)).
    """
    found: dict[str, Any] = {}
    slopes, cut = _tame(model)
    hold = model.refractory_hold
    statements: list[Statement] = []
    for s, f in slopes.items():
        step = _growth(model, s, derivative(f, s), values, dt, found, "half")
        kept = Sym(s) if s in hold else None
        statements.append(Statement(f"$y2_{s}", cut(s, _advance(Sym(s), step, f)), kept))
    middle: dict[str, Expr] = {s: Sym(f"$y2_{s}") for s in slopes}
    for s, f in slopes.items():
        jacobian = derivative(f, s)
        step = substitute(_growth(model, s, jacobian, values, dt, found), middle)
        if s in names(jacobian):  # not linear in itself: the tangent at the midpoint
            back = Op("*", (substitute(jacobian, middle), Op("-", (Sym(s), middle[s]))))
            slope: Expr = Op("+", (substitute(f, middle), back))
        else:
            slope = substitute(f, {n: y for n, y in middle.items() if n != s})
        statements.append(Statement(s, _advance(Sym(s), step, slope)))
    message = "exponential midpoint, error of order dt**2; spikes fall on ticks"
    return Update(tuple(statements), _label(model, False, message), found)


def _rk4(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    """The classical Runge-Kutta method of order 4; a state that is held has slope 0."""
    return Update(tuple(_stages(model, {})), _label(model, False, _RK4))


_RK4 = "Runge-Kutta of order 4, error of order dt**4; spikes fall on ticks"


def _stages(model: NeuronModel, known: Mapping[str, tuple[Expr, Expr]]) -> list[Statement]:
    """Statements of RK4; ``known`` are values at the middle and the end of the tick of states that
    are not integrated here."""
    slopes, cut = _tame(model)
    slopes = {s: f for s, f in slopes.items() if s not in known}
    half = Op("*", (Num(0.5), _DT))
    statements: list[Statement] = []
    at: dict[str, Expr] = {}
    for stage in (1, 2, 3, 4):
        for state, slope in slopes.items():
            zero = Num(0.0) if state in model.refractory_hold else None
            statements.append(Statement(f"$k{stage}_{state}", substitute(slope, at), zero))
        if stage < 4:
            step = _DT if stage == 3 else half
            at = {s: value[stage == 3] for s, value in known.items()}
            for s in slopes:
                moved = _advance(Sym(s), step, Sym(f"$k{stage}_{s}"))
                statements.append(Statement(f"$y{stage + 1}_{s}", cut(s, moved)))
                at[s] = Sym(f"$y{stage + 1}_{s}")
    for s in slopes:
        two = Num(2.0)
        total: Expr = Sym(f"$k1_{s}")
        total = Op("+", (total, Op("*", (two, Sym(f"$k2_{s}")))))
        total = Op("+", (total, Op("*", (two, Sym(f"$k3_{s}")))))
        total = Op("+", (total, Sym(f"$k4_{s}")))
        statements.append(Statement(s, _advance(Sym(s), Op("/", (_DT, Num(6.0))), total)))
    return statements


def _autonomous(model: NeuronModel) -> dict[str, Expr]:
    """Slopes of the states that form a linear system by themselves (with the inputs), unheld."""
    slopes = {s: f for s, f in _slopes(model).items() if s not in model.refractory_hold}
    while True:
        variables = {*slopes, *model.inputs}
        bad: set[str] = set()
        for state, slope in slopes.items():
            try:
                linear_parts(slope, variables)
            except NonLinear:
                bad.add(state)
            if {*names(slope)} & {*model.states} - {*slopes}:
                bad.add(state)
        if not bad:
            return slopes
        slopes = {s: f for s, f in slopes.items() if s not in bad}


def _rk4_split(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    """RK4 for the states that are not linear, given exact values of those that are.

    States that form a linear system by themselves (synaptic conductances, say) are advanced by
    their matrix exponential to the middle and the end of the tick, so a synapse faster than the
    tick costs no accuracy of its own.
    """
    linear = _autonomous(model)
    inputs = model.inputs
    rows = {s: linear_parts(f, {*linear, *inputs}) for s, f in linear.items()}
    system = LinearSystem(tuple(linear), inputs, rows)
    found: dict[str, Any] = {}
    before: list[Statement] = []
    last: list[Statement] = []
    known: dict[str, tuple[Expr, Expr]] = {}
    if linear:
        ends = (propagators(system, values, 0.5 * dt), propagators(system, values, dt))
        for state in linear:
            middle = _combination(state, ends[0][state], "__half", found)
            before.append(Statement(f"$y2_{state}", middle))
            before.append(Statement(f"$y4_{state}", _combination(state, ends[1][state], "", found)))
            last.append(Statement(state, Sym(f"$y4_{state}")))
            known[state] = (Sym(f"$y2_{state}"), Sym(f"$y4_{state}"))
    statements = (*before, *_stages(model, known), *last)
    return Update(statements, _label(model, False, _RK4), found)


def _discrete(model: NeuronModel, values: Mapping[str, Any], dt: float) -> Update:
    statements = tuple(
        Statement(e.variable, model.expand(e.expr)) for e in model.parsed if e.kind == "discrete"
    )
    return Update(statements, _label(model, True, "discrete by nature"))


METHODS: dict[str, Callable[[NeuronModel, Mapping[str, Any], float], Update]] = {
    "exact": _exact,
    "euler": _euler,
    "euler_sequential": _euler_sequential,
    "euler_halves": _euler_halves,
    "exponential_euler": _exponential_euler,
    "exponential_midpoint": _exponential_midpoint,
    "rk4": _rk4,
    "rk4_split": _rk4_split,
    "discrete": _discrete,
}
"""Integration methods by name; each takes (model, parameter values, dt in seconds)."""
