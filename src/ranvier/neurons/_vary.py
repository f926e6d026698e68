"""Variations of a model's statement: another reset, another comparison, background input."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from ranvier.errors import fail
from ranvier.neurons._check import one_of, parse_threshold
from ranvier.neurons._expr import Op, Sym, names
from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Noise, Parameter

__all__ = ["with_poisson", "with_reset", "with_threshold"]


def with_reset(
    model: NeuronModel, kind: Literal["value", "subtract", "none"], *, delay: int = 0
) -> NeuronModel:
    """The same model with another reset of the variable in its threshold ``v > v_threshold``.

    ``value``: ``v = v_reset`` (what the model itself sets v to where it has no such parameter, or
    0). ``subtract``:
    ``v = v - v_threshold``. ``none``: v goes on. Resets of other states stay. ``delay`` 1 applies
    them a tick later (see :class:`NeuronModel`).
    """
    one_of(model, "with_reset", kind, ("value", "subtract", "none"))
    test = parse_threshold(model) if model.threshold else None
    left, right = test.args if isinstance(test, Op) else (None, None)
    if not isinstance(left, Sym) or left.name not in model.states:
        raise fail(
            "no-threshold",
            model.where,
            "the threshold does not compare a state",
            got=repr(model.threshold),
            hint="use dataclasses.replace(model, reset=...)",
        )
    others = tuple(
        t
        for t, (state, _) in zip(model.reset, model.reset_exprs, strict=True)
        if state != left.name
    )
    bound = (model.threshold or "").split(">")[-1].lstrip("=").strip()
    assert right is not None
    own = [
        text
        for text, (state, value) in zip(model.reset, model.reset_exprs, strict=True)
        if state == left.name and not set(names(value)) & set(model.states)
    ]
    has_value = any(p.name == f"{left.name}_reset" for p in model.parameters)
    value = f"{left.name} = {left.name}_reset" if has_value else f"{left.name} = 0"
    text = {
        "value": (own[0] if own and not has_value else value,),
        "subtract": (f"{left.name} = {left.name} - ({bound})" if isinstance(right, Op)
                     else f"{left.name} = {left.name} - {bound}",),
        "none": (),
    }[kind]  # fmt: skip
    return replace(model, reset=text + others, reset_delay=delay)


def with_threshold(model: NeuronModel, *, comparison: Literal[">", ">="]) -> NeuronModel:
    """The same model with a strict or an inclusive threshold."""
    one_of(model, "with_threshold", comparison, (">", ">="))
    if model.threshold is None:
        raise fail("no-threshold", model.where, "the model has no threshold")
    text = re.sub(r"\s*>=?\s*", f" {comparison} ", model.threshold, count=1)
    return replace(model, threshold=text.strip())


def with_poisson(model: NeuronModel, port: str | None = None, *, suffix: str = "") -> NeuronModel:
    """The same model with background spikes: a Poisson train of its own for every neuron.

    At each tick ``poisson_weight`` (unit of the port) times a Poisson count of mean
    ``poisson_rate*dt`` (1/s; 0 unless given) is added to what arrives at ``port``, by default the
    first, after all synapses. Asked again, for another port say, the new parameters end in
    ``_<port>`` or in ``suffix``. Raises RanvierError where the names are taken.
    """
    target = model.port(port)
    taken = {n.name for n in model.noises}
    end = suffix or (f"_{target.name}" if "poisson_count" in taken else "")
    rate, weight, count = (f"poisson_{what}{end}" for what in ("rate", "weight", "count"))
    return replace(
        model,
        parameters=(
            *model.parameters,
            Parameter(name=rate, unit="1/s", default=0.0,
                      doc=f"rate of the background spikes at {target.name}"),
            Parameter(name=weight, unit=target.unit,
                      doc=f"weight of a background spike at {target.name}"),
        ),
        noises=(
            *model.noises,
            Noise(name=count, kind="poisson", rate=rate, port=target.name, weight=weight,
                  doc=f"background spikes at {target.name}"),
        ),
    )  # fmt: skip
