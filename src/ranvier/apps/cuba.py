"""Random network of current-based neurons: the benchmark CUBA of Brette et al.

R. Brette et al. (2007), "Simulation of networks of spiking neurons: a review of tools and
strategies", J. Comput. Neurosci. 23:349, benchmark 2 (after Vogels & Abbott 2005), with the
parameters of Brian2's example CUBA: 4,000 neurons, four of five excitatory, every pair connected
with probability 0.02, a driving force of 1 mV above rest instead of noise. ``make(scale)`` grows
with scale 1 = 4,000 neurons; the number of synapses of a neuron (80 on average) stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.apps._app import Recipe
from ranvier.errors import fail
from ranvier.network import Network, Population, Projection, Rule
from ranvier.neurons import NeuronModel, Parameter, Port

__all__ = ["APP", "MODEL", "NEURONS", "cuba"]

NEURONS, DEGREE = 4000, 80
WEIGHT_EXC, WEIGHT_INH = 1.62e-3, -9e-3  # V: 60*0.27/10 mV and -20*4.5/10 mV

MODEL = NeuronModel(
    name="cuba",
    doc="Leaky membrane driven by two exponential currents, written as potentials.",
    source="Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 2",
    equations=(
        "dge/dt = -ge/tau_exc : V",
        "dgi/dt = -gi/tau_inh : V",
        "dv/dt = (ge + gi + v_leak - v)/tau_mem : V",
    ),
    parameters=(
        Parameter(name="tau_mem", unit="s", default=20e-3, doc="membrane time constant"),
        Parameter(name="tau_exc", unit="s", default=5e-3, doc="excitatory time constant"),
        Parameter(name="tau_inh", unit="s", default=10e-3, doc="inhibitory time constant"),
        Parameter(name="v_leak", unit="V", default=-49e-3, doc="resting potential"),
        Parameter(name="v_threshold", unit="V", default=-50e-3, doc="threshold"),
        Parameter(name="v_reset", unit="V", default=-60e-3, doc="potential after a spike"),
        Parameter(name="t_ref", unit="s", default=5e-3, doc="refractory time"),
    ),
    ports=(
        Port(name="exc", variable="ge", kind="jump", unit="V", doc="excitation"),
        Port(name="inh", variable="gi", kind="jump", unit="V", doc="inhibition"),
    ),
    threshold="v > v_threshold",
    reset=("v = v_reset",),
    refractory="t_ref",
    refractory_hold=("v",),
    initial={"v": "v_reset"},
)


def random_pair(
    name: str, model: NeuronModel, scale: tuple[float, float], weights: tuple[float, float],
    initial: Callable[[int, int], dict[str, Any]], *, seed: int, dt: float,
) -> Network:  # fmt: skip
    """4,000 neurons of 80 synapses, times ``scale``; four of five excite.

    ``weights`` of excitation and inhibition, over the scale of the synapses, go to the ports exc
    and inh; delays are one tick. ``initial(neurons, seed)`` are states [neurons]. Raises
    RanvierError for a scale that is not positive.
    """
    if not all(s > 0 for s in scale):
        raise fail("app-scale", name, "a scale must be positive", got=min(scale))
    neurons, degree = max(10, round(NEURONS * scale[0])), max(1, round(DEGREE * scale[1]))
    states = initial(neurons, seed)
    sizes = {"E": neurons * 4 // 5}
    sizes["I"] = neurons - sizes["E"]
    cut = {"E": slice(0, sizes["E"]), "I": slice(sizes["E"], None)}
    populations = tuple(
        Population(
            name=p, shape=(n,), model=model, initial={k: v[cut[p]] for k, v in states.items()}
        )
        for p, n in sizes.items()
    )
    projections = tuple(
        Projection(
            source=pre, target=post, port=port, delay=dt,
            connectivity=Rule(
                "fixed_probability", sizes[pre], sizes[post], {"p": min(1.0, degree / neurons)},
                weight / scale[1], seed * 4 + 2 * k + j,
            ),
        )
        for k, (pre, port, weight) in enumerate(
            (("E", "exc", weights[0]), ("I", "inh", weights[1]))
        )
        for j, post in enumerate(sizes)
    )  # fmt: skip
    return Network(
        name=name, populations=populations, projections=projections, outputs=tuple(sizes)
    )


def initial_states(neurons: int, seed: int) -> dict[str, np.ndarray]:
    """Potentials anywhere between reset and threshold."""
    reset, threshold = MODEL.defaults["v_reset"], MODEL.defaults["v_threshold"]
    return {"v": reset + np.random.default_rng(seed).random(neurons) * (threshold - reset)}


def cuba(scale_n: float = 1.0, scale_k: float = 1.0, *, seed: int = 1, dt: float = 1e-4) -> Network:
    """The network with ``scale_n`` * 4,000 neurons of ``scale_k`` * 80 synapses.

    Raises RanvierError for a scale that is not positive.
    """
    weights = (WEIGHT_EXC, WEIGHT_INH)
    return random_pair("cuba", MODEL, (scale_n, scale_k), weights, initial_states, seed=seed, dt=dt)


APP = Recipe(
    name="cuba",
    summary="random network of 4,000 current-based neurons, 80 synapses each",
    make=cuba,
    rates={},
    irregularity=None,
    synchrony=None,
    source="Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 2 (no rates published)",
    dt=1e-4,
)
