"""Leaky integrate-and-fire neuron with exponential synaptic currents (NEST ``iaf_psc_exp``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import (
    C_M,
    CURRENT,
    E_L,
    I_E,
    NEST,
    T_REF,
    TAU_M,
    TAU_SYN_EX,
    TAU_SYN_IN,
    V_RESET,
    V_TH,
    port,
)

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="iaf_psc_exp",
    doc=(
        "Leaky integrate-and-fire with two exponential synaptic currents; a weight is a jump "
        "of the current in amperes."
    ),
    source=f"{NEST}, iaf_psc_exp; Rotter & Diesmann 1999, Biol. Cybern. 81:381",
    equations=(
        "dV_m/dt = (E_L - V_m)/tau_m + (I_syn_ex + I_syn_in + x + I_e)/C_m : V",
        "dI_syn_ex/dt = -I_syn_ex/tau_syn_ex : A",
        "dI_syn_in/dt = -I_syn_in/tau_syn_in : A",
    ),
    parameters=(TAU_M, C_M, E_L, V_TH, V_RESET, T_REF, TAU_SYN_EX, TAU_SYN_IN, I_E),
    ports=(
        port("exc", "I_syn_ex", "A"),
        port("inh", "I_syn_in", "A"),
        CURRENT,
    ),
    threshold="V_m >= V_th",
    reset=("V_m = V_reset",),
    refractory="t_ref",
    refractory_hold=("V_m",),
    initial={"V_m": "E_L"},
)
