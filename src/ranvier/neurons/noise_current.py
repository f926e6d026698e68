"""Source of white noise, a new value each tick."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Noise, Parameter

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="noise_current",
    doc=(
        "A normal random number every tick, independent of all others; its effect on a neuron"
        " depends on the length of the tick unless std is scaled with 1/sqrt(dt)."
    ),
    source="NEST 3.10, model directory, noise_generator (with its dt equal to the tick)",
    equations=("i = mean + std*z : A",),
    parameters=(
        Parameter(name="mean", unit="A", default=0.0, doc="mean current"),
        Parameter(name="std", unit="A", default=0.0, doc="standard deviation of the current"),
    ),
    noises=(Noise(name="z", kind="normal", doc="the number"),),
    output="continuous",
)
