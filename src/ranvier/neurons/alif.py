"""Leaky integrate-and-fire neuron with an adaptive threshold, as used in machine learning."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT, JUMP_VOLTAGE, T_REF, TAU, V_LEAK, R
from ranvier.neurons._parts import Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="alif",
    doc=(
        "LIF whose threshold v_threshold + beta*a rises by beta at a spike and relaxes with"
        " tau_a; a spike subtracts the threshold of the moment. The paper adds (1 -"
        " exp(-dt/tau_a)) to a where this adds 1, so its beta is this one divided by that."
    ),
    source="Bellec et al. 2018, Long short-term memory and learning-to-learn, NeurIPS, section 2",
    equations=(
        "dv/dt = (v_leak - v + r*(x + bias))/tau : V",
        "da/dt = -a/tau_a : 1",
    ),
    parameters=(
        TAU,
        R,
        V_LEAK,
        Parameter(name="v_threshold", unit="V", default=0.01, doc="threshold at rest"),
        Parameter(name="beta", unit="V", default=2.57e-3, doc="what a spike adds to the threshold:"
                  " the paper's 1.8 for its tau_a of 700 ms and steps of 1 ms"),
        Parameter(name="tau_a", unit="s", default=0.7, doc="time constant of the threshold"),
        BIAS,
        T_REF,
    ),
    ports=(CURRENT, JUMP_VOLTAGE),
    threshold="v > v_threshold + beta*a",
    reset=("v = v - (v_threshold + beta*a)", "a = a + 1"),
    refractory="t_ref",
    refractory_hold=("v",),
    initial={"v": "v_leak"},
)  # fmt: skip
