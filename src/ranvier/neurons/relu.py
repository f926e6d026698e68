"""Rectified linear unit: an artificial neuron, stateless."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="relu",
    doc="Sends max(gain*x + bias, 0) every tick.",
    source="Nair & Hinton 2010, Rectified linear units improve restricted Boltzmann machines, ICML",
    equations=("y = max(gain*x + bias, 0) : 1",),
    parameters=(
        Parameter(name="gain", unit="1", default=1.0, doc="factor on the input"),
        Parameter(name="bias", unit="1", default=0.0, doc="constant input"),
    ),
    ports=(Port(name="input", variable="x", kind="hold", unit="1", doc="arriving sum"),),
    output="continuous",
)
