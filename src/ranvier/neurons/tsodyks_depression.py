"""Short-term depression alone: the utilisation does not change."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter
from ranvier.neurons.tsodyks_markram import MODEL as FULL

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="tsodyks_depression",
    doc=(
        "As tsodyks_markram without facilitation: a spike releases u0*x and x recovers to 1. The"
        " same as tau_facilitation = 0 there."
    ),
    source="Tsodyks & Markram 1997, PNAS 94:719",
    equations=("dx/dt = (1 - x)/tau_recovery : 1",),
    parameters=(
        Parameter(name="u0", unit="1", default=0.5, doc="fraction of the resources released"),
        FULL.parameters[1],
    ),
    ports=FULL.ports,
    threshold="s > 0.5",
    reset=("x = x - u0*x",),
    output="graded",
    output_expression="u0*x",
    initial={"x": 1.0},
)
