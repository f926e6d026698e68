"""Leaky integrator: the LIF membrane without a threshold (NIR ``LI``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT, JUMP_VOLTAGE, NIR, TAU, V_LEAK, R

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="li",
    doc="Leaky integrator: v relaxes to v_leak + r*(x + bias); v itself is sent every tick.",
    source=NIR,
    equations=("dv/dt = (v_leak - v + r*(x + bias))/tau : V",),
    parameters=(TAU, R, V_LEAK, BIAS),
    ports=(CURRENT, JUMP_VOLTAGE),
    output="continuous",
    initial={"v": "v_leak"},
)
