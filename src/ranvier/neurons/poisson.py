"""Source of Poisson spikes at a constant rate."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Noise, Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="poisson",
    doc=(
        "Sends, at each tick, the number of events of a Poisson process in that tick (nothing"
        " when there are none), so a weight arrives that many times over. For background input"
        " that needs no synapses of its own see with_poisson."
    ),
    source="Kingman 1993, Poisson Processes, section 1.3",
    equations=("events = count : 1",),
    parameters=(Parameter(name="rate", unit="1/s", default=0.0, doc="mean events a second"),),
    noises=(Noise(name="count", kind="poisson", rate="rate", doc="events in the tick"),),
    output="graded",
)
