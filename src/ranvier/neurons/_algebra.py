"""Sums and products that keep expressions small, and symbolic derivatives."""

from __future__ import annotations

from ranvier.neurons._expr import EXP_LIMIT, Expr, Num, Op, Sym, names

__all__ = ["add", "derivative", "multiply", "negate"]

_ZERO, _ONE = Num(0.0), Num(1.0)


def add(a: Expr, b: Expr) -> Expr:
    """``a + b`` without adding a literal zero."""
    return b if a == _ZERO else a if b == _ZERO else Op("+", (a, b))


def multiply(a: Expr, b: Expr) -> Expr:
    """``a * b`` without multiplying by a literal one or zero."""
    if _ZERO in (a, b):
        return _ZERO
    return b if a == _ONE else a if b == _ONE else Op("*", (a, b))


def negate(a: Expr) -> Expr:
    """``-a``, undoing a double sign."""
    if a == _ZERO:
        return a
    return a.args[0] if isinstance(a, Op) and a.op == "neg" else Op("neg", (a,))


def derivative(expr: Expr, name: str, *, limited: bool = False) -> Expr:
    """Partial derivative; at kinks (abs, min, floor, where) that of the branch taken.

    ``limited``: exp is flat beyond EXP_LIMIT, as the kernels compute it.
    """
    if isinstance(expr, Sym):
        return _ONE if expr.name == name else _ZERO
    if isinstance(expr, Num) or name not in names(expr):
        return _ZERO
    a = expr.args
    d = [derivative(x, name, limited=limited) if i or expr.op != "where" else _ZERO
         for i, x in enumerate(a)]  # fmt: skip

    def growth(x: Expr) -> Expr:
        power = Op("exp", (x,))
        return Op("where", (Op(">", (x, Num(EXP_LIMIT))), _ZERO, power)) if limited else power

    match expr.op:
        case "+":
            return add(d[0], d[1])
        case "-":
            return add(d[0], negate(d[1]))
        case "neg":
            return negate(d[0])
        case "*":
            return add(multiply(d[0], a[1]), multiply(a[0], d[1]))
        case "/":
            top = add(d[0], negate(multiply(expr, d[1])))
            return _ZERO if top == _ZERO else Op("/", (top, a[1]))
        case "**" if isinstance(a[1], Num):
            return multiply(multiply(a[1], Op("**", (a[0], Num(a[1].value - 1)))), d[0])
        case "**":
            rate = add(multiply(d[1], Op("log", (a[0],))), Op("/", (multiply(a[1], d[0]), a[0])))
            return multiply(expr, rate)
        case "exp":
            return multiply(growth(a[0]), d[0])
        case "expm1_over":  # (exp(z) - exprel(z))/z, near 0 its Taylor polynomial (error z**4/144)
            z = a[0]
            near = Op("+", (Op("/", (z, Num(8.0))), Num(1.0 / 3.0)))
            near = Op("+", (Op("*", (z, near)), Num(0.5)))
            far = Op("/", (Op("-", (growth(z), expr)), z))
            small = Op("<", (Op("abs", a), Num(1e-4)))
            return multiply(Op("where", (small, near, far)), d[0])
        case "log":
            return Op("/", (d[0], a[0]))
        case "sqrt":
            return Op("/", (d[0], multiply(Num(2.0), expr)))
        case "sin":
            return multiply(Op("cos", a), d[0])
        case "cos":
            return negate(multiply(Op("sin", a), d[0]))
        case "tanh":
            return multiply(Op("-", (_ONE, multiply(expr, expr))), d[0])
        case "abs":
            return multiply(Op("sign", a), d[0])
        case "relu":
            return Op("where", (Op(">", (a[0], _ZERO)), d[0], _ZERO))
        case "min":
            return Op("where", (Op("<", (a[1], a[0])), d[1], d[0]))
        case "max":
            return Op("where", (Op(">", (a[1], a[0])), d[1], d[0]))
        case "where":
            return d[1] if d[1] == d[2] else Op("where", (a[0], d[1], d[2]))
        case str() as op if op.startswith("power_"):
            n = int(op.removeprefix("power_"))
            less = Op(f"power_{n - 1}", a) if n > 2 else a[0]
            return multiply(multiply(Num(float(n)), less), d[0])
        case _:  # sign and floor are flat; comparisons do not occur outside a where
            return _ZERO
