"""The step backwards: gradients of a tick as straight-line statements, from the tick's own.

Reverse accumulation over the statements of a :class:`StepIR` (Linnainmaa 1976, BIT 16:146), with
the symbolic derivatives of :mod:`._algebra` inside each of them. A spike has the surrogate's
derivative; a reset is ``s*new + (1 - s)*old``, so that the gradient also flows through the spike,
or a plain choice where that is not wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ranvier.neurons._algebra import add, derivative, multiply, negate
from ranvier.neurons._expr import Assign, Expr, Num, Op, Sym, names, substitute
from ranvier.neurons._lower import StepIR, body_text, lower
from ranvier.neurons._surrogate import Surrogate

__all__ = ["Adjoint", "adjoint"]

_ONE, _ZERO = Num(1.0), Num(0.0)
TRIALS = 4000
"""Sets of values that are tried before all inputs are kept."""
COUNTERS = ("refractory_left",)
"""States that only count: no gradient flows through them."""


@dataclass(frozen=True)
class Adjoint:
    """A tick and its gradient.

    ``forward``: the step's statements, each name assigned once; results are ``results[state]`` and
    ``out``. ``saved``: what to keep of a tick. ``again``: what is computed anew from that.
    ``back``: from ``given``, the gradient of the output, and ``next_<state>`` of the states after
    the tick, to ``g_<name>`` of each of ``wanted``: ``s_<state>``, ``x_<port>``, ``p_<parameter>``;
    a name that is in ``flat`` has no gradient.
    """

    step: StepIR
    forward: tuple[Assign, ...]
    results: Mapping[str, str]
    out: str
    saved: tuple[str, ...]
    again: tuple[Assign, ...]
    back: tuple[Assign, ...]
    wanted: tuple[str, ...]
    flat: tuple[str, ...]

    @property
    def gradients(self) -> tuple[str, ...]:
        """Those of ``wanted`` that have one."""
        return tuple(name for name in self.wanted if name not in self.flat)

    @property
    def after(self) -> tuple[str, ...]:
        """States whose gradient comes from the tick after."""
        return tuple(s for s in self.step.state if s not in COUNTERS)

    def texts(self) -> tuple[tuple[str, ...], str, str]:
        """(helpers, source of ``forward``, source of ``backward``): scalar functions of numbers.

        ``forward(states, ports, params)`` returns (new states, out, saved);
        ``backward(saved, params, given, next states)`` returns ``gradients``. All are
        positional, in those orders.
        """
        params = [f"p_{p}" for p in self.step.params]
        first = [f"s_{s}" for s in self.step.state] + [f"x_{p}" for p in self.step.ports]
        lines, helpers = body_text(self.forward)
        results = [*(self.results[s] for s in self.step.state), self.out, *self.saved]
        forward = _function("forward", [*first, *params], lines, results)
        lines, more = body_text((*self.again, *self.back))
        given = [*self.saved, *params, "given", *(f"next_{s}" for s in self.after)]
        backward = _function("backward", given, lines, [f"g_{n}" for n in self.gradients])
        return tuple(dict.fromkeys((*helpers, *more))), forward, backward


def adjoint(
    step: StepIR,
    surrogate: Surrogate,
    *,
    detach_reset: bool = False,
    parameters: Sequence[str] = (),
) -> Adjoint:
    """Of ``step``, with gradients of its states, its ports and these of its ``params``."""
    forward, last = _single(step.statements)
    wanted = tuple(f"s_{s}" for s in step.state if s not in COUNTERS)
    wanted += tuple(f"x_{p}" for p in step.ports) + tuple(f"p_{p}" for p in parameters)
    sums: dict[str, Expr] = {}

    def give(name: str, value: Expr) -> None:
        if value != _ZERO:
            sums[name] = add(sums[name], value) if name in sums else value

    out = last["out"]
    give(out, Sym("given"))
    for state in step.state:
        if state not in COUNTERS:
            give(last[f"n_{state}"], Sym(f"next_{state}"))
    back: list[Assign] = []
    assigned = {s.target for s in forward}
    for statement in reversed(forward):
        total = sums.pop(statement.target, None)
        if total is None:
            continue
        gradient = Sym(f"g_{statement.target}")
        back.append(Assign(gradient.name, total))
        for name in dict.fromkeys(names(statement.value)):
            if name in assigned or name in wanted:
                slope = _slope(statement.value, name, surrogate, detach_reset)
                give(name, multiply(gradient, slope))
    flat = tuple(name for name in wanted if name not in sums)
    back += [Assign(f"g_{name}", sums[name]) for name in wanted if name in sums]
    back = _needed(back, [f"g_{name}" for name in wanted])
    own = {s.target for s in back}
    known = {n for s in back for n in names(s.value)} - own - {"given"}
    known = {n for n in known if not n.startswith("next_")}
    saved = _fewest(forward, {n for n in known if not n.startswith("p_")})
    again = _needed([s for s in forward if s.target not in saved], known, stop=saved)
    return Adjoint(
        step, tuple(forward), {s: last[f"n_{s}"] for s in step.state}, out, saved, tuple(again),
        tuple(lower(back)), wanted, flat,
    )  # fmt: skip


def _function(name: str, given: list[str], lines: list[str], results: list[str]) -> str:
    head = f"def {name}({', '.join(given)}):"
    return "\n".join([head, *lines, f"    return ({', '.join(results)},)"]) + "\n"


def _single(statements: Sequence[Assign]) -> tuple[list[Assign], dict[str, str]]:
    """Every name assigned once, and by what name its last value goes."""
    current: dict[str, Expr] = {}
    last: dict[str, str] = {}
    count: dict[str, int] = {}
    found: list[Assign] = []
    taken = {s.target for s in statements} | {n for s in statements for n in names(s.value)}
    for s in statements:
        value = substitute(s.value, current)
        count[s.target] = count.get(s.target, 0) + 1
        own = f"a{s.target}" if s.target.startswith("t_") else s.target  # the way back has its own
        name = own if count[s.target] == 1 else f"{own}_{count[s.target]}"
        while name != s.target and name in taken:  # a state may be called v_2
            name += "r"
        taken.add(name)
        found.append(Assign(name, value))
        current[s.target] = Sym(name)
        last[s.target] = name
    return found, last


def _slope(value: Expr, name: str, surrogate: Surrogate, detach: bool) -> Expr:
    """Derivative of a statement's right-hand side with respect to ``name``."""
    spikes: dict[str, Op] = {}

    def smooth(expr: Expr) -> Expr:
        """Spikes by a name, resets by arithmetic."""
        if not isinstance(expr, Op):
            return expr
        if expr.op in ("spike>", "spike>="):
            mark = f"sigma_{len(spikes)}"
            spikes[mark] = expr
            return Sym(mark)
        if expr.op in ("where", "hold"):
            return Op("where", (expr.args[0], smooth(expr.args[1]), smooth(expr.args[2])))
        args = tuple(smooth(a) for a in expr.args)
        if expr.op != "reset":
            return Op(expr.op, args)
        spike, new, old = args
        if detach:
            return Op("where", (Op(">", (spike, _ZERO)), new, old))
        if isinstance(new, Op) and new.op in "+-" and len(new.args) == 2 and new.args[0] == old:
            return Op(new.op, (old, multiply(spike, new.args[1])))
        return add(multiply(spike, new), multiply(Op("-", (_ONE, spike)), old))

    expr = smooth(value)
    total = derivative(expr, name, limited=True)
    for mark, spike in spikes.items():
        a, b = spike.args
        inner = add(derivative(a, name, limited=True), negate(derivative(b, name, limited=True)))
        if inner == _ZERO:
            continue
        x = Op("-", (a, b))  # the two kinds of threshold differ at 0 only, where both are even
        slope = substitute(surrogate.expression, {"x": x})
        total = add(total, multiply(derivative(expr, mark, limited=True), multiply(slope, inner)))
    return substitute(total, dict(spikes))


def _needed(
    statements: Sequence[Assign], wanted: Sequence[str] | set[str], stop: Sequence[str] = ()
) -> list[Assign]:
    """Those of ``statements`` that ``wanted`` depends on, in order."""
    open_names = set(wanted) - set(stop)
    found: list[Assign] = []
    for s in reversed(statements):
        if s.target in open_names:
            found.append(s)
            open_names |= set(names(s.value)) - set(stop)
    return found[::-1]


def _fewest(forward: Sequence[Assign], needed: set[str]) -> tuple[str, ...]:
    """The smallest set of values from which all that is ``needed`` can be computed."""
    if not needed:
        return ()
    inputs = {n for s in forward for n in names(s.value) if n[:2] in ("s_", "x_")}
    reach = _needed(forward, needed)
    choice = [s.target for s in reversed(reach)]
    choice += sorted({n for s in reach for n in names(s.value)} & inputs | needed & inputs)
    choice = list(dict.fromkeys(choice))
    tried = 0
    for size in range(1, 5):
        for chosen in combinations(choice, size):
            if needed <= _from(forward, set(chosen)):
                return chosen
            tried += 1
            if tried > TRIALS:
                return tuple(sorted(inputs))
    return tuple(sorted(inputs))


def _from(forward: Sequence[Assign], given: set[str]) -> set[str]:
    known = set(given)
    for s in forward:
        if all(n in known or n.startswith("p_") for n in names(s.value)):
            known.add(s.target)
    return known
