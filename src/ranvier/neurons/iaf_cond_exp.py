"""Leaky integrate-and-fire neuron with exponential conductances (NEST ``iaf_cond_exp``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import (
    C_M,
    CURRENT,
    E_EX,
    E_IN,
    E_L,
    G_L,
    I_E,
    NEST,
    T_REF,
    TAU_SYN_IN,
    V_TH,
    port,
)
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

_V_RESET = Parameter(name="V_reset", unit="V", default=-60e-3, doc="potential after a spike")
_TAU_SYN_EX = Parameter(name="tau_syn_ex", unit="s", default=0.2e-3,
                        doc="time constant of the synapses at exc")  # fmt: skip

MODEL = NeuronModel(
    name="iaf_cond_exp",
    doc=(
        "Leaky integrate-and-fire with two exponential synaptic conductances; a weight is a "
        "jump of the conductance in siemens, positive at both ports."
    ),
    source=f"{NEST}, iaf_cond_exp; Meffin et al. 2004, J. Comput. Neurosci. 16:159",
    equations=(
        "dV_m/dt = (g_L*(E_L - V_m) + g_ex*(E_ex - V_m) + g_in*(E_in - V_m) + x + I_e)/C_m : V",
        "dg_ex/dt = -g_ex/tau_syn_ex : S",
        "dg_in/dt = -g_in/tau_syn_in : S",
    ),
    parameters=(C_M, G_L, E_L, V_TH, _V_RESET, T_REF, E_EX, E_IN, _TAU_SYN_EX, TAU_SYN_IN, I_E),
    ports=(
        port("exc", "g_ex", "S"),
        port("inh", "g_in", "S"),
        CURRENT,
    ),
    threshold="V_m >= V_th",
    reset=("V_m = V_reset",),
    refractory="t_ref",
    refractory_hold=("V_m",),
    method="rk4_split",
    initial={"V_m": "E_L"},
)
