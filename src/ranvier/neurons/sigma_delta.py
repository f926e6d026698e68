"""Sigma-delta neuron: sends changes of an activation, as graded events."""

from ranvier.neurons._model import NeuronModel
from ranvier.neurons._parts import Parameter, Port

__all__ = ["MODEL"]

MODEL = NeuronModel(
    name="sigma_delta",
    doc=(
        "Adds up the changes that arrive (sigma), rectifies, and sends the difference from what"
        " it has sent so far when that is at least v_threshold (delta). The sum of all it has"
        " sent follows relu(sigma + bias) within v_threshold."
    ),
    source=(
        "O'Connor & Welling 2016, Sigma delta quantized networks, arXiv:1611.02024; with a"
        " threshold as in Yousefzadeh et al. 2019, IEEE JETCAS 9:668"
    ),
    equations=(
        "sigma[n+1] = sigma + x : 1",
        "change[n+1] = where(abs(relu(sigma[n+1] + bias) - sent) >= v_threshold,"
        " relu(sigma[n+1] + bias) - sent, 0) : 1",
        "sent[n+1] = sent + change[n+1] : 1",
    ),
    parameters=(
        Parameter(name="v_threshold", unit="1", default=0.1, doc="least change that is sent"),
        Parameter(name="bias", unit="1", default=0.0, doc="added to the sum"),
    ),
    ports=(Port(name="input", variable="x", kind="hold", unit="1", doc="sum of the changes"),),
    output="graded",
    output_expression="change",
)
