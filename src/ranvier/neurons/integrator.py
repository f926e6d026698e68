"""Pure integrator without threshold (NIR ``I``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT, JUMP_VOLTAGE, NIR
from ranvier.neurons._parameters import R_RATE as R

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="integrator",
    doc="Integrator: v sums its input; v itself is sent every tick.",
    source=NIR,
    equations=("dv/dt = r*(x + bias) : V",),
    parameters=(R, BIAS),
    ports=(CURRENT, JUMP_VOLTAGE),
    output="continuous",
)
