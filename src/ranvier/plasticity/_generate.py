"""From a rule's statement to its update functions, as text.

The texts run as plain Python and under numba, and need what IMPORTS says. Names in them:
``p_<parameter>``, ``x_<presynaptic trace>``, ``y_<postsynaptic trace>``, ``v_<variable>``,
``n_<third factor>``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail, unknown
from ranvier.neurons._expr import (
    Assign,
    Expr,
    Op,
    Sym,
    names,
    parse,
    show,
    substitute,
)
from ranvier.neurons._lower import HELPERS, lower
from ranvier.plasticity._decay import DECAY, decay_table
from ranvier.plasticity._parts import Trace
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["IMPORTS", "DiscreteRule", "RuleKernel", "discretise", "kernel_of"]

IMPORTS = "import math\n\nimport numpy as np\n"
"""What the module of the texts must import."""

UNIFORM = """\
def uniform(seed, synapse, tick, side):
    h = 0
    for word in (seed, seed >> 32, synapse, synapse >> 32, tick + 0, 2 * (tick >> 32) + side):
        h = h ^ (int(word) & 4294967295)
        h = ((h ^ (h >> 16)) * 2146121005) & 4294967295
        h = ((h ^ (h >> 15)) * 2221713035) & 4294967295
        h = h ^ (h >> 16)
    return (h + 0.5) * 2.0**-32
"""
"""Text of a counter-based random number in (0, 1) on a grid of 2**-32: the mixing function
"lowbias32" (C. Wellons 2018, github.com/skeeto/hash-prospector) over seed, synapse, tick and side
(0 pre, 1 post). All products fit in, or wrap in, 64 bits before they are cut to 32."""


@dataclass(frozen=True, kw_only=True)
class RuleKernel:
    """Texts and names of a rule; parameters and dt are not in it, so one kernel serves all values.

    ``params``: the parameters the texts use, in the order of the array ``params``. ``rates``: for
    each row of the decay tables the parameters in seconds whose exponentials it multiplies.
    ``pre``, ``post``: traces, in the order of the columns of ``row_trace`` and ``post_trace``.
    ``history``: the postsynaptic traces kept with each spike, the columns of ``hist_trace``.
    ``variables``: rows of ``syn``. ``third``: the name of the third factor, or "".

    ``on_pre`` and ``on_post`` take (w, variables, pre traces, post traces, third factor, u, params)
    with every name of the rule, in that order, and return (w, variables) as a tuple, or w alone.
    """

    name: str
    params: tuple[str, ...]
    rates: tuple[tuple[str, ...], ...]
    pre: tuple[str, ...]
    post: tuple[str, ...]
    history: tuple[str, ...]
    variables: tuple[str, ...]
    third: str
    uses_u: bool
    drifts: bool
    helpers: tuple[str, ...]
    source: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of everything that changes what the compiled kernel does."""
        parts = [self.name, self.params, self.rates, self.pre, self.post, self.history,
                 self.variables, self.third, self.helpers, self.source]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def module(self, *, decorator: str = "", prefix: str = "") -> str:
        """All functions as text, each with ``decorator`` (``"@njit(nogil=True)"``) before it.

        ``prefix`` goes before every function's name, so that several rules fit in one module. The
        module must ``import math`` and ``import numpy as np``; the text does not.
        """
        texts = [t.strip() for t in (*self.helpers, *self.source)]
        found = [t.partition("(")[0].removeprefix("def ") for t in texts]
        pattern = re.compile(rf"\b({'|'.join(found)})\(")
        texts = [pattern.sub(lambda m: f"{prefix}{m[1]}(", t) for t in texts]
        lead = f"{decorator}\n" if decorator else ""
        return "\n\n\n".join(lead + t for t in texts) + "\n"

    def python(self) -> dict[str, Callable[..., Any]]:
        """The functions as ordinary Python, by name."""
        space: dict[str, Any] = {"__name__": f"ranvier_rule_{self.key[:12]}"}
        exec(compile(IMPORTS + self.module(), f"<ranvier rule {self.name}>", "exec"), space)
        return {n: f for n, f in space.items() if callable(f)}


@dataclass(frozen=True, kw_only=True)
class DiscreteRule:
    """A rule at one dt: ``params`` float64 [n] in the order of ``kernel.params`` and the decay
    ``table`` float64 [rates, TABLE]; ``values`` has every parameter by name."""

    rule: PlasticityRule
    dt: float
    kernel: RuleKernel
    values: Mapping[str, float]
    params: NDArray[np.float64]
    table: NDArray[np.float64]

    @property
    def initial(self) -> NDArray[np.float64]:
        """Initial value of each of ``kernel.variables``."""
        return np.array([v.initial for v in self.rule.variables], dtype=np.float64)


def discretise(rule: PlasticityRule, parameters: Mapping[str, float], dt: float) -> DiscreteRule:
    """Turn ``rule`` with these parameters (SI units; the rest take their default) into ticks of
    ``dt`` seconds. Raises RanvierError."""
    if isinstance(dt, bool) or not isinstance(dt, int | float | np.floating) or not 0 < dt < np.inf:
        raise fail("bad-dt", rule.where, "dt must be a positive number of seconds", got=repr(dt))
    values = dict(rule.defaults)
    known = [p.name for p in rule.parameters]
    for name, value in parameters.items():
        if name not in known:
            raise unknown("parameter", name, known, where=rule.where)
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not np.isfinite(value):
            raise fail("bad-parameter", f"{rule.where}, parameter {name!r}",
                       "a finite number is needed", got=repr(value)[:80])  # fmt: skip
        values[name] = float(value)
    for parameter in rule.parameters:
        if parameter.name not in values:
            raise fail("missing-parameter", f"{rule.where}, parameter {parameter.name!r}",
                       "no value was given and there is no default",
                       limit=f"a number in {parameter.unit}")  # fmt: skip
    if rule.w_min and rule.w_max and values[rule.w_min] > values[rule.w_max]:
        raise fail("bad-parameter", rule.where, f"{rule.w_min} is above {rule.w_max}",
                   got=f"{values[rule.w_min]} > {values[rule.w_max]}")  # fmt: skip
    kernel = kernel_of(rule)
    taus: list[float] = []
    for group in kernel.rates:
        for name in group:
            if not values[name] > 0:
                raise fail("bad-parameter", f"{rule.where}, parameter {name!r}",
                           "a time constant must be positive", got=values[name])  # fmt: skip
        inverse = sum(1.0 / values[name] for name in group)
        taus.append(values[group[0]] if len(group) == 1 else 1.0 / inverse)
    # "$r" is the time constant of rate r, for integrals
    extra = {f"${r}": tau for r, tau in enumerate(taus)} | {"$dt": float(dt)}
    params = np.array([{**values, **extra}[name] for name in kernel.params], dtype=np.float64)
    return DiscreteRule(rule=rule, dt=float(dt), kernel=kernel, values=values, params=params,
                        table=decay_table(taus, float(dt)))  # fmt: skip


class _Printer:
    """Expressions as Python text; remembers the helper functions it needed."""

    def __init__(self) -> None:
        self.helpers: set[str] = set()

    def __call__(self, expr: Expr) -> str:
        return show(expr, self._call)

    def _call(self, op: Op, text: Callable[[Expr, int], str]) -> str:
        args = ", ".join(text(a, 0) for a in op.args)
        if op.op in HELPERS:
            self.helpers.add(op.op)
            return f"{HELPERS[op.op].split('(')[0][4:]}({args})"
        match op.op:
            case "floor":
                return f"({text(op.args[0], 9)} // 1.0)"
            case "abs":
                return f"abs({args})"
            case "**":
                return f"math.pow({args})"
            case "where":
                test, yes, no = (text(op.args[0], 0), text(op.args[1], 9), text(op.args[2], 9))
                return f"({yes} if {test} else {no})"
            case "and" | "or":
                return "(" + f" {op.op} ".join(text(a, 5) for a in op.args) + ")"
            case "not":
                return f"(not {text(op.args[0], 9)})"
            case name:
                return f"math.{name}({args})"


@dataclass
class Writer:
    """What the writers of the functions share: names, rows of tables, the printer."""

    rule: PlasticityRule
    printer: _Printer
    scope: dict[str, Expr]
    rates: list[tuple[str, ...]]
    params: list[str]

    def rate(self, *taus: str) -> int:
        """Row of the decay table for the product of these exponentials."""
        group = tuple(sorted(taus))
        if group not in self.rates:
            self.rates.append(group)
        return self.rates.index(group)

    def text(self, expr: Expr) -> str:
        """``expr`` over the rule's names as Python text."""
        return self.printer(substitute(expr, self.scope))

    def parse(self, text: str) -> str:
        """An expression of parameters, as Python text."""
        return self.text(parse(text, where=self.rule.where))

    def jump(self, trace: Trace, value: str) -> str:
        """The value of ``trace`` after a jump from ``value``."""
        step = self.parse(trace.increment)
        text = step if trace.jump == "set" else f"{value} + {step}"
        if trace.bound is None:
            return text
        self.printer.helpers.add("min")
        return f"smaller({text}, {self.parse(trace.bound)})"

    def names(self, kind: str) -> list[str]:
        """Names in the text of all ``pre`` or ``post`` traces or ``variables``."""
        if kind == "variables":
            return [f"v_{v.name}" for v in self.rule.variables]
        letter = "x" if kind == "pre" else "y"
        return [f"{letter}_{t.name}" for t in self.rule.traces if t.side == kind]


def _clip(writer: Writer) -> list[Assign]:
    lines: list[Assign] = []
    for op, bound in (("max", writer.rule.w_min), ("min", writer.rule.w_max)):
        if bound is not None:
            lines.append(Assign("w", Op(op, (Sym("w"), Sym(f"p_{bound}")))))
    return lines


def _update(writer: Writer, name: str, updates: Sequence[tuple[str, Expr]]) -> str:
    rule = writer.rule
    body = [Assign("w" if t == "w" else f"v_{t}", substitute(e, writer.scope)) for t, e in updates]
    body = lower(body + _clip(writer))
    lines = [f"    {s.target} = {writer.printer(s.value)}" for s in body]
    state = ", ".join(["w", *writer.names("variables")])
    factor = [f"n_{rule.third_factor.name}"] if rule.third_factor else []
    arguments = [state, *writer.names("pre"), *writer.names("post"), *factor, "u"]
    arguments += [f"p_{p.name}" for p in rule.parameters]
    head = f"def {name}({', '.join(arguments)}):\n"
    return head + "\n".join([*lines, f"    return {state}"]) + "\n"


def _drift(writer: Writer) -> str:
    """``drift(w, variables, third factor, lengths of the integrals, params)``: w after a while."""
    rule = writer.rule
    terms: list[str] = []
    for index, term in enumerate(rule.drift_terms):
        factor = writer.printer(substitute(term.factor, writer.scope))
        parts = [f"({factor})", *(writer.printer(writer.scope[n]) for n in term.names)]
        terms.append(" * ".join([*parts, f"i_{index}"]))
    lines = [f"    w = w + {term}" for term in terms]
    lines += [f"    w = {writer.printer(s.value)}" for s in _clip(writer)]
    factors = [f"n_{rule.third_factor.name}"] if rule.third_factor else []
    arguments = ["w", *writer.names("variables"), *factors]
    arguments += [f"i_{i}" for i in range(len(terms))] + [f"p_{p.name}" for p in rule.parameters]
    return f"def drift({', '.join(arguments)}):\n" + "\n".join([*lines, "    return w"]) + "\n"


def kernel_of(rule: PlasticityRule) -> RuleKernel:
    """The texts of ``rule``."""
    from ranvier.plasticity._rows import row_functions

    scope: dict[str, Expr] = {p.name: Sym(f"p_{p.name}") for p in rule.parameters}
    scope |= {t.name: Sym(f"{'x' if t.side == 'pre' else 'y'}_{t.name}") for t in rule.traces}
    scope |= {v.name: Sym(f"v_{v.name}") for v in rule.variables}
    third = rule.third_factor
    plain = dict(scope)
    if third is not None:
        plain[third.name] = Sym(f"n_{third.name}")
        # what is stored decays to 0; the rule reads it with its baseline
        scope[third.name] = plain[third.name] if third.baseline is None else Op(
            "+", (plain[third.name], Sym(f"p_{third.baseline}"))
        )  # fmt: skip
    printer = _Printer()
    writer = Writer(rule, printer, scope, [], [p.name for p in rule.parameters])
    source = [
        _update(writer, "on_pre", rule.pre_exprs),
        _update(writer, "on_post", rule.post_exprs),
    ]
    if rule.drift_terms:
        writer.scope = plain
        source.append(_drift(writer))
    post_names = {n for _, e in rule.post_exprs for n in names(e)}
    history = tuple(t.name for t in rule.traces if t.side == "post" and t.name in post_names)
    uses_u = any("u" in names(e) for _, e in (*rule.pre_exprs, *rule.post_exprs))
    source += row_functions(writer, history, uses_u)
    helpers = [DECAY, *([UNIFORM] if uses_u else [])]
    helpers += [HELPERS[h] for h in sorted(printer.helpers)]
    return RuleKernel(
        name=rule.name, params=tuple(writer.params), rates=tuple(writer.rates),
        pre=tuple(t.name for t in rule.traces if t.side == "pre"),
        post=tuple(t.name for t in rule.traces if t.side == "post"), history=history,
        variables=tuple(v.name for v in rule.variables), third=third.name if third else "",
        uses_u=uses_u, drifts=bool(rule.drift_terms), helpers=tuple(helpers), source=tuple(source),
    )  # fmt: skip
