"""Short-term plasticity as a cell of its own: a spike in, the released fraction out."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="tsodyks_markram",
    doc=(
        "At a spike the utilisation u grows by u0*(1 - u), the fraction u*x of the resources is"
        " released and sent as a graded event, and x loses it; between spikes x recovers to 1 and u"
        " decays to 0. The synapses behind it multiply their weight with what is sent, so they"
        " depress where tau_recovery is long and facilitate where tau_facilitation is."
    ),
    source=(
        "Markram, Wang & Tsodyks 1998, PNAS 95:5323; Tsodyks, Pawelzik & Markram 1998, Neural"
        " Comput. 10:821, equations 2.1 to 2.4"
    ),
    equations=(
        "dx/dt = (1 - x)/tau_recovery : 1",
        "du/dt = -u/tau_facilitation : 1",
    ),
    parameters=(
        Parameter(name="u0", unit="1", default=0.5, doc="increment of utilisation by a spike"),
        Parameter(name="tau_recovery", unit="s", default=0.8, doc="recovery of the resources"),
        Parameter(name="tau_facilitation", unit="s", default=1e-3, doc="decay of utilisation"),
    ),
    ports=(Port(name="spikes", variable="s", kind="hold", unit="1", doc="spikes that arrive now"),),
    threshold="s > 0.5",
    reset=("u = u + u0*(1 - u)", "x = x - u*x"),
    output="graded",
    output_expression="(u + u0*(1 - u))*x",
    initial={"x": 1.0},
)
