"""How a linear neuron moves while nothing arrives: what an engine needs to let it sleep.

Between inputs the state of a linear model obeys s(k+1) = P s(k) + c. A neuron whose potential can
not reach the threshold on that way need not be computed until something arrives; then P**k brings
it up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ranvier.neurons._expr import Sym, evaluate, names
from ranvier.neurons._linear import CONSTANT, propagators
from ranvier.neurons._model import NeuronModel
from ranvier.neurons._schemes import default_method, linear_system

__all__ = ["rest_map"]

MOST_STEPS = 1 << 20
"""Ticks a neuron may need to come to rest; slower ones are always computed."""
SETTLED = 1e-12
"""What may be left of a displacement when a neuron is called at rest."""


def rest_map(
    model: NeuronModel, parameters: Mapping[str, Any], dt: float, method: str | None
) -> dict[str, Any] | None:
    """The way of a neuron that receives nothing, as plain data; None where it has no such form.

    ``states`` names the d states; ``matrix`` [d][d] and ``constant`` [d] are P and c; ``rest`` [d]
    is the fixed point; ``threshold`` [V or the state's unit] is compared with state number
    ``watched``; ``highest`` and ``lowest`` [d] are the largest and smallest coefficients of each
    displacement in the watched state at any later tick, so that

        rest + sum over j of max(highest[j] * d[j], lowest[j] * d[j])

    bounds it from above, with d the displacements from rest now.
    """
    test = model.threshold_expr
    if (
        model.output != "spike"
        or test is None
        or model.reset_delay
        or default_method(model) != "exact"
        or (method or "exact") != "exact"
        or getattr(model, "noises", ())
        or any(np.ndim(v) for v in parameters.values())
    ):
        return None
    watched, bound = test.args
    fixed = {p.name for p in model.parameters}
    if not isinstance(watched, Sym) or watched.name not in model.states:
        return None
    if not set(names(bound)) <= fixed:
        return None
    values = {**model.defaults, **parameters}
    found = propagators(linear_system(model), values, dt)
    states = list(model.states)
    matrix, constant = np.zeros((len(states), len(states))), np.zeros(len(states))
    for i, state in enumerate(states):
        if state not in found[state]:
            matrix[i, i] = 1.0
        for name, value in found[state].items():
            number = 1.0 if value is None else float(value)
            if name == CONSTANT:
                constant[i] = number
            elif name in states:  # else an input that is held over the tick: 0 at rest
                matrix[i, states.index(name)] = number
    if not np.all(np.isfinite(matrix)) or np.abs(np.linalg.eigvals(matrix)).max() >= 1:
        return None
    rest = np.linalg.solve(np.eye(len(states)) - matrix, constant)
    extremes = _extremes(matrix, states.index(watched.name))
    if extremes is None:
        return None
    return {
        "states": states,
        "matrix": matrix.tolist(),
        "constant": constant.tolist(),
        "rest": rest.tolist(),
        "watched": states.index(watched.name),
        "threshold": float(evaluate(bound, values)),
        "highest": extremes[0].tolist(),
        "lowest": extremes[1].tolist(),
    }


def _extremes(matrix: Any, watched: int) -> tuple[Any, Any] | None:
    """Largest and smallest entries of row ``watched`` of matrix**k over all k >= 1."""
    row = matrix[watched].copy()
    high, low = row.copy(), row.copy()
    for _ in range(MOST_STEPS):
        row = row @ matrix
        high, low = np.maximum(high, row), np.minimum(low, row)
        if np.abs(row).max() < SETTLED * max(1.0, np.abs(high).max(), np.abs(low).max()):
            return np.maximum(high, 0.0), np.minimum(low, 0.0)
    return None
