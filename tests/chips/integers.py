"""Programs from raw chip integers, past the quantiser: what the golden cases are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import chips
from ranvier.chips import Chip, Quantised, QuantisedProjection
from ranvier.compile import Draft, Pack, Program
from ranvier.network import Network, Population, Probe, Projection, Sparse
from ranvier.neurons import Kernel

LIF = {"tau": 0.02, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0, "r": 1.0}


def program(
    chip: Chip,
    kernel: Kernel,
    reference: Mapping[str, Any],
    *,
    neurons: int,
    inputs: int,
    values: Mapping[str, Any],
    initial: Mapping[str, Any],
    synapses: Mapping[str, NDArray[np.int64]],
    probes: tuple[str, ...],
) -> Program:
    """``synapses``: is_input, pre, post, weight, port, delay [n]; one population, one input."""
    populations = (
        Population(name="in", shape=(max(1, inputs),)),
        Population(name="n", shape=(neurons,), model="lif", parameters=LIF),  # type: ignore[arg-type]
    )
    made, projections = [], []
    for name, source, size, flag in (("in->n", "in", max(1, inputs), 1), ("n->n", "n", neurons, 0)):
        pick = np.flatnonzero(synapses["is_input"] == flag)
        pick = pick[np.argsort(synapses["pre"][pick], kind="stable")]
        chosen = {k: v[pick] for k, v in synapses.items()}
        sparse = Sparse(chosen["pre"], chosen["post"], np.ones(pick.size), (size, neurons))
        projections.append(Projection(name=name, source=source, target="n", connectivity=sparse))
        made.append(
            QuantisedProjection(
                name=name,
                source=source,
                target="n",
                pre=chosen["pre"],
                post=chosen["post"],
                weight=chosen["weight"],
                port=chosen["port"],
                delay=chosen["delay"],
                index=np.arange(pick.size),
                origin=np.arange(pick.size),
                encoding={},
                synapse_bits=8.0,
            )
        )
    network = Network(populations=populations, projections=tuple(projections), outputs=("n",))
    quantised = Quantised(
        kernel=kernel,
        reference=reference,
        values=values,
        initial=initial,
        encodings={},
        weights={},
        synapse_bits={},
    )
    draft = Draft(
        network=network,
        chip=chips.get(chip),
        dt=1e-3,
        implementations={"n": str(reference["implementation"])},
        quantised={"n": quantised},
        projections=tuple(made),
    )
    packed = Pack().apply(draft)
    return replace(packed, probes=tuple(Probe(population="n", variable=v) for v in probes))
