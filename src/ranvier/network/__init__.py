"""Networks: what to compute, never where. Made by frontends, the Python API and learning."""

from ranvier.network._bundle import load, save
from ranvier.network._connectivity import (
    Connectivity,
    Conv,
    Dense,
    OneToOne,
    Pool,
    Rule,
    Sparse,
    Synapses,
)
from ranvier.network._lint import lint
from ranvier.network._network import Network, Population, Probe, Projection, Signal
from ranvier.network._text import to_text

__all__ = [
    "Connectivity",
    "Conv",
    "Dense",
    "Network",
    "OneToOne",
    "Pool",
    "Population",
    "Probe",
    "Projection",
    "Rule",
    "Signal",
    "Sparse",
    "Synapses",
    "lint",
    "load",
    "save",
    "to_text",
]
