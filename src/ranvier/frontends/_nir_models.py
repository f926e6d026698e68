"""NIR neurons as models of the house, given the choices NIR leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.errors import fail
from ranvier.frontends._nir_choices import SPIKING, Choices
from ranvier.frontends._nir_read import NirNode
from ranvier.frontends._nir_shapes import NEURON_FIELDS, Shape, spread
from ranvier.frontends._nir_spikes import held, jump
from ranvier.neurons import NeuronModel, Parameter, Port, with_reset, with_threshold
from ranvier.neurons import get as get_model

__all__ = ["BIASED_RELAY", "MODELS", "Made", "bias_parameters", "neuron"]

Array = NDArray[np.float64]

MODELS: Mapping[str, str] = {
    "I": "integrator",
    "IF": "if",
    "LI": "li",
    "LIF": "lif",
    "CubaLI": "cuba_li",
    "CubaLIF": "cuba_lif",
    "Threshold": "threshold",
}
"""NIR node type to model name; parameters have the same names."""

BIASED_RELAY = NeuronModel(
    name="biased_relay",
    doc="Sends the arriving sum plus a constant in the same tick: an affine node without a neuron.",
    source="linear",
    equations=("y = x + bias : 1",),
    parameters=(Parameter(name="bias", unit="1", default=0.0, doc="constant input"),),
    ports=(Port(name="input", variable="x", kind="hold", unit="1", doc="arriving sum"),),
    output="graded",
)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A neuron node as a population's parts.

    Spikes arrive at ``jump`` with weights times ``factor`` [size] where that is not None, all else
    at ``hold``. ``gain`` is what a constant current of 1 adds to v in a tick, where a bias is added
    tick by tick. ``lock``: the discrete network depends on its dt; the population then carries it.
    """

    kind: str
    model: NeuronModel
    parameters: Mapping[str, Any]
    hold: str
    jump: str | None = None
    factor: Array | None = None
    gain: Array | None = None
    method: str | None = None
    lock: bool = False
    severity: Any = "exact"
    message: str = ""


def neuron(node: NirNode, shape: Shape, choices: Choices) -> Made:
    """Model, parameters, ports and label of a neuron node; raises RanvierError if impossible."""
    kind, name = node.type, node.name
    required, _ = NEURON_FIELDS[kind]
    values = {f: spread(name, f, node.fields[f], shape) for f in required}
    for f in ("tau", "tau_mem", "tau_syn"):
        if f in values and np.any(values[f] <= 0):
            raise fail("nir-field", f"{name}.{f}", "a time constant must be positive",
                       got=float(values[f].min()))  # fmt: skip
    model = get_model(MODELS[kind])
    text: list[str] = []
    if kind in ("CubaLI", "CubaLIF"):
        values["w_in"] = spread(name, "w_in", node.fields.get("w_in", 1.0), shape)
        if "w_in" not in node.fields:
            text.append("w_in is absent and 1")
    if kind in (*SPIKING, "Threshold") and choices.comparison == ">=":
        model = with_threshold(model, comparison=">=")
    if kind == "Threshold":
        comparison = f"a spike where the sum is {choices.comparison} the threshold"
        return Made(kind=kind, model=model, parameters=values, hold="input", message=comparison)
    if kind in SPIKING:
        model, reset, told = _reset(node, shape, model, choices)
        values["v_reset"] = reset
        text += [told, f"spike if v {choices.comparison} v_threshold"]
    spikes = choices.spikes
    if kind == "IF" and choices.spikes_if is not None:
        spikes = choices.spikes_if
    dt = choices.dt
    assert dt is not None
    assert choices.integrator is not None
    method = choices.integrator
    factor = gain = None
    severity: Any = "exact"
    if method != "exact":
        decays = {"tau": "v", "tau_mem": "v", "tau_syn": "i"}
        worst = [
            f"{state} keeps 1 - dt/{f} = {1 - r:.6g} a tick where exp(-dt/{f}) = {np.exp(-r):.6g}"
            for f, state in decays.items()
            if f in values
            for r in [float((dt / values[f]).max())]
        ]
        if worst and method.startswith("euler"):
            severity = "approximate"
            text.append("; ".join(worst))
    if spikes == "hold":
        text.append(f"a spike is an input of 1 held for {dt:g} s")
        if kind == "IF" and float((dt * values["r"] / np.abs(values["v_threshold"])).max()) < 0.01:
            severity = "approximate"
            text.append("an input of 1 moves v by dt*r, under 1 % of the threshold: tools that "
                        "write IF mean spikes='jump'")  # fmt: skip
    elif spikes == "dirac":
        factor = jump(kind, values)
        text.append("a spike is an impulse of area 1, a bias a constant current")
    else:
        if kind.startswith("Cuba"):
            raise fail(
                "nir-jump",
                name,
                f"spikes='jump' has no meaning for {kind}: it says what is"
                " added to v, but these spikes go through a synapse",
                hint=("say spikes='hold' (snnTorch, Norse, Lava)", "spikes='dirac'"),
            )
        factor = np.ones_like(values["r"])
        gain = held(kind, values, method, dt)
        text.append("what arrives is added to v as it is, biases every tick")
        if np.any(values["r"] != 1):
            severity = "approximate"
            text.append(f"r = {float(values['r'].ravel()[0]):g} is not used for spikes, as in "
                        "Sinabs and Rockpool, whose neurons have none")  # fmt: skip
    if choices.source == "sinabs" and kind == "IF":
        severity = "approximate"
        text.append("Sinabs' importer also keeps v above -v_threshold, which is left out")
    if choices.source == "nengo":
        text.append("Nengo also keeps v above 0, which is left out")
    return Made(
        kind=kind, model=model, parameters=values, hold="current",
        jump=None if spikes == "hold" else "jump", factor=factor, gain=gain, method=method,
        lock=method != "exact" or spikes == "hold",
        severity=severity, message=f"{method} at dt = {dt:g} s; " + "; ".join(text),
    )  # fmt: skip


def _reset(
    node: NirNode, shape: Shape, model: NeuronModel, choices: Choices
) -> tuple[NeuronModel, Array, str]:
    """Model with the reset, v_reset, and the words for the label."""
    given = node.fields.get("v_reset")
    stored = np.zeros(()) if given is None else spread(node.name, "v_reset", given, shape)
    kind = choices.reset or "value"
    if choices.spikes_per_tick == "many":
        model = replace(
            model, name=f"{model.name}_many", output="graded",
            output_expression="floor(v/v_threshold)",
            reset=("v = v - v_threshold*floor(v/v_threshold)",),
        )  # fmt: skip
        if np.any(spread(node.name, "v_threshold", node.fields["v_threshold"], shape) <= 0):
            raise fail("nir-many", f"{node.name}.v_threshold", "must be positive for "
                       "spikes_per_tick='many'", hint="say spikes_per_tick='one'")  # fmt: skip
        told = "floor(v/v_threshold) spikes a tick, as many thresholds off v; chips need --set " \
            "spikes_per_tick=one, Loihi 1 also --reset zero --comparison '>'"  # fmt: skip
        return model, stored, told
    if kind == "zero" and np.any(stored != 0):
        raise fail(
            "nir-reset",
            f"{node.name}.v_reset",
            "reset='zero' contradicts the file",
            got=float(np.ravel(stored)[0]),
            hint="say reset='value' to use the file's",
        )
    late = choices.reset_delay
    if kind == "subtract":
        model, told = with_reset(model, "subtract", delay=late), "reset by subtraction"
    else:
        if late:
            model = with_reset(model, "value", delay=late)
        where = "of the file" if given is not None else "(none in the file)"
        told = "reset to 0" if kind == "zero" else f"reset to v_reset {where}"
    return model, stored, told + (" one tick later" if late else "")


def bias_parameters(made: Made, bias: Array) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Parameters and initial states that stand for a constant input, and whether they fix dt."""
    if made.kind == "Threshold":
        return {"threshold": made.parameters["threshold"] - bias}, {}, False
    if made.kind.startswith("Cuba"):
        # The bias goes through the synapse: i = i' + w_in*bias with i' starting at -w_in*bias obeys
        # di'/dt = (w_in*x - i')/tau_syn, so the model's own bias behind the synapse says the same.
        current = made.parameters["w_in"] * bias
        return {"bias": current}, {"i": -current}, False
    if made.gain is not None:
        return {"bias": bias / made.gain}, {}, True
    return {"bias": bias}, {}, False
