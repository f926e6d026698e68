"""Inhibitory plasticity that balances excitation."""

from ranvier.plasticity._parameters import W_MAX, W_MIN
from ranvier.plasticity._parts import Parameter, Trace
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["RULE"]

RULE = PlasticityRule(
    name="vogels_sprekeler",
    doc="dw = eta*(y - alpha) at a presynaptic spike, eta*x at a postsynaptic one, with alpha ="
    " 2*rate*tau: drives the target to fire at 'rate'. w is the size of the inhibition.",
    source="Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, Science 334:1569 (there alpha ="
    " 2*rate*tau, tau = 20 ms); the target rate and eta depend on the task and are ours",
    parameters=(
        Parameter(name="eta", unit="w", default=1e-3, doc="learning rate"),
        Parameter(
            name="rate", unit="Hz", default=5.0, doc="target rate of the postsynaptic neuron"
        ),
        Parameter(name="tau", unit="s", default=20e-3, doc="time constant of both traces"),
        W_MIN,
        W_MAX,
    ),
    traces=(Trace(name="x", side="pre", tau="tau"), Trace(name="y", side="post", tau="tau")),
    on_pre=("w = w + eta*(y - 2*rate*tau)",),
    on_post=("w = w + eta*x",),
    w_min="w_min",
    w_max="w_max",
)
