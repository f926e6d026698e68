"""Adaptive exponential integrate-and-fire neuron."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT, JUMP_VOLTAGE, T_REF
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="adex",
    doc=(
        "Adaptive exponential integrate-and-fire. The upswing diverges within a fraction of a"
        " millisecond and is cut at v_peak (the paper: 20 mV); the argument of exp is limited (see"
        " EXP_LIMIT), so no state becomes infinite. w is never held."
    ),
    source="Brette & Gerstner 2005, J. Neurophysiol. 94:3637, equations 1 to 3 and their defaults",
    equations=(
        "dv/dt = (g_leak*(v_leak - v) + g_leak*delta_t*exp((v - v_threshold)/delta_t) - w + x"
        " + bias)/c : V",
        "dw/dt = (a*(v - v_leak) - w)/tau_w : A",
    ),
    parameters=(
        Parameter(name="c", unit="F", default=281e-12, doc="membrane capacitance"),
        Parameter(name="g_leak", unit="S", default=30e-9, doc="leak conductance"),
        Parameter(name="v_leak", unit="V", default=-70.6e-3, doc="leak reversal potential"),
        Parameter(name="v_threshold", unit="V", default=-50.4e-3, doc="where the upswing begins"),
        Parameter(name="delta_t", unit="V", default=2e-3, doc="sharpness of the upswing"),
        Parameter(name="tau_w", unit="s", default=144e-3, doc="time constant of adaptation"),
        Parameter(name="a", unit="S", default=4e-9, doc="subthreshold adaptation"),
        Parameter(name="b", unit="A", default=80.5e-12, doc="adaptation added by a spike"),
        Parameter(name="v_reset", unit="V", default=-70.6e-3, doc="potential after a spike"),
        Parameter(name="v_peak", unit="V", default=20e-3, doc="potential at which a spike is cut"),
        BIAS,
        T_REF,
    ),
    ports=(CURRENT, JUMP_VOLTAGE),
    threshold="v > v_peak",
    reset=("v = v_reset", "w = w + b"),
    refractory="t_ref",
    refractory_hold=("v",),
    initial={"v": "v_leak"},
)
