"""What a plasticity rule is: traces, and updates of the weight at the spikes of both sides.

A :class:`PlasticityRule` is a statement, not code: :mod:`ranvier.plasticity._generate` makes code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

from ranvier.neurons._expr import Expr
from ranvier.neurons._statement import find, read_fields, read_items
from ranvier.plasticity._check import (
    MAX_ITEMS,
    Monomial,
    check,
    parse_drift,
    parse_updates,
    weight_unit,
)
from ranvier.plasticity._parts import Parameter, SynapseVariable, ThirdFactor, Trace
from ranvier.units import Unit

__all__ = ["PlasticityRule"]

_PARTS: dict[str, type] = {
    "parameters": Parameter, "traces": Trace, "variables": SynapseVariable,
}  # fmt: skip
_LISTS = (*_PARTS, "on_pre", "on_post")
_NEEDED: dict[type, tuple[str, ...]] = {
    Parameter: ("name", "unit"), Trace: ("name", "side", "tau"), SynapseVariable: ("name",),
    ThirdFactor: ("name", "tau"),
}  # fmt: skip
"""Fields that a file must have."""


@dataclass(frozen=True, kw_only=True)
class PlasticityRule:
    """A plasticity rule as its maths.

    ``on_pre`` (when a presynaptic spike arrives at the synapse, the delay of the projection after
    it was sent) and ``on_post`` (at a spike of the target) are assignments that run in order:
    ``"w = w - a_minus*y"``. They may assign ``w`` and the ``variables`` and use these, traces,
    parameters, the third factor and ``u``, a uniform random number in [0, 1) that is new at every
    update of every synapse. After the last one, w is brought into ``w_min`` .. ``w_max`` (names of
    parameters, or None for no bound).

    ``drift``: ``"dw/dt = e*n"`` changes w between events; a sum of products of parameters,
    variables and the third factor, which is integrated in closed form from event to event.

    Order within a tick t:

    1. the events of the third factor of tick t;
    2. presynaptic spikes that arrive at t: ``on_pre`` sees postsynaptic traces with spikes up to
       t-1, and its own traces as their ``read`` says; then those jump. The weight after ``on_pre``
       is the one that is transmitted;
    3. neurons update and spike; at the spikes of tick t ``on_post`` sees presynaptic traces with
       the arrivals of t, and its own traces as their ``read`` says; then those jump.

    In units, ``w`` stands for the unit of the weight, which the projection decides (``"w"``,
    ``"w/s"``). Construction checks everything and raises RanvierError. ``doc``, ``source`` and the
    docs of the parts do not count in comparisons.
    """

    name: str
    doc: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    parameters: tuple[Parameter, ...] = ()
    traces: tuple[Trace, ...] = ()
    variables: tuple[SynapseVariable, ...] = ()
    third_factor: ThirdFactor | None = None
    on_pre: tuple[str, ...] = ()
    on_post: tuple[str, ...] = ()
    drift: str | None = None
    w_min: str | None = None
    w_max: str | None = None

    def __post_init__(self) -> None:
        for name in _LISTS:
            value: Any = getattr(self, name)
            single = isinstance(value, (str, *_PARTS.values()))
            object.__setattr__(self, name, (value,) if single else tuple(value))
        check(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return (PlasticityRule.from_dict, (self.to_dict(),))

    @property
    def where(self) -> str:
        """How errors name this rule."""
        return f"plasticity rule {self.name!r}"

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        """Unit of every name. That of the weight is written as a unit of its own."""
        return MappingProxyType(check(self))

    @cached_property
    def pre_exprs(self) -> tuple[tuple[str, Expr], ...]:
        """``on_pre`` parsed: (what is assigned, its new value)."""
        return tuple(parse_updates(self, "on_pre", self.units))

    @cached_property
    def post_exprs(self) -> tuple[tuple[str, Expr], ...]:
        """``on_post`` parsed: (what is assigned, its new value)."""
        return tuple(parse_updates(self, "on_post", self.units))

    @cached_property
    def drift_terms(self) -> tuple[Monomial, ...]:
        """``drift`` as (factor made of parameters, the decaying names it multiplies) by term."""
        return tuple(parse_drift(self, self.units))

    @property
    def defaults(self) -> dict[str, float]:
        """Values of the parameters that have a default, in SI units (w in the weight's)."""
        return {p.name: p.default for p in self.parameters if p.default is not None}

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``; RanvierError with the legal names otherwise."""
        return find(self.parameters, name, "parameter", self.where)

    def trace(self, name: str) -> Trace:
        """The trace called ``name``; RanvierError with the legal names otherwise."""
        return find(self.traces, name, "trace", self.where)

    def weight_unit(self, parameter: str) -> bool:
        """Whether the unit of this parameter contains that of the weight."""
        return weight_unit(self.parameter(parameter).unit).dims[6] != 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in _PARTS:
            data[name] = [asdict(part) for part in data[name]]
        data["on_pre"], data["on_post"] = list(self.on_pre), list(self.on_post)
        data["third_factor"] = None if self.third_factor is None else asdict(self.third_factor)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PlasticityRule:
        """Read what :meth:`to_dict` wrote; the data may come from anyone, so all is checked."""
        where, code = "plasticity rule", "bad-rule"
        values = read_fields(cls, data, where, code, ("name",))

        def part(kind: type, item: Any, place: str) -> Any:
            return kind(**read_fields(kind, item, f"{where}, {place}", code, _NEEDED[kind]))

        for name in _LISTS:
            items = read_items(data, name, where, code, MAX_ITEMS)
            if name in _PARTS:
                items = [part(_PARTS[name], item, name) for item in items]
            values[name] = tuple(items)
        third = values.get("third_factor")
        if third is not None:
            values["third_factor"] = part(ThirdFactor, third, "factor")
        return cls(**values)
