"""Adaptive exponential integrate-and-fire neuron with conductances (NEST ``aeif_cond_exp``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import (
    CURRENT,
    E_EX,
    E_IN,
    I_E,
    NEST,
    TAU_SYN_IN,
    port,
)
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

_MEMBRANE = (
    Parameter(name="C_m", unit="F", default=281e-12, doc="membrane capacitance"),
    Parameter(name="g_L", unit="S", default=30e-9, doc="leak conductance"),
    Parameter(name="E_L", unit="V", default=-70.6e-3, doc="leak reversal potential"),
    Parameter(name="V_th", unit="V", default=-50.4e-3, doc="where the upswing begins"),
    Parameter(name="Delta_T", unit="V", default=2e-3, doc="sharpness of the upswing"),
    Parameter(name="V_peak", unit="V", default=0.0, doc="potential at which a spike is cut"),
    Parameter(name="V_reset", unit="V", default=-60e-3, doc="potential after a spike"),
    Parameter(name="t_ref", unit="s", default=0.0, doc="refractory time"),
    Parameter(name="a", unit="S", default=4e-9, doc="subthreshold adaptation"),
    Parameter(name="b", unit="A", default=80.5e-12, doc="adaptation added by a spike"),
    Parameter(name="tau_w", unit="s", default=144e-3, doc="time constant of adaptation"),
)
_TAU_SYN_EX = Parameter(name="tau_syn_ex", unit="s", default=0.2e-3,
                        doc="time constant of the synapses at exc")  # fmt: skip

MODEL = NeuronModel(
    name="aeif_cond_exp",
    doc=(
        "Adaptive exponential integrate-and-fire with two exponential synaptic conductances. "
        "V_m is cut at V_peak in every slope, and a spike is sent at the end of the tick in "
        "which V_m reaches it; NEST resets inside the tick, so intervals may differ by a "
        "tick."
    ),
    source=f"{NEST}, aeif_cond_exp; Brette & Gerstner 2005, J. Neurophysiol. 94:3637",
    equations=(
        "dV_m/dt = (g_L*(E_L - V_m) + g_L*Delta_T*exp((V_m - V_th)/Delta_T) - w + g_ex*(E_ex - V_m)"
        " + g_in*(E_in - V_m) + x + I_e)/C_m : V",
        "dw/dt = (a*(V_m - E_L) - w)/tau_w : A",
        "dg_ex/dt = -g_ex/tau_syn_ex : S",
        "dg_in/dt = -g_in/tau_syn_in : S",
    ),
    parameters=(*_MEMBRANE, E_EX, E_IN, _TAU_SYN_EX, TAU_SYN_IN, I_E),
    ports=(
        port("exc", "g_ex", "S"),
        port("inh", "g_in", "S"),
        CURRENT,
    ),
    threshold="V_m >= V_peak",
    reset=("V_m = V_reset", "w = w + b"),
    refractory="t_ref",
    refractory_hold=("V_m",),
    method="rk4_split",
    initial={"V_m": "E_L"},
)
