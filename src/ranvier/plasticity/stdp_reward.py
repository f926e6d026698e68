"""STDP gated by dopamine through an eligibility trace."""

from ranvier.plasticity._parameters import TAU_MINUS, TAU_PLUS, W_MAX, W_MIN, X, Y
from ranvier.plasticity._parts import Parameter, SynapseVariable, ThirdFactor
from ranvier.plasticity._rule import PlasticityRule

__all__ = ["RULE"]

RULE = PlasticityRule(
    name="stdp_reward",
    doc="Pairs of spikes change an eligibility c, and dw/dt = c*d with the dopamine d: dc/dt = -c/"
    "tau_c + STDP, dd/dt = -(d - baseline)/tau_d + rewards.",
    source="Izhikevich 2007, Cereb. Cortex 17:2443, eq. 1-3 and 'Methods': tau_c 1 s, tau_d 0.2 s,"
    " STDP of 0.1*exp(-D/20 ms) and -0.15*exp(D/20 ms), w within 0..4 mV (here relative to w_max ="
    " 4), tonic dopamine 0.01 uM/s * tau_d = 0.002 uM; d is counted in uM",
    parameters=(
        Parameter(name="a_plus", unit="w/s", default=0.1, doc="eligibility at zero distance"),
        Parameter(name="a_minus", unit="w/s", default=0.15, doc="negative one, post before pre"),
        TAU_PLUS,
        TAU_MINUS,
        Parameter(name="tau_c", unit="s", default=1.0, doc="decay of the eligibility"),
        Parameter(name="tau_d", unit="s", default=0.2, doc="decay of dopamine"),
        Parameter(name="d_baseline", unit="1", default=0.002, doc="dopamine without reward"),
        W_MIN,
        Parameter(name="w_max", unit="w", default=4.0, doc=W_MAX.doc),
    ),
    traces=(X, Y),
    variables=(SynapseVariable(name="c", tau="tau_c", unit="w/s", doc="eligibility"),),
    third_factor=ThirdFactor(name="d", tau="tau_d", baseline="d_baseline", doc="dopamine"),
    on_pre=("c = c - a_minus*y",),
    on_post=("c = c + a_plus*x",),
    drift="dw/dt = c*d",
    w_min="w_min",
    w_max="w_max",
)
