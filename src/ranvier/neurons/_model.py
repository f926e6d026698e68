"""What a neuron model is: equations, parameters with units, ports, threshold, reset, refractory.

A :class:`NeuronModel` is a statement, not code. Everything else (the CPU kernel, the torch step)
is generated from it by :mod:`ranvier.neurons._generate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

from ranvier.errors import fail
from ranvier.neurons._check import (
    MAX_ITEMS,
    check,
    check_size,
    parse_equations,
    parse_reset,
    plain_names,
    port_unit,
)
from ranvier.neurons._expr import Expr, Op, next_name, parse, substitute
from ranvier.neurons._parts import Equation, Noise, Output, Parameter, Port, Rounding
from ranvier.neurons._statement import find, read_fields, read_items
from ranvier.units import DIMENSIONLESS, Unit, parse_unit

__all__ = ["NeuronModel"]

_NEEDED = ("name", "unit", "variable", "kind", "equations")
"""Fields that a file must have, of whatever part has them."""


@dataclass(frozen=True, kw_only=True)
class NeuronModel:
    """A neuron model as its maths.

    ``equations``: ``"dv/dt = (v_leak - v + r*i)/tau : V"`` (the unit is that of v itself),
    ``"v[n+1] = beta*v + x : 1"`` (discrete by nature; ``syn[n+1]`` on the right is the value an
    earlier equation has just computed) or ``"y = max(x, 0) : 1"`` (a name for an expression, with
    the value of the moment at which it is used). ODE and discrete equations do not mix. ``dt`` is
    the length of a tick in seconds, for what is random by nature: ``1 - exp(-rate*dt) > u``.

    ``threshold``: a comparison with ``>`` or ``>=``, e.g. ``"v > v_threshold"``. ``reset``:
    assignments run in order when a spike is sent. ``reset_delay`` 1 applies them at the next tick,
    after integration and jumps and before the threshold test (as snnTorch does). ``refractory``
    names a parameter in seconds, turned into ticks by ``refractory_rounding``; meanwhile the states
    in ``refractory_hold`` keep their value, deaf to input, and no spike is sent.

    ``output``: ``spike``, ``graded`` (a number sent when it is not zero, or with each spike where
    there is a threshold) or ``continuous`` (a number every tick). The number is
    ``output_expression``, by default the variable of the first equation.

    ``noises`` are random numbers that the equations may use (see :class:`Noise`).

    ``method`` is the integrator that ``discretise`` takes when none is asked for; None leaves the
    choice to the equations (exact if they are linear, else exponential Euler).

    ``initial``: values or expressions of parameters at the start; states not named start at 0.

    Construction checks everything and raises RanvierError. Equal models have equal statements;
    ``doc``, ``source`` and the docs of parameters and ports do not count.
    """

    name: str
    doc: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    equations: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    ports: tuple[Port, ...] = ()
    noises: tuple[Noise, ...] = ()
    threshold: str | None = None
    reset: tuple[str, ...] = ()
    reset_delay: int = 0
    refractory: str | None = None
    refractory_hold: tuple[str, ...] = ()
    refractory_rounding: Rounding = "round"
    output: Output = "spike"
    output_expression: str | None = None
    method: str | None = None
    initial: Mapping[str, float | str] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )

    def __post_init__(self) -> None:
        for name in ("equations", "parameters", "ports", "noises", "reset", "refractory_hold"):
            value: Any = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        object.__setattr__(self, "initial", MappingProxyType(dict(self.initial)))
        check(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return (NeuronModel.from_dict, (self.to_dict(),))

    @property
    def where(self) -> str:
        """How errors name this model."""
        return f"neuron model {self.name!r}"

    @cached_property
    def parsed(self) -> tuple[Equation, ...]:
        """The equations, in order."""
        return tuple(parse_equations(self))

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Names of the state variables, in the order of their equations."""
        return tuple(e.variable for e in self.parsed if e.kind != "algebraic")

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        """Unit of every name: parameters, held port variables, noises, states, algebraic ones."""
        known = {p.name: parse_unit(p.unit) for p in self.parameters}
        known |= {p.variable: port_unit(self, p) for p in self.ports if p.kind == "hold"}
        known |= {n.name: DIMENSIONLESS for n in self.noises}
        known["dt"] = parse_unit("s")
        known |= {e.variable: e.unit for e in self.parsed}
        known |= {next_name(e.variable): e.unit for e in self.parsed}
        return MappingProxyType(known)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names that are constant over a tick but not from tick to tick: held ports, noises."""
        held = tuple(p.variable for p in self.ports if p.kind == "hold")
        return (*held, *(n.name for n in self.noises))

    @property
    def is_discrete(self) -> bool:
        """Whether the equations are of the form ``v[n+1] = ...``."""
        return any(e.kind == "discrete" for e in self.parsed)

    @property
    def defaults(self) -> dict[str, float]:
        """Values of the parameters that have a default, in SI units."""
        return {p.name: p.default for p in self.parameters if p.default is not None}

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``; RanvierError with the legal names otherwise."""
        return find(self.parameters, name, "parameter", self.where)

    def port(self, name: str | None = None) -> Port:
        """The port called ``name``, or the first one."""
        if name is None and self.ports:
            return self.ports[0]
        return find(self.ports, str(name), "port", self.where)

    def expand(self, expr: Expr) -> Expr:
        """``expr`` with algebraic variables replaced by their definitions."""
        return substitute(expr, self.definitions)

    @cached_property
    def definitions(self) -> dict[str, Expr]:
        """What each algebraic variable stands for, in states, ports and parameters."""
        found: dict[str, Expr] = {}
        for equation in self.parsed:
            if equation.kind == "algebraic":
                check_size(self, equation.expr, equation.text, found)
                found[equation.variable] = substitute(equation.expr, found)
        return found

    @cached_property
    def threshold_expr(self) -> Op | None:
        """The parsed threshold comparison, algebraic names replaced."""
        if self.threshold is None:
            return None
        expr = parse(self.threshold, where=f"{self.where}, threshold", allowed=plain_names(self),
                     condition=True)  # fmt: skip
        if not isinstance(expr, Op) or expr.op not in (">", ">="):
            raise fail("bad-threshold", f"{self.where}, threshold", "not a threshold",
                       got=repr(self.threshold), limit="one comparison with > or >=",
                       hint="write 'v > v_threshold'")  # fmt: skip
        check_size(self, expr, self.threshold)
        return Op(expr.op, tuple(self.expand(a) for a in expr.args))

    @cached_property
    def reset_exprs(self) -> tuple[tuple[str, Expr], ...]:
        """Parsed resets: (state, new value), algebraic names replaced."""
        return tuple(parse_reset(self, text) for text in self.reset)

    @cached_property
    def output_expr(self) -> Expr | None:
        """What a graded or continuous model sends, algebraic names replaced; None for spikes."""
        if self.output == "spike":
            return None
        text = self.output_expression or self.parsed[0].variable
        expr = parse(text, where=f"{self.where}, output_expression", allowed=plain_names(self))
        check_size(self, expr, text)
        return self.expand(expr)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        data: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("noises", "method"):  # files keep their bytes where these are not used
            if not data[name]:
                del data[name]
        for name in ("equations", "reset", "refractory_hold"):
            data[name] = list(data[name])
        data["parameters"] = [asdict(p) for p in self.parameters]
        data["ports"] = [
            {k: v for k, v in asdict(p).items() if (k, v) != ("scale", "1")} for p in self.ports
        ]
        if self.noises:
            data["noises"] = [asdict(n) for n in self.noises]
        data["initial"] = dict(self.initial)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NeuronModel:
        """Read what :meth:`to_dict` wrote; the data may come from anyone, so all is checked."""
        where, code = "neuron model", "bad-model"
        values = read_fields(cls, data, where, code, _NEEDED)
        for name in ("equations", "reset", "refractory_hold"):
            values[name] = tuple(read_items(data, name, where, code, MAX_ITEMS))
        for name, kind in (("parameters", Parameter), ("ports", Port), ("noises", Noise)):
            place = f"{where}, {name.removesuffix('s')}"
            values[name] = tuple(
                kind(**read_fields(kind, item, place, code, _NEEDED))
                for item in read_items(data, name, where, code, MAX_ITEMS)
            )
        if not isinstance(values.get("initial", {}), Mapping):
            raise fail("bad-model", where, "initial must be a mapping", got=values["initial"])
        return cls(**values)
