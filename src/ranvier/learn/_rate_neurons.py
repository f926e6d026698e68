"""The neurons of converted networks."""

from __future__ import annotations

from ranvier.neurons import NeuronModel, Port, get, with_reset, with_threshold

__all__ = ["max_neuron", "rate_neuron"]


def rate_neuron(signed: bool, burst: int) -> NeuronModel:
    """Integrate-and-fire with subtraction; ``signed`` takes back what was sent too much."""
    if not signed and burst == 1:
        return with_threshold(with_reset(get("if"), "subtract"), comparison=">=")
    most = f"min(floor(v + x), {burst}.0)"
    less = "where(v + x < 0 and sent >= 1, -1.0, 0.0)" if signed else "0.0"
    return NeuronModel(
        name=f"rate_{'signed' if signed else 'plain'}_{burst}",
        doc="Sends up to so many spikes a tick; takes one back where its potential is negative.",
        source="Wang et al. 2022, IJCAI (signed neurons with memory); Li & Zeng 2022, IJCAI"
        " (bursts)",
        equations=(
            f"step[n+1] = where(v + x >= 1, {most}, {less}) : 1",
            "v[n+1] = v + x - step[n+1] : 1",
            "sent[n+1] = sent + step[n+1] : 1",
        ),
        ports=(Port(name="input", variable="x", kind="hold", unit="1", doc="charge"),),
        output="graded",
        output_expression="step",
    )


def max_neuron(sources: int) -> NeuronModel:
    """Its count of spikes is the largest count among its sources."""
    names = [f"n{k}" for k in range(1, sources + 1)]
    largest = f"{names[0]}[n+1]"
    for name in names[1:]:
        largest = f"max({largest}, {name}[n+1])"
    return NeuronModel(
        name=f"max_{sources}",
        doc="Counts what each source sends; sends what the largest count has grown by.",
        source="as the gate of Rueckauer et al. 2017, Front. Neurosci. 11:682, section 2.2.4, but "
        "exact at every tick",
        equations=(
            *(f"{n}[n+1] = {n} + x_{n} : 1" for n in names),
            f"step[n+1] = {largest} - sent : 1",
            "sent[n+1] = sent + step[n+1] : 1",
        ),
        ports=tuple(Port(name=n, variable=f"x_{n}", kind="hold", unit="1", doc="a source's spikes")
                    for n in names),
        output="graded",
        output_expression="step",
    )  # fmt: skip
