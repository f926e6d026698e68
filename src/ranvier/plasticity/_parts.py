"""The parts a plasticity rule is made of: traces, variables of a synapse, a third factor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ranvier.neurons import Parameter

__all__ = ["Jump", "Parameter", "Read", "Side", "SynapseVariable", "ThirdFactor", "Trace"]

Side = Literal["pre", "post"]
Jump = Literal["add", "set"]
Read = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A number that decays with ``tau`` and jumps at the spikes of its ``side``; starts at 0.

    ``tau`` names a parameter in seconds. ``jump``: ``add`` adds ``increment`` (every spike counts),
    ``set`` sets the trace to it (only the nearest spike counts). ``increment`` and ``bound`` (the
    value is cut off there after the jump) are expressions of parameters. ``read``: what an update
    of the trace's own side sees at the moment of the spike, the value ``before`` or ``after`` this
    jump. An update of the other side sees the value of the moment.
    """

    name: str
    side: Side
    tau: str
    jump: Jump = "add"
    increment: str = "1"
    bound: str | None = None
    read: Read = "before"
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class SynapseVariable:
    """A number that every synapse has beside its weight, e.g. an eligibility.

    ``tau`` names a parameter in seconds; None: it keeps its value between updates. ``initial`` is
    a number in ``unit``. In units, ``w`` stands for the unit of the weight.
    """

    name: str
    tau: str | None = None
    unit: str = "1"
    initial: float = 0.0
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class ThirdFactor:
    """A signal that all synapses of a projection see, e.g. dopamine.

    Events carry a number that is added to it; it decays with ``tau`` (a parameter in seconds)
    towards ``baseline`` (a parameter; None: 0), where it starts.
    """

    name: str
    tau: str
    baseline: str | None = None
    unit: str = "1"
    doc: str = field(default="", compare=False)
