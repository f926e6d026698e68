"""Resonate-and-fire neuron."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="resonate_and_fire",
    doc=(
        "A damped oscillator z = u + iv: u' = b u - omega v + x, v' = omega u + b v. It fires"
        " when v passes v_threshold and starts again at z = i. Quantities are dimensionless; of"
        " the paper's b = -1 and omega = 10 the unit of time is taken as 0.1 s, a resonance at"
        " 16 Hz."
    ),
    source="Izhikevich 2001, Neural Networks 14:883, equation 2 and section 3",
    equations=(
        "du/dt = b*u - omega*v + gain*x : 1",
        "dv/dt = omega*u + b*v : 1",
    ),
    parameters=(
        Parameter(name="b", unit="1/s", default=-10.0, doc="damping (negative)"),
        Parameter(name="omega", unit="1/s", default=100.0, doc="angular frequency"),
        Parameter(name="gain", unit="1/s", default=10.0, doc="scale of the input current"),
        Parameter(name="v_threshold", unit="1", default=1.0, doc="firing threshold"),
        Parameter(name="u_reset", unit="1", default=0.0, doc="u after a spike"),
        Parameter(name="v_reset", unit="1", default=1.0, doc="v after a spike"),
    ),
    ports=(
        Port(name="jump", variable="u", kind="jump", unit="1", doc="added to u after the tick"),
        Port(name="current", variable="x", kind="hold", unit="1",
             doc="input current, constant over a tick"),
    ),
    threshold="v > v_threshold",
    reset=("u = u_reset", "v = v_reset"),
)  # fmt: skip
