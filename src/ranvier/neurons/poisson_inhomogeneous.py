"""Source of Poisson spikes at a rate that can change."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Noise, Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="poisson_inhomogeneous",
    doc=(
        "Keeps a rate, to which what arrives at the port is added: a rate that is constant in"
        " pieces arrives as its increments. At each tick it sends one spike if the process has"
        " any event in the tick, with probability 1 - exp(-rate*dt); the new rate counts from"
        " the tick it arrives in. A negative rate is silent."
    ),
    source="Kingman 1993, Poisson Processes, section 2.1",
    equations=("drate/dt = 0 : 1/s",),
    parameters=(Parameter(name="rate_0", unit="1/s", default=0.0, doc="rate at the start"),),
    ports=(Port(name="rate", variable="rate", kind="jump", unit="1/s", doc="change of the rate"),),
    noises=(Noise(name="u", kind="uniform", doc="decides whether a spike is sent"),),
    threshold="1 - exp(-rate*dt) > u",
    initial={"rate": "rate_0"},
)
