"""Parameters and ports that several models share, named and signed as NIR does."""

from ranvier.neurons._parts import Parameter, Port

__all__ = [
    "BIAS",
    "CURRENT",
    "JUMP_CURRENT",
    "JUMP_VOLTAGE",
    "NIR",
    "R_RATE",
    "TAU",
    "TAU_MEM",
    "TAU_SYN",
    "T_REF",
    "V_LEAK",
    "V_RESET",
    "V_THRESHOLD",
    "W_IN",
    "R",
]

NIR = (
    "NIR: Pedersen et al. 2024, Neuromorphic intermediate representation, Nat. Commun. 15:8122,"
    " doi:10.1038/s41467-024-52259-9"
)

TAU = Parameter(name="tau", unit="s", default=20e-3, doc="membrane time constant")
TAU_MEM = Parameter(name="tau_mem", unit="s", default=20e-3, doc="membrane time constant")
TAU_SYN = Parameter(name="tau_syn", unit="s", default=5e-3, doc="synaptic time constant")
R = Parameter(name="r", unit="ohm", default=1.0, doc="membrane resistance")
R_RATE = Parameter(name="r", unit="1/F", default=1.0,
                   doc="inverse capacitance: NIR's IF has dv/dt = R*I")  # fmt: skip
V_LEAK = Parameter(name="v_leak", unit="V", default=0.0, doc="resting potential")
V_THRESHOLD = Parameter(name="v_threshold", unit="V", default=1.0, doc="firing threshold")
V_RESET = Parameter(name="v_reset", unit="V", default=0.0, doc="potential after a spike")
W_IN = Parameter(name="w_in", unit="1", default=1.0, doc="scale of the synaptic input")
BIAS = Parameter(name="bias", unit="A", default=0.0, doc="constant input current")
T_REF = Parameter(name="t_ref", unit="s", default=0.0, doc="refractory time")

CURRENT = Port(name="current", variable="x", kind="hold", unit="A",
               doc="input current, constant over a tick")  # fmt: skip
JUMP_VOLTAGE = Port(name="jump", variable="v", kind="jump", unit="V",
                    doc="added to the potential at the end of the tick")  # fmt: skip
JUMP_CURRENT = Port(name="jump", variable="i", kind="jump", unit="A",
                    doc="added to the synaptic current at the end of the tick")  # fmt: skip
