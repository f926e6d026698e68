"""Leaky integrate-and-fire neuron whose potential jumps at a spike (NEST ``iaf_psc_delta``)."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import (
    C_M,
    CURRENT,
    E_L,
    I_E,
    NEST,
    T_REF,
    TAU_M,
    V_RESET,
    V_TH,
    port,
)

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="iaf_psc_delta",
    doc=(
        "Leaky integrate-and-fire: a weight is a jump of V_m in volts. What arrives while "
        "refractory is lost (NEST's refractory_input=False)."
    ),
    source=f"{NEST}, iaf_psc_delta; Rotter & Diesmann 1999, Biol. Cybern. 81:381",
    equations=("dV_m/dt = (E_L - V_m)/tau_m + (x + I_e)/C_m : V",),
    parameters=(TAU_M, C_M, E_L, V_TH, V_RESET, T_REF, I_E),
    ports=(
        port("spikes", "V_m", "V"),
        CURRENT,
    ),
    threshold="V_m >= V_th",
    reset=("V_m = V_reset",),
    refractory="t_ref",
    refractory_hold=("V_m",),
    initial={"V_m": "E_L"},
)
