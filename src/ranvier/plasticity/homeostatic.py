"""Synaptic scaling towards a target rate of the postsynaptic neuron."""

from ranvier.plasticity._parameters import W_MAX, W_MIN
from ranvier.plasticity._parts import Parameter, Trace
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["RULE"]

RULE = PlasticityRule(
    name="homeostatic",
    doc="At each postsynaptic spike dw = eta*w*(target - rate)/target, with rate a running average"
    " of the neuron's own spikes over tau_rate. A silent neuron is not scaled up.",
    source="van Rossum, Bi & Turrigiano 2000, J. Neurosci. 20:8812 (dw/dt = beta*w*(a_goal -"
    " a)), applied at spikes instead of continuously; eta is ours",
    parameters=(
        Parameter(name="eta", unit="1", default=1e-3, doc="relative step at a spike"),
        Parameter(name="target", unit="Hz", default=10.0, doc="rate aimed at"),
        Parameter(name="tau_rate", unit="s", default=1.0, doc="memory of the running rate"),
        W_MIN,
        W_MAX,
    ),
    traces=(Trace(name="rate", side="post", tau="tau_rate", increment="1/tau_rate"),),
    on_post=("w = w + eta*w*(target - rate)/target",),
    w_min="w_min",
    w_max="w_max",
)
