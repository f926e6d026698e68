"""Networks: what to compute, never where. Made by frontends, the Python API and learning."""

from ranvier.network._bundle import load, save
from ranvier.network._connectivity import (
    Connectivity,
    Conv,
    Dense,
    OneToOne,
    Pool,
    Sparse,
    Synapses,
)
from ranvier.network._distribution import (
    Distribution,
    Exponential,
    LogNormal,
    Normal,
    Uniform,
    distribution_from,
)
from ranvier.network._lint import lint
from ranvier.network._network import Network, Population, Probe, Projection, Signal
from ranvier.network._rule import Chunk, Rule
from ranvier.network._text import to_text
from ranvier.network._ticks import TickTable

__all__ = [
    "Chunk",
    "Connectivity",
    "Conv",
    "Dense",
    "Distribution",
    "Exponential",
    "LogNormal",
    "Network",
    "Normal",
    "OneToOne",
    "Pool",
    "Population",
    "Probe",
    "Projection",
    "Rule",
    "Signal",
    "Sparse",
    "Synapses",
    "TickTable",
    "Uniform",
    "distribution_from",
    "lint",
    "load",
    "save",
    "to_text",
]
