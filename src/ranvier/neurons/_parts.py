"""The parts a neuron model is made of: parameters, ports, parsed equations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ranvier.neurons._expr import Expr
from ranvier.units import Unit

__all__ = ["Equation", "EquationKind", "Output", "Parameter", "Port", "PortKind", "Rounding"]

Output = Literal["spike", "graded", "continuous"]
PortKind = Literal["jump", "hold"]
Rounding = Literal["round", "ceil"]
EquationKind = Literal["ode", "discrete", "algebraic"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A constant of the model. Values are floats in coherent SI units; None: must be given."""

    name: str
    unit: str
    default: float | None = None
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Port:
    """Where synapses arrive; the engine hands over the sum x of the weights that arrive in a tick.

    ``jump``: x is added to the state ``variable`` after integration over the tick. ``hold``:
    ``variable`` is a name in the equations that equals x, constant over the tick.
    """

    name: str
    variable: str
    kind: PortKind
    unit: str
    doc: str = field(default="", compare=False)


@dataclass(frozen=True)
class Equation:
    """One parsed equation. ``kind``: ode (expr is dx/dt), discrete (the next x) or algebraic."""

    kind: EquationKind
    variable: str
    expr: Expr
    unit: Unit
    text: str
