"""Parameters and ports of the models named after NEST's, with its names and its defaults in SI.

The statements are written from the documentation of NEST 3.10 (nest-simulator.readthedocs.io,
"Model directory"). What they have in common:

- the threshold is ``V_m >= V_th``; V_m stays at V_reset while refractory, synapses do not;
- sums arrive after integration over the tick, as spikes do in NEST;
- NEST splits weights by sign over its two receptors; here the projection names the port. A
  weight at ``inh`` is a (negative) current in a psc model, a (positive) conductance in a cond one;
- NEST applies a current one tick after it arrives; here ``current`` acts in the tick it arrives in.
"""

from ranvier.neurons._parts import Parameter, Port

__all__ = [
    "BETA",
    "CURRENT",
    "C_M",
    "E_EX",
    "E_IN",
    "E_L",
    "G_L",
    "I_E",
    "NEST",
    "TAU_M",
    "TAU_SYN_EX",
    "TAU_SYN_IN",
    "T_REF",
    "V_RESET",
    "V_TH",
    "beta_scale",
    "port",
]

NEST = "NEST 3.10, model directory"
BETA = (
    "Roth & van Rossum 2009, Modeling synapses, in Computational Modeling Methods for"
    " Neuroscientists, MIT Press, equations 6.4 to 6.6"
)

C_M = Parameter(name="C_m", unit="F", default=250e-12, doc="membrane capacitance")
TAU_M = Parameter(name="tau_m", unit="s", default=10e-3, doc="membrane time constant")
E_L = Parameter(name="E_L", unit="V", default=-70e-3, doc="resting potential")
V_TH = Parameter(name="V_th", unit="V", default=-55e-3, doc="firing threshold")
V_RESET = Parameter(name="V_reset", unit="V", default=-70e-3, doc="potential after a spike")
T_REF = Parameter(name="t_ref", unit="s", default=2e-3, doc="refractory time")
I_E = Parameter(name="I_e", unit="A", default=0.0, doc="constant input current")
TAU_SYN_EX = Parameter(name="tau_syn_ex", unit="s", default=2e-3,
                       doc="time constant of the synapses at exc")  # fmt: skip
TAU_SYN_IN = Parameter(name="tau_syn_in", unit="s", default=2e-3,
                       doc="time constant of the synapses at inh")  # fmt: skip
G_L = Parameter(name="g_L", unit="S", default=16.6667e-9, doc="leak conductance")
E_EX = Parameter(name="E_ex", unit="V", default=0.0, doc="reversal potential of exc")
E_IN = Parameter(name="E_in", unit="V", default=-85e-3, doc="reversal potential of inh")

CURRENT = Port(name="current", variable="x", kind="hold", unit="A",
               doc="input current, constant over a tick")  # fmt: skip


def port(name: str, variable: str, unit: str, scale: str = "1") -> Port:
    """A port for spikes: what arrives is added to a synapse's state."""
    doc = "weights are the peak of the synapse" if scale != "1" else "added to the synapse"
    return Port(name=name, variable=variable, kind="jump", unit=unit, scale=scale, doc=doc)


def beta_scale(rise: str, decay: str) -> str:
    """The initial slope of a double exponential, so that its peak is the weight.

    g' = d - g/decay, d' = -d/rise. With q = rise/decay the peak lies at rise*z, z = -ln(q)/(1 - q),
    and the slope that makes it 1 is exp(z)/decay. Near q = 1, an alpha function,
    z = 1 + (1-q)/2 + (1-q)**2/3.
    """
    q = f"{rise}/{decay}"
    near = f"1 + (1 - {q})/2 + (1 - {q})**2/3"
    return f"exp(where(abs(1 - {q}) < 1e-5, {near}, -log({q})/(1 - {q})))/{decay}"
