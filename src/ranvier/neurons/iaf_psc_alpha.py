"""Leaky integrate-and-fire neuron with alpha-shaped synaptic currents (NEST ``iaf_psc_alpha``)."""

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
    name="iaf_psc_alpha",
    doc=(
        "Leaky integrate-and-fire with two alpha-shaped synaptic currents w*t/tau_syn*exp(1 -"
        " t/tau_syn); a weight is the peak in amperes, reached at tau_syn."
    ),
    source=f"{NEST}, iaf_psc_alpha; Rotter & Diesmann 1999, Biol. Cybern. 81:381, section 3.1.2",
    equations=(
        "dV_m/dt = (E_L - V_m)/tau_m + (I_syn_ex + I_syn_in + x + I_e)/C_m : V",
        "dI_syn_ex/dt = dI_ex - I_syn_ex/tau_syn_ex : A",
        "ddI_ex/dt = -dI_ex/tau_syn_ex : A/s",
        "dI_syn_in/dt = dI_in - I_syn_in/tau_syn_in : A",
        "ddI_in/dt = -dI_in/tau_syn_in : A/s",
    ),
    parameters=(TAU_M, C_M, E_L, V_TH, V_RESET, T_REF, TAU_SYN_EX, TAU_SYN_IN, I_E),
    ports=(
        port("exc", "dI_ex", "A", "exp(1)/tau_syn_ex"),
        port("inh", "dI_in", "A", "exp(1)/tau_syn_in"),
        CURRENT,
    ),
    threshold="V_m >= V_th",
    reset=("V_m = V_reset",),
    refractory="t_ref",
    refractory_hold=("V_m",),
    initial={"V_m": "E_L"},
)
