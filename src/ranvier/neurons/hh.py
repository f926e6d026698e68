"""Hodgkin and Huxley's neuron, with current and conductance synapses."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parameters import BIAS, CURRENT
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="hh",
    doc=(
        "The squid axon, with rest at -65 mV (depolarisation positive) and an area of 10,000"
        " um**2, so that the paper's 1 uF/cm**2 is 100 pF. The rates 0.01(10 - y)/(exp((10 -"
        " y)/10) - 1) are written 0.1/exprel(1 - y/10), which is smooth at y = 10. A spike is"
        " sent when v reaches v_threshold, then none for t_ref; no state is reset or held. With"
        " v kept above v_threshold (block by depolarisation) it would go on sending one every"
        " t_ref."
    ),
    source=(
        "Hodgkin & Huxley 1952, J. Physiol. 117:500, equations 12, 13, 20, 21, 23, 24, 26 and"
        " table 3; synapses' defaults as NEST 3.10, hh_psc_alpha and iaf_cond_exp"
    ),
    equations=(
        "y = (v - v_rest)/unit_v : 1",
        "a_m = 1/exprel(2.5 - y/10)/unit_t : 1/s",
        "b_m = 4*exp(-y/18)/unit_t : 1/s",
        "a_h = 0.07*exp(-y/20)/unit_t : 1/s",
        "b_h = 1/(1 + exp(3 - y/10))/unit_t : 1/s",
        "a_n = 0.1/exprel(1 - y/10)/unit_t : 1/s",
        "b_n = 0.125*exp(-y/80)/unit_t : 1/s",
        "dv/dt = (g_na*m**3*h*(e_na - v) + g_k*n**4*(e_k - v) + g_leak*(e_leak - v)"
        " + g_exc*(e_exc - v) + g_inh*(e_inh - v) + i_syn + x + bias)/c : V",
        "dm/dt = a_m*(1 - m) - b_m*m : 1",
        "dh/dt = a_h*(1 - h) - b_h*h : 1",
        "dn/dt = a_n*(1 - n) - b_n*n : 1",
        "dg_exc/dt = -g_exc/tau_exc : S",
        "dg_inh/dt = -g_inh/tau_inh : S",
        "di_syn/dt = -i_syn/tau_syn : A",
    ),
    parameters=(
        Parameter(name="c", unit="F", default=100e-12, doc="membrane capacitance"),
        Parameter(name="g_na", unit="S", default=12e-6, doc="sodium (120 mS/cm**2)"),
        Parameter(name="g_k", unit="S", default=3.6e-6, doc="potassium (36 mS/cm**2)"),
        Parameter(name="g_leak", unit="S", default=30e-9, doc="leak (0.3 mS/cm**2)"),
        Parameter(name="v_rest", unit="V", default=-65e-3, doc="zero of the paper's potential"),
        Parameter(name="e_na", unit="V", default=50e-3, doc="sodium reversal (115 mV above)"),
        Parameter(name="e_k", unit="V", default=-77e-3, doc="potassium reversal (12 mV below)"),
        Parameter(name="e_leak", unit="V", default=-54.387e-3, doc="leak reversal (10.613 mV)"),
        Parameter(name="e_exc", unit="V", default=0.0, doc="reversal potential of exc"),
        Parameter(name="e_inh", unit="V", default=-85e-3, doc="reversal potential of inh"),
        Parameter(name="tau_exc", unit="s", default=0.2e-3, doc="decay of exc"),
        Parameter(name="tau_inh", unit="s", default=2e-3, doc="decay of inh"),
        Parameter(name="tau_syn", unit="s", default=2e-3, doc="decay of the synaptic current"),
        Parameter(name="v_threshold", unit="V", default=0.0, doc="potential that makes a spike"),
        Parameter(name="t_ref", unit="s", default=3e-3, doc="least interval between spikes"),
        Parameter(name="unit_v", unit="V", default=1e-3, doc="the paper's unit of potential"),
        Parameter(name="unit_t", unit="s", default=1e-3, doc="the paper's unit of time"),
        BIAS,
    ),
    ports=(
        Port(name="exc", variable="g_exc", kind="jump", unit="S", doc="excitatory conductance"),
        Port(name="inh", variable="g_inh", kind="jump", unit="S", doc="inhibitory conductance"),
        Port(name="syn", variable="i_syn", kind="jump", unit="A", doc="synaptic current"),
        CURRENT,
    ),
    threshold="v >= v_threshold",
    refractory="t_ref",
    method="exponential_midpoint",
    initial={"v": "v_rest", "m": 0.05293248525724958, "h": 0.5961207535084603,
             "n": 0.3176769140606974},  # the gates at y = 0, a/(a + b)
)  # fmt: skip
