"""Izhikevich's simple model, integrated as NEST's ``izhikevich`` does."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._nest import NEST
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="izhikevich_nest",
    doc=(
        "v' = 0.04 v^2 + 5 v + 140 - u + I_e + x, u' = a (b v - u), in millivolts and milliseconds"
        " (dimensionless here, see time_unit). One Euler step a tick, spikes at jump: NEST's"
        " consistent_integration=True. For False take method='euler_halves' and let the spikes"
        " arrive at current. NEST's V_min is not there."
    ),
    source=f"Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569; {NEST}, izhikevich",
    equations=(
        "dv/dt = (0.04*v*v + 5*v + 140 - u + I_e + x)/time_unit : 1",
        "du/dt = a*(b*v - u)/time_unit : 1",
    ),
    parameters=(
        Parameter(name="a", unit="1", default=0.02, doc="rate of recovery"),
        Parameter(name="b", unit="1", default=0.2, doc="sensitivity of recovery to v"),
        Parameter(name="c", unit="1", default=-65.0, doc="v after a spike (mV)"),
        Parameter(name="d", unit="1", default=8.0, doc="added to u at a spike"),
        Parameter(name="V_th", unit="1", default=30.0, doc="v at which a spike ends (mV)"),
        Parameter(name="I_e", unit="1", default=0.0, doc="constant input (NEST: pA)"),
        Parameter(name="time_unit", unit="s", default=1e-3, doc="the paper's unit of time"),
    ),
    ports=(
        Port(name="jump", variable="v", kind="jump", unit="1", doc="added to v after the tick"),
        Port(
            name="current", variable="x", kind="hold", unit="1", doc="input, constant over a tick"
        ),
    ),
    threshold="v >= V_th",
    reset=("v = c", "u = u + d"),
    method="euler",
    initial={"v": "c", "u": "b*c"},
)
