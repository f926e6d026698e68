"""Leaky integrator with an exponential synaptic current (NIR ``CubaLI``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import (
    BIAS,
    CURRENT,
    JUMP_CURRENT,
    NIR,
    TAU_MEM,
    TAU_SYN,
    V_LEAK,
    W_IN,
    R,
)

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="cuba_li",
    doc="Current-based leaky integrator: cuba_lif without a threshold; v is sent every tick.",
    source=NIR,
    equations=(
        "di/dt = (w_in*x - i)/tau_syn : A",
        "dv/dt = (v_leak - v + r*(i + bias))/tau_mem : V",
    ),
    parameters=(TAU_MEM, TAU_SYN, R, V_LEAK, W_IN, BIAS),
    ports=(CURRENT, JUMP_CURRENT),
    output="continuous",
    output_expression="v",
    initial={"v": "v_leak"},
)
