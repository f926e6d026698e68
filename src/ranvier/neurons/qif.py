"""Quadratic integrate-and-fire neuron."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT, JUMP_VOLTAGE, T_REF, R
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="qif",
    doc=(
        "Quadratic integrate-and-fire: v has a stable rest at v_rest and runs away above"
        " v_critical. The upswing is cut at v_peak."
    ),
    source=(
        "Latham et al. 2000, J. Neurophysiol. 83:808; Gerstner et al. 2014, Neuronal Dynamics,"
        " section 5.3, equation 5.16; the default values are ours"
    ),
    equations=("dv/dt = (a_0*(v - v_rest)*(v - v_critical) + r*(x + bias))/tau : V",),
    parameters=(
        Parameter(name="tau", unit="s", default=10e-3, doc="membrane time constant"),
        Parameter(name="a_0", unit="1/V", default=100.0, doc="curvature: 1/(v_critical - v_rest)"
                  " makes tau the time constant at rest"),
        R,
        Parameter(name="v_rest", unit="V", default=-65e-3, doc="resting potential"),
        Parameter(name="v_critical", unit="V", default=-55e-3, doc="where the upswing begins"),
        Parameter(name="v_peak", unit="V", default=0.0, doc="potential at which a spike is cut"),
        Parameter(name="v_reset", unit="V", default=-70e-3, doc="potential after a spike"),
        BIAS,
        T_REF,
    ),
    ports=(CURRENT, JUMP_VOLTAGE),
    threshold="v >= v_peak",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
    method="rk4_split",
    initial={"v": "v_rest"},
)  # fmt: skip
