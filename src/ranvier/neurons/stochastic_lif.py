"""Leaky integrate-and-fire neuron with escape noise."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import (
    BIAS,
    CURRENT,
    JUMP_VOLTAGE,
    T_REF,
    TAU,
    V_LEAK,
    V_RESET,
    V_THRESHOLD,
    R,
)
from ranvier.neurons._parts import Noise, Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="stochastic_lif",
    doc=(
        "LIF that fires at random with the rate exp((v - v_threshold)/delta_v)/tau_0, that is,"
        " in a tick with probability 1 - exp(-rate*dt)."
    ),
    source=(
        "Gerstner et al. 2014, Neuronal Dynamics, section 9.1, equations 9.5 and 9.8; the"
        " defaults of tau_0 and delta_v are ours"
    ),
    equations=(
        "dv/dt = (v_leak - v + r*(x + bias))/tau : V",
        "rate = exp((v - v_threshold)/delta_v)/tau_0 : 1/s",
    ),
    parameters=(
        TAU,
        R,
        V_LEAK,
        V_THRESHOLD,
        V_RESET,
        Parameter(name="delta_v", unit="V", default=0.1, doc="width of the escape region"),
        Parameter(name="tau_0", unit="s", default=1e-3, doc="mean time to a spike at threshold"),
        BIAS,
        T_REF,
    ),
    ports=(CURRENT, JUMP_VOLTAGE),
    noises=(Noise(name="escape", kind="uniform", doc="decides whether a spike is sent"),),
    threshold="1 - exp(-rate*dt) > escape",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
    initial={"v": "v_leak"},
)
