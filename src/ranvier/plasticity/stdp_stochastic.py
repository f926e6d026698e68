"""Synapses of two states that switch by chance."""

from ranvier.plasticity._parameters import TAU_MINUS, TAU_PLUS, W_MAX, W_MIN, X, Y
from ranvier.plasticity._parts import Parameter
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["RULE"]

RULE = PlasticityRule(
    name="stdp_stochastic",
    doc="At a postsynaptic spike w becomes w_max with probability p_plus*x, at a presynaptic one"
    " w_min with probability p_minus*y.",
    source="Senn & Fusi 2005, Phys. Rev. E 71:061907 (bounded synapses with stochastic"
    " transitions); as a rule of spike times for binary devices: Suri et al. 2013, IEEE Trans."
    " Electron Devices 60:2402. Probabilities are ours",
    parameters=(
        Parameter(name="p_plus", unit="1", default=0.1, doc="chance to switch up at distance 0"),
        Parameter(name="p_minus", unit="1", default=0.1, doc="chance to switch down"),
        TAU_PLUS, TAU_MINUS, W_MIN, W_MAX,
    ),
    traces=(X, Y),
    on_pre=("w = where(u < p_minus*y, w_min, w)",),
    on_post=("w = where(u < p_plus*x, w_max, w)",),
)  # fmt: skip
