"""Pair-based additive spike-timing-dependent plasticity, all pairs."""

from ranvier.plasticity._parameters import A_MINUS, A_PLUS, TAU_MINUS, TAU_PLUS, W_MAX, W_MIN, X, Y
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["RULE"]

RULE = PlasticityRule(
    name="stdp",
    doc="dw = a_plus*exp(-D/tau_plus) for D = t_post - t_pre >= 0, -a_minus*exp(D/tau_minus) for"
    " D < 0, summed over all pairs, within hard bounds.",
    source="Song, Miller & Abbott 2000, Nat. Neurosci. 3:919 (a_minus/a_plus = 1.05, tau = 20 ms)",
    parameters=(A_PLUS, A_MINUS, TAU_PLUS, TAU_MINUS, W_MIN, W_MAX),
    traces=(X, Y),
    on_pre=("w = w - a_minus*y",),
    on_post=("w = w + a_plus*x",),
    w_min="w_min",
    w_max="w_max",
)
