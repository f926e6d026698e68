"""Leaky integrate-and-fire neuron with an exponential synaptic current (NIR ``CubaLIF``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import (
    BIAS,
    CURRENT,
    JUMP_CURRENT,
    NIR,
    T_REF,
    TAU_MEM,
    TAU_SYN,
    V_LEAK,
    V_RESET,
    V_THRESHOLD,
    W_IN,
    R,
)

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="cuba_lif",
    doc=(
        "Current-based LIF: a synaptic current i decays with tau_syn and charges the membrane;"
        " i is never held, only v is while refractory."
    ),
    source=f"{NIR}; Rotter & Diesmann 1999, Biol. Cybern. 81:381",
    equations=(
        "di/dt = (w_in*x - i)/tau_syn : A",
        "dv/dt = (v_leak - v + r*(i + bias))/tau_mem : V",
    ),
    parameters=(TAU_MEM, TAU_SYN, R, V_LEAK, V_THRESHOLD, V_RESET, W_IN, BIAS, T_REF),
    ports=(CURRENT, JUMP_CURRENT),
    threshold="v > v_threshold",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
    initial={"v": "v_leak"},
)
