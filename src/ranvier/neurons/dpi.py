"""Subthreshold silicon neuron around a differential-pair integrator."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="dpi",
    doc=(
        "The membrane is a current i_mem on a capacitance c; tau = c*u_t/(kappa*i_tau)."
        " Positive feedback i_a makes the upswing, i_ahp adapts, i_0 is the dark current below"
        " which no current falls. The feedback is a logistic function of i_mem. Synapses are DPI"
        " circuits in their linear range: currents that decay with tau_syn."
    ),
    source=(
        "Chicca et al. 2014, Proc. IEEE 102:1367, equations of section IV (with Livi & Indiveri"
        " 2009, ISCAS, for the circuit); the default values are ours, of the usual order for 180"
        " nm"
    ),
    equations=(
        "tau = c*u_t/(kappa*i_tau) : s",
        "i_a = i_gain/(1 + exp((i_th_a - i_mem)/i_norm)) : A",
        "i_in = max(i_exc - i_inh + x + bias, i_0) : A",
        "di_mem/dt = (i_th/i_tau*(i_in - i_ahp - i_tau) + i_a/i_tau*(i_mem + i_th)"
        " - i_mem*(1 + i_ahp/i_tau))/(tau*(1 + i_th/max(i_mem, i_0))) : A",
        "di_ahp/dt = -i_ahp/tau_ahp : A",
        "di_exc/dt = -i_exc/tau_exc : A",
        "di_inh/dt = -i_inh/tau_inh : A",
    ),
    parameters=(
        Parameter(name="c", unit="F", default=2e-12, doc="membrane capacitance"),
        Parameter(name="u_t", unit="V", default=25.85e-3, doc="thermal voltage kT/q at 300 K"),
        Parameter(name="kappa", unit="1", default=0.7, doc="subthreshold slope factor"),
        Parameter(name="i_0", unit="A", default=0.5e-12, doc="dark current"),
        Parameter(name="i_tau", unit="A", default=5e-12, doc="leak, sets the time constant"),
        Parameter(name="i_th", unit="A", default=10e-12, doc="threshold of the DPI: the gain"
                  " is i_th/i_tau"),
        Parameter(name="i_gain", unit="A", default=50e-12, doc="largest feedback current"),
        Parameter(name="i_th_a", unit="A", default=100e-12, doc="i_mem at half the feedback"),
        Parameter(name="i_norm", unit="A", default=10e-12, doc="sharpness of the feedback"),
        Parameter(name="i_spike", unit="A", default=2e-9, doc="i_mem at which a spike is sent"),
        Parameter(name="i_reset", unit="A", default=0.6e-12, doc="i_mem after a spike"),
        Parameter(name="i_ca", unit="A", default=1e-12, doc="added to i_ahp by a spike"),
        Parameter(name="tau_ahp", unit="s", default=100e-3, doc="time constant of adaptation"),
        Parameter(name="tau_exc", unit="s", default=10e-3, doc="time constant of exc"),
        Parameter(name="tau_inh", unit="s", default=10e-3, doc="time constant of inh"),
        Parameter(name="bias", unit="A", default=0.0, doc="constant input current"),
        Parameter(name="t_ref", unit="s", default=1e-3, doc="refractory time"),
    ),
    ports=(
        Port(name="exc", variable="i_exc", kind="jump", unit="A", doc="excitatory DPI synapse"),
        Port(name="inh", variable="i_inh", kind="jump", unit="A", doc="inhibitory DPI synapse"),
        Port(name="current", variable="x", kind="hold", unit="A",
             doc="input current, constant over a tick"),
    ),
    threshold="i_mem >= i_spike",
    reset=("i_mem = i_reset", "i_ahp = i_ahp + i_ca"),
    refractory="t_ref",
    refractory_hold=("i_mem",),
    method="rk4_split",
    initial={"i_mem": "i_reset"},
)  # fmt: skip
