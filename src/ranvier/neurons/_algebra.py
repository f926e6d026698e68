"""Sums and products that keep expressions small, and symbolic derivatives."""

from __future__ import annotations

from ranvier.neurons._expr import Expr, Num, Op, Sym, names

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


def derivative(expr: Expr, name: str) -> Expr:
    """Partial derivative; at kinks (abs, min, floor, where) that of the branch taken."""
    if isinstance(expr, Sym):
        return _ONE if expr.name == name else _ZERO
    if isinstance(expr, Num) or name not in names(expr):
        return _ZERO
    a = expr.args
    d = [derivative(x, name) if i or expr.op != "where" else _ZERO for i, x in enumerate(a)]
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
            growth = add(multiply(d[1], Op("log", (a[0],))), Op("/", (multiply(a[1], d[0]), a[0])))
            return multiply(expr, growth)
        case "exp":
            return multiply(expr, d[0])
        case "expm1_over":  # (exp(z) - exprel(z))/z, near 0 its Taylor polynomial (error z**4/144)
            z = a[0]
            near = Op("+", (Op("/", (z, Num(8.0))), Num(1.0 / 3.0)))
            near = Op("+", (Op("*", (z, near)), Num(0.5)))
            far = Op("/", (Op("-", (Op("exp", a), expr)), z))
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
            return Op("where", (a[0], d[1], d[2]))
        case _:  # sign and floor are flat; comparisons do not occur outside a where
            return _ZERO
