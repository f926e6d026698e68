"""Threshold unit: a spike in every tick whose input exceeds the threshold (NIR ``Threshold``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import NIR
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="threshold",
    doc="Stateless: spikes where the arriving sum is above the threshold.",
    source=f"{NIR}; McCulloch & Pitts 1943, Bull. Math. Biophys. 5:115",
    equations=("y = x : 1",),
    parameters=(Parameter(name="threshold", unit="1", default=1.0, doc="firing threshold"),),
    ports=(Port(name="input", variable="x", kind="hold", unit="1", doc="arriving sum"),),
    threshold="y > threshold",
)
