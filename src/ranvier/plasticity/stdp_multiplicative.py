"""STDP whose steps depend on the weight by a power law."""

from ranvier.plasticity._parameters import TAU_MINUS, TAU_PLUS, W_MAX, W_MIN, X, Y
from ranvier.plasticity._parts import Parameter
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["RULE"]

RULE = PlasticityRule(
    name="stdp_multiplicative",
    doc="dw = eta*w_max*(1 - w/w_max)**mu*x at a postsynaptic spike, -eta*alpha*w_max*"
    "(w/w_max)**mu*y at a presynaptic one. mu = 0: additive; mu = 1: multiplicative (van Rossum"
    " et al. 2000). w is positive.",
    source="Gütig, Aharonov, Rotter & Sompolinsky 2003, J. Neurosci. 23:3697"
    " (their lambda is eta); default values are ours",
    parameters=(
        Parameter(name="eta", unit="1", default=0.005, doc="learning rate"),
        Parameter(name="alpha", unit="1", default=1.05, doc="depression over potentiation"),
        Parameter(name="mu", unit="1", default=0.02, doc="0 additive to 1 multiplicative"),
        TAU_PLUS, TAU_MINUS, W_MIN, W_MAX,
    ),
    traces=(X, Y),
    on_pre=("w = w - eta*alpha*w_max*max(w/w_max, 0)**mu*y",),
    on_post=("w = w + eta*w_max*max(1 - w/w_max, 0)**mu*x",),
    w_min="w_min",
    w_max="w_max",
)  # fmt: skip
