"""Source of a current that is constant in pieces."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="step_current",
    doc=(
        "Keeps a current, to which what arrives at the port is added, and sends it every tick: a"
        " current that is constant in pieces arrives as its increments."
    ),
    source="NEST 3.10, model directory, step_current_generator",
    equations=("di/dt = 0 : A",),
    parameters=(Parameter(name="i_0", unit="A", default=0.0, doc="current at the start"),),
    ports=(Port(name="step", variable="i", kind="jump", unit="A", doc="change of the current"),),
    output="continuous",
    initial={"i": "i_0"},
)
