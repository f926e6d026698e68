"""Izhikevich's simple model."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="izhikevich",
    doc=(
        "v' = 0.04 v^2 + 5 v + 140 - u + x, u' = a (b v - u), in the paper's own numbers: v and u"
        " are millivolts and time is milliseconds, so every quantity is dimensionless here and"
        " time_unit (0.001 s) turns the derivatives into SI. The defaults are the regular spiking"
        " cell of the paper; its own figures use two Euler steps of 0.5 ms for v."
    ),
    source="Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569, equations 1 to 3",
    equations=(
        "dv/dt = (0.04*v**2 + 5*v + 140 - u + x)/time_unit : 1",
        "du/dt = a*(b*v - u)/time_unit : 1",
    ),
    parameters=(
        Parameter(name="a", unit="1", default=0.02, doc="rate of recovery"),
        Parameter(name="b", unit="1", default=0.2, doc="sensitivity of recovery to v"),
        Parameter(name="c", unit="1", default=-65.0, doc="v after a spike (mV)"),
        Parameter(name="d", unit="1", default=8.0, doc="added to u at a spike"),
        Parameter(name="v_peak", unit="1", default=30.0, doc="v at which a spike ends (mV)"),
        Parameter(name="time_unit", unit="s", default=1e-3, doc="the paper's unit of time"),
    ),
    ports=(
        Port(
            name="current", variable="x", kind="hold", unit="1", doc="input, constant over a tick"
        ),
        Port(
            name="jump", variable="v", kind="jump", unit="1", doc="added to v after the tick (mV)"
        ),
    ),
    threshold="v >= v_peak",
    reset=("v = c", "u = u + d"),
    initial={"v": "c", "u": "b*c"},
)
