"""Dimensional analysis of parsed equations: every sum, comparison and argument is checked."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ranvier.errors import RanvierError, fail
from ranvier.neurons._expr import COMPARISONS, Expr, Num, Op, Sym, show
from ranvier.units import DIMENSIONLESS, Unit

__all__ = ["check_unit", "unit_of"]

_SAME = ("+", "-", "min", "max")
_KEEP = ("neg", "abs", "floor", "relu")


def check_unit(expr: Expr, expected: Unit, units: Mapping[str, Unit], *, where: str) -> None:
    """Raise RanvierError unless ``expr`` has the dimensions of ``expected``."""
    found = unit_of(expr, units, where=where)
    if found is not None and found.dims != expected.dims:
        raise fail("unit-mismatch", where, f"{show(expr)!r} has the wrong unit",
                   got=found, limit=expected,
                   hint=_time_hint(found, expected))  # fmt: skip


def _time_hint(found: Unit, expected: Unit) -> str:
    change = [a - b for a, b in zip(found.dims, expected.dims, strict=True)]
    if [c for i, c in enumerate(change) if i != 2] == [0] * 6:
        return (
            "the right-hand side of dx/dt is per second: divide by a time constant, and write"
            " the unit of the state itself after the colon"
        )
    return "insert the parameter that converts one into the other"


def unit_of(expr: Expr, units: Mapping[str, Unit], *, where: str) -> Unit | None:
    """Unit of ``expr`` from the units of its names; None for a literal 0, which fits any unit.

    Other numbers are dimensionless. Raises RanvierError naming the offending part.
    """
    if isinstance(expr, Num):
        return None if expr.value == 0 else DIMENSIONLESS
    if isinstance(expr, Sym):
        return units[expr.name]
    found = [unit_of(a, units, where=where) for a in expr.args]
    op = expr.op
    if op in _SAME or op in COMPARISONS:
        common = _common(expr, expr.args, found, where)
        return DIMENSIONLESS if op in COMPARISONS else common
    if op == "where":
        return _common(expr, expr.args[1:], found[1:], where)
    if op in ("and", "or", "not"):
        return DIMENSIONLESS
    if op in _KEEP:
        return found[0]
    if op == "sign":
        return DIMENSIONLESS
    a = found[0] or DIMENSIONLESS
    if op == "*":
        return None if None in found else a * (found[1] or DIMENSIONLESS)
    if op == "/":
        return None if found[0] is None else a / (found[1] or DIMENSIONLESS)
    if op == "sqrt":
        return a ** Fraction(1, 2)
    if op == "**":
        return _power(expr, a, found[1], where)
    _plain(expr, expr.args[0], a, where)
    return DIMENSIONLESS


def _power(expr: Op, base: Unit, power: Unit | None, where: str) -> Unit:
    exponent = expr.args[1]
    _plain(expr, exponent, power or DIMENSIONLESS, where)
    if isinstance(exponent, Num):
        return base ** Fraction(exponent.value).limit_denominator(12)
    _plain(expr, expr.args[0], base, where, "with a power that is not a number, ")
    return DIMENSIONLESS


def _plain(whole: Op, part: Expr, unit: Unit, where: str, why: str = "") -> None:
    if unit.dims != DIMENSIONLESS.dims:
        raise fail("unit-mismatch", where, f"in {show(whole)!r}: {why}{show(part)!r} has a unit",
                   got=unit, limit="1 (dimensionless)",
                   hint="divide by a parameter of the same unit")  # fmt: skip


def _common(whole: Op, args: tuple[Expr, ...], found: list[Unit | None], where: str) -> Unit | None:
    known = [(arg, unit) for arg, unit in zip(args, found, strict=True) if unit is not None]
    for arg, unit in known[1:]:
        if unit.dims != known[0][1].dims:
            raise _mismatch(whole, known[0], (arg, unit), where)
    return known[0][1] if known else None


def _mismatch(
    whole: Op, first: tuple[Expr, Unit], second: tuple[Expr, Unit], where: str
) -> RanvierError:
    return fail(
        "unit-mismatch",
        where,
        f"cannot combine {show(first[0])!r} and {show(second[0])!r} in {show(whole)!r}",
        got=f"{first[1]} and {second[1]}",
        limit="the same unit on both sides",
    )
