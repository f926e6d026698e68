"""Integrate-and-fire neuron without leak (NIR ``IF``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import (
    BIAS,
    CURRENT,
    JUMP_VOLTAGE,
    NIR,
    T_REF,
    V_RESET,
    V_THRESHOLD,
)
from ranvier.neurons._parameters import R_RATE as R

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="if",
    doc="Integrate-and-fire: v sums its input and is reset at a spike.",
    source=NIR,
    equations=("dv/dt = r*(x + bias) : V",),
    parameters=(R, V_THRESHOLD, V_RESET, BIAS, T_REF),
    ports=(CURRENT, JUMP_VOLTAGE),
    threshold="v > v_threshold",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
)
