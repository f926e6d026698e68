"""Generalised integrate-and-fire neuron of Mihalas and Niebur."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT, JUMP_VOLTAGE
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="gif",
    doc=(
        "A leaky potential, a threshold theta that follows it, and two currents that every"
        " spike sets off; all linear between spikes. The paper divides by the capacitance; with"
        " 100 pF its numbers (G/C = 50/s) become conductances and currents."
    ),
    source="Mihalas & Niebur 2009, Neural Comput. 21:704, equations 2.1 and 2.2, table 1 (tonic)",
    equations=(
        "dv/dt = (x + bias + i_1 + i_2 + g*(v_leak - v))/c : V",
        "dtheta/dt = a*(v - v_leak) - b*(theta - theta_inf) : V",
        "di_1/dt = -k_1*i_1 : A",
        "di_2/dt = -k_2*i_2 : A",
    ),
    parameters=(
        Parameter(name="c", unit="F", default=100e-12, doc="membrane capacitance"),
        Parameter(name="g", unit="S", default=5e-9, doc="leak conductance"),
        Parameter(name="v_leak", unit="V", default=-70e-3, doc="resting potential"),
        Parameter(name="v_reset", unit="V", default=-70e-3, doc="potential after a spike"),
        Parameter(name="theta_inf", unit="V", default=-50e-3, doc="threshold at rest"),
        Parameter(name="theta_reset", unit="V", default=-60e-3, doc="least after a spike"),
        Parameter(name="a", unit="1/s", default=0.0, doc="how the threshold follows v"),
        Parameter(name="b", unit="1/s", default=10.0, doc="rate at which the threshold relaxes"),
        Parameter(name="k_1", unit="1/s", default=200.0, doc="rate of decay of i_1"),
        Parameter(name="k_2", unit="1/s", default=20.0, doc="rate of decay of i_2"),
        Parameter(name="r_1", unit="1", default=0.0, doc="what a spike leaves of i_1"),
        Parameter(name="r_2", unit="1", default=1.0, doc="what a spike leaves of i_2"),
        Parameter(name="a_1", unit="A", default=0.0, doc="added to i_1 by a spike"),
        Parameter(name="a_2", unit="A", default=0.0, doc="added to i_2 by a spike"),
        BIAS,
    ),
    ports=(CURRENT, JUMP_VOLTAGE),
    threshold="v >= theta",
    reset=(
        "i_1 = r_1*i_1 + a_1",
        "i_2 = r_2*i_2 + a_2",
        "v = v_reset",
        "theta = max(theta_reset, theta)",
    ),
    initial={"v": "v_leak", "theta": "theta_inf"},
)
