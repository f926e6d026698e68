"""Exact propagators of linear systems, computed numerically, for one or many parameter sets.

For dx/dt = A x + B u + c with u held over a tick, x(t + dt) = P x(t) + Q u + q where P, Q, q are
blocks of expm([A B c; 0 0 0] dt) (Van Loan 1978, IEEE Trans. Autom. Control 23:395; used for
neurons by Rotter & Diesmann 1999, Biol. Cybern. 81:381). Nothing is divided by a difference of
time constants, so equal ones are no special case.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.neurons._algebra import add, multiply, negate
from ranvier.neurons._expr import (
    Expr,
    Num,
    Op,
    Sym,
    evaluate,
    expm1_over,
    names,
)

__all__ = ["CONSTANT", "LinearSystem", "NonLinear", "expm", "linear_parts", "propagators"]

Array = NDArray[np.float64]
CONSTANT = ""
"""Key of the constant part beside the names of states and inputs."""


class NonLinear(Exception):
    """``term`` is not a linear function of states and inputs with constant coefficients."""

    def __init__(self, term: Expr) -> None:
        super().__init__()
        self.term = term


def linear_parts(expr: Expr, variables: Collection[str]) -> dict[str, Expr]:
    """Coefficients of ``expr`` by variable, and under CONSTANT what is left; free of variables.

    Raises NonLinear with the offending term.
    """
    if isinstance(expr, Sym) and expr.name in variables:
        return {expr.name: Num(1.0)}
    if not any(n in variables for n in names(expr)):
        return {} if expr == Num(0.0) else {CONSTANT: expr}
    assert isinstance(expr, Op)
    args = expr.args
    if expr.op in ("+", "-"):
        result = linear_parts(args[0], variables)
        for name, part in linear_parts(args[1], variables).items():
            part = negate(part) if expr.op == "-" else part
            result[name] = add(result[name], part) if name in result else part
        return result
    if expr.op == "neg":
        return {n: negate(p) for n, p in linear_parts(args[0], variables).items()}
    free = [not any(n in variables for n in names(a)) for a in args]
    if expr.op == "*" and any(free):
        factor, rest = (args[0], args[1]) if free[0] else (args[1], args[0])
        return {n: multiply(factor, p) for n, p in linear_parts(rest, variables).items()}
    if expr.op == "/" and free[1]:
        return {n: Op("/", (p, args[1])) for n, p in linear_parts(args[0], variables).items()}
    raise NonLinear(expr)


@dataclass(frozen=True)
class LinearSystem:
    """Right-hand sides dx/dt as coefficients: ``rows[state][state | input | CONSTANT]``."""

    states: tuple[str, ...]
    inputs: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Expr]]

    def clamp(self, held: Collection[str]) -> LinearSystem:
        """The same system while the states in ``held`` stand still."""
        rows = {s: ({} if s in held else row) for s, row in self.rows.items()}
        return LinearSystem(self.states, self.inputs, rows)

    def reach(self) -> dict[str, set[str]]:
        """For each state all names that change it over time, itself only if through a term."""
        found = {s: set(self.rows[s]) for s in self.states}
        for middle in self.states:  # transitive closure (Warshall)
            for state in self.states:
                if middle in found[state]:
                    found[state] |= found[middle]
        return found


def propagators(
    system: LinearSystem, values: Mapping[str, Any], dt: float
) -> dict[str, dict[str, Any]]:
    """Coefficients of the exact update: new state = sum of coefficient times old name.

    ``values``: parameters, scalars or arrays [n]. A missing entry is zero by structure (whatever
    the values), and a state that no term of its own changes has the coefficient literal 1 (absent
    as well: see the ``None``). Results are float64 scalars or arrays [n]; may contain inf or nan.
    """
    reach = system.reach()
    columns = (*system.inputs, CONSTANT)
    result: dict[str, dict[str, Any]] = {}
    block: Array | None = None
    order = (*system.states, *columns)
    for state in system.states:
        others = [s for s in system.states if s in reach[state] and s != state]
        row = {n: evaluate(e, values) for n, e in system.rows[state].items()}
        found: dict[str, Any] = {}
        cycle = any(state in reach[other] for other in others)
        if not cycle:  # a diagonal entry of a (block) triangular matrix
            found[state] = np.exp(row[state] * dt) if state in row else None
        if not others:
            growth = dt * (expm1_over(row[state] * dt) if state in row else 1.0)
            found |= {n: row[n] * growth for n in columns if n in row}
        else:
            if block is None:
                block = _augmented(system, values, dt)
            wanted = [n for n in order if n in reach[state] and n not in found]
            i = order.index(state)
            for name in wanted:
                entry = block[:, i, order.index(name)]
                found[name] = entry if _is_array(values, system) else entry[0]
        result[state] = {n: found[n] for n in order if n in found}
    return result


def _is_array(values: Mapping[str, Any], system: LinearSystem) -> bool:
    used = {n for row in system.rows.values() for e in row.values() for n in names(e)}
    return any(np.ndim(values[n]) for n in used)


def _augmented(system: LinearSystem, values: Mapping[str, Any], dt: float) -> Array:
    order = (*system.states, *system.inputs, CONSTANT)
    entries = {
        (order.index(s), order.index(n)): np.atleast_1d(evaluate(e, values))
        for s, row in system.rows.items()
        for n, e in row.items()
    }
    count = max((v.size for v in entries.values()), default=1)
    matrix = np.zeros((count, len(order), len(order)))
    for (i, j), value in entries.items():
        matrix[:, i, j] = value * dt
    if not np.all(np.isfinite(matrix)):
        return np.full_like(matrix, np.nan)
    rows, inverse = np.unique(matrix.reshape(count, -1), axis=0, return_inverse=True)
    return expm(rows.reshape(-1, *matrix.shape[1:]))[inverse.reshape(-1)]


def expm(matrices: Array) -> Array:
    """Matrix exponentials of a stack [n, k, k]; row by row, so a result never depends on others.

    Scaling and squaring with a Taylor polynomial of degree 16 at norm <= 1/2 (remainder 2e-20;
    Moler & Van Loan 2003, SIAM Rev. 45:3, method 3). Unlike scipy.linalg.expm it handles a stack
    at once (100,000 sets of parameters in a second) and balances first: in SI units a resistance
    of 1e8 stands beside a rate of 50, and scaling for the larger would wipe out the smaller.
    """
    scale = _balance(matrices)
    balanced = matrices * scale[:, None, :] / scale[:, :, None]
    norm = np.abs(balanced).sum(axis=2).max(axis=1)
    squarings = np.maximum(0, np.ceil(np.log2(np.maximum(norm, 1e-300))) + 1).astype(int)
    small = balanced * np.exp2(-squarings)[:, None, None]
    identity = np.eye(matrices.shape[1])
    result = np.broadcast_to(identity, small.shape)
    for degree in range(16, 0, -1):
        result = identity + (small @ result) / degree
    for level in range(int(squarings.max(initial=0))):
        more = squarings > level
        result[more] = result[more] @ result[more]
    return result * scale[:, :, None] / scale[:, None, :]


def _balance(matrices: Array) -> Array:
    """Powers of two d [n, k] that even out the rows and columns of M[i, j] * d[j] / d[i].

    Osborne's iteration (1960, J. ACM 7:338); an index that only feeds or is only fed (as inputs
    are), which that leaves free, is scaled to the size of the diagonal.
    """
    count, k, _ = matrices.shape
    off = np.abs(matrices)
    diagonal = np.arange(k)
    target = np.maximum(off[:, diagonal, diagonal].max(axis=1), 1e-3)
    off[:, diagonal, diagonal] = 0.0
    scale = np.ones((count, k))
    for _ in range(4):
        for i in range(k):
            row = (off[:, i, :] * scale).sum(axis=1) / scale[:, i]
            column = (off[:, :, i] / scale).sum(axis=1) * scale[:, i]
            has_row, has_column = row > 0, column > 0
            top = np.where(has_row, row, np.where(has_column, target, 1.0))
            bottom = np.where(has_column, column, np.where(has_row, target, 1.0))
            power = np.where(has_row & has_column, 0.5, 1.0)
            step = np.round(power * (np.log2(top) - np.log2(bottom)))
            scale[:, i] *= np.exp2(np.clip(step, -500, 500))
    return scale
