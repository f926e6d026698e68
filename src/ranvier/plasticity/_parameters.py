"""Parameters and traces that several rules share."""

from ranvier.plasticity._parts import Parameter, Trace

__all__ = ["A_MINUS", "A_PLUS", "TAU_MINUS", "TAU_PLUS", "W_MAX", "W_MIN", "X", "Y"]

TAU_PLUS = Parameter(name="tau_plus", unit="s", default=20e-3,
                     doc="time constant of the presynaptic trace (pre before post)")  # fmt: skip
TAU_MINUS = Parameter(name="tau_minus", unit="s", default=20e-3,
                      doc="time constant of the postsynaptic trace (post before pre)")  # fmt: skip
A_PLUS = Parameter(name="a_plus", unit="w", default=0.01, doc="potentiation at zero distance")
A_MINUS = Parameter(name="a_minus", unit="w", default=0.0105, doc="depression at zero distance")
W_MIN = Parameter(name="w_min", unit="w", default=0.0, doc="least weight")
W_MAX = Parameter(name="w_max", unit="w", default=1.0, doc="greatest weight")

X = Trace(name="x", side="pre", tau="tau_plus", doc="recent presynaptic spikes")
Y = Trace(name="y", side="post", tau="tau_minus", doc="recent postsynaptic spikes")
