"""A soma that fires and a passive dendrite."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="two_compartment",
    doc=(
        "Two leaky compartments joined by a conductance; exponential synaptic currents at each."
        " The soma v_s fires and is reset, the dendrite v_d is not and charges it again. All"
        " linear."
    ),
    source=(
        "Rall 1959, Exp. Neurol. 1:491 (compartments); Gerstner et al. 2014, Neuronal Dynamics,"
        " section 3.2; Pinsky & Rinzel 1994, J. Comput. Neurosci. 1:39 for the two-compartment"
        " reduction; the default values are ours"
    ),
    equations=(
        "dv_s/dt = (g_s*(v_leak - v_s) + g_c*(v_d - v_s) + i_s + x_s + bias)/c_s : V",
        "dv_d/dt = (g_d*(v_leak - v_d) + g_c*(v_s - v_d) + i_d + x_d)/c_d : V",
        "di_s/dt = -i_s/tau_s : A",
        "di_d/dt = -i_d/tau_d : A",
    ),
    parameters=(
        Parameter(name="c_s", unit="F", default=150e-12, doc="capacitance of the soma"),
        Parameter(name="c_d", unit="F", default=100e-12, doc="capacitance of the dendrite"),
        Parameter(name="g_s", unit="S", default=10e-9, doc="leak of the soma"),
        Parameter(name="g_d", unit="S", default=5e-9, doc="leak of the dendrite"),
        Parameter(name="g_c", unit="S", default=10e-9, doc="coupling"),
        Parameter(name="v_leak", unit="V", default=-70e-3, doc="resting potential"),
        Parameter(name="v_threshold", unit="V", default=-55e-3, doc="firing threshold of the soma"),
        Parameter(name="v_reset", unit="V", default=-65e-3, doc="soma after a spike"),
        Parameter(name="tau_s", unit="s", default=5e-3, doc="synapses at the soma"),
        Parameter(name="tau_d", unit="s", default=5e-3, doc="its synapses"),
        BIAS,
        Parameter(name="t_ref", unit="s", default=2e-3, doc="refractory time of the soma"),
    ),
    ports=(
        Port(name="soma", variable="i_s", kind="jump", unit="A", doc="synapses at the soma"),
        Port(name="dendrite", variable="i_d", kind="jump", unit="A", doc="its synapses"),
        Port(name="current", variable="x_s", kind="hold", unit="A", doc="current into the soma"),
        Port(name="dendrite_current", variable="x_d", kind="hold", unit="A",
             doc="current into the dendrite"),
    ),
    threshold="v_s >= v_threshold",
    reset=("v_s = v_reset",),
    refractory="t_ref",
    refractory_hold=("v_s",),
    initial={"v_s": "v_leak", "v_d": "v_leak"},
)  # fmt: skip
