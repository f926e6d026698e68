"""Leaky integrate-and-fire neuron with double-exponential synaptic currents."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import (
    BETA,
    C_M,
    CURRENT,
    E_L,
    I_E,
    NEST,
    T_REF,
    TAU_M,
    V_RESET,
    V_TH,
    beta_scale,
    port,
)
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

_RISE_EX = Parameter(name="tau_rise_ex", unit="s", default=0.5e-3, doc="rise time of exc")
_RISE_IN = Parameter(name="tau_rise_in", unit="s", default=0.5e-3, doc="rise time of inh")
_DECAY_EX = Parameter(name="tau_decay_ex", unit="s", default=2e-3, doc="decay time of exc")
_DECAY_IN = Parameter(name="tau_decay_in", unit="s", default=2e-3, doc="decay time of inh")

MODEL = NeuronModel(
    name="iaf_psc_beta",
    doc=(
        "Leaky integrate-and-fire with two synaptic currents that rise and decay with a time "
        "constant each; a weight is the peak in amperes."
    ),
    source=f"{BETA}; membrane and its defaults as {NEST}, iaf_psc_exp",
    equations=(
        "dV_m/dt = (E_L - V_m)/tau_m + (I_syn_ex + I_syn_in + x + I_e)/C_m : V",
        "dI_syn_ex/dt = dI_ex - I_syn_ex/tau_decay_ex : A",
        "ddI_ex/dt = -dI_ex/tau_rise_ex : A/s",
        "dI_syn_in/dt = dI_in - I_syn_in/tau_decay_in : A",
        "ddI_in/dt = -dI_in/tau_rise_in : A/s",
    ),
    parameters=(
        TAU_M,
        C_M,
        E_L,
        V_TH,
        V_RESET,
        T_REF,
        _RISE_EX,
        _DECAY_EX,
        _RISE_IN,
        _DECAY_IN,
        I_E,
    ),
    ports=(
        port("exc", "dI_ex", "A", beta_scale("tau_rise_ex", "tau_decay_ex")),
        port("inh", "dI_in", "A", beta_scale("tau_rise_in", "tau_decay_in")),
        CURRENT,
    ),
    threshold="V_m >= V_th",
    reset=("V_m = V_reset",),
    refractory="t_ref",
    refractory_hold=("V_m",),
    initial={"V_m": "E_L"},
)
