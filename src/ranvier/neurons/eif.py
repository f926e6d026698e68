"""Exponential integrate-and-fire neuron."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT, JUMP_VOLTAGE
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="eif",
    doc=(
        "Exponential integrate-and-fire: the upswing beyond v_threshold is exponential with"
        " sharpness delta_t and cut at v_peak. The paper's densities are for an area of 20,000"
        " um**2 here."
    ),
    source=(
        "Fourcaud-Trocme et al. 2003, J. Neurosci. 23:11628, equations 1 and 2 and their"
        " parameters for the Wang-Buzsaki neuron; v_peak is ours"
    ),
    equations=(
        "dv/dt = (g_leak*(v_leak - v) + g_leak*delta_t*exp((v - v_threshold)/delta_t) + x + bias)/c"
        " : V",
    ),
    parameters=(
        Parameter(name="c", unit="F", default=200e-12, doc="membrane capacitance (1 uF/cm**2)"),
        Parameter(name="g_leak", unit="S", default=20e-9, doc="leak (0.1 mS/cm**2)"),
        Parameter(name="v_leak", unit="V", default=-65e-3, doc="leak reversal potential"),
        Parameter(name="v_threshold", unit="V", default=-59.9e-3, doc="where the upswing begins"),
        Parameter(name="delta_t", unit="V", default=3.48e-3, doc="sharpness of the upswing"),
        Parameter(name="v_peak", unit="V", default=0.0, doc="potential at which a spike is cut"),
        Parameter(name="v_reset", unit="V", default=-68e-3, doc="potential after a spike"),
        BIAS,
        Parameter(name="t_ref", unit="s", default=1.7e-3, doc="refractory time"),
    ),
    ports=(CURRENT, JUMP_VOLTAGE),
    threshold="v >= v_peak",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
    method="rk4_split",
    initial={"v": "v_leak"},
)
