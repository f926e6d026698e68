"""The parts a neuron model is made of: parameters, ports, parsed equations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ranvier.neurons._expr import Expr
from ranvier.units import Unit

__all__ = [
    "METHOD_NAMES",
    "Equation",
    "EquationKind",
    "Noise",
    "NoiseKind",
    "Output",
    "Parameter",
    "Port",
    "PortKind",
    "Rounding",
]

Output = Literal["spike", "graded", "continuous"]
PortKind = Literal["jump", "hold"]
NoiseKind = Literal["uniform", "normal", "poisson"]
Rounding = Literal["round", "ceil"]
METHOD_NAMES = (
    "exact", "euler", "euler_sequential", "euler_halves", "exponential_euler",
    "exponential_midpoint", "rk4", "rk4_split", "discrete",
)  # fmt: skip
"""Integration methods (see :mod:`._schemes`)."""
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

    ``scale`` is an expression of parameters by which x is multiplied, once, after summing: with
    ``unit="A"`` and ``scale="exp(1)/tau_syn"`` a weight in amperes jumps a state in A/s.
    """

    name: str
    variable: str
    kind: PortKind
    unit: str
    scale: str = "1"
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """A random number, independent for every neuron and tick and constant over the tick.

    ``name`` stands in the equations, threshold, resets and output, without a unit. ``kind``:
    ``uniform`` in (0, 1), ``normal`` with mean 0 and variance 1, or ``poisson``, the number of
    events in a tick of a process whose rate (1/s) is the parameter ``rate``.

    With ``port`` and ``weight`` (a parameter in the unit of that port) the count arrives there as
    well: the port's sum becomes synapses + weight*count, the synapses first.
    """

    name: str
    kind: NoiseKind
    rate: str = ""
    port: str = ""
    weight: str = ""
    doc: str = field(default="", compare=False)


@dataclass(frozen=True)
class Equation:
    """One parsed equation. ``kind``: ode (expr is dx/dt), discrete (the next x) or algebraic."""

    kind: EquationKind
    variable: str
    expr: Expr
    unit: Unit
    text: str
