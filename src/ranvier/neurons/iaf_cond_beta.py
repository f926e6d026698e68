"""Leaky integrate-and-fire neuron with double-exponential conductances (NEST ``iaf_cond_beta``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import (
    BETA,
    C_M,
    CURRENT,
    E_EX,
    E_IN,
    E_L,
    G_L,
    I_E,
    NEST,
    T_REF,
    V_TH,
    beta_scale,
    port,
)
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

_V_RESET = Parameter(name="V_reset", unit="V", default=-60e-3, doc="potential after a spike")
_RISE_EX = Parameter(name="tau_rise_ex", unit="s", default=0.2e-3, doc="rise time of exc")
_RISE_IN = Parameter(name="tau_rise_in", unit="s", default=2e-3, doc="rise time of inh")
_DECAY_EX = Parameter(name="tau_decay_ex", unit="s", default=0.2e-3, doc="decay time of exc")
_DECAY_IN = Parameter(name="tau_decay_in", unit="s", default=2e-3, doc="decay time of inh")

MODEL = NeuronModel(
    name="iaf_cond_beta",
    doc=(
        "Leaky integrate-and-fire with two synaptic conductances that rise and decay with a "
        "time constant each; a weight is the peak in siemens, positive at both ports."
    ),
    source=f"{NEST}, iaf_cond_beta; {BETA}",
    equations=(
        "dV_m/dt = (g_L*(E_L - V_m) + g_ex*(E_ex - V_m) + g_in*(E_in - V_m) + x + I_e)/C_m : V",
        "dg_ex/dt = dg_ex1 - g_ex/tau_decay_ex : S",
        "ddg_ex1/dt = -dg_ex1/tau_rise_ex : S/s",
        "dg_in/dt = dg_in1 - g_in/tau_decay_in : S",
        "ddg_in1/dt = -dg_in1/tau_rise_in : S/s",
    ),
    parameters=(
        C_M,
        G_L,
        E_L,
        V_TH,
        _V_RESET,
        T_REF,
        E_EX,
        E_IN,
        _RISE_EX,
        _DECAY_EX,
        _RISE_IN,
        _DECAY_IN,
        I_E,
    ),
    ports=(
        port("exc", "dg_ex1", "S", beta_scale("tau_rise_ex", "tau_decay_ex")),
        port("inh", "dg_in1", "S", beta_scale("tau_rise_in", "tau_decay_in")),
        CURRENT,
    ),
    threshold="V_m >= V_th",
    reset=("V_m = V_reset",),
    refractory="t_ref",
    refractory_hold=("V_m",),
    method="rk4_split",
    initial={"V_m": "E_L"},
)
