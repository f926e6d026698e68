"""Linear relay: sends on what arrives (a place to fan in and out without neurons)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="relay",
    doc="Sends the arriving sum in the same tick, as a graded spike wherever it is not zero.",
    source="linear identity; carries Linear, Conv and pooling layers between neurons",
    equations=("y = x : 1",),
    ports=(Port(name="input", variable="x", kind="hold", unit="1", doc="arriving sum"),),
    output="graded",
)
