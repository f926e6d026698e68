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
from ranvier.network._dynamic import Plasticity, TsodyksMarkram
from ranvier.network._estimate import SynapseEstimate, estimate, refuse_too_large
from ranvier.network._lint import lint
from ranvier.network._neighbours import neighbours
from ranvier.network._network import Network, Population, Probe, Projection, Signal
from ranvier.network._rule import Chunk, Rule
from ranvier.network._space import Grid, Space
from ranvier.network._tables import from_csv, from_npz, from_parquet, from_table
from ranvier.network._text import to_text
from ranvier.network._ticks import TickTable

__all__ = [
    "Chunk",
    "Connectivity",
    "Conv",
    "Dense",
    "Distribution",
    "Exponential",
    "Grid",
    "LogNormal",
    "Network",
    "Normal",
    "OneToOne",
    "Plasticity",
    "Pool",
    "Population",
    "Probe",
    "Projection",
    "Rule",
    "Signal",
    "Space",
    "Sparse",
    "SynapseEstimate",
    "Synapses",
    "TickTable",
    "TsodyksMarkram",
    "Uniform",
    "distribution_from",
    "estimate",
    "from_csv",
    "from_npz",
    "from_parquet",
    "from_table",
    "lint",
    "load",
    "neighbours",
    "refuse_too_large",
    "save",
    "to_text",
]
