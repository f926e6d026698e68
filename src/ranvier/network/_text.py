"""The text form of a network: for people, diffs and golden tests."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ranvier.network._connectivity import Connectivity, Conv, Pool
from ranvier.network._distribution import Distribution
from ranvier.network._network import Network, Population, Projection
from ranvier.network._rule import Rule
from ranvier.network._space import Grid, Space

__all__ = ["to_text"]


def _value(value: Any) -> str:
    """A number, or the range and a short hash of an array."""
    if not isinstance(value, Distribution) and np.ndim(value):
        array = np.asarray(value, np.float64)
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:8]
        if array.size == 0:
            return "[]"
        return f"[{array.min():.6g} .. {array.max():.6g}; {array.size}; #{digest}]"
    if isinstance(value, Distribution):
        return str(value)
    other: Any = value
    if isinstance(other, np.ndarray):
        return f"{other.item():.12g}"
    return f"{other:.12g}" if isinstance(other, float) else str(other)


def _population(population: Population) -> list[str]:
    shape = "x".join(map(str, population.shape))
    if population.model is None:
        return [f"input {population.name} [{shape}] {population.signal}"]
    model = population.model
    extra = f" dt={population.dt:g}" if population.dt is not None else ""
    extra += f" method={population.method}" if population.method else ""
    lines = [f"population {population.name} [{shape}] {model.name}{extra}"]
    lines += [f"    {equation}" for equation in model.equations]
    if model.threshold:
        reset = ", ".join(model.reset) or "no reset"
        late = " (next tick)" if model.reset_delay else ""
        lines.append(f"    spike if {model.threshold}: {reset}{late}")
    for group, values in (("", population.parameters), ("initial ", population.initial)):
        lines += [f"    {group}{name} = {_value(value)}" for name, value in values.items()]
    return lines


def _connectivity(connectivity: Connectivity) -> str:
    pre, post = connectivity.sizes()
    text = f"{connectivity.kind} {pre}->{post}"
    if isinstance(connectivity, Conv):
        text += (
            f" kernel {'x'.join(map(str, connectivity.weights.shape))} stride {connectivity.stride}"
            f" padding {connectivity.padding} dilation {connectivity.dilation}"
            f" groups {connectivity.groups}"
        )
    if isinstance(connectivity, Pool):
        text += (
            f" {connectivity.mode} {connectivity.kernel} stride {connectivity.stride}"
            f" padding {connectivity.padding} weight {connectivity.weight:g}"
        )
    if isinstance(connectivity, Rule):
        given = ", ".join(f"{k}={v:g}" for k, v in connectivity.parameters.items())
        text += (
            f" {connectivity.rule}({given}) weight {_value(connectivity.weight)}"
            f" seed {connectivity.seed}"
            f"{'' if connectivity.autapses else ' no autapses'}"
            f"{'' if connectivity.multapses else ' no multapses'}"
            f"{'' if connectivity.space is None else _space(connectivity.space)}"
        )
    weights = getattr(connectivity, "weights", None)
    return text if weights is None else f"{text} weights {_value(weights)}"


def _space(space: Space) -> str:
    ends: list[str] = []
    for end in (space.pre, space.post):
        grid = isinstance(end, Grid)
        ends.append(f"grid {end.shape} of {end.extent}" if grid else f"positions {_value(end)}")
    ring = "" if space.period is None else f" period {space.period}"
    return f" from {ends[0]} to {ends[1]}{ring}"


def _projection(projection: Projection) -> list[str]:
    delay = "1 tick" if projection.delay is None else f"{_value(projection.delay)} s"
    return [
        f"projection {projection.name}: {projection.source} -> {projection.target}"
        f".{projection.port} {f'gap {projection.gap}' if projection.gap else f'delay {delay}'}"
        f"{f' {projection.short_term}' if projection.short_term else ''}"
        f"{_plasticity(projection)}",
        f"    {_connectivity(projection.connectivity)}",
    ]


def _plasticity(projection: Projection) -> str:
    p = projection.plasticity
    if p is None:
        return ""
    given = ", ".join(f"{name}={value:g}" for name, value in p.parameters.items())
    return f" plasticity {p.rule.name}({given}){f' reward {p.reward}' if p.reward else ''}"


def to_text(network: Network) -> str:
    """One block per population and projection; arrays as range, size and a short hash."""
    lines = [f"network {network.name}"]
    for population in network.populations:
        lines += _population(population)
    for projection in network.projections:
        lines += _projection(projection)
    if network.outputs:
        lines.append(f"outputs {', '.join(network.outputs)}")
    lines += [f"probe {probe} every {probe.every}" for probe in network.probes]
    return "\n".join(lines) + "\n"
