"""From a model's statement to one tick of arithmetic.

A tick, in this order, for every generated kernel and torch step:

1. ports: the sums that arrive at this tick, Poisson counts last, then times the port's scale;
2. a refractory neuron (``refractory_left > 0``) keeps the states in ``refractory_hold``;
3. the others are integrated over dt, with held ports constant;
4. jumps are added (not to states that are held);
5. a reset left over from the last tick (``reset_pending``) is applied;
6. the threshold is tested, unless the neuron is refractory;
7. a spike resets (or sets ``reset_pending``) and starts the refractory count.

A neuron that spikes at tick t with n refractory ticks is held at t+1 .. t+n and can spike again at
t+n+1, as NEST's iaf models do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import Issue, RanvierError, fail, unknown
from ranvier.neurons._algebra import add, multiply
from ranvier.neurons._expr import (
    Assign,
    Expr,
    Num,
    Op,
    Sym,
    evaluate,
    names,
    next_name,
    parse,
    show,
    substitute,
)
from ranvier.neurons._kernel import Kernel
from ranvier.neurons._lower import StepIR, kernel_text, lower
from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Port
from ranvier.neurons._schemes import METHODS, Update, default_method, update

__all__ = ["Discrete", "discretise"]

Value = float | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Discrete:
    """A model at one dt. ``values`` has an entry for each of ``kernel.params``, ``initial`` one for
    each of ``kernel.state``: a float, or float64 [n] where a parameter was given per neuron.

    ``label`` says how exact the arithmetic is (severity ``exact`` or ``approximate``). A change of
    dt or of a parameter changes ``values`` only, so the kernel need not be compiled again (the one
    exception: a refractory time that is zero for all neurons leaves the refractory code out).
    """

    model: NeuronModel
    dt: float
    method: str
    kernel: Kernel
    values: dict[str, Value]
    initial: dict[str, Value]
    step_ir: StepIR
    label: Issue


def discretise(
    model: NeuronModel,
    parameters: Mapping[str, float | NDArray[np.float64]],
    dt: float,
    method: str | None = None,
    *,
    ports: Sequence[str] | None = None,
) -> Discrete:
    """Turn ``model`` with these parameters into one tick of ``dt`` seconds.

    ``parameters`` are floats or arrays [n] in SI units; those not given take their default.
    ``method``: ``exact`` (linear models, the default for them), ``exponential_euler`` (the default
    for others), ``exponential_midpoint``, ``euler``, ``euler_sequential``, ``euler_halves``,
    ``rk4``, ``rk4_split`` (RK4 given the exact course of the linear states), or ``discrete`` for
    [n+1] equations, for which dt is the model's own and only the refractory time depends on it.
    ``ports`` keeps only those ports (the others receive nothing but their Poisson noise, where the
    model has one), which makes a smaller kernel. Raises RanvierError.
    """
    if not (isinstance(dt, int | float | np.floating) and 0 < dt < np.inf):
        raise fail("bad-dt", model.where, "dt must be a positive number of seconds", got=repr(dt))
    values = _values(model, parameters)
    chosen = tuple(model.ports if ports is None else (model.port(p) for p in ports))
    method = _method(model, method)
    values["dt"] = float(dt)
    scheme = update(model, method, values, float(dt))
    _check_finite(model, scheme, values)
    refractory, label = _refractory(model, values, float(dt), scheme.label)
    statements, state = _tick(model, scheme, chosen, refractory is not None)
    available: dict[str, Value] = {f"p_{n}": v for n, v in values.items()}
    available |= {f"p_{n}": v for n, v in scheme.values.items()}
    available |= _port_values(model, values, float(dt))
    if refractory is not None:
        available["p_refractory_ticks"] = refractory
    body = lower(statements)
    used = {n for s in body for n in names(s.value)}
    draws = tuple((f"d_{n.name}", n) for n in model.noises if f"d_{n.name}" in used)
    used |= {f"p_{n.name}__mean" for _, n in draws if n.kind == "poisson"}
    params = tuple(n[2:] for n in available if n in used)
    kinds = tuple((d, f"poisson:{n.name}__mean" if n.rate else n.kind) for d, n in draws)
    step = StepIR(tuple(body), state, tuple(p.name for p in chosen), params, kinds)
    initial = {s: _initial(model, s, values) for s in state}
    return Discrete(
        model=model, dt=float(dt), method=method, kernel=kernel_text(model, step), step_ir=step,
        values={n: available[f"p_{n}"] for n in params}, initial=initial, label=label,
    )  # fmt: skip


def _values(model: NeuronModel, parameters: Mapping[str, Any]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    known = [p.name for p in model.parameters]
    for name in parameters:
        if name not in known:
            raise unknown("parameter", name, known, where=model.where)
    length: tuple[str, int] | None = None
    for parameter in model.parameters:
        where = f"{model.where}, parameter {parameter.name!r}"
        given = parameters.get(parameter.name, parameter.default)
        if given is None:
            raise fail("missing-parameter", where, "no value was given and there is no default",
                       limit=f"a number in {parameter.unit}")  # fmt: skip
        try:
            array = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise fail("bad-parameter", where, "not a number", got=repr(given)[:80]) from None
        if array.ndim > 1 or array.size == 0 or not np.all(np.isfinite(array)):
            raise fail("bad-parameter", where, "needs a finite number or a vector of them",
                       got=f"shape {array.shape}, {array.ravel()[:4]}")  # fmt: skip
        if array.ndim == 1:
            if length and length[1] != array.size:
                raise fail(
                    "bad-parameter",
                    where,
                    "vectors of different length",
                    got=array.size,
                    limit=f"{length[1]}, the length of {length[0]!r}",
                )
            length = (parameter.name, array.size)
        result[parameter.name] = float(array) if array.ndim == 0 else array
    return result


def _port_values(model: NeuronModel, values: Mapping[str, Value], dt: float) -> dict[str, Value]:
    """Means per tick of the Poisson noises, scales of the ports."""
    found: dict[str, Value] = {}
    for noise in model.noises:
        if noise.rate:
            rate = np.asarray(values[noise.rate])
            if np.any(rate < 0):
                raise fail("bad-parameter", f"{model.where}, parameter {noise.rate!r}",
                           "a rate is negative", got=f"{rate.min()} 1/s")  # fmt: skip
            found[f"p_{noise.name}__mean"] = _value(rate * dt)
    for port in model.ports:
        scale = _scale(port)
        if scale is not None:
            value = evaluate(scale, values)
            if not np.all(np.isfinite(value)):
                raise _not_finite(model, f"the scale {port.scale!r} of port {port.name!r}", values)
            found[f"p_{port.name}__scale"] = _value(value)
    return found


def _value(array: Any) -> Value:
    return float(array) if np.ndim(array) == 0 else np.asarray(array, dtype=np.float64)


def _scale(port: Port) -> Expr | None:
    expr = parse(port.scale, where=f"port {port.name!r}")
    return None if expr == Num(1.0) else expr


def _arrivals(model: NeuronModel, ports: Sequence[Port]) -> tuple[list[Assign], dict[str, Expr]]:
    """What each port adds to a state or is in the equations, by port; 0 if nothing can arrive."""
    body: list[Assign] = []
    found: dict[str, Expr] = {}
    for port in model.ports:
        total: Expr = Sym(f"x_{port.name}") if port in ports else Num(0.0)
        plain = total
        for noise in model.noises:  # after the synapses
            if noise.port == port.name:
                part = Op("*", (Sym(f"p_{noise.weight}"), Sym(f"d_{noise.name}")))
                total = add(total, part)
        if total != Num(0.0) and _scale(port) is not None:
            total = Op("*", (total, Sym(f"p_{port.name}__scale")))
        if total != plain:
            body.append(Assign(f"in_{port.name}", total))
            total = Sym(f"in_{port.name}")
        found[port.name] = total
    return body, found


def _method(model: NeuronModel, method: str | None) -> str:
    if method is None or not model.states:
        return default_method(model)
    if method not in METHODS:
        raise unknown("method", method, METHODS, where=model.where)
    if model.is_discrete != (method == "discrete"):
        raise fail("wrong-method", model.where,
                   "equations v[n+1] = ... have no other method than 'discrete'"
                   if model.is_discrete else "the model is not discrete by nature",
                   got=method, hint="leave method out")  # fmt: skip
    return method


def _check_finite(model: NeuronModel, scheme: Update, values: Mapping[str, Value]) -> None:
    for equation in model.parsed:  # a zero time constant in a model that is not exact
        for term in _constant_terms(equation.expr, model):
            if not np.all(np.isfinite(evaluate(term, values))):
                raise _not_finite(model, f"{show(term)!r}", values)

    for name, value in scheme.values.items():
        if not np.all(np.isfinite(value)):
            raise _not_finite(model, f"the coefficient {name!r} of the update", values)


def _constant_terms(expr: Expr, model: NeuronModel) -> list[Expr]:
    fixed = {p.name for p in model.parameters}
    if not isinstance(expr, Op):
        return []
    if expr.op == "/" and set(names(expr.args[1])) <= fixed:
        return [Op("/", (Num(1.0), expr.args[1])), *_constant_terms(expr.args[0], model)]
    return [t for a in expr.args if expr.op != "where" for t in _constant_terms(a, model)]


def _not_finite(model: NeuronModel, what: str, values: Mapping[str, Value]) -> RanvierError:
    zero = [n for n, v in values.items() if np.any(np.asarray(v) == 0)]
    return fail("not-finite", model.where, f"{what} is not finite",
                limit="finite numbers",
                hint=f"check the parameters that are zero: {', '.join(zero)}" if zero else
                "check the parameters for extreme values")  # fmt: skip


def _refractory(
    model: NeuronModel, values: Mapping[str, Value], dt: float, label: Issue
) -> tuple[Value | None, Issue]:
    """Refractory ticks (None when there are none anywhere) and the label with their rounding."""
    if model.refractory is None:
        return None, label
    time = np.asarray(values[model.refractory])
    where = f"{model.where}, parameter {model.refractory!r}"
    if np.any(time < 0):
        raise fail("bad-parameter", where, "a refractory time is negative", got=time.min())
    exact = time / dt
    # 0.3/0.1 must be 3 ticks: quotients of decimal fractions are a few ulp off
    if model.refractory_rounding == "round":
        ticks = np.floor(exact + 0.5)
    else:
        ticks = np.ceil(exact * (1 - 1e-12))
    if np.any(np.abs(ticks - exact) > 1e-6 * np.maximum(1.0, exact)):
        worst = np.abs(ticks - exact).max() * dt
        text = f"{label.message}; refractory times are rounded to ticks, by up to {worst:.3g} s"
        label = Issue(code=label.code, severity="approximate", where=label.where, message=text)
    if not np.any(ticks):
        return None, label
    return (float(ticks) if ticks.ndim == 0 else ticks), label


def _without_zeros(expr: Expr) -> Expr:
    """Drop the terms of ports that were left out."""
    if not isinstance(expr, Op):
        return expr
    args = tuple(_without_zeros(a) for a in expr.args)
    match expr.op:
        case "+":
            return add(*args)
        case "*":
            return multiply(*args)
        case "-" if args[1] == Num(0.0):
            return args[0]
        case _:
            return Op(expr.op, args)


_HELD = Op(">", (Sym("s_refractory_left"), Num(0.0)))


def _tick(
    model: NeuronModel, scheme: Update, ports: Sequence[Port], refractory: bool
) -> tuple[list[Assign], tuple[str, ...]]:
    """All statements of a tick, and the names of the kernel's states."""
    before: dict[str, Expr] = {s: Sym(f"s_{s}") for s in model.states}
    after: dict[str, Expr] = {s: Sym(f"n_{s}") for s in model.states}
    fixed: dict[str, Expr] = {p.name: Sym(f"p_{p.name}") for p in model.parameters}
    fixed |= {n.name: Sym(f"d_{n.name}") for n in model.noises} | {"dt": Sym("p_dt")}
    body, arriving = _arrivals(model, ports)
    fixed |= {p.variable: arriving[p.name] for p in model.ports if p.kind == "hold"}
    late = {**fixed, **after}

    def held(free: Expr, kept: Expr) -> Expr:
        return Op("hold", (_HELD, kept, free)) if refractory else free

    scope = {**fixed, **before, **{next_name(s): after[s] for s in model.states}}
    scope |= {f"${n}": Sym(f"p_{n}") for n in ("dt", *scheme.values)}
    scope |= {s.target: Sym(f"k_{s.target[1:]}") for s in scheme.statements if "$" in s.target}
    absent = any(value == Num(0.0) for value in fixed.values())
    for statement in scheme.statements:
        expr = substitute(statement.value, scope)
        expr = _without_zeros(expr) if absent else expr
        if statement.target in model.refractory_hold:  # a stage slope or a state
            expr = held(expr, before[statement.target])
        elif statement.held is not None:
            other = substitute(statement.held, scope)
            expr = held(expr, _without_zeros(other) if absent else other)
        target = after.get(statement.target) or scope[statement.target]
        body.append(Assign(show(target), expr))
    for port in model.ports:
        x = arriving[port.name]
        if port.kind == "jump" and x != Num(0.0):
            state = after[port.variable]
            free: Expr = Op("+", (state, x))
            expr = held(free, state) if port.variable in model.refractory_hold else free
            body.append(Assign(f"n_{port.variable}", expr))
    state = model.states
    resets = [(s, substitute(e, late)) for s, e in model.reset_exprs]
    if model.reset_delay and resets:
        pending = Sym("s_reset_pending")
        body += [Assign(f"n_{s}", Op("reset", (pending, e, after[s]))) for s, e in resets]
    out = None if model.output_expr is None else substitute(model.output_expr, late)
    test = model.threshold_expr
    if test is not None:
        spike: Expr = Op(f"spike{test.op}", tuple(substitute(a, late) for a in test.args))
        if refractory:
            spike = Op("hold", (_HELD, Num(0.0), spike))
        body.append(Assign("spike", spike))
        spike = Sym("spike")
        out = spike if out is None else Op("*", (spike, out))
        body.append(Assign("out", out))
        if not model.reset_delay:
            body += [Assign(f"n_{s}", Op("reset", (spike, e, after[s]))) for s, e in resets]
        if refractory:
            state = (*state, "refractory_left")
            left = Op("relu", (Op("-", (Sym("s_refractory_left"), Num(1.0))),))
            fired = Op(">", (spike, Num(0.0)))
            count = Op("hold", (fired, Sym("p_refractory_ticks"), left))
            body.append(Assign("n_refractory_left", count))
        if model.reset_delay and resets:
            state = (*state, "reset_pending")
            body.append(Assign("n_reset_pending", spike))
    else:
        assert out is not None
        body.append(Assign("out", out))
    return body, state


def _initial(model: NeuronModel, state: str, values: Mapping[str, Value]) -> Value:
    start = model.initial.get(state, 0.0)
    if not isinstance(start, str):
        return float(start)
    expr = parse(start, where=model.where)
    found = evaluate(expr, values)
    if not np.all(np.isfinite(found)):
        raise _not_finite(model, f"the initial value {start!r}", values)
    return float(found) if np.ndim(found) == 0 else np.asarray(found, dtype=np.float64)
