"""Equation text to a small intermediate form, without ever evaluating the text.

``ast.parse`` only builds a tree; the tree is then copied, node by node, into three classes of our
own (:class:`Num`, :class:`Sym`, :class:`Op`). What is not on the list is an error, and size and
depth are limited, because models travel inside network files that strangers wrote.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ranvier.errors import RanvierError, fail, suggest

__all__ = [
    "COMPARISONS",
    "EXP_LIMIT",
    "FUNCTIONS",
    "Assign",
    "Expr",
    "Num",
    "Op",
    "Sym",
    "depth",
    "evaluate",
    "expm1_over",
    "names",
    "next_name",
    "parse",
    "show",
    "size",
    "substitute",
]

FUNCTIONS: dict[str, int] = {
    "exp": 1, "log": 1, "sqrt": 1, "sin": 1, "cos": 1, "tanh": 1, "abs": 1, "sign": 1, "floor": 1,
    "relu": 1, "exprel": 1, "min": 2, "max": 2, "where": 3,
}  # fmt: skip
"""Functions an equation may call, with their number of arguments. ``exprel(x)`` is (exp(x) - 1)/x,
which is 1 at 0."""

EXP_LIMIT = 300.0
"""Arguments of exp are cut off here (exp(300) = 2e130) so that no sum of products overflows: a
comparison with NaN is false, and a neuron whose state is NaN would be silent for ever."""

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
MAX_TEXT, MAX_NODES, MAX_DEPTH, MAX_POWER = 1000, 400, 40, 16

_CHARACTERS = re.compile(r"[A-Za-z0-9_+\-*/%().,<>=!&|^~\[\] \t]*")
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_HINTS: dict[type[ast.AST], str] = {
    ast.IfExp: "write where(condition, a, b)",
    ast.BitXor: "write ** for a power",
    ast.BitAnd: "write 'and'",
    ast.BitOr: "write 'or'",
}


@dataclass(frozen=True, slots=True)
class Num:
    """A finite constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Sym:
    """A name: state, port variable, parameter, algebraic variable or temporary."""

    name: str


@dataclass(frozen=True, slots=True)
class Op:
    """An operator or function with its arguments.

    Beside what equations may say (``+ - * / ** neg``, comparisons, ``and or not``, FUNCTIONS) the
    generator uses ``expm1_over`` and ``power_2`` .. ``power_8`` (see :mod:`._generate`), ``hold``
    (a ``where`` whose branches are both safe to compute), ``spike>`` / ``spike>=`` (1.0 where the
    comparison holds, else 0.0: the only place a surrogate gradient enters) and ``reset`` (spike,
    new, old: new where spike is 1).
    """

    op: str
    args: tuple[Expr, ...]


Expr: TypeAlias = Num | Sym | Op


@dataclass(frozen=True, slots=True)
class Assign:
    """One straight-line statement ``target = value``."""

    target: str
    value: Expr


def next_name(name: str) -> str:
    """Symbol that stands for the updated value of ``name`` in a discrete equation."""
    return f"{name}[n+1]"


def parse(
    text: str, *, where: str, allowed: Collection[str] | None = None, condition: bool = False
) -> Expr:
    """Parse an expression; ``condition`` asks for a comparison instead of a number.

    ``allowed`` are the legal names (None: any). ``v[n]`` reads as ``v`` and ``v[n+1]`` as the name
    ``next_name("v")``. Raises RanvierError that starts with ``where``.
    """
    if len(text) > MAX_TEXT:
        raise fail("equation-too-long", where, "the text is too long",
                   got=f"{len(text)} characters", limit=f"{MAX_TEXT}")  # fmt: skip
    strange = _CHARACTERS.sub("", text, count=1) if text else ""
    if not text.strip() or strange:
        raise _refuse(where, text, f"character {strange[0]!r}" if strange else "an empty text")
    if text.count("(") + text.count("[") > MAX_NODES or _nesting(text) > MAX_DEPTH:
        raise _too_deep(where, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1if" and its like are errors below in any case
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = getattr(error, "msg", "") or "not an expression"
        raise fail("bad-equation", where, f"cannot read the expression ({message})",
                   got=repr(text[:200])) from None  # fmt: skip
    reader = _Reader(text, where, allowed)
    expr = reader.condition(tree, 0) if condition else reader.value(tree, 0)
    if depth(expr) > MAX_DEPTH:
        raise _too_deep(where, text)
    return expr


def _nesting(text: str) -> int:
    level = most = 0
    for character in text:
        level += (character in "([") - (character in ")]")
        most = max(most, level)
    # a chain of signs or "not" nests as deeply as parentheses do, and '**' nests to the right
    chains = re.findall(r"(?:[-+~]\s*|\bnot\b\s*)+", text)
    chain = max((len(re.findall(r"[-+~]|not", c)) for c in chains), default=0)
    return max(most, chain, text.count("**"))


def _too_deep(where: str, text: str) -> RanvierError:
    return fail("equation-too-deep", where, "the expression is nested too deeply or too large",
                got=repr(text[:60]), limit=f"{MAX_DEPTH} levels, {MAX_NODES} terms",
                hint="split it into several equations")  # fmt: skip


def _refuse(where: str, text: str, what: str, hint: str = "") -> RanvierError:
    return fail("bad-equation", where, f"{what} is not allowed in {text[:120]!r}",
                limit="numbers, names, + - * / **, comparisons, and/or/not, "
                + ", ".join(f"{f}()" for f in FUNCTIONS), hint=hint)  # fmt: skip


class _Reader:
    """Copies a Python syntax tree into the intermediate form, refusing what is not listed."""

    def __init__(self, text: str, where: str, allowed: Collection[str] | None) -> None:
        self.text, self.where, self.allowed, self.count = text, where, allowed, 0

    def _enter(self, level: int) -> None:
        self.count += 1
        # left-leaning chains (a + b + c) are deep trees in Python, so the level limit is loose here
        if self.count > MAX_NODES or level > 2 * MAX_DEPTH + 120:
            raise _too_deep(self.where, self.text)

    def value(self, node: ast.AST, level: int) -> Expr:
        self._enter(level)
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number):
                return self._number(number)
            case ast.Name(id=name):
                return self._symbol(name)
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                return self._indexed(name, index)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Op("neg", (self.value(operand, level + 1),))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand, level + 1)
            case ast.BinOp(left=left, op=op, right=right):
                if type(op) not in _BINARY:
                    raise self._no(op)
                args = (self.value(left, level + 1), self.value(right, level + 1))
                return self._finite(self._power(Op(_BINARY[type(op)], args)))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args, level)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise self._no(node, "a condition belongs in where(condition, a, b)")
            case _:
                pass
        raise self._no(node)

    def condition(self, node: ast.AST, level: int) -> Expr:
        self._enter(level)
        match node:
            case ast.Compare(left=left, ops=ops, comparators=rights):
                sides = [self.value(side, level + 1) for side in (left, *rights)]
                tests: list[Expr] = []
                for op, a, b in zip(ops, sides, sides[1:], strict=False):
                    if type(op) not in _COMPARE:
                        raise self._no(op)
                    tests.append(Op(_COMPARE[type(op)], (a, b)))
                return tests[0] if len(tests) == 1 else Op("and", tuple(tests))
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                return Op(word, tuple(self.condition(v, level + 1) for v in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Op("not", (self.condition(operand, level + 1),))
            case _:
                raise fail("bad-condition", self.where, "a comparison is needed",
                           got=repr(self.text[:120]), limit="e.g. v > v_threshold")  # fmt: skip

    def _number(self, number: int | float) -> Num:
        try:
            value = float(number)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise fail("bad-number", self.where, "a number is too large",
                       got=repr(self.text[:80]), limit="1.8e308")  # fmt: skip
        return Num(value)

    def _symbol(self, name: str) -> Sym:
        if name.startswith("_") or "__" in name:
            raise _refuse(self.where, self.text, f"the name {name!r}")
        if self.allowed is not None and name not in self.allowed:
            if name in FUNCTIONS:
                raise _refuse(self.where, self.text, f"{name} without arguments")
            legal = sorted(n for n in self.allowed if "[" not in n)
            raise fail("unknown-name", self.where, f"unknown name {name!r} in {self.text!r}",
                       limit=", ".join(legal), hint=suggest(name, legal))  # fmt: skip
        return Sym(name)

    def _indexed(self, name: str, index: ast.AST) -> Sym:
        match index:
            case ast.Name(id="n"):
                return self._symbol(name)
            case ast.BinOp(left=ast.Name(id="n"), op=ast.Add(), right=ast.Constant(value=1)):
                self._symbol(name)
                if self.allowed is not None and next_name(name) not in self.allowed:
                    raise _refuse(
                        self.where, self.text, f"{next_name(name)}",
                        "it may be used only in equations after the one that defines it",
                    )  # fmt: skip
                return Sym(next_name(name))
            case _:
                raise _refuse(self.where, self.text, "this index", "write [n] or [n+1]")

    def _call(self, name: str, args: Sequence[ast.AST], level: int) -> Expr:
        if name not in FUNCTIONS:
            raise fail("unknown-function", self.where, f"unknown function {name!r}",
                       got=repr(self.text[:120]), limit=", ".join(FUNCTIONS),
                       hint=suggest(name, FUNCTIONS))  # fmt: skip
        want = FUNCTIONS[name]
        if len(args) < want or (len(args) > want and name not in ("min", "max")):
            raise fail("bad-call", self.where, f"{name}() takes {want} arguments", got=len(args))
        if name == "where":
            test = self.condition(args[0], level + 1)
            return Op(name, (test, *(self.value(a, level + 1) for a in args[1:])))
        values = [self.value(a, level + 1) for a in args]
        name = "expm1_over" if name == "exprel" else name
        result = Op(name, tuple(values[:want]))
        for value in values[want:]:  # min(a, b, c) is min(min(a, b), c)
            result = Op(name, (result, value))
        return self._finite(result)

    def _power(self, expr: Op) -> Op:
        if expr.op == "**" and not any(names(expr.args[1])):
            power = evaluate(expr.args[1], {})
            if not abs(power) <= MAX_POWER:
                raise fail(
                    "bad-power",
                    self.where,
                    "a constant power is too large",
                    got=repr(self.text[:80]),
                    limit=f"-{MAX_POWER} to {MAX_POWER}",
                )
            return Op("**", (expr.args[0], Num(float(power))))
        return expr

    def _finite(self, expr: Op) -> Op:
        constant = all(isinstance(a, Num) or not any(names(a)) for a in expr.args)
        if constant and not np.all(np.isfinite(evaluate(expr, {}))):
            raise fail("bad-number", self.where, "a constant is not finite",
                       got=repr(self.text[:80]))  # fmt: skip
        return expr

    def _no(self, node: ast.AST, hint: str = "") -> RanvierError:
        what = type(node).__name__.lower()
        what = {"boolop": "and/or", "ifexp": "if ... else", "attribute": "a dotted name",
                "subscript": "an index", "call": "this call", "constant": "this constant",
                "mod": "%"}.get(what, what)  # fmt: skip
        return _refuse(self.where, self.text, what, hint or _HINTS.get(type(node), ""))


def names(expr: Expr) -> Iterator[str]:
    """Every symbol in ``expr``, in reading order, with repetitions."""
    if isinstance(expr, Sym):
        yield expr.name
    elif isinstance(expr, Op):
        for arg in expr.args:
            yield from names(arg)


def size(expr: Expr) -> int:
    """Number of nodes, shared ones counted each time they are printed."""
    return 1 + (sum(map(size, expr.args)) if isinstance(expr, Op) else 0)


def depth(expr: Expr) -> int:
    """Levels of parentheses a printer may need: chains of + or * on the left are free."""
    if not isinstance(expr, Op):
        return 0
    left = depth(expr.args[0])
    if expr.op in "+-*/" and isinstance(expr.args[0], Op) and expr.args[0].op in "+-*/":
        left -= 1
    return 1 + max(left, *(depth(a) for a in expr.args[1:]), 0)


def substitute(expr: Expr, mapping: Mapping[str, Expr]) -> Expr:
    """Replace symbols; ``expr`` itself is unchanged."""
    if isinstance(expr, Sym):
        return mapping.get(expr.name, expr)
    if isinstance(expr, Op):
        return Op(expr.op, tuple(substitute(a, mapping) for a in expr.args))
    return expr


def expm1_over(z: Any) -> Any:
    """(exp(z) - 1) / z, which is 1 at z = 0; numpy twin of the kernels' helper."""
    z = np.asarray(z, dtype=float)
    near = np.abs(z) < 1e-5
    safe = np.where(near, 1.0, z)
    return np.where(near, 1.0 + z * (0.5 + z / 6.0), np.expm1(np.minimum(z, EXP_LIMIT)) / safe)


_NUMPY: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": np.divide,
    "**": np.power,
    "neg": lambda a: -a,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "not": np.logical_not,
    "exp": lambda a: np.exp(np.minimum(a, EXP_LIMIT)),
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "relu": lambda a: np.maximum(a, 0.0),
    "min": np.minimum,
    "max": np.maximum,
    "where": np.where,
    "and": lambda *a: np.logical_and.reduce(np.broadcast_arrays(*a)),
    "or": lambda *a: np.logical_or.reduce(np.broadcast_arrays(*a)),
    "expm1_over": expm1_over,
}


def evaluate(expr: Expr, values: Mapping[str, Any]) -> Any:
    """Value of ``expr`` by walking it (float64; arrays broadcast). May return inf or nan."""
    with np.errstate(all="ignore"):
        return _evaluate(expr, values)


def _evaluate(expr: Expr, values: Mapping[str, Any]) -> Any:
    if isinstance(expr, Num):
        return np.float64(expr.value)
    if isinstance(expr, Sym):
        return np.asarray(values[expr.name], dtype=np.float64)
    return _NUMPY[expr.op](*(_evaluate(a, values) for a in expr.args))


_LEVEL = {"or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7, "**": 8}


def show(expr: Expr, call: Callable[[Op, Callable[[Expr, int], str]], str] | None = None) -> str:
    """Text with as few parentheses as keep the order of operations exactly that of the tree.

    ``call`` prints every Op that is not plain arithmetic; by default as ``name(a, b)``.
    """

    def text(node: Expr, outer: int) -> str:
        if isinstance(node, Num):
            # a negative number binds like a sign
            return f"({node.value!r})" if node.value < 0 and outer > 4 else repr(node.value)
        if isinstance(node, Sym):
            return node.name
        level = 4 if node.op in COMPARISONS else _LEVEL.get(node.op, 0)
        if not level or (call and node.op in ("**", "and", "or", "not")):
            if call:
                return call(node, text)
            return f"{node.op}({', '.join(text(a, 0) for a in node.args)})"
        if node.op in ("neg", "not"):
            sign = "-" if node.op == "neg" else "not "
            body = sign + text(node.args[0], level + (node.op == "neg"))
        else:
            parts = [text(node.args[0], level + (level == 4 or node.op == "**"))]
            parts += [text(arg, level + 1) for arg in node.args[1:]]
            body = f" {node.op} ".join(parts)
        return f"({body})" if level < outer else body

    return text(expr, 0)
