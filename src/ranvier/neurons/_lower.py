"""Straight-line statements, and their text as a kernel."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.neurons._expr import EXP_LIMIT, Assign, Expr, Num, Op, Sym, names, show
from ranvier.neurons._kernel import Kernel
from ranvier.neurons._model import NeuronModel

__all__ = ["HELPERS", "StepIR", "body_text", "kernel_text", "lower", "single"]

_EXP = """\
e_x = 300.0 if e_x > 300.0 else (-708.0 if e_x < -708.0 else e_x)
e_t = e_x * 1.4426950408889634 + 6755399441055744.0
e_k = e_t - 6755399441055744.0
e_r = e_x - e_k * 0.693147180369123816490 - e_k * 1.90821492927058770002e-10
e_2 = e_r * e_r
e_4 = e_2 * e_2
e_a = (0.5 + 1.0 / 6.0 * e_r) + e_2 * (1.0 / 24.0 + 1.0 / 120.0 * e_r)
e_b = (1.0 / 720.0 + 1.0 / 5040.0 * e_r) + e_2 * (1.0 / 40320.0 + 1.0 / 362880.0 * e_r)
e_c = 1.0 / 3628800.0 + 1.0 / 39916800.0 * e_r
e_c = e_c + e_2 * (1.0 / 479001600.0 + 1.0 / 6227020800.0 * e_r)
e_p = 1.0 + (e_r + e_2 * (e_a + e_4 * (e_b + e_4 * e_c)))
e_i = np.int64((np.float64(e_t).view(np.int64) + 1023) << 52)
e_y = float(e_p * e_i.view(np.float64))
"""
_EXPREL = f"""\
e_x = e_z
{_EXP}e_2 = e_z * e_z
e_4 = e_2 * e_2
e_a = (1.0 / 6.0 + 1.0 / 24.0 * e_z) + e_2 * (1.0 / 120.0 + 1.0 / 720.0 * e_z)
e_b = (1.0 / 5040.0 + 1.0 / 40320.0 * e_z) + e_2 * (1.0 / 362880.0 + 1.0 / 3628800.0 * e_z)
e_c = 1.0 / 39916800.0 + 1.0 / 479001600.0 * e_z
e_c = e_c + e_2 * (1.0 / 6227020800.0 + 1.0 / 87178291200.0 * e_z)
e_p = 1.0 + (0.5 * e_z + e_2 * (e_a + e_4 * (e_b + e_4 * e_c)))
e_d = e_z if abs(e_z) > 0.5 else 1.0
e_q = (e_y - 1.0) / e_d
e_y = e_q if abs(e_z) > 0.5 else e_p
"""
"""What the helpers do.

exp: with k = round(x/ln 2) (by adding and taking off 1.5*2**52) and r = x - k*ln 2 in two parts
(Cody & Waite 1980, Software manual for the elementary functions, chapter 6; the parts are those of
fdlibm), exp(x) = 2**k times the Taylor polynomial of degree 13 in r; |r| < 0.347, remainder 4e-18;
2**k is made of the bits of k. Within 1 ulp of the exact value, the same bits in Python and
compiled, and vectorised (2.4 ns a number where math.exp takes 10). Below -708 it stays at 3e-308.

exprel, (exp(z) - 1)/z: to |z| = 0.5 the Taylor polynomial of degree 13 (remainder 5e-17), beyond it
the quotient, whose error the difference triples at most. Polynomials are summed in halves (Estrin
1960), not from one end, so that the processor need not wait.

Vectors need the step and its helpers inlined in the engine's loop: compile them with
``forceinline=True``.
"""


def _function(name: str, argument: str, lines: str) -> str:
    return f"def {name}({argument}):\n{textwrap.indent(lines, '    ')}    return e_y\n"


HELPERS = {
    "": "import numpy as np\n",
    "exp": _function("limited_exp", "e_x", _EXP),
    "expm1_over": _function("expm1_over", "e_z", _EXPREL),
    "min": "def smaller(a, b):\n    return b if b < a else a\n",
    "max": "def larger(a, b):\n    return b if b > a else a\n",
    "relu": "def rectified(x):\n    return x if x > 0.0 else 0.0\n",
    "sign": "def sign(x):\n    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else 0.0)\n",
    **{f"power_{n}": f"def power_{n}(x):\n    return {' * '.join('x' * n)}\n" for n in range(2, 9)},
}
"""Texts of the helper functions a generated step may call."""


SINGLE_EXP_LIMIT = 80.0
"""What EXP_LIMIT is in float32 (exp(80) = 6e34): sums of products must not overflow."""


class _Single(ast.NodeTransformer):
    """Literals of a float32 kernel are float32, or numba would compute in float64."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if node.value == EXP_LIMIT:
            node = ast.Constant(SINGLE_EXP_LIMIT)
        if isinstance(node.value, float):
            return ast.Call(ast.Name("f4", ast.Load()), [node], [])
        return node


def single(text: str) -> str:
    """A helper or a function of generated statements in float32, whose module calls that ``f4``."""
    if "e_y" not in text:
        return ast.unparse(_Single().visit(ast.parse(text)))
    # exp and its like work on the bits of float64
    text = text.replace(repr(EXP_LIMIT), repr(SINGLE_EXP_LIMIT))
    return text.replace("return e_y", "return f4(e_y)")


@dataclass(frozen=True)
class StepIR:
    """Straight-line statements; inputs are ``s_<state>``, ``x_<port>``, ``p_<param>``; results are
    ``n_<state>`` and ``out``. ``draws`` are (input name ``d_<noise>``, kind as in Kernel)."""

    statements: tuple[Assign, ...]
    state: tuple[str, ...]
    ports: tuple[str, ...]
    params: tuple[str, ...]
    draws: tuple[tuple[str, str], ...] = ()


_NAMED = ("min", "max", "relu", "sign", "**")  # printers repeat an argument of these
_SHARED = ("exp", "expm1_over", "log", "sqrt", "sin", "cos", "tanh")  # computed once, if they recur


def lower(statements: Sequence[Assign]) -> list[Assign]:
    """Name arguments that a printer repeats, and write small whole powers as products.

    Not inside a branch of the model's own ``where``, which may guard against a division by zero
    that plain Python would raise: there the printers call helper functions instead.
    """
    result: list[Assign] = []
    named: dict[Expr, str] = {}
    count = 0

    def atom(expr: Expr) -> Expr:
        nonlocal count
        if not isinstance(expr, Op):
            return expr
        if expr not in named:
            count += 1
            named[expr] = f"t_{count}"
            result.append(Assign(named[expr], expr))
        return Sym(named[expr])

    def visit(expr: Expr, guarded: bool) -> Expr:
        if not isinstance(expr, Op):
            return expr
        if expr.op == "where":
            branches = (visit(a, True) for a in expr.args[1:])
            return Op("where", (visit(expr.args[0], guarded), *branches))
        args = tuple(visit(a, guarded) for a in expr.args)
        if expr.op in _NAMED and not guarded:
            args = tuple(atom(a) for a in args)
        if expr.op in _SHARED and not guarded:
            return atom(Op(expr.op, args))
        power = args[1].value if expr.op == "**" and isinstance(args[1], Num) else 0.5
        if power != int(power) or abs(power) > 8:
            return Op(expr.op, args)
        # the same bits from every math library
        base, product = args[0], Num(1.0) if power == 0 else args[0]
        if isinstance(base, Op) and abs(power) > 1:
            product = Op(f"power_{int(abs(power))}", (base,))
        else:
            for _ in range(int(abs(power)) - 1):
                product = Op("*", (product, base))
        return Op("/", (Num(1.0), product)) if power < 0 else product

    for statement in statements:
        value = visit(statement.value, False)
        result.append(Assign(statement.target, value))
        named = {e: n for e, n in named.items() if statement.target not in names(e)}
    return result


def body_text(statements: Sequence[Assign]) -> tuple[list[str], tuple[str, ...]]:
    """The statements as lines of straight-line Python, and the helpers they call (texts)."""
    used: set[str] = set()

    def call(op: Op, text: Any) -> str:
        always = op.op in ("exp", "expm1_over")
        if op.op in HELPERS and (always or any(isinstance(x, Op) for x in op.args)):
            used.update(("", op.op) if always else (op.op,))
            return f"{HELPERS[op.op].split('(')[0][4:]}({', '.join(text(x, 0) for x in op.args)})"
        a = [text(x, 9) for x in op.args]
        match op.op:
            case "min":
                return f"({a[1]} if {a[1]} < {a[0]} else {a[0]})"
            case "max":
                return f"({a[1]} if {a[1]} > {a[0]} else {a[0]})"
            case "relu":
                return f"({a[0]} if {a[0]} > 0.0 else 0.0)"
            case "sign":
                return f"(1.0 if {a[0]} > 0.0 else (-1.0 if {a[0]} < 0.0 else 0.0))"
            case "floor":
                return f"({a[0]} // 1.0)"
            case "abs":
                return f"abs({text(op.args[0], 0)})"
            case "**":
                return f"math.pow({text(op.args[0], 0)}, {text(op.args[1], 0)})"
            case "where" | "hold":
                return f"({a[1]} if {text(op.args[0], 0)} else {a[2]})"
            case "reset":
                return f"({a[1]} if {a[0]} > 0.0 else {a[2]})"
            case "spike>" | "spike>=":
                left, right = (text(x, 5) for x in op.args)
                return f"(1.0 if {left} {op.op[5:]} {right} else 0.0)"
            case "and" | "or":
                return "(" + f" {op.op} ".join(text(x, 5) for x in op.args) + ")"
            case "not":
                return f"(not {text(op.args[0], 9)})"
            case name:
                return f"math.{name}({text(op.args[0], 0)})"

    lines = [f"    {s.target} = {show(s.value, call)}" for s in statements]
    return lines, tuple(HELPERS[h] for h in sorted(used))


def kernel_text(model: NeuronModel, step: StepIR) -> Kernel:
    """The step as a Kernel: straight-line Python that plain Python and numba run alike."""
    arguments = [f"s_{s}" for s in step.state]
    arguments += [f"x_{p}" for p in step.ports] + [f"p_{p}" for p in step.params]
    arguments += [d for d, _ in step.draws]
    lines, helpers = body_text(step.statements)
    results = ", ".join([*(f"n_{s}" for s in step.state), "out"])
    source = f"def step({', '.join(arguments)}):\n" + "\n".join(lines)
    source += f"\n    return ({results},)\n"
    return Kernel(
        name=model.name, state=step.state, ports=step.ports, params=step.params, source=source,
        helpers=helpers, output=model.output,
        draws=tuple(kind for _, kind in step.draws),
    )  # fmt: skip
