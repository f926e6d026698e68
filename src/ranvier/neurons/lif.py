"""Leaky integrate-and-fire neuron without synaptic dynamics (NIR ``LIF``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import (
    BIAS,
    CURRENT,
    JUMP_VOLTAGE,
    NIR,
    T_REF,
    TAU,
    V_LEAK,
    V_RESET,
    V_THRESHOLD,
    R,
)

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="lif",
    doc="Leaky integrate-and-fire: v relaxes to v_leak + r*(x + bias) and is reset at a spike.",
    source=f"{NIR}; Gerstner et al. 2014, Neuronal Dynamics, section 1.3",
    equations=("dv/dt = (v_leak - v + r*(x + bias))/tau : V",),
    parameters=(TAU, R, V_LEAK, V_THRESHOLD, V_RESET, BIAS, T_REF),
    ports=(CURRENT, JUMP_VOLTAGE),
    threshold="v > v_threshold",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
    initial={"v": "v_leak"},
)
